"""From how many planted examples on a pattern is learnt: n*."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor

from spurlab.errors import InputError
from spurlab.stats.looks import Looks
from spurlab.stats.margin import SCORE_MARGIN
from spurlab.stats.paired import differences
from spurlab.stats.shares import Share, networks_needed, risen

RISE = SCORE_MARGIN  # by which a network that has learnt scores above itself without planted examples, at least


@dataclass(frozen=True)
class Learnt:
    """From how many planted examples on more than half of all networks learn the pattern: n*.

    Args:
        n: the smallest n of the grid of which that is shown, so n* is at most that; None: of none.
        above: the largest n of which it is shown that fewer than half learn it, so n* is above that; None: of none.
        level: of either statement.
        shares: for each n of the grid, how many networks rose by more than `RISE`.
        models: how many networks there are.
        why: why nothing could be tested, or "".
    """

    n: int | None = None
    above: int | None = None
    level: float = 0.05
    shares: Mapping[int, Share] = field(default_factory=dict)
    models: int = 0
    why: str = "no n above 0 in the grid"

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

    def __str__(self) -> str:
        if self.why:
            return f"undecided: {self.why}"
        sure = f"({100 * (1 - self.level):.3g} %)"
        if self.n is None:
            most = max(self.shares)
            if self.above == most:
                return f"n* > {most} {sure}"
            lower = f"n* > {self.above} {sure}, " if self.above is not None else ""
            return f"{lower}not shown to be learnt up to n = {most}"
        return f"n* <= {self.n} {sure}" if self.above is None else f"{self.above} < n* <= {self.n} {sure}"


def learnt_at(
    scores: Mapping[int, Float[Tensor, " m"]],
    baseline: Float[Tensor, " m0"],
    level: float = 0.05,
    most: int | None = None,
) -> Learnt:
    """From which n of the grid on more than half of all networks learn a pattern.

    A network has learnt it where its score lies more than `RISE` above its own at n = 0. Whether more than half of all
    networks do is tested by the exact sign test, :meth:`spurlab.stats.Share.more_than`, from the largest n of the grid
    downwards, each at the whole level, until one is not shown: a fixed sequence, in which an error is as rare as in a
    single test (Westfall and Krishen). Likewise upwards from the smallest n for "fewer than half". So neither a lucky n
    nor the number of n costs certainty; several curves do: for "any of 14 curves" give ``level=0.05 / 14``.

    Args:
        scores: for each n > 0 of the grid, one spurious score in [0, 1] per network.
        baseline: the scores of the same seeds at n = 0, in the same order.
        level: how often it may be wrongly said that n* is at most, and how often that it is above, some n.
        most: where seeds are added until it is decided, up to how many; see :class:`spurlab.stats.Looks`.

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
    finite = all(bool(differences(scores[n], baseline).isfinite().all()) for n in grid)
    shares = {n: risen(scores[n], baseline, RISE) for n in grid} if finite else {n: Share(0, 0) for n in grid}
    if why := _untestable(grid, models, level, finite):
        return Learnt(level=level, shares=shares, models=models, why=why)
    test = Looks(most, level)
    at_most = above = None
    for n in reversed(grid):
        if not test.more(shares[n]):
            break
        at_most = n
    for n in grid:
        if not test.fewer(shares[n]):
            break
        above = n
    return Learnt(at_most, above, level, shares, models, why="")


def _untestable(grid: list[int], models: int, level: float, finite: bool) -> str:
    if not grid:
        return "no n above 0 in the grid"
    if models < (needed := networks_needed(level)):
        return f"{models} network{'s' * (models != 1)}; at {100 * level:.2g} % it takes {needed}"
    return "" if finite else "some scores are NaN"
