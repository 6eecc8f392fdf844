"""What a data deletion method is, and what all of them begin and end with."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Int64
from torch import Generator, Tensor, nn

from spurlab.data import Examples
from spurlab.lent import copied_network
from spurlab.models import check_answers
from spurlab.seeds import seed_for, seed_global


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
        raise ValueError(
            f"the forget set must say true or false for each of the {len(data)} training examples, but it is "
            f"{forget.dtype} of shape {tuple(forget.shape)}. Row numbers become such a mask by `forget_mask`."
        )
    if bool(forget.all()):
        raise ValueError(
            f"all {len(data)} training examples are to be forgotten: nothing is left to retain. Take a new network."
        )
    model = copied_network(model)
    outputs_fit(model, data)
    return Parts(model, data[~forget], data[forget])


def outputs_fit(model: nn.Module, data: Examples, classes: int | None = None) -> None:
    """Ask the network for one example.

    Args:
        classes: how many there are; None: no fewer than the labels say.

    Raises:
        ValueError: outputs that do not fit the labels, or the number of classes.
    """
    outputs, top = check_answers(model, data.inputs[:1], classes), int(data.labels.max())
    if outputs.shape[1] <= top:
        raise ValueError(
            f"for one example this {type(model).__name__} gives outputs of shape {tuple(outputs.shape)}, but the "
            f"labels run to {top}: it must give one logit for each class."
        )


HALF = (torch.float16, torch.bfloat16)


def forget_mask(rows: Tensor, examples: int) -> Bool[Tensor, " n"]:
    """True at these rows.

    Raises:
        TypeError: no tensor of row numbers.
        ValueError: a row that the data does not have.

    >>> forget_mask(torch.tensor([2, 0]), 4).tolist()
    [True, False, True, False]
    """
    if not isinstance(rows, Tensor) or rows.dtype == torch.bool or rows.is_floating_point():
        found = f"a tensor of {rows.dtype}" if isinstance(rows, Tensor) else type(rows).__name__
        raise TypeError(
            f"the rows to forget must be a tensor of row numbers, e.g. torch.tensor([3, 7]), but it is {found}."
        )
    if rows.numel() and not 0 <= int(rows.min()) <= int(rows.max()) < examples:
        raise ValueError(
            f"the rows to forget run from {int(rows.min())} to {int(rows.max())}, but the data has the rows 0 to "
            f"{examples - 1}."
        )
    mask = torch.zeros(examples, dtype=torch.bool)
    mask[rows] = True
    return mask


class NotFiniteError(FloatingPointError):
    """A network after deletion, or after prevention, has weights that are not finite."""


NOT_FINITE = NotFiniteError.__name__  # how the reason of such a failure begins


def finite(model: nn.Module, after: str = "deletion") -> nn.Module:
    """The end of every method: the network in evaluation mode.

    Args:
        after: what was done to it, for the message.

    Raises:
        NotFiniteError: a weight that is not finite.
    """
    for name, tensor in model.state_dict().items():
        if isinstance(tensor, Tensor) and not bool(tensor.isfinite().all()):
            raise NotFiniteError(
                f"after {after} the weights {name!r} are not finite: the steps were too large for this network. Lower "
                "the learning rate, or raise the damping."
            )
    return model.eval()


def device_of(model: nn.Module) -> torch.device:
    """Where the network's weights are; the CPU for one without any."""
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))


def shuffled(examples: int, batch_size: int, rng: Generator) -> Iterator[Int64[Tensor, " b"]]:
    """The rows of the batches of one epoch, in an order drawn from `rng`; the last may be smaller."""
    yield from torch.randperm(examples, generator=rng).split(batch_size)


@contextmanager
def dropping_out(seed: int, *purpose: str | int) -> Iterator[None]:
    """A network's dropout draws from its own generator meanwhile; PyTorch's global one is given back as it was."""
    with torch.random.fork_rng():
        seed_global(seed_for(seed, "deletion", *purpose))
        yield
