"""Groups in lockstep, timed in fresh processes: what `training.py` and its peers share."""

import multiprocessing
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import Tensor

from spurlab.data import DataNotFoundError, Examples, load
from spurlab.models import build
from spurlab.patterns import Planted
from spurlab.seeds import rng_for
from spurlab.training import RECIPES, Batches, Member, batches, one_pass, train_group
from spurlab.training.engines import PRECISIONS
from spurlab.training.recipe import Precision
from spurlab.training.workers import Job

EXAMPLES, SHAPE, CLASSES, BATCH = 60_000, (1, 28, 28), 10, 128
WIDTHS = (784, 256, 256, 256, 10)
STEPS = -(-EXAMPLES // BATCH)  # of an epoch
RECIPE = RECIPES["paper"]
WARM_UP = 10  # steps of a group that are not timed


class Enough(Exception):  # noqa: N818 - no error
    """Ends a training that has been timed."""


@dataclass(frozen=True)
class Group:
    """What each process trains.

    Args:
        members: of the group.
        threads: of the process.
        precision: of its products.
        before: as the engine was before it stepped the weights in one pass and rounded the inputs once.
        limit: whether the products of a step are timed too, in turns with the steps.
        blocks: how often a block of steps is timed.
        steps: in a block.
    """

    members: int
    threads: int
    precision: Precision
    before: bool = False
    limit: bool = False
    blocks: int = 3
    steps: int = 40


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

    def __init__(self, members: list[Member], group: Group, meet: Callable[[], None]) -> None:
        self.members, self.group, self.meet = members, group, meet
        self.seen, self._step = Seen(), -WARM_UP
        self._start = 0.0

    def __call__(self, _: Tensor) -> None:
        self._step += 1
        if self._step < 0 or self._step % self.group.steps:
            return
        now = time.perf_counter()
        if self._step == 0:
            self._before()
        else:
            self.seen.steps.append((now - self._start) / self.group.steps)
        if len(self.seen.steps) == self.group.blocks:
            raise Enough
        if self.group.limit:
            self.seen.products.append(self._time(self._products))
        self.meet()
        self._start = time.perf_counter()

    def _before(self) -> None:
        spare = Batches(self.members, BATCH)
        next(spare.epoch(1))  # first touch of its memory
        self.meet()
        start = time.perf_counter()
        next(spare.epoch(2))
        self.seen.orders = time.perf_counter() - start
        self.seen.peak, self.seen.own = memory()
        if self.group.limit:  # after memory was read: the products have their own
            self._products = products_of_a_step(self.group.members, PRECISIONS[self.group.precision])
            self._products()

    def _time(self, run: Callable[[], None]) -> float:
        self.meet()
        start = time.perf_counter()
        for _ in range(self.group.steps):
            run()
        return (time.perf_counter() - start) / self.group.steps


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


def make_of(base: Examples) -> Callable[[int], torch.nn.Module]:
    """The network by seed."""
    return partial(build, "mlp", base.shape, CLASSES)


def engine(one: bool, rounded: bool) -> None:
    """Choose in this process how bfloat16 is trained; what a training of Spurlab does is both.

    Args:
        one: whether Adam makes one pass over the weights, where that is usable here, instead of PyTorch's three.
        rounded: whether the inputs are rounded once for all epochs, instead of at each step.
    """
    one_pass.usable = USABLE if one else lambda: False
    batches.MOST_ROUNDED = MOST_ROUNDED if rounded else 0


USABLE, MOST_ROUNDED = one_pass.usable, batches.MOST_ROUNDED


def group_process(pipe: Connection, number: int, folder: Path, group: Group) -> None:
    """One process: trains a group of its own and tells what it saw."""
    torch.set_num_threads(group.threads)
    engine(one=not group.before, rounded=not group.before)
    base = Job.read(folder).base
    members = [Member(Planted.none(base), number * group.members + i) for i in range(group.members)]

    def meet() -> None:
        pipe.send(None)
        pipe.recv()

    watch = Watch(members, group, meet)
    watch.seen.idle = memory()[1]
    with suppress(Enough):
        train_group(make_of(base), members, RECIPE.but(precision=group.precision), after_step=watch)
    pipe.send(watch.seen)


def together(processes: int, function: Callable[..., None], *arguments: Any) -> list[Any]:
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


def fashion_mnist() -> tuple[Examples, str]:
    """Inputs of the shape that the benchmark is about, and what they are."""
    try:
        return load("fashion-mnist", offline=True).train, "Fashion-MNIST"
    except DataNotFoundError:
        rng = rng_for(0, "benchmark")
        inputs, labels = torch.rand(EXAMPLES, *SHAPE, generator=rng), torch.randint(CLASSES, (EXAMPLES,), generator=rng)
        return Examples(inputs, labels), "random inputs (Fashion-MNIST is not here)"
