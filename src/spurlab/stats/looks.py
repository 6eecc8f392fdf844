"""Counting networks once, or again as seeds are added: when a share of them is shown to be above or below a limit."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.stats import binom

from spurlab.errors import InputError
from spurlab.stats.shares import Share

PLANNED = (5, 8, 12, 16, 20, 30, 40, 60, 80, 100)  # networks after which one looks
FIRST = 0.65  # of the level, for the first look or alternative: five of five networks have .031 of .05


@dataclass(frozen=True)
class Looks:
    """A test of a share of networks that keeps its level although one looks several times.

    Looked at each time as if it were the only one, a test of no effect errs in .1 and more of studies. So the level is
    spent over the looks by a plan that was fixed before: .65 of it at the first, and then more and more, all of it at
    the last. What a look needs follows exactly from the binomial distribution and the looks before it.

    Args:
        most: the number of networks at the last look; None: one looks once, at as many networks as there are.
        level: how often something is shown that is not so, at most, over all looks.

    Raises:
        ValueError: fewer than five networks as the most.

    Source: Lan and DeMets (1983), Discrete sequential boundaries for clinical trials, Biometrika 70, 659-663.

    >>> plan = Looks(most=20)
    >>> plan.numbers, [plan.needed(m) for m in plan.numbers]
    ((5, 8, 12, 16, 20), [5, 8, 11, 13, 15])
    >>> Looks().needed(8), Looks(most=20).needed(8)
    (7, 8)
    """

    most: int | None = None
    level: float = 0.05

    def __post_init__(self) -> None:
        if self.most is not None and self.most < PLANNED[0]:
            raise InputError(f"`most` is {self.most} networks, but one looks at {PLANNED[0]} first. Give that or more.")

    @property
    def numbers(self) -> tuple[int, ...]:
        """After how many networks one looks; none where one looks once."""
        return () if self.most is None else (*(m for m in PLANNED if m < self.most), self.most)

    def needed(self, models: int, limit: float = 0.5) -> int:
        """How many of m networks show that more than a share `limit` of all do so; m + 1: all of them do not.

        Between two looks, as where networks have diverged, no more of the level is spent than at the look before.
        """
        if self.most is None:
            return _least((models,), (1.0,), limit, self.level)
        spending = _spending(self.numbers)
        past = tuple(m for m in self.numbers if m < models)
        spent = [spending[m] for m in past]
        now = spending.get(models, spent[-1] if spent else 0.0)
        return _least((*past, models), (*spent, now), limit, self.level)

    def more(self, share: Share, limit: float = 0.5) -> bool:
        """Whether more than a share `limit` of all networks are shown to do so."""
        return share.count >= self.needed(share.models, limit)

    def fewer(self, share: Share, limit: float = 0.5) -> bool:
        """Whether fewer than a share `limit` of all networks are shown to do so."""
        return self.more(Share(share.models - share.count, share.models), 1 - limit)


def _spending(numbers: Sequence[int]) -> dict[int, float]:
    """What part of the level may be spent up to each look."""
    last = max(len(numbers) - 1, 1)
    spending = {models: FIRST + (1 - FIRST) * (look / last) ** 2 for look, models in enumerate(numbers)}
    return spending | {numbers[-1]: 1.0}


@cache
def _least(numbers: tuple[int, ...], spending: tuple[float, ...], limit: float, level: float) -> int:
    """The count that is needed at the last of these looks, given that none before it was reached."""
    counts = np.ones(1)  # the chance of each count, of studies that have not been decided
    spent, before, least = 0.0, 0, 0
    for models, part in zip(numbers, spending, strict=True):
        counts = np.convolve(counts, binom.pmf(np.arange(models - before + 1), models - before, limit))
        above = counts[::-1].cumsum()[::-1]  # the chance of at least each count
        allowed = np.flatnonzero(above <= part * level - spent + 1e-12)
        least = int(allowed[0]) if len(allowed) else models + 1
        spent += float(above[least]) if least <= models else 0.0
        counts, before = np.where(np.arange(models + 1) < least, counts, 0.0), models
    return least
