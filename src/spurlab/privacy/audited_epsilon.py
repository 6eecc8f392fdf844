"""A lower bound of the epsilon of differential privacy, from an attack on planted canaries."""

import math
from dataclasses import dataclass

import scipy  # its rooms are imported when they are first used: `optimize` is slow
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from spurlab.errors import InputError
from spurlab.seeds import rng_for
from spurlab.stats import Share


@dataclass(frozen=True)
class AuditedEpsilon:
    """What an attack shows of the epsilon that training has at least; see `epsilon_at`.

    Args:
        value: the bound, 0 or more: that of one example.
        ceiling: the most that so many trials could have shown, at perfect separation.
        tpr: how many networks with the canary were called so.
        fpr: how many without it.
        threshold: above which score they were.
        delta: of the differential privacy in question.
        examples: of how many examples the canary is.
    """

    value: float
    ceiling: float
    tpr: Share
    fpr: Share
    threshold: float
    delta: float = 0.0
    examples: int = 1

    def __str__(self) -> str:
        return f"epsilon >= {self.value:.2f} (at most {self.ceiling:.2f} could be shown)"


def epsilon_at(
    scores: Float[Tensor, " t"],
    present: Bool[Tensor, " t"],
    threshold: float,
    *,
    delta: float = 0.0,
    examples: int = 1,
    confidence: float = 0.95,
) -> AuditedEpsilon:
    r"""The bound that a given threshold shows; it must come from other trials, see `threshold_of`.

    .. math:: \varepsilon \ge \log \frac{TPR_{low} - \delta}{FPR_{high}}

    Both ends are exact (Clopper and Pearson), each wrong in :math:`(1 - \gamma) / 2` of audits, so that the bound is
    wrong in at most :math:`1 - \gamma`. A canary of n examples shows, by group privacy, the smallest
    :math:`\varepsilon` for which

    .. math:: TPR_{low} \le e^{n \varepsilon} FPR_{high} + \delta \, \frac{e^{n \varepsilon} - 1}{e^{\varepsilon} - 1}

    which without delta is an n-th of the bound above.

    Args:
        scores: one for each trained network, all of them independent; the higher, the likelier the canary was in.
        present: whether it was.
        threshold: called present are scores above it.
        delta: in [0, 1).
        examples: n.
        confidence: :math:`\gamma`.

    Raises:
        ValueError: no trial with the canary or none without, a score that is not finite, or a setting out of range.

    Source: Jagielski, Ullman and Oprea (2020), Auditing differentially private machine learning, arXiv:2006.07709,
    algorithm 2; Dwork and Roth (2014), The algorithmic foundations of differential privacy, theorem 2.2 (groups), with
    delta as of Vadhan (2017), The complexity of differential privacy, lemma 2.2.

    >>> present = torch.arange(200) < 100
    >>> print(epsilon_at(present.double(), present, 0.5))
    epsilon >= 3.28 (at most 3.28 could be shown)
    """
    _check(scores, present, delta, examples)
    above, arms = scores > threshold, (int(present.sum()), int((~present).sum()))
    tpr = Share(int((above & present).sum()), arms[0], confidence)
    fpr = Share(int((above & ~present).sum()), arms[1], confidence)
    value = _bound(tpr, fpr, delta, examples)
    return AuditedEpsilon(value, ceiling(*arms, delta, examples, confidence), tpr, fpr, threshold, delta, examples)


def threshold_of(
    scores: Float[Tensor, " t"],
    present: Bool[Tensor, " t"],
    *,
    delta: float = 0.0,
    examples: int = 1,
    confidence: float = 0.95,
) -> float:
    """The threshold that would show most on these trials, which then show nothing: others must.

    Args, Raises: as of `epsilon_at`.

    >>> threshold_of(torch.tensor([0.0, 0.25, 0.75, 1.0]), torch.tensor([False, False, True, True]))
    0.5
    """
    _check(scores, present, delta, examples)
    own, other = (scores[mask].double().sort().values for mask in (present, ~present))
    ends = scores.double().unique()
    thresholds = (ends[1:] + ends[:-1]) / 2 if len(ends) > 1 else ends
    true = (len(own) - torch.searchsorted(own, thresholds, right=True)).tolist()
    false = (len(other) - torch.searchsorted(other, thresholds, right=True)).tolist()
    shown = [
        _bound(Share(hit, len(own), confidence), Share(miss, len(other), confidence), delta, examples)
        for hit, miss in zip(true, false, strict=True)
    ]
    best = max(shown)
    ties = [place for place, value in enumerate(shown) if value == best]
    return float(thresholds[ties[len(ties) // 2]])


def audited_epsilon(
    scores: Float[Tensor, " t"],
    present: Bool[Tensor, " t"],
    *,
    seed: int,
    delta: float = 0.0,
    examples: int = 1,
    confidence: float = 0.95,
) -> AuditedEpsilon:
    """The bound of one half of the trials with the threshold of the other; the halves of each arm are drawn.

    Args:
        scores, present: as of `epsilon_at`, two trials or more in each arm.
        seed: of the draw.
        delta, examples, confidence: as of `epsilon_at`.

    Raises:
        ValueError: as `epsilon_at`, or a single trial in an arm.

    >>> present = torch.arange(200) % 2 == 0
    >>> print(audited_epsilon(present.double(), present, seed=0))  # 200 networks, and an attack that is always right
    epsilon >= 2.57 (at most 2.57 could be shown)
    """
    _check(scores, present, delta, examples)
    choose = torch.zeros(len(scores), dtype=torch.bool)
    for name, arm in (("with", present), ("without", ~present)):
        rows: Int64[Tensor, " t"] = arm.nonzero().flatten()
        if len(rows) < 2:
            raise InputError(
                f"one trial chooses the threshold and another one tests it, but {name} the canary there is a single "
                "one. Train more networks."
            )
        choose[rows[torch.randperm(len(rows), generator=rng_for(seed, "epsilon", name))[: len(rows) // 2]]] = True
    settings = {"delta": delta, "examples": examples, "confidence": confidence}
    threshold = threshold_of(scores[choose], present[choose], **settings)  # type: ignore[arg-type]
    return epsilon_at(scores[~choose], present[~choose], threshold, **settings)  # type: ignore[arg-type]


def ceiling(present: int, absent: int, delta: float = 0.0, examples: int = 1, confidence: float = 0.95) -> float:
    """The most that so many trials can show, with every canary found and no false alarm.

    >>> [round(ceiling(arm, arm), 2) for arm in (100, 500, 1000)]
    [3.28, 4.91, 5.6]
    """
    return _bound(Share(present, present, confidence), Share(0, absent, confidence), delta, examples)


def _bound(tpr: Share, fpr: Share, delta: float, examples: int) -> float:
    low, high = tpr.low, fpr.high
    if low <= high + delta * examples:  # as epsilon goes to 0
        return 0.0
    if examples == 1 or delta == 0:
        return math.log((low - delta) / high) / examples

    def excess(epsilon: float) -> float:
        """The logarithm of the right side over the left, without overflow."""
        group = examples * epsilon
        steps = -math.expm1(-group) / -math.expm1(-epsilon)  # e^-group+epsilon times the factor of delta
        return group + math.log(high + delta * steps * math.exp(-epsilon)) - math.log(low)

    most = math.log(low / high) / examples  # without delta, which only lowers it
    least = min(1e-12, most / 2)
    return float(scipy.optimize.brentq(excess, least, most, xtol=1e-10)) if excess(least) < 0 else 0.0


def _check(scores: Tensor, present: Tensor, delta: float, examples: int) -> None:
    if scores.shape != present.shape or not bool(scores.isfinite().all()):
        raise InputError("an audit needs a finite score for each network and whether the canary was in, of one length.")
    if bool(present.all()) or not bool(present.any()):
        raise InputError("an audit needs networks with the canary and without it, but all are of one kind.")
    if not 0 <= delta < 1:
        raise InputError(f"`delta` must be 0 or more and below 1, but it is {delta}.")
    if examples < 1:
        raise InputError(f"a canary is of one example or more, but `examples` is {examples}.")
