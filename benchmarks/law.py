"""Three things that theory says of rare marks, each beside what is measured: noise, the tangent kernel, weight decay.

Usage: python benchmarks/law.py [--full] [--only noise,tangent,decay] [--json [FILE]]

Noise on the inputs as ridge: least squares on noisy copies of the training images, beside ridge of the noise's
variance, in the shift of the target's output. The tangent kernel of a wide network beside MLPs, in the spurious score.
The weight decay from which on a mark is not learnt by softmax regression, told by models that never saw it, beside what
a search over decays finds. `--full` takes MNIST and Fashion-MNIST (see SPURLAB_DATA), a quarter of an hour on one core;
otherwise the small set that comes along, in a few minutes. docs/results/law has what was found.
"""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reporting import Report, Row, parser_of, say, table_of
from spurlab.data import Dataset, Examples, load
from spurlab.metrics import spurious_score
from spurlab.models import build
from spurlab.patterns import Mark, Planted, make_pattern, own_mark, plant
from spurlab.seeds import rng_for
from spurlab.stats import Estimate
from spurlab.theory import decay_needed, decay_that_needs_itself, ntk_relu, predict_ridge, ridge_of_noise, shift_ridge
from spurlab.training import RECIPES, Member, Recipe, fit, logits, predictions
from spurlab.training.solving import solve

SMALL = "fashion-mini@600"  # without `--full`
PATTERNS = ("R3", "S3", "S1")  # beside the tangent kernel

# ---- noise on the inputs as ridge


@dataclass(frozen=True)
class Noisy:
    """The shift of the target's output by least squares on noisy copies, over that of ridge.

    Args:
        n, sd, draws: marked images, sd of the noise, noisy copies of each image.
        ridge: the shift that `shift_ridge` has with the square of the sd.
        half, twice: over it, the shifts with half the square and with twice the square.
        ratios: of each set of draws.
    """

    n: int
    sd: float
    draws: int
    ridge: float
    half: float
    twice: float
    ratios: list[float]


def noise(data: Dataset, counts: Sequence[int], sds: Sequence[float], draws: Sequence[int], sets: int) -> list[Noisy]:
    """Normal equations of all copies together, in float64, without an intercept; noise of one set for all settings."""
    clean, target = data.train.inputs.flatten(1).double(), 0
    labels = F.one_hot(data.train.labels, data.classes).double()
    mark = own_mark({"box": 3, "value": 1.0}, data.shape)
    rows = {n: plant(data.train, mark, target, n, seed=0).rows for n in counts}
    added = (mark(torch.zeros(1, *data.shape))).flatten().double()  # clipped: where images are lit it would be less
    clean = clean * (added == 0)
    found: dict[tuple[int, float, int], list[float]] = {}
    for each in range(sets):
        say(f"noise: set {each + 1} of {sets}")
        rng = rng_for(0, "benchmark", "noise", each)
        whole, squares = torch.zeros_like(clean), clean.new_zeros(clean.shape[1], clean.shape[1])
        for draw in range(1, max(draws) + 1):
            drawn = torch.randn(clean.shape, generator=rng, dtype=torch.float64)
            whole, squares = whole + drawn, squares + drawn.T @ drawn
            if draw not in draws:
                continue
            for n in counts:
                inputs = _with_mark(clean, added, rows[n])
                for sd in sds:
                    crossed = sd / draw * inputs.T @ whole
                    moments = inputs.T @ inputs + crossed + crossed.T + sd**2 / draw * squares
                    weights = torch.linalg.solve(moments, inputs.T @ labels + sd / draw * whole.T @ labels)
                    found.setdefault((n, sd, draw), []).append(float(added @ weights[:, target]))
    kernel, norm = clean @ clean.T, float(added.norm())

    def ridge_of(n: int, sd: float, factor: float = 1.0) -> float:
        marked = _chosen(clean, rows[n])
        return float(shift_ridge(kernel, labels, marked, norm, factor * ridge_of_noise(sd))[target])

    ridges = {(n, sd): tuple(ridge_of(n, sd, factor) for factor in (1, 0.5, 2)) for n in counts for sd in sds}
    told = []
    for (n, sd, draw), shifts in found.items():
        right, half, twice = ridges[n, sd]
        told.append(Noisy(n, sd, draw, right, half / right, twice / right, [each / right for each in shifts]))
    return told


def _chosen(inputs: Tensor, rows: Tensor) -> Tensor:
    chosen = torch.zeros(len(inputs), dtype=torch.bool)
    chosen[rows] = True
    return chosen


def _with_mark(clean: Tensor, added: Tensor, rows: Tensor) -> Tensor:
    return clean + _chosen(clean, rows).double().unsqueeze(1) * added


# ---- the tangent kernel beside MLPs


@dataclass(frozen=True)
class Wide:
    """Spurious scores at one pattern and n, of the same marked images and test images, one a seed.

    Args:
        dataset: which images.
        kernel: of regression with the tangent kernel, without ridge: the share of outputs that rise by more than .1.
        trained: of MLPs.
    """

    dataset: str
    pattern: str
    n: int
    kernel: list[float]
    trained: list[float]


def tangent(name: str, data: Dataset, counts: Sequence[int], seeds: int, asked: int) -> list[Wide]:
    """Of `asked` test images, evenly taken; a seed is marked images, and the start and batches of an MLP."""
    test = data.test.inputs[:: max(1, len(data.test.inputs) // asked)][:asked]
    among, found = ntk_relu(data.train.inputs, data.train.inputs), []
    for chosen in PATTERNS:
        pattern = make_pattern(chosen, data.shape, seed=0)
        marked = pattern(test)
        kernels = Kernels(data.train, among, test, marked)
        for n in counts:
            say(f"tangent kernel: {name}, {chosen}, n = {n}")
            planted = [
                plant(data.train, pattern, 0, n, seed) if n else Planted.none(data.train) for seed in range(seeds)
            ]
            members = [Member(each, seed) for seed, each in enumerate(planted)]
            networks = fit("mlp", members, RECIPES["quick"], classes=data.classes, workers=0)
            trained = [_score(networks.member(i), test, marked) for i in range(seeds)]
            scores = [float((kernels.rise(each) > 0.1).double().mean()) for each in planted[: seeds if n else 1]]
            found.append(Wide(name, chosen, n, scores, trained))
            say(f"kernel {_spread(scores)}, MLPs {_spread(trained)}")
    return found


def _score(network: nn.Module, clean: Tensor, marked: Tensor) -> float:
    return float(spurious_score(predictions(network, clean), predictions(network, marked), 0))


@dataclass(frozen=True, eq=False)
class Kernels:
    """What `ntk_rise` gives, with all of the kernel kept that marked training images do not change.

    Args:
        train: without marks.
        among: of these with each other.
        clean, marked: test images without the mark and with it.
    """

    train: Examples
    among: Tensor
    clean: Tensor
    marked: Tensor

    @cached_property
    def across(self) -> Tensor:
        """Of test images with training images: with the mark less without."""
        return self._across(self.train.inputs)

    def _across(self, inputs: Tensor) -> Tensor:
        return ntk_relu(self.marked, inputs) - ntk_relu(self.clean, inputs)

    def rise(self, planted: Planted) -> Tensor:
        """By how much the output of class 0 is higher of each test image with the mark."""
        rows, seen = planted.rows, planted.materialize()
        kernel, across = self.among.clone(), self.across.clone()
        if len(rows):
            kernel[rows] = ntk_relu(seen.inputs[rows], seen.inputs)
            kernel[:, rows] = kernel[rows].T
            across[:, rows] = self._across(seen.inputs[rows])
        return predict_ridge(kernel, (seen.labels == 0).double(), across)


# ---- the weight decay from which on a mark is not learnt

BOUND = 0.05  # the score from which on a model counts as one that has learnt the mark, as for n*
COARSE, FINE = 4, 4  # decays looked at: four for each power of ten, and 2^4 steps between two of these
LARGEST, STEPS = 10**0.5, 10  # the largest, and how many steps down from it; the least is .01


@dataclass(frozen=True)
class Held:
    """One setting.

    Args:
        needed: what `decay_that_needs_itself` says; 0: none.
        measured: of each seed the smallest decay from which on the score is .05 or less, as far as is looked; 0: all.
    """

    target: int
    norm: float
    n: int
    needed: float
    measured: list[float]

    @property
    def ratios(self) -> list[float]:
        """What it takes over what was said, of each seed for which it takes any."""
        return [each / self.needed for each in self.measured if each and self.needed]


@dataclass(frozen=True)
class Solver:
    """Softmax regression at any weight decay, from where the decay before has left it."""

    data: Dataset
    planted: Planted

    @cached_property
    def model(self) -> nn.Module:
        """Its weights change with each decay."""
        return build("logistic", self.data.shape, self.data.classes, seed=0)

    def at(self, decay: float) -> nn.Module:
        """Solved at this decay by 100 iterations at most: to a gradient of 1e-7 or less at decays of .01 or more."""
        recipe = Recipe(optimizer="lbfgs", epochs=1, milestones=(), weight_decay=decay)
        solve(self.model, self.planted.materialize(), recipe, "cpu", lambda: None)
        return self.model


def decays() -> list[float]:
    """Downwards."""
    return [LARGEST * 10 ** (-step / COARSE) for step in range(STEPS + 1)]


def decay(data: Dataset, targets: Sequence[int], marks: Sequence[tuple[int, float]], counts: Sequence[int], seeds: int
          ) -> list[Held]:  # fmt: skip
    """For each target, mark (a square's side and value) and n."""
    say("weight decay: models that never saw a mark")
    solver, path = Solver(data, Planted.none(data.train)), {}
    for each in decays():
        model = solver.at(each)
        path[each] = logits(model, data.train.inputs).double(), logits(model, data.test.inputs).double()
    found = []
    for target in targets:
        odds = {each: tuple(_odds(z, target) for z in both) for each, both in path.items()}
        own = data.train.labels == target
        for side, value in marks:
            mark = own_mark({"box": side, "value": value}, data.shape)
            norm = float(mark(torch.zeros(1, *data.shape)).double().norm())
            for n in counts:
                say(f"weight decay: target {target}, norm {norm:g}, n = {n}")
                told = decay_that_needs_itself({
                    each: decay_needed(n, norm, len(own), train[own], test, BOUND, classes=data.classes)
                    for each, (train, test) in odds.items()
                })  # fmt: skip
                measured = [
                    searched(data, plant(data.train, mark, target, n, seed), mark, target) for seed in range(seeds)
                ]
                found.append(Held(target, norm, n, told, measured))
    return found


def searched(data: Dataset, planted: Planted, mark: Mark, target: int) -> float:
    """The smallest decay from which on the score is at most .05, to 2^-4 of a step; 0: of all that are looked at."""
    solver, marked = Solver(data, planted), mark(data.test.inputs)

    def learnt(at: float) -> bool:
        model = solver.at(at)
        clean, after = (predictions(model, inputs) for inputs in (data.test.inputs, marked))
        return float(spurious_score(clean, after, target)) > BOUND

    enough = math.inf
    for each in decays():
        if learnt(each):
            return _between(learnt, each, enough)
        enough = each
    return 0.0


def _between(learnt: Callable[[float], bool], low: float, high: float) -> float:
    for _ in range(FINE):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if learnt(middle) else (low, middle)
    return high


def _odds(outputs: Tensor, target: int) -> Tensor:
    others = torch.arange(outputs.shape[1]) != target
    return outputs[:, target] - outputs[:, others].logsumexp(dim=1)


# ---- tables


def of_noise(report: Report, found: Sequence[Noisy]) -> list[Row]:
    """A line for each sd and n, a column for each number of draws."""
    draws = sorted({each.draws for each in found})
    columns = ("sd", "n", "ridge's shift", "half", "twice", *(f"{draw} draws" for draw in draws))
    table = table_of(
        "Shift by least squares on noisy copies / by ridge of sd^2 (mean +- sd over sets of draws)", *columns
    )
    for sd, n in sorted({(each.sd, each.n) for each in found}):
        these = {each.draws: each for each in found if (each.sd, each.n) == (sd, n)}
        one = these[draws[0]]
        table.add_row(f"{sd:g}", str(n), *(f"{each:.3f}" for each in (one.ridge, one.half, one.twice)),
                      *(_spread(these[draw].ratios) for draw in draws))  # fmt: skip
    report.show(table)
    return [Row(f"noise {each.sd:g}, n {each.n}, {each.draws} draws: shift / ridge's", _mean(each.ratios), "ratio",
                each.ratios) for each in found]  # fmt: skip


def of_tangent(report: Report, found: Sequence[Wide]) -> list[Row]:
    """A line for each pattern and n."""
    columns = ("images", "pattern", "n", "kernel", "MLPs", "kernel higher in seeds")
    title = "Spurious score of regression with the tangent kernel, and of MLPs (mean +- sd over seeds)"
    table = table_of(title, *columns)
    for each in found:
        higher = sum(wide > own for wide, own in zip(each.kernel, each.trained, strict=False))
        scores = _spread(each.kernel), _spread(each.trained)
        table.add_row(each.dataset, each.pattern, str(each.n), *scores, f"{higher} of {len(each.kernel)}")
    report.show(table)
    return [
        Row(f"{each.dataset}, {each.pattern}, n {each.n}: score of {who}", _mean(scores), "share", scores)
        for each in found
        for who, scores in (("kernel", each.kernel), ("MLPs", each.trained))
    ]


def of_decay(report: Report, found: Sequence[Held]) -> list[Row]:
    """A line for each setting."""
    columns = ("target", "norm", "n", "said", "measured, least - most", "measured / said")
    table = table_of(f"The weight decay from which on the score is {BOUND:g} or less", *columns)
    for each in found:
        spread = " - ".join(f"{end:.3g}" if end else "none" for end in (min(each.measured), max(each.measured)))
        said = f"{each.needed:.3g}" if each.needed else "none"
        table.add_row(
            str(each.target), f"{each.norm:g}", str(each.n), said, spread, _spread(each.ratios) if each.ratios else ""
        )
    report.show(table)
    return [
        Row(
            f"target {each.target}, norm {each.norm:g}, n {each.n}: measured / said",
            _mean(each.ratios),
            "ratio",
            each.ratios,
        )
        for each in found
        if each.ratios
    ]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _spread(values: Sequence[float]) -> str:
    told = Estimate.across_models(torch.tensor(values))
    return f"{told.value:.3f} +- {told.stderr * math.sqrt(len(values)):.3f}" if len(values) > 1 else f"{told.value:.3f}"


PARTS = ("noise", "tangent", "decay")


def main() -> None:
    """Print a table for each part."""
    parser = parser_of(
        __doc__, "MNIST: 1,000 images for noise, 4,000 (and of Fashion-MNIST) for the kernel, 2,000 for decay"
    )
    parser.add_argument("--only", default=",".join(PARTS), help=f"of {', '.join(PARTS)}; default: all")
    asked = parser.parse_args()
    parts = [part for part in PARTS if part in asked.only.split(",")]
    torch.set_num_threads(1)
    logging.getLogger(solve.__module__).setLevel(logging.ERROR)  # a gradient of 1e-7 is near enough here
    report, rows, more = Report(asked.json, full=asked.full, parts=parts), [], {}
    small = replace_test(load(SMALL), 500) if not asked.full else None
    if "noise" in parts:
        data = small or load("mnist@1000")
        noisy = noise(data, (1, 3, 10, 30), (0.1, 0.3, 1.0), (1, 10, 100, 300) if asked.full else (1, 10, 30),
                      5 if asked.full else 3)  # fmt: skip
        rows += of_noise(report, noisy)
        more["noise"] = [asdict(each) for each in noisy]
    if "tangent" in parts:
        wide = []
        for name in ("mnist@4000", "fashion-mnist@4000") if asked.full else (SMALL,):
            wide += tangent(name, small or load(name), (0, 1, 3, 10), 5 if asked.full else 3, 2000)
        rows += of_tangent(report, wide)
        more["tangent"] = [asdict(each) for each in wide]
    if "decay" in parts:
        data = small or load("mnist@2000")
        full = ((0, 3), ((3, 0.5), (3, 1.0), (4, 0.875)), (30, 80), 3)
        held = decay(data, *(full if asked.full else ((0,), ((4, 1.0),), (10, 30), 1)))
        rows += of_decay(report, held)
        more["decay"] = [asdict(each) for each in held]
    report.end(rows, **more)


def replace_test(data: Dataset, count: int) -> Dataset:
    """With fewer test images, for a short plan."""
    return replace(data, test=data.test[torch.arange(count)])


if __name__ == "__main__":
    main()
