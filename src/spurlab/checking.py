"""The check of a data deletion method against networks that never saw what it should forget: a study in memory."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, partial
from itertools import chain, count
from typing import Any, overload

import torch
from torch import Tensor, nn

from spurlab.audit.given import CheckOnOne, check_given
from spurlab.audit.repair import Told
from spurlab.data import Dataset, load
from spurlab.deletion import Deletion, Judged, Verdict, deletion_named
from spurlab.errors import InputError
from spurlab.measures import effects, measure_named, numbers_of
from spurlab.measures.observed import required
from spurlab.methods import Attempt, Make
from spurlab.models import architecture_title, build
from spurlab.notebook import card, paragraph, table
from spurlab.patterns import How, MarkLike, Planted, mark_on, pattern_title, plant, tell_carriers
from spurlab.printing import aligned
from spurlab.stats import Looks, Ratio, mean_of
from spurlab.studies import Cell, Setting, Train
from spurlab.studies.axes import NONE, REFERENCES
from spurlab.studies.cells import ORACLES
from spurlab.studies.materials import Materials, Network
from spurlab.studies.treating import Deleting, Numbers, seconds_to_retrain
from spurlab.studies.work import request_of
from spurlab.terminal import on_a_line, told_on_a_line
from spurlab.training import RECIPES, Ensemble, Member, Progress, Recipe, fit

Row = dict[str, Any]
Methods = Deletion | str | Sequence[Deletion | str] | Mapping[str, Deletion | str]
FEW = 4  # methods that are named where there is little room
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


@dataclass(frozen=True, eq=False)
class Checked:
    """One method at one share of known examples, over all networks.

    Args:
        method: its name.
        share: of the planted examples that was known and deleted.
        rows: one for each network, see `Check.rows`.
        numbers: what was measured of each, see `Prepared.numbers`.
        most: where seeds were added until it was decided, up to how many networks.
    """

    method: str
    share: float
    rows: list[Row]
    numbers: tuple[str, ...]
    most: int | None = None

    def __repr__(self) -> str:
        return f"<Checked {self.method} on {len(self.rows)} networks: {self.verdict.name}>"

    def _repr_html_(self) -> str:
        """As the check of one method has it."""
        about = f"{self.method}, {self.share:.0%} of the planted examples known"
        facts = {"networks": len(self.rows), "gap closed": str(self.closed) if self.measured else ""}
        return card("Checked", about, facts, paragraph(str(self.verdict)))

    @cached_property
    def measured(self) -> list[Row]:
        """The rows of networks on which the method did not fail; what is not finite is a result."""
        return [row for row in self.rows if row["end"] != "failed"]

    @cached_property
    def judged(self) -> Judged:
        """Before, after and of the oracles, by measure; where the method failed, the network is out."""

        def columns(when: str) -> dict[str, Tensor]:
            rows = {name: [row[f"{name}_{when}"] for row in self.measured] for name in self.numbers}
            return {name: torch.tensor(column, dtype=torch.float64) for name, column in rows.items()}

        return Judged(columns("before"), columns("after"), columns("oracle"), self.most)

    @property
    def verdict(self) -> Verdict:
        """See `spurlab.deletion.verdict`; of the networks on which the method did not fail."""
        failures, not_finite = (
            [row["failed"] for row in self.rows if row["end"] == end] for end in ("failed", "not finite")
        )
        if not self.measured:
            return Verdict("method failed", failed=len(failures), why=failures[0])
        verdict = self.judged.verdict
        reasons = failures or (not_finite if verdict.name == "breaks the model" else [])
        return replace(verdict, failed=len(failures), why=next(iter(reasons), ""))

    @property
    def closed(self) -> Ratio:
        """The share of the gap between the score before and the oracles' that the method closed."""
        return self.judged.closed

    @property
    def time(self) -> float:
        """Of the method as a share of retraining, in the mean over the networks that it gave."""
        return mean_of([row["time"] for row in self.measured if row["end"] != "diverged"])

    @property
    def cells(self) -> list[str]:
        """Its line of the printed table."""
        more = (_closed(self.closed), f"{self.time:.1%}") if self.measured else ("-", "-")
        return _cells(self.method, self.numbers, self.measured, "after", *more, self.verdict.name)


@dataclass(frozen=True, eq=False)
class Check:
    """What a check found; printed as a table. See `check`.

    Args:
        prepared: the networks.
        rows: one for each method, share and network: time, failure, how it ended (see `spurlab.methods.Attempt`), what
            was planted (as in the rows of studies), and each measure ``before``, ``after`` and of the ``oracle``, e.g.
            ``spurious_score_after``.
        most: where seeds were added until it was decided, up to how many networks.
    """

    prepared: Prepared
    rows: list[Row]
    most: int | None = None

    @cached_property
    def checked(self) -> tuple[Checked, ...]:
        """Each method at each share."""
        places: dict[tuple[str, float], list[Row]] = {}
        for row in self.rows:
            places.setdefault((row["method"], row["share"]), []).append(row)
        return tuple(Checked(*place, rows, self.prepared.numbers, self.most) for place, rows in places.items())

    def __repr__(self) -> str:
        said = ", ".join(f"{checked.method} {checked.verdict.name}" for checked in self.checked[:FEW])
        more = f" and {len(self.checked) - FEW} more" if len(self.checked) > FEW else ""
        return f"<Check of {len(self.prepared)} networks: {said}{more}>"

    def _repr_html_(self) -> str:
        tables = [table(head, lines, title) for title, (head, *lines) in self._tables]
        return card(
            "Check",
            "",
            {"networks": str(self.prepared)},
            *tables,
            *(paragraph(said, about) for about, said in self._sentences),
        )

    def __str__(self) -> str:
        lines = [str(self.prepared), ""]
        for title, cells in self._tables:
            lines += [*([title] if title else []), *aligned(cells), ""]
        width = max(len(label) for label, _ in self._sentences)
        return "\n".join([*lines, *(f"{label:<{width}}  {said}" for label, said in self._sentences)])

    @property
    def _tables(self) -> list[tuple[str, list[list[str]]]]:
        """For each share of known examples a title ("" where all are known) and the cells, the heads first."""
        tables, shares = [], list(dict.fromkeys(row["share"] for row in self.rows))
        numbers = self.prepared.numbers
        score, *others = (measure_named(number).heading or number for number in numbers)
        for share in shares:
            group = [checked for checked in self.checked if checked.share == share]
            all_networks = max((checked.rows for checked in group), key=len)
            cells = [
                ["", "networks", score, "gap closed", *others, "time", ""],
                _cells("before", numbers, all_networks, "before"),
                *(checked.cells for checked in group),
                _cells("oracles", numbers, all_networks, "oracle"),
            ]
            if len({len(checked.rows) for checked in group}) == 1:  # the heading of all says how many
                cells = [[name, *others] for name, _, *others in cells]
            told = f"{share:.0%} of the planted examples known" if share < 1 or len(shares) > 1 else ""
            tables.append((told, cells))
        return tables

    @property
    def _sentences(self) -> list[tuple[str, str]]:
        """Each method at each share, and the verdict on it."""
        several = len({checked.share for checked in self.checked}) > 1
        return [(one.method + f", {one.share:.0%}" * several, str(one.verdict)) for one in self.checked]


def _cells(
    name: str, numbers: Sequence[str], rows: list[Row], when: str, closed: str = "", time: str = "", verdict: str = ""
) -> list[str]:
    """One line of the table: of each number over networks what its measure says of them."""
    score, *others = (
        measure_named(number).summary([row[f"{number}_{when}"] for row in rows]) if rows else "-" for number in numbers
    )
    return [name, str(len(rows)), score, closed, *others, time, verdict]


def _closed(ratio: Ratio) -> str:
    if ratio.low == -math.inf:
        return "any"
    return f"{ratio.value:z.2f}" if ratio.why or ratio.low == ratio.high else str(ratio)


@overload
def check(
    method: Methods,
    data: Dataset | str = ...,
    *,
    given: Any,
    forget: Tensor | Sequence[int | str],
    progress: Told = ...,
    **settings: Any,
) -> CheckOnOne: ...


@overload
def check(
    method: Methods,
    data: Dataset | str | Prepared = ...,
    *,
    given: None = ...,
    share: float | Sequence[float] = ...,
    most: int | None = ...,
    progress: Told = ...,
    **settings: Any,
) -> Check: ...


@told_on_a_line(_in_words)
def check(
    method: Methods,
    data: Dataset | str | Prepared = "fashion-mini",
    *,
    given: Any = None,
    forget: Tensor | Sequence[int | str] | None = None,
    share: float | Sequence[float] = 1.0,
    most: int | None = None,
    progress: Told = on_a_line,
    **settings: Any,
) -> Check | CheckOnOne:
    """Does a data deletion method forget?

    A pattern is planted in a few training examples and learnt; the method is told to forget these examples; what it
    leaves is compared with oracles, networks that never saw them. A method that fails on a network, or returns what is
    no network of this task, is a row with its reason.

    With a network of your own (`given`) nothing is planted: it is to forget examples of its training data. Before and
    after each method stand the spurious score, its p among marks like it, accuracy and that of the worst group (class,
    where there are no groups). With `recipe`, oracles are trained without these examples, and each method gets a
    verdict (:func:`spurlab.deletion.verdict_on_one`) with the rank of its network among them. It is one network: of the
    method on others nothing is said.

    Printed are means over the networks: the spurious score; the share of its gap to the oracles that was closed, with
    95 % interval; accuracy on the test examples and on the forgotten ones without the pattern; the membership AUC of
    the forgotten ones; the distance to the oracles in log-odds, on clean and on marked test images; the median of steps
    to relearn; the time as a share of retraining; the verdict. `spurlab.measures` has each, `verdict` the last.

    Args:
        method: a function ``(model, data, forget) -> model`` of your own, a name of `DELETIONS` (which is given the
            seed of each network), or several of them; your own with names of your choice as a mapping.
        data: a data set or its name, or what `prepare` gave: then several calls share the networks and the oracles.
        given: a network that was trained on the data, which stays as it is; see `spurlab.audit.given.check_given` for
            its settings: pattern (needed), target, recipe, oracles, make, outputs, mean, std, seed.
        forget: the training examples that it is to forget, as rows, files or true or false for each.
        share: of the planted examples, how many are known and deleted; the oracles never saw any. Several: each.
        most: seeds are added (the next numbers) until each verdict is decided, up to so many networks; the verdicts
            keep their level, see :class:`spurlab.stats.Looks`. Not beside networks that are prepared.
        progress: told what is under way, how much of it is done, of how much; see `spurlab.terminal.on_a_line`.
        settings: what else `prepare` takes: architecture, recipe, pattern, target, n, seeds, how, workers, device.

    Raises:
        ValueError: an unknown name, a share outside (0, 1], or what `prepare` or `check_given` refuses.
        TypeError: no method, or settings beside networks that are prepared.

    A method of one's own, against a ready one:

    >>> from dataclasses import replace
    >>> from spurlab import RECIPES, check, first_examples, load, prepare
    >>> def finetune(model, data, forget):
    ...     retain, optimizer = data[~forget], torch.optim.SGD(model.parameters(), lr=0.01)
    ...     for rows in torch.arange(len(retain)).split(100):
    ...         optimizer.zero_grad()
    ...         torch.nn.functional.cross_entropy(model(retain.inputs[rows]), retain.labels[rows]).backward()
    ...         optimizer.step()
    ...     return model
    >>> few, recipe = first_examples(load("fashion-mini"), 100), RECIPES["quick"].lasting(1)
    >>> data = replace(few, test=few.test[:200])  # so few to be quick; all of them and five seeds for a verdict
    >>> prepared = prepare(data, architecture="small-mlp", recipe=recipe, n=5, seeds=[0], workers=0)
    >>> found = check([finetune, "incremental-1e-3"], prepared)  # print(found) has the numbers and the verdicts
    >>> [(row["method"], row["seed"], row["failed"]) for row in found.rows]
    [('finetune', 0, ''), ('incremental-1e-3', 0, '')]

    On a network of one's own:

    >>> found = check(finetune, data, given=network, forget=rows, pattern="S1")  # doctest: +SKIP
    """
    methods = _methods(method)
    if given is not None or forget is not None:
        if given is None or forget is None:
            raise InputError("`given` (a network) and `forget` (its training examples) go together: give both.")
        if isinstance(data, Prepared) or share != 1.0 or most is not None:
            raise InputError("a given network goes with a data set, without prepared networks, `share` and `most`.")
        data = load(data) if isinstance(data, str) else data
        return check_given(methods, data, given, forget, progress, **settings)
    shares = dict.fromkeys([float(share)] if isinstance(share, float | int) else map(float, share))
    if not shares or not all(0 < known <= 1 for known in shares):
        raise InputError(f"`share` must lie above 0 and not above 1, but it is {share}.")
    for ready in methods.values():
        if isinstance(ready, str):
            deletion_named(ready, RECIPES["quick"], 0)  # an unknown name is refused before anything is trained
    if isinstance(data, Prepared) and settings:
        raise TypeError(f"the networks are trained already: {', '.join(settings)} belong in `prepare`.")
    asked = [(name, part) for part in shares for name in methods]
    if most is not None:
        if isinstance(data, Prepared):
            raise TypeError("`most` trains further networks, so give the settings of `prepare` in place of networks.")
        return _until_decided(methods, asked, data, Looks(most), progress, settings)
    prepared = data if isinstance(data, Prepared) else prepare(data, progress=progress, **settings)
    rows = (prepared.rows(name, methods[name], part, progress) for name, part in asked)
    return Check(prepared, list(chain.from_iterable(rows)))


def _until_decided(
    methods: Mapping[str, Deletion | str],
    asked: Sequence[tuple[str, float]],
    data: Dataset | str,
    looks: Looks,
    progress: Told,
    settings: Mapping[str, Any],
) -> Check:
    """A check with more and more seeds, each verdict with its own number, until all are decided or have the most."""
    own = tuple(settings.get("seeds", range(looks.numbers[0])))
    if not own or len(own) > looks.numbers[-1]:
        raise InputError(f"`seeds` are {len(own)} numbers, but one to `most` = {looks.numbers[-1]} are to be given.")
    seeds = (*own, *range(max(own) + 1, max(own) + 1 + looks.numbers[-1] - len(own)))
    data = load(data) if isinstance(data, str) else data
    prepared, rows, left = None, dict[tuple[str, float], list[Row]](), list(asked)
    for look in [m for m in looks.numbers if m >= len(own)]:
        there = len(prepared) if prepared else 0
        more = prepare(data, progress=progress, **{**settings, "seeds": seeds[there:look]})
        prepared = prepared.and_more(more) if prepared else more
        for name, part in left:
            new = range(len(rows.setdefault((name, part), [])), look)
            rows[name, part] += prepared.rows(name, methods[name], part, progress, new)
        check = Check(prepared, list(chain.from_iterable(rows.values())), looks.most)
        left = [(c.method, c.share) for c in check.checked if c.verdict.open]
        if not left:
            break
    return check


def _methods(method: Any) -> dict[str, Deletion | str]:
    """By name, each once."""
    if isinstance(method, Mapping):
        methods = dict(method)
    else:
        alone, methods = isinstance(method, str) or callable(method) or not isinstance(method, Iterable), {}
        for one in [method] if alone else method:
            base = one if isinstance(one, str) else getattr(one, "__name__", type(one).__name__)
            base = "your function" if base == "<lambda>" else base
            names = chain([base], (f"{base} ({number})" for number in count(2)))
            methods[next(name for name in names if name not in methods)] = one
    if not methods or not all(isinstance(one, str) or callable(one) for one in methods.values()):
        raise TypeError("`method` must be a function (model, data, forget) -> model, a name, or several of them.")
    return methods
