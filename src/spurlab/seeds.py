"""Where randomness comes from: one generator for each purpose, so that a new draw moves no number elsewhere."""

import hashlib
import operator
from typing import SupportsIndex

import torch


def seed_for(seed: SupportsIndex, *purpose: str | SupportsIndex) -> int:
    """The 56-bit number behind :func:`rng_for`, for code that takes a seed and not a generator.

    Integers count by value: ``np.int64(3)`` stands for the same as 3.

    >>> seed_for(0, "init") == seed_for(0, "init")
    True
    >>> seed_for(0, "init") == seed_for(0, "order")
    False
    """
    plain = (str(word) if isinstance(word, str) else int(operator.index(word)) for word in (seed, *purpose))
    digest = hashlib.sha256(repr(tuple(plain)).encode()).digest()
    return int.from_bytes(digest[:7], "big")


def rng_for(seed: SupportsIndex, *purpose: str | SupportsIndex) -> torch.Generator:
    """The generator for one purpose, on the CPU, e.g. ``rng_for(0, "order", epoch)``.

    >>> first, again = (torch.randperm(5, generator=rng_for(0, "order", 3)) for _ in range(2))
    >>> first.equal(again)
    True
    """
    return torch.Generator().manual_seed(seed_for(seed, *purpose))


def seed_global(number: int) -> None:
    """Seed PyTorch's global generators that are in use: the CPU's, and those of accelerators that have begun.

    ``torch.manual_seed`` would also replace a seed that waits for CUDA to begin, which nobody could give back.
    """
    torch.default_generator.manual_seed(number)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(number)
    if torch.backends.mps.is_available():
        torch.mps.manual_seed(number)
