"""Intervals, paired tests and corrections for many tests. The unit that was repeated is the trained model."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from scipy.special import ndtr, ndtri, stdtr, stdtrit
from torch import Tensor

from spurlab.errors import InputError


@dataclass(frozen=True)
class Estimate:
    """A mean over trained models, with its uncertainty.

    Args:
        value: the mean.
        stderr: its standard error, sd / sqrt(m); NaN below two models, since one run says nothing about the spread.
        low: lower end of the interval, NaN below two models.
        high: upper end of the interval, NaN below two models.
        models: m, how many models the mean is over.
        confidence: how often such an interval covers the true mean.

    Printed as ``value [low, high]``; a format such as ``.1f`` applies to all three numbers.

    >>> import torch
    >>> estimate = Estimate.across_models(torch.tensor([0.80, 0.90, 0.86, 0.84]), bounds=(0.0, 1.0))
    >>> print(estimate)
    0.850 [0.78, 0.92]
    >>> print(Estimate.across_models(torch.tensor([0.85])))
    0.850 (1 model: no interval)
    """

    value: float
    stderr: float
    low: float
    high: float
    models: int
    confidence: float = 0.95

    @classmethod
    def across_models(
        cls, per_model: Float[Tensor, " m"], bounds: tuple[float, float] | None = None, confidence: float = 0.95
    ) -> "Estimate":
        r"""The mean over models with Student's t interval.

        .. math:: \bar v \pm t_{m-1,\,(1+\gamma)/2} \; s / \sqrt m

        Args:
            per_model: one number :math:`v` per trained model.
            bounds: where the true mean must lie, e.g. (0.0, 1.0) for a share. The interval is cut to it, which costs no
                coverage: what is cut off could not be true.
            confidence: the share :math:`\gamma` of such intervals that cover the true mean, for normal numbers.

        Returns:
            The estimate. NaN among the numbers makes all of it NaN: whoever leaves out a diverged model must do so
            before, and say so. Models that agree exactly give an interval without width: no spread was seen.

        Raises:
            ValueError: a number outside `bounds`, or a confidence outside (0, 1).
        """
        if not 0 < confidence < 1:
            raise InputError(f"`confidence` must lie between 0 and 1, but it is {confidence}. Usual is 0.95.")
        low_bound, high_bound = bounds if bounds is not None else (-math.inf, math.inf)
        values = per_model.detach().double().cpu()
        if ((values < low_bound) | (values > high_bound)).any():
            span = f"[{values.min().item():g}, {values.max().item():g}]"
            raise InputError(f"`bounds` are [{low_bound:g}, {high_bound:g}], but the models' numbers span {span}.")
        models = len(values)
        value = mean_of(values.tolist())
        if models < 2 or math.isnan(value):
            return cls(value, math.nan, math.nan, math.nan, models, confidence)
        stderr = _spread(values) / math.sqrt(models)
        half = float(stdtrit(models - 1, (1 + confidence) / 2)) * stderr
        low, high = (min(max(end, low_bound), high_bound) for end in (value - half, value + half))
        return cls(value, stderr, low, high, models, confidence)

    def __format__(self, spec: str) -> str:
        value = format(self.value, spec or ".3f")
        if math.isnan(self.low) or math.isnan(self.high):
            return f"{value} ({self.models} model{'' if self.models == 1 else 's'}: no interval)"
        return f"{value} [{format(self.low, spec or '.2f')}, {format(self.high, spec or '.2f')}]"

    def __str__(self) -> str:
        return format(self, "")


def mean_of(values: Sequence[float]) -> float:
    """The mean, the same to the bit in whatever order: numbers have the same digits in a table and in a sentence.

    NaN of no values.
    """
    if not values:
        return math.nan
    try:
        return math.fsum(values) / len(values)
    except (OverflowError, ValueError):  # infinities of both signs, or a sum beyond all numbers
        return sum(values) / len(values)


def _spread(values: Float[Tensor, " m"]) -> float:
    """Standard deviation; exactly 0 where all values agree, which the rounding of their mean would otherwise blur."""
    return 0.0 if bool((values == values[0]).all()) else values.std().item()


def _differences(per_model: Float[Tensor, " m"], baseline: Float[Tensor, " m0"]) -> Float[Tensor, " m"]:
    if len(per_model) != len(baseline):
        raise InputError(
            f"a paired comparison needs the same models on both sides, but there are {len(per_model)} and "
            f"{len(baseline)}. Give both in the order of the same seeds, and leave a diverged model out of both."
        )
    return per_model.detach().double().cpu() - baseline.detach().double().cpu()


def paired_difference(
    per_model: Float[Tensor, " m"],
    baseline: Float[Tensor, " m0"],
    bounds: tuple[float, float] | None = None,
    confidence: float = 0.95,
) -> Estimate:
    """The mean difference between models and their baselines of the same seeds, paired by position.

    Args:
        per_model: one number per model.
        baseline: the number of the same seed's baseline, in the same order.
        bounds: where the true difference must lie, e.g. (-1.0, 1.0) for shares.
        confidence: as in :meth:`Estimate.across_models`.

    Raises:
        ValueError: the two differ in length.

    >>> import torch
    >>> print(paired_difference(torch.tensor([0.3, 0.5, 0.4]), torch.tensor([0.1, 0.2, 0.15])))
    0.250 [0.13, 0.37]
    """
    return Estimate.across_models(_differences(per_model, baseline), bounds, confidence)


def paired_test(per_model: Float[Tensor, " m"], baseline: Float[Tensor, " m0"]) -> float:
    """One-sided p-value of the paired t-test: is the mean difference above zero?

    Args:
        per_model: one number per model.
        baseline: the number of the same seed's baseline, in the same order.

    Returns:
        A share in [0, 1]; small means "above". NaN below two models, or with a NaN or infinity among the numbers.
        Where all differences are equal (to rounding) there is no spread to divide by, and the sign test answers
        instead: 2 ** -m if they are positive, which is how often m signs come out so when either is as likely; else 1.

    Raises:
        ValueError: the two differ in length.

    >>> import torch
    >>> round(paired_test(torch.tensor([0.3, 0.5, 0.4]), torch.tensor([0.1, 0.2, 0.15])), 4)
    0.0065
    """
    differences = _differences(per_model, baseline)
    models = len(differences)
    if models < 2 or not bool(differences.isfinite().all()):
        return math.nan
    # one image of 2,000 is 0.0005 from any score, but in binary numbers its last bits differ: that is no spread
    rounding = 4 * max(torch.finfo(side.dtype).eps * side.abs().max().item() for side in (per_model, baseline))
    low, high = (end.item() for end in differences.aminmax())
    if high - low <= rounding:
        return 0.5**models if low > rounding else 1.0
    return float(stdtr(models - 1, -differences.mean().item() / (differences.std().item() / math.sqrt(models))))


def mean_above(estimate: Estimate, limit: float) -> float:
    r"""One-sided p-value of the t-test that the true mean lies above a limit.

    .. math:: p = P\big(T_{m-1} > (\bar v - \text{limit}) / \text{stderr}\big)

    Twice the smaller of p and 1 - p is below 5 % exactly where the 95 % interval does not reach the limit: this is that
    interval as a p-value, for corrections such as :func:`holm`.

    Args:
        estimate: a mean, or a mean paired difference.
        limit: what the mean is compared with, e.g. the smallest difference that would matter.

    Returns:
        A share in [0, 1]. NaN below two models. Without spread: 0 where the mean is above the limit, else 1, as the
        interval without width says.

    >>> import torch
    >>> round(mean_above(Estimate.across_models(torch.tensor([0.2, 0.3, 0.25])), 0.0), 4)
    0.0065
    """
    if math.isnan(estimate.stderr):
        return math.nan
    if estimate.stderr == 0:
        return 0.0 if estimate.value > limit else 1.0
    return float(stdtr(estimate.models - 1, (limit - estimate.value) / estimate.stderr))


def equivalent(estimate: Estimate, margin: float) -> float:
    r"""p-value of the two one-sided tests that the true mean lies within a margin of zero.

    .. math:: p = \max\Big( P\big(T_{m-1} > \tfrac{\bar v + \Delta}{\text{stderr}}\big),
        \; P\big(T_{m-1} < \tfrac{\bar v - \Delta}{\text{stderr}}\big) \Big)

    A difference that is not significant may just be badly measured. This is the other question: below 5 % it is shown
    that there is none that matters. That is so exactly where the 90 % interval lies within the margin.

    Args:
        estimate: a mean paired difference.
        margin: :math:`\Delta`, above 0: the smallest difference that would matter, in the unit of the mean.

    Returns:
        A share in [0, 1]; small means "equivalent". NaN below two models. Without spread the sign test answers, as in
        :func:`paired_test`: 2 ** -m where the mean lies within the margin, else 1.

    Raises:
        ValueError: a margin of 0 or less, within which nothing can be.

    Source: Schuirmann (1987), J. Pharmacokinet. Biopharm. 15, 657-680.

    >>> import torch
    >>> round(equivalent(Estimate.across_models(torch.tensor([0.01, -0.02, 0.01, 0.02])), 0.05), 4)
    0.0069
    """
    if not margin > 0:
        raise InputError(f"`margin` must be above 0, but it is {margin:g}: it is the smallest difference that matters.")
    if math.isnan(estimate.stderr):
        return math.nan
    if estimate.stderr <= 1e-12 * margin:  # what differs in the last bits of binary numbers alone is no spread
        return 0.5**estimate.models if abs(estimate.value) < margin else 1.0
    return float(stdtr(estimate.models - 1, (abs(estimate.value) - margin) / estimate.stderr))


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
    0.50 (any share: the gap may be zero)
    """

    value: float
    low: float
    high: float
    models: int
    confidence: float = 0.95
    why: str = ""

    def __str__(self) -> str:
        if self.why:
            return f"{self.value:z.2f} ({'any share' if self.low == -math.inf else 'no interval'}: {self.why})"
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
        confidence: :math:`\gamma`, how often such an interval covers the true ratio, for normal pairs.

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
    closed, gap = _differences(before, after), _differences(before, oracle)
    models = len(gap)
    if not bool(torch.cat([closed, gap]).isfinite().all()):
        return Ratio(math.nan, math.nan, math.nan, models, confidence, "some numbers are not finite")
    a, b = closed.mean().item(), gap.mean().item()
    value = a / b if b != 0 else math.nan
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
        return float(ndtr((math.atanh(rho) - math.atanh(self.r)) * math.sqrt(self.points - 3)))

    def __str__(self) -> str:
        interval = "" if math.isnan(self.low) else f" [{self.low:.2f}, {self.high:.2f}]"
        return f"{self.r:.2f}{interval}"


def pearson(x: Float[Tensor, " n"], y: Float[Tensor, " n2"], confidence: float = 0.95) -> Correlation:
    r"""Pearson's correlation of paired numbers, its t-test and Fisher's interval.

    .. math:: t = r \sqrt{\frac{n - 2}{1 - r^2}}, \qquad \tanh\Big(\mathrm{artanh}\, r \pm \frac{z}{\sqrt{n - 3}}\Big)

    Args:
        x: one number for each point.
        y: the other number of the same point, in the same order.
        confidence: how often such an interval covers the true correlation, for normal pairs.

    Returns:
        The correlation. All of it is NaN below three points, with a NaN among the numbers, or with a constant side.

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
    a, b = (side.detach().double().cpu() for side in (x, y))
    if points < 3 or bool((a == a[0]).all()) or bool((b == b[0]).all()):
        return Correlation(math.nan, math.nan, math.nan, math.nan, points)
    a, b = a - a.mean(), b - b.mean()
    r = float((a @ b) / (a.norm() * b.norm()))
    if math.isnan(r):
        return Correlation(math.nan, math.nan, math.nan, math.nan, points)
    r = min(max(r, -1.0), 1.0)
    t = math.inf if abs(r) == 1 else abs(r) * math.sqrt((points - 2) / ((1 - r) * (1 + r)))
    p = 2 * float(stdtr(points - 2, -t))
    if points < 4:
        return Correlation(r, p, math.nan, math.nan, points)
    if abs(r) == 1:
        return Correlation(r, p, r, r, points)
    half = float(ndtri((1 + confidence) / 2)) / math.sqrt(points - 3)
    return Correlation(r, p, math.tanh(math.atanh(r) - half), math.tanh(math.atanh(r) + half), points)


def holm(p_values: Sequence[float]) -> list[float]:
    r"""Adjust p-values for being several: comparing each with 5 % then errs in at most 5 % of all families.

    .. math:: \tilde p_{(i)} = \min\big(1, \max_{j \le i} (N - j + 1)\, p_{(j)}\big)

    Args:
        p_values: :math:`N` p-values, in any order; :math:`p_{(1)}` is the smallest.

    Returns:
        The adjusted p-values in the order given. No assumption about dependence is needed.

    Raises:
        ValueError: a p-value that is NaN or outside [0, 1]; what cannot be tested must not be counted as tested.

    Source: Holm (1979), A simple sequentially rejective multiple test procedure, Scand. J. Statist. 6, 65-70.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    if bad := [p for p in p_values if not 0 <= p <= 1]:
        raise InputError(f"p-values lie in [0, 1], but these do not: {bad}. Leave out what could not be tested.")
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        highest = max(highest, (len(p_values) - place) * float(p_values[index]))
        adjusted[index] = min(1.0, highest)
    return adjusted


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


def null_rank(observed: float, null: Float[Tensor, " draws"]) -> float:
    r"""The p-value of a score among the scores of patterns that the model has never seen.

    .. math:: p = \frac{1 + \#\{\text{null} \ge \text{observed}\}}{1 + N}

    Args:
        observed: the score of the pattern in question.
        null: the scores of :math:`N` redrawn patterns, measured on the same model and examples.

    Returns:
        A share in (0, 1], never 0: the pattern itself is one of the N + 1 draws. NaN when any score is NaN.

    Source: Phipson and Smyth (2010), Permutation p-values should never be zero, Stat. Appl. Genet. Mol. Biol. 9, 39.

    >>> import torch
    >>> null_rank(0.8, torch.tensor([0.1, 0.2, 0.9]))
    0.5
    """
    if math.isnan(observed) or bool(null.isnan().any()):
        return math.nan
    return (1 + int((null.double() >= observed).sum())) / (1 + len(null))
