"""How fast is data deletion, against the ways it is usually done?

Usage: python benchmarks/deletion.py [--full] [--json [FILE]]

Group influence: to forget 100 of the 60,000 inputs of Fashion-MNIST, by the paper's MLP (784-256-256-256-10).

- `GroupInfluence` as it is by default: the whole call, with its search over dampings, and the peak of the memory of a
  fresh process that does nothing else (the data in it).
- The slow twin: an inverse-Hessian product for each of the 100 examples, by a recursion over single examples, as the
  public code of arXiv:2202.05189 does it: 10 repetitions of 1,000 products. Some of these products are timed, for a
  few of the 100 examples, and scaled to all; the table says so. Beside it the same with one repetition.

Both take turns, so that the drift of a virtual machine meets both. The network is trained for one epoch.

Oracles, only with `--full`: ten networks, five that learn the pattern and their five oracles, as
`spurlab.deletion.prepare` trains them: by `fit` in lockstep, in as many processes as there are cores, their start
included. Against one network after the other in the plain way of `benchmarks/training.py`, a DataLoader over single
examples with 4 workers (and with none), which is timed for an epoch and scaled.
"""

import multiprocessing
import resource
import sys
import time
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from statistics import median
from typing import Any

import torch

from lockstep import CLASSES, EXAMPLES, fashion_mnist
from reporting import Goal, Report, Row, parser_of, ratios, say, table_of
from spurlab.deletion import GroupInfluence, ReferenceInfluence
from spurlab.models import build
from spurlab.patterns import make_pattern, plant
from spurlab.training import RECIPES, Member, fit, train_one
from training import time_loader

FORGET, REPETITIONS, DEPTH = 100, 10, 1_000  # the public code's settings for 100 examples
RECIPE = RECIPES["quick"]


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Args:
        rounds: how often both are timed.
        few: examples that the slow twin is timed on.
        products: of each of them.
        epochs: of the oracles' recipe; none: they are left out.
    """

    rounds: int = 2
    few: int = 3
    products: int = 50
    epochs: int = 0


FULL = Plan(rounds=3, few=5, products=100, epochs=10)

# Group influence


def influence(plan: Plan, pipe: Connection) -> None:
    """Runs in a process of its own, so that the peak of its memory is that of deletion and its data."""
    base, about = fashion_mnist()
    planted = plant(base, make_pattern("R3", base.shape), target=0, count=FORGET, seed=0)
    model = build("mlp", base.shape, CLASSES, seed=0)
    model = train_one(model, Member(planted, 0), RECIPE.but(epochs=1, milestones=()))[0].eval()
    data = planted.materialize()
    forget = torch.zeros(len(data), dtype=torch.bool)
    forget[planted.positions] = True
    few = torch.zeros_like(forget)
    few[planted.positions[: plan.few]] = True
    del base, planted

    def timed(method: Any, group: torch.Tensor) -> float:
        start = time.perf_counter()
        method(model, data, group)
        return time.perf_counter() - start

    fast, slow = [], []
    for turn in range(plan.rounds):
        say(f"round {turn + 1} of {plan.rounds}: group influence")
        fast.append(timed(GroupInfluence(RECIPE), forget))
        # seconds of one product: what a call costs beside its products (a copy of the data) goes with the short one
        short, long = (timed(ReferenceInfluence(depth=depth, draws="each"), few) for depth in (1, plan.products + 1))
        slow.append((long - short) / plan.few / plan.products)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    pipe.send({"data": about, "fast": fast, "product": slow, "peak_gb": peak / 1e9})


def measure_influence(plan: Plan) -> dict[str, Any]:
    """The seconds of both and the peak, from a fresh process."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=influence, args=(plan, there))
    process.start()
    there.close()
    try:
        found: dict[str, Any] = here.recv()
    except EOFError:
        raise SystemExit("the process that deletes died: see its message above.") from None
    process.join()
    found["each"] = [second * FORGET * DEPTH for second in found["product"]]
    found["public"] = [seconds * REPETITIONS for seconds in found["each"]]
    return found


# Oracles in lockstep


def measure_oracles(plan: Plan) -> dict[str, Any]:
    """Seconds of training five networks and their oracles, both ways."""
    base, _ = fashion_mnist()
    planted = [plant(base, make_pattern("R3", base.shape, seed), 0, FORGET, seed) for seed in range(5)]
    members = [Member(each, seed) for seed, each in enumerate(planted)]
    members += [Member(each.without(each.mask), seed) for seed, each in enumerate(planted)]
    lockstep: list[float] = []
    plain: dict[int, list[float]] = {4: [], 0: []}
    for turn in range(plan.rounds):
        say(f"round {turn + 1} of {plan.rounds}: oracles")
        start = time.perf_counter()
        fit("mlp", members, RECIPE.but(epochs=plan.epochs, milestones=()), classes=CLASSES)
        lockstep.append(time.perf_counter() - start)
        for workers, seconds in plain.items():
            seconds.append(time_loader(base, workers) * plan.epochs * len(members))
    return {"lockstep": lockstep, "workers": plain[4], "in process": plain[0]}


# Output


def goals_of(influence: dict[str, Any], oracles: dict[str, Any]) -> list[Goal]:
    """How many times faster, and the memory."""

    def faster(name: str, slow: list[float], fast: list[float], goal: float) -> Goal:
        return Goal.of(name, ratios(slow, fast), goal)

    found = [
        faster("example by example, as the public code / group influence", influence["public"], influence["fast"], 50),
        faster("example by example, one repetition / group influence", influence["each"], influence["fast"], 50),
        Goal.of("peak of the process that deletes, GB", [influence["peak_gb"]], 2.0, at_most=True),
    ]
    if oracles:
        found += [
            faster("oracles one by one, 4 workers / in lockstep", oracles["workers"], oracles["lockstep"], 4),
            faster("oracles one by one, in process / in lockstep", oracles["in process"], oracles["lockstep"], 4),
        ]
    return found


def rows_of(influence: dict[str, Any], oracles: dict[str, Any], plan: Plan) -> list[Row]:
    """The times."""
    scaled = f"scaled from {plan.products} products for each of {plan.few} examples"
    ways = [
        (f"forget {FORGET}: GroupInfluence, whole call", influence["fast"]),
        (f"... example by example, batch 1, {REPETITIONS} repetitions (public code); {scaled}", influence["public"]),
        (f"... example by example, batch 1, one repetition; {scaled}", influence["each"]),
    ]
    if oracles:
        ways += [
            (f"train 5 networks and 5 oracles, {plan.epochs} epochs, lockstep", oracles["lockstep"]),
            ("... one by one, DataLoader with 4 workers; scaled from an epoch", oracles["workers"]),
            ("... one by one, DataLoader in process; scaled from an epoch", oracles["in process"]),
        ]
    return [Row(name, median(seconds), "s", seconds) for name, seconds in ways]


def main() -> None:
    """Parse, measure, print."""
    asked = parser_of(__doc__, "more rounds, and oracles in lockstep; many minutes").parse_args()
    plan = FULL if asked.full else Plan()
    report = Report(asked.json, **asdict(plan))
    influence, oracles = measure_influence(plan), measure_oracles(plan) if plan.epochs else {}
    rows = rows_of(influence, oracles, plan)
    table = table_of(f"{EXAMPLES:,} examples, MLP, {influence['data']}", "way", "seconds", "min - max")
    for row in rows:
        table.add_row(row.name, f"{row.value:.1f}", f"{min(row.samples):.1f} - {max(row.samples):.1f}")
    report.show(table)
    if not oracles:
        report.show("Oracles in lockstep, against one by one, come with --full; the ratio is that of training.py.")
    report.end(rows, goals_of(influence, oracles), influence=influence, oracles=oracles)


if __name__ == "__main__":
    main()
