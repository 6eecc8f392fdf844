"""Spurlab: a laboratory for spurious correlations in neural networks.

The public names are listed once, in ``__init__.pyi``; each is imported when it is first used, so that
``spurlab --help`` does not wait for PyTorch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__version__ = "0.1.0"
