"""How fast are the convolutional networks of MNIST-1D, against training one at a time in the plain way?

Usage: python benchmarks/signals.py [--full] [--json [FILE]] [--engines]

The CNN with 256 channels and the one with 25, on the 4,000 signals of MNIST-1D, batch 100, Adam. Ways, each in fresh
processes; milliseconds are for one step of one network:

- plain: a DataLoader that gives single signals, in process; float32, all threads, `.item()` of the loss at each batch;
  with `--full` also with 4 workers (whole epochs, their start included);
- with `--full`, one at a time: `train_each` in each one-thread process;
- `fit` as studies run it: a group of five in each one-thread process, in float32 and with bfloat16 products.

Then the seconds that DFR and AFR take to refit the last layer on cached features.

The start of processes and the first steps are not timed. `--engines` instead: one thread, processor time: a network
alone, in lockstep by `StackedCNN`, and by `torch.func.vmap`; the rule of `fit` stands on it.
"""

import multiprocessing
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from machine import CORES
from reporting import Goal, Report, Row, parser_of, say, table_of
from spurlab.data import load
from spurlab.methods import last_linear
from spurlab.models import build, features
from spurlab.patterns import ClassBlocks, Common, Planted, plant
from spurlab.prevention import afr_weights
from spurlab.prevention.dfr import FINE, Scale, Solver
from spurlab.prevention.last_layer import WeightedLoss
from spurlab.seeds import rng_for
from spurlab.training import Member, Recipe, StackedCNN, train_each, train_group, train_one
from spurlab.training.engines import PRECISIONS, flush_denormals, stack_states
from spurlab.training.losses import cross_entropy
from spurlab.training.recipe import Precision
from spurlab.training.vectorized import VectorizedNet

NETWORKS = ("mnist1d-cnn", "mnist1d-cnn-25")
RECIPE = Recipe(learning_rate=1e-3, batch_size=100, epochs=1, milestones=())
SHAPE, CLASSES, MEMBERS, WARM_UP = (40,), 10, 5, 3
MOST_SECONDS = 10.0  # of one training; only where threads wait for other work on the machine
GOALS = {"fit, float32": 1.5, "fit, bfloat16": 2.0}  # plain in process / fit
AGAINST = "plain, in process"


class Enough(Exception):  # noqa: N818 - no error
    """Ends a training that has been timed."""


def per_step(ticks: list[float]) -> float:
    """Seconds of a step, the first few left out."""
    steps = [after - before for before, after in pairwise(ticks[WARM_UP:])]
    return sum(steps) / len(steps)


def time_plain(name: str, workers: int, steps: int) -> float:
    """One network with all threads. With workers whole epochs, since their start is a part of each."""
    warnings.filterwarnings("ignore", "This DataLoader will create")  # more workers than cores, as others do
    train = load("mnist1d").train
    loader = DataLoader(TensorDataset(train.inputs, train.labels), RECIPE.batch_size, shuffle=True, num_workers=workers)
    model = build(name, SHAPE, CLASSES, 0)
    optimizer = torch.optim.Adam(model.parameters(), lr=RECIPE.learning_rate)
    ticks: list[float] = []
    start = time.perf_counter()
    while not enough(ticks, steps):
        total = 0.0
        for inputs, labels in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(inputs), labels)
            loss.backward()
            optimizer.step()
            total += loss.item()
            ticks.append(time.perf_counter())
            if not workers and enough(ticks, steps):
                break
    return (ticks[-1] - start) / len(ticks) if workers else per_step(ticks)


def enough(ticks: list[float], steps: int) -> bool:
    """Whether the steps that were made are all that is timed."""
    return len(ticks) >= steps or (len(ticks) > WARM_UP + 1 and ticks[-1] - ticks[0] > MOST_SECONDS)


def time_ours(name: str, members: int, precision: Precision, steps: int) -> float:
    """One thread, as in a worker of `fit`: one network, or a group in lockstep; seconds of a step of one network."""
    torch.set_num_threads(1)
    base, ticks = load("mnist1d").train, list[float]()

    def after_step(_: Tensor) -> None:
        ticks.append(time.perf_counter())
        if enough(ticks, steps):
            raise Enough

    train = train_each if members == 1 else train_group
    each = [Member(Planted.none(base), seed) for seed in range(members)]
    with suppress(Enough):
        recipe = RECIPE.but(epochs=-(-steps // 40), precision=precision)
        train(partial(build, name, SHAPE, CLASSES), each, recipe, after_step=after_step)
    return per_step(ticks) / members


def fresh(processes: int, what: Callable[[], float]) -> float:
    """The same in several fresh processes at once, which share the work: the slowest counts."""
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        return max(future.result() for future in [pool.submit(what) for _ in range(processes)]) / processes


def ways(steps: int, full: bool) -> Iterator[tuple[str, str, float]]:
    """Network, way, seconds of a step of one network."""
    for name in NETWORKS:
        for way, processes, what in (
            ("plain, 4 workers", 1, partial(time_plain, name, 4, steps)),
            (AGAINST, 1, partial(time_plain, name, 0, steps)),
            ("one at a time, float32", CORES, partial(time_ours, name, 1, "float32", steps)),
            ("one at a time, bfloat16", CORES, partial(time_ours, name, 1, "bfloat16", steps)),
            ("fit, float32", CORES, partial(time_ours, name, MEMBERS, "float32", steps)),
            ("fit, bfloat16", CORES, partial(time_ours, name, MEMBERS, "bfloat16", steps)),
        ):
            if full or way in (AGAINST, *GOALS):
                say(f"{name}: {way}")
                yield name, way, fresh(processes, what)


def one_step(name: str, kind: str, members: int, precision: Precision) -> Callable[[], object]:
    """A function that makes one step of training on random signals."""
    rng, dtype = rng_for(0, "benchmark"), PRECISIONS[precision]
    inputs = torch.randn(members, RECIPE.batch_size, *SHAPE, generator=rng)
    labels = torch.randint(CLASSES, (members, RECIPE.batch_size), generator=rng)
    models = [build(name, SHAPE, CLASSES, seed) for seed in range(members)]
    network: nn.Module
    if kind == "alone":
        network = models[0]
        optimizer = RECIPE.optimizer_for(list(network.parameters()))
        inputs, labels = inputs[0], labels[0]
    else:
        states = stack_states(models)
        stack = (
            StackedCNN(models[0], states, dtype)
            if kind == "stacked"
            else VectorizedNet(models[0], states, range(members), dtype)
        )
        network, optimizer = stack, RECIPE.optimizer_for(stack.trained)

    def step() -> None:
        if kind != "stacked":  # it writes over its gradients
            network.zero_grad()
        with torch.autocast("cpu", dtype, kind == "alone" and precision != "float32"):
            logits = network(inputs)
        cross_entropy(logits.float(), labels).mean(-1).sum().backward()
        optimizer.step()

    return step


@flush_denormals()
def time_engine(name: str, kind: str, members: int, precision: Precision, rounds: int) -> float:
    """Processor seconds of a step of one network on one thread: others on the machine matter less. The best round."""
    torch.set_num_threads(1)
    step = one_step(name, kind, members, precision)
    step()
    start = time.process_time()
    step()
    repeats, best = max(1, int(0.1 / max(time.process_time() - start, 1e-3))), float("inf")
    for _ in range(rounds):
        start = time.process_time()
        for _ in range(repeats):
            step()
        best = min(best, (time.process_time() - start) / repeats / members)
    return best


def engines(rounds: int) -> Iterator[tuple[str, str, float]]:
    """Network, engine, seconds of a step of one network."""
    for name in NETWORKS:
        for kind, members in (("alone", 1), ("stacked", 1), ("stacked", 5), ("stacked", 10), ("vmap", 5)):
            for precision in PRECISIONS:
                what = partial(time_engine, name, kind, members, precision, rounds)
                yield name, f"{kind}, {members} at once, {precision}", fresh(1, what)


def refits(epochs: int) -> dict[str, float]:
    """Seconds of the last layer's repairs on cached features, of a network that is trained as in the study `quinn`.

    AFR on all 4,000 training signals, DFR on clean versions of a quarter; weights and features are made before. In the
    study 50 epochs.
    """
    data = load("mnist1d")
    marked = plant(data.train, ClassBlocks(), Common(0.9), seed=0)
    recipe = RECIPE.but(epochs=epochs, precision="bfloat16")
    model, _ = train_one(build("mnist1d-cnn", SHAPE, CLASSES, 0), Member(marked, 0), recipe)
    layer, examples = last_linear(model), marked.materialize()
    phi, labels = features(model, examples.inputs).double(), examples.labels
    clean = data.train[torch.randperm(len(phi), generator=rng_for(0, "benchmark"))[: len(phi) // 4]]
    plain = features(model, clean.inputs).double()
    standard = Scale.of(plain)(plain)
    mu = afr_weights(model, examples, 4.0).weights
    ways: dict[str, Callable[[], object]] = {
        "AFR": lambda: WeightedLoss(phi, labels, mu, layer, 0.1).optimum(),
        "DFR, one plain fit": lambda: Solver("l2", CLASSES, FINE, 0).fit(standard, clean.labels, 1.0),
    }
    took = {}
    for name, way in ways.items():
        start = time.perf_counter()
        way()
        took[name] = time.perf_counter() - start
    return took


def main() -> None:
    """Measure, and show what was measured as a share of the plain way."""
    parser = parser_of(__doc__, "more steps, and more ways")
    parser.add_argument("--engines", action="store_true", help="instead: alone against lockstep on one thread")
    asked = parser.parse_args()
    steps, rounds, epochs = (80, 8, 50) if asked.full else (20, 2, 5)
    report = Report(asked.json, **({"rounds": rounds} if asked.engines else {"steps": steps, "epochs": epochs}))
    found = list(engines(rounds) if asked.engines else ways(steps, asked.full))
    against = "alone, 1 at once, float32" if asked.engines else AGAINST
    plain = {name: seconds for name, way, seconds in found if way == against}
    table = table_of(
        f"Milliseconds a step of {RECIPE.batch_size} signals, one network",
        *("network", "way", "ms", f"{against} / this"),
        words=2,
    )
    rows, goals = [], []
    for name, way, seconds in found:
        table.add_row(name, way, f"{1000 * seconds:.2f}", f"{plain[name] / seconds:.2f}")
        rows.append(Row(f"{name}: {way}", 1000 * seconds, "ms"))
        if way in GOALS:
            goals.append(Goal.of(f"{name}: plain in float32 / {way}", [plain[name] / seconds], GOALS[way]))
    report.show(table)
    if not asked.engines:
        for method, seconds in refits(epochs).items():
            what = f"{method}, refit of 1,280 features, s"
            rows.append(Row(what, seconds))
            goals.append(Goal.of(what, [seconds], 2, at_most=True))
    report.end(rows, goals)


if __name__ == "__main__":
    main()
