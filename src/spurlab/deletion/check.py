"""The check of a data deletion method against networks that never saw what it should forget."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field, fields
from functools import cached_property, partial
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from spurlab.data import Dataset, load
from spurlab.deletion.attempt import Attempt, attempt
from spurlab.deletion.effect import Bench, Effect, known_to_be_planted
from spurlab.deletion.method import Deletion
from spurlab.deletion.table import deletion_named
from spurlab.deletion.verdict import Judged, Verdict
from spurlab.methods import Make, retraining_seconds
from spurlab.models import architecture_title, build, made
from spurlab.patterns import How, MarkLike, Planted, make_pattern, pattern_title, plant
from spurlab.stats import Ratio, mean_of
from spurlab.terminal import on_a_line, told_on_a_line
from spurlab.training import RECIPES, Ensemble, Member, Progress, Recipe, fit

Told = Callable[[str, int, int], None]  # what is under way, how much of it is done, of how much


@dataclass(frozen=True, eq=False)
class Prepared:
    """Networks that learnt a pattern and their oracles: what every check of a method needs, made once by `prepare`.

    Args:
        data: the data set.
        recipe: how the networks were trained.
        target: the class that the pattern was planted in.
        patterns: of each seed; random ones are drawn once for each.
        planted: the training set of each seed.
        originals: the networks that were trained on them.
        oracles: the networks of the same seeds, from the same initial weights, that were trained without the planted
            examples.
        retraining: seconds that it takes to retrain one network, see `prepare`.
        make: a new network of their architecture, by seed.
    """

    data: Dataset
    recipe: Recipe
    target: int
    patterns: tuple[MarkLike, ...]
    planted: tuple[Planted, ...]
    originals: Ensemble
    oracles: Ensemble
    retraining: float
    make: Make
    _references: dict[float, tuple[list[Effect], list[Effect]]] = field(default_factory=dict, init=False, repr=False)

    def __len__(self) -> int:
        """How many seeds there are."""
        return len(self.planted)

    def __str__(self) -> str:
        count, what = len(self.planted[0].rows), architecture_title(self.originals.architecture) or "own network"
        where = f"{self.data.name}: {pattern_title(self.patterns[0])} on {count} examples of class {self.target}"
        return f"{where}, {what}, {self.recipe.epochs} epochs; {len(self)} networks and as many oracles"

    @cached_property
    def benches(self) -> tuple[Bench, ...]:
        """What deletions from each network are measured against."""
        sound = {i: self.oracles.member(i) for i in range(len(self)) if not self.oracles.diverged[i]}
        return tuple(
            Bench(
                self.originals.member(i),
                self.planted[i],
                self.patterns[i],
                self.target,
                self.data.test,
                [oracle for j, oracle in sound.items() if j != i],
                self.originals.seeds[i],
            )
            for i in range(len(self))
        )

    def method(self, method: Deletion | str, i: int) -> Deletion:
        """A method as it is, or one of the table for the i-th network."""
        if not isinstance(method, str):
            return method
        return deletion_named(method, self.recipe, self.originals.seeds[i], self.make)

    def references(self, share: float, tell: Told = lambda *_: None) -> tuple[list[Effect], list[Effect]]:
        """The numbers of the networks before deletion and of the oracles, measured once for each share."""
        if share not in self._references:
            found: tuple[list[Effect], list[Effect]] = ([], [])
            for i, bench in enumerate(self.benches):
                tell("measuring the networks and the oracles", i, len(self))
                forget = known_to_be_planted(self.planted[i], share)
                for effects, ensemble in zip(found, (self.originals, self.oracles), strict=True):
                    effects.append(bench.effect(ensemble.member(i), forget))
            self._references[share] = found
        return self._references[share]


def _in_words(what: str, done: int, of: int) -> str:
    """What `Told` tells."""
    return f"{what}: {done} of {of}" if of > 1 else what


@told_on_a_line(_in_words)
def prepare(
    data: Dataset | str = "fashion-mini",
    *,
    architecture: str | Callable[[], nn.Module] = "mlp",
    recipe: Recipe = RECIPES["quick"],
    pattern: str | MarkLike = "R3",
    target: int = 0,
    n: int = 20,
    seeds: Sequence[int] = range(5),
    how: How = "replace",
    workers: int | None = None,
    device: str = "cpu",
    progress: Told = on_a_line,
) -> Prepared:
    """Train networks with a planted pattern and, from the same initial weights, their oracles without it, in lockstep.

    The time of retraining is what deletion is there to save. Networks that train together share it, so it is taken of
    one network alone: the mean time of the steps of one epoch, in this process as it is when methods are run, times
    the steps of the whole training; by the clock that methods are timed by, see `spurlab.methods.clock`.

    Args:
        data: a data set, or the name of one.
        architecture: as `fit` takes it.
        recipe: how to train.
        pattern: its name, drawn anew for each seed; or one for all: a `Pattern`, or a function from inputs to marked
            inputs, see `spurlab.patterns.marked`.
        target: the class to plant it in.
        n: how many examples to plant it on.
        seeds: of the networks, which fix everything else about them; five or more for a verdict.
        how: ``replace`` or ``append``, as in `plant`.
        workers: as `fit` takes it.
        device: where to train, and then to delete and measure.
        progress: told what is under way, how much of it is done, of how much; see `spurlab.terminal.on_a_line`.

    Raises:
        ValueError: nothing to plant, seeds that are none or come twice, or what `plant` and `fit` refuse.
        TypeError: a pattern that is none.
    """
    data = load(data) if isinstance(data, str) else data
    if n < 1:
        raise ValueError(f"`n` must be 1 or more, but it is {n}: with nothing planted there is nothing to forget.")
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(f"`seeds` must be different numbers, at least one, but they are {list(seeds)}.")
    if not 0 <= target < data.classes:
        raise ValueError(f"`target` is class {target}, but {data.name} has the classes 0 to {data.classes - 1}.")
    patterns = tuple(
        make_pattern(pattern, data.shape, seed, clip=data.input_range) if isinstance(pattern, str) else pattern
        for seed in seeds
    )
    planted = tuple(
        plant(data.train, drawn, target, n, seed, how=how) for drawn, seed in zip(patterns, seeds, strict=True)
    )
    members = [Member(each, seed) for each, seed in zip(planted, seeds, strict=True)]
    references = [Member(each.without(each.mask), seed) for each, seed in zip(planted, seeds, strict=True)]

    def advance(now: Progress) -> None:
        progress("training", now.done, now.total)

    both = fit(
        architecture,
        members + references,
        recipe,
        classes=data.classes,
        workers=workers,
        device=device,
        progress=advance,
    )
    rows = torch.arange(len(both))
    originals, oracles = both[rows[: len(seeds)]], both[rows[len(seeds) :]]
    progress("timing one retraining", 0, 1)
    make: Make = (
        partial(build, architecture, data.shape, data.classes)
        if isinstance(architecture, str)
        else partial(made, architecture, data.shape)
    )
    seconds = retraining_seconds(make(seeds[0]).to(device), references[0], recipe)
    return Prepared(data, recipe, target, patterns, planted, originals, oracles, seconds, make)


@dataclass(frozen=True, eq=False)
class Checked:
    """One method at one share of known examples, over all networks.

    Args:
        method: its name.
        share: of the planted examples that was known and deleted.
        calls: what came of it on each network.
        before: the networks' numbers before the deletion, in the same order.
        oracles: those of the oracles.
        retraining: seconds that retraining takes, see `prepare`.
    """

    method: str
    share: float
    calls: tuple[Attempt, ...]
    before: tuple[Effect, ...]
    oracles: tuple[Effect, ...]
    retraining: float

    @cached_property
    def judged(self) -> Judged:
        """Before, after and of the oracles, by measure; where the method failed, the network is out."""
        there = [i for i, call in enumerate(self.calls) if call.effect is not None]

        def columns(effects: Sequence[Effect | None]) -> dict[str, Tensor]:
            rows = [astuple(effect) for effect in (effects[i] for i in there) if effect is not None]
            table = torch.tensor(rows, dtype=torch.float64).view(-1, len(fields(Effect)))
            return {field.name: column for field, column in zip(fields(Effect), table.unbind(1), strict=True)}

        return Judged(columns(self.before), columns([call.effect for call in self.calls]), columns(self.oracles))

    @property
    def verdict(self) -> Verdict:
        """See `spurlab.deletion.verdict`; of the networks on which the method did not fail."""
        failed = [call for call in self.calls if call.effect is None]
        if len(failed) == len(self.calls):
            return Verdict("failed", f"on every network: {failed[0].failed}")
        found = self.judged.verdict
        if failed:
            count = f"{len(failed)} of {len(self.calls)} networks"
            return Verdict(found.name, f"{found.finding}. It failed on {count}: {failed[0].failed}")
        if found.name == "breaks the model":
            why = next((call.failed for call in self.calls if call.failed), "")
            return Verdict(found.name, f"{found.finding}. {why}" if why else found.finding)
        return found

    @property
    def closed(self) -> Ratio:
        """The share of the gap between the score before and the oracles' that the method closed."""
        return self.judged.closed

    @property
    def time(self) -> float:
        """Seconds of the method, in the mean over the calls that gave a network, as a share of retraining."""
        seconds = [call.seconds for call in self.calls if call.effect is not None]
        return sum(seconds) / len(seconds) / self.retraining if seconds and self.retraining else math.nan

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One row for each network."""
        return [
            {"method": self.method, "share": self.share, "seed": call.seed, "seconds": call.seconds}
            | {"time": call.seconds / self.retraining if self.retraining else math.nan, "failed": call.failed}
            | _named(before, "before")
            | _named(call.effect or Effect.none(), "after")
            | _named(oracle, "oracle")
            for call, before, oracle in zip(self.calls, self.before, self.oracles, strict=True)
        ]


def _named(effect: Effect, when: str) -> dict[str, float]:
    return {f"{name}_{when}": value for name, value in asdict(effect).items()}


@dataclass(frozen=True, eq=False)
class Check:
    """What a check found; printed as a table. See `check`.

    Args:
        prepared: the networks.
        checked: each method at each share.
    """

    prepared: Prepared
    checked: tuple[Checked, ...]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One row for each method, share and network: its numbers before, after and of the oracle, time, failure."""
        return [row for each in self.checked for row in each.rows]

    def __str__(self) -> str:
        lines = [str(self.prepared), ""]
        shares = list(dict.fromkeys(each.share for each in self.checked))
        for share in shares:
            group = [each for each in self.checked if each.share == share]
            before, oracles = group[0].before, group[0].oracles
            cells = [HEADINGS, _cells("before", before)]
            cells += [
                _cells(each.method, [call.effect for call in each.calls if call.effect is not None], each)
                for each in group
            ]
            cells.append(_cells("oracles", oracles))
            if share < 1 or len(shares) > 1:
                lines.append(f"{share:.0%} of the planted examples known")
            lines += [*_aligned(cells), ""]
        width = max(len(_label(each, shares)) for each in self.checked)
        lines += [f"{_label(each, shares):<{width}}  {each.verdict}" for each in self.checked]
        return "\n".join(lines)


HEADINGS = (
    "",
    "score",
    "gap closed",
    "accuracy",
    "forgotten",
    "membership",
    "distance",
    "marked",
    "relearn",
    "time",
    "",
)


def _label(each: Checked, shares: Sequence[float]) -> str:
    return each.method if len(shares) == 1 else f"{each.method}, {each.share:.0%}"


def _cells(name: str, effects: Sequence[Effect], of: Checked | None = None) -> tuple[str, ...]:
    """One line of the table: means over networks, of steps the median, which may be infinite."""

    def mean(measure: str) -> str:
        values = [getattr(effect, measure) for effect in effects]
        return f"{mean_of(values):z.3f}" if values else "-"

    steps = [effect.relearn_steps for effect in effects if not math.isnan(effect.relearn_steps)]
    relearn = f"{median(steps):.0f}" if steps else "-"
    measured = (
        mean("accuracy"),
        mean("forgotten_accuracy"),
        mean("membership_auc"),
        mean("oracle_distance"),
        mean("oracle_distance_marked"),
    )
    closed = "" if of is None else _closed(of.closed) if effects else "-"
    spent = "" if of is None else f"{of.time:.1%}" if effects else "-"
    return (name, mean("spurious_score"), closed, *measured, relearn, spent, "" if of is None else of.verdict.name)


def _closed(ratio: Ratio) -> str:
    return (
        f"{ratio.value:z.2f} (any)"
        if ratio.low == -math.inf
        else str(ratio)
        if not ratio.why
        else f"{ratio.value:z.2f}"
    )


def _aligned(cells: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(cell) for cell in column) for column in zip(*cells, strict=True)]
    last = len(widths) - 1
    return [
        "  ".join(
            cell.ljust(width) if place in (0, last) else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    ]


@told_on_a_line(_in_words)
def check(
    method: Deletion | str | Sequence[Deletion | str] | Mapping[str, Deletion | str],
    data: Dataset | str | Prepared = "fashion-mini",
    *,
    share: float | Sequence[float] = 1.0,
    progress: Told = on_a_line,
    **settings: Any,
) -> Check:
    """Does a data deletion method forget?

    A pattern is planted in a few training examples and learnt; the method is told to forget these examples; what it
    leaves is compared with oracles, networks that never saw them. A method that fails on a network, or returns what is
    no network of this task, is a row with its reason.

    Printed are means over the networks: the spurious score; the share of its gap to the oracles that was closed, with
    95 % interval; accuracy on the test examples and on the forgotten ones without the pattern; the membership AUC of
    the forgotten ones; the distance to the oracles in log-odds, on clean and on marked test images; the median of steps
    to relearn; the time as a share of retraining; the verdict. `Effect` defines each, `verdict` the last.

    Args:
        method: a function ``(model, data, forget) -> model`` of your own, a name of `DELETIONS` (which is given the
            seed of each network), or several of them; your own with names of your choice as a mapping.
        data: a data set or its name, or what `prepare` gave: then several calls share the networks and the oracles.
        share: of the planted examples, how many are known and deleted; the oracles never saw any. Several: each.
        progress: told what is under way, how much of it is done, of how much; see `spurlab.terminal.on_a_line`.
        settings: what else `prepare` takes: architecture, recipe, pattern, target, n, seeds, how, workers, device.

    Raises:
        ValueError: an unknown name, a share outside (0, 1], or what `prepare` refuses.
        TypeError: no method, or settings beside networks that are prepared.

    A method of one's own, against a ready one:

    >>> from spurlab.deletion import check, prepare
    >>> def finetune(model, data, forget):
    ...     retain, optimizer = data[~forget], torch.optim.SGD(model.parameters(), lr=0.01)
    ...     for rows in torch.arange(len(retain)).split(100):
    ...         optimizer.zero_grad()
    ...         torch.nn.functional.cross_entropy(model(retain.inputs[rows]), retain.labels[rows]).backward()
    ...         optimizer.step()
    ...     return model
    >>> prepared = prepare("fashion-mini", pattern="R3", n=20)  # doctest: +SKIP
    >>> print(check([finetune, "incremental-1e-3"], prepared))  # doctest: +SKIP
    """
    methods = _methods(method)
    shares = [float(share)] if isinstance(share, float | int) else [float(each) for each in share]
    if not shares or not all(0 < each <= 1 for each in shares):
        raise ValueError(f"`share` must lie above 0 and not above 1, but it is {share}.")
    for ready in methods.values():
        if isinstance(ready, str):
            deletion_named(ready, RECIPES["quick"], 0)  # an unknown name is refused before anything is trained
    if isinstance(data, Prepared):
        if settings:
            raise TypeError(f"the networks are trained already: {', '.join(settings)} belong in `prepare`.")
        prepared = data
    else:
        prepared = prepare(data, progress=progress, **settings)
    checked = []
    for part in shares:
        before, oracles = prepared.references(part, progress)
        for name, ready in methods.items():
            calls = []
            for i, bench in enumerate(prepared.benches):
                progress(name, i, len(prepared))
                calls.append(attempt(prepared.method(ready, i), bench, known_to_be_planted(bench.planted, part)))
            progress(name, len(prepared), len(prepared))
            checked.append(Checked(name, part, tuple(calls), tuple(before), tuple(oracles), prepared.retraining))
    return Check(prepared, tuple(checked))


def _methods(method: Any) -> dict[str, Deletion | str]:
    """By name, each once."""
    if isinstance(method, Mapping):
        found = dict(method)
    else:
        alone = isinstance(method, str) or callable(method) or not isinstance(method, Iterable)
        several = [method] if alone else list(method)
        found = {}
        for each in several:
            name = base = _name(each)
            count = 1
            while name in found:
                count += 1
                name = f"{base} ({count})"
            found[name] = each
    if not found or not all(isinstance(each, str) or callable(each) for each in found.values()):
        raise TypeError("`method` must be a function (model, data, forget) -> model, a name, or several of them.")
    return found


def _name(method: Deletion | str) -> str:
    return method if isinstance(method, str) else getattr(method, "__name__", type(method).__name__)
