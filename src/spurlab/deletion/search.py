"""How strong a method may be, where its paper leaves that open: as strong as the retained data can bear."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import nn
from torch.nn import functional as F

from spurlab.data import Examples
from spurlab.deletion.method import sample_of
from spurlab.methods import device_of
from spurlab.models import ask, asked, evaluating

T = TypeVar("T")


def strongest(
    strengths: Sequence[T],
    deleted: Callable[[T], nn.Module],
    model: nn.Module,
    retain: Examples,
    seed: int,
    *,
    slack: float = 0.05,
    examples: int = 5_000,
) -> nn.Module:
    """The network after the strongest deletion whose loss on retained examples is hardly higher than before.

    Strengths are tried from the gentlest on, until the mean cross-entropy on a sample of the retained examples has
    risen by more than `slack`, or is not finite. Neither the test data nor the planted pattern is looked at: who
    deletes does not know the pattern.

    Args:
        strengths: from gentle to strong.
        deleted: the network after a deletion of this strength.
        model: the network before.
        retain: the retained examples.
        seed: fixes their sample.
        slack: how far the loss may rise, in nats.
        examples: in the sample.

    Returns:
        The result of the last strength that passed; of the gentlest if none did.
    """
    bearable = bearable_for(model, retain, seed, slack=slack, examples=examples)
    best = deleted(strengths[0])
    if not bearable(best):
        return best
    for strength in strengths[1:]:
        try:
            stronger = deleted(strength)
        except FloatingPointError:  # too strong for the solver: what passed before stands
            break
        if not bearable(stronger):
            break
        best = stronger
    return best


def bearable_for(
    model: nn.Module, retain: Examples, seed: int, *, slack: float = 0.05, examples: int = 5_000
) -> Callable[[nn.Module], bool]:
    """Whether a network's loss on a sample of the retained examples is finite and at most `slack` above the model's."""
    sample = sample_of(retain, examples, seed, "search")
    most = mean_loss(model, sample) + slack
    return lambda other: mean_loss(other, sample) <= most  # not so for NaN


def mean_loss(model: nn.Module, examples: Examples, batch_size: int = 1_000) -> float:
    """The mean cross-entropy of a network on examples, in evaluation mode; NaN for none."""
    device, total = device_of(model), 0.0
    with asked(model), evaluating(model), torch.inference_mode():
        for inputs, labels in zip(examples.inputs.split(batch_size), examples.labels.split(batch_size), strict=True):
            total += F.cross_entropy(ask(model, inputs), labels.to(device), reduction="sum").item()
    return total / len(examples) if len(examples) else float("nan")
