"""Choosing by the worst group of a clean set: settings, or epochs."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from jaxtyping import Float
from torch import Tensor, nn

from spurlab.data import Examples
from spurlab.errors import InputError
from spurlab.metrics.groups import worst_group_accuracy
from spurlab.prevention.method import checked_clean, groups_of
from spurlab.training import logits

T = TypeVar("T")


@dataclass(frozen=True)
class Best(Generic[T]):
    """The best of some candidates, and its worst-group accuracy."""

    candidate: T
    accuracy: float


def best_by_worst_group(
    candidates: Iterable[T], logits_of: Callable[[T], Float[Tensor, "n k"]], clean: Examples, method: str
) -> Best[T]:
    """The candidate whose worst group of the clean examples is served best; of equals the first.

    Only non-empty groups count. A candidate with an output that is NaN loses against any other. Only the best so far is
    kept, so the candidates may come from a generator.

    Args:
        candidates: settings, networks or last layers, in the order in which equals are preferred.
        logits_of: what a candidate says of the clean examples.
        method: that chooses, for messages.

    Raises:
        ValueError: no groups, or no candidate.

    >>> import torch
    >>> clean = Examples(torch.zeros(3, 1), torch.tensor([0, 0, 1]), torch.tensor([0, 1, 2]))
    >>> logits = {"one class": torch.tensor([[1.0, 0.0]] * 3), "all": torch.eye(2)[clean.labels]}
    >>> best_by_worst_group(logits, logits.__getitem__, clean, "dfr")
    Best(candidate='all', accuracy=1.0)
    """
    best: Best[T] | None = None
    for candidate in candidates:
        accuracy = _worst(logits_of(candidate), clean, method)
        if best is None or accuracy > best.accuracy:
            best = Best(candidate, accuracy)
    if best is None:
        raise InputError(f"{method} has no candidate to choose from: give one or more.")
    return best


class BestEpoch:
    """Keeps the weights of the epoch whose worst group of the clean examples is served best; of equals the first.

    Raises:
        ValueError: no clean examples, or none with groups, or their labels do not fit the outputs.
    """

    def __init__(self, model: nn.Module, clean: Examples, method: str) -> None:
        checked_clean(model, clean, method)
        groups_of(clean, "clean", method)
        self._model, self._clean, self._method = model, clean, method
        self._best: Best[dict[str, Tensor]] | None = None

    def look(self) -> None:
        """At the network as it is now, after an epoch."""
        accuracy = _worst(logits(self._model.eval(), self._clean.inputs), self._clean, self._method)
        if self._best is None or accuracy > self._best.accuracy:
            state = {name: weight.detach().clone() for name, weight in self._model.state_dict().items()}
            self._best = Best(state, accuracy)

    def restore(self) -> nn.Module:
        """The network with the weights of its best epoch; as it is where none was looked at."""
        if self._best is not None:
            self._model.load_state_dict(self._best.candidate)
        return self._model


def _worst(logits: Float[Tensor, "n k"], clean: Examples, method: str) -> float:
    groups = groups_of(clean, "clean", method)
    accuracy = float(worst_group_accuracy(logits, clean.labels, groups, int(groups.max()) + 1))
    return -math.inf if math.isnan(accuracy) else accuracy
