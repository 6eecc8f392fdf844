"""Corrections of p-values for being several."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from spurlab.errors import InputError
from spurlab.stats.null import null_rank


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


def largest_of_all(own: Float[Tensor, " q"], null: Float[Tensor, "draws q"]) -> list[float]:
    r"""Adjust several questions that are asked of the same draws: the rank of each among the largest of each draw.

    The first question is the one with the largest statistic. It is ranked among the largest over all q of each draw,
    the second among the largest over the other q - 1, and so on; none is smaller than the one before. Where what is
    asked about is exchangeable with the draws, the smallest of the q is at most .05 in at most 5 % of all families.
    Unlike `holm` it needs no more draws where more is asked: the smallest possible is :math:`1 / (N + 1)` for any q.

    Args:
        own: of each question, what was observed; large is unusual. All are on one scale.
        null: the same of each of :math:`N` draws, e.g. of networks that never saw a mark.

    Returns:
        The adjusted p-values, in the order given.

    Raises:
        ValueError: a statistic that is NaN.

    Source: Westfall and Young (1993), Resampling-based multiple testing, algorithm 2.8 (step-down max T).

    >>> import torch
    >>> largest_of_all(torch.tensor([2.0, 5.0]), torch.tensor([[1.0, 0.0], [0.0, 3.0], [2.5, 0.0]]))
    [0.5, 0.25]
    """
    if bool(own.isnan().any()) or bool(null.isnan().any()):
        raise InputError("statistics must be numbers, but some are NaN. Leave out what could not be tested.")
    adjusted, highest = [0.0] * len(own), 0.0
    order = own.argsort(descending=True, stable=True).tolist()
    for place, question in enumerate(order):
        highest = max(highest, null_rank(float(own[question]), null[:, order[place:]].amax(1)))
        adjusted[question] = highest
    return adjusted
