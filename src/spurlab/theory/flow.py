"""Logistic regression without weight decay, under gradient flow: training time in place of decay."""

import math

import scipy  # its rooms are imported when they are first used: `optimize` is slow

from spurlab.theory.checks import check_above, check_count, check_from
from spurlab.theory.logistic import TINY


def kappa_flow(count: int, norm: float, examples: int, time: float) -> float:
    r"""The one number through which counts, norms and training time enter the law of `shift_flow`.

    .. math:: \kappa_\tau = \frac{n s^2}{N} \, \tau

    It is `kappa` with :math:`1 / \tau` in place of the weight decay.

    Args:
        count: n, the marked examples; 0 to `examples`.
        norm: s, the l2 norm of the mark, 0 or more.
        examples: N, of the training set.
        time: :math:`\tau`, 0 or more: of gradient descent on the mean loss the sum of the learning rates of all steps.

    Raises:
        ValueError: a setting outside its range.

    >>> kappa_flow(10, 5.0, 10_000, time=100.0)
    2.5
    """
    check_count(count, examples)
    check_from(0, norm=norm, time=time)
    return count * norm**2 * time / examples


def time_at(kappa: float, count: int, norm: float, examples: int) -> float:
    r"""The training time at which so many marked examples have this kappa, :math:`\tau = \kappa_\tau N / n s^2`.

    >>> time_at(2.5, 10, 5.0, 10_000)
    100.0
    """
    check_from(0, kappa=kappa)
    check_count(count, examples)
    check_above(0, count=count, norm=norm)
    return kappa * examples / (count * norm**2)


def shift_flow(kappa: float, margin: float) -> float:
    r"""How far a mark moves the log-odds of logistic regression after gradient flow for some time, without decay.

    .. math:: t + e^\mu (e^t - 1) = \kappa_\tau = \frac{n s^2}{N} \, \tau

    *Derivation.* Notation as in `shift_logistic`; the weight of the mark starts at 0 and follows minus its gradient,
    :math:`\dot w_e = \frac{s}{N} \sum_S \sigma(-\mu_i - s w_e)`. With :math:`t = s w_e` and equal margins
    :math:`\dot t = \frac{n s^2}{N} / (1 + e^{\mu + t})`. Separated, :math:`\int_0^t (1 + e^{\mu + u}) \, du =
    \frac{n s^2}{N} \tau`, and the integral is the left side above.

    It is exact where :math:`\mu` stands still while the mark is learnt and marked examples have one margin. In training
    the core learns too: where the margin rises from 0, the one at the end gives a shift that is too small.

    For large :math:`\kappa_\tau` the shift is :math:`\log (1 + \kappa_\tau e^{-\mu})`, its upper bound at any (as t is
    0 or more): as under weight decay, the logarithm of the number of marked examples.

    Args:
        kappa: :math:`\kappa_\tau`, 0 or more; see `kappa_flow`.
        margin: :math:`\mu`, the log-odds of the target class that marked training examples have without the mark.

    Returns:
        t, between 0 and kappa.

    Raises:
        ValueError: a kappa outside its range, or a margin that is not finite.

    >>> t = shift_flow(2.5, 1.0)
    >>> round(t, 3), round(t + math.exp(1) * (math.exp(t) - 1), 9)
    (0.542, 2.5)
    """
    check_from(0, kappa=kappa)
    check_above(-math.inf, margin=margin)
    if kappa == 0:
        return 0.0
    ratio = math.log(kappa) - margin
    bound = max(ratio, 0.0) + math.log1p(math.exp(-abs(ratio)))  # log(1 + kappa exp(-margin))
    highest = min(kappa, bound)
    if highest == 0 or _spent(highest, margin) <= kappa:  # equal to rounding
        return highest

    def excess(shift: float) -> float:
        return _spent(shift, margin) - kappa

    return float(scipy.optimize.brentq(excess, 0.0, highest, xtol=TINY, rtol=1e-15, maxiter=1000))


def kappa_of_flow(shift: float, margin: float) -> float:
    r"""Which :math:`\kappa_\tau` causes this shift; the inverse of `shift_flow`. From it follows `time_at`.

    Args:
        shift: t, 0 or more.
        margin: :math:`\mu`, as there.

    Returns:
        Kappa, 0 or more; infinity where it is above 1e308.

    Raises:
        ValueError: a shift outside its range, or a margin that is not finite.

    >>> round(kappa_of_flow(1.0, 0.0), 6)  # e
    2.718282
    """
    check_from(0, shift=shift)
    check_above(-math.inf, margin=margin)
    return _spent(shift, margin)


def _spent(shift: float, margin: float) -> float:
    """The left side of the law, written so that neither factor overflows where their product does not."""
    if shift == 0:
        return 0.0
    exponent = margin + shift + math.log(-math.expm1(-shift))
    return shift + math.exp(exponent) if exponent < 709 else math.inf
