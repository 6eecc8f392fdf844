"""How fast is training in lockstep, against the usual ways and against the machine's own limit?

Usage: python benchmarks/training.py [--full] [--rounds N] [--steps N] [--json [FILE]]

The paper's MLP (784-256-256-256-10) on 60,000 inputs of Fashion-MNIST's shape, batch 128, Adam with rate 0.01.
One table: seconds for one epoch (469 steps) of one model. Each round times

- a DataLoader with 4 workers, and one in process, over a dataset that yields single examples, plain Adam, `.item()` of
  the loss at each batch: a whole epoch, with the start of its workers (scaled where it takes more than 10 s);
- `train_each` with one member, the slow twin: likewise;
- `train_group` with 10 members in each of as many one-thread processes as there are cores, which share the time; in
  turns with these steps, the matrix products of one step alone: the limit;
- `train_group` as before, in bfloat16: Adam in PyTorch's three passes over the weights, and inputs that are rounded at
  each step;
- where JAX is installed, ten members in JAX: see `jax_peer.py`.

`--full` makes three longer rounds, with one process of all threads beside the one-thread processes, and after them
`train_group` with other numbers of members. What each part of the engine is worth: `trials.py`. What bfloat16 costs in
accuracy: `precision.py`.

Lockstep runs in fresh processes that map the base data, as the workers of `fit` do. Their start and a warm-up are not
timed; then all start each block of steps together, and the slowest counts. Steps are scaled to an epoch; drawing the
members' orders of all 60,000 examples, timed apart, is added. All is of a first epoch, in which no number has decayed
to a denormal yet: these would slow down the usual ways alone, since the engines flush them.
"""

import tempfile
import time
import warnings
from collections import defaultdict
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median

import torch
from rich.table import Table
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

import jax_peer
from lockstep import (
    BATCH,
    CLASSES,
    RECIPE,
    STEPS,
    WARM_UP,
    Enough,
    Group,
    Seen,
    fashion_mnist,
    group_process,
    make_of,
    together,
)
from machine import CORES, has_amx
from reporting import Goal, Report, Row, parser_of, ratios, say, table_of
from spurlab.data import Examples
from spurlab.models import build
from spurlab.patterns import Planted
from spurlab.training import Member, one_pass, train_each
from spurlab.training.recipe import Precision
from spurlab.training.workers import Job

ALL_THREADS, EACH_CORE = (1, CORES), (CORES, 1)  # processes, threads of each; the second is how `fit` works
BOTH: tuple[Precision, ...] = ("float32", "bfloat16")
MOST_SECONDS = 10.0  # of one training of one model; only where threads wait for other work on the machine
GROUP, MANY = 10, 50  # the group sizes that goals are about; the first is fit's default


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Args:
        rounds: how often the ways with a goal are measured.
        blocks: of steps, in each training.
        steps: in a block of a group of 10; other groups take about as many steps of one model.
        layouts: of a group of 10: processes, threads of each.
        others: further numbers of members.
    """

    rounds: int = 2
    blocks: int = 2
    steps: int = 30
    layouts: tuple[tuple[int, int], ...] = (EACH_CORE,)
    others: tuple[int, ...] = ()

    def steps_of(self, members: int) -> int:
        """In a block; the whole training stays within an epoch."""
        return max(2, min(self.steps * GROUP // members, (STEPS - WARM_UP) // self.blocks))


# on one core the two layouts are one
FULL = Plan(rounds=3, blocks=3, steps=40, layouts=tuple(dict.fromkeys((ALL_THREADS, EACH_CORE))), others=(1, 5, 20, 50))


@dataclass(frozen=True)
class Way:
    """A row of the table."""

    name: str
    members: int = 1
    processes: int = 1
    threads: int = CORES
    precision: Precision = "float32"

    def __str__(self) -> str:
        """The same on machines with other numbers of cores."""
        if self.name in (LOADER_4.name, LOADER_0.name, TWIN.name):
            return self.name
        layout = "a process a core" if (self.processes, self.threads) == EACH_CORE else "one process"
        return f"{self.name}, {self.members} members, {layout}, {self.precision}"


LOADER_4, LOADER_0, TWIN = Way("DataLoader, 4 workers"), Way("DataLoader, in process"), Way("train_each (slow twin)")
LOCKSTEP = Way("train_group (lockstep)", GROUP, *EACH_CORE)
BEFORE = replace(LOCKSTEP, name="train_group as before", precision="bfloat16")
LIMIT = replace(LOCKSTEP, name="limit: the products alone")
JAX = Way("JAX (vmap, scan, jit)", GROUP, *ALL_THREADS)


@dataclass
class Results:
    """Seconds per model-epoch of each way (rounds of samples) and memory of its processes in MB."""

    seconds: dict[Way, list[list[float]]] = field(default_factory=lambda: defaultdict(list))
    peak: dict[Way, float] = field(default_factory=dict)
    own: dict[Way, float] = field(default_factory=dict)
    idle: float = 0.0  # own memory of a process before it trains: the interpreter and the libraries

    def samples(self, way: Way) -> list[float]:
        return [sample for samples in self.seconds[way] for sample in samples]

    def ratios(self, above: Way, below: Way) -> list[float]:
        """One for each round."""
        return ratios(*([median(each) for each in self.seconds[way]] for way in (above, below)))

    def keep(self, way: Way, seconds: list[float], all_seen: list[Seen]) -> None:
        """Add a round of `way`, and the memory of its processes."""
        self.seconds[way].append(seconds)
        self.peak[way] = max(self.peak.get(way, 0.0), *(seen.peak for seen in all_seen))
        self.own[way] = max(self.own.get(way, 0.0), *(seen.own for seen in all_seen))


# Training one model


class Pairs(Dataset[tuple[Tensor, Tensor]]):
    """Examples one by one, as a DataLoader usually gets them."""

    def __init__(self, examples: Examples) -> None:
        self.examples = examples

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:
        return self.examples.inputs[i], self.examples.labels[i]


def time_loader(base: Examples, workers: int, most: float = MOST_SECONDS) -> float:
    """Seconds of an epoch in the usual way, from the start of the workers to their end.

    After `most` seconds it is stopped: what followed the first step is scaled to an epoch.
    """
    model = build("mlp", base.shape, CLASSES, seed=0)
    optimizer = torch.optim.Adam(model.parameters(), lr=RECIPE.learning_rate)
    loader = DataLoader(Pairs(base), BATCH, shuffle=True, num_workers=workers)
    total, ticks, start = 0.0, list[float](), time.perf_counter()
    for inputs, labels in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(inputs), labels)
        loss.backward()
        optimizer.step()
        total += loss.item()
        ticks.append(time.perf_counter())
        if ticks[-1] - start > most:
            break
    else:
        return time.perf_counter() - start
    return ticks[0] - start + of_an_epoch(ticks)


def time_twin(base: Examples, most: float = MOST_SECONDS) -> float:
    """Seconds of an epoch with the plain engine, from the end of its first step; stopped likewise."""
    ticks: list[float] = []

    def after_step(_: Tensor) -> None:
        ticks.append(time.perf_counter())
        if len(ticks) == STEPS or ticks[-1] - ticks[0] > most:
            raise Enough

    with suppress(Enough):
        train_each(make_of(base), [Member(Planted.none(base), 0)], RECIPE, after_step=after_step)
    return of_an_epoch(ticks)


def of_an_epoch(ticks: list[float]) -> float:
    """Seconds of an epoch of steps that end at `ticks`."""
    return (ticks[-1] - ticks[0]) * STEPS / max(1, len(ticks) - 1)


# Training in lockstep


def time_group(folder: Path, way: Way, plan: Plan, results: Results) -> None:
    """Add one round of lockstep, and of its limit, to the results."""
    before = way.name == BEFORE.name
    steps, limit = plan.steps_of(way.members), way.members in (GROUP, MANY) and not before
    group = Group(way.members, way.threads, way.precision, before, limit, plan.blocks, steps)
    all_seen: list[Seen] = together(way.processes, group_process, folder, group)
    model_epochs = way.processes * way.members
    orders = max(seen.orders for seen in all_seen)
    slowest = [max(each) for each in zip(*(seen.steps for seen in all_seen), strict=True)]
    results.keep(way, [(orders + STEPS * step) / model_epochs for step in slowest], all_seen)
    results.idle = max(results.idle, *(seen.idle for seen in all_seen))
    if limit:
        products = [max(each) for each in zip(*(seen.products for seen in all_seen), strict=True)]
        results.seconds[replace(way, name=LIMIT.name)].append([STEPS * step / model_epochs for step in products])


# The whole run


def measure(folder: Path, plan: Plan) -> Results:
    """All rounds, then the other numbers of members."""
    results, base, start = Results(), Job.read(folder).base, time.perf_counter()

    def tell(what: str) -> None:
        say(f"[{time.perf_counter() - start:4.0f} s] {what}")

    def group(way: Way) -> None:
        layout = f"processes x threads {way.processes} x {way.threads}"
        tell(f"{way.name}, {way.members} members, {way.precision}, {layout}")
        time_group(folder, way, plan, results)

    for turn in range(plan.rounds):
        tell(f"round {turn + 1} of {plan.rounds}: one model at a time")
        results.seconds[LOADER_4].append([time_loader(base, 4)])
        results.seconds[LOADER_0].append([time_loader(base, 0)])
        results.seconds[TWIN].append([time_twin(base)])
        for processes, threads in plan.layouts:
            for precision in BOTH:
                group(replace(LOCKSTEP, processes=processes, threads=threads, precision=precision))
        group(BEFORE)
        if jax_peer.installed():
            tell(f"{JAX.name}, {GROUP} members, {JAX.precision}, all threads")
            seconds, seen = jax_peer.time_jax(folder, GROUP, plan.blocks, plan.steps)
            results.keep(JAX, seconds, [seen])
    for members in plan.others:
        for precision in BOTH:
            for processes, threads in plan.layouts:
                group(Way(LOCKSTEP.name, members, processes, threads, precision))
    tell("done")
    return results


def goals(results: Results, plan: Plan) -> list[Goal]:
    """The ratios, of lockstep as `fit` runs it: one-thread processes, groups of 10; and 50 members where they are."""

    def rounded(way: Way) -> Way:
        return replace(way, precision="bfloat16")

    amx, many = has_amx(), replace(LOCKSTEP, members=MANY)
    wanted = [
        (f"{LOADER_4.name} / lockstep", LOADER_4, LOCKSTEP, 5.0),
        (f"{LOADER_0.name} / lockstep", LOADER_0, LOCKSTEP, 2.6),
        ("lockstep, float32 / bfloat16", LOCKSTEP, rounded(LOCKSTEP), 1.4),
        ("lockstep, as before / now, bfloat16", BEFORE, rounded(LOCKSTEP), 1.3 if amx else 1.2),
        ("limit / lockstep, float32", LIMIT, LOCKSTEP, 0.85),
    ]
    if not amx:  # with it the products are too fast for the rest of a step
        wanted.append(("limit / lockstep, bfloat16", rounded(LIMIT), rounded(LOCKSTEP), 0.75))
    if JAX in results.seconds:
        wanted.append(("JAX / lockstep, float32", JAX, LOCKSTEP, 1.0))
    if MANY in plan.others:
        wanted.append((f"limit / lockstep, float32, {MANY} members", replace(many, name=LIMIT.name), many, 0.88))
    found = [Goal.of(name, results.ratios(above, below), goal) for name, above, below, goal in wanted]
    if MANY in plan.others:
        gigabytes = [peak / 1000 for way, peak in results.peak.items() if way.members == MANY]
        low, high = min(gigabytes), max(gigabytes)
        found.append(Goal(f"peak of a process with {MANY} members, GB", high, low, high, 1.5, at_most=True))
    return found


# Output


def table(results: Results, data: str, plan: Plan) -> Table:
    """All ways."""
    title = f"Seconds for one epoch ({STEPS} steps) of one model, on {data}"
    numbers = ("members", "processes\nx threads", "seconds", "min - max", "samples\nx steps", "peak\nMB", "own\nMB")
    table = table_of(title, "way", "precision", *numbers, words=2, caption=caption(results))
    for way in in_order(results):
        samples, single = results.samples(way), way in (LOADER_4, LOADER_0, TWIN)
        table.add_row(
            way.name,
            way.precision,
            str(way.members),
            f"{way.processes} x {way.threads}",
            f"{median(samples):.3f}",
            f"{min(samples):.3f} - {max(samples):.3f}",
            str(len(samples)) if single else f"{len(samples)} x {plan.steps_of(way.members)}",
            *(f"{column[way]:.0f}" if way in column else "" for column in (results.peak, results.own)),
        )
    return table


def caption(results: Results) -> str:
    """What one must know to read the table."""
    return (
        "Medians over samples. With several processes each trains its own group: seconds = wall time / (processes * "
        "members). Start-up is left out, but for the DataLoader's workers. Peak and own memory are of one process, the "
        "largest, and an upper bound (a spare batch and order are in it). Peak holds all that is mapped. Own is what "
        f"no other process shares, so without the data; {results.idle:.0f} MB of it are there before the training."
    )


def in_order(results: Results) -> list[Way]:
    """One model at a time first, then limit and lockstep by precision, layout and members, then the peer."""
    ends = [LOADER_4, LOADER_0, TWIN, JAX]
    groups = [way for way in results.seconds if way not in ends]
    groups.sort(key=lambda way: (BOTH.index(way.precision), way.processes, way.members, way.name))
    return [*ends[:-1], *groups, *(way for way in ends[-1:] if way in results.seconds)]


def main() -> None:
    """Parse, measure, print."""
    full = "three longer rounds, one process of all threads too, 1, 5, 20 and 50 members; ten minutes and more"
    parser = parser_of(__doc__, full)
    parser.add_argument("--rounds", type=int, metavar="N", help=f"default {Plan.rounds}")
    parser.add_argument("--steps", type=int, metavar="N", help=f"in a block of a group of 10; default {Plan.steps}")
    asked = parser.parse_args()
    for option, number in (("--rounds", asked.rounds), ("--steps", asked.steps)):
        if number is not None and number < 1:
            parser.error(f"{option} must be 1 or more, but it is {number}.")
    plan = FULL if asked.full else Plan()
    plan = replace(plan, rounds=asked.rounds or plan.rounds, steps=asked.steps or plan.steps)
    warnings.filterwarnings("ignore", "This DataLoader will create")  # more workers than cores, as in the paper's code
    torch.set_num_threads(CORES)
    report = Report(asked.json, **asdict(plan))
    base, data = fashion_mnist()
    with tempfile.TemporaryDirectory(prefix="spurlab-bench-") as name:
        Job("mlp", base, CLASSES, "lockstep").write(Path(name))
        del base  # from here on the processes share the file
        results = measure(Path(name), plan)
    report.show(table(results, data, plan))
    if not jax_peer.installed():
        report.show("JAX, a peer to beat, is not installed: its row is left out (pip install jax).")
    if not one_pass.usable():
        report.show("Adam's one pass cannot be used here (is numba installed?): lockstep is as before but for inputs.")
    report.show(f"The goals are about {GROUP} members in each of {CORES} one-thread processes, median of the rounds.")
    rows = [Row(str(way), median(results.samples(way)), "s", results.samples(way)) for way in in_order(results)]
    rows += [Row(f"peak memory: {way}", peak, "MB") for way, peak in results.peak.items()]
    own = {str(way): megabytes for way, megabytes in results.own.items()}
    report.end(rows, goals(results, plan), data=data, own_mb=own, idle_mb=results.idle)


if __name__ == "__main__":
    main()
