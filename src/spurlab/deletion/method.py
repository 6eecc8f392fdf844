"""What a data deletion method is, and what all of them begin with."""

from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from spurlab.data import Examples
from spurlab.errors import InputError
from spurlab.lent import copied_network
from spurlab.methods.method import NOT_FINITE, outputs_fit

__all__ = ["NOT_FINITE", "Deletion", "Parts", "forget_mask", "split"]


@runtime_checkable
class Deletion(Protocol):
    """Makes a trained network forget some of its training examples.

    A method is its settings plus this one call; it changes neither the network nor the data that it is given.
    """

    def __call__(self, model: nn.Module, data: Examples, forget: Bool[Tensor, " n"]) -> nn.Module:
        """The network after deletion.

        Args:
            model: trained on `data`: inputs ``n *shape``, logits ``n k``.
            data: its n training examples.
            forget: True for the examples to be forgotten.
        """
        ...


class Parts(NamedTuple):
    """What a method works with: a copy of the network that it may change, and the two parts of the data."""

    model: nn.Module
    retain: Examples
    forgotten: Examples


def split(model: nn.Module, data: Examples, forget: Tensor) -> Parts:
    """The start of every method: a copy of the network, in the modes in which it was given, and the data in two.

    Raises:
        ValueError: a forget set that does not fit the data or is all of it, or a network that cannot be copied or whose
            outputs do not fit the labels.

    >>> data = Examples(torch.zeros(3, 2), torch.tensor([0, 1, 1]))
    >>> parts = split(nn.Linear(2, 2), data, torch.tensor([False, True, False]))
    >>> parts.retain.labels.tolist(), parts.forgotten.labels.tolist()
    ([0, 1], [1])
    """
    if forget.dtype != torch.bool or forget.shape != data.labels.shape:
        raise InputError(
            f"the forget set must say true or false for each of the {len(data)} training examples, but it is "
            f"{forget.dtype} of shape {tuple(forget.shape)}. Row numbers become such a mask by `forget_mask`."
        )
    if bool(forget.all()):
        raise InputError(
            f"all {len(data)} training examples are to be forgotten: nothing is left to retain. Take a new network."
        )
    model = copied_network(model)
    outputs_fit(model, data)
    return Parts(model, data[~forget], data[forget])


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
