"""How fast are networks with convolutions, against the plain way of training them, and at what accuracy?

Usage: python benchmarks/convolutions.py [--full] [--json [FILE]] [--accuracy | --engines]

ResNet20 on 10,000 images of CIFAR-10 (cropped and flipped), the CNN on as many of Fashion-MNIST (not). Ways, each in
fresh processes; seconds are for one epoch (79 steps of 128) of one network:

- plain: a DataLoader that gives single images, cropped and flipped one by one by torchvision through PIL, with one
  worker for each core; float32, PyTorch's default memory layout, `.item()` of the loss at each batch;
- `fit` as studies run it: one network at a time in each one-thread process, with bfloat16 products, and in float32;
- with `--full`, lockstep: four networks in one process with all threads, bfloat16.

The start of processes and the first steps are not timed. Seconds are scaled from some steps, and from some images where
networks predict; `--full` takes more of both. `--accuracy` instead: test accuracy after two epochs of plain
and of fit, over two seeds, or five.
`--engines` instead: where lockstep pays on one thread of a CPU, by the size of a network;
the rule of `fit` stands on it. Without the data, random images of their shape (not for `--accuracy`).
"""

import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from lockstep import memory
from machine import CORES
from reporting import Goal, Report, Row, parser_of, say, table_of
from spurlab.data import DataNotFoundError, Examples, load
from spurlab.metrics import accuracy
from spurlab.models import build, parameter_count, seeded
from spurlab.patterns import Planted
from spurlab.seeds import rng_for
from spurlab.stats import Estimate, paired_difference
from spurlab.training import RECIPES, Member, Recipe, fit, predictions, train_each, train_group
from spurlab.training.sizes import multiply_adds
from spurlab.training.workers import Job

IMAGES, BATCH, CLASSES = 10_000, 128, 10
EPOCH = -(-IMAGES // BATCH)  # steps
WARM_UP = 3
MOST_SECONDS = 20.0  # of one training, without `--full`; only where threads wait for other work on the machine


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Args:
        steps: of a network.
        seconds: after which a training is stopped all the same.
        images: that are predicted.
        repeats: of it.
        lockstep: whether networks with convolutions are trained in lockstep too, which `fit` does not do.
        engine_steps: of `--engines`.
        seeds: of `--accuracy`.
    """

    steps: int = 10
    seconds: float = MOST_SECONDS
    images: int = 1_000
    repeats: int = 1
    lockstep: bool = False
    engine_steps: int = 6
    seeds: int = 2


FULL = Plan(EPOCH // 2, float("inf"), IMAGES, repeats=3, lockstep=True, engine_steps=20, seeds=5)


@dataclass(frozen=True)
class Task:
    """A network and what it is trained on."""

    architecture: str
    data: str
    shape: tuple[int, int, int]
    augmentation: Literal["none", "crop-flip"]

    @property
    def recipe(self) -> Recipe:
        return RECIPES["quick"].but(epochs=2, milestones=(), augmentation=self.augmentation, learning_rate=0.001)

    def images(self) -> Examples:
        """The training images, or random ones of their shape."""
        with suppress(DataNotFoundError):
            return load(f"{self.data}@{IMAGES}", offline=True).train
        rng = rng_for(0, "benchmark")
        inputs = torch.rand(IMAGES, *self.shape, generator=rng)
        return Examples(inputs, torch.randint(CLASSES, (IMAGES,), generator=rng))

    def make(self, seed: int) -> nn.Module:
        return build(self.architecture, self.shape, CLASSES, seed)


TASKS = (
    Task("resnet20", "cifar10", (3, 32, 32), "crop-flip"),
    Task("cnn", "fashion-mnist", (1, 28, 28), "none"),
)


class Pictures(Dataset[tuple[Tensor, int]]):
    """Single images through PIL, as they usually come."""

    def __init__(self, images: Examples, augmentation: str) -> None:
        as_is = [transforms.ToPILImage(), transforms.ToTensor()]
        drawn = [transforms.RandomCrop(images.inputs.shape[-1], padding=4), transforms.RandomHorizontalFlip()]
        self.transform = transforms.Compose([as_is[0], *(drawn if augmentation == "crop-flip" else []), as_is[1]])
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        return self.transform(self.images.inputs[i]), int(self.images.labels[i])


def plainly(
    task: Task, images: Examples, seed: int, epochs: int, ticks: list[float], plan: Plan | None = None
) -> nn.Module:
    """Train in the plain way, whole epochs or as far as planned; the time after each step."""
    torch.manual_seed(seed)
    model = task.make(seed).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=task.recipe.learning_rate)
    pictures = Pictures(images, task.augmentation)
    for _ in range(epochs):
        total = 0.0
        for inputs, labels in DataLoader(pictures, BATCH, shuffle=True, num_workers=CORES):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(inputs), labels)
            loss.backward()
            optimizer.step()
            total += loss.item()
            ticks.append(time.perf_counter())
            if plan is not None and enough(ticks, plan):
                break
    return model.eval()


def enough(ticks: list[float], plan: Plan) -> bool:
    """Whether the steps that were made are all that is timed."""
    return len(ticks) >= plan.steps or (len(ticks) > WARM_UP + 1 and ticks[-1] - ticks[0] > plan.seconds)


class Enough(Exception):  # noqa: N818 - no error
    """Ends a training that has been timed."""


Seen = tuple[float, float]  # seconds of a step, and the most memory in MB


def seen(ticks: list[float]) -> Seen:
    steps = [b - a for a, b in zip(ticks[WARM_UP:], ticks[WARM_UP + 1 :], strict=False)]
    workers = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6
    # not this process's `ru_maxrss`, which is at least that of the process that started it
    return sum(steps) / len(steps), max(memory()[0], workers)


def time_plain(task: Task, folder: Path, plan: Plan) -> Seen:
    """One network with all threads; the workers of the loader are part of it."""
    ticks: list[float] = []
    plainly(task, Job.read(folder).base, 0, 1, ticks, plan)
    return seen(ticks)


def time_ours(task: Task, folder: Path, plan: Plan, precision: Literal["float32", "bfloat16"], members: int) -> Seen:
    """One network with one thread, as in a worker of `fit`; or several in lockstep with all threads."""
    torch.set_num_threads(1 if members == 1 else CORES)
    ticks: list[float] = []

    def after_step(_: Tensor) -> None:
        ticks.append(time.perf_counter())
        if enough(ticks, plan):
            raise Enough

    base, train = Job.read(folder).base, train_each if members == 1 else train_group
    with suppress(Enough):
        each = [Member(Planted.none(base), seed) for seed in range(members)]
        train(task.make, each, task.recipe.but(precision=precision), after_step=after_step)
    return seen(ticks)


def fresh(processes: int, what: Callable[[], Seen]) -> Seen:
    """The same in several fresh processes at once: the slowest, and the largest."""
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        found = [future.result() for future in [pool.submit(what) for _ in range(processes)]]
    return max(seconds for seconds, _ in found), max(peak for _, peak in found)


def ways(plan: Plan) -> Iterator[tuple[str, str, float, float]]:
    """Network, way, seconds for one epoch of one network, MB of the largest process."""
    for task in TASKS:
        with tempfile.TemporaryDirectory(prefix="spurlab-bench-") as name:
            folder = Path(name)
            Job(task.architecture, task.images(), CLASSES, "plain").write(folder)  # unpacked once, for all processes
            for way, processes, networks, what in (
                ("plain", 1, 1, partial(time_plain, task, folder, plan)),
                ("fit, bfloat16", CORES, CORES, partial(time_ours, task, folder, plan, "bfloat16", 1)),
                ("fit, float32", CORES, CORES, partial(time_ours, task, folder, plan, "float32", 1)),
                *[("lockstep of 4, bfloat16", 1, 4, partial(time_ours, task, folder, plan, "bfloat16", 4))]
                * plan.lockstep,
            ):
                say(f"{task.architecture}: {way}")
                step, peak = fresh(processes, what)
                yield task.architecture, way, EPOCH * step / networks, peak


def evaluation(architecture: str, shape: tuple[int, int, int], images: int, repeats: int) -> float:
    """Seconds of one thread to predict 10,000 images."""
    torch.set_num_threads(1)
    inputs = torch.rand(images, *shape, generator=rng_for(1, "benchmark"))
    network, times = build(architecture, shape, CLASSES, 0).eval(), []
    predictions(network, inputs[:BATCH])
    for _ in range(repeats):
        start = time.perf_counter()
        predictions(network, inputs)
        times.append((time.perf_counter() - start) * IMAGES / images)
    return median(times)


def accuracies(plan: Plan) -> dict[str, dict[str, Estimate]]:
    """Test accuracy after two epochs, plain and ours, and their paired difference."""
    found: dict[str, dict[str, Estimate]] = {}
    for task in TASKS:
        data, seeds = load(f"{task.data}@{IMAGES}", offline=True), range(plan.seeds)
        networks = fit(
            task.architecture,
            [Member(Planted.none(data.train), seed) for seed in seeds],
            task.recipe.but(precision="bfloat16"),
            classes=CLASSES,
        )
        ours = torch.stack([_right(networks.member(i), data.test) for i in range(len(seeds))])
        plain = torch.stack([_right(plainly(task, data.train, seed, 2, []), data.test) for seed in seeds])
        found[task.architecture] = {
            "plain": Estimate.across_models(plain, (0.0, 1.0)),
            "fit": Estimate.across_models(ours, (0.0, 1.0)),
            "difference": paired_difference(ours, plain, (-1.0, 1.0)),
        }
    return found


def _right(network: nn.Module, test: Examples) -> Tensor:
    return accuracy(predictions(network, test.inputs), test.labels)


def small_cnn(width: int, stride: int) -> nn.Sequential:
    """Two convolutions on 28 x 28 pixels, one with `stride`."""
    side = -(-28 // stride)
    return nn.Sequential(
        *(nn.Conv2d(1, width, 3, stride, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(width * side**2, CLASSES)),
    )


def dropped_mlp(width: int) -> nn.Sequential:
    """A perceptron with dropout, which is none for the hand-written chain."""
    return nn.Sequential(
        *(nn.Flatten(), nn.Linear(784, width), nn.ReLU(), nn.Dropout()),
        *(nn.Linear(width, width), nn.ReLU(), nn.Dropout(), nn.Linear(width, CLASSES)),
    )


SIZES: dict[str, Callable[[], nn.Module]] = {
    "4 channels, stride 4": partial(small_cnn, 4, 4),
    "8 channels, stride 4": partial(small_cnn, 8, 4),
    "8 channels, stride 2": partial(small_cnn, 8, 2),
    "16 channels, stride 1": partial(small_cnn, 16, 1),
    "256-256 with dropout": partial(dropped_mlp, 256),
    "512-512 with dropout": partial(dropped_mlp, 512),
    "1024-1024 with dropout": partial(dropped_mlp, 1024),
}


def time_engine(name: str, members: int, steps: int) -> Seen:
    """One thread: one network alone, or several in lockstep. Processor time: others on the machine matter less."""
    torch.set_num_threads(1)
    ticks: list[float] = []
    rng = rng_for(0, "benchmark")
    base = Examples(torch.rand(BATCH * steps, 1, 28, 28, generator=rng), torch.randint(CLASSES, (BATCH * steps,)))
    each = [Member(Planted.none(base), seed) for seed in range(members)]
    train = train_each if members == 1 else train_group
    recipe = RECIPES["quick"].but(epochs=1, milestones=())
    train(partial(seeded, SIZES[name]), each, recipe, after_step=lambda _: ticks.append(time.process_time()))
    return seen(ticks)


def engines(steps: int, members: int = 10) -> Iterator[tuple[str, int, int, float, float]]:
    """Network, multiply-adds of its convolutions, parameters, seconds a step of one network: alone, and in lockstep."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        for name, make in SIZES.items():
            alone, together = (pool.submit(time_engine, name, m, steps).result()[0] for m in (1, members))
            size = multiply_adds(make(), (1, 28, 28), (nn.Conv2d,))
            yield name, size, parameter_count(make()), alone, together / members


def show_accuracies(report: Report, plan: Plan) -> None:
    """A line for each network."""
    rows = []
    for name, each in accuracies(plan).items():
        report.show(f"{name}: " + ", ".join(f"{what} {estimate:.4f}" for what, estimate in each.items()))
        rows += [Row(f"{name}: test accuracy, {what}", estimate.value, "share") for what, estimate in each.items()]
    report.end(rows)


def show_engines(report: Report, plan: Plan) -> None:
    """A line for each size."""
    columns = ("network", "convolutions: multiply-adds", "parameters", "alone", "lockstep of 10", "alone / lockstep")
    table = table_of(f"Milliseconds a step of {BATCH} images, one network, one thread", *columns)
    rows = []
    for name, size, parameters, alone, together in engines(plan.engine_steps):
        times = f"{1000 * alone:.2f}", f"{1000 * together:.2f}", f"{alone / together:.2f}"
        table.add_row(name, f"{size:,}", f"{parameters:,}", *times)
        rows += [Row(f"{name}: alone", 1000 * alone, "ms"), Row(f"{name}: lockstep of 10", 1000 * together, "ms")]
    report.show(table)
    report.end(rows)


def show_ways(report: Report, plan: Plan) -> None:
    """All ways, and the goals."""
    found = list(ways(plan))
    seconds = {(network, way): value for network, way, value, _ in found}
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        repeats = 3 * plan.repeats
        mlp = 2 * pool.submit(evaluation, "mlp", (1, 28, 28), IMAGES, repeats).result()  # clean and marked
        resnet = pool.submit(evaluation, "resnet20", (3, 32, 32), plan.images, plan.repeats).result()
    table = table_of(
        f"Seconds for one epoch of {IMAGES:,} images, one network",
        *("network", "way", "seconds", "plain / this", "MB, largest process"),
        words=2,
    )
    for network, way, value, peak in found:
        table.add_row(network, way, f"{value:.1f}", f"{seconds[network, 'plain'] / value:.2f}", f"{peak:,.0f}")
    report.show(table)
    goals = [
        Goal.of(f"{name}: plain / fit", [seconds[name, "plain"] / seconds[name, "fit, bfloat16"]], 2)
        for name in (task.architecture for task in TASKS)
    ]
    training = CORES * seconds["resnet20", "fit, float32"]  # of one network on one thread
    goals += [
        Goal.of(f"MLP: seconds to predict {IMAGES:,} images, clean and marked, one thread", [mlp], 0.3, at_most=True),
        Goal.of("resnet20: training / predicting, float32, one thread", [training / resnet], 3),
    ]
    rows = [Row(f"{network}: {way}", value) for network, way, value, _ in found]
    rows += [Row(f"peak memory: {network}: {way}", peak, "MB") for network, way, _, peak in found]
    rows += [Row(f"predicting, one thread: {name}", value) for name, value in (("mlp", mlp / 2), ("resnet20", resnet))]
    report.end(rows, goals)


def main() -> None:
    """Measure, and show what was measured beside its goal."""
    parser = parser_of(__doc__, "more steps, networks in lockstep too; many minutes")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--accuracy", action="store_true", help="instead: accuracy after two epochs; many minutes")
    instead.add_argument("--engines", action="store_true", help="instead: alone against lockstep, by size of network")
    asked = parser.parse_args()
    plan = FULL if asked.full else Plan()
    report = Report(asked.json, **asdict(plan))
    show = show_accuracies if asked.accuracy else show_engines if asked.engines else show_ways
    show(report, plan)


if __name__ == "__main__":
    main()
