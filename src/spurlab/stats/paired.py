"""Models against their baselines of the same seeds: the mean difference, and whether it is above zero."""

import math

import torch
from jaxtyping import Float
from scipy.special import stdtr
from torch import Tensor

from spurlab.errors import InputError
from spurlab.stats.estimate import Estimate


def differences(per_model: Float[Tensor, " m"], baseline: Float[Tensor, " m0"]) -> Float[Tensor, " m"]:
    """By how much each model is above its baseline, paired by position; ValueError where their numbers differ."""
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
    return Estimate.across_models(differences(per_model, baseline), bounds, confidence)


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
    rises = differences(per_model, baseline)
    models = len(rises)
    if models < 2 or not bool(rises.isfinite().all()):
        return math.nan
    # one image of 2,000 is 0.0005 from any score, but in binary numbers its last bits differ: that is no spread
    rounding = 4 * max(torch.finfo(side.dtype).eps * side.abs().max().item() for side in (per_model, baseline))
    low, high = (end.item() for end in rises.aminmax())
    if high - low <= rounding:
        return 0.5**models if low > rounding else 1.0
    return float(stdtr(models - 1, -rises.mean().item() / (rises.std().item() / math.sqrt(models))))
