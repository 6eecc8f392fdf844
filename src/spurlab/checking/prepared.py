"""The networks that a check needs: some that learnt a pattern, and their oracles, which never saw it."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, partial
from typing import Any

import torch
from torch import nn

from spurlab.audit.repair import Told
from spurlab.data import Dataset, load
from spurlab.deletion import Deletion
from spurlab.errors import InputError
from spurlab.measures import effects, numbers_of
from spurlab.measures.observed import required
from spurlab.methods import Attempt, Make
from spurlab.models import architecture_title, build
from spurlab.notebook import card
from spurlab.patterns import How, MarkLike, Planted, mark_on, pattern_title, plant, tell_carriers
from spurlab.studies import Cell, Setting, Train
from spurlab.studies.axes import NONE, REFERENCES
from spurlab.studies.cells import ORACLES
from spurlab.studies.materials import Materials, Network
from spurlab.studies.treating import Deleting, Numbers, seconds_to_retrain
from spurlab.studies.work import request_of
from spurlab.terminal import on_a_line, told_on_a_line
from spurlab.training import RECIPES, Ensemble, Member, Progress, Recipe, fit

Row = dict[str, Any]
PLANTED = ("dataset", "architecture", "how", "pattern", "target", "n")  # as in the rows of studies


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
        make: a new network of their architecture, by seed.
        retraining: seconds that it takes to retrain one network, see `prepare`.
    """

    data: Dataset
    recipe: Recipe
    target: int
    patterns: tuple[MarkLike, ...]
    planted: tuple[Planted, ...]
    originals: Ensemble
    oracles: Ensemble
    make: Make
    retraining: float = math.nan
    _references: dict[float, list[list[Attempt[Numbers]]]] = field(default_factory=dict, init=False, repr=False)

    def __repr__(self) -> str:
        return f"<Prepared: {self}>"

    def _repr_html_(self) -> str:
        return card("Prepared", str(self))

    def __len__(self) -> int:
        """How many seeds there are."""
        return len(self.planted)

    def __str__(self) -> str:
        count, what = len(self.planted[0].rows), architecture_title(self.originals.architecture) or "own network"
        where = f"{self.data.name}: {pattern_title(self.patterns[0])} on {count} examples of class {self.target}"
        return f"{where}, {what}, {self.recipe.epochs} epochs; {len(self)} networks and as many oracles"

    def _cell(self, i: int, method: str, share: float) -> Cell:
        """A method on the i-th network where a share of the planted examples is known, as a study names it."""
        setting = Setting(self.data.name, self.originals.architecture, self.planted[0].how, self.recipe)
        title, n, seeds = pattern_title(self.patterns[0]) or "own", len(self.planted[0].rows), self.originals.seeds
        return Cell(setting, setting, title, self.target, n, seeds[i], method, share, seeds[:ORACLES])

    def and_more(self, more: "Prepared") -> "Prepared":
        """With the networks of further seeds, which were prepared alike; what was measured of these stays."""
        both = Prepared(
            *(self.data, self.recipe, self.target, self.patterns + more.patterns, self.planted + more.planted),
            *(self.originals.joined(more.originals), self.oracles.joined(more.oracles), self.make, self.retraining),
        )
        both._references.update({share: list(attempts) for share, attempts in self._references.items()})
        return both

    @cached_property
    def materials(self) -> Materials:
        """What deletions are made from: what a study looks up by name."""
        seeds = self.originals.seeds

        def planted(training: Train) -> Planted:
            examples = self.planted[seeds.index(training.seed)]
            return examples.without(examples.mask) if training.without else examples

        @cache
        def trained(training: Train) -> Network:
            ensemble, i = self.oracles if training.without else self.originals, seeds.index(training.seed)
            return ensemble.member(i), bool(ensemble.diverged[i])

        def pattern(_: str, seed: int) -> MarkLike:
            return self.patterns[seeds.index(seed)]

        return Materials(self.data, pattern, planted, lambda _: self.make, trained, self.originals.device)

    @cached_property
    def numbers(self) -> tuple[str, ...]:
        """The numbers of each network, the spurious score first; retraining is timed once for all."""
        return tuple(number for name in effects() if name != "time_share" for number in numbers_of(name, self.data))

    @cached_property
    def benches(self) -> tuple[Deleting, ...]:
        """What deletions from each network start from and are measured with."""
        firsts = (self._cell(i, NONE, 1.0).treatment for i in range(len(self)))
        return tuple(Deleting(required(first), self.materials, lambda: self.retraining) for first in firsts)

    def _treated(self, i: int, name: str, share: float, method: Deletion | None = None) -> Attempt[Numbers]:
        """What becomes of the i-th network, as in a study, by this method or else by the one of this name."""
        cell = self._cell(i, name, share)
        requests = [request_of(cell, number) for number in self.numbers]
        return self.benches[i].treated(required(cell.treatment), requests, method)

    def rows(
        self, name: str, method: Deletion | str, share: float, tell: Told, networks: Iterable[int] | None = None
    ) -> Iterator[Row]:
        """What a method, called so, does to each network where a share of the examples is known; see `Check.rows`."""
        references = self._references.setdefault(share, [])  # the same for all methods
        for i in range(len(references), len(self)):
            tell("measuring the networks and the oracles", i, len(self))
            references.append([self._treated(i, reference, share) for reference in REFERENCES])
        planted = {column: self._cell(0, NONE, share).training.as_json()[column] for column in PLANTED}
        for i in range(len(self)) if networks is None else networks:
            before, oracle = references[i]
            tell(name, i, len(self))
            after = self._treated(i, *((method, share) if isinstance(method, str) else (name, share, method)))
            about = {"method": name, "share": share, "seed": self.originals.seeds[i], "seconds": after.seconds}
            time = after.seconds / self.retraining if self.retraining else math.nan
            numbers = {
                f"{measure}_{when}": number
                for when, attempt in (("before", before), ("after", after), ("oracle", oracle))
                for measure, number in zip(self.numbers, attempt.result or (math.nan,) * len(self.numbers), strict=True)
            }
            yield about | {"time": time, "failed": after.failed, "end": after.end} | planted | numbers
        tell(name, len(self), len(self))


def in_words(what: str, done: int, of: int) -> str:
    """What `Told` tells."""
    return f"{what}: {done} of {of}" if of > 1 else what


@told_on_a_line(in_words)
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
    one network alone: the median step of a hundred or of one epoch, in this process as it is when methods are run,
    times the steps of the whole training; by the clock that methods are timed by, see `spurlab.methods.clock`.

    Args:
        data: a data set, or the name of one.
        architecture: as `fit` takes it.
        recipe: how to train.
        pattern: its name or text, see `spurlab.patterns.own_mark`, drawn anew for each seed; or one for all: a
            `Pattern`, or a function from inputs to marked inputs, see `spurlab.patterns.marked`.
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

    >>> from spurlab import RECIPES, first_examples, load
    >>> data = first_examples(load("fashion-mini"), 100)
    >>> recipe = RECIPES["quick"].lasting(1)
    >>> prepared = prepare(data, architecture="small-mlp", recipe=recipe, n=5, seeds=range(2), workers=0)
    >>> len(prepared), len(prepared.originals.seeds)
    (2, 2)
    """
    data = load(data) if isinstance(data, str) else data
    if n < 1:
        raise InputError(f"`n` must be 1 or more, but it is {n}: with nothing planted there is nothing to forget.")
    if not isinstance(seeds, Sequence):
        raise InputError(f"`seeds` must be numbers, one for each network, e.g. range(2), but it is {seeds!r}.")
    if not seeds or len(set(seeds)) < len(seeds):
        raise InputError(f"`seeds` must be different numbers, at least one, but they are {list(seeds)}.")
    if not 0 <= target < data.classes:
        raise InputError(f"`target` is class {target}, but {data.name} has the classes 0 to {data.classes - 1}.")
    patterns = tuple(mark_on(pattern, data, seed) for seed in seeds)
    planted = tuple(
        plant(data.train, mark, target, n, seed, how=how) for mark, seed in zip(patterns, seeds, strict=True)
    )
    for mark in patterns:
        tell_carriers(mark, data)
    retained = [examples.without(examples.mask) for examples in planted]
    members = [Member(*pair) for sets in (planted, retained) for pair in zip(sets, seeds, strict=True)]

    def advance(now: Progress) -> None:
        progress("training", now.done, now.total)

    both = fit(architecture, members, recipe, classes=data.classes, workers=workers, device=device, progress=advance)
    originals, oracles = (both[rows] for rows in torch.arange(len(both)).split(len(seeds)))
    make = both.make or partial(build, both.architecture, data.shape, data.classes)
    prepared = Prepared(data, recipe, target, patterns, planted, originals, oracles, make)
    progress("timing one retraining", 0, 1)
    return replace(prepared, retraining=seconds_to_retrain(prepared._cell(0, NONE, 1.0).training, prepared.materials))
