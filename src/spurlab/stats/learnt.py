"""From how many planted examples on a pattern is learnt."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor

from spurlab.errors import InputError
from spurlab.stats.corrections import holm
from spurlab.stats.paired import paired_test


@dataclass(frozen=True)
class Learnt:
    """From how many planted examples on the pattern is learnt.

    Args:
        n: the smallest such n of the grid, or None.
        level: the p-value that counts as significant.
        adjusted: Holm-adjusted p-value of each n; NaN where undecided.
        models: how many models stand behind each p-value.
    """

    n: int | None
    level: float
    adjusted: Mapping[int, float] = field(default_factory=dict)
    models: int = 0

    @property
    def decided(self) -> bool:
        """False where nothing could be tested; `n` is then None, but that does not mean "not learnt"."""
        return bool(self.adjusted) and not any(math.isnan(p) for p in self.adjusted.values())

    def __str__(self) -> str:
        if not self.adjusted:
            return "undecided: no n above 0 in the grid"
        if self.models < 2:
            return f"undecided: {'one model says' if self.models == 1 else 'no models say'} nothing about the spread"
        if not self.decided:
            return "undecided: some scores are NaN"
        if self.n is None:
            return f"not shown to be learnt up to n = {max(self.adjusted)}"
        return f"learnt at n = {self.n}"


def learnt_at(scores: Mapping[int, Float[Tensor, " m"]], baseline: Float[Tensor, " m0"], level: float = 0.05) -> Learnt:
    """The smallest n of the grid from which on the score is above that of n = 0.

    Each n is compared with n = 0 by :func:`paired_test`, and the p-values are adjusted by :func:`holm` over the grid.
    The answer is the smallest n that is significant together with every larger n: one lucky n is no learning. Scores
    that rise by the same in all m models have p = 2 ** -m, whatever the rise: at 5 % that takes five models.

    Args:
        scores: for each n > 0 of the grid, one spurious score per model.
        baseline: the scores of the same seeds at n = 0, in the same order.
        level: the significance level, over the whole grid.

    Raises:
        ValueError: an n below 1, a level outside (0, 1), or another number of models than in `baseline`.

    Sources: Yang et al. (2022), arXiv:2202.05189 (the question); Holm (1979), Scand. J. Statist. 6 (the correction).

    >>> import torch
    >>> control = torch.tensor([0.10, 0.12, 0.08])
    >>> print(learnt_at({3: torch.tensor([0.11, 0.11, 0.09]), 10: torch.tensor([0.50, 0.56, 0.46])}, control))
    learnt at n = 10
    """
    if not 0 < level < 1:
        raise InputError(f"`level` must lie between 0 and 1, but it is {level}. Usual is 0.05.")
    grid = sorted(scores)
    if grid and grid[0] < 1:
        raise InputError(f"`scores` has n = {grid[0]}, but only n > 0 is tested: n = 0 belongs in `baseline`.")
    p_values = [paired_test(scores[n], baseline) for n in grid]
    if any(math.isnan(p) for p in p_values):
        return Learnt(None, level, dict.fromkeys(grid, math.nan), len(baseline))
    adjusted = dict(zip(grid, holm(p_values), strict=True))
    smallest = None
    for n in reversed(grid):
        if adjusted[n] >= level:
            break
        smallest = n
    return Learnt(smallest, level, adjusted, len(baseline))
