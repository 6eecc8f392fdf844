"""What the statistics are worth at few networks: how often intervals cover, tests err, and verdicts find what is there.

    python benchmarks/calibration.py [--trials 1000] [--networks 5,20] [--json | --markdown]

Networks are drawn again from pools whose truth is known: the scores of networks that were trained for `docs/results`,
mixtures of these, and normal numbers. Each procedure is asked through its public function. Printed is the stated level
beside the measured share of trials, with the standard error of the simulation.
"""

import argparse
import json
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache, cached_property, partial
from pathlib import Path
from zlib import crc32

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from torch import Tensor

from spurlab.claims.evidence import ONCE, LeftOut, Seeds
from spurlab.claims.judge import above, settle, unchanged
from spurlab.claims.question import Outcome
from spurlab.deletion.verdict import FEW, verdict
from spurlab.stats import (
    Estimate,
    Learnt,
    Looks,
    Share,
    asked_next,
    gap_closed,
    learnt_at,
    paired_difference,
    pearson,
    variance_components,
)
from spurlab.studies import results_in

RESULTS = Path(__file__).parents[1] / "docs" / "results"
EDGE = 0.05  # the smallest difference between two scores that matters
MOST = 20  # networks, where seeds are added until it is decided
CURVES = 14  # of a study: seven patterns, two targets
COUNTS = (1, 3, 10, 100)  # of a curve
METHODS = 16  # of which the best is taken
PARTS = 6  # of a claim
DRAWS = 10  # of a pattern, where its share of the variance is asked

Numbers = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Pool:
    """Scores of networks that never saw a pattern, and of networks that learnt it.

    Args:
        clean: of the former; each is one network.
        learnt: of the latter, each above what any of the former reach by more than the margin.
    """

    name: str
    clean: Numbers
    learnt: Numbers

    def of_clean(self, rng: np.random.Generator, networks: int) -> Numbers:
        """Networks that never saw the pattern."""
        return rng.choice(self.clean, networks)

    @cached_property
    def lucky(self) -> float:
        """How often one of them scores above another by more than the margin."""
        return float((np.subtract.outer(self.clean, self.clean) > EDGE).mean())

    def lottery(self, rng: np.random.Generator, networks: int, share: float) -> Numbers:
        """Clean networks of which a share has a learnt score."""
        return np.where(rng.random(networks) < share, rng.choice(self.learnt, networks), self.of_clean(rng, networks))


@cache
def pools() -> dict[str, Pool]:
    """By name."""
    rows = {result.study.name: result.rows for result in results_in(RESULTS / "rare-spurious")}

    def scores(study: str, n: int) -> Numbers:
        table = rows[study]
        chosen = (table["measure"] == "spurious_score") & (table["n"] == n) & table["pattern"].isin(["R1", "R2", "R3"])
        return table[chosen]["value"].dropna().to_numpy(dtype=float)

    def pool(name: str, clean: Numbers, learnt: Numbers) -> Pool:
        return Pool(name, clean, learnt[learnt > clean.max() + 2 * EDGE])

    trained = [pool(name, scores(f"fig2-{name}", 0), scores(f"fig2-{name}", 10)) for name in ("mnist", "fashion")]
    rng = np.random.default_rng(0)
    normal = pool("normal", rng.normal(0.2, 0.05, 4000).clip(0, 1), rng.normal(0.7, 0.05, 4000).clip(0, 1))
    return {pool.name: pool for pool in (*trained, normal)}


def tensor(numbers: Numbers) -> Tensor:
    """For the library."""
    return torch.from_numpy(np.ascontiguousarray(numbers))


def covers(low: float, high: float, truth: float) -> bool:
    """Whether an interval does; one without ends covers everything."""
    return low <= truth <= high or (math.isnan(low) and math.isnan(high))


def interval_of_clean(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """The interval of networks that never saw the pattern covers their mean."""
    estimate = Estimate.across_models(tensor(pool.of_clean(rng, m)), (0.0, 1.0))
    return covers(estimate.low, estimate.high, pool.clean.mean())


def interval_of_learnt(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """The interval of networks that learnt it covers their mean."""
    estimate = Estimate.across_models(tensor(rng.choice(pool.learnt, m)), (0.0, 1.0))
    return covers(estimate.low, estimate.high, pool.learnt.mean())


def interval_of_lottery(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """The interval of networks of which three in ten learnt it covers their mean."""
    estimate = Estimate.across_models(tensor(pool.lottery(rng, m, 0.3)), (0.0, 1.0))
    return covers(estimate.low, estimate.high, 0.3 * pool.learnt.mean() + 0.7 * pool.clean.mean())


def interval_of_normal(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """Student's interval of numbers like accuracies covers their mean; of the scores it would not, see facts."""
    estimate = Estimate.across_models(tensor(rng.normal(0.87, 0.005, m)), (0.0, 1.0), normal=True)
    return covers(estimate.low, estimate.high, 0.87)


def interval_of_difference(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """The interval of the difference of a lottery to its baseline covers its mean."""
    share = EDGE / (pool.learnt.mean() - pool.clean.mean())
    planted, baseline = pool.lottery(rng, m, share), pool.of_clean(rng, m)
    estimate = paired_difference(tensor(planted), tensor(baseline), (-1.0, 1.0))
    return covers(estimate.low, estimate.high, EDGE)


def interval_of_share(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """The exact interval of k of m covers the share, three in ten."""
    share = Share(int((rng.random(m) < 0.3).sum()), m)
    return covers(share.low, share.high, 0.3)


def gap_covered(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """The interval of the share of the gap that was closed covers the truth, a half of each network's gap."""
    before, oracle = rng.choice(pool.learnt, m), pool.of_clean(rng, m)
    after = (before + oracle) / 2 + rng.normal(0, 0.02, m)
    ratio = gap_closed(tensor(before), tensor(after), tensor(oracle))
    return covers(ratio.low, ratio.high, 0.5)


def gap_closed_by_luck(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """The same where the method closes the whole gap of half of the networks and nothing of the others."""
    before, oracle = rng.choice(pool.learnt, m), pool.of_clean(rng, m)
    ratio = gap_closed(tensor(before), tensor(np.where(rng.random(m) < 0.5, oracle, before)), tensor(oracle))
    return covers(ratio.low, ratio.high, 0.5)


def draw_covered(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """The interval of the share of the draw covers it, three tenths; two tenths are the seed's. All effects normal."""
    parts = (
        rng.normal(0, math.sqrt(var), shape) for var, shape in ((0.3, (DRAWS, 1)), (0.2, (1, m)), (0.5, (DRAWS, m)))
    )
    got = variance_components(tensor(sum(parts, np.zeros((DRAWS, m)))))
    return covers(got.low, got.high, 0.3)


def draw_of_scores_covered(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """The same where networks have scores that were trained, and a draw adds or takes as much from all of its own."""
    scores = rng.choice(pool.learnt, (DRAWS, m))
    effect = math.sqrt(0.3 / 0.7) * pool.learnt.std()
    got = variance_components(tensor(scores + rng.choice([-effect, effect], (DRAWS, 1))))
    return covers(got.low, got.high, 0.3)


def curve(pool: Pool, rng: np.random.Generator, m: int, shares: Sequence[float]) -> tuple[dict[int, Tensor], Tensor]:
    """Scores by n, where a share of the networks has learnt it, and the baseline of the same networks."""
    by_n = {n: tensor(pool.lottery(rng, m, share)) for n, share in zip(COUNTS, shares, strict=True)}
    return by_n, tensor(pool.of_clean(rng, m))


def curve_of_half(pool: Pool, rng: np.random.Generator, m: int) -> tuple[dict[int, Tensor], Tensor]:
    """A curve that half of the networks learn at every n."""
    rate = pool.lucky  # clean ones rise by luck, too
    return curve(pool, rng, m, [max(0.0, (0.5 - rate) / (1 - rate))] * len(COUNTS))


def learnt_without_effect(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """A curve without effect is called learnt at some n."""
    return learnt_at(*curve(pool, rng, m, (0, 0, 0, 0))).n is not None


def learnt_by_half(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """A curve that half of the networks learn, no more, at every n: called learnt at some n."""
    return learnt_at(*curve_of_half(pool, rng, m)).n is not None


def not_learnt_by_half(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """The same curve: said to be learnt only above some n."""
    return learnt_at(*curve_of_half(pool, rng, m)).above is not None


def searched(by_n: dict[int, Tensor], baseline: Tensor) -> Learnt:
    """What a search says that trains only the networks that it asks for."""
    scores = {n: torch.full_like(values, math.nan) for n, values in by_n.items()}
    while asked := asked_next(scores, baseline):
        for n, networks in asked.items():
            scores[n][networks] = by_n[n][networks]
    return learnt_at(scores, baseline, rising=True)


def searched_of_half(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """A curve that half of the networks learn from every n and half from none: a search says n* is at most some n."""
    baseline, half = pool.of_clean(rng, m), rng.random(m) < 0.5
    by_n = {n: tensor(np.where(half, rng.choice(pool.learnt, m), baseline)) for n in COUNTS}
    return searched(by_n, tensor(baseline)).n is not None


def searched_anew_at_each(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """The same where it is another half at each n."""
    return searched(*curve_of_half(pool, rng, m)).n is not None


def any_curve_learnt(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """One of 14 curves without effect is called learnt at some n."""
    return any(learnt_without_effect(pool, rng, m) for _ in range(CURVES))


def any_of_half(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """One of 14 curves that half of the networks learn is called learnt, each tested at 5 % / 14."""
    return any(
        learnt_at({1: tensor((rng.random(m) < 0.5).astype(float))}, torch.zeros(m).double(), 0.05 / CURVES).n
        for _ in range(CURVES)
    )


def learnt_where_it_is(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """A curve that .95 of the networks learn from n = 3 on is said to be learnt at n = 3 or less."""
    n = learnt_at(*curve(pool, rng, m, (0, 0.95, 0.95, 0.95))).n
    return n is not None and n <= 3


def shown_at_a_look(rng: np.random.Generator, m: int, share: float, limit: float) -> bool:
    """A share of networks do it; with seeds added up to 20 a look, from m on, shows that more than a limit do."""
    plan, does = Looks(MOST), rng.random(MOST) < share
    return any(plan.more(Share(int(does[:look].sum()), look), limit) for look in plan.numbers if look >= m)


def looks(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """Half of all networks do it; with seeds added up to 20 it is shown at some look that more than half do."""
    return shown_at_a_look(rng, m, 0.5, 0.5)


def looks_at_leftovers(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """15 % of all networks do it; with seeds added up to 20 it is shown at some look that more do."""
    return shown_at_a_look(rng, m, FEW, FEW)


def looks_find(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """Nine in ten do it; with seeds added up to 20 that is shown."""
    return shown_at_a_look(rng, m, 0.9, 0.5)


def best_of_many(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """The interval of the best of 16 methods that do nothing lies above zero."""
    differences = [
        paired_difference(tensor(pool.of_clean(rng, m)), tensor(pool.of_clean(rng, m)), (-1.0, 1.0))
        for _ in range(METHODS)
    ]
    return max(differences, key=lambda difference: difference.value).low > 0


def correlated(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """Pearson's p-value over seven patterns of which nothing is correlated."""
    return pearson(torch.from_numpy(rng.normal(size=7)), torch.from_numpy(rng.normal(size=7))).p < 0.05


State = dict[str, Numbers]  # numbers of networks before a deletion, after it, or of their oracles


def deletion(pool: Pool, rng: np.random.Generator, after: Numbers, before: Numbers | None = None) -> list[State]:
    """A deletion that costs no accuracy: before, after, and the oracles."""
    accuracy = rng.normal(0.87, 0.005, len(after))
    scores = (rng.choice(pool.learnt, len(after)) if before is None else before, after, pool.of_clean(rng, len(after)))
    return [{"spurious_score": column, "accuracy": accuracy} for column in scores]


def judged(states: Sequence[State], m: int, most: int | None = None) -> str:
    """The verdict on the first m networks."""
    before, after, oracle = ({name: tensor(column[:m]) for name, column in state.items()} for state in states)
    return verdict(before, after, oracle, most).name


def judged_at_looks(states: Sequence[State], m: int) -> set[str]:
    """The verdicts at the looks from m networks on, with up to 20."""
    return {judged(states, look, MOST) for look in Looks(MOST).numbers if look >= m}


def forgets_at_the_edge(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """`forgets`, although 15 % of all networks keep it."""
    return judged(deletion(pool, rng, pool.lottery(rng, m, FEW)), m) == "forgets"


def no_leftover_at_half(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """`forgets` or `no leftover seen`, although half of all networks keep it."""
    return judged(deletion(pool, rng, pool.lottery(rng, m, 0.5)), m) in ("forgets", "no leftover seen")


def forgets_what_it_forgets(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """`forgets`, where networks after deletion are like those that never saw the pattern."""
    return judged(deletion(pool, rng, pool.of_clean(rng, m)), m) == "forgets"


def no_leftover_where_none_is(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """`forgets` or `no leftover seen`, where they are."""
    return judged(deletion(pool, rng, pool.of_clean(rng, m)), m) in ("forgets", "no leftover seen")


def half_forget(pool: Pool, rng: np.random.Generator, m: int) -> list[State]:
    """Half of all networks are like those that never saw the pattern, and half like before."""
    before = rng.choice(pool.learnt, m)
    return deletion(pool, rng, np.where(rng.random(m) < 0.5, pool.of_clean(rng, m), before), before)


def does_not_forget_at_the_edge(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """`does not forget`, although half of all networks do."""
    return judged(half_forget(pool, rng, m), m) == "does not forget"


def forgets_at_a_look(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """With seeds added up to 20: `forgets` at some look, although 15 % of all networks keep it."""
    return "forgets" in judged_at_looks(deletion(pool, rng, pool.lottery(rng, MOST, FEW)), m)


def does_not_forget_at_a_look(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """With seeds added up to 20: `does not forget` at some look, although half of all networks do."""
    return "does not forget" in judged_at_looks(half_forget(pool, rng, MOST), m)


def half_can_be_told(pool: Pool, rng: np.random.Generator, m: int) -> list[State]:
    """No network keeps it; each second can be told from the oracles, by a random choice of three measures."""
    states = deletion(pool, rng, pool.clean.min() + np.zeros(m))
    told, by = rng.random(m) < 0.5, rng.integers(1, 8, m)  # a bit for each measure; never none
    for bit, measure in enumerate(("membership_auc", "oracle_distance", "oracle_distance_marked")):
        states[2][measure] = np.zeros(m)
        states[1][measure] = np.where(told & (by >> bit & 1 == 1), 9.0, 0.0)
    states[2]["spurious_score"] = states[1]["spurious_score"]  # which tells none of them
    return states


def partly_though_half_cannot(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """`partly`, although half of all networks cannot be told from the oracles by any measure."""
    return judged(half_can_be_told(pool, rng, m), m) == "partly"


def forgets_though_half_can(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """`forgets`, although half of all networks can be told from the oracles by one measure or more."""
    return judged(half_can_be_told(pool, rng, m), m) == "forgets"


def breaks_at_half(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """`breaks the model`, although half of all networks lose no accuracy."""
    states = deletion(pool, rng, pool.of_clean(rng, m))
    states[1]["accuracy"] = np.where(rng.random(m) < 0.5, 0.5, states[0]["accuracy"])
    return judged(states, m) == "breaks the model"


def nothing_to_forget_at_half(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """`nothing to forget`, although half of all networks had learnt it."""
    return judged(deletion(pool, rng, pool.of_clean(rng, m), pool.lottery(rng, m, 0.5)), m) == "nothing to forget"


def partly_where_none_is(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """`partly`, where networks after deletion are like those that never saw the pattern."""
    return judged(deletion(pool, rng, pool.of_clean(rng, m)), m) == "partly"


def partly_by_any_measure(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """The same where three more measures of the networks, which differ much, are as those of the oracles."""
    states = deletion(pool, rng, pool.of_clean(rng, m))
    for measure, spread in (("membership_auc", 0.3), ("oracle_distance", 5.0), ("oracle_distance_marked", 5.0)):
        for state in states[1:]:
            state[measure] = rng.normal(0.5, spread, m)
    return judged(states, m) == "partly"


def does_not_forget(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """`does not forget`, of a method that does nothing."""
    before = rng.choice(pool.learnt, m)
    return judged(deletion(pool, rng, before, before), m) == "does not forget"


def outcome(
    parts: int, m: int, higher: Callable[[], Numbers], lower: Callable[[], Numbers], plan: Looks = ONCE
) -> list[Outcome]:
    """Of the parts of a claim that one is above the other."""
    table = Seeds({}, tuple(range(m)), LeftOut(), frozenset({"network"}), plan)
    questions = [above("", table, tensor(higher()), tensor(lower())) for _ in range(parts)]
    return [part.outcome for part in settle(questions)]


def reproduced_at_half(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """A claim is called reproduced although half of all networks do the contrary."""
    return "reproduced" in outcome(1, m, lambda: (rng.random(m) < 0.5).astype(float), lambda: np.full(m, 0.5))


def not_reproduced_at_half(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """A claim is called not reproduced although half of all networks do what it says."""
    return "not reproduced" in outcome(1, m, lambda: (rng.random(m) < 0.5).astype(float), lambda: np.full(m, 0.5))


def outcomes_at_looks(rng: np.random.Generator, m: int) -> set[Outcome]:
    """Half of all networks do what a claim says; what is said of it at the looks from m on, with up to 20 networks."""
    plan, does = Looks(MOST), (rng.random(MOST) < 0.5).astype(float)
    told: set[Outcome] = set()
    for look in (look for look in plan.numbers if look >= m):
        told.update(outcome(1, look, partial(does.__getitem__, slice(look)), partial(np.full, look, 0.5), plan))
    return told


def reproduced_at_a_look(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """The same, with seeds added up to 20: at some look it is called reproduced."""
    return "reproduced" in outcomes_at_looks(rng, m)


def not_reproduced_at_a_look(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """Likewise not reproduced."""
    return "not reproduced" in outcomes_at_looks(rng, m)


def reproduced_where_it_is(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """All six parts of a claim are called reproduced, each of which .98 of the networks do."""
    share = 0.98
    outcomes = outcome(PARTS, m, lambda: pool.lottery(rng, m, share), lambda: pool.of_clean(rng, m))
    return set(outcomes) == {"reproduced"}


def alike_at_half(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """Things are called alike although half of all networks differ."""
    table = Seeds({}, tuple(range(m)), LeftOut(), frozenset({"network"}))
    changes = {"mean": tensor(np.where(rng.random(m) < 0.5, 0.3, 0.0))}
    (part,) = settle([unchanged("", table, changes, {}, EDGE)])
    return part.outcome == "reproduced"


def a_cell_contradicts(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """Things are called not alike for their mean or one of 14 cells, of each of which half of all networks differ."""
    table = Seeds({}, tuple(range(m)), LeftOut(), frozenset({"network"}))
    cells = {f"S{cell}": tensor(np.where(rng.random(m) < 0.5, 0.3, 0.0)) for cell in range(CURVES)}
    mean = tensor(np.where(rng.random(m) < 0.5, 0.3, 0.0))
    (part,) = settle([unchanged("", table, {"mean": mean}, cells, EDGE)])
    return part.outcome == "not reproduced"


@dataclass(frozen=True)
class Procedure:
    """One procedure, asked about one kind of truth.

    Args:
        name: what is measured, e.g. ``coverage: ...``.
        nominal: the stated share of trials; None: there is none, as of power.
        trial: whether it happens in one trial.
        pooled: whether it depends on the pool.
    """

    name: str
    nominal: float | None
    trial: Callable[[Pool, np.random.Generator, int], bool]
    pooled: bool = True

    @property
    def covers(self) -> bool:
        """Whether it should happen at least as often as stated; else at most."""
        return self.name.startswith("coverage")


PROCEDURES = (
    Procedure("coverage: mean, never saw the pattern", 0.95, interval_of_clean),
    Procedure("coverage: mean, learnt", 0.95, interval_of_learnt),
    Procedure("coverage: mean, learnt by three in ten", 0.95, interval_of_lottery),
    Procedure("coverage: paired difference, kept by few", 0.95, interval_of_difference),
    Procedure("coverage: accuracy, normal numbers", 0.95, interval_of_normal, pooled=False),
    Procedure("coverage: share of networks, three in ten", 0.95, interval_of_share, pooled=False),
    Procedure("coverage: share of the gap closed, alike in all", 0.95, gap_covered),
    Procedure("assumes normal pairs: share of the gap closed, by luck", None, gap_closed_by_luck),
    Procedure("coverage: share of the draw, normal effects", 0.95, draw_covered, pooled=False),
    Procedure("assumes normal effects: share of the draw, of scores", None, draw_of_scores_covered),
    Procedure("error: learnt without effect, one curve", 0.05, learnt_without_effect),
    Procedure("error: learnt without effect, any of 14 curves", 0.05, any_curve_learnt),
    Procedure("error: n* at most, learnt by half", 0.05, learnt_by_half),
    Procedure("error: n* above, learnt by half", 0.05, not_learnt_by_half),
    Procedure("error: n* at most, any of 14 learnt by half", 0.05, any_of_half, pooled=False),
    Procedure("error: n* at most, searched, learnt by half", 0.05, searched_of_half),
    Procedure("error: n* at most, searched, another half at each n", 0.05, searched_anew_at_each),
    Procedure("error: seeds added up to 20, half do it", 0.05, looks, pooled=False),
    Procedure("error: seeds added up to 20, 15 % keep it", 0.05, looks_at_leftovers, pooled=False),
    Procedure("error: best of 16 methods above zero", 0.025, best_of_many),
    Procedure("error: correlation of seven patterns", 0.05, correlated, pooled=False),
    Procedure("error: forgets, kept by 15 %", 0.05, forgets_at_the_edge),
    Procedure("error: no leftover seen, kept by half", 0.05, no_leftover_at_half),
    Procedure("error: partly, as trained again", 0.05, partly_where_none_is),
    Procedure("error: partly, as trained again, by four measures", 0.05, partly_by_any_measure),
    Procedure("error: partly, half cannot be told", 0.05, partly_though_half_cannot),
    Procedure("error: forgets, half can be told", 0.05, forgets_though_half_can),
    Procedure("error: does not forget, half do", 0.05, does_not_forget_at_the_edge),
    Procedure("error: breaks the model, half do not", 0.05, breaks_at_half),
    Procedure("error: nothing to forget, half had learnt it", 0.05, nothing_to_forget_at_half),
    Procedure("error: forgets, seeds added up to 20, kept by 15 %", 0.05, forgets_at_a_look),
    Procedure("error: does not forget, seeds added up to 20, half do", 0.05, does_not_forget_at_a_look),
    Procedure("error: claim reproduced, half do it", 0.05, reproduced_at_half, pooled=False),
    Procedure("error: claim not reproduced, half do it", 0.05, not_reproduced_at_half, pooled=False),
    Procedure("error: claim reproduced, seeds added up to 20, half do it", 0.05, reproduced_at_a_look, pooled=False),
    Procedure(
        "error: claim not reproduced, seeds added up to 20, half do it", 0.05, not_reproduced_at_a_look, pooled=False
    ),
    Procedure("error: called alike, half differ", 0.05, alike_at_half, pooled=False),
    Procedure("error: not alike for the mean or a cell, half are", 0.05, a_cell_contradicts, pooled=False),
    Procedure("power: learnt at n <= 3, by .95", None, learnt_where_it_is),
    Procedure("power: seeds added up to 20, nine in ten do it", None, looks_find, pooled=False),
    Procedure("power: forgets", None, forgets_what_it_forgets),
    Procedure("power: forgets or no leftover seen", None, no_leftover_where_none_is),
    Procedure("power: does not forget", None, does_not_forget),
    Procedure("power: claim of six parts reproduced, by .98", None, reproduced_where_it_is),
)


@dataclass(frozen=True)
class Measured:
    """What came of one procedure on one pool."""

    procedure: str
    pool: str
    networks: int
    nominal: float | None
    measured: float
    trials: int

    @property
    def error(self) -> float:
        """The standard error of the simulation."""
        return math.sqrt(self.measured * (1 - self.measured) / self.trials)


def measure(procedure: Procedure, pool: Pool, networks: int, trials: int, seed: int = 0) -> Measured:
    """The share of trials in which it happens."""
    rng = np.random.default_rng([seed, networks, crc32(f"{procedure.name} {pool.name}".encode())])
    share = sum(procedure.trial(pool, rng, networks) for _ in range(trials)) / trials
    name = pool.name if procedure.pooled else "any"
    return Measured(procedure.name, name, networks, procedure.nominal, share, trials)


def measurements(trials: int, counts: Sequence[int]) -> list[Measured]:
    """Of every procedure, on each pool that it depends on, at each number of networks."""
    return [
        measure(procedure, pool, count, trials)
        for procedure in PROCEDURES
        for pool in (pools().values() if procedure.pooled else [pools()["normal"]])
        for count in counts
    ]


def as_markdown(results: Sequence[Measured]) -> list[str]:
    """A line for each procedure, a column for each number of networks; the pools in the order of `pools`."""
    counts = list(dict.fromkeys(result.networks for result in results))
    lines = [
        f"| procedure | stated | {' | '.join(f'{count} networks' for count in counts)} |",
        f"|---|---|{'---|' * len(counts)}",
    ]
    for name in dict.fromkeys(result.procedure for result in results):
        alike = [result for result in results if result.procedure == name]
        stated = "" if alike[0].nominal is None else f"{alike[0].nominal:.3g}"
        cells = [" ".join(f"{r.measured:.3f}" for r in alike if r.networks == count) for count in counts]
        lines.append(f"| {name} | {stated} | {' | '.join(cells)} |")
    return lines


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--networks", default="5,20")
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--markdown", action="store_true", help="as docs/statistics.md has it, a line for each procedure"
    )
    arguments = parser.parse_args()
    logging.getLogger("spurlab").setLevel(logging.ERROR)
    results = measurements(arguments.trials, [int(count) for count in arguments.networks.split(",")])
    if arguments.json:
        print(json.dumps([asdict(result) for result in results], indent=2))
        return
    if arguments.markdown:
        print("\n".join(as_markdown(results)))
        return
    table = Table("procedure", "pool", "networks", "nominal", "measured", title=f"{arguments.trials:,} trials each")
    for result in results:
        nominal = "-" if result.nominal is None else f"{result.nominal:.3f}"
        measured = f"{result.measured:.3f} +- {result.error:.3f}"
        table.add_row(result.procedure, result.pool, str(result.networks), nominal, measured)
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
