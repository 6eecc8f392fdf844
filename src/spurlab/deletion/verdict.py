"""What a deletion method does, as a verdict over networks with the tests behind it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from spurlab.errors import InputError
from spurlab.stats import Estimate, Ratio, equivalent, gap_closed, mean_above, mean_of, paired_difference, paired_test

VerdictName = Literal[
    "forgets", "partly", "does not forget", "breaks the model", "nothing to forget", "undecided", "failed"
]  # a check ends in one of these
SCORE_MARGIN = 0.05  # the smallest difference between two spurious scores that matters
ACCURACY_MARGIN = 0.05  # the largest loss of accuracy that a method may cost
LEVEL = 0.05  # of each test
LEAST = 5  # networks: four that agree could do so by chance, 1 in 16


@dataclass(frozen=True)
class Telling:
    """What tells a network from an oracle, beside the score."""

    title: str
    margin: float  # the smallest difference that matters
    both_ways: bool


TELLING = {
    "membership_auc": Telling("membership AUC", 0.05, both_ways=True),
    "oracle_distance": Telling("distance to the oracles", 1.0, both_ways=False),
    "oracle_distance_marked": Telling("distance on marked images", 1.0, both_ways=False),
}


@dataclass(frozen=True)
class Verdict:
    """Whether a method forgets.

    Args:
        name: see `verdict`.
        finding: the test behind it, a sentence.
    """

    name: VerdictName
    finding: str

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
    score_before, score_after, score_oracle = (each["spurious_score"] for each in (before, after, oracle))
    accuracy_before, accuracy_after = before["accuracy"], after["accuracy"]
    lengths = [len(each) for each in (score_before, score_after, score_oracle, accuracy_before, accuracy_after)]
    if len(set(lengths)) > 1:
        raise InputError(f"each column needs one number per network, but they have {lengths}.")
    there = torch.stack([each.double().isfinite() for each in (score_before, score_oracle, accuracy_before)]).all(0)
    if not bool(there.all()):
        kept = ({name: column[there] for name, column in each.items()} for each in (before, after, oracle))
        found, lost = verdict(*kept), f"{int((~there).sum())} of {len(there)} networks left out"
        return Verdict(found.name, f"{found.finding}; {lost}: these or their oracles had diverged before the deletion")
    return (
        _too_few(score_before)
        or _broken(score_after, accuracy_before, accuracy_after)
        or _nothing_to_forget(score_before, score_oracle)
        or _still_there(score_before, score_after, score_oracle)
        or _perhaps_broken(accuracy_before, accuracy_after)
        or _like_oracle(after, oracle)
        or _in_between(score_before, score_after, score_oracle)
    )


def _too_few(before: Tensor) -> Verdict | None:
    models = len(before)
    if models >= LEAST:
        return None
    return Verdict("undecided", f"{models} network{'s' * (models != 1)}; a verdict needs {LEAST}")


def _broken(after: Tensor, accuracy_before: Tensor, accuracy_after: Tensor) -> Verdict | None:
    if lost := _not_finite(after, accuracy_after):
        return Verdict("breaks the model", f"{lost} of {len(after)} networks are not finite after deletion")
    cost = paired_difference(accuracy_before, accuracy_after)
    if (p := _above(cost, ACCURACY_MARGIN)) < LEVEL:
        return Verdict(
            "breaks the model", f"test accuracy falls by {cost.value:.2f}, more than {ACCURACY_MARGIN} ({_p(p)})"
        )
    return None


def _nothing_to_forget(before: Tensor, oracle: Tensor) -> Verdict | None:
    if (p := _above(paired_difference(before, oracle), SCORE_MARGIN)) < LEVEL:
        return None
    where = f"{_mean(before)} before deletion, the oracles have {_mean(oracle)}"
    return Verdict("nothing to forget", f"{where}: not shown to be more than {SCORE_MARGIN} above them ({_p(p)})")


def _still_there(before: Tensor, after: Tensor, oracle: Tensor) -> Verdict | None:
    above, kept = paired_test(after, oracle), _above(paired_difference(after, before), -SCORE_MARGIN)
    if above >= LEVEL or kept >= LEVEL:
        return None
    now, then = _mean(after), _mean(before)
    if float(now) > float(then):
        what = f"{now} after deletion, above {then} before; a fall of {SCORE_MARGIN} is excluded ({_p(kept)})"
    else:
        what = f"{now} after deletion, less than {SCORE_MARGIN} below {then} before ({_p(kept)})"
    return Verdict("does not forget", f"{what}; the oracles have {_mean(oracle)} ({_p(above)})")


def _perhaps_broken(accuracy_before: Tensor, accuracy_after: Tensor) -> Verdict | None:
    kept = paired_difference(accuracy_after, accuracy_before)
    if (p := _above(kept, -ACCURACY_MARGIN)) < LEVEL:
        return None
    if kept.value < 0:
        lost = f"test accuracy falls by {-kept.value:.2f}, not shown to be less than {ACCURACY_MARGIN} ({_p(p)})"
    else:
        lost = f"test accuracy rises by {kept.value:.2f}, but a fall of {ACCURACY_MARGIN} is not excluded ({_p(p)})"
    return Verdict("undecided", f"{lost}: a network that has collapsed has no score either")


def _like_oracle(after: Mapping[str, Tensor], oracle: Mapping[str, Tensor]) -> Verdict | None:
    now, theirs = after["spurious_score"], oracle["spurious_score"]
    if (p := equivalent(paired_difference(now, theirs), SCORE_MARGIN)) >= LEVEL:
        return None
    what = f"{_mean(now)} after deletion, within {SCORE_MARGIN} of the oracles' {_mean(theirs)} ({_p(p)})"
    told = {name: found for name in TELLING if (found := _told_apart(name, after, oracle)) is not None}
    for name, apart in told.items():
        if apart < LEVEL:
            sides = f"{_mean(after[name])}, the oracles' {_mean(oracle[name])} ({_p(apart)})"
            return Verdict("partly", f"{what}, but it can be told from them: {TELLING[name].title} {sides}")
    if missing := [each.title for name, each in TELLING.items() if name not in told]:
        what += f"; not measured: {', '.join(missing)}"
    return Verdict("forgets", what)


def _told_apart(name: str, after: Mapping[str, Tensor], oracle: Mapping[str, Tensor]) -> float | None:
    """p-value that networks after deletion differ from oracles by more than the margin; None where it is not known."""
    if name not in after or name not in oracle or _not_finite(after[name], oracle[name]):
        return None
    margin, both_ways = TELLING[name].margin, TELLING[name].both_ways
    more, less = paired_difference(after[name], oracle[name]), paired_difference(oracle[name], after[name])
    above = _above(more, margin)
    return min(1.0, 2 * above, 2 * _above(less, margin)) if both_ways else above


def _in_between(before: Tensor, after: Tensor, oracle: Tensor) -> Verdict:
    now, oracles = f"{_mean(after)} after deletion", f"the oracles have {_mean(oracle)}"
    like_oracle = equivalent(paired_difference(after, oracle), SCORE_MARGIN)
    above, under = paired_test(after, oracle), paired_test(oracle, after)
    below = _above(paired_difference(before, after), SCORE_MARGIN)
    if above < LEVEL and below < LEVEL:
        what = f"{now}, more than {SCORE_MARGIN} below {_mean(before)} before ({_p(below)}); {oracles} ({_p(above)})"
        return Verdict("partly", what)
    if above < LEVEL:
        what = f"{now}, above the oracles' {_mean(oracle)} ({_p(above)})"
        how = f"neither shown to be more than {SCORE_MARGIN} below {_mean(before)} before ({_p(below)}) nor near it"
        return Verdict("undecided", f"{what}, and {how}; {_more(before, after)}")
    if under < LEVEL:
        return Verdict(
            "undecided", f"{now}, but {oracles} ({_p(under)}): lower than that of a network that never saw it"
        )
    within = f"nor within {SCORE_MARGIN} of it ({_p(like_oracle)})"
    return Verdict(
        "undecided", f"{now}, {oracles}: neither shown to be above it ({_p(above)}) {within}; {_more(after, oracle)}"
    )


def _above(difference: Estimate, limit: float) -> float:
    """p-value that the mean lies above a limit; without spread the sign test's, as of the other tests here."""
    p = mean_above(difference, limit)
    return max(p, 2.0**-difference.models) if difference.stderr == 0 else p


def _more(one: Tensor, other: Tensor) -> str:
    """How many networks would bring the 95 % interval of the mean difference down to the margin on either side."""
    difference = paired_difference(one, other)
    needed = math.ceil((2 * difference.stderr / SCORE_MARGIN) ** 2 * difference.models)
    return (
        f"take more networks (about {needed} narrow it to +-{SCORE_MARGIN})"
        if needed > len(one)
        else "take more networks"
    )


def _not_finite(*columns: Tensor) -> int:
    """How many networks have a number that is not finite."""
    return int((~torch.stack([column.double().isfinite() for column in columns]).all(0)).sum())


def _mean(scores: Tensor) -> str:
    return f"{mean_of(scores.tolist()):.3f}"


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
