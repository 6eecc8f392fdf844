"""Models against their baselines of the same seeds."""

from jaxtyping import Float
from torch import Tensor, finfo

from spurlab.errors import InputError
from spurlab.stats.estimate import Estimate


def differences(per_model: Float[Tensor, " m"], baseline: Float[Tensor, " m0"]) -> Float[Tensor, " m"]:
    """By how much each model is above its baseline, paired by position; ValueError where their numbers differ."""
    if not all(isinstance(side, Tensor) for side in (per_model, baseline)):
        raise InputError("what is compared are tensors with one number for each model, e.g. torch.tensor([0.1, 0.2]).")
    if len(per_model) != len(baseline):
        raise InputError(
            f"a paired comparison needs the same models on both sides, but there are {len(per_model)} and "
            f"{len(baseline)}. Give both in the order of the same seeds, and leave a diverged model out of both."
        )
    return per_model.detach().double().cpu() - baseline.detach().double().cpu()


def rounding(*sides: Float[Tensor, " m"]) -> float:
    """How far two of these numbers may differ by the last bits of binary numbers alone; 0 of none."""
    return max((4 * finfo(side.dtype).eps * side.abs().max().item() for side in sides if len(side)), default=0.0)


def paired_difference(
    per_model: Float[Tensor, " m"],
    baseline: Float[Tensor, " m0"],
    bounds: tuple[float, float] | None = None,
    confidence: float = 0.95,
    *,
    normal: bool = False,
) -> Estimate:
    """The mean difference between models and their baselines of the same seeds, paired by position.

    Args:
        per_model: one number per model.
        baseline: the number of the same seed's baseline, in the same order.
        bounds: where the true difference must lie, e.g. (-1.0, 1.0) for shares.
        confidence: as in :meth:`Estimate.across_models`.
        normal: likewise.

    Raises:
        ValueError: the two differ in length.

    >>> import torch
    >>> print(paired_difference(torch.tensor([0.3, 0.5, 0.4]), torch.tensor([0.1, 0.2, 0.15])))
    0.250 [0.13, 0.37]
    """
    return Estimate.across_models(differences(per_model, baseline), bounds, confidence, normal=normal)
