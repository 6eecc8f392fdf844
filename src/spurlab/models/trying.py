"""Whether a network can be asked and trained: what is tried before anything long begins, and said in a sentence."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain

import torch
from torch import Tensor, nn

from spurlab.errors import FAILURES, InputError, worded
from spurlab.models.asking import (
    answer_of,
    asked,
    evaluating,
    fitting,
    logits_in,
    refuse_probabilities,
    unwrapped,
)
from spurlab.models.text import trial_inputs


def whole(network: nn.Module, shape: Sequence[int]) -> nn.Module:
    """The network, with the weights of its lazy layers drawn: it answers two examples of zeros.

    Raises ValueError: it cannot take them, or has lazy layers that do not take part in its answer.
    """
    if not _lazy(network):
        return network
    inputs = trial_inputs(network, shape, 2)
    with torch.no_grad(), evaluating(network), explained(inputs):
        answer_of(network, inputs)
    if left := _lazy(network):
        raise InputError(
            f"the lazy weights {', '.join(map(repr, left))} have no shape after a batch of shape {tuple(inputs.shape)}:"
            " the network does not use them. Leave these layers out, or give them a size."
        )
    return network


def _lazy(network: nn.Module) -> list[str]:
    named = chain(network.named_parameters(), network.named_buffers())
    return [name for name, tensor in named if nn.parameter.is_lazy(tensor)]


@contextmanager
def explained(inputs: Tensor, what: str = "take") -> Iterator[None]:
    """Around a first question to a network: what its own code raises becomes a ValueError with a sentence."""
    try:
        yield
    except FAILURES as error:
        raise InputError(
            f"the network cannot {what} a batch of shape {tuple(inputs.shape)}. {worded(error)}"
        ) from error


@contextmanager
def batch_norm_explained(otherwise: str = "") -> Iterator[None]:
    """Around training: say what to do where batch norm meets a batch of one example.

    Args:
        otherwise: what else can be done, after a comma.

    Raises:
        ValueError: it met one.
    """
    try:
        yield
    except ValueError as error:
        if "Expected more than 1 value per channel" not in str(error):
            raise
        raise InputError(
            "batch norm cannot be trained on a batch of one example, and a batch has only one: the last of an epoch, "
            f"or the one example that there is. Choose another `batch_size` for the recipe{otherwise}."
        ) from error


def check_answers(network: nn.Module, inputs: Tensor, classes: int | None = None) -> Tensor:
    """Ask the network for these inputs in evaluation mode; it is left as it was. Its logits.

    Raises:
        ValueError: it fails, or gives other than one logit for each class.
    """
    with asked(network), torch.inference_mode(False), torch.enable_grad():
        network.eval()
        with explained(inputs):
            answer = answer_of(network, fitting(network, inputs))
        logits = logits_in(answer, inputs, classes)
        refuse_probabilities(network, logits, inputs)
        return logits.detach().clone()


def check_trains(network: nn.Module, inputs: Tensor, classes: int, batch_sizes: Sequence[int]) -> None:
    """Whether `spurlab.training` can train the network: one step of each size of batch, which changes the network.

    Args:
        network: to be thrown away afterwards.
        inputs: examples, some; as many as the largest batch that is tried.
        classes: k.
        batch_sizes: that come in training and are no larger than the inputs.

    Raises:
        ValueError: it cannot, and why.
    """
    name, parameters = f"this {type(unwrapped(network)).__name__}", dict(network.named_parameters())
    learnt = {key: parameter for key, parameter in parameters.items() if parameter.requires_grad}
    if not learnt:
        what = "are frozen (requires_grad is False)" if parameters else "are none"
        raise InputError(f"{name} cannot be trained: its weights {what}. Train at least one layer.")
    for key, parameter in learnt.items():
        if parameter.dtype in (torch.float16, torch.bfloat16):
            raise InputError(
                f"{name} has weights {key!r} of {parameter.dtype}, in which small steps are lost: end the function "
                "that makes it with `.float()`. Products in bfloat16 are a setting of the recipe, `precision`."
            )
        if parameter.is_complex():
            raise InputError(
                f"{name} has complex weights {key!r}, which the optimizers do not train. Hold them as two real numbers "
                "each, and let `forward` join these by `torch.view_as_complex`."
            )
    for key, value in unwrapped(network).state_dict().items():
        if not isinstance(value, Tensor):
            raise InputError(f"{name} has {key!r} in its state_dict, which is no tensor but {type(value).__name__}.")
    check_answers(network, inputs, classes)
    for size in batch_sizes:
        batch = inputs[:size]
        with asked(), torch.inference_mode(False), torch.enable_grad():
            with batch_norm_explained(), explained(batch, "be trained on"):
                answer = answer_of(unwrapped(network).train(), fitting(network, batch))
            logits = logits_in(answer, batch, classes)
            if not logits.requires_grad:
                raise InputError(
                    f"{name} cannot be trained: its logits do not lead back to its weights. Is its `forward` under "
                    "`torch.no_grad`, or does it `detach`?"
                )
            with explained(batch, "be trained on"):
                logits.sum().backward()


def makes_new(first: nn.Module, second: nn.Module) -> None:
    """Whether two networks of one function are two.

    Raises:
        ValueError: they have weights or buffers in common, so that to train one changes the other.
    """
    memory = {_place(tensor) for tensor in chain(first.parameters(), first.buffers())} - {0}
    named = chain(second.named_parameters(), second.named_buffers())
    if shared := [name for name, tensor in named if _place(tensor) in memory]:
        what = "returns the same network each time" if first is second else f"makes networks that share {shared[0]!r}"
        raise InputError(
            f"the function {what}, but each member needs weights of its own, or to train one would change the others. "
            "Make everything inside the function; of what was made before take `copy.deepcopy`."
        )


def _place(tensor: Tensor) -> int:
    return 0 if tensor.is_meta or nn.parameter.is_lazy(tensor) else tensor.untyped_storage().data_ptr()


def unsaved_difference(first: nn.Module, second: nn.Module) -> str:
    """By what two networks of one function differ beside their state_dict: the name of one such thing, or "".

    Buffers that are not saved, and tensors and numbers among the attributes of modules.
    """
    for (name, one), other in zip(first.named_modules(), second.modules(), strict=False):
        for key, value in vars(one).items():
            if isinstance(value, Tensor | int | float | tuple) and not _equal(value, vars(other).get(key)):
                return f"{name}.{key}".removeprefix(".")
        for key in one._non_persistent_buffers_set:
            if not _equal(one._buffers[key], other._buffers.get(key)):
                return f"{name}.{key}".removeprefix(".")
    return ""


def _equal(one: object, other: object) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return torch.equal(one.detach(), other.detach())
    if isinstance(one, Tensor | tuple) or isinstance(other, Tensor | tuple):
        return (
            isinstance(one, tuple)
            and isinstance(other, tuple)
            and len(one) == len(other)
            and all(map(_equal, one, other))
        )
    return one is other or bool(one == other)
