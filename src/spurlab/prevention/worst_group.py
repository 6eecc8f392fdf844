"""Choosing by the worst group of a clean set: settings, or epochs."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from jaxtyping import Float
from torch import Tensor

from spurlab.data import Examples
from spurlab.errors import InputError
from spurlab.metrics.groups import worst_group_accuracy
from spurlab.prevention.method import groups_of

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
        clean: with groups.
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
    groups = groups_of(clean, "clean", method)
    for candidate in candidates:
        accuracy = worst_group_accuracy(logits_of(candidate), clean.labels, groups, int(groups.max()) + 1).item()
        accuracy = -math.inf if math.isnan(accuracy) else accuracy
        if best is None or accuracy > best.accuracy:
            best = Best(candidate, accuracy)
    if best is None:
        raise InputError(f"{method} has no candidate to choose from: give one or more.")
    return best
