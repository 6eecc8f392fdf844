"""How well scores tell members from others: ROC, its area, and rates of true positives where false ones are few.

Scores are of one network, or of several, a row each; one threshold is for all of them. With several the network is the
unit that was repeated: its examples rise and fall together, so intervals are clustered by network.
"""

import math
from dataclasses import dataclass

import scipy  # its rooms are imported when they are first used: `stats` is slow
import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from spurlab.errors import InputError
from spurlab.notebook import short
from spurlab.stats import Estimate, Share

FALSE_POSITIVES = 10  # fewer say nothing of a rate


@dataclass(frozen=True, eq=False)
class Roc:
    """A curve of steps, each a threshold that the scores can have; nothing in between is claimed.

    Args:
        fpr: the share of non-members that score as much as the threshold or more, rising from 0 to 1.
        tpr: that of the members.
        thresholds: falling, the first infinite.
    """

    fpr: Float64[Tensor, " t"]
    tpr: Float64[Tensor, " t"]
    thresholds: Float64[Tensor, " t"]

    __repr__ = short


@dataclass(frozen=True)
class Area:
    """The area under a ROC curve with its interval; see `auc`.

    Args:
        value: in [0, 1]; 1/2: the scores say nothing.
        low: lower end of the interval.
        high: upper end of the interval.
        members: how many scores of members there are.
        others: how many of non-members.
        networks: of how many networks.
        confidence: how often such an interval covers the true area, about.
    """

    value: float
    low: float
    high: float
    members: int
    others: int
    networks: int
    confidence: float = 0.95

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True)
class Rate:
    """How many of some examples score above a threshold.

    Args:
        count: how many do, over all networks.
        of: of how many.
        low: lower end of the interval of the share.
        high: upper end of the interval of the share.
        networks: of how many networks.
        confidence: how often such an interval covers the true share: at least, where it is exact (one network).
    """

    count: int
    of: int
    low: float
    high: float
    networks: int
    confidence: float = 0.95

    @property
    def value(self) -> float:
        """The share, in [0, 1]; NaN of none."""
        return self.count / self.of if self.of else math.nan

    def __str__(self) -> str:
        return f"{self.value:.4f} [{self.low:.4f}, {self.high:.4f}], {self.count:,} of {self.of:,}"


@dataclass(frozen=True)
class Operating:
    """What a threshold at a rate of false positives finds; see `tpr_at`.

    Args:
        threshold: members are called those that score above it.
        false_positives: how many non-members do, of all.
        fpr: the share of non-members that do, at most the rate that was asked for.
        tpr: the share of members that do: of all, or of those that were asked about.
        fpr_among: the share of non-members that do, of those that were asked about; `fpr` where it was all.
    """

    threshold: float
    false_positives: int
    fpr: Rate
    tpr: Rate
    fpr_among: Rate


def roc(scores: Float[Tensor, "*networks n"], members: Bool[Tensor, "*networks n"]) -> Roc:
    """The curve of all thresholds, without interpolation.

    Args:
        scores: the higher, the likelier a member.
        members: the truth.

    Raises:
        ValueError: all are members or none is, shapes that differ, or a score that is not finite.

    >>> curve = roc(torch.tensor([3.0, 1.0, 2.0]), torch.tensor([True, False, False]))
    >>> curve.fpr.tolist(), curve.tpr.tolist()
    ([0.0, 0.0, 0.5, 1.0], [0.0, 1.0, 1.0, 1.0])
    """
    values, truth = _checked(scores, members)
    ranked, order = values.flatten().sort(descending=True)
    truth = truth.flatten()[order]
    last = torch.cat([(ranked.diff() != 0).nonzero().flatten(), torch.tensor([len(ranked) - 1])])
    true, false = truth.cumsum(0)[last].double(), (~truth).cumsum(0)[last].double()
    start = torch.zeros(1, dtype=torch.float64)
    thresholds = torch.cat([start + math.inf, ranked[last]])
    return Roc(torch.cat([start, false / false[-1]]), torch.cat([start, true / true[-1]]), thresholds)


def auc(
    scores: Float[Tensor, "*networks n"],
    members: Bool[Tensor, "*networks n"],
    among: Bool[Tensor, "*among n"] | None = None,
    *,
    confidence: float = 0.95,
) -> Area:
    r"""The share of pairs of a member and a non-member of which the member scores more, a tie counting half.

    .. math:: \hat A = \frac{1}{N U} \sum_{i, j} \psi(s_i, s'_j), \qquad
        \widehat{\mathrm{var}} \hat A = \sum_c \Big( \frac{V_{c}}{N} - \frac{N_c \hat A}{N}
        + \frac{V'_{c}}{U} - \frac{U_c \hat A}{U} \Big)^2 \frac{m}{m - 1}

    :math:`V_c` and :math:`V'_c` are the sums over cluster c of what each of its members and non-members adds, its mean
    over all of the other kind. Clusters are networks; of a single one, examples, where the two kinds have their own
    variance (DeLong). The interval is Student's on the scale of the log-odds. Where there is no spread, as where
    every pair is in order, it is the exact one of as many trials as there are networks, or else pairs that share no
    example.

    Args:
        scores: as of `roc`; a row for each network, whose examples then are compared across networks too.
        members: as of `roc`.
        among: of which members the area is, e.g. True for marked examples; they are compared with all non-members.
            None: of all.
        confidence: as in `Area`.

    Raises:
        ValueError: as `roc`, or no members among those asked about.

    Source: DeLong, DeLong and Clarke-Pearson (1988), Biometrics 44, 837-845; Obuchowski (1997), Nonparametric analysis
    of clustered ROC curve data, Biometrics 53, 567-578.

    >>> print(auc(torch.tensor([0.9, 0.8, 0.4, 0.7, 0.2, 0.1]), torch.tensor([1, 1, 1, 0, 0, 0]).bool()))
    0.889 [0.008, 1.000]
    """
    values, truth = _checked(scores, members)
    asked = truth & _among(among, truth)
    own, other = values[asked], values[~truth]
    of_own, of_other = _placements(own, other), 1 - _placements(other, own)
    value, networks = float(of_own.mean()), len(values)
    count = networks if networks > 1 else min(len(own), len(other))
    if networks > 1:
        influence = torch.zeros(networks, dtype=torch.float64)
        for where, added in ((asked, of_own), (~truth, of_other)):
            influence.index_add_(0, where.nonzero()[:, 0], (added - value) / len(added))
        variance = float(influence.square().sum()) * networks / (networks - 1)
    else:
        kinds = (of_own, of_other)
        variance = sum(float(kind.var()) / len(kind) for kind in kinds) if count > 1 else math.inf
    if variance < 1e-24 or count < 2:
        low = Share(math.floor(value * count), count, confidence).low
        high = Share(math.ceil(value * count), count, confidence).high
        return Area(value, low, high, len(own), len(other), networks, confidence)
    half = float(scipy.special.stdtrit(count - 1, (1 + confidence) / 2))
    half *= math.sqrt(variance) / (value * (1 - value))
    middle = math.log(value / (1 - value))
    low, high = (float(scipy.special.expit(end)) for end in (middle - half, middle + half))
    return Area(value, low, high, len(own), len(other), networks, confidence)


def tpr_at(
    scores: Float[Tensor, "*networks n"],
    members: Bool[Tensor, "*networks n"],
    fpr: float,
    among: Bool[Tensor, "*among n"] | None = None,
    *,
    confidence: float = 0.95,
    normal: bool | None = None,
) -> Operating:
    """How many members a threshold finds that at most a share of all non-members exceed; nothing is interpolated.

    The threshold is the score of the first non-member that must not be called a member; members are called those
    above it. So of tied scores all are called or none, and there may be fewer false positives than allowed.

    Intervals are of the rate at just that share of all non-members there could be, of which those seen tell where the
    threshold lies. Of one network they are exact: half of the error is for the threshold, by ranks, and half for the
    rate (Clopper and Pearson). Of several they are clustered: of a jackknife that leaves out one network at a time,
    with its part in the threshold, and Student's distribution; or, for few examples a network, the interval of
    `spurlab.stats.mean_between` for the mean over networks, whose threshold counts as given. The false positives' own
    interval is at the threshold itself.

    Args:
        scores: as of `roc`.
        members: as of `roc`.
        fpr: the share of false positives, in (0, 1).
        among: of which examples the rates are wanted, e.g. True for marked ones; the threshold stays that of all
            non-members. None: of all.
        confidence: of the intervals.
        normal: whether the rates of single networks are nearly normal; None: where `among` is not given.

    Raises:
        ValueError: as `roc`; a rate that fewer than ten non-members may exceed; or no members among those asked about.

    Source: Carlini et al. (2022), arXiv:2112.03570, section III (true positives at low false-positive rates).

    >>> scores, members = torch.arange(2000.0), torch.arange(2000) % 2 == 1
    >>> tpr_at(scores, members, 0.01).tpr.count
    11
    """
    values, truth = _checked(scores, members)
    if not 0 < fpr < 1:
        raise InputError(f"a rate of false positives lies between 0 and 1, but it is {fpr}.")
    others = int((~truth).sum())
    if (allowed := _allowed(fpr, others)) < FALSE_POSITIVES:
        raise InputError(
            f"at {100 * fpr:g} % false positives {others:,} non-members allow {allowed}, and fewer than "
            f"{FALSE_POSITIVES} say nothing. It takes {math.ceil(FALSE_POSITIVES / fpr):,} non-members: ask at a "
            "higher rate, or attack more networks together."
        )
    mask = _among(among, truth)
    ranked, order = values[~truth].sort(descending=True)
    threshold = float(ranked[allowed])
    false = _exact(values > threshold, ~truth, confidence)
    if len(values) == 1:
        high, low = _quantile(ranked, fpr, (1 - confidence) / 4)
        own, other = (
            Rate(
                *(int(((values > threshold) & cells).sum()), int(cells.sum())),
                _exact(values > high, cells, (1 + confidence) / 2).low,
                _exact(values >= low, cells, (1 + confidence) / 2).high,
                *(1, confidence),
            )
            for cells in (truth & mask, ~truth & mask)
        )
        return Operating(threshold, false.count, false, own, false if among is None else other)
    owner = (~truth).nonzero()[order, 0]
    without = torch.stack([_threshold_without(i, ranked, owner, fpr) for i in range(len(values))])
    nearly = among is None if normal is None else normal
    own, other = (
        _clustered(values, cells, threshold, without if nearly else None, confidence)
        for cells in (truth & mask, ~truth & mask)
    )
    # its threshold counts as given: with one of its own, each part would have the rate that was asked for
    false = _clustered(values, ~truth, threshold, torch.full_like(without, threshold), confidence)
    return Operating(threshold, false.count, false, own, false if among is None else other)


def _among(among: Tensor | None, truth: Bool[Tensor, "m n"]) -> Bool[Tensor, "m n"]:
    mask = torch.ones_like(truth) if among is None else among.expand_as(truth)
    if not bool((truth & mask).any()):
        raise InputError("none of the examples that are asked about is a member of any network, so no rate is known.")
    return mask


def _exact(above: Bool[Tensor, "m n"], cells: Bool[Tensor, "m n"], confidence: float) -> Rate:
    """Of independent scores (Clopper and Pearson)."""
    share = Share(int((above & cells).sum()), int(cells.sum()), confidence)
    return Rate(share.count, share.models, share.low, share.high, len(above), confidence)


def _quantile(ranked: Float64[Tensor, " u"], fpr: float, level: float) -> tuple[float, float]:
    """Where the threshold lies that just a share of all non-members exceeds, by the ranks of those seen.

    Args:
        ranked: falling.
        fpr: the share.
        level: how often it lies above, and how often below.
    """
    least, most = (int(scipy.stats.binom.ppf(end, len(ranked), fpr)) for end in (level, 1 - level))
    return float(ranked[least - 1]) if least else math.inf, float(ranked[min(most, len(ranked) - 1)])


def _clustered(
    values: Float64[Tensor, "m n"],
    cells: Bool[Tensor, "m n"],
    threshold: float,
    without: Float64[Tensor, " m"] | None,
    confidence: float,
) -> Rate:
    """Of networks.

    Args:
        values: the scores.
        cells: which are counted.
        threshold: above which.
        without: the threshold with each network left out, for a jackknife; None: the mean over networks, of anything.
        confidence: as of `Rate`.
    """
    hits, of = ((values > threshold) & cells).sum(1), cells.sum(1)
    count, total, counted = int(hits.sum()), int(of.sum()), of > 0
    if without is not None and 0 < count < total and int(counted.sum()) > 1:
        ranked = [own[asked].sort().values for own, asked in zip(values, cells, strict=True)]
        left = torch.stack([len(own) - torch.searchsorted(own, without, right=True) for own in ranked])
        shares = (left.sum(0) - left.diag()) / (total - of)
        pseudo = len(values) * count / total - (len(values) - 1) * shares
        over = Estimate.across_models(pseudo, confidence=confidence)
        half = (over.high - over.low) / 2
        low, high = max(0.0, count / total - half), min(1.0, count / total + half)
    else:
        over = Estimate.across_models(hits[counted] / of[counted], (0.0, 1.0), confidence)
        low, high = (over.low, over.high) if over.models > 1 else (0.0, 1.0)
    return Rate(count, total, low, high, len(values), confidence)


def _threshold_without(network: int, ranked: Tensor, owner: Tensor, fpr: float) -> Tensor:
    rest = ranked[owner != network]
    return rest[_allowed(fpr, len(rest))] if len(rest) else ranked[0]


def _allowed(fpr: float, others: int) -> int:
    """How many false positives a rate allows; a product that is whole but for rounding counts as whole."""
    return min(math.floor(fpr * others * (1 + 1e-12)), others - 1)


def _placements(own: Tensor, other: Tensor) -> Float64[Tensor, " n"]:
    """For each of these, the share of the others that it exceeds, a tie counting half."""
    ranked = other.sort().values
    below, not_above = torch.searchsorted(ranked, own), torch.searchsorted(ranked, own, right=True)
    return (below + not_above).double() / (2 * len(ranked))


def _checked(scores: Tensor, members: Tensor) -> tuple[Float64[Tensor, "m n"], Bool[Tensor, "m n"]]:
    """A row for each network."""
    if scores.shape != members.shape or scores.ndim not in (1, 2):
        raise InputError(
            f"each score needs its truth, of one network (n) or several (m n), but the scores are of "
            f"{tuple(scores.shape)} and the members of {tuple(members.shape)}."
        )
    if not bool(scores.isfinite().all()):
        raise InputError("scores are ranked, but some are NaN or infinite. Leave these examples out.")
    truth = members.detach().cpu()
    if bool(truth.all()) or not bool(truth.any()):
        which = "members" if truth.numel() and bool(truth.all()) else "non-members"
        raise InputError(f"all {truth.numel():,} examples are {which}: there is nothing to tell them from.")
    values = scores.detach().double().cpu()
    return values.reshape(-1, values.shape[-1]), truth.reshape(-1, truth.shape[-1])
