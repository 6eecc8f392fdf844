"""What a data deletion method is, and what all of them begin with."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Protocol, TypeVar, cast, runtime_checkable

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from spurlab.data import Examples
from spurlab.errors import InputError
from spurlab.lent import lending
from spurlab.methods import copy_for, finite
from spurlab.models import check_has_gradients
from spurlab.seeds import rng_for

Call = TypeVar("Call", bound=Callable[..., nn.Module])


@runtime_checkable
class Deletion(Protocol):
    """Makes a trained network forget some of its training examples.

    A method is its settings plus this one call; it changes neither the network nor the data that it is given. Where it
    has them, `recipe` is how the network was trained, `seed` fixes all that is drawn, and `make` is the architecture
    with its own initial weights, by seed, e.g. ``partial(build, "cnn", shape, classes)``; None: a copy of the given
    network, every layer reset, see `spurlab.methods.untrained`. One that fine-tunes has epochs and a rate of its own
    (None: a tenth of the recipe's, see `spurlab.deletion.steps.fine_tuning`), and all else from the recipe.
    """

    def __call__(self, model: nn.Module, data: Examples, forget: Bool[Tensor, " n"]) -> nn.Module:
        """The network after deletion.

        Args:
            model: trained on `data`: inputs ``n *shape``, logits ``n k``.
            data: its n training examples.
            forget: True for the examples to be forgotten.
        """
        ...


def deleting(call: Call) -> Call:
    """The form of every method of this room: its call gets a copy of the network, which it may change and return.

    The copy is in the modes in which the network was given. Afterwards all that was given is as it was, and the result
    is in evaluation mode.

    Raises:
        ValueError: a forget set that does not fit the data or is all of it, trees where the method is not `anew`, or as
            `spurlab.methods.copy_for`.
        NotFiniteError: a weight of the result that is not finite.
    """

    @lending
    @wraps(call)
    def checked(self: Any, model: nn.Module, data: Examples, forget: Tensor) -> nn.Module:
        if forget.dtype != torch.bool or forget.shape != data.labels.shape:
            raise InputError(
                f"the forget set must say true or false for each of the {len(data)} training examples, but it is "
                f"{forget.dtype} of shape {tuple(forget.shape)}. Row numbers become such a mask by `forget_mask`."
            )
        if bool(forget.all()):
            raise InputError(
                f"all {len(data)} training examples are to be forgotten: nothing is left to retain. Take a new network."
            )
        if not getattr(self, "anew", False):
            check_has_gradients(model)
        return finite(call(self, copy_for(data, model), data, forget))

    return cast("Call", checked)


def sample_of(examples: Examples, count: int | None, seed: int, purpose: str) -> Examples:
    """So many of them, drawn at random; None: all."""
    order = torch.randperm(len(examples), generator=rng_for(seed, "deletion", purpose))
    return examples[order[:count]]


def forget_mask(rows: Tensor, examples: int) -> Bool[Tensor, " n"]:
    """True at these rows.

    Raises:
        TypeError: no tensor of row numbers.
        ValueError: a row that the data does not have.

    >>> forget_mask(torch.tensor([2, 0]), 4).tolist()
    [True, False, True, False]
    """
    if not isinstance(rows, Tensor) or rows.dtype == torch.bool or rows.is_floating_point():
        kind = f"a tensor of {rows.dtype}" if isinstance(rows, Tensor) else type(rows).__name__
        raise TypeError(
            f"the rows to forget must be a tensor of row numbers, e.g. torch.tensor([3, 7]), but it is {kind}."
        )
    if rows.numel() and not 0 <= int(rows.min()) <= int(rows.max()) < examples:
        raise InputError(
            f"the rows to forget run from {int(rows.min())} to {int(rows.max())}, but the data has the rows 0 to "
            f"{examples - 1}."
        )
    mask = torch.zeros(examples, dtype=torch.bool)
    mask[rows] = True
    return mask
