"""Spurlab: a laboratory for spurious correlations in neural networks.

The public names are listed once, in ``__init__.pyi``; each is imported when it is first used, so that
``spurlab --help`` does not wait for PyTorch.
"""

import os

import lazy_loader

# MKL rounds by where a matrix starts in memory on some processors, unless told not to. It looks at its first product,
# so that this is early enough even where PyTorch is loaded already; see `spurlab.training.rounding`.
os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__version__ = "0.2.0"
