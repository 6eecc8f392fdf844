"""What may be put on inputs: a `Pattern`, or any function from inputs to marked inputs."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from jaxtyping import Float32
from torch import Tensor, nn

from spurlab.errors import FAILURES, worded
from spurlab.lent import settings_kept, untouched
from spurlab.patterns.image import Pattern

Mark = Callable[[Tensor], Tensor]
WHAT = "A pattern is a function from inputs (float32, n *shape) to marked inputs of the same shape and type"


def marked(pattern: Mark, inputs: Float32[Tensor, "n *shape"]) -> Float32[Tensor, "n *shape"]:
    """Marked inputs: new tensors, whatever the pattern does to those that it is given, which are copies.

    Args:
        pattern: a `Pattern`, or a function of one's own. It is called with all n inputs at once, unless n is 0.
        inputs: n examples.

    Raises:
        TypeError: no function, or one that gives something else than a tensor of float32.
        ValueError: a function that fails, or gives numbers of another shape, on another device, or not finite.

    >>> marked(torch.zeros_like, torch.ones(2, 3)).tolist()
    [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """
    if isinstance(pattern, Pattern):
        return pattern(inputs)
    name = pattern_title(pattern)
    if not callable(pattern):
        raise TypeError(f"the pattern {pattern!r} cannot be called. {WHAT}, or a name, e.g. 'S3'.")
    if len(inputs) == 0:
        return inputs.clone()
    with untouched(pattern) if isinstance(pattern, nn.Module) else settings_kept(), torch.no_grad():
        try:
            result: Any = pattern(inputs.clone())
        except FAILURES as error:
            raise ValueError(
                f"the pattern {name} fails on inputs of shape {tuple(inputs.shape)}. {worded(error)}"
            ) from error
        if not isinstance(result, Tensor):
            raise TypeError(f"the pattern {name} gives {type(result).__name__}, but it must give a tensor. {WHAT}.")
        if result.dtype != torch.float32:
            raise TypeError(f"the pattern {name} gives {result.dtype}, but it must give torch.float32. {WHAT}.")
        if result.shape != inputs.shape or result.device != inputs.device:
            raise ValueError(
                f"for inputs of shape {tuple(inputs.shape)} on {inputs.device} the pattern {name} gives a tensor of "
                f"shape {tuple(result.shape)} on {result.device}. {WHAT}, on the same device."
            )
        if not bool(result.isfinite().all()):
            raise ValueError(
                f"the pattern {name} gives numbers that are NaN or infinite; marked inputs must be finite."
            )
        return result.detach().clone()


def pattern_title(pattern: object) -> str:
    """What a pattern is called: its own name, or that of the function.

    >>> pattern_title(torch.zeros_like)
    'zeros_like'
    """
    if isinstance(pattern, partial):
        return pattern_title(pattern.func)
    for attribute in ("name", "__name__"):
        if isinstance(name := getattr(pattern, attribute, None), str):
            return name
    return type(pattern).__name__
