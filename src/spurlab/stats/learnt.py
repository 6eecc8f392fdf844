"""From how many planted examples on a pattern is learnt: n*."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from spurlab.errors import InputError
from spurlab.notebook import card, short, table
from spurlab.stats.looks import Looks
from spurlab.stats.margin import SCORE_MARGIN
from spurlab.stats.paired import differences
from spurlab.stats.shares import Share, above, networks_needed

HALVINGS = 4  # of a search, which has 2 ** HALVINGS - 1 n at most: it spends its level over so many


@dataclass(frozen=True)
class Learnt:
    """From how many planted examples on more than half of all networks learn the pattern: n*.

    Args:
        n: the smallest n of the grid of which that is shown, so n* is at most that; None: of none.
        above: the largest n of which it is shown that fewer than half learn it, so n* is above that; None: of none.
        level: of either statement.
        shares: for each n of the grid, how many networks learnt it, of those that were trained with it.
        models: how many networks there are.
        why: why nothing could be tested, or "".
        rising: whether it rests on the assumption that of more examples no fewer networks learn the pattern.
    """

    n: int | None = None
    above: int | None = None
    level: float = 0.05
    shares: Mapping[int, Share] = field(default_factory=dict)
    models: int = 0
    why: str = "no n above 0 in the grid"
    rising: bool = False

    @property
    def decided(self) -> bool:
        """False where nothing could be tested; `n` is then None, but that does not mean "not learnt"."""
        return not self.why

    @property
    def settled(self) -> bool:
        """Whether more networks could not narrow it: n* lies between neighbours of the grid, below or above all."""
        grid = sorted(self.shares)
        if not self.decided or (self.n is None and self.above is None):
            return False
        below = grid[: grid.index(self.n)] if self.n is not None else grid
        return (below[-1] if below else None) == self.above

    def _repr_html_(self) -> str:
        lines = [(n, str(share)) for n, share in self.shares.items()]
        return card("Learnt", str(self), None, table(("n", "learnt it"), lines))

    def __str__(self) -> str:
        if self.why:
            return f"undecided: {self.why}"
        sure = f"({100 * (1 - self.level):.3g} %{', if the curve rises' * self.rising})"
        if self.n is None:
            most = max(self.shares)
            if self.above == most:
                return f"n* > {most} {sure}"
            lower = f"n* > {self.above} {sure}, " if self.above is not None else ""
            return f"{lower}not shown to be learnt up to n = {most}"
        return f"n* <= {self.n} {sure}" if self.above is None else f"{self.above} < n* <= {self.n} {sure}"


@dataclass(frozen=True, eq=False)
class Known:
    """Which networks learn the pattern from each n of the grid, as far as it is known.

    Args:
        learn: by n, in rising order, true for those that do.
        do_not: by n, true for those that do not; both false: it is not known.
    """

    learn: Mapping[int, Bool[Tensor, " m"]]
    do_not: Mapping[int, Bool[Tensor, " m"]]

    __repr__ = short

    @classmethod
    def of(cls, scores: Mapping[int, Float[Tensor, " m"]], baseline: Float[Tensor, " m0"]) -> "Known":
        """What scores say; NaN says nothing."""
        learn, do_not = dict[int, Tensor](), dict[int, Tensor]()
        for n in sorted(scores):
            trained = differences(scores[n], baseline).isfinite()
            learn[n], do_not[n] = torch.zeros_like(trained), torch.zeros_like(trained)
            learn[n][trained] = above(scores[n][trained], baseline[trained], SCORE_MARGIN)
            do_not[n] = trained & ~learn[n]
        return cls(learn, do_not)

    def rising(self) -> "Known":
        """What follows if no network that learns it from n examples fails to from more.

        Of a network that contradicts that, only what was measured is known.
        """
        learn, do_not = dict(self.learn), dict(self.do_not)
        for n, measured in ((n, self.learn[n] | self.do_not[n]) for n in self.learn):
            fewer = torch.stack([self.learn[k] for k in self.learn if k <= n]).any(0)
            more = torch.stack([self.do_not[k] for k in self.learn if k >= n]).any(0)
            learn[n] = torch.where(measured, self.learn[n], fewer & ~more)
            do_not[n] = torch.where(measured, self.do_not[n], more & ~fewer)
        return Known(learn, do_not)

    def share(self, n: int) -> Share:
        """How many learn it, of those of which it is known."""
        learn = int(self.learn[n].sum())
        return Share(learn, learn + int(self.do_not[n].sum()))

    def fewest(self, n: int) -> Share:
        """How many of all networks learn it at least."""
        return Share.of_mask(self.learn[n])

    def most(self, n: int) -> Share:
        """How many of all networks learn it at most."""
        return Share.of_mask(~self.do_not[n])


def learnt_at(
    scores: Mapping[int, Float[Tensor, " m"]],
    baseline: Float[Tensor, " m0"],
    level: float = 0.05,
    most: int | None = None,
    rising: bool = False,
) -> Learnt:
    """From which n of the grid on more than half of all networks learn a pattern.

    A network has learnt it where its score lies more than .05 above its own at n = 0. Whether more than half of all
    networks do is tested by the exact sign test, :meth:`spurlab.stats.Share.more_than`, from the largest n of the grid
    downwards, each at the whole level, until one is not shown: a fixed sequence, in which an error is as rare as in a
    single test (Westfall and Krishen). Likewise upwards from the smallest n for "fewer than half". So neither a lucky n
    nor the number of n costs certainty; several curves do: for "any of 14 curves" give ``level=0.05 / 14``.

    Args:
        scores: for each n > 0 of the grid, one spurious score in [0, 1] per network.
        baseline: the scores of the same seeds at n = 0, in the same order.
        level: how often it may be wrongly said that n* is at most, and how often that it is above, some n.
        most: where seeds are added until it is decided, up to how many; see :class:`spurlab.stats.Looks`.
        rising: whether the curve is taken to rise: of more examples, no fewer networks learn the pattern. Then not
            every network needs a score at every n (NaN: none), and an n is passed over at which nothing is shown or
            refuted; each test has a quarter of the level, since which n are looked at depends on others. See
            `spurlab.stats.asked_next`.

    Raises:
        ValueError: an n below 1, a level outside (0, 1), or another number of networks than in `baseline`.

    Sources: Yang et al. (2022), arXiv:2202.05189 (the question); Westfall and Krishen (2001), J. Statist. Plann.
        Inference 99, 25-40 (the sequence).

    >>> import torch
    >>> control = torch.tensor([0.10, 0.12, 0.08, 0.10, 0.11])
    >>> print(learnt_at({3: control + 0.01, 10: control + 0.4}, control))
    3 < n* <= 10 (95 %)
    """
    if not 0 < level < 1:
        raise InputError(f"`level` must lie between 0 and 1, but it is {level}. Usual is 0.05.")
    grid, models = sorted(scores), len(baseline)
    if grid and grid[0] < 1:
        raise InputError(f"`scores` has n = {grid[0]}, but only n > 0 is tested: n = 0 belongs in `baseline`.")
    known = Known.of(scores, baseline)
    complete = bool(baseline.isfinite().all()) and (rising or all(known.share(n).models == models for n in grid))
    shares = {n: known.share(n) if complete else Share(0, 0) for n in grid}
    of_test = level / HALVINGS if rising else level
    if why := _untestable(grid, models, of_test, complete):
        return Learnt(level=level, shares=shares, models=models, why=why, rising=rising)
    test = Looks(most, of_test)
    at_most = above_n = None
    for n in reversed(grid):
        if test.more(known.fewest(n)):
            at_most = n
        elif not test.more(known.most(n)):
            break
    for n in grid:
        if test.fewer(known.most(n)):
            above_n = n
        elif not test.fewer(known.fewest(n)):
            break
    return Learnt(at_most, above_n, level, shares, models, why="", rising=rising)


def _untestable(grid: Sequence[int], models: int, level: float, complete: bool) -> str:
    if not grid:
        return "no n above 0 in the grid"
    if models < (needed := networks_needed(level)):
        return f"{models} network{'s' * (models != 1)}; at {100 * level:.2g} % it takes {needed}"
    return "" if complete else "some scores are NaN"
