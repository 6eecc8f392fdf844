"""The correlation of two numbers over points."""

import math
from dataclasses import dataclass

import numpy as np
import scipy  # its rooms are imported when they are first used: `stats` is slow
from jaxtyping import Float
from torch import Tensor

from spurlab.errors import InputError


@dataclass(frozen=True)
class Correlation:
    """Pearson's correlation with its uncertainty; see :func:`pearson`.

    Args:
        r: in [-1, 1].
        p: two-sided p-value of no correlation.
        low: lower end of the interval, NaN below four points.
        high: upper end of the interval, NaN below four points.
        points: how many pairs it is over.
    """

    r: float
    p: float
    low: float
    high: float
    points: int

    def above(self, rho: float) -> float:
        """One-sided p-value that the true correlation is above `rho`, by Fisher's z; NaN below four points."""
        if self.points < 4 or math.isnan(self.r):
            return math.nan
        if abs(self.r) == 1:
            return 0.0 if self.r > rho else 1.0
        return float(scipy.special.ndtr((math.atanh(rho) - math.atanh(self.r)) * math.sqrt(self.points - 3)))

    def __str__(self) -> str:
        interval = "" if math.isnan(self.low) else f" [{self.low:.2f}, {self.high:.2f}]"
        return f"{self.r:.2f}{interval}"


def pearson(x: Float[Tensor, " n"], y: Float[Tensor, " n2"], confidence: float = 0.95) -> Correlation:
    r"""Pearson's correlation of paired numbers, its t-test and Fisher's interval, as scipy has them.

    .. math:: t = r \sqrt{\frac{n - 2}{1 - r^2}}, \qquad \tanh\Big(\mathrm{artanh}\, r \pm \frac{z}{\sqrt{n - 3}}\Big)

    Args:
        x: one number for each point.
        y: the other number of the same point, in the same order.
        confidence: how often such an interval covers the true correlation, for normal pairs.

    Returns:
        The correlation. All of it is NaN below three points, with a number that is not finite, or with a constant side.

    Raises:
        ValueError: the two differ in length.

    Source: Fisher (1921), On the "probable error" of a coefficient of correlation, Metron 1, 3-32.

    >>> import torch
    >>> print(pearson(torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.tensor([1.0, 3.0, 2.0, 4.0])))
    0.80 [-0.70, 1.00]
    """
    if len(x) != len(y):
        raise InputError(f"a correlation needs pairs, but there are {len(x)} and {len(y)} numbers.")
    points = len(x)
    a, b = (side.detach().double().cpu().numpy() for side in (x, y))
    if points < 3 or (a == a[0]).all() or (b == b[0]).all() or not np.isfinite([*a, *b]).all():
        return Correlation(math.nan, math.nan, math.nan, math.nan, points)
    found = scipy.stats.pearsonr(a, b)
    r, p = float(found.statistic), float(found.pvalue)
    interval = found.confidence_interval(confidence) if points > 3 else (math.nan, math.nan)
    return Correlation(r, p, float(interval[0]), float(interval[1]), points)
