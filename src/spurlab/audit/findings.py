"""The audit: one network and its data in, findings out."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from spurlab.audit import words
from spurlab.audit.detect.components import class_components
from spurlab.audit.detect.shared import FEW, SharedComponent, shared_components
from spurlab.audit.detect.transplant import transplant
from spurlab.audit.exposed import Exposure, check_exposure, exposure_of, shadow_members
from spurlab.audit.influence import has_features, influence_on_mark
from spurlab.audit.inversion import put_on
from spurlab.audit.looks import Look, look_at_mark, look_at_worst
from spurlab.audit.presence import carriers, presence
from spurlab.audit.pull import DRAWS, FEWEST, Pull, check_changed, pull
from spurlab.audit.references import COUNT, check_recipe, references
from spurlab.audit.repair import Repaired, Told, repaired, table
from spurlab.audit.served import Fit, Served, beside, fit_of, served
from spurlab.audit.suspects import Suspect, listed, listed_components, rows_of
from spurlab.audit.together import together
from spurlab.audit.unknown import SHARED, Unknown, alarm_rate, unknown_marks
from spurlab.data import DamagedDataError, Dataset, load
from spurlab.errors import InputError
from spurlab.models import seeded
from spurlab.models.answering import Answering, answering, check_finite
from spurlab.models.files import is_program, load_network
from spurlab.patterns import Mark, MarkLike, marked_all, own_mark, pattern_title
from spurlab.seeds import rng_for
from spurlab.training import RECIPES, Recipe, predictions

NOTHING = (
    "There is nothing to repair: no mark that the network may go by is carried by training examples, and no few of "
    "them share what others lack. Name those to be forgotten (suspects)."
)
QUICK = 199  # null marks of a quick audit
TRIED = 50  # test examples that each mark is put on first
LEFT_OUT = 0.02  # of each class, by the transplant score: what reference networks do not see


@dataclass(frozen=True, eq=False)
class Audit:
    """What was found of one network and its data; printed in sentences, as by the command.

    Args:
        data: what it was asked about.
        network: as it was asked: it gives logits.
        fit: its accuracy on the test examples, and what looks wrong.
        named: the marks by name.
        marks: for each mark, whether the network goes by it.
        suspects: training examples, ranked; by mark, and without one.
        served: the accuracy of each class and group, the worst first.
        looks: where it looks when examples have each mark, and in those that are served worst.
        repairs: what each method made of it, the best first; none where that was not asked for, or nothing is to be
            forgotten.
        forgotten: the training examples that were forgotten there.
        others: how many reference networks were trained.
        unknown: what may be marks that nobody named.
        unrepaired: why nothing was repaired although that was asked for, or "".
        looked_for: by its name the mark that the scores of repairs are of; "": one that nobody named, or none.
        exposure: which training examples are exposed to membership inference; None: that was not asked.
    """

    data: Dataset
    network: Answering
    fit: Fit
    named: Mapping[str, MarkLike]
    marks: tuple[Pull, ...]
    suspects: tuple[Suspect, ...]
    served: tuple[Served, ...]
    looks: tuple[Look, ...] = ()
    repairs: tuple[Repaired, ...] = ()
    forgotten: tuple[int, ...] = ()
    others: int = 0
    unknown: tuple[Unknown, ...] = ()
    unrepaired: str = ""
    looked_for: str = ""
    exposure: Exposure | None = None

    @property
    def brief(self) -> list[str]:
        """The answer in three sentences: of marks, examples, repair or who is served worst; one more on an odd find."""
        mark, data = words.clearest(self.marks), self.data
        told = ["No mark was named, so none was tried." if mark is None else words.of_mark(mark, data)]
        told += [words.of_unknown(one, data, brief=True) for one in self.unknown if one.unusual][:1]
        told.append(words.of_examples(self.suspects, data))
        if self.repairs or self.unrepaired:
            return [*told, *self._repair]
        return [*told, words.of_served(self.served, self.fit, data)]

    @property
    def _repair(self) -> list[str]:
        """The best repair, or why there is none."""
        if self.repairs:
            return [words.of_repairs(self.repairs, len(self.forgotten), self.data, self.looked_for)]
        return [self.unrepaired] if self.unrepaired else []

    def __str__(self) -> str:
        data = self.data
        fit = f"accuracy {self.fit.accuracy:.3f} on {self.fit.share.models:,} test {words.unit(data)}"
        lines = [
            f"{fit}; the network gives {self.network.outputs}",
            *(f"LOOK AT THIS FIRST: {warning}" for warning in self.fit.warnings),
            *(words.of_mark(one, data) for one in self.marks),
            *(words.of_unknown(one, data) for one in self.unknown),
            *words.of_level(self.marks, self.unknown),
            *words.left_out(self.unknown),
            words.of_examples(self.suspects, data),
            words.of_served(self.served, self.fit, data),
            *([words.of_exposure(self.exposure, data)] if self.exposure else []),
            *self._repair,
        ]
        return "\n".join([*lines, *(["", *table(self.repairs, data)] if self.repairs else [])])

    def __repr__(self) -> str:
        counts = {"marks": self.marks, "unknown": self.unknown, "suspects": self.suspects, "repairs": self.repairs}
        told = ", ".join(f"{len(several)} {name}" for name, several in counts.items())
        return f"<Audit of {self.data.name}: accuracy {self.fit.accuracy:.3f}, {told}>"

    def record(self) -> dict[str, Any]:
        """As JSON: numbers first.

        Its keys, where they are not the names of attributes: of a mark ``class`` (`Pull.target`), ``interval``
        (`share`), ``null`` (`against`), ``null_draws`` (`draws`), ``null_largest`` (`strongest_null`) and ``p_value``
        (`p`); of an unknown one ``class`` (`label`), ``examples`` (`rows`), ``near_identical`` (`twins`) and
        ``false_alarm_rate`` (`alarm_rate`); ``examples`` are `suspects`, ``groups`` are `served` and ``repair``
        `repairs`, each as its `Repaired.row`; ``exposure`` is null where it was not asked. NaN is null.
        """
        return {
            "accuracy": self.fit.accuracy,
            "accuracy_interval": [self.fit.share.low, self.fit.share.high],
            "outputs": self.network.outputs,
            "warnings": list(self.fit.warnings),
            "marks": [
                {
                    "mark": found.mark,
                    "class": self.data.class_names[found.target],
                    "score": found.score,
                    "interval": [found.share.low, found.share.high],
                    "scores": dict(zip(self.data.class_names, found.scores.tolist(), strict=True)),
                    "null": found.against,
                    "null_draws": found.draws,
                    "null_largest": found.strongest_null,
                    "p_value": _number(found.p),
                    "p_alone": _number(found.p_alone),
                    "verdict": found.verdict,
                }
                for found in self.marks
            ],
            "unknown": [
                {
                    "method": one.method,
                    "class": self.data.class_names[one.label],
                    "norm": one.norm if math.isfinite(one.norm) else None,
                    "success": _number(one.success),
                    "gap": _number(one.gap),
                    "p_value": _number(one.p),
                    "p_alone": _number(one.p_alone),
                    "verdict": one.verdict,
                    "false_alarm_rate": alarm_rate(one.method, self.data),
                    "examples": [self.data.train.source(row) for row in one.rows],
                    "near_identical": [self.data.train.source(row) for row in one.twins],
                }
                for one in self.unknown
            ],
            "examples": [vars(suspect) for suspect in self.suspects],
            "groups": [
                {
                    "name": one.name,
                    "kind": one.kind,
                    "accuracy": one.accuracy,
                    "interval": [one.share.low, one.share.high],
                    "examples": one.share.models,
                    "worst": [self.data.test.source(row) for row in one.worst],
                }
                for one in self.served
            ],
            "looks": [
                {
                    "about": one.about,
                    "share_on_mark": _number(one.share),
                    "without_mark": _number(one.without),
                    "chance": _number(one.chance),
                }
                for one in self.looks
            ],
            "exposure": None if self.exposure is None else self.exposure.record(),
            "unrepaired": self.unrepaired,
            "repair_mark": self.looked_for,
            "repair": [{key: _number(value) for key, value in one.row.items()} for one in self.repairs],
        }


def audit(
    model: nn.Module | str | Path,
    data: Dataset | str,
    marks: str | MarkLike | Sequence[str | MarkLike] | Mapping[str, str | MarkLike] = (),
    *,
    weights: str | Path | None = None,
    outputs: str | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    suspects: Sequence[int | str] = (),
    repair: bool = False,
    exposure: bool = False,
    recipe: Recipe | None = None,
    quick: bool = False,
    seed: int = 0,
    folder: Path | None = None,
    progress: Told | None = None,
) -> Audit:
    """Ask a trained network and its data: does it go by these marks, who teaches it, who is served worst.

    Args:
        model: the network; or what `spurlab.models.files.load_network` takes. It is given copies, and never changed.
        data: it was trained on the training part; or its name, as `spurlab.load` takes it.
        marks: marks, or texts as `spurlab.patterns.own_mark` takes them; by name, if theirs will not do.
        weights: a file with the weights of the network; None: it has them.
        outputs: what the network gives; None: told from its numbers.
        mean, std: of each channel, where the network wants normalised inputs.
        suspects: training examples to be forgotten, as rows or names of files.
        repair: whether to try to repair it.
        exposure: whether to ask which training examples are exposed to membership inference, by 32 shadow networks (16
            of a quick audit) that learn from halves of them; needs a recipe.
        recipe: how it was trained. Then 39 reference networks are trained without the examples that may teach a mark:
            they tell what marks of which there are few pull, and whether the network needs less of an unknown mark than
            they. A repair is judged beside 19 oracles, trained without exactly what is forgotten. None: no such
            networks, and methods that train on do so by the quick recipe.
        quick: whether fewer null marks will do, and no search for unknown marks by the network.
        seed: of all draws.
        folder: where reference networks are kept, so that they are not trained again; None: nowhere.
        progress: is told what is done, how much of it, of how much.

    Raises:
        ValueError: a network, a mark or suspects that do not fit the data, and what is wrong.
    """
    told = progress or (lambda what, done, of: None)
    check_recipe(recipe)
    if isinstance(data, str):
        data = load(data)
    if isinstance(marks, str | Mark) or callable(marks):
        marks = [marks]
    if not len(data.test):
        raise InputError(f"{data.name} has no test examples, but an audit asks the network about some.")
    check_exposure(data, exposure, recipe is not None)
    named, chosen = named_marks(marks, data, seed), rows_of(suspects, data.train, data.test)
    check_marks(named, data, seed)
    told("asking the network", 0, 1)
    network = asked_as(model, data, weights, outputs, mean, std, trains=repair or recipe is not None)
    answers = predictions(network, data.test.inputs)
    check_finite(answers)

    def trained_without(left_out: Tensor, recipe: Recipe, count: int, what: str) -> list[nn.Module]:
        return references(
            *(network, data.train, left_out, recipe),
            classes=data.classes,
            make=None if isinstance(model, nn.Module) else partial(_new, model, data),
            count=count,
            seed=seed,
            folder=folder,
            progress=partial(told, what),
        )

    told("looking for examples", 0, 1)
    likeness = {
        name: presence(mark, data.train, seed, partial(told, f"{name}, looking for examples that carry it, steps"))
        for name, mark in named.items()
    }
    classes = class_components(data.train, progress=partial(told, "looking for examples, classes decomposed"))
    transplanted = partial(told, "looking for examples, transplanted")
    unnamed = transplant(network, data.train, data.test, seed, classes=classes, progress=transplanted)
    shared = shared_components(data.train, classes, partial(told, "looking for examples, classes compared"))
    others: Sequence[nn.Module] = ()
    if recipe is not None:
        left_out = chosen | may_teach(likeness.values(), shared, unnamed, data.train.labels)
        count = FEWEST if quick else COUNT
        others = trained_without(left_out, recipe, count, "training reference networks, epochs")
    pulls = {
        name: pull(
            *(network, data.test, mark),
            draws=QUICK if quick else DRAWS,
            seed=seed,
            name=name,
            others=others if bool(likeness[name].any()) else (),  # else they may have seen it
            progress=partial(told, f"{name}, compared with others"),
        )
        for name, mark in named.items()
    }
    searched = unknown_marks(
        *(network, data, shared, classes),
        others=others,
        invert=not quick,
        seed=seed,
        progress=partial(told, "searching for unknown marks, networks"),
    )
    asked, unknown = together(list(pulls.values()), searched)
    pulls = dict(zip(pulls, asked, strict=True))
    ranked = ranked_by(network, data, named, pulls, likeness, seed)
    found = to_repair(chosen, pulls, named, likeness, unknown, data) if repair else None
    repairs = list[Repaired]()
    if found is not None:
        forget, mark, target = found
        oracles = [] if recipe is None else trained_without(forget, recipe, FEWEST, "training oracles, epochs")
        repairs = repaired(
            *(network, data, forget, mark, target, recipe or RECIPES["quick"]), oracles=oracles, seed=seed, told=told
        )
    exposed = None
    if exposure and recipe is not None:
        learns = shadow_members(data, quick, seed)
        shadows = trained_without(~learns, recipe, len(learns), "training shadow networks, epochs")
        exposed = exposure_of(network, shadows, learns, data, likeness, seed)
    told("looking where it looks", 0, 1)
    worst = served(data.test, answers, data.class_names, data.group_names)
    looks = [look_at_mark(network, data.test, named[name], name, one.target, seed) for name, one in pulls.items()]
    if worst and worst[0].worst:
        looks.append(look_at_worst(network, data.test, f"{worst[0].kind} {worst[0].name}", worst[0].worst))
    return Audit(
        data,
        network,
        beside(_fit(network, data, answers, model, weights), others, data.test, seed),
        named,
        tuple(pulls.values()),
        (*ranked, *listed_components(shared, data), *listed(unnamed, data, "transplant")),
        tuple(worst),
        tuple(looks),
        tuple(repairs),
        tuple(found[0].nonzero().squeeze(1).tolist()) if found is not None else (),
        len(others),
        tuple(unknown),
        NOTHING if repair and found is None else "",
        next((name for name, mark in named.items() if found is not None and mark is found[1]), ""),
        exposed,
    )


def asked_as(
    model: nn.Module | str | Path,
    data: Dataset,
    weights: str | Path | None,
    outputs: str | None,
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
    *,
    trains: bool,
) -> Answering:
    """A copy of the network that gives logits, in evaluation mode.

    Args:
        model, data, weights, outputs, mean, std: as of `audit`.
        trains: whether it, or one like it, will be trained on.

    Raises ValueError: as `audit`, or a program where it will be trained on.
    """
    given = seeded(lambda: load_network(model, weights, data.shape, data.classes), 0)  # without weights it draws them
    if trains and is_program(given):
        raise InputError(
            "a TorchScript or exported program cannot be trained on, which a repair and reference networks need. Give "
            "the function that makes the network (package.module:callable), and its weights."
        )
    return answering(given, data.test.inputs, data.classes, outputs, mean, std).eval()


def _fit(
    network: Answering, data: Dataset, answers: Tensor, model: nn.Module | str | Path, weights: str | Path | None
) -> Fit:
    """The accuracy, and whether something looks wrong: no weights among that."""
    fit = fit_of(network, data, answers)
    if weights is not None or isinstance(model, nn.Module) or is_program(network.network):
        return fit
    words = f"no weights were given (--weights), so the network is as {model} makes it: does that load its own?"
    return replace(fit, warnings=(*fit.warnings, words))


def ranked_by(
    network: Answering,
    data: Dataset,
    named: Mapping[str, MarkLike],
    pulls: Mapping[str, Pull],
    likeness: Mapping[str, Float[Tensor, " n"]],
    seed: int,
) -> list[Suspect]:
    """Of each mark the training examples by presence and, of networks that end in a linear layer, by influence."""
    ranked, by_features = list[Suspect](), has_features(network, data.test.inputs[:1])
    for name, have in likeness.items():
        ranked += listed(have, data, "presence", name, carriers(have))
        if by_features:
            taught = influence_on_mark(network, data.train, data.test, named[name], pulls[name].target, seed)
            ranked += listed(taught, data, "influence", name, carriers(have))
    return ranked


def _new(model: str | Path, data: Dataset, seed: int) -> nn.Module:
    """A new network, by what makes it."""
    return seeded(lambda: load_network(model, None, data.shape, data.classes), seed)


def named_marks(
    marks: Sequence[str | MarkLike] | Mapping[str, str | MarkLike], data: Dataset, seed: int
) -> dict[str, MarkLike]:
    """Marks by name; of marks without names of the caller's, their own, each once.

    Raises ValueError: a text that is no mark, a picture that is damaged, or two of one name.
    """
    pairs = marks.items() if isinstance(marks, Mapping) else (("", mark) for mark in marks)
    named: dict[str, MarkLike] = {}
    for given, one in pairs:
        try:
            mark = own_mark(one, data.shape, seed, data.input_range) if isinstance(one, str) else one
        except DamagedDataError as error:
            raise InputError(str(error)) from error
        name = given or _title(mark)
        if name in named and not given and isinstance(one, str):
            name = one  # the same picture at another place
        if name in named:
            raise InputError(f"two marks are called {name!r}. Name each once, or give them by name.")
        named[name] = mark
    return named


def check_marks(named: Mapping[str, MarkLike], data: Dataset, seed: int) -> None:
    """Put each mark on some test examples, before anything is trained.

    Raises ValueError: a mark that does not fit, or changes none of them.
    """
    few = data.test[torch.randperm(len(data.test), generator=rng_for(seed, "tried"))[:TRIED]]
    for mark in named.values():
        check_changed(mark, few, marked_all(mark, few, seed))


def _title(mark: MarkLike) -> str:
    """What a mark is called without a name of the caller's."""
    title = pattern_title(mark)
    return "of a function" if title == "<lambda>" else title


def may_teach(
    likeness: Iterable[Float[Tensor, " n"]],
    shared: Sequence[SharedComponent],
    unnamed: Float[Tensor, " n"],
    labels: Int64[Tensor, " n"],
) -> Bool[Tensor, " n"]:
    """True for the training examples that reference networks may not see: they may teach a mark.

    Args:
        likeness: of each named mark, the probability that an example carries it.
        shared: what few examples of a class share.
        unnamed: the ranking without a mark, of which the first of each class may not be seen.
        labels: of the examples.
    """
    mask = first_of_each_class(unnamed, labels)
    for have in likeness:
        mask |= carriers(have)
    for one in shared:
        if one.verdict == FEW:
            mask[list(one.rows)] = True
    return mask


def first_of_each_class(scores: Float[Tensor, " n"], labels: Int64[Tensor, " n"]) -> Bool[Tensor, " n"]:
    """True for the 2 % of each class, and at least one example, with the highest scores."""
    first = torch.zeros(len(scores), dtype=torch.bool)
    for label in labels.unique():
        own = (labels == label).nonzero().squeeze(1)
        first[own[scores[own].topk(max(1, round(LEFT_OUT * len(own)))).indices]] = True
    return first


def to_repair(
    chosen: Bool[Tensor, " n"],
    pulls: Mapping[str, Pull],
    named: Mapping[str, MarkLike],
    likeness: Mapping[str, Float[Tensor, " n"]],
    unknown: Sequence[Unknown],
    data: Dataset,
) -> tuple[Bool[Tensor, " n"], MarkLike | None, int] | None:
    """The training examples to be forgotten, the mark that is looked for afterwards, and the class that it pulls to.

    Examples that the caller chose, and the mark that most of them carry; else all that carry a mark that the network
    goes by, or may go by; else those that share a component which others lack: it is the mark then.
    None: there are none.
    """
    used = [name for name, one in pulls.items() if one.verdict in ("goes by it", "not tested")]
    forget = chosen
    if carried := {name: int((carriers(likeness[name]) & chosen).sum()) for name in pulls}:
        most = max(carried.values())
        used = [name for name, count in carried.items() if count == most] if most else used
    if not bool(chosen.any()):
        used = [name for name in used if bool(carriers(likeness[name]).any())]
        for name in used:
            forget = forget | carriers(likeness[name])
    strongest = max(used or pulls, key=lambda name: pulls[name].score, default=None)
    if bool(forget.any()):
        return (forget, None, 0) if strongest is None else (forget, named[strongest], pulls[strongest].target)
    for one in unknown:
        if one.method == SHARED and one.unusual:
            forget, (low, high) = forget.index_fill(0, torch.tensor(one.rows), True), data.train.inputs.aminmax()
            return (
                forget,
                partial(put_on, pattern=one.pattern, mask=one.mask, low=float(low), high=float(high)),
                one.label,
            )
    return None


def _number(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
