"""The loop of `spurlab.training.one_pass`, which numba compiles: a module of its own, since numba is an extra.

It follows PyTorch's fused Adam in each rounding: where that multiplies and adds in one instruction, this does too.
"""

from typing import Any, no_type_check

import numpy as np
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Halves = NDArray[np.uint16]
ONE, HALF, HIGH, QUIET = np.uint32(1), np.uint32(0x7FFF), np.uint32(16), np.uint16(0x7FC0)


def _fused(context: Any, a: Any, b: Any, c: Any) -> Any:
    """Numba's way to one instruction of the processor."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fma(*arguments)

    return types.float32(types.float32, types.float32, types.float32), code


fma: Any = intrinsic(_fused)  # a * b + c, rounded once


@njit(cache=True, error_model="numpy", nogil=True)
@no_type_check  # at run time: numba compiles the function as it stands
def step(
    gradient: Halves,
    weights: Floats,
    mean: Floats,
    square: Floats,
    rounded: Halves,
    new: np.float32,
    second: np.float32,
    new_second: np.float32,
    root: np.float32,
    epsilon: np.float32,
    size: np.float32,
) -> None:
    """One step of Adam: all in place but the gradient.

    Args:
        gradient: bfloat16 numbers, as the integers that their bits are.
        weights: to step.
        mean: the first moment.
        square: the second moment.
        rounded: the stepped weights in bfloat16, to nearest and to even between.
        new: how much of the gradient goes into `mean`.
        second: how much of `square` stays.
        new_second: how much of the squared gradient goes into it.
        root: of the correction of `square`.
        epsilon: Adam's.
        size: of the step, corrected for `mean`, negative.
    """
    for i in range(weights.size):
        slope = np.uint32(np.uint32(gradient[i]) << HIGH).view(np.float32)
        first = fma(new, slope - mean[i], mean[i])
        raw = fma(new_second * slope, slope, second * square[i])
        mean[i], square[i] = first, raw
        weight = np.float32(weights[i] + size * first / (np.sqrt(raw) / root + epsilon))
        weights[i] = weight
        bits = weight.view(np.uint32)
        to_even = np.uint16((bits + HALF + ((bits >> HIGH) & ONE)) >> HIGH)
        rounded[i] = to_even if weight == weight else QUIET  # noqa: PLR0124 - not a number
