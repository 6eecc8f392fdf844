"""A mean against a limit: is it above, and does it lie within a margin of zero?"""

import math

from scipy.special import stdtr

from spurlab.errors import InputError
from spurlab.stats.estimate import Estimate


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
