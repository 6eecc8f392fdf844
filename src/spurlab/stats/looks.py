"""Counting networks once, or again as seeds are added: when a share of them is shown to be above or below a limit."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import scipy  # its rooms are imported when they are first used: `stats` is slow

from spurlab.errors import InputError
from spurlab.stats.shares import Share

PLANNED = (5, 8, 12, 16, 20, 30, 40, 60, 80, 100)  # networks after which one looks
FIRST = 0.65  # of the level, for the first look or alternative: five of five networks have .031 of .05
SMALLEST = 1e-6  # p-value that is given
ROUNDING = 1e-9  # of a level


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
        ValueError: fewer than five networks as the most, or no whole number.

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
        if self.most is not None and not _at_least_first(self.most):
            raise InputError(
                f"`most` is a number of networks, but it is {self.most!r}. One looks at {PLANNED[0]} first: give that "
                "or more."
            )

    @property
    def numbers(self) -> tuple[int, ...]:
        """After how many networks one looks; none where one looks once."""
        return () if self.most is None else (*(m for m in PLANNED if m < self.most), self.most)

    def needed(self, models: int, limit: float = 0.5) -> int:
        """How many of m networks show that more than a share `limit` of all do so; m + 1: all of them do not.

        Between two looks, as where networks have diverged, no more of the level is spent than at the look before; after
        the last but one, where only one look is left, all of it.

        >>> Looks(most=20).needed(19, 0.85)
        19
        """
        return self._needed(models, limit, self.level)[0]

    def more(self, share: Share, limit: float = 0.5) -> bool:
        """Whether more than a share `limit` of all networks are shown to do so."""
        return share.count >= self.needed(share.models, limit)

    def fewer(self, share: Share, limit: float = 0.5) -> bool:
        """Whether fewer than a share `limit` of all networks are shown to do so."""
        return self.more(_others(share), 1 - limit)

    def more_than(self, share: Share, limit: float = 0.5) -> float:
        """One-sided p-value that more than a share `limit` of all networks do so, at whatever look one stops.

        The smallest level, this plan's or below, down to which every plan shows it; 1 where this one does not. So it
        is at most `level` just where `more` is true, and corrections for several tests hold as for any p-value.

        >>> round(Looks(20).more_than(Share(5, 5)), 4), round(Looks(20).more_than(Share(8, 8)), 4)
        (0.0481, 0.0058)
        """
        if self.most is None:
            return share.more_than(limit)
        p, level = 1.0, self.level
        while level > SMALLEST:
            needed, least_level = self._needed(share.models, limit, level)
            if share.count < needed:
                break
            p = max(min(level, least_level), SMALLEST)
            level = p * (1 - 10 * ROUNDING)
        return p

    def fewer_than(self, share: Share, limit: float = 0.5) -> float:
        """One-sided p-value that fewer than a share `limit` of all networks do so, at whatever look one stops."""
        return share.fewer_than(limit) if self.most is None else self.more_than(_others(share), 1 - limit)

    def _needed(self, models: int, limit: float, level: float) -> tuple[int, float]:
        """At another level, with the smallest at which it is as much; see `_least`."""
        if self.most is None:
            return _least((models,), (1.0,), limit, level)
        spending = _spending(self.numbers)
        past = tuple(m for m in self.numbers if m < models)
        spent = [spending[m] for m in past]
        last = len(past) == len(self.numbers) - 1  # no other look follows
        now = 1.0 if last else spending.get(models, spent[-1] if spent else 0.0)
        return _least((*past, models), (*spent, now), limit, level)


def _at_least_first(most: object) -> bool:
    return isinstance(most, int | np.integer) and bool(most >= PLANNED[0])


def _others(share: Share) -> Share:
    """The networks that do not."""
    return Share(share.models - share.count, share.models)


def _spending(numbers: Sequence[int]) -> dict[int, float]:
    """What part of the level may be spent up to each look."""
    last = max(len(numbers) - 1, 1)
    spending = {models: FIRST + (1 - FIRST) * (look / last) ** 2 for look, models in enumerate(numbers)}
    return spending | {numbers[-1]: 1.0}


@cache
def _least(numbers: tuple[int, ...], spending: tuple[float, ...], limit: float, level: float) -> tuple[int, float]:
    """The count that is needed at the last of these looks, given that none before it was reached.

    Beside it the smallest level at which all of these looks need what they need at this one.
    """
    counts = np.ones(1)  # the chance of each count, of studies that have not been decided
    spent, before, least, least_level = 0.0, 0, 0, 0.0
    for models, part in zip(numbers, spending, strict=True):
        counts = np.convolve(counts, scipy.stats.binom.pmf(np.arange(models - before + 1), models - before, limit))
        above = counts[::-1].cumsum()[::-1]  # the chance of at least each count
        allowed = np.flatnonzero(above <= part * level * (1 + ROUNDING) - spent)
        least = int(allowed[0]) if len(allowed) else models + 1
        if least <= models:
            spent += float(above[least])
            least_level = max(least_level, spent / part)
        counts, before = np.where(np.arange(models + 1) < least, counts, 0.0), models
    return least, least_level
