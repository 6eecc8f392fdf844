"""Accuracy by group: in each, and in the worst."""

import math

from jaxtyping import Float, Float64, Int64
from torch import Tensor


def group_accuracy(
    probabilities: Float[Tensor, "*models n k"], labels: Int64[Tensor, " n"], groups: Int64[Tensor, " n"], count: int
) -> Float64[Tensor, "*models g"]:
    r"""Accuracy among the examples of each group; NaN for a group without examples, and for a model that diverged.

    .. math:: A_g = \frac{1}{n_g} \sum_{i:\, g_i = g} \mathbf{1}\big[\arg\max_c f_c(x_i) = y_i\big]
    """
    right = (probabilities.argmax(dim=-1) == labels).double()
    right = right.masked_fill(probabilities.isnan().any(dim=(-2, -1)).unsqueeze(-1), math.nan)
    sums = right.new_zeros(*right.shape[:-1], count).index_add(-1, groups, right)
    return sums / groups.bincount(minlength=count)


def worst_group_accuracy(
    probabilities: Float[Tensor, "*models n k"], labels: Int64[Tensor, " n"], groups: Int64[Tensor, " n"], count: int
) -> Float64[Tensor, "*models"]:
    r"""The least accuracy of a group; groups without examples do not count. NaN for a model that diverged.

    .. math:: A_{\min} = \min_{g:\, n_g > 0} A_g
    """
    shares = group_accuracy(probabilities, labels, groups, count)
    there = shares.isfinite()
    return shares.masked_fill(~there, math.inf).amin(dim=-1).masked_fill(~there.any(dim=-1), math.nan)
