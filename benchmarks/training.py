"""How fast is training in lockstep, against the usual ways and against the machine's own limit?

Usage: python benchmarks/training.py [--quick] [--steps N] [--json] [--accuracy | --profile]

The paper's MLP (784-256-256-256-10) on 60,000 inputs of Fashion-MNIST's shape, batch 128, Adam with rate 0.01.
One table: seconds for one epoch (469 steps) of one model. Each round times

- a DataLoader with 4 workers, and one in process, over a dataset that yields single examples, plain Adam, `.item()` of
  the loss at each batch: a whole epoch, with the start of its workers;
- `train_each` with one member, the slow twin: a whole epoch;
- `train_group` with 10 members, in one process with all threads and in one-thread processes, which share the time; in
  turns with these steps, the matrix products of one step alone: the limit.

After the rounds, `train_group` once with other numbers of members. Lockstep runs in fresh processes that map the base
data, as the workers of `fit` do. Their start and a warm-up are not timed; then all start each block of steps together,
and the slowest counts. Steps are scaled to an epoch; drawing the members' orders of all 60,000 examples, timed apart,
is added. All is of a first epoch, in which no number has decayed to a denormal yet: these would slow down the usual
ways alone, since the engines flush them.
"""

import argparse
import json
import multiprocessing
import os
import platform
import sys
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import count, islice, pairwise
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from spurlab.data import DataNotFoundError, Examples, load
from spurlab.metrics import accuracy
from spurlab.models import build
from spurlab.patterns import Planted
from spurlab.seeds import rng_for
from spurlab.stats import Estimate, paired_difference
from spurlab.training import RECIPES, Batches, Member, fit, train_each, train_group
from spurlab.training.engines import PRECISIONS
from spurlab.training.recipe import Precision
from spurlab.training.workers import Job

EXAMPLES, SHAPE, CLASSES, BATCH = 60_000, (1, 28, 28), 10, 128
WIDTHS = (784, 256, 256, 256, 10)
STEPS = -(-EXAMPLES // BATCH)  # of an epoch
RECIPE = RECIPES["paper"]
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
LAYOUTS = ((1, CORES), (CORES, 1))  # processes, threads of each; the last is how `fit` works
BOTH: tuple[Precision, ...] = ("float32", "bfloat16")
GROUP = 10  # the group size that the goals are about: fit's default
WARM_UP = 10  # steps of a group that are not timed


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Args:
        rounds: how often the ways with a goal are measured.
        blocks: of steps, in each training.
        steps: in a block of a group of 10; other groups take about as many steps of one model.
        epoch_steps: of the ways that train one model.
        others: further numbers of members.
    """

    rounds: int = 3
    blocks: int = 3
    steps: int = 40
    epoch_steps: int = STEPS
    others: tuple[int, ...] = (1, 5, 20, 50)

    def steps_of(self, members: int) -> int:
        """In a block; the whole training stays within an epoch."""
        return max(2, min(self.steps * GROUP // members, (STEPS - WARM_UP) // self.blocks))


QUICK = Plan(rounds=1, blocks=2, steps=5, epoch_steps=40, others=(50,))


@dataclass(frozen=True)
class Way:
    """A row of the table."""

    name: str
    members: int = 1
    processes: int = 1
    threads: int = CORES
    precision: Precision = "float32"


LOADER_4, LOADER_0, TWIN = Way("DataLoader, 4 workers"), Way("DataLoader, in process"), Way("train_each (slow twin)")
LOCKSTEP, LIMIT = "train_group (lockstep)", "limit: the products alone"


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
        """One for each round: what was measured together is compared, since the speed of a virtual machine drifts."""
        return [median(a) / median(b) for a, b in zip(self.seconds[above], self.seconds[below], strict=True)]


# Training one model


class Pairs(Dataset[tuple[Tensor, Tensor]]):
    """Examples one by one, as a DataLoader usually gets them."""

    def __init__(self, examples: Examples) -> None:
        self.examples = examples

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:
        return self.examples.inputs[i], self.examples.labels[i]


def time_loader(base: Examples, workers: int, steps: int) -> float:
    """Seconds of an epoch in the usual way, from the start of the workers to their end."""
    model = build("mlp", base.shape, CLASSES, seed=0)
    optimizer = torch.optim.Adam(model.parameters(), lr=RECIPE.learning_rate)
    loader = DataLoader(Pairs(base), BATCH, shuffle=True, num_workers=workers)
    total, start = 0.0, time.perf_counter()
    for inputs, labels in islice(loader, steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(inputs), labels)
        loss.backward()
        optimizer.step()
        total += loss.item()
    return (time.perf_counter() - start) * STEPS / steps


class Enough(Exception):  # noqa: N818 - no error
    """Ends a training that has been timed."""


def time_twin(base: Examples, steps: int) -> float:
    """Seconds of an epoch with the plain engine, from the end of its first step."""
    ticks: list[float] = []

    def after_step(_: Tensor) -> None:
        ticks.append(time.perf_counter())
        if len(ticks) == steps:
            raise Enough

    with suppress(Enough):
        train_each(make_of(base), [Member(Planted.none(base), 0)], RECIPE, after_step=after_step)
    return (ticks[-1] - ticks[0]) * STEPS / (steps - 1)


def make_of(base: Examples) -> Callable[[int], torch.nn.Module]:
    """The network by seed."""
    return partial(build, "mlp", base.shape, CLASSES)


# Training in lockstep


@dataclass
class Seen:
    """What one process of a group measured."""

    steps: list[float] = field(default_factory=list)  # seconds of one step, for each block
    products: list[float] = field(default_factory=list)
    orders: float = 0.0  # seconds until an epoch's first batch
    peak: float = 0.0
    own: float = 0.0
    idle: float = 0.0  # own before the training


class Watch:
    """Stands beside a training, called after each step: times blocks of steps and, in turns, the products alone."""

    def __init__(self, members: list[Member], precision: Precision, plan: Plan, meet: Callable[[], None]) -> None:
        self.members, self.precision, self.plan, self.meet = members, precision, plan, meet
        self.steps, self.seen, self._step = plan.steps_of(len(members)), Seen(), -WARM_UP
        self._start = 0.0

    def __call__(self, _: Tensor) -> None:
        self._step += 1
        if self._step < 0 or self._step % self.steps:
            return
        now = time.perf_counter()
        if self._step == 0:
            self._before()
        else:
            self.seen.steps.append((now - self._start) / self.steps)
        if len(self.seen.steps) == self.plan.blocks:
            raise Enough
        if len(self.members) == GROUP:
            self.seen.products.append(self._time(self._products))
        self.meet()
        self._start = time.perf_counter()

    def _before(self) -> None:
        batches = Batches(self.members, BATCH)
        next(batches.epoch(1))  # first touch of its memory
        self.meet()
        start = time.perf_counter()
        next(batches.epoch(2))
        self.seen.orders = time.perf_counter() - start
        self.seen.peak, self.seen.own = memory()
        if len(self.members) == GROUP:  # after memory was read: the products have their own
            self._products = products_of_a_step(GROUP, PRECISIONS[self.precision])
            self._products()

    def _time(self, run: Callable[[], None]) -> float:
        self.meet()
        start = time.perf_counter()
        for _ in range(self.steps):
            run()
        return (time.perf_counter() - start) / self.steps


def products_of_a_step(members: int, dtype: torch.dtype) -> Callable[[], None]:
    """A function that runs the matrix products of one step, laid out as the engine does, into memory that is there."""
    normal = partial(torch.randn, dtype=dtype, generator=rng_for(0, "benchmark"))
    products = []
    for k, (before, after) in enumerate(pairwise(WIDTHS)):
        x, weight, gradient = (normal(members, *shape) for shape in ((BATCH, before), (after, before), (BATCH, after)))
        products.append((x, weight.transpose(1, 2), torch.empty_like(gradient)))
        products.append((gradient.transpose(1, 2), x, torch.empty_like(weight)))
        if k > 0:
            products.append((gradient, weight, torch.empty_like(x)))

    def run() -> None:
        for left, right, out in products:
            torch.bmm(left, right, out=out)

    return run


def memory() -> tuple[float, float]:
    """MB held here: at most ever (NaN where the system does not tell), and now shared with nobody."""
    own = psutil.Process().memory_full_info().uss / 1e6
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6, own
    return float("nan"), own


def group_process(pipe: Connection, number: int, folder: Path, way: Way, plan: Plan) -> None:
    """One process: trains a group of its own and tells what it saw."""
    torch.set_num_threads(way.threads)
    base = Job.read(folder).base
    members = [Member(Planted.none(base), number * way.members + i) for i in range(way.members)]

    def meet() -> None:
        pipe.send(None)
        pipe.recv()

    watch = Watch(members, way.precision, plan, meet)
    watch.seen.idle = memory()[1]
    with suppress(Enough):
        train_group(make_of(base), members, RECIPE.but(precision=way.precision), after_step=watch)
    pipe.send(watch.seen)


def together(processes: int, function: Callable[..., None], *arguments: Any) -> list[Seen]:
    """Run `function` in fresh processes. One that sends None waits until all have; what else it sends is the result."""
    context = multiprocessing.get_context("spawn")
    pipes = [context.Pipe() for _ in range(processes)]
    started = [context.Process(target=function, args=(pipe, i, *arguments)) for i, (_, pipe) in enumerate(pipes)]
    try:
        for process, (_, theirs) in zip(started, pipes, strict=True):
            process.start()
            theirs.close()  # so that the end of the process is the end of the pipe
        while None in (said := [ours.recv() for ours, _ in pipes]):
            for ours, _ in pipes:
                ours.send(None)
        return said
    except (EOFError, ConnectionError) as error:
        raise SystemExit("a process of the benchmark ended early; its own message stands above.") from error
    finally:
        for process in started:
            if process.pid is not None:
                process.kill()
                process.join()


def time_group(folder: Path, way: Way, plan: Plan, results: Results) -> None:
    """Add one round of lockstep, and of its limit, to the results."""
    all_seen = together(way.processes, group_process, folder, way, plan)
    model_epochs = way.processes * way.members
    orders = max(seen.orders for seen in all_seen)
    steps = [max(each) for each in zip(*(seen.steps for seen in all_seen), strict=True)]
    results.seconds[way].append([(orders + STEPS * step) / model_epochs for step in steps])
    if all_seen[0].products:
        products = [max(each) for each in zip(*(seen.products for seen in all_seen), strict=True)]
        limit = Way(LIMIT, way.members, way.processes, way.threads, way.precision)
        results.seconds[limit].append([STEPS * step / model_epochs for step in products])
    results.peak[way] = max(results.peak.get(way, 0.0), *(seen.peak for seen in all_seen))
    results.own[way] = max(results.own.get(way, 0.0), *(seen.own for seen in all_seen))
    results.idle = max(results.idle, *(seen.idle for seen in all_seen))


# The whole run


def measure(folder: Path, plan: Plan) -> Results:
    """All rounds, then the other numbers of members."""
    results, base, start = Results(), Job.read(folder).base, time.perf_counter()

    def tell(what: str) -> None:
        print(f"[{time.perf_counter() - start:4.0f} s] {what}", file=sys.stderr)

    def groups(members: int) -> None:
        for precision in BOTH:
            for processes, threads in dict.fromkeys(LAYOUTS):  # on one core the two layouts are one
                tell(f"{members} members in lockstep, {precision}, processes x threads {processes} x {threads}")
                time_group(folder, Way(LOCKSTEP, members, processes, threads, precision), plan, results)

    for turn in range(plan.rounds):
        tell(f"round {turn + 1} of {plan.rounds}: one model at a time")
        results.seconds[LOADER_4].append([time_loader(base, 4, plan.epoch_steps)])
        results.seconds[LOADER_0].append([time_loader(base, 0, plan.epoch_steps)])
        results.seconds[TWIN].append([time_twin(base, plan.epoch_steps)])
        groups(GROUP)
    for members in plan.others:
        groups(members)
    tell("done")
    return results


def fashion_mnist() -> tuple[Examples, str]:
    """Inputs of the shape that the benchmark is about, and what they are."""
    try:
        return load("fashion-mnist", offline=True).train, "Fashion-MNIST"
    except DataNotFoundError:
        rng = rng_for(0, "benchmark")
        inputs, labels = torch.rand(EXAMPLES, *SHAPE, generator=rng), torch.randint(CLASSES, (EXAMPLES,), generator=rng)
        return Examples(inputs, labels), "random inputs of the shape of Fashion-MNIST, which is not on this machine"


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    model = platform.processor() or platform.machine()
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model)
    return {
        "cpu": model,
        "cores": CORES,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "load": round(psutil.getloadavg()[0], 2),
    }


@dataclass(frozen=True)
class Goal:
    """A number beside the one we want."""

    name: str
    value: float
    low: float
    high: float
    goal: float
    at_most: bool = False

    @property
    def met(self) -> bool:
        return self.value <= self.goal if self.at_most else self.value >= self.goal


def goals(results: Results, plan: Plan) -> list[Goal]:
    """The ratios, of lockstep as `fit` runs it: one-thread processes, groups of 10; and the memory of 50 members."""
    processes, threads = LAYOUTS[-1]
    lockstep = Way(LOCKSTEP, GROUP, processes, threads)
    found = []
    for name, above, below, goal in (
        (f"{LOADER_4.name} / lockstep", LOADER_4, lockstep, 5.0),
        (f"{LOADER_0.name} / lockstep", LOADER_0, lockstep, 2.6),
        ("limit / lockstep, float32", Way(LIMIT, GROUP, processes, threads), lockstep, 0.75),
        ("lockstep, float32 / bfloat16", lockstep, Way(LOCKSTEP, GROUP, processes, threads, "bfloat16"), 1.4),
    ):
        ratios = results.ratios(above, below)
        found.append(Goal(name, median(ratios), min(ratios), max(ratios), goal))
    if 50 in plan.others:
        gigabytes = [peak / 1000 for way, peak in results.peak.items() if way.members == 50]
        low, high = min(gigabytes), max(gigabytes)
        found.append(Goal("peak of a process with 50 members, GB", high, low, high, 1.5, at_most=True))
    return found


# Output


def show(console: Console, results: Results, found: list[Goal], data: str, plan: Plan) -> None:
    """The table, and the numbers with a goal."""
    table = Table(
        title=f"Seconds for one epoch ({STEPS} steps) of one model, on {data}", caption=caption(plan, results)
    )
    for column in ("way", "precision"):
        table.add_column(column, no_wrap=True)
    numbers = ("members", "processes\nx threads", "seconds", "min - max", "samples\nx steps", "peak\nMB", "own\nMB")
    for column in numbers:
        table.add_column(column, justify="right", no_wrap=True)
    for way in in_order(results):
        samples, single = results.samples(way), way in (LOADER_4, LOADER_0, TWIN)
        steps = plan.epoch_steps if single else plan.steps_of(way.members)
        table.add_row(
            way.name,
            way.precision,
            str(way.members),
            f"{way.processes} x {way.threads}",
            f"{median(samples):.3f}",
            f"{min(samples):.3f} - {max(samples):.3f}",
            f"{len(samples)} x {steps}",
            *(f"{column[way]:.0f}" if way in column else "" for column in (results.peak, results.own)),
        )
    console.print(table)
    ratios = Table(title=f"Goals: {GROUP} members in each of {CORES} one-thread processes, median of the rounds")
    ratios.add_column("what", no_wrap=True)
    for column in ("measured", "min - max", "goal", "met"):
        ratios.add_column(column, justify="right", no_wrap=True)
    for each in found:
        sign, met = ("<=" if each.at_most else ">="), "yes" if each.met else "no"
        spread = f"{each.low:.2f} - {each.high:.2f}"
        ratios.add_row(each.name, f"{each.value:.2f}", spread, f"{sign} {each.goal:g}", met)
    console.print(ratios)


def caption(plan: Plan, results: Results) -> str:
    """What one must know to read the table."""
    text = (
        "Medians over samples. With several processes each trains its own group: seconds = wall time / (processes * "
        "members). Start-up is left out, but for the DataLoader's workers. Peak and own memory are of one process, the "
        "largest, and an upper bound (a spare batch and order are in it). Peak holds all that is mapped. Own is what "
        f"no other process shares, so without the data; {results.idle:.0f} MB of it are there before the training."
    )
    return text if plan.epoch_steps == STEPS else f"A smoke run: these numbers say nothing about speed. {text}"


def in_order(results: Results) -> list[Way]:
    """One model at a time first, then limit and lockstep by precision, layout and members."""
    single = [LOADER_4, LOADER_0, TWIN]
    groups = [way for way in results.seconds if way not in single]
    return single + sorted(groups, key=lambda way: (BOTH.index(way.precision), way.processes, way.name, way.members))


def as_json(results: Results, found: list[Goal]) -> dict[str, Any]:
    """The same, for programs."""
    timings = [
        asdict(way)
        | {"seconds": median(results.samples(way)), "rounds": results.seconds[way]}
        | {"peak_mb": results.peak.get(way), "own_mb": results.own.get(way)}
        for way in in_order(results)
    ]
    return {"idle_mb": results.idle, "timings": timings, "goals": [asdict(each) | {"met": each.met} for each in found]}


def compare_accuracy(quick: bool) -> dict[str, Estimate]:
    """Test accuracy after the quick recipe in both precisions, same seeds, and the paired difference."""
    try:
        data = load("fashion-mnist", offline=True)
    except DataNotFoundError as error:
        raise SystemExit(f"--accuracy needs the real Fashion-MNIST: {error}") from error
    members = [Member(Planted.none(data.train), seed) for seed in range(2 if quick else 5)]
    recipe = RECIPES["quick"].but(epochs=1, milestones=()) if quick else RECIPES["quick"]
    shares = {}
    for precision in BOTH:
        print(f"training {len(members)} members, {recipe.epochs} epochs, {precision}", file=sys.stderr)
        ensemble = fit("mlp", members, recipe.but(precision=precision), classes=CLASSES)
        shares[precision] = accuracy(ensemble.predict(data.test.inputs), data.test.labels)
    estimates = {precision: Estimate.across_models(share, (0.0, 1.0)) for precision, share in shares.items()}
    return estimates | {"difference": paired_difference(shares["bfloat16"], shares["float32"], (-1.0, 1.0))}


def show_accuracy(console: Console, estimates: dict[str, Estimate]) -> None:
    """Accuracy by precision, the difference, and how large one would have had to be."""
    for name, estimate in estimates.items():
        console.print(f"test accuracy, {name:10} {estimate:.4f}", highlight=False)
    difference = estimates["difference"]
    verdict = "covers 0: within noise" if difference.low <= 0 <= difference.high else "does not cover 0"
    half = (difference.high - difference.low) / 2
    console.print(
        f"The difference bfloat16 - float32, paired over {difference.models} seeds: the 95 % interval {verdict}; one "
        f"beyond {half:.4f} would have been seen.",
        highlight=False,
    )


def profile(base: Examples, precision: Precision, steps: int) -> str:
    """Where the time of a group goes, in one thread as in a worker: own CPU time by operator."""
    torch.set_num_threads(1)
    members, done = [Member(Planted.none(base), seed) for seed in range(GROUP)], count(1)
    profiler = torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU])

    def after_step(_: Tensor) -> None:
        step = next(done)
        if step == WARM_UP:
            profiler.start()
        if step == WARM_UP + steps:
            profiler.stop()
            raise Enough

    with suppress(Enough):
        train_group(make_of(base), members, RECIPE.but(precision=precision), after_step=after_step)
    table = profiler.key_averages().table(sort_by="self_cpu_time_total", row_limit=15, max_name_column_width=40)
    return f"{GROUP} members in lockstep, {precision}, one thread, {steps} steps\n{table}"


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a smoke run of under a minute; its numbers mean nothing")
    parser.add_argument("--steps", type=int, metavar="N", help="steps in a block of a group of 10 (default 40)")
    parser.add_argument("--json", action="store_true", help="machine-readable, and nothing else on standard output")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--accuracy", action="store_true", help="instead: accuracy of bfloat16 and float32; minutes")
    instead.add_argument("--profile", action="store_true", help="instead: time of a lockstep group by operator")
    args = parser.parse_args()
    plan = QUICK if args.quick else Plan()
    if args.json and args.profile:
        parser.error("--profile prints PyTorch's own table, which has no JSON form.")
    if args.steps is not None:
        if args.steps < 1:
            parser.error(f"--steps must be 1 or more, but it is {args.steps}.")
        plan = Plan(**asdict(plan) | {"steps": args.steps})

    warnings.filterwarnings("ignore", "This DataLoader will create")  # more workers than cores, as in the paper's code
    about, console = machine(), Console(width=None if sys.stdout.isatty() else 130)
    if not args.json:
        line = "{cpu}, {cores} cores, torch {torch}, {threads} threads, load {load} at the start".format(**about)
        console.print(line, highlight=False)
    if args.accuracy:
        estimates = compare_accuracy(args.quick)
        if args.json:
            print(json.dumps({"machine": about, "accuracy": {name: asdict(e) for name, e in estimates.items()}}))
        else:
            show_accuracy(console, estimates)
        return
    base, data = fashion_mnist()
    if args.profile:
        for precision in BOTH:
            print(profile(base, precision, plan.steps))
        return
    with tempfile.TemporaryDirectory(prefix="spurlab-bench-") as name:
        Job("mlp", base, CLASSES, "lockstep").write(Path(name))
        del base  # from here on the processes share the file
        results = measure(Path(name), plan)
    found = goals(results, plan)
    if args.json:
        report = {"machine": about, "data": data, "plan": asdict(plan)} | as_json(results, found)
        print(json.dumps(report, indent=2))
    else:
        show(console, results, found, data, plan)


if __name__ == "__main__":
    main()
