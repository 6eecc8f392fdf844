"""A score among those of patterns that the model has never seen."""

import math

from jaxtyping import Float
from torch import Tensor


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
