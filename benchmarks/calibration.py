"""What the statistics are worth at few networks: how often intervals cover, tests err, and verdicts find what is there.

    python benchmarks/calibration.py [--trials 2000] [--networks 5,20] [--json]

Networks are drawn again from pools whose truth is known: the scores of networks that were trained for `docs/results`,
mixtures of these, and normal numbers. Each procedure is asked through its public function. Printed is the stated level
beside the measured share of trials, with the standard error of the simulation.
"""

import argparse
import json
import logging
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from torch import Tensor


from spurlab.stats import Estimate, gap_closed, learnt_at, paired_difference
from spurlab.studies import results_in

RESULTS = Path(__file__).parents[1] / "docs" / "results"
EDGE = 0.05  # the smallest difference between two scores that matters
MOST = 20  # networks, where seeds are added until it is decided
CURVES = 14  # of a study: seven patterns, two targets
COUNTS = (1, 3, 10, 100)  # of a curve
METHODS = 16  # of which the best is taken

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Pool:
    """Scores of networks that never saw a pattern, and of networks that learnt it.

    Args:
        clean: of the former; each is one network.
        learnt: of the latter.
    """

    name: str
    clean: Numbers
    learnt: Numbers

    def of_clean(self, rng: np.random.Generator, networks: int) -> Numbers:
        """Networks that never saw the pattern."""
        return rng.choice(self.clean, networks)

    def lottery(self, rng: np.random.Generator, networks: int, excess: float) -> Numbers:
        """Clean networks of which a few have a learnt score, so many that the mean lies `excess` above the clean."""
        share = excess / (self.learnt.mean() - self.clean.mean())
        lucky = rng.random(networks) < share
        return np.where(lucky, rng.choice(self.learnt, networks), self.of_clean(rng, networks))


@cache
def pools() -> dict[str, Pool]:
    """By name."""
    rows = {result.study.name: result.rows for result in results_in(RESULTS / "rare-spurious")}

    def scores(study: str, n: int) -> Numbers:
        table = rows[study]
        chosen = (table["measure"] == "spurious_score") & (table["n"] == n) & table["pattern"].isin(["R1", "R2", "R3"])
        return table[chosen]["value"].dropna().to_numpy(dtype=float)

    trained = [Pool(name, scores(f"fig2-{name}", 0), scores(f"fig2-{name}", 3)) for name in ("mnist", "fashion")]
    rng = np.random.default_rng(0)
    normal = Pool("normal", rng.normal(0.2, 0.05, 4000).clip(0, 1), rng.normal(0.6, 0.1, 4000).clip(0, 1))
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


def interval_of_difference(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """The interval of the difference of a lottery to its baseline covers its mean."""
    planted, baseline = pool.lottery(rng, m, EDGE), pool.of_clean(rng, m)
    estimate = paired_difference(tensor(planted), tensor(baseline), (-1.0, 1.0))
    return covers(estimate.low, estimate.high, EDGE)


def test_without_effect(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """The paired test finds a rise where there is none."""
    return paired_test(tensor(pool.of_clean(rng, m)), tensor(pool.of_clean(rng, m))) < 0.05


def equivalent_at_the_edge(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """Two means are called equivalent although they differ by the margin, in a few networks."""
    difference = paired_difference(tensor(pool.lottery(rng, m, EDGE)), tensor(pool.of_clean(rng, m)))
    return equivalent(difference, EDGE) < 0.05


def curve(pool: Pool, rng: np.random.Generator, m: int, learnt_from: float) -> tuple[dict[int, Tensor], Tensor]:
    """Scores by n, learnt from some n on, and the baseline of the same networks."""
    by_n = {n: rng.choice(pool.learnt, m) if n >= learnt_from else pool.of_clean(rng, m) for n in COUNTS}
    return {n: tensor(scores) for n, scores in by_n.items()}, tensor(pool.of_clean(rng, m))


def learnt_without_effect(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """A curve without effect is called learnt at some n."""
    return learnt_at(*curve(pool, rng, m, math.inf)).n is not None


def any_curve_learnt(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """One of 14 curves without effect is called learnt at some n."""
    return any(learnt_without_effect(pool, rng, m) for _ in range(CURVES))


def learnt_where_it_is(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """A curve that is learnt from n = 3 on is said to be learnt at n = 3 or less."""
    n = learnt_at(*curve(pool, rng, m, 3)).n
    return n is not None and n <= 3


def looks(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """Where a test is looked at after each seed from m to 20, it finds a rise where there is none at some look."""
    planted, baseline = tensor(pool.of_clean(rng, MOST)), tensor(pool.of_clean(rng, MOST))
    return any(paired_test(planted[:look], baseline[:look]) < 0.05 for look in range(m, MOST + 1))


def best_of_many(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """The interval of the best of 16 methods that do nothing lies above zero."""
    differences = [
        paired_difference(tensor(pool.of_clean(rng, m)), tensor(pool.of_clean(rng, m))) for _ in range(METHODS)
    ]
    return max(differences, key=lambda difference: difference.value).low > 0


def gap_covered(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """The interval of the share of the gap that was closed covers the truth, a half of each network's gap."""
    before, oracle = rng.choice(pool.learnt, m), pool.of_clean(rng, m)
    after = (before + oracle) / 2 + rng.normal(0, 0.02, m)
    ratio = gap_closed(tensor(before), tensor(after), tensor(oracle))
    return covers(ratio.low, ratio.high, 0.5)


def deletion(pool: Pool, rng: np.random.Generator, after: Numbers, before: Numbers | None = None) -> str:
    """The verdict on a deletion that costs no accuracy."""
    m = len(after)
    accuracy = tensor(rng.normal(0.87, 0.005, m))
    columns = (rng.choice(pool.learnt, m) if before is None else before, after, pool.of_clean(rng, m))
    return verdict(*({"spurious_score": tensor(scores), "accuracy": accuracy} for scores in columns)).name


def forgets_at_the_edge(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """`forgets`, although a few networks keep so much that the mean excess is the margin."""
    return deletion(pool, rng, pool.lottery(rng, m, EDGE)) == "forgets"


def forgets_what_it_forgets(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """`forgets`, where networks after deletion are like those that never saw the pattern."""
    return deletion(pool, rng, pool.of_clean(rng, m)) == "forgets"


def does_not_forget_at_the_edge(pool: Pool, rng: np.random.Generator, m: int) -> bool:
    """`does not forget`, although the mean has fallen by the margin, in a few networks."""
    before = rng.choice(pool.learnt, m)
    fallen = rng.random(m) < EDGE / (pool.learnt.mean() - pool.clean.mean())
    after = np.where(fallen, pool.of_clean(rng, m), before)
    return deletion(pool, rng, after, before) == "does not forget"


@dataclass(frozen=True)
class Procedure:
    """One procedure, asked about one kind of truth.

    Args:
        name: what is measured, e.g. ``coverage: ...``.
        nominal: the stated share of trials; None: there is none, as of power.
        trial: whether it happens in one trial.
    """

    name: str
    nominal: float | None
    trial: Callable[[Pool, np.random.Generator, int], bool]


PROCEDURES = (
    Procedure("coverage: mean, never saw the pattern", 0.95, interval_of_clean),
    Procedure("coverage: mean, learnt", 0.95, interval_of_learnt),
    Procedure("coverage: paired difference, kept by few", 0.95, interval_of_difference),
    Procedure("coverage: share of the gap closed", 0.95, gap_covered),
    Procedure("error: paired test, no effect", 0.05, test_without_effect),
    Procedure("error: equivalent at the margin, kept by few", 0.05, equivalent_at_the_edge),
    Procedure("error: learnt without effect, one curve", 0.05, learnt_without_effect),
    Procedure("error: learnt without effect, any of 14 curves", 0.05, any_curve_learnt),
    Procedure("error: looking after each seed up to 20", 0.05, looks),
    Procedure("error: best of 16 methods above zero", 0.025, best_of_many),
    Procedure("error: forgets at the margin, kept by few", 0.05, forgets_at_the_edge),
    Procedure("error: does not forget at the margin", 0.05, does_not_forget_at_the_edge),
    Procedure("power: learnt at n <= 3", None, learnt_where_it_is),
    Procedure("power: forgets", None, forgets_what_it_forgets),
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
    rng = np.random.default_rng([seed, networks])
    share = sum(procedure.trial(pool, rng, networks) for _ in range(trials)) / trials
    return Measured(procedure.name, pool.name, networks, procedure.nominal, share, trials)


def main() -> None:
    """Print the table."""
    logging.getLogger("spurlab").setLevel(logging.ERROR)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--networks", default="5,20")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    counts = [int(count) for count in arguments.networks.split(",")]
    results = [
        measure(procedure, pool, count, arguments.trials)
        for procedure in PROCEDURES
        for pool in pools().values()
        for count in counts
    ]
    if arguments.json:
        print(json.dumps([asdict(result) for result in results], indent=2))
        return
    table = Table("procedure", "pool", "networks", "nominal", "measured", title=f"{arguments.trials:,} trials each")
    for result in results:
        nominal = "-" if result.nominal is None else f"{result.nominal:.3f}"
        measured = f"{result.measured:.3f} +- {result.error:.3f}"
        table.add_row(result.procedure, result.pool, str(result.networks), nominal, measured)
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
