"""From a shift of log-odds to the spurious score, and back."""

import math

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from spurlab.errors import InputError
from spurlab.metrics import pulled
from spurlab.theory.checks import check_above, check_finite


def score_of_shift(margins: Float[Tensor, " n"], shift: float, rise: float = 0.1) -> float:
    r"""The spurious score of a mark that moves the log-odds of the target class by the same shift everywhere.

    .. math:: S(t) = \frac{1}{n} \sum_{i=1}^{n} \mathbf{1} \big[ \sigma(\mu_i + t) - \sigma(\mu_i) > \varepsilon \big]

    The definition of `spurious_score` with :math:`p_c = \sigma(\mu)`. It rises with t, from 0 for t up to
    :math:`4 \operatorname{artanh} \varepsilon` (0.401 for 0.1) to the share of clean probabilities below
    :math:`1 - \varepsilon`.

    *Derivation* of the former: the rise :math:`\sigma(\mu + t) - \sigma(\mu)` is largest at :math:`\mu = -t / 2`, where
    it is :math:`2 \sigma(t / 2) - 1 = \tanh (t / 4)`. For smaller t no input can be pulled, whatever its margin.

    Args:
        margins: :math:`\mu_i`, the log-odds of the target class of test examples without the mark, as
            `spurlab.metrics.margins` makes them of probabilities.
        shift: t, any; of `shift_logistic` or `shift_flow`. The shifts of `shift_softmax` go into `spurious_score`
            itself, with the softmax of ``logits`` and of ``logits + v``.
        rise: :math:`\varepsilon` in (0, 1), of probability.

    Returns:
        A share in [0, 1].

    Raises:
        ValueError: a rise outside its range, no margins, or numbers that are not finite.

    >>> margins = torch.tensor([-2.0, -1.0, 0.0, 1.0])
    >>> score_of_shift(margins, 0.4), score_of_shift(margins, 0.5), score_of_shift(margins, 3.0)
    (0.0, 0.5, 1.0)
    """
    _check(margins, rise)
    if not math.isfinite(shift):
        raise InputError(f"`shift` must be finite, but it is {shift!r}.")
    clean = margins.detach().double()
    return float(pulled(clean.sigmoid(), (clean + shift).sigmoid(), rise).double().mean())


def shifts_needed(margins: Float[Tensor, " n"], rise: float = 0.1) -> Float64[Tensor, " n"]:
    r"""From which shift on each example is pulled by the mark.

    .. math:: t_i = \operatorname{logit} \big( \sigma(\mu_i) + \varepsilon \big) - \mu_i

    *Derivation.* :math:`\sigma(\mu_i + t) > \sigma(\mu_i) + \varepsilon` solved for t, as :math:`\sigma` rises. So
    :math:`S(t)` of `score_of_shift` is the share of :math:`t_i` below t.

    Args:
        margins: :math:`\mu_i`, as there.
        rise: :math:`\varepsilon` in (0, 1).

    Returns:
        One shift per example, :math:`4 \operatorname{artanh} \varepsilon` or more; infinity where the clean
        probability is :math:`1 - \varepsilon` or more: such an example is never pulled.

    Raises:
        ValueError: as there.

    >>> [round(each, 3) for each in shifts_needed(torch.tensor([-5.0, 0.0, 2.0, 3.0])).tolist()]
    [2.875, 0.405, 1.933, inf]
    """
    _check(margins, rise)
    clean = margins.detach().double()
    raised, left = clean.sigmoid() + rise, (-clean).sigmoid() - rise
    return torch.where(left > 0, raised.log() - left.clamp(min=0).log() - clean, math.inf)


def shift_of_score(margins: Float[Tensor, " n"], score: float, rise: float = 0.1) -> float:
    """The largest shift at which the spurious score is still `score` or less; the inverse of `score_of_shift`.

    With a `score` of 0.05 it is the shift from which on a network counts as one that has learnt the mark, since
    :math:`S(0) = 0` (see `spurlab.stats.learnt_at`).

    Args:
        margins: as there.
        score: in [0, 1].
        rise: in (0, 1), as there.

    Returns:
        A shift above 0; infinity where the score never exceeds `score`.

    Raises:
        ValueError: a setting outside its range, no margins, or some that are not finite.

    >>> margins = torch.tensor([-2.0, -1.0, 0.0, 1.0])
    >>> t = shift_of_score(margins, 0.5)
    >>> round(t, 3), score_of_shift(margins, t - 1e-6), score_of_shift(margins, t + 1e-6)
    (0.593, 0.5, 0.75)
    """
    if not 0 <= score <= 1:
        raise InputError(f"`score` is a share in [0, 1], but it is {score!r}.")
    needed = shifts_needed(margins, rise).sort().values
    allowed = torch.arange(1, len(needed) + 1, dtype=torch.float64) / len(needed) <= score
    return math.inf if bool(allowed.all()) else float(needed[int(allowed.sum())])


def _check(margins: Tensor, rise: float) -> None:
    check_finite(margins=margins)
    check_above(0, rise=rise)
    if rise >= 1:
        raise InputError(f"`rise` is a difference of probabilities below 1, but it is {rise!r}.")
