"""A mean over trained models with its interval. The unit that was repeated is the trained model."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from scipy.special import stdtrit
from torch import Tensor

from spurlab.errors import InputError
from spurlab.notebook import card
from spurlab.stats.betting import mean_between


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
        assumes_normal: whether it does so only for numbers that are (nearly) normal; else for all that are bounded.

    Printed as ``value [low, high]``; a format such as ``.1f`` applies to all three numbers.

    >>> import torch
    >>> estimate = Estimate.across_models(torch.tensor([0.80, 0.90, 0.86, 0.84]), bounds=(0.0, 1.0))
    >>> print(estimate)
    0.850 [0.25, 0.96]
    >>> print(Estimate.across_models(torch.tensor([0.80, 0.90, 0.86, 0.84]), bounds=(0.0, 1.0), normal=True))
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
    assumes_normal: bool = True

    @classmethod
    def across_models(
        cls,
        per_model: Float[Tensor, " m"],
        bounds: tuple[float, float] | None = None,
        confidence: float = 0.95,
        *,
        normal: bool = False,
    ) -> "Estimate":
        r"""The mean over models, with an interval that fits what is known of the numbers.

        Bounded numbers, such as spurious scores: a network may score .9 where nine others score 0, so few networks say
        little, and the interval is :func:`spurlab.stats.mean_between`, which assumes nothing but the bounds. Numbers
        that are nearly normal, such as accuracies over thousands of images, have Student's

        .. math:: \bar v \pm t_{m-1,\,(1+\gamma)/2} \; s / \sqrt m

        Args:
            per_model: one number :math:`v` per trained model.
            bounds: where every number must lie, e.g. (0.0, 1.0) for a share; None: anywhere.
            confidence: the share :math:`\gamma` of such intervals that cover the true mean.
            normal: whether the numbers are nearly normal, and the interval is cut to the bounds; so without bounds.

        Returns:
            The estimate. NaN among the numbers makes all of it NaN: whoever leaves out a diverged model must do so
            before, and say so. Normal numbers that agree exactly give an interval without width: no spread was seen.

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
        models, normal = len(values), normal or bounds is None
        value = mean_of(values.tolist())
        if models < 2 or math.isnan(value):
            return cls(value, math.nan, math.nan, math.nan, models, confidence, normal)
        stderr = _spread(values) / math.sqrt(models)
        if normal:
            half = float(stdtrit(models - 1, (1 + confidence) / 2)) * stderr
            low, high = (min(max(end, low_bound), high_bound) for end in (value - half, value + half))
        else:
            width = high_bound - low_bound
            ends = mean_between(((values - low_bound) / width).numpy(), confidence)
            low, high = (low_bound + width * end for end in ends)
        return cls(value, stderr, low, high, models, confidence, normal)

    def __format__(self, spec: str) -> str:
        value = format(self.value, spec or ".3f")
        if math.isnan(self.low) or math.isnan(self.high):
            return f"{value} ({self.models} model{'' if self.models == 1 else 's'}: no interval)"
        return f"{value} [{format(self.low, spec or '.2f')}, {format(self.high, spec or '.2f')}]"

    def __str__(self) -> str:
        return format(self, "")

    def _repr_html_(self) -> str:
        facts: dict[str, object] = {"models": self.models}
        if not math.isnan(self.low):
            kind = "nearly normal" if self.assumes_normal else "any bounded"
            facts["interval"] = f"{self.confidence:.0%}, for {kind} numbers"
            facts["standard error"] = self.stderr
        return card("Estimate", str(self), facts)


def mean_of(values: Sequence[float]) -> float:
    """The mean, the same to the bit in whatever order: numbers have the same digits in a table and in a sentence.

    NaN of no values.

    >>> mean_of([0.1, 0.2, 0.6]) == mean_of([0.6, 0.1, 0.2])
    True
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
