"""What a deletion method does, as a verdict over networks with the tests behind it."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from spurlab.errors import InputError
from spurlab.stats import Estimate, Ratio, equivalent, gap_closed, mean_above, mean_of, paired_difference, paired_test

VerdictName = Literal[
    "forgets", "partly", "does not forget", "breaks the model", "nothing to forget", "undecided", "failed"
]  # a check ends in one of these
# which line of `verdict` holds, and which sentence tells its numbers
# fmt: off
Reason = Literal[
    "method failed", "few networks", "not finite", "accuracy lost", "not learnt", "rose", "hardly fell",
    "accuracy may rise", "accuracy may fall", "told apart", "like the oracles", "fell", "perhaps fell",
    "below the oracles", "unsure",
]
# fmt: on
When = Literal["before", "after", "oracle"]  # networks before the deletion, after it, and their oracles
Side = Literal["above", "not below", "within", "beyond"]
SCORE_MARGIN = 0.05  # the smallest difference between two spurious scores that matters
ACCURACY_MARGIN = 0.05  # the largest loss of accuracy that a method may cost
LEVEL = 0.05  # of each test
LEAST = 5  # networks: four that agree could do so by chance, 1 in 16


@dataclass(frozen=True)
class Telling:
    """What tells a network from an oracle, beside the score."""

    title: str
    margin: float  # the smallest difference that matters
    side: Side


TELLING = {
    "membership_auc": Telling("membership AUC", 0.05, "beyond"),
    "oracle_distance": Telling("distance to the oracles", 1.0, "above"),
    "oracle_distance_marked": Telling("distance on marked images", 1.0, "above"),
}


@dataclass(frozen=True)
class Comparison:
    """A measure of the same networks in two states, paired by seed, and the test of the difference.

    Args:
        measure: what is compared, e.g. ``spurious_score``.
        one: which networks: ``before`` or ``after`` the deletion, or the ``oracle``.
        other: those that they are compared with.
        means: of both.
        difference: by how much `one` is above `other`.
        margin: the smallest difference that matters.
        side: what would be shown: that the difference is ``above`` the margin, that it is a rise or a fall by less
            (``not below``), or that it lies ``within`` the margin or ``beyond`` it on either side.
        p: the p-value.
    """

    measure: str
    one: When
    other: When
    means: tuple[float, float]
    difference: Estimate
    margin: float
    side: Side
    p: float

    @property
    def shown(self) -> bool:
        """At 5 %."""
        return self.p < LEVEL

    @property
    def chance(self) -> str:
        """The p-value in words."""
        return _p(self.p)

    @property
    def title(self) -> str:
        """Of what tells a network from an oracle."""
        return TELLING[self.measure].title

    @property
    def advice(self) -> str:
        """How many networks would bring the 95 % interval of the difference down to the margin on either side."""
        needed = math.ceil((2 * self.difference.stderr / self.margin) ** 2 * self.difference.models)
        narrow = f" (about {needed} narrow it to +-{self.margin})" if needed > self.difference.models else ""
        return f"take more networks{narrow}"


# fmt: off
SAID: Mapping[Reason, tuple[VerdictName, str]] = {  # {0} and {1} are the tests
    "method failed": ("failed", "on every network: {verdict.why}"),
    "few networks": ("undecided", "{verdict.networks} network{s}; a verdict needs {least}"),
    "not finite": (
        "breaks the model", "{verdict.not_finite} of {verdict.networks} networks are not finite after deletion",
    ),
    "accuracy lost": (
        "breaks the model", "test accuracy falls by {0.difference.value:.2f}, more than {0.margin} ({0.chance})",
    ),
    "not learnt": (
        "nothing to forget", "{0.means[0]:.3f} before deletion, the oracles have {0.means[1]:.3f}: "
        "not shown to be more than {0.margin} above them ({0.chance})",
    ),
    "rose": (
        "does not forget", "{0.means[0]:.3f} after deletion, above {0.means[1]:.3f} before; "
        "a fall of {0.margin} is excluded ({0.chance}); the oracles have {1.means[1]:.3f} ({1.chance})",
    ),
    "hardly fell": (
        "does not forget", "{0.means[0]:.3f} after deletion, less than {0.margin} below {0.means[1]:.3f} before "
        "({0.chance}); the oracles have {1.means[1]:.3f} ({1.chance})",
    ),
    "accuracy may rise": (
        "undecided", "test accuracy rises by {0.difference.value:.2f}, but a fall of {0.margin} is not excluded "
        "({0.chance}): a network that has collapsed has no score either",
    ),
    "accuracy may fall": (
        "undecided", "test accuracy falls by {1.difference.value:.2f}, not shown to be less than {0.margin} "
        "({0.chance}): a network that has collapsed has no score either",
    ),
    "told apart": (
        "partly", "{0.means[0]:.3f} after deletion, within {0.margin} of the oracles' {0.means[1]:.3f} ({0.chance}), "
        "but it can be told from them: {1.title} {1.means[0]:.3f}, the oracles' {1.means[1]:.3f} ({1.chance})",
    ),
    "like the oracles": (
        "forgets", "{0.means[0]:.3f} after deletion, within {0.margin} of the oracles' {0.means[1]:.3f} ({0.chance})",
    ),
    "fell": (
        "partly", "{0.means[1]:.3f} after deletion, more than {0.margin} below {0.means[0]:.3f} before ({0.chance}); "
        "the oracles have {1.means[1]:.3f} ({1.chance})",
    ),
    "perhaps fell": (
        "undecided", "{1.means[0]:.3f} after deletion, above the oracles' {1.means[1]:.3f} ({1.chance}), and neither "
        "shown to be more than {0.margin} below {0.means[0]:.3f} before ({0.chance}) nor near it; {0.advice}",
    ),
    "below the oracles": (
        "undecided", "{0.means[1]:.3f} after deletion, but the oracles have {0.means[0]:.3f} ({0.chance}): "
        "lower than that of a network that never saw it",
    ),
    "unsure": (
        "undecided", "{0.means[0]:.3f} after deletion, the oracles have {0.means[1]:.3f}: neither shown to be above it "
        "({0.chance}) nor within {1.margin} of it ({1.chance}); {1.advice}",
    ),
}
# fmt: on


@dataclass(frozen=True)
class Verdict:
    """Whether a method forgets: the numbers that say so.

    Args:
        reason: which line of `verdict` holds.
        networks: how many it is over.
        tests: behind it; of a failed method, of too few networks and of some that are not finite none.
        not_finite: how many of the networks have a number after the deletion that is not finite.
        left_out: how many are not among `networks` since they or their oracles had diverged before the deletion.
        failed: on how many the method failed; these are not among `networks` either.
        why: the reason of the first that failed or, where none did, of the first that was not finite, if it is known.
    """

    reason: Reason
    networks: int = 0
    tests: tuple[Comparison, ...] = ()
    not_finite: int = 0
    left_out: int = 0
    failed: int = 0
    why: str = ""

    @property
    def name(self) -> VerdictName:
        """See `verdict`."""
        return SAID[self.reason][0]

    @property
    def not_measured(self) -> list[str]:
        """Which of the measures that could tell the network from an oracle, where the others do not."""
        measured = {test.measure for test in self.tests}
        return [TELLING[name].title for name in TELLING if self.name == "forgets" and name not in measured]

    @property
    def finding(self) -> str:
        """The numbers in a sentence."""
        sentence = SAID[self.reason][1].format(*self.tests, verdict=self, s="s" * (self.networks != 1), least=LEAST)
        if missing := self.not_measured:
            sentence += f"; not measured: {', '.join(missing)}"
        if self.left_out:
            lost = f"{self.left_out} of {self.networks + self.left_out} networks left out"
            sentence += f"; {lost}: these or their oracles had diverged before the deletion"
        if 0 < self.failed < (of := self.networks + self.left_out + self.failed):
            sentence += f". It failed on {self.failed} of {of} networks: {self.why}"
        elif self.why and not self.failed:
            sentence += f". {self.why}"
        return sentence

    def __str__(self) -> str:
        return f"{self.name}: {self.finding}"


@dataclass(frozen=True, eq=False)
class Judged:
    """The numbers of m networks before a deletion, after it, and of the oracles of the same seeds: by measure, paired.

    Args:
        before: ``spurious_score``, ``accuracy``; others are not looked at.
        after: the same, and of the others those that `verdict` names, as far as they were measured.
        oracle: as after.
    """

    before: Mapping[str, Float[Tensor, " m"]]
    after: Mapping[str, Float[Tensor, " m"]]
    oracle: Mapping[str, Float[Tensor, " m"]]

    @property
    def closed(self) -> Ratio:
        """The share of the gap between the score before and the oracles' that the method closed."""
        before, after, oracle = (columns["spurious_score"] for columns in (self.before, self.after, self.oracle))
        return gap_closed(before, after, oracle)

    @cached_property
    def verdict(self) -> Verdict:
        """Whether the method forgets; see `verdict`."""
        return verdict(self.before, self.after, self.oracle)

    def compared(self, measure: str, one: When, other: When, margin: float = 0.0, side: Side = "above") -> Comparison:
        """A measure in two states; see `Comparison`."""
        ours, theirs = getattr(self, one)[measure], getattr(self, other)[measure]
        difference = paired_difference(ours, theirs)
        match side:
            case "above":
                p = _above(difference, margin) if margin else paired_test(ours, theirs)
            case "not below":
                p = _above(difference, -margin)
            case "within":
                p = equivalent(difference, margin)
            case "beyond":
                p = min(1.0, 2 * _above(difference, margin), 2 * _above(paired_difference(theirs, ours), margin))
        means = mean_of(ours.tolist()), mean_of(theirs.tolist())
        return Comparison(measure, one, other, means, difference, margin, side, p)


def verdict(before: Mapping[str, Tensor], after: Mapping[str, Tensor], oracle: Mapping[str, Tensor]) -> Verdict:
    """Whether a deletion method forgets, from the numbers of m networks; all tests are paired by seed, at 5 %.

    The first of these that holds:

    - *undecided*: there are fewer than five networks. Those that had diverged before the deletion, or whose oracle has,
      are left out, and the sentence says so.
    - *breaks the model*: a number after the deletion is not finite, or the test accuracy lost is shown to be more than
      .05 (one-sided t-test).
    - *nothing to forget*: the score before is not shown to be more than .05 above the oracle's (one-sided t-test).
    - *does not forget*: the score after is shown to be above the oracle's, and shown to have fallen by less than .05
      (one-sided t-test). A fall that is certain but tiny is no partial success.
    - *undecided*: the test accuracy lost is not shown to be less than .05. A network that has collapsed has no score
      either; it did not forget.
    - *partly*: the score after and the oracle's are shown to be equivalent, to differ by less than .05 in the mean (two
      one-sided tests), but the network can be told from an oracle (t-tests). Either the membership AUC of the forgotten
      examples is shown to differ from the oracle's by more than .05 (2.5 % to each side): above it they are still
      known, below it they are shunned, which an attacker sees as well. Or the outputs on clean or on marked test
      examples are shown to be more than 1 log-odds farther from the oracles than the oracle's own. So a network that
      has lost its confidence, and with it every score, does not pass.
    - *forgets*: the scores are shown to be equivalent. With the lines above this, a method that does nothing cannot get
      here.
    - *partly*: the score after is shown to be above the oracle's, and more than .05 below the score before (one-sided
      t-tests).
    - *undecided*: none of these. The sentence says whether more networks are needed, or the score fell below the
      oracle's: a network that shuns the pattern can be told from one that never saw it.

    Each verdict is at 5 % by itself: of twenty that are false in truth, one may pass.

    Args:
        before: of each network before the deletion, ``spurious_score`` and ``accuracy``, in [0, 1].
        after: of the same networks after it; also ``membership_auc``, ``oracle_distance`` and
            ``oracle_distance_marked`` as far as they were measured.
        oracle: of the networks of the same seeds that never saw the planted examples, as after.

    Raises:
        ValueError: columns that differ in length.

    Source: Schuirmann (1987), J. Pharmacokinet. Biopharm. 15, 657-680 (equivalence).

    >>> score, low = torch.tensor([0.81, 0.75, 0.90, 0.84, 0.79]), torch.tensor([0.00, 0.01, 0.00, 0.02, 0.00])
    >>> accuracy = torch.tensor([0.87, 0.88, 0.87, 0.88, 0.87])
    >>> before, after, oracle = ({"spurious_score": s, "accuracy": accuracy} for s in (score, score - 0.3 * low, low))
    >>> print(verdict(before, after, oracle))
    does not forget: 0.816 after deletion, less than 0.05 below 0.818 before (p < .001);
    the oracles have 0.006 (p < .001)
    """
    scores = before["spurious_score"], after["spurious_score"], oracle["spurious_score"]
    lengths = [len(column) for column in (*scores, before["accuracy"], after["accuracy"])]
    if len(set(lengths)) > 1:
        raise InputError(f"each column needs one number per network, but they have {lengths}.")
    trained = _finite(scores[0], scores[2], before["accuracy"])
    if not bool(trained.all()):
        rest = ({name: column[trained] for name, column in columns.items()} for columns in (before, after, oracle))
        return replace(verdict(*rest), left_out=int((~trained).sum()))
    networks = len(trained)
    if networks < LEAST:
        return Verdict("few networks", networks)
    if lost := int((~_finite(scores[1], after["accuracy"])).sum()):
        return Verdict("not finite", networks, not_finite=lost)
    reason, tests = next((reason, tests) for holds, reason, tests in _lines(Judged(before, after, oracle)) if holds)
    return Verdict(reason, networks, tests)


def _lines(networks: Judged) -> Iterator[tuple[bool, Reason, tuple[Comparison, ...]]]:
    """The lines of `verdict` that are tests, in their order: whether it holds, and the tests behind it."""
    score, accuracy = (partial(networks.compared, measure) for measure in ("spurious_score", "accuracy"))
    lost = accuracy("before", "after", ACCURACY_MARGIN)
    yield lost.shown, "accuracy lost", (lost,)
    learnt = score("before", "oracle", SCORE_MARGIN)
    yield not learnt.shown, "not learnt", (learnt,)
    above, hardly = score("after", "oracle"), score("after", "before", SCORE_MARGIN, "not below")
    now, then = (round(mean, 3) for mean in hardly.means)  # as they are said
    yield above.shown and hardly.shown, "rose" if now > then else "hardly fell", (hardly, above)
    kept = accuracy("after", "before", ACCURACY_MARGIN, "not below")
    yield not kept.shown, "accuracy may fall" if kept.difference.value < 0 else "accuracy may rise", (kept, lost)
    like = score("after", "oracle", SCORE_MARGIN, "within")
    if like.shown:
        telling = [
            networks.compared(name, "after", "oracle", told.margin, told.side)
            for name, told in TELLING.items()
            if all(name in columns and _finite(columns[name]).all() for columns in (networks.after, networks.oracle))
        ]
        apart = [test for test in telling if test.shown]
        yield bool(apart), "told apart", (like, *apart)
        yield True, "like the oracles", (like, *telling)
    fell, below = score("before", "after", SCORE_MARGIN), score("oracle", "after")
    yield above.shown, "fell" if fell.shown else "perhaps fell", (fell, above)
    yield below.shown, "below the oracles", (below,)
    yield True, "unsure", (above, like)


def _above(difference: Estimate, limit: float) -> float:
    """p-value that the mean lies above a limit; without spread the sign test's, as of the other tests here."""
    p = mean_above(difference, limit)
    return max(p, 2.0**-difference.models) if difference.stderr == 0 else p


def _finite(*columns: Tensor) -> Tensor:
    """Which networks have no number that is not finite."""
    return torch.stack([column.double().isfinite() for column in columns]).all(0)


def _p(p: float) -> str:
    """As in papers.

    >>> _p(0.0312), _p(0.00001), _p(1.0)
    ('p = .031', 'p < .001', 'p = 1')
    """
    if math.isnan(p):
        return "no p-value"
    if p < 0.001:
        return "p < .001"
    return f"p = {p:.3f}".replace("0.", ".") if p < 0.9995 else "p = 1"
