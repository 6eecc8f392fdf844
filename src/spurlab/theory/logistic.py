"""Logistic regression with weight decay: the shift that n marked examples cause, and which n causes a given shift."""

import math

import scipy  # its rooms are imported when they are first used: `optimize` is slow
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from spurlab.theory.checks import check_above, check_count, check_finite, check_from

NO_DECAY = "Without weight decay the shift grows without end: see `shift_flow`."
TINY = 5e-324  # absolute tolerance of roots: none, so that the relative one decides


def kappa(count: int, norm: float, examples: int, decay: float, classes: int | None = None) -> float:
    r"""The one number through which counts, norms and weight decay enter the law of `shift_logistic`.

    .. math:: \kappa = \frac{n s^2}{N \lambda} \quad \text{(one output)}, \qquad
        \kappa = \frac{k}{k - 1} \frac{n s^2}{N \lambda} \quad \text{(softmax over k outputs)}

    So marked examples and the square of the mark's norm trade one for one.

    *Derivation* of the first: see `shift_logistic`. Of the second: a softmax has one weight :math:`w_j` for the mark
    at each output. Where the gradient of :math:`\frac{1}{N} \sum_i -\log p_{i, y_i} + \frac{\lambda}{2} \lVert W
    \rVert^2` is zero, with target class c and all marked examples of it,
    :math:`\lambda w_c = \frac{s}{N} \sum_S (1 - p_{i, c})` and :math:`\lambda w_j = - \frac{s}{N} \sum_S p_{i, j}`.
    If the classes other than c share their probability alike, :math:`w_j = - w_c / (k - 1)`. The log-odds of c then
    move by :math:`t = s (w_c - w_j) = \frac{k}{k - 1} s w_c`, and with :math:`1 - p_{i, c} = \sigma(-\mu_i - t)` this
    is the same law with the second kappa. For k = 2 there is one other class, so it is exact: a softmax of two outputs
    has twice the kappa of one output. For more, `shift_softmax` does without the assumption.

    Args:
        count: n, the marked examples; 0 to `examples`.
        norm: s, the l2 norm of the mark, 0 or more. (Where it is clipped: of what is added.)
        examples: N, of the training set.
        decay: :math:`\lambda`, above 0, in the convention of `Recipe.weight_decay`: the optimizer adds
            :math:`\lambda w` to the gradient of the mean loss, hence the penalty is :math:`\frac{\lambda}{2} \lVert w
            \rVert^2`. (A penalty :math:`\lambda \lVert w \rVert^2` is a decay of :math:`2 \lambda`.)
        classes: k, of a softmax with an output for each class; None: one output, the log-odds.

    Returns:
        :math:`\kappa`, 0 or more, without a unit.

    Raises:
        ValueError: a setting outside its range.

    >>> kappa(10, 5.0, 10_000, 1e-4), kappa(10, 5.0, 10_000, 1e-4, classes=2)
    (250.0, 500.0)
    """
    check_count(count, examples)
    check_from(0, norm=norm)
    check_above(0, NO_DECAY, decay=decay)
    return _shared(classes) * count * norm**2 / (examples * decay)


def count_at(kappa: float, norm: float, examples: int, decay: float, classes: int | None = None) -> float:
    r"""How many marked examples have this kappa, :math:`n = \kappa N \lambda / s^2`; see `kappa`.

    Returns:
        A count that need be neither whole nor below `examples`.

    >>> round(count_at(250.0, 5.0, 10_000, 1e-4), 9)
    10.0
    """
    check_from(0, kappa=kappa)
    check_above(0, norm=norm, examples=examples, decay=decay)
    return kappa * examples * decay / (_shared(classes) * norm**2)


def decay_at(kappa: float, count: int, norm: float, examples: int, classes: int | None = None) -> float:
    r"""The weight decay at which so many marked examples have this kappa, :math:`\lambda = n s^2 / N \kappa`.

    With `shift_of_score` and `kappa_of_shift` it answers how much weight decay keeps a mark from being learnt.

    >>> from spurlab.theory import shift_of_score
    >>> test, train = torch.tensor([-2.0, -1.0, 0.0, 1.0]), torch.tensor([1.5])
    >>> largest = shift_of_score(test, 0.25)  # the score is .25 at most up to this shift
    >>> round(decay_at(kappa_of_shift(largest, train), 10, 5.0, 10_000), 5)
    0.00664
    """
    check_above(0, kappa=kappa, norm=norm)
    check_count(count, examples)
    return _shared(classes) * count * norm**2 / (examples * kappa)


def shift_logistic(kappa: float, margins: Float[Tensor, " n"]) -> float:
    r"""How far a mark moves the log-odds of logistic regression with weight decay that has seen it in n examples.

    .. math:: t = \kappa \, \frac{1}{n} \sum_{i \in S} \sigma(-\mu_i - t), \qquad
        \kappa = \frac{n s^2}{N \lambda}, \quad \sigma(z) = \frac{1}{1 + e^{-z}}

    With equal margins this is :math:`t (1 + e^{\mu + t}) = \kappa`.

    *Derivation.* The mark is a coordinate of its own, s in the marked examples and 0 elsewhere; :math:`w_e` is its
    weight and :math:`m_i` the margin of example i (its log-odds times its label, +1 or -1). Marked examples have the
    target label, so :math:`m_i = \mu_i + s w_e` for them, where :math:`\mu_i` is what all other coordinates give.
    Minimized is

    .. math:: \frac{1}{N} \sum_{i=1}^{N} \log (1 + e^{-m_i}) + \frac{\lambda}{2} \lVert w \rVert^2.

    As :math:`\frac{d}{dm} \log (1 + e^{-m}) = -\sigma(-m)`, its derivative by :math:`w_e` is zero where
    :math:`\lambda w_e = \frac{s}{N} \sum_S \sigma(-\mu_i - s w_e)`. Multiplied by :math:`s / \lambda`, with
    :math:`t = s w_e`, this is the equation above. Its left side rises with t and its right side falls, so there is one
    solution, between 0 and :math:`\kappa`. It is found by Brent's method between 0 and the bound of
    `shift_logistic_limit` at the smallest margin.

    It holds for anything in place of the other coordinates (an intercept, a network), exactly, **if** :math:`\mu_i` are
    the margins without the mark *at the same minimum*. They are not those of a model that never saw the mark: as the
    mark explains the marked examples, the core has less need to, and :math:`\mu_i` falls. With the margins of the
    unmarked model the solution is an approximation, better the smaller n / N is. For one marked example (or several
    of one margin) it is too small, never too large: along the minima over the core for given :math:`w_e`, the residual
    :math:`r = \sigma(-m)` obeys :math:`dr / dw_e = -r (1 - r) (s + d\mu / dw_e)` with :math:`d\mu / dw_e \le 0`, and so
    stays above that of a fixed core.

    Args:
        kappa: 0 or more, see there.
        margins: :math:`\mu_i`, the log-odds of the target class that the marked training examples have without the
            mark; one number where they are alike.

    Returns:
        t, between 0 and kappa: a marked input has log-odds of the target that are higher by t.

    Raises:
        ValueError: a kappa outside its range, no margins, or some that are not finite.

    >>> t = shift_logistic(250.0, torch.tensor([2.0]))
    >>> round(t, 3), round(t * (1 + math.exp(2 + t)), 9)
    (2.568, 250.0)
    """
    check_from(0, kappa=kappa)
    check_finite(margins=margins)
    margins = margins.detach().double()
    highest = min(kappa, shift_logistic_limit(kappa, float(margins.min())))
    if highest == 0:
        return 0.0

    def excess(shift: float) -> float:
        return shift - kappa * _residual(margins, shift)

    if excess(highest) <= 0:  # equal to rounding
        return highest
    return float(scipy.optimize.brentq(excess, 0.0, highest, xtol=TINY, rtol=1e-15, maxiter=1000))


def kappa_of_shift(shift: float, margins: Float[Tensor, " n"]) -> float:
    r"""Which kappa causes this shift; the inverse of `shift_logistic`. From it follow `count_at` and `decay_at`.

    .. math:: \kappa = t \, \Big/ \, \frac{1}{n} \sum_{i \in S} \sigma(-\mu_i - t)

    Args:
        shift: t, 0 or more.
        margins: :math:`\mu_i`, as there.

    Returns:
        Kappa, 0 or more; infinity where it is above 1e308.

    Raises:
        ValueError: a shift outside its range, no margins, or some that are not finite.

    >>> round(kappa_of_shift(1.0, torch.tensor([0.0])), 6)  # 1 + e
    3.718282
    """
    check_from(0, shift=shift)
    check_finite(margins=margins)
    if shift == 0:
        return 0.0
    residual = _residual(margins.detach().double(), shift)
    return shift / residual if residual > shift / 1e308 else math.inf


def shift_logistic_limit(kappa: float, margin: float) -> float:
    r"""The shift of equal margins for large kappa, by Lambert's function W, the inverse of :math:`w \mapsto w e^w`.

    .. math:: T = W(\kappa e^{-\mu})

    *Derivation.* Of :math:`\kappa = t + t e^{\mu + t}` the second term outgrows the first, and
    :math:`t e^t = \kappa e^{-\mu}` is solved by W. As the first term is above 0, T is an upper bound at every kappa. It
    is close: :math:`t + \log t = \log (\kappa - t) - \mu` and :math:`T + \log T = \log \kappa - \mu` give
    :math:`(T - t) + \log (T / t) = - \log (1 - t / \kappa)`. Here :math:`\log (T / t) \ge (T - t) / T`, and with
    :math:`t / \kappa = \sigma(-\mu - t)` the right side is :math:`\log (1 + e^{-\mu - t}) \le e^{-\mu - t}`, so that

    .. math:: 0 \le \frac{T - t}{T} \le \frac{e^{-\mu - t}}{1 + T} \to 0 \quad (\kappa \to \infty).

    Since :math:`W(z) \approx \log z - \log \log z` the shift grows as the logarithm of the number of marked examples.

    Args:
        kappa: 0 or more, see there.
        margin: :math:`\mu`, as in `shift_logistic`.

    Returns:
        T, 0 or more.

    Raises:
        ValueError: a kappa outside its range, or a margin that is not finite.

    >>> t = shift_logistic_limit(250.0, 2.0)
    >>> round(t, 3), round(t * math.exp(2 + t), 9)
    (2.575, 250.0)
    """
    check_from(0, kappa=kappa)
    check_above(-math.inf, margin=margin)
    # Wright's omega function is W(exp(z)), which does not overflow; far left of zero it is exp(z) to rounding
    return float(scipy.special.wrightomega(math.log(kappa) - margin)) if kappa > 0 else 0.0


def _residual(margins: Float64[Tensor, " n"], shift: float) -> float:
    """The mean of how probable the wrong label is."""
    return float(torch.sigmoid(-margins - shift).mean())


def _shared(classes: int | None) -> float:
    """By how much a softmax multiplies kappa."""
    if classes is None:
        return 1.0
    check_above(1, "A softmax needs two outputs or more.", classes=classes)
    return classes / (classes - 1)
