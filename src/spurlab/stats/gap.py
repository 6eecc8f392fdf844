"""The share of a gap that was closed: a ratio of two means."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from scipy.special import stdtrit
from torch import Tensor

from spurlab.errors import InputError
from spurlab.stats.paired import differences, rounding


@dataclass(frozen=True)
class Ratio:
    """A ratio of two means over trained models, with its uncertainty.

    Args:
        value: the ratio; NaN where it cannot be told.
        low: lower end of the interval; minus infinity where it has no end, NaN where there is no interval.
        high: upper end of the interval; likewise.
        models: m, how many pairs the means are over.
        confidence: how often such an interval covers the true ratio.
        why: why there is no interval, or none with ends; else "".

    >>> print(Ratio(0.5, 0.4, 0.6, models=5))
    0.50 [0.40, 0.60]
    >>> print(Ratio(0.5, -math.inf, math.inf, models=5, why="the gap may be zero"))
    any share: the gap may be zero
    """

    value: float
    low: float
    high: float
    models: int
    confidence: float = 0.95
    why: str = ""

    def __str__(self) -> str:
        if self.low == -math.inf:
            return f"any share: {self.why}"
        if self.why:
            return f"{self.value:z.2f} (no interval: {self.why})"
        return f"{self.value:z.2f} [{self.low:z.2f}, {self.high:z.2f}]"


def gap_closed(
    before: Float[Tensor, " m"], after: Float[Tensor, " m1"], oracle: Float[Tensor, " m2"], confidence: float = 0.95
) -> Ratio:
    r"""The share of the gap between a score and its oracle that was closed, with Fieller's interval.

    .. math:: \rho = \frac{\overline{b - a}}{\overline{b - o}}, \qquad
        \Big\{ \rho : \; \big| \, \overline{(b - a) - \rho (b - o)} \, \big| \le t_{m-1,\,(1+\gamma)/2} \;
        \text{stderr}\big((b - a) - \rho (b - o)\big) \Big\}

    Means are divided and not the pairs: where one network has hardly a gap, its own ratio says nothing and would drown
    the others.

    Args:
        before: :math:`b`, one number per model.
        after: :math:`a`, of the same models.
        oracle: :math:`o`, of the models of the same seeds that never learnt what was to be forgotten.
        confidence: :math:`\gamma`, how often such an interval covers the true ratio; it assumes normal pairs.

    Returns:
        1: all of the gap is closed; 0: nothing changed; below 0: it became wider; above 1: beyond the oracle. Where the
        gap itself is not shown to differ from zero, every share fits to some gap, and the interval has no ends. All
        is NaN below two models, with a NaN or infinity among the numbers, or without any gap.

    Raises:
        ValueError: the three differ in length, or a confidence outside (0, 1).

    Source: Fieller (1954), Some problems in interval estimation, J. R. Statist. Soc. B 16, 175-185.

    >>> import torch
    >>> print(gap_closed(torch.tensor([0.8, 0.9, 0.7]), torch.tensor([0.4, 0.5, 0.3]), torch.tensor([0.0, 0.1, 0.0])))
    0.52 [0.44, 0.64]
    """
    if not 0 < confidence < 1:
        raise InputError(f"`confidence` must lie between 0 and 1, but it is {confidence}. Usual is 0.95.")
    closed, gap = differences(before, after), differences(before, oracle)
    models = len(gap)
    if not bool(torch.cat([closed, gap]).isfinite().all()):
        return Ratio(math.nan, math.nan, math.nan, models, confidence, "some numbers are not finite")
    a, b = closed.mean().item(), gap.mean().item()
    value = a / b if abs(b) > rounding(before, oracle) else math.nan
    if models < 2:
        return Ratio(
            value, math.nan, math.nan, models, confidence, "fewer than two models say nothing about the spread"
        )
    if math.isnan(value):
        return Ratio(value, math.nan, math.nan, models, confidence, "there is no gap to close")
    covariance = torch.stack([closed, gap]).cov() / models
    t2 = float(stdtrit(models - 1, (1 + confidence) / 2)) ** 2
    # the set is where second * rho ** 2 - 2 * first * rho + constant <= 0
    second = b * b - t2 * covariance[1, 1].item()
    first = a * b - t2 * covariance[0, 1].item()
    constant = a * a - t2 * covariance[0, 0].item()
    if second <= 0:
        why = "the gap to the oracle is not shown to differ from zero"
        return Ratio(value, -math.inf, math.inf, models, confidence, why)
    half = math.sqrt(max(first * first - second * constant, 0.0))
    return Ratio(value, (first - half) / second, (first + half) / second, models, confidence)
