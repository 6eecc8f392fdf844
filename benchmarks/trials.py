"""What each part of the engine is worth: one process, one thread, all ways in turns.

Usage: python benchmarks/trials.py [--full] [--json [FILE]] [--profile]

The paper's MLP on Fashion-MNIST as in `benchmarks/training.py`, groups of 10, 20 and 50 members: milliseconds for one
step of one network

- in float32;
- in bfloat16 as the engine was: Adam in PyTorch's three passes over the weights, inputs rounded at each step;
- in bfloat16 with one of the two changed: Adam in one pass (numba), or inputs rounded once for all epochs;
- in bfloat16 as the engine is: both.

In each round each way trains a group for some steps, the first of which are not timed, and a ratio is of two ways in
one round. The order of the ways is another one in each round. ``--profile`` instead: processor time of a group of 10,
by operator of PyTorch.
"""

import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from statistics import median

import torch
from torch import Tensor

from lockstep import RECIPE, WARM_UP, Enough, engine, fashion_mnist, make_of
from reporting import Report, Row, parser_of, ratios, say, table_of
from spurlab.data import Examples
from spurlab.patterns import Planted
from spurlab.training import Member, one_pass, train_group
from spurlab.training.recipe import Precision


@dataclass(frozen=True)
class Way:
    """How a group is trained."""

    name: str
    precision: Precision = "bfloat16"
    one: bool = True
    rounded: bool = True


FLOAT32 = Way("float32", "float32")
BEFORE = Way("bfloat16, three passes, inputs rounded at each step", one=False, rounded=False)
NOW = Way("bfloat16, one pass, inputs rounded once")
WAYS = (
    FLOAT32,
    BEFORE,
    Way("bfloat16, one pass, inputs rounded at each step", rounded=False),
    Way("bfloat16, three passes, inputs rounded once", one=False),
    NOW,
)


def time_step(base: Examples, way: Way, members: int, steps: int) -> float:
    """Milliseconds of a step of one network."""
    engine(way.one, way.rounded)
    ticks: list[float] = []

    def after_step(_: Tensor) -> None:
        ticks.append(time.perf_counter())
        if len(ticks) == WARM_UP + steps:
            raise Enough

    group = [Member(Planted.none(base), seed) for seed in range(members)]
    with suppress(Enough):
        train_group(make_of(base), group, RECIPE.but(precision=way.precision), after_step=after_step)
    engine(one=True, rounded=True)
    return 1000 * (ticks[-1] - ticks[WARM_UP - 1]) / steps / members


def measure(base: Examples, members: int, rounds: int, steps: int) -> dict[Way, list[float]]:
    """Of each way, a sample for each round."""
    found: dict[Way, list[float]] = defaultdict(list)
    for turn in range(rounds):
        say(f"{members} members, round {turn + 1} of {rounds}")
        start = turn % len(WAYS)
        for way in WAYS[start:] + WAYS[:start]:
            found[way].append(time_step(base, way, members, steps))
    return found


def profile(base: Examples, precision: Precision, steps: int, members: int = 10) -> str:
    """Where the time of a group goes, as a worker trains it: own CPU time by operator."""
    group, done = [Member(Planted.none(base), seed) for seed in range(members)], count(1)
    profiler = torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU])

    def after_step(_: Tensor) -> None:
        step = next(done)
        if step == WARM_UP:
            profiler.start()
        if step == WARM_UP + steps:
            profiler.stop()
            raise Enough

    with suppress(Enough):
        train_group(make_of(base), group, RECIPE.but(precision=precision), after_step=after_step)
    table = profiler.key_averages().table(sort_by="self_cpu_time_total", row_limit=15, max_name_column_width=40)
    return f"{members} members in lockstep, {precision}, one thread, {steps} steps\n{table}"


def main() -> None:
    """Try all ways, and show them beside the engine as it was."""
    parser = parser_of(__doc__, "five rounds of more steps")
    parser.add_argument("--members", default="10,20,50", help="numbers of members of a group")
    parser.add_argument("--profile", action="store_true", help="instead: time of a group by operator")
    asked = parser.parse_args()
    if asked.profile and asked.json:
        parser.error("--profile prints PyTorch's own table, which has no JSON form.")
    rounds, model_steps = (5, 400) if asked.full else (3, 200)
    torch.set_num_threads(1)
    report = Report(asked.json, rounds=rounds, model_steps=model_steps)
    base, data = fashion_mnist()
    if asked.profile:
        for precision in ("float32", "bfloat16"):
            report.show(profile(base, precision, model_steps // 10))
        return
    if not one_pass.usable():
        report.show("Adam's one pass cannot be used here (is numba installed?): the rows that name it make three.")
    rows: list[Row] = []
    columns = ("members", "way", "ms", "min - max", "as it was / this", "float32 / this")
    table = table_of(f"Milliseconds a step of one network, one thread, {data}", *columns, words=2)
    for members in (int(number) for number in asked.members.split(",")):
        found = measure(base, members, rounds, max(4, model_steps // members))
        for way, samples in found.items():
            rows.append(Row(f"{way.name}, {members} members", median(samples), "ms", samples))
            table.add_row(
                *(str(members), way.name, f"{median(samples):.3f}", f"{min(samples):.3f} - {max(samples):.3f}"),
                *(f"{median(ratios(found[other], samples)):.2f}" for other in (BEFORE, FLOAT32)),
                end_section=way == NOW,
            )
    report.show(table)
    report.end(rows, data=data)


if __name__ == "__main__":
    main()
