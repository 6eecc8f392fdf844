"""Adam for a lockstep group in bfloat16, in one pass over its weights instead of three.

PyTorch widens the gradient to float32, steps the moments and the weights, and rounds the weights to bfloat16: three
passes over memory, which take a third of a step. In one pass each number is read and written once. The pass is compiled
by numba (the extra ``fast``), for processes of one thread, as workers are; elsewhere, without numba, or where it is not
PyTorch's to the bit, PyTorch's three passes are made. So it changes no network, just the time.
"""

import logging
import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from spurlab.seeds import rng_for
from spurlab.training import optimizers
from spurlab.training.recipe import Recipe
from spurlab.training.stacked import Stacked

log = logging.getLogger("spurlab")
TRIED = 4096  # numbers with which the pass is compared with PyTorch's


class OnePassAdam(optimizers.Adam):  # type: ignore[misc,valid-type]
    """PyTorch's Adam over the weights of a stack that does not convert them by itself.

    Its ``step`` reads the gradient in bfloat16, `Stacked.gradient`, and writes the weights in both precisions.

    Args:
        stack: of bfloat16 products, on the CPU.
        rate: the learning rate; a schedule may change it.
    """

    def __init__(self, stack: Stacked, rate: float) -> None:
        super().__init__([stack.weights], lr=rate, fused=True)
        stack.rounded.copy_(stack.weights)
        stack.converts = False
        moments = torch.zeros_like(stack.weights), torch.zeros_like(stack.weights)
        self._arrays = as_arrays(stack.gradient, stack.weights, *moments, stack.rounded)
        self._steps = 0

    def step(self, closure: Any = None) -> None:
        """Step all weights once."""
        self._steps += 1
        group = self.param_groups[0]
        first, second = group["betas"]
        kernel()(*self._arrays, *constants(self._steps, group["lr"], first, second, group["eps"]))


def one_pass_adam(network: object, recipes: Sequence[Recipe]) -> OnePassAdam | None:
    """For a group with these recipes, which share their `Recipe.shared`; None where PyTorch's must be taken."""
    can = (
        isinstance(network, Stacked)
        and network.rounded.dtype == torch.bfloat16
        and network.weights.device.type == "cpu"
        and torch.get_num_threads() == 1  # the pass has one thread; others would keep numbers that this one flushes
        and recipes[0].optimizer == "adam"
        # what changes the gradient in float32 before the step
        and all(own.shared == own for own in (recipe.but(input_noise=0.0) for recipe in recipes))
    )
    return OnePassAdam(cast(Stacked, network), recipes[0].learning_rate) if can and usable() else None


@cache
def usable() -> bool:
    """Whether numba is here and its pass gives PyTorch's bits."""
    try:
        same = same_bits()
    except Exception as error:  # not installed, or whatever it cannot do here: PyTorch can
        log.debug("Adam in PyTorch's three passes, without numba (%s: %s).", type(error).__name__, error)
        return False
    if not same:
        log.info("Adam in PyTorch's three passes: numba's one rounds otherwise here.")
    return same


@cache
def kernel() -> Callable[..., None]:
    """`spurlab.training.adam_kernel.step`, compiled at its first call."""
    from spurlab.training import adam_kernel  # noqa: PLC0415  # an extra

    return cast(Callable[..., None], adam_kernel.step)


def same_bits() -> bool:
    """A few steps of both on the same numbers, with gradients from 1e-8 to 1, compared."""
    rng = rng_for(0, "one pass")
    weights, mean, square = torch.randn(TRIED, generator=rng), torch.zeros(TRIED), torch.zeros(TRIED)
    ours = [tensor.clone() for tensor in (weights, mean, square)]
    rounded, steps = torch.zeros(TRIED, dtype=torch.bfloat16), torch.zeros(())
    for step in range(1, 6):
        sizes = 10 ** (-8 * torch.rand(TRIED, generator=rng))
        gradient = (sizes * torch.randn(TRIED, generator=rng)).bfloat16()
        kernel()(*as_arrays(gradient, *ours, rounded), *constants(step, 0.01, 0.9, 0.999, 1e-8))
        torch._fused_adam_(
            [weights], [gradient.float()], [mean], [square], [], [steps.add_(1)],
            lr=0.01, beta1=0.9, beta2=0.999, weight_decay=0.0, eps=1e-8, amsgrad=False, maximize=False,
        )  # fmt: skip
    theirs = (weights, mean, square)
    return rounded.equal(weights.bfloat16()) and all(one.equal(other) for one, other in zip(ours, theirs, strict=True))


def as_arrays(*tensors: Tensor) -> list[Any]:
    """Views of them as the kernel takes them."""
    return [
        (tensor.detach().view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor.detach()).numpy()
        for tensor in tensors
    ]


def constants(step: int, rate: float, first: float, second: float, epsilon: float) -> list[Any]:
    """What the kernel is given of a step (counted from 1), computed in double precision as PyTorch does."""
    size = rate / (1 - first**step)
    root = math.sqrt(1 - second**step)
    return [np.float32(each) for each in (1 - first, second, 1 - second, root, epsilon, -size)]
