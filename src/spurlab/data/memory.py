"""Room for inputs: in memory or, where that is short, in a file that the system reads and drops as it likes."""

import math
import os
import tempfile
from collections.abc import Callable

import numpy as np
import psutil
import torch
from jaxtyping import Float32
from torch import Tensor

from spurlab.data import places
from spurlab.data.files import told

MOST = 0.5  # of the memory that is free, for one tensor; larger ones lie in a file
AT_ONCE = 2**24  # numbers that are looked at together


def room(*shape: int) -> Float32[Tensor, "..."]:
    """A tensor without content. Where it would take more than half of the free memory, its numbers lie in a file.

    The file is in the user's cache, has no name, and is gone with the tensor. Its bytes are set aside at once.

    Raises:
        DataFailureError: there is no room for it on the disk either.

    >>> room(2, 3).shape
    torch.Size([2, 3])
    """
    size = 4 * math.prod(shape)
    if size <= MOST * psutil.virtual_memory().available:
        return torch.empty(shape)
    folder = places.cache_folder()
    what = f"{size:,} bytes for inputs do not fit into memory, nor into a file in {folder}"
    with told(what, "Make room there, or use fewer or smaller inputs."):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            if hasattr(os, "posix_fallocate"):  # a file with holes would fail when they are filled
                os.posix_fallocate(file.fileno(), 0, size)
            return torch.from_numpy(np.memmap(file, np.float32, "r+", shape=shape))


def mean_of(inputs: Float32[Tensor, "n *shape"], of: Callable[[Tensor], Tensor]) -> float:
    """The mean of what a function makes of each number, of some inputs at a time."""
    together = max(1, AT_ONCE // max(1, inputs[:1].numel()))
    return sum(float(of(some).sum(dtype=torch.float64)) for some in inputs.split(together)) / max(1, inputs.numel())
