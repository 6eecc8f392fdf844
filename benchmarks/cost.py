"""How does cost grow, and what does the paper's full grid cost? Measures this machine, for the tables of docs/cost.md.

Usage: python benchmarks/cost.py [--out docs/cost.md] [--json] [--only PART ...] [--gpu-tflops 20] [--tiny]

About ten minutes on an idle machine. Each table is printed when it is done, and with --out put into that file between
`<!-- table: PART -->` and `<!-- end -->`; the text around them stays, and says what the tables are. --json keeps the
numbers in a file beside it. Seconds of steps are medians of four blocks, after a warm-up, in one-thread processes.
"""

import argparse
import json
import math
import multiprocessing
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from statistics import fmean, linear_regression, median
from typing import Any, NamedTuple

import psutil
import torch
from torch import Tensor, nn

from spurlab.data import Examples, load
from spurlab.models import build, parameter_count, skeleton
from spurlab.patterns import Planted
from spurlab.seeds import rng_for
from spurlab.studies import Executor, OnRay, Room, Study, StudyError, load_study, plan, shipped, work_of
from spurlab.studies.calibration import calibration_file
from spurlab.studies.executors import workplace
from spurlab.studies.subjects import machine
from spurlab.studies.work import data_of
from spurlab.training import RECIPES, Member, Recipe, faster_engine, fit, train_each, train_group
from spurlab.training.pool import cores
from spurlab.training.sizes import multiply_adds

CLASSES, BATCH, GROUP, IMAGES = 10, 128, 10, 10_000
OPERATIONS = 6  # for each multiply-add of the forward pass: two, and the backward pass takes twice as many
MINI, FULL, BOTH = "fashion-mini", "fashion-mnist", ("float32", "bfloat16")
COLOUR = (3, 32, 32)
SHAPES: dict[str, tuple[int, ...]] = dict.fromkeys(("small-mlp", "mlp", "large-mlp", "cnn"), (1, 28, 28))
SHAPES |= dict.fromkeys(("resnet20", "resnet32", "resnet110", "vgg16"), COLOUR)
SHAPES |= {"mnist1d-cnn": (40,), "table-mlp": (104,)}
SOON_MEASURED = {"spurious_score", "accuracy", "marked_accuracy", "empirical_norm"}
# What decides claims for CIFAR-10, with the settings that `spurlab.claims.evidence` takes for the paper's.
CIFAR = ("dataset=cifar10", "architecture=resnet20", "recipe.augmentation=crop-flip")
DECAY = (*CIFAR, "recipe.weight_decay=1e-4")
RATES = 'grid=[{recipe={optimizer="adam"}}, {recipe={optimizer="sgd", learning_rate=0.1}}]'
LEVELS = (
    "grid=[{recipe={weight_decay=[0, 1e-5, 1e-4, 1e-3, 1e-2, 5e-2, 1e-1]}}, "
    "{recipe={weight_decay=1e-4, input_noise=[0.05, 0.1, 0.2, 0.5, 0.75, 1, 5]}}]"
)
CLAIMS: dict[str, tuple[str, tuple[str, ...]]] = {
    "norm-correlation": ("4", (*DECAY, "n=[0, 3, 5, 10, 20, 100, 500]")),
    "fig3-cifar10": ("5 and 7", ()),
    "fig7-optimizer": ("8", (*DECAY, RATES)),
    "fig8-clipping": ("8", DECAY),
    "regularization": ("11", (*CIFAR, LEVELS)),
}


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    members: tuple[int, ...] = (1, 2, 5, 10, 20, 50)
    images: str = MINI
    examples: tuple[str, ...] = (f"{MINI}@1000", f"{MINI}@3000", MINI, FULL)
    epochs: tuple[int, ...] = (1, 2, 4, 8)
    rounds: int = 2  # of `fit`
    timed: float = 1.0  # epochs of a group that are timed, after half as many that are not
    operations: float = 5e11  # of the timed steps of an architecture, of which there are 4 to 80
    networks: int = 40  # of the study for workers and nodes, and its epochs
    study_epochs: int = 4
    plan_minutes: float = 4.0
    tflops: float = 20.0


TINY = Sizes((1, 2, 5), f"{MINI}@1000", (f"{MINI}@1000", f"{MINI}@3000"), (1, 2), 1, 0.5, 0.0, 4, 1, 0.0)
Row = tuple[str | int | float, ...]
dataset = cache(partial(load, offline=True))


class Part(NamedTuple):
    """A table with a line below it; its columns are separated by bars."""

    header: str
    rows: Sequence[Row]
    note: str

    def text(self) -> str:
        columns = self.header.split("|")
        lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *self.rows] if self.rows else []
        return "\n".join([f"| {' | '.join(map(short, line))} |" for line in lines] + [""] * bool(lines) + [self.note])


def short(value: str | int | float) -> str:
    """Floats with three digits that count."""
    if isinstance(value, str) or not math.isfinite(value):
        return str(value).strip()
    digits = 0 if isinstance(value, int) or value == 0 else max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}"


def tell(what: str) -> None:
    print(f"[{datetime.now(UTC):%H:%M:%S}] {what}", file=sys.stderr, flush=True)


# Groups of networks in processes of their own


class Enough(Exception):  # noqa: N818 - no error
    """Ends a training that has been timed."""


class Group(NamedTuple):
    """What one process trains: on a dataset by name, or on random inputs of a shape."""

    architecture: str
    data: str | tuple[int, ...]
    members: int
    steps: int
    recipe: Recipe


def begin(barrier: Any) -> None:
    """In each process first."""
    global meet  # noqa: PLW0603 - a barrier can be handed over at the start of a process alone
    meet = barrier
    torch.set_num_threads(1)


def in_lockstep(architecture: str, shape: Sequence[int]) -> bool:
    return faster_engine(skeleton(architecture, shape, CLASSES), shape, torch.device("cpu"))[0] == "lockstep"


def timed(group: Group) -> tuple[float, float]:
    """Seconds of a step of one network, and the MB held at most; processes start their timed steps together."""
    name, data, count, steps, recipe = group
    if isinstance(data, str):
        base = dataset(data).train
    else:
        inputs = torch.rand(IMAGES, *data, generator=rng_for(0, "benchmark"))
        base = Examples(inputs, torch.arange(IMAGES) % CLASSES)
    warm, ticks = max(2, steps // 2), list[float]()
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # what was held to read the data does not count

    def after_step(_: Tensor) -> None:
        if len(ticks) == warm:
            meet.wait()
        ticks.append(time.perf_counter())
        if len(ticks) > warm + steps:
            raise Enough

    with suppress(Enough):
        train = train_group if in_lockstep(name, base.shape) else train_each
        members = [Member(Planted.none(base), seed) for seed in range(count)]
        train(partial(build, name, base.shape, CLASSES), members, recipe, after_step=after_step)
    blocks = [(later - earlier) / (steps // 4) for earlier, later in pairwise(ticks[warm :: steps // 4])]
    peak = math.nan
    with suppress(OSError):  # where the system does not tell
        [kilobytes] = re.findall(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())
        peak = int(kilobytes) * 1024 / 1e6
    return median(blocks) / count, peak


def in_processes(groups: Sequence[Group], processes: int = 1) -> list[tuple[float, float]]:
    """Of several processes that train such a group each at the same time: mean seconds of a step, largest peak."""
    context, found = multiprocessing.get_context("spawn"), []
    with ProcessPoolExecutor(processes, context, begin, (context.Barrier(processes),)) as pool:
        for group in groups:
            tell(f"{group.members} x {group.architecture}, {group.recipe.precision}, {group.steps} steps")
            seconds, peaks = zip(*pool.map(timed, [group] * processes), strict=True)
            found.append((fmean(seconds), max(peaks)))
    return found


def epoch_of(data: str, members: int, precision: Any, sizes: Sizes) -> tuple[float, float]:
    """Seconds of an epoch of one MLP of so many in lockstep, and the peak."""
    steps = -(-len(dataset(data).train) // BATCH)
    recipe = RECIPES["paper"].but(precision=precision)
    [(seconds, peak)] = in_processes([Group("mlp", data, members, max(4, int(steps * sizes.timed)), recipe)])
    return seconds * steps, peak


# The parts


def members(sizes: Sizes) -> Part:
    rows, first = list[Row](), list[float]()
    for count in sizes.members:
        (exact, peak), (rough, other) = (epoch_of(sizes.images, count, each, sizes) for each in BOTH)
        first = first or [exact, rough]
        rows.append((count, exact, exact / first[0], peak, rough, rough / first[1], other))
    growth = (float(rows[-1][3]) - float(rows[-2][3])) / (sizes.members[-1] - sizes.members[-2])
    note = f"{len(dataset(sizes.images).train):,} images. The last rows differ by {growth:.0f} MB a member (float32)."
    return Part("members|s, float32|ratio|peak MB|s, bfloat16|ratio |peak MB ", rows, note)


def examples(sizes: Sizes) -> Part:
    rows, note = list[Row](), f"{GROUP} members, float32."
    for name in sizes.examples:
        try:
            count = len(dataset(name).train)
        except ValueError:
            note += f" {name} is not on this machine (SPURLAB_DATA)."
            continue
        seconds, peak = epoch_of(name, GROUP, "float32", sizes)
        rows.append((count, seconds, seconds / float(rows[0][1]) if rows else 1.0, seconds / count * 10_000, peak))
    return Part("examples|s|ratio|s for 10,000|peak MB", rows, note)


def epochs(sizes: Sizes) -> Part:
    base, seconds = dataset(sizes.images).train, dict[int, float]()
    for count in sizes.epochs:
        recipe, took = RECIPES["quick"].but(epochs=count, milestones=()), list[float]()
        for _ in range(sizes.rounds):
            tell(f"fit, {count} epochs")
            start, networks = time.perf_counter(), [Member(Planted.none(base), seed) for seed in range(GROUP)]
            fit("mlp", networks, recipe, classes=CLASSES, workers=1, progress=lambda _: None)
            took.append(time.perf_counter() - start)
        seconds[count] = median(took)
    slope, start_up = linear_regression(list(seconds), list(seconds.values()))
    rows = [(n, whole, whole / seconds[sizes.epochs[0]], whole - start_up) for n, whole in seconds.items()]
    note = f"{GROUP} networks, {len(base):,} images. {start_up:.1f} s to start and {slope:.2f} s an epoch, by a line."
    return Part("epochs|s|ratio|s less the start", rows, note)


@cache
def adds_of(architecture: str, shape: tuple[int, ...]) -> int:
    return multiply_adds(skeleton(architecture, shape, CLASSES), shape, (nn.Linear, nn.Conv1d, nn.Conv2d))


@cache
def speeds(sizes: Sizes) -> dict[str, dict[str, float]]:
    """Seconds of one example by architecture and precision, on one core while all work."""
    groups = []
    for name, shape in SHAPES.items():
        count, recipe = GROUP if in_lockstep(name, shape) else 1, RECIPES["paper"]
        blocks = sizes.operations / (OPERATIONS * adds_of(name, shape) * BATCH * count) / 4
        if shape == COLOUR:
            recipe = recipe.but(augmentation="crop-flip", optimizer="sgd" if name == "vgg16" else "adam")
        steps = 4 * min(20, max(1, round(blocks)))
        groups += [Group(name, shape, count, steps, recipe.but(precision=precision)) for precision in BOTH]
    took = iter(in_processes(groups, cores()))
    return {name: {precision: next(took)[0] / BATCH for precision in BOTH} for name in SHAPES}


def architectures(sizes: Sizes) -> Part:
    rows = list[Row]()
    for name, shape in SHAPES.items():
        adds, (exact, rough) = adds_of(name, shape), (IMAGES * each for each in speeds(sizes)[name].values())
        ratio, operations = exact / float(rows[0][4]) if rows else 1.0, OPERATIONS * adds * IMAGES / 1e9
        row = name, " x ".join(map(str, shape)), parameter_count(skeleton(name, shape, CLASSES)), adds, exact
        rows.append((*row, ratio, operations / exact, rough, operations / rough))
    header = "architecture|input|parameters|multiply-adds|s, float32|ratio|GFLOP/s|s, bfloat16|GFLOP/s "
    return Part(header, rows, f"On each of {cores()} cores at the same time.")


def compared(what: str, places: Iterator[tuple[int, str | Executor]], sizes: Sizes) -> Part:
    """A small study in several places."""
    asked = ["n=0", "pattern=R3", "measure=accuracy", f"seed={list(range(sizes.networks))}"]
    changes = [f"dataset={sizes.images}", f"recipe.epochs={sizes.study_epochs}", *asked]
    study, rows = load_study("quickstart", changes=changes), list[Row]()
    work = work_of(study, data_of(study, dataset))
    for count, executor in places:
        tell(f"a study: {count} {what}")
        start = time.perf_counter()
        carry_out, place = workplace(executor, count, "cpu")
        with tempfile.TemporaryDirectory() as folder, place:
            [tasks] = work.phases(Room(cores(), 8 * 10**9), Path(folder))  # as many for one worker
            done = [outcome for _, outcome in carry_out(iter(tasks), count, dataset, lambda task, epochs: None)]
        busy = sum(outcome.make_seconds + outcome.measure_seconds for outcome in done) / count
        ratio = float(rows[0][2]) / busy if rows else 1.0
        rows.append((count, time.perf_counter() - start, busy, ratio, 100 * ratio / count))
    note = f"{sizes.networks} networks, {len(work.data[sizes.images].train):,} images, epochs: {sizes.study_epochs}."
    return Part(f"{what}|s|of these work|ratio|efficiency, %", rows, note)


def workers(sizes: Sizes) -> Part:
    return compared("worker processes", ((count, "local") for count in sorted({1, min(2, cores()), cores()})), sizes)


def nodes(sizes: Sizes) -> Part:
    try:
        from ray.cluster_utils import Cluster  # noqa: PLC0415 - of an extra
    except ImportError:
        return Part("", (), "Not measured: Ray is not installed (`pip install 'spurlab[ray]'`).")

    def clusters() -> Iterator[tuple[int, Executor]]:
        node = {"num_cpus": 1, "object_store_memory": 2 * 10**8}
        for count in (1, 2):
            cluster = Cluster(initialize_head=True, head_node_args=node | {"include_dashboard": False})
            try:
                for _ in range(count - 1):
                    cluster.add_node(**node)
                yield count, OnRay(cluster.address)
            finally:
                cluster.shutdown()

    return compared("nodes", clusters(), sizes)


# What studies cost


class Cost(NamedTuple):
    """Of one network: core-seconds, those with products in bfloat16, operations, epochs."""

    seconds: float
    rough: float
    operations: float
    epochs: int


def costs_of(study: Study, sizes: Sizes, plan_until: float) -> tuple[dict[str, Cost], str, int]:
    """Of its networks by key, where the seconds are from, and how many treatments it has.

    They are those of `plan` until that time, where a few steps of each kind are soon done and measured; else as in the
    table of architectures.
    """
    work, costs = work_of(study, data_of(study, dataset)), dict[str, Cost]()
    if unknown := {training.setting.architecture for training in work.trainings} - set(SHAPES):
        raise StudyError(f"{study.where}: {', '.join(unknown)} is not among the architectures here.")
    for training in work.trainings:
        name, recipe = training.setting.architecture, training.setting.recipe
        seen = work.examples(training) * recipe.epochs
        adds = adds_of(name, tuple(work.data[training.setting.dataset].shape))
        like = seen * adds / adds_of(name, SHAPES[name])  # examples of the shape that was timed
        exact, rough = (like * speeds(sizes)[name][each] for each in (recipe.precision, "bfloat16"))
        costs[work.keys[training]] = Cost(exact, rough, OPERATIONS * adds * seen, recipe.epochs)
    soon = set(study.measure) <= SOON_MEASURED and all(
        in_lockstep(name, SHAPES[name]) for name in study.axis("architecture")
    )
    if not costs or not soon or time.monotonic() > plan_until:
        return costs, "architectures", len(work.treatments)
    tell(f"plan of {study.name}")
    with tempfile.TemporaryDirectory() as folder:
        planned = plan(study, Path(folder), load=dataset, keep=calibration_file())
    factor = (planned.seconds or 0.0) * max(planned.workers, 1) / sum(each.seconds for each in costs.values())
    return (
        {key: each._replace(seconds=factor * each.seconds) for key, each in costs.items()},
        "plan",
        len(work.treatments),
    )


def priced(studies: Iterator[tuple[str, Study]], sizes: Sizes) -> Part:
    """A row for each study, and one for all networks, each once."""
    rows, once, missing, treatments = list[Row](), dict[str, Cost](), list[str](), 0
    plan_until, gpu = time.monotonic() + 60 * sizes.plan_minutes, sizes.tflops * 1e12 * 3600
    for label, study in studies:
        tell(f"counting {study.name}")
        try:
            costs, source, treated = costs_of(study, sizes, plan_until)
        except StudyError as error:
            missing.append(str(error).partition(" Looked in")[0])
            continue
        treatments += treated
        if costs:
            new = [each.seconds for key, each in costs.items() if key not in once]
            seconds, _, operations, lasting = map(sum, zip(*costs.values(), strict=True))
            hours = seconds / 3600, source, sum(new) / 3600, operations / gpu
            rows.append((label, len(costs), lasting, *hours))
            once = costs | once
    seconds, rough, operations, lasting = [sum(column) for column in zip(*once.values(), strict=True)] or [0.0] * 4
    hours = seconds / 3600
    rows.append(("**each network once**", len(once), lasting, hours, "", hours, operations / gpu))
    walls = (f"{short(hours / count)} hours ({short(hours / count / 24)} days) on {count}" for count in (2, 8, 64))
    note = (
        f"Each network once: {', '.join(walls)} cores; in bfloat16 {short(rough / 3600)} core-hours. {treatments:,} "
        f"deletions, preventions and attacks are left out. The GPU is assumed to keep up {sizes.tflops:g} TFLOP/s."
    ) + "".join(f"\n\nNot counted: {each}" for each in missing)
    return Part("study|networks|network-epochs|core-hours|from|not shared|GPU-hours", rows, note)


def grid(sizes: Sizes) -> Part:
    def studies() -> Iterator[tuple[str, Study]]:
        for name in shipped():
            with suppress(StudyError):  # it has no such profile
                yield name, load_study(name, "paper")

    return priced(studies(), sizes)


def claims(sizes: Sizes) -> Part:
    asked = ((f"{claim}: {name}", load_study(name, "paper", changes)) for name, (claim, changes) in CLAIMS.items())
    part = priced(asked, sizes)
    return part._replace(header=f"claim: {part.header}")


# Output


def fill(path: Path, name: str, text: str) -> None:
    """Put a table into its place in the file, or at its end where it has none."""
    whole = path.read_text() if path.exists() else "# How cost grows\n"
    place = re.compile(rf"(<!-- table: {name} -->).*?(<!-- end -->)", re.DOTALL)
    if not place.search(whole):
        whole = f"{whole.rstrip()}\n\n<!-- table: {name} --><!-- end -->\n"
    path.write_text(place.sub(lambda found: f"{found[1]}\n{text}\n{found[2]}", whole))


def main() -> None:
    measured = (members, examples, epochs, architectures, workers, nodes, grid, claims)
    parts: dict[str, Callable[[Sizes], Part]] = {each.__name__: each for each in measured}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="a Markdown file whose tables are filled in")
    parser.add_argument("--json", action="store_true", help="the numbers too, beside --out")
    parser.add_argument(
        "--only", nargs="+", choices=parts, default=parts, help="grid and claims time architectures too"
    )
    parser.add_argument(
        "--gpu-tflops", type=float, default=20.0, help="that a GPU keeps up: an assumption (default 20)"
    )
    parser.add_argument("--plan-minutes", type=float, default=4.0, help="for `plan` in the grid, at most (default 4)")
    parser.add_argument("--tiny", action="store_true", help="a smoke run of minutes: its numbers mean nothing")
    given = parser.parse_args()
    if given.json and not given.out:
        parser.error("--json writes beside --out, which is not given.")
    sizes = replace(TINY if given.tiny else Sizes(plan_minutes=given.plan_minutes), tflops=given.gpu_tflops)
    about = f"{machine()}, torch {torch.__version__}, {datetime.now(UTC):%Y-%m-%d}, load {psutil.getloadavg()[0]:.1f}"
    smoke = " A smoke run: its numbers mean nothing." if given.tiny else ""
    beside = given.out.with_suffix(".json") if given.json else None
    kept = json.loads(beside.read_text()) if beside and beside.exists() else {}
    for name in ("machine", *(name for name in parts if name in given.only)):
        line = Part("", (), f"Measured on {about} at the start.{smoke}")
        part = line if name == "machine" else parts[name](sizes)
        print(f"{part.text()}\n", flush=True)
        if given.out:
            fill(given.out, name, part.text())
        if beside:
            rows = [dict(zip(part.header.split("|"), row, strict=True)) for row in part.rows]
            kept[name] = {"rows": rows, "note": part.note}
            beside.write_text(json.dumps(kept, indent=1) + "\n")
    tell("done")


if __name__ == "__main__":
    main()
