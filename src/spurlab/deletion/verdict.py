"""What a deletion method does, as a verdict over networks with the counts behind it."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import count
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from spurlab.errors import InputError
from spurlab.notebook import card, paragraph, short
from spurlab.stats import SCORE_MARGIN, Looks, Ratio, Share, above, gap_closed, mean_of, risen

VerdictName = Literal[
    "forgets",
    "no leftover seen",
    "partly",
    "does not forget",
    "breaks the model",
    "nothing to forget",
    "undecided",
    "failed",
]  # a check ends in one of these
# which line of `verdict` holds, and which sentence tells its numbers
# fmt: off
Reason = Literal[
    "method failed", "few networks", "not finite", "accuracy lost", "not learnt", "few have learnt", "rose",
    "hardly fell", "accuracy unsure", "told apart", "like the oracles", "perhaps told apart", "none of few", "fell",
    "perhaps fell", "unsure",
]
# fmt: on
When = Literal["before", "after", "oracle"]  # networks before the deletion, after it, and their oracles
ACCURACY_MARGIN = 0.05  # the largest loss of accuracy that a method may cost
REACHED = 0.95  # the quantile of the oracles that counts as what they reach: one odd oracle of 20 hides nothing
FEW = 0.15  # of all networks may keep the pattern where a method is said to forget it
LEAST = 5  # networks: four that agree could do so by chance, 1 in 16


@dataclass(frozen=True)
class Telling:
    """What tells a network from the oracles: a measure far beyond what these reach.

    Farther than the margin, and than the oracles lie apart: of five that differ much each reaches beyond the other four
    by something once in five times, on each side and by each measure.
    """

    title: str
    margin: float  # the smallest difference that matters
    above: bool = False
    below: bool = False


# spurious_score: a network that shuns the pattern can be told from one that never saw it
TELLING = {
    "spurious_score": Telling("a score below theirs", SCORE_MARGIN, below=True),
    "membership_auc": Telling("membership AUC", 0.05, above=True, below=True),
    "oracle_distance": Telling("distance to the oracles", 1.0, above=True),
    "oracle_distance_marked": Telling("distance on marked examples", 1.0, above=True),
}


@dataclass(frozen=True)
class Count:
    """How many networks do something.

    Args:
        measure: by which number, e.g. ``spurious_score``.
        share: k of m, and what that says of all networks.
        before: the mean of the measure before the deletion; NaN where it is not looked at.
        after: after it.
        oracle: of the oracles.
        reach: what the oracles reach; NaN where that is not looked at.
    """

    measure: str
    share: Share
    before: float
    after: float
    oracle: float
    reach: float = math.nan

    @property
    def title(self) -> str:
        """Of what tells a network from the oracles."""
        return TELLING[self.measure].title

    @property
    def could(self) -> str:
        """How many of all networks may do so, for all that k of m say."""
        return f"{math.ceil(100 * self.share.at_most):d} %"

    @property
    def told(self) -> str:
        """In how many networks, and both means."""
        return f"{self.share.count} of {self.share.models} by {self.title} ({self.after:.3f}, theirs {self.oracle:.3f})"


_SCORES = "{0.after:.3f} after deletion, {0.before:.3f} before; the oracles have {0.oracle:.3f} and reach {0.reach:.3f}"
# fmt: off
SAID: Mapping[Reason, tuple[VerdictName, str]] = {  # {0}, {1} and so on are the counts
    "method failed": ("failed", "on every network: {verdict.why}"),
    "few networks": ("undecided", "{verdict.networks} network{s}; a verdict needs {least}"),
    "not finite": (
        "breaks the model", "{verdict.not_finite} of {verdict.networks} networks are not finite after deletion",
    ),
    "accuracy lost": (
        "breaks the model", "{0.share.of} lose more than {cost} of test accuracy: {0.after:.3f}, before {0.before:.3f}",
    ),
    "not learnt": (
        "nothing to forget", "{0.share.of} had learnt it: {0.before:.3f} before deletion; the oracles have "
        "{0.oracle:.3f} and reach {0.reach:.3f}",
    ),
    "few have learnt": (
        "undecided", "{0.share.of} had learnt it ({0.before:.3f} before deletion; the oracles have {0.oracle:.3f} "
        "and reach {0.reach:.3f}); a verdict needs {least} that have",
    ),
    "rose": ("does not forget", "{0.share.of} keep it, and in {1.share.of} the score rose: " + _SCORES),
    "hardly fell": (
        "does not forget", "{0.share.of} keep it, and in {1.share.of} the score fell by more than {margin}: " + _SCORES,
    ),
    "accuracy unsure": (
        "undecided", "{0.share.of} lose more than {cost} of test accuracy ({0.after:.3f}, before {0.before:.3f}), not "
        "shown to be fewer than half: a network that has collapsed has no score either",
    ),
    "told apart": (
        "partly", "{0.share.of} keep it; {verdict.told.of} can be told from the oracles: {told}; " + _SCORES,
    ),
    "like the oracles": (
        "forgets", "{0.share.of} keep it (up to {0.could} of all could): " + _SCORES + "{told_beside}",
    ),
    "perhaps told apart": (
        "undecided", "{0.share.of} keep it, but {verdict.told.of} can be told from the oracles, not shown to be fewer "
        "than half: {told}; " + _SCORES,
    ),
    "none of few": (
        "no leftover seen", "in {0.share.models} networks (up to {0.could} of all could keep it): "
        + _SCORES + "{told_beside}",
    ),
    "fell": (
        "partly", "{0.share.of} keep it, but in {1.share.of} the score fell by more than {margin}: " + _SCORES,
    ),
    "perhaps fell": (
        "undecided", "{0.share.of} keep it, and in {1.share.of} the score fell by more than {margin}, neither shown to "
        "be more nor fewer than half: " + _SCORES + "; take more networks",
    ),
    "unsure": (
        "undecided", "{0.share.of} keep it, neither shown to be more than {few} of all nor fewer: " + _SCORES
        + "; take more networks",
    ),
}
# fmt: on


@dataclass(frozen=True)
class Verdict:
    """Whether a method forgets: the counts that say so.

    Args:
        reason: which line of `verdict` holds.
        networks: how many it is over.
        counts: behind it; of a failed method, of too few networks and of some that are not finite none.
        told: how many can be told from the oracles by one measure or more; None where that is not looked at.
        not_finite: how many of the networks have a number after the deletion that is not finite.
        not_learnt: how many are not among `networks` since they had not learnt the pattern.
        left_out: how many are not among them since they or their oracles had diverged before the deletion.
        failed: on how many the method failed; these are not among `networks` either.
        why: the reason of the first that failed or, where none did, of the first that was not finite, if it is known.
    """

    reason: Reason
    networks: int = 0
    counts: tuple[Count, ...] = ()
    told: Share | None = None
    not_finite: int = 0
    not_learnt: int = 0
    left_out: int = 0
    failed: int = 0
    why: str = ""

    @property
    def name(self) -> VerdictName:
        """See `verdict`."""
        return SAID[self.reason][0]

    @property
    def open(self) -> bool:
        """Whether more networks may change it."""
        return self.name in ("undecided", "no leftover seen")

    @property
    def not_measured(self) -> list[str]:
        """Which of the measures that could tell the network from an oracle, where the others do not."""
        measured = {count.measure for count in self.counts}
        clean = self.name in ("forgets", "no leftover seen")
        return [TELLING[name].title for name in TELLING if clean and name not in measured]

    @property
    def finding(self) -> str:
        """The numbers in a sentence."""
        told = ", ".join(count.told for count in self.counts[1:] if count.share.count) if self.told else ""
        words = {
            "verdict": self,
            "s": "s" * (self.networks != 1),
            "least": LEAST,
            "margin": SCORE_MARGIN,
            "cost": ACCURACY_MARGIN,
            "few": f"{FEW:.0%}",
            "told": told,
            "told_beside": f"; {self.told.of} can be told from them: {told}" if self.told and told else "",
        }
        sentence = SAID[self.reason][1].format(*self.counts, **words)
        if missing := self.not_measured:
            sentence += f"; not measured: {', '.join(missing)}"
        if self.not_learnt and self.reason not in ("not learnt", "few have learnt"):
            sentence += f"; {Share(self.not_learnt, self.networks + self.not_learnt).of} left out: had not learnt it"
        if self.left_out:
            lost = f"{self.left_out} of {self.networks + self.not_learnt + self.left_out} networks left out"
            sentence += f"; {lost}: these or their oracles had diverged before the deletion"
        if 0 < self.failed < (of := self.networks + self.not_learnt + self.left_out + self.failed):
            sentence += f". It failed on {self.failed} of {of} networks: {self.why}"
        elif self.why and not self.failed:
            sentence += f". {self.why}"
        return sentence

    def __str__(self) -> str:
        return f"{self.name}: {self.finding}"

    def __repr__(self) -> str:
        return f"<Verdict: {self.name}, {self.networks} networks>"

    def _repr_html_(self) -> str:
        return card("Verdict", self.name, {}, paragraph(self.finding))


@dataclass(frozen=True, eq=False)
class Judged:
    """The numbers of m networks before a deletion, after it, and of the oracles of the same seeds: by measure, paired.

    Args:
        before: ``spurious_score``, ``accuracy``; others are not looked at.
        after: the same, and of the others those that `verdict` names, as far as they were measured.
        oracle: as after; `verdict_on_one` has one network and more oracles.
        most: where seeds are added until it is decided, up to how many; see :class:`spurlab.stats.Looks`.
    """

    before: Mapping[str, Float[Tensor, " m"]]
    after: Mapping[str, Float[Tensor, " m"]]
    oracle: Mapping[str, Float[Tensor, " m0"]]
    most: int | None = None

    __repr__ = short

    @property
    def closed(self) -> Ratio:
        """The share of the gap between the score before and the oracles' that the method closed."""
        before, after, oracle = (columns["spurious_score"] for columns in (self.before, self.after, self.oracle))
        return gap_closed(before, after, oracle)

    @cached_property
    def verdict(self) -> Verdict:
        """Whether the method forgets; see `verdict`."""
        return verdict(self.before, self.after, self.oracle, self.most)

    def where(self, networks: Tensor) -> "Judged":
        """Of some of the networks."""
        columns = (self.before, self.after, self.oracle)
        before, after, oracle = ({name: column[networks] for name, column in numbers.items()} for numbers in columns)
        return Judged(before, after, oracle, self.most)

    def rise(self, measure: str, one: When, other: When, by: float) -> Count:
        """In how many networks a measure in one state is higher than in another by more than some amount."""
        return self._count(measure, risen(getattr(self, one)[measure], getattr(self, other)[measure], by))

    def have_it(self, when: When, oracles: Float[Tensor, " m0"]) -> Bool[Tensor, " m"]:
        """Which networks score more than `SCORE_MARGIN` above what the oracles reach."""
        scores = getattr(self, when)["spurious_score"]
        return above(scores, torch.full_like(scores, reached(oracles)), SCORE_MARGIN)

    def having_it(self, when: When, oracles: Float[Tensor, " m0"]) -> Count:
        """How many do."""
        have = self.have_it(when, oracles)
        return self._count("spurious_score", Share.of_mask(have), reached(oracles))

    def can_be_told(self, measure: str, oracles: Float[Tensor, " m0"]) -> Bool[Tensor, " m"]:
        """Which networks can be told from the oracles by a measure."""
        after, telling = self.after[measure], TELLING[measure]
        most, least = reached(oracles), -reached(-oracles)
        by = max(telling.margin, most - least)
        beyond = torch.zeros(len(after), dtype=torch.bool)
        if telling.above:
            beyond |= above(after, torch.full_like(after, most), by)
        if telling.below:
            beyond |= above(torch.full_like(after, least), after, by)
        return beyond

    def told(self, oracle: Mapping[str, Float[Tensor, " m0"]]) -> tuple[Share, list[Count]]:
        """How many networks can be told by one measure or more, and by each that was taken of all networks."""
        masks = {name: self.can_be_told(name, oracle[name]) for name in TELLING if _measured(name, self.after, oracle)}
        counts = [self._count(name, Share.of_mask(mask)) for name, mask in masks.items()]
        return Share.of_mask(torch.stack(list(masks.values())).any(0)), counts

    def _count(self, measure: str, share: Share, reach: float = math.nan) -> Count:
        before, after, oracle = (
            mean_of(columns[measure].tolist()) if measure in columns else math.nan
            for columns in (self.before, self.after, self.oracle)
        )
        return Count(measure, share, before, after, oracle, reach)


def reached(oracles: Float[Tensor, " m"]) -> float:
    """What the oracles reach: the number that at most 5 % of them exceed, so the largest of up to 19.

    >>> round(reached(torch.tensor([0.0, 0.1, 0.3])), 3)
    0.3
    """
    ordered = oracles.double().sort(descending=True).values
    return float(ordered[math.floor((1 - REACHED) * len(ordered) + 1e-9)])


def needed_to_forget(most: int | None = None) -> int:
    """How many networks without a leftover show that a method forgets, see `verdict`; fewer never do.

    Where seeds are added, after the look at which they do.

    >>> needed_to_forget(), needed_to_forget(most=20), needed_to_forget(most=100)
    (19, 20, 30)
    """
    test = Looks(most)
    return next(networks for networks in test.numbers or count(LEAST) if test.fewer(Share(0, networks), FEW))


def verdict(
    before: Mapping[str, Tensor], after: Mapping[str, Tensor], oracle: Mapping[str, Tensor], most: int | None = None
) -> Verdict:
    """Whether a deletion method forgets, from the numbers of m networks.

    Networks are counted, and what k of m say of all networks is exact (:class:`spurlab.stats.Share`): "shown" is at
    5 %, "more than half" takes five of five, seven of eight, fifteen of twenty. A network *has* the pattern where its
    score is more than .05 above what the oracles reach, their .95 quantile: before the deletion it had learnt it then,
    and after it keeps it. The first of these that holds:

    - *undecided*: there are fewer than five networks. Those that had diverged before the deletion, or whose oracle has,
      are left out, and the sentence says so.
    - *breaks the model*: a number after the deletion is not finite, or more than half of all networks are shown to lose
      more than .05 of test accuracy.
    - *nothing to forget*: fewer than half are shown to have learnt it. *Undecided*: fewer than five have. From here on
      only those that have are counted.
    - *does not forget*: more than half are shown to keep it, and in fewer than half the score is shown to have fallen
      by more than .05; the sentence says where it rose. A fall that is certain but tiny is no partial success.
    - *undecided*: not shown that fewer than half lose more than .05 of test accuracy. A network that has collapsed has
      no score either; it did not forget.
    - *partly*: more than 15 % are shown to keep it, and in more than half the score is shown to have fallen by more
      than .05. Or it has fallen, or hardly any keeps it, but more than half are shown to be told from the oracles. A
      network is told by at least one of these, which lies beyond what the oracles reach by more than a margin and than
      these lie apart: the membership AUC of the forgotten examples (.05; above: they are still known; below: they are
      shunned, which an attacker sees as well), the distance of outputs on clean or marked test examples from the
      oracles' (1, in log-odds), a score below theirs (.05). So a network that has lost its confidence, and with it
      every score, does not pass. Each network is one yes or no, so nothing is corrected for four measures.
    - *forgets*: shown that fewer than 15 % of all networks keep it, which takes 19 networks without a leftover; and
      that fewer than half can be told from the oracles. With the lines above this, a method that does nothing cannot
      get here. *Undecided* where the latter is not shown.
    - *no leftover seen*: no network keeps it, of too few to say more, and at most half of these can be told from the
      oracles; else *undecided*. The sentence says how many of all could keep it.
    - *undecided*: none of these.

    Each verdict is at 5 % by itself: of twenty that are false in truth, one may pass.

    Args:
        before: of each network before the deletion, ``spurious_score`` and ``accuracy``, in [0, 1].
        after: of the same networks after it; also ``membership_auc``, ``oracle_distance`` and
            ``oracle_distance_marked`` as far as they were measured.
        oracle: of the networks of the same seeds that never saw the planted examples, as after.
        most: where seeds are added until it is decided, up to how many; see :class:`spurlab.stats.Looks`.

    Raises:
        ValueError: columns that differ in length.

    Source: Clopper and Pearson (1934), Biometrika 26, 404-413 (exact shares).

    >>> score, low = torch.tensor([0.81, 0.75, 0.90, 0.84, 0.79]), torch.tensor([0.00, 0.01, 0.00, 0.02, 0.00])
    >>> accuracy = torch.tensor([0.87, 0.88, 0.87, 0.88, 0.87])
    >>> before, after, oracle = ({"spurious_score": s, "accuracy": accuracy} for s in (score, score - 0.3 * low, low))
    >>> print(verdict(before, after, oracle))
    does not forget: 5 of 5 networks keep it, and in 0 of 5 networks the score fell by more than 0.05:
    0.816 after deletion, 0.818 before; the oracles have 0.006 and reach 0.020
    """
    scores = before["spurious_score"], after["spurious_score"], oracle["spurious_score"]
    lengths = [len(column) for column in (*scores, before["accuracy"], after["accuracy"])]
    if len(set(lengths)) > 1:
        raise InputError(f"each column needs one number per network, but they have {lengths}.")
    judged = Judged(before, after, oracle, most)
    trained = _finite(scores[0], scores[2], before["accuracy"])
    if not bool(trained.all()):
        return replace(judged.where(trained).verdict, left_out=int((~trained).sum()))
    networks = len(trained)
    if networks < LEAST:
        return Verdict("few networks", networks)
    if lost := int((~_finite(scores[1], after["accuracy"])).sum()):
        return Verdict("not finite", networks, not_finite=lost)
    test = Looks(most)
    accuracy = judged.rise("accuracy", "before", "after", ACCURACY_MARGIN)
    if test.more(accuracy.share):
        return Verdict("accuracy lost", networks, (accuracy,))
    oracles = scores[2]
    learnt = judged.having_it("before", oracles)
    if test.fewer(learnt.share) or learnt.share.count < LEAST:
        reason: Reason = "not learnt" if test.fewer(learnt.share) else "few have learnt"
        return Verdict(reason, networks, (learnt,), not_learnt=networks - learnt.share.count)
    lines = _lines(judged.where(judged.have_it("before", oracles)), oracle, test)
    return replace(next(said for holds, said in lines if holds), not_learnt=networks - learnt.share.count)


def _lines(networks: Judged, oracle: Mapping[str, Tensor], test: Looks) -> Iterator[tuple[bool, Verdict]]:
    """The lines of `verdict` about networks that had learnt it, in their order: whether it holds, and what it says."""
    line = partial(Verdict, networks=len(networks.before["spurious_score"]))
    keep = networks.having_it("after", oracle["spurious_score"])
    fell = networks.rise("spurious_score", "before", "after", SCORE_MARGIN)
    rose = networks.rise("spurious_score", "after", "before", SCORE_MARGIN)
    kept = test.more(keep.share) and test.fewer(fell.share)
    yield kept and test.more(rose.share), line("rose", counts=(keep, rose))
    yield kept, line("hardly fell", counts=(keep, fell))
    lost = networks.rise("accuracy", "before", "after", ACCURACY_MARGIN)
    yield not test.fewer(lost.share), line("accuracy unsure", counts=(lost,))
    many, few = test.more(keep.share, FEW), test.fewer(keep.share, FEW)
    yield many and test.more(fell.share), line("fell", counts=(keep, fell))
    told, by_measure = networks.told(oracle)
    looked = partial(line, counts=(keep, *by_measure), told=told)
    forgot = few or not keep.share.count
    yield test.more(told) and (forgot or test.more(fell.share)), looked("told apart")
    if forgot:
        unlike = not test.fewer(told) if few else 2 * told.count > told.models
        yield unlike, looked("perhaps told apart")
        yield few, looked("like the oracles")
        yield True, looked("none of few")
    yield many, line("perhaps fell", counts=(keep, fell))
    yield True, line("unsure", counts=(keep,))


def _measured(name: str, *columns: Mapping[str, Tensor]) -> bool:
    """Whether a measure was taken of all networks."""
    return all(name in numbers and bool(_finite(numbers[name]).all()) for numbers in columns)


def _finite(*columns: Tensor) -> Tensor:
    """Which networks have no number that is not finite."""
    return torch.stack([column.double().isfinite() for column in columns]).all(0)
