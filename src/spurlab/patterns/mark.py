"""What a mark is: a frozen value, or any function from inputs to marked inputs. Who gets it is told in `planting`."""

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, TypeAlias, runtime_checkable

import torch
from jaxtyping import Int64, Num
from torch import Tensor, nn

from spurlab.data import Examples
from spurlab.errors import FAILURES, InputError, worded
from spurlab.lent import settings_kept, untouched


@runtime_checkable
class Mark(Protocol):
    """What is put on examples. A mark is a frozen value, and says nothing of who gets it (`Rare`, `Common`)."""

    def apply(self, data: Examples, rows: Int64[Tensor, " count"], seed: int) -> Num[Tensor, "count *shape"]:
        """Marked inputs of some rows of the data, in their order: new tensors.

        It may go by the labels and the rows, and draw numbers under the seed. One that needs neither can also be
        called with inputs alone, as `Pattern` can.

        Args:
            data: clean examples.
            rows: of the data, in any order.
            seed: of what is drawn.
        """

    def redraw(self, seed: int) -> "Mark":
        """Another of its family, of the same size and kind, at any place or otherwise drawn: a null mark."""


MarkLike: TypeAlias = Mark | Callable[[Tensor], Tensor]
WHAT = "A pattern is a function from inputs (float32, n *shape) to marked inputs of the same shape and type"


def marked(pattern: MarkLike, inputs: Num[Tensor, "n *shape"]) -> Num[Tensor, "n *shape"]:
    """Marked inputs: new tensors, whatever the pattern does to those that it is given, which are copies.

    Args:
        pattern: a `Pattern`, or a function of one's own. It is called with all n inputs at once, unless n is 0.
        inputs: n examples.

    Raises:
        TypeError: no function, or one that gives something else than a tensor of float32. A mark that needs more than
            the inputs (`ClassBlocks`) is none: see `marked_rows`.
        ValueError: a function that fails, or gives numbers of another shape, on another device, or not finite.

    >>> marked(torch.zeros_like, torch.ones(2, 3)).tolist()
    [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """
    if not callable(pattern):
        named = " Make one of a name: make_pattern('S3', data.shape)." if isinstance(pattern, str) else ""
        raise TypeError(f"the pattern {pattern!r} cannot be called. {WHAT}.{named}")
    if _is_ours(pattern):
        return pattern(inputs)
    return _checked(pattern, inputs, lambda: pattern(inputs.clone()))


def marked_rows(
    mark: MarkLike, data: Examples, rows: Int64[Tensor, " count"], seed: int
) -> Num[Tensor, "count *shape"]:
    """Marked inputs of some rows of the data, by any mark: new tensors.

    Args:
        mark: a `Mark`, whose `apply` is called, or a function, which gets the inputs of these rows alone, see `marked`.
        data: clean examples.
        rows: of the data, in any order.
        seed: of what the mark draws.

    Raises:
        TypeError: as `marked`.
        ValueError: as `marked`, or what a mark of the table does not fit: it says so.

    >>> from spurlab import load, make_pattern
    >>> data = load("fashion-mini")
    >>> marked_rows(make_pattern("S3", data.shape), data.train, torch.tensor([7, 2]), seed=0).shape
    torch.Size([2, 1, 28, 28])
    """
    if isinstance(mark, nn.Module) or not isinstance(mark, Mark):  # a module's `apply` is something else
        return marked(mark, data.inputs[rows])
    if _is_ours(mark):
        return mark.apply(data, rows, seed)
    lent = data[torch.arange(len(data), device=rows.device)], rows.clone(), seed
    return _checked(mark, data.inputs[rows], lambda: mark.apply(*lent))


def marked_all(mark: MarkLike, data: Examples, seed: int) -> Num[Tensor, "n *shape"]:
    """Marked inputs of all examples, by any mark; one that can be called is called with the inputs alone."""
    if callable(mark):
        return marked(mark, data.inputs)
    return marked_rows(mark, data, torch.arange(len(data), device=data.labels.device), seed)


def _is_ours(mark: object) -> bool:
    return type(mark).__module__.startswith("spurlab.patterns.")


def _checked(mark: object, inputs: Num[Tensor, "n *shape"], call: Callable[[], Any]) -> Num[Tensor, "n *shape"]:
    """What foreign code makes of copies of the inputs, or what is wrong with it."""
    if len(inputs) == 0:
        return inputs.clone()
    name = pattern_title(mark)
    with untouched(mark) if isinstance(mark, nn.Module) else settings_kept(), torch.no_grad():
        try:
            result = call()
        except FAILURES as error:
            raise InputError(
                f"the pattern {name} fails on inputs of shape {tuple(inputs.shape)}. {worded(error)}"
            ) from error
        if not isinstance(result, Tensor):
            raise TypeError(f"the pattern {name} gives {type(result).__name__}, but it must give a tensor. {WHAT}.")
        if result.dtype != inputs.dtype:
            raise TypeError(f"the pattern {name} gives {result.dtype}, but it must give {inputs.dtype}. {WHAT}.")
        if result.shape != inputs.shape or result.device != inputs.device:
            raise InputError(
                f"for inputs of shape {tuple(inputs.shape)} on {inputs.device} the pattern {name} gives a tensor of "
                f"shape {tuple(result.shape)} on {result.device}. {WHAT}, on the same device."
            )
        if not bool(result.isfinite().all()):
            raise InputError(
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
