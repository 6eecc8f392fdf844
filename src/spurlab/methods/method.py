"""The first and the last step of every method of deletion and prevention: a copy of the network, and a check of it."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from spurlab.data import Examples
from spurlab.errors import InputError, SpurlabError
from spurlab.lent import copied_network
from spurlab.models import check_answers
from spurlab.seeds import seed_for, seed_global

HALF = (torch.float16, torch.bfloat16)


class NotFiniteError(SpurlabError, FloatingPointError):
    """A network after deletion, or after prevention, has weights that are not finite."""


def stored_as_not_finite(reason: str) -> bool:
    """Whether a stored reason is that of weights that were not finite: the type of an error stands first in it."""
    return reason.startswith(NotFiniteError.__name__)


def outputs_fit(model: nn.Module, data: Examples, classes: int | None = None) -> None:
    """Check that a network is one for these data: it is asked for the first example.

    Args:
        model: any network; it is left as it was.
        data: one example or more.
        classes: how many there are; None: no fewer than the labels say.

    Raises:
        ValueError: outputs that do not fit the labels, or the number of classes.
    """
    outputs, top = check_answers(model, data.inputs[:1], classes), int(data.labels.max())
    if outputs.shape[1] <= top:
        raise InputError(
            f"for one example this {type(model).__name__} gives outputs of shape {tuple(outputs.shape)}, but the "
            f"labels run to {top}: it must give one logit for each class."
        )


def copy_for(data: Examples, model: nn.Module) -> nn.Module:
    """A copy of a network, in the modes in which it was given, if it is one for these data.

    Args:
        data: one example or more, on which its outputs are checked.
        model: the network.

    Raises:
        ValueError: it cannot be copied, or as `outputs_fit`.
    """
    model = copied_network(model)
    outputs_fit(model, data)
    return model


def finite(model: nn.Module, after: str = "deletion") -> nn.Module:
    """The end of every method: the network itself, in evaluation mode.

    Args:
        model: what the method made.
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


@contextmanager
def dropping_out(seed: int, *purpose: str | int) -> Iterator[None]:
    """Set PyTorch's global generator, from which dropout draws; afterwards it is as it was.

    Args:
        seed: of the network.
        purpose: what is drawn for, see `spurlab.seeds.seed_for`; each purpose has its own numbers.
    """
    with torch.random.fork_rng():
        # "deletion" for preventions too, which came later: the numbers that are stored depend on it
        seed_global(seed_for(seed, "deletion", *purpose))
        yield
