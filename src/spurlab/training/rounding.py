"""Whether the bits of a matrix product depend on where its matrices start in memory.

The members of a group stand one after the other in memory, so where one starts depends on its company. On some
processors MKL chooses its code, and with it the order of its sums, by that. ``MKL_CBWR=AUTO,STRICT`` forbids it, at no
cost in time; ``import spurlab`` sets it unless the environment has the variable, and worker processes begin with that.
MKL looks at it once, at its first product: in a process that multiplied matrices before it imported Spurlab, it has no
effect.

Source: Intel, oneMKL developer guide, "Obtaining numerically reproducible results".
"""

from functools import cache

import torch

from spurlab.seeds import rng_for

STARTS = 16  # float32 numbers in 64 bytes, the widest register and what matrix products like to start on
SHAPES = ((37, 13, 10), (33, 17, 7), (5, 49, 17))  # that fill no register: rows, summed over, columns


@cache
def placement_moves_bits() -> bool:
    """Multiply a few small matrices from every place that a number can have in a vector register, and compare.

    Where the products are not all the same to the bit, networks trained in lockstep are so only to rounding, see
    `spurlab.fit`. It is found once for each process and does not change in it.
    """
    rng = rng_for(0, "placement")
    for rows, inner, columns in SHAPES:
        left, right = torch.randn(rows, inner, generator=rng), torch.randn(inner, columns, generator=rng)
        first = None
        for start in range(STARTS):
            product = torch.mm(_at(start, left), _at(start, right), out=_at(start, torch.zeros(rows, columns)))
            first = product if first is None else first
            if not product.equal(first):
                return True
    return False


def _at(start: int, matrix: torch.Tensor) -> torch.Tensor:
    """A copy that starts so many numbers behind an address on which memory begins."""
    room = torch.empty(STARTS + matrix.numel())
    return room[start : start + matrix.numel()].view_as(matrix).copy_(matrix)
