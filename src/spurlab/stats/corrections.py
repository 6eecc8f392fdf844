"""Corrections of p-values for being several."""

from collections.abc import Sequence

from spurlab.errors import InputError


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
