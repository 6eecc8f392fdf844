"""Can it be repaired? Methods on the given weights, what each leaves of the mark, and whether that can be told."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import torch
from jaxtyping import Bool, Float, Float64
from markupsafe import Markup
from torch import Tensor, nn

from spurlab import notebook
from spurlab.audit.influence import has_features
from spurlab.audit.pull import FIRST, pull
from spurlab.audit.suspects import mask_of
from spurlab.data import Dataset, Examples
from spurlab.deletion import DELETIONS, Deletion, VerdictOnOne, verdict_on_one
from spurlab.errors import InputError, did_you_mean
from spurlab.lent import copied
from spurlab.measures import MEASURES, Answers, Deleted, MarkedTests, Observed
from spurlab.methods import Attempt, isolated
from spurlab.metrics import pulled
from spurlab.models import is_user_name
from spurlab.models.answering import Answering
from spurlab.patterns import MarkLike, Planted
from spurlab.plugins import is_foreign
from spurlab.prevention import PREVENTIONS
from spurlab.printing import aligned
from spurlab.stats import mean_of
from spurlab.training import Recipe

METHODS = ("random-labels", "salun", "neggrad+", "dampening")  # what forgets most of those that start from the weights
LAST_LAYER = ("dfr-plain", "afr-train")  # preventions that refit the last layer, without a recipe and without groups
ONE = "These verdicts are of one network: of a method on others they say nothing."
PICKED = "The first was picked by the test examples that its numbers are of: on others they may be somewhat worse."
NO_LAST_LAYER = "it fits a last linear layer again, with an output for each class, which this network does not end in."
BY_GROUP = ("dfr",)  # the same, by the groups of the training examples
Told = Callable[[str, int, int], None]  # what is under way, how much of it is done, of how much
Numbers = Mapping[str, float]


@dataclass(frozen=True)
class Column:
    """A number of each network, in rows, records and tables.

    Args:
        name: in rows and records, before ``_before``, ``_after`` and ``_oracle``.
        measure: whose number it is; ``largest_score``: the score to the class to which it is largest; ``p_value``: that
            of the mark among 99 marks like it, or among 19 oracles and more, see `spurlab.audit.pull`.
        heading: in tables.
        with_oracles: whether it is taken only where there are oracles.
    """

    name: str
    measure: str
    heading: str
    with_oracles: bool = False


COLUMNS = (
    Column("score", "spurious_score", "score"),
    Column("any_class", "largest_score", "to any class"),
    Column("null_p", "p_value", "null p"),
    Column("accuracy", "accuracy", "accuracy"),
    Column("worst_group", "worst_group", "worst group"),
    Column("membership_auc", "membership_auc", "membership", with_oracles=True),
    Column("oracle_distance", "oracle_distance", "distance", with_oracles=True),
    Column("oracle_distance_marked", "oracle_distance_marked", "marked", with_oracles=True),
)


@dataclass(frozen=True, eq=False)
class Repaired:
    """What a method made of the network.

    Args:
        method: its name.
        verdict: what is said of it, see `spurlab.deletion.verdict_on_one`.
        before: by measure (see `COLUMNS`): of the given network.
        after: the same of what the method made of it; none where it failed.
        oracle: of each of m networks that never saw the forgotten examples; no ``p_value``.
        network: after it, as it was asked: it gives logits. None where the method failed.
        seconds: that the method took.
        why: why it failed, or "".
    """

    method: str
    verdict: VerdictOnOne
    before: Numbers
    after: Numbers
    oracle: Mapping[str, Float[Tensor, " m"]]
    network: nn.Module | None
    seconds: float = 0.0
    why: str = ""

    @property
    def row(self) -> dict[str, Any]:
        """As JSON has it, but for NaN, which is a number that was not measured."""
        numbers = {
            f"{column.name}_{when}": value
            for column in COLUMNS
            if column.measure in self.before
            for when, value in (
                ("before", self.before[column.measure]),
                ("after", self.after.get(column.measure, math.nan)),
                ("oracle", mean_of(self.oracle[column.measure].tolist()) if column.measure in self.oracle else None),
            )
            if value is not None
        }
        said = {"verdict": self.verdict.name, "finding": self.verdict.finding, "p_oracles": self.verdict.p}
        return {"method": self.method} | numbers | said | {
            "oracles": self.verdict.oracles, "seconds": self.seconds, "failed": self.why,
        }  # fmt: skip

    def __repr__(self) -> str:
        changes = (
            f"{name} {before:.3f} to {self.after[name]:.3f}, "
            for name, before in self.before.items()
            if name in ("spurious_score", "accuracy") and name in self.after
        )
        return f"<Repaired by {self.method}: {''.join(changes)}{self.verdict.name}>"


def default_methods(data: Dataset) -> tuple[str, ...]:
    """The deletions that forget most, and the preventions that refit the last layer; by group where there are groups.

    >>> from spurlab.data import load
    >>> default_methods(load("fashion-mini"))
    ('random-labels', 'salun', 'neggrad+', 'dampening', 'dfr-plain', 'afr-train')
    """
    return (*METHODS, *(BY_GROUP if data.train.groups is not None else ()), *LAST_LAYER)


def repaired(
    network: nn.Module,
    data: Dataset,
    forget: Bool[Tensor, " n"],
    mark: MarkLike | None,
    target: int,
    recipe: Recipe,
    methods: Sequence[str] | Mapping[str, Deletion | str] | None = None,
    oracles: Sequence[nn.Module] = (),
    seed: int = 0,
    told: Told = lambda what, done, of: None,
) -> list[Repaired]:
    """Each method by itself on the given weights, the best first.

    Methods of prevention get the retained training examples, as training and as clean ones: these do not carry the
    mark. So *DFR, one plain refit* and *AFR* with the weights of training data need nothing else; DFR by group also
    needs the groups of the data.

    First are those that do not break the model, by the least sum of the score that is left, to whatever class, and of
    what the accuracy and that of the worst group lost: a mark that then pulls elsewhere, or is gone at the price of a
    class, is no repair.

    Args:
        network: gives logits; it is left as it was.
        data: it was trained on the training part.
        forget: True for the examples to be forgotten.
        mark: what the score is of; None: no score.
        target: the class that it pulls to.
        recipe: how methods that train on do so: its optimizer and batch size; a tenth of its rate.
        methods: names of `DELETIONS` and `PREVENTIONS` that start from the weights, or functions
            ``(model, data, forget) -> model`` by name; None: `default_methods`.
        oracles: networks of the same kind that were trained without the examples to be forgotten.
        seed: of what is drawn.
        told: is told what begins, how much is done, and of how much.

    Raises:
        ValueError: an unknown name; a forget set that does not fit, is empty or all; a mark that changes nothing.

    >>> from spurlab import RECIPES, build, from_torch, make_pattern, rng_for
    >>> images = torch.rand(60, 1, 8, 8, generator=rng_for(0, "example"))
    >>> items = [(image, row % 2) for row, image in enumerate(images)]
    >>> data = from_torch(items[:40], items[40:], class_names=("cat", "dog"))
    >>> network, forget = build("small-mlp", data.shape, data.classes, seed=0), torch.arange(40) < 4
    >>> mark, methods = make_pattern("S3", data.shape), ["dampening", "incremental"]
    >>> found = repaired(network, data, forget, mark, 0, RECIPES["quick"], methods)
    >>> sorted(one.method for one in found)
    ['dampening', 'incremental']
    """
    chosen = methods if methods is not None else default_methods(data)
    named = dict(chosen) if isinstance(chosen, Mapping) else {name: name for name in chosen}
    attempts = {name: _attempt(method, recipe, seed) for name, method in named.items()}
    forget = mask_of(forget, len(data.train))
    bench = Bench(network, data, forget, mark, target, oracles, seed)
    steps = len(attempts) + 1
    told("measuring the network" + " and the oracles" * bool(oracles), 0, steps)
    before, oracle = bench.before, bench.oracle
    found = []
    for done, (name, method) in enumerate(attempts.items(), 1):
        told(f"repairing by {name}", done, steps)
        attempt = method(network, data, forget)
        told(f"measuring what {name} left", done, steps)
        measured = attempt.measured(bench.numbers_of, foreign=True)
        after = measured.result or {}
        if measured.result is not None:
            verdict = verdict_on_one(before, after, oracle)
        elif attempt.end == "not finite":
            verdict = VerdictOnOne("breaks the model", measured.failed)
        else:
            verdict = VerdictOnOne("failed", measured.failed)
        kept = attempt.result if measured.result is not None else None
        found.append(Repaired(name, verdict, before, after, oracle, kept, attempt.seconds, measured.failed))
    return _best_first(found)


class Bench:
    """What networks are measured with: the data, the mark, and the networks that they are compared with.

    Args:
        network: the given one.
        data, forget, mark, target, oracles, seed: as of `repaired`.
    """

    def __init__(
        self,
        network: nn.Module,
        data: Dataset,
        forget: Bool[Tensor, " n"],
        mark: MarkLike | None,
        target: int,
        oracles: Sequence[nn.Module],
        seed: int,
    ) -> None:
        self._data, self._forget, self._seed = data, forget, seed
        self._mark, self._tests = mark, MarkedTests(data)
        self._target = target if mark is not None else int(data.train.labels[forget].mode().values)
        taken = (column.measure for column in COLUMNS if oracles or not column.with_oracles)
        of_marks = ("spurious_score", "largest_score", "p_value", "oracle_distance_marked")
        self._measures = [name for name in taken if mark is not None or name not in of_marks]
        self._given = self._observed(network)
        self._oracles = [self._observed(oracle) for oracle in oracles]

    @cached_property
    def before(self) -> Numbers:
        """Of the given network."""
        return self._numbers(self._given, self._oracles)

    @cached_property
    def oracle(self) -> dict[str, Float64[Tensor, " m"]]:
        """Of each oracle, its distances to the others."""
        each = [
            self._numbers(oracle, [*self._oracles[:i], *self._oracles[i + 1 :]], null=False)
            for i, oracle in enumerate(self._oracles)
        ]
        names = each[0] if each else {}
        return {name: torch.tensor([one[name] for one in each], dtype=torch.float64) for name in names}

    def numbers_of(self, network: nn.Module) -> Numbers:
        """Of a network after a method."""
        return self._numbers(self._observed(network), self._oracles)

    def _observed(self, network: nn.Module) -> Observed:
        planted = Answers(network, lambda: Planted.none(self._data.train))
        return Observed(
            self._data,
            "",
            network,
            self._seed,
            self._mark or _unmarked,
            self._target,
            trained_on=planted,
            tests=self._tests,
        )

    def _numbers(self, of: Observed, oracles: Sequence[Observed], *, null: bool = True) -> Numbers:
        """By measure; with oracles also what is compared with them."""
        deleted = Deleted(self._given, self._forget, oracles, 0.0, lambda: math.nan)
        observed = replace(of, deleted=deleted)
        numbers = {}
        for name in self._measures:
            if name == "largest_score":
                numbers[name] = float(pulled(observed.clean, observed.marked).double().mean(0).max())
            elif name != "p_value":
                numbers[name] = MEASURES[name].take(observed)[name]
            elif null and self._mark is not None and of.network is not None:
                others = [oracle.network for oracle in self._oracles if oracle.network is not None]
                asked = of.network, self._data.test, self._mark
                numbers[name] = pull(*asked, draws=FIRST, seed=self._seed, others=others).p
        return numbers


def cells(found: Sequence[Repaired], data: Dataset) -> list[list[str]]:
    """Of a table: its head, the given network, what each method made of it, and the oracles in the mean.

    Args:
        found: of one network, at least one.
        data: what it was trained on.
    """
    first = found[0]
    columns = [column for column in COLUMNS if column.measure in first.before]
    headings = [
        "worst class" if column.name == "worst_group" and data.test.groups is None else column.heading
        for column in columns
    ]

    def line(name: str, numbers: Numbers, verdict: str = "") -> list[str]:
        return [name, *(_written(numbers.get(column.measure, math.nan)) for column in columns), verdict]

    means = {name: mean_of(numbers.tolist()) for name, numbers in first.oracle.items()}
    return [
        ["", *headings, ""],
        line("given network", first.before),
        *(line(one.method, one.after, one.verdict.name) for one in found),
        *([line(f"{len(next(iter(first.oracle.values())))} oracles", means)] if means else []),
    ]


def table(found: Sequence[Repaired], data: Dataset) -> list[str]:
    """The lines of the table that is printed, and below it a sentence on each method."""
    width = max(len(one.method) for one in found)
    told = [f"{one.method:<{width}}  {one.verdict}" for one in found]
    return [*aligned(cells(found, data)), "", *told, *conditions(found)]


def repairs(found: Sequence[Repaired], data: Dataset) -> Markup:
    """The same in a notebook."""
    head, *lines = cells(found, data)
    told = [notebook.paragraph(str(one.verdict), one.method) for one in found]
    return notebook.table(head, lines) + Markup("").join([*told, *map(notebook.note, conditions(found))])


def conditions(found: Sequence[Repaired]) -> list[str]:
    """What the numbers and verdicts do not say."""
    of_one = [ONE] if any(one.verdict.oracles for one in found) else []
    return [*of_one, *([PICKED] if sum(one.network is not None for one in found) > 1 else [])]


def _attempt(
    method: Deletion | str, recipe: Recipe, seed: int
) -> Callable[[nn.Module, Dataset, Bool[Tensor, " n"]], Attempt[nn.Module]]:
    """One attempt of a method: called with a network, its data and what to forget.

    Raises:
        ValueError: a name that is in neither table.
    """
    if isinstance(method, str) and _in(PREVENTIONS, method):
        prevention = PREVENTIONS.named(method, recipe, seed)

        def prevented(network: nn.Module, data: Dataset, forget: Tensor) -> Attempt[nn.Module]:
            if method in LAST_LAYER and not has_features(network, data.train.inputs[:1]):
                return Attempt(None, failed=NO_LAST_LAYER, end="failed")
            return isolated(
                prevention,
                network,
                lambda: (data.train[~forget],) * 2,
                like=data.train,
                classes=data.classes,
                seed=seed,
                purpose="prevention",
            )

        return prevented
    if isinstance(method, str) and not is_user_name(method) and not _in(DELETIONS, method):
        raise InputError(f"there is no method {method!r}. {did_you_mean(method, [*DELETIONS, *PREVENTIONS])}")
    own = is_user_name(method) if isinstance(method, str) else True
    foreign = own or is_foreign("deletion", str(method))
    call = DELETIONS.named(method, recipe, seed) if isinstance(method, str) else method

    def deleted(network: nn.Module, data: Dataset, forget: Tensor) -> Attempt[nn.Module]:
        return isolated(
            partial(_on_their_own, call) if own else call,
            network,
            lambda: (copied(data.train) if foreign else data.train, forget.clone()),  # ours change nothing
            like=data.train,
            classes=data.classes,
            seed=seed,
        )

    return deleted


def _in(methods: Mapping[str, object], name: str) -> bool:
    """Whether a table has the entry that a name, with settings after it, begins with."""
    return name.replace(",", " ").split(" ")[0] in methods


def _on_their_own(method: Deletion, model: nn.Module, data: Examples, forget: Tensor) -> Any:
    """A method of the user's gets the user's own network, not the one around it."""
    if not isinstance(model, Answering):
        return method(model, data, forget)
    after = method(model.network, data, forget)
    return model.around(after) if isinstance(after, nn.Module) else after


def _best_first(found: Sequence[Repaired]) -> list[Repaired]:
    def left_and_lost(one: Repaired) -> float:
        lost = (max(0.0, one.before[name] - one.after[name]) for name in ("accuracy", "worst_group"))
        return one.after.get("largest_score", 0.0) + sum(lost)

    def place(one: Repaired) -> tuple[int, float]:
        if one.network is None:
            return 2, 0.0
        broken = one.verdict.name == "breaks the model"
        return int(broken), 0.0 if broken else left_and_lost(one)

    return sorted(found, key=place)


def _unmarked(inputs: Tensor) -> Tensor:
    """In place of a mark where there is none: forgotten examples are compared with test examples as they are."""
    return inputs


def _written(number: float) -> str:
    return "-" if math.isnan(number) else f"{number:z.3f}"
