"""The audit: one network and its data in, findings out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from spurlab.audit.detect.components import ClassComponents, class_components
from spurlab.audit.detect.shared import SharedComponent, shared_components
from spurlab.audit.detect.transplant import transplant
from spurlab.audit.detect.values import RareValues, asked_about, rare_values
from spurlab.audit.exposed import check_exposure, exposure_of, shadow_members
from spurlab.audit.findings import Audit
from spurlab.audit.influence import has_features, influence_on_mark
from spurlab.audit.left_out import may_teach, to_repair
from spurlab.audit.looks import look_at_mark, look_at_worst
from spurlab.audit.presence import carriers, presence
from spurlab.audit.pull import DRAWS, FEWEST, Pull, check_changed, pull
from spurlab.audit.references import COUNT, check_recipe, references
from spurlab.audit.repair import Repaired, Told, repaired
from spurlab.audit.served import Fit, fit_of, served, unlike
from spurlab.audit.suspects import Suspect, listed, listed_components, rows_of
from spurlab.audit.together import together
from spurlab.audit.unknown import unknown_marks
from spurlab.audit.words import values_name
from spurlab.data import DamagedDataError, Dataset, load
from spurlab.errors import InputError
from spurlab.models import Estimator, seeded
from spurlab.models.answering import Answering, answering, check_finite
from spurlab.models.files import is_program, load_network
from spurlab.notebook import short
from spurlab.patterns import ByValue, Mark, MarkLike, mark_on, marked_all, pattern_title
from spurlab.seeds import rng_for
from spurlab.training import RECIPES, Recipe, predictions

NOTHING_TO_REPAIR = (
    "There is nothing to repair: the network is not shown to go by a mark that training examples carry, and no few of "
    "them share what others lack. Name those to be forgotten (suspects)."
)
QUICK = 199  # null marks of a quick audit
TRIED = 50  # test examples that each mark is put on first


def audit(
    model: Any,
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
        model: the network, a fitted classifier of scikit-learn, or a name or file, see
            `spurlab.models.files.load_network`. It is given copies, and never changed.
        data: it was trained on the training part; or its name, as `spurlab.load` takes it.
        marks: marks, or texts as `spurlab.patterns.own_mark` takes them; by name, if theirs will not do.
        weights: a file with the weights of the network; None: it has them.
        outputs: what the network gives; None: told from its numbers.
        mean, std: of each channel, where the network wants normalised inputs.
        suspects: training examples to be forgotten, as rows or names of files.
        repair: whether to try to repair it.
        exposure: whether to ask which training examples are exposed to membership inference, by 32 shadow networks (16
            of a quick audit) that learn from halves of them; needs a recipe.
        recipe: how it was trained. Then 39 reference networks (19 of a quick audit) are trained without the examples
            that carry a named mark, are suspects, or share what others lack:
            they tell what marks of which there are few pull, and whether the network needs less of an unknown mark than
            they. A repair is judged beside 19 oracles, trained without exactly what is forgotten. None: no such
            networks, and methods that train on do so by the quick recipe.
        quick: whether 199 null marks and 19 reference networks will do, and no search for unknown marks by the network.
        seed: of all draws.
        folder: where reference networks are kept, so that they are not trained again; None: nowhere.
        progress: is told what is done, how much of it, of how much.

    Raises:
        ValueError: a network, a mark or suspects that do not fit the data, and what is wrong.

    >>> from spurlab import build, from_torch, rng_for
    >>> images = torch.rand(60, 1, 8, 8, generator=rng_for(0, "example"))
    >>> items = [(image, row % 2) for row, image in enumerate(images)]
    >>> data = from_torch(items[:40], items[40:], class_names=("cat", "dog"))
    >>> network = build("small-mlp", data.shape, data.classes, seed=0)
    >>> found = audit(network, data, ["box,size=2", "noise,r=.3"], quick=True)
    >>> [mark.mark for mark in found.marks]
    ['box of 2 x 2 at row 0, column 0', 'noise of 0.3']
    >>> sorted(served.name for served in found.served)
    ['cat', 'dog']
    """
    told = progress or (lambda what, done, of: None)
    check_recipe(recipe)
    if isinstance(data, str):
        data = load(data)
    _check_data(data)
    if isinstance(marks, str | Mark) or callable(marks):
        marks = [marks]
    check_exposure(data, exposure, recipe is not None)
    named, chosen = named_marks(marks, data, seed), suspected(suspects, data, repair or recipe is not None)
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

    by = looked_for(named, network, data, seed, told)
    fit = _fit(network, data, answers, model, weights)
    others: Sequence[nn.Module] = ()
    if recipe is not None:
        left_out = may_teach(by.likeness.values(), by.shared, chosen)
        count = FEWEST if quick else COUNT
        others = trained_without(left_out, recipe, count, "training reference networks, epochs")
    trained = len(others)
    if warning := unlike(fit, others, data.test, seed):
        fit, others = replace(fit, warnings=(*fit.warnings, warning)), ()
    pulls = {
        name: pull(
            *(network, data.test, mark),
            draws=QUICK if quick else DRAWS,
            seed=seed,
            name=name,
            others=others if bool(by.likeness[name].any()) else (),  # else they may have seen it
            progress=partial(told, f"{name}, compared with others"),
        )
        for name, mark in named.items()
    }
    searched = unknown_marks(
        *(network, data, by.shared, by.classes),
        others=others,
        invert=not quick,
        seed=seed,
        progress=partial(told, "searching for unknown marks, networks"),
    )
    asked, unknown = together(list(pulls.values()), searched)
    pulls = dict(zip(pulls, asked, strict=True))
    ranked = ranked_by(network, data, named, pulls, by.likeness, seed)
    forget = to_repair(chosen, pulls, named, by.likeness, unknown, data) if repair else None
    repairs = list[Repaired]()
    if forget is not None:
        without = forget.examples
        told_by = recipe if others else None  # networks that are unlike it are no oracles either
        oracles = [] if told_by is None else trained_without(without, told_by, FEWEST, "training oracles, epochs")
        asked_of = network, data, without, forget.mark, forget.target, recipe or RECIPES["quick"]
        repairs = repaired(*asked_of, oracles=oracles, seed=seed, told=told)
    exposed = None
    if exposure and recipe is not None:
        learns = shadow_members(data, quick, seed)
        shadows = trained_without(~learns, recipe, len(learns), "training shadow networks, epochs")
        exposed = exposure_of(network, shadows, learns, data, by.likeness, seed)
    told("looking where it looks", 0, 1)
    worst = served(data.test, answers, data.class_names, data.group_names)
    looks = [look_at_mark(network, data.test, named[name], name, one.target, seed) for name, one in pulls.items()]
    if worst and worst[0].worst:
        looks.append(look_at_worst(network, data.test, f"{worst[0].kind} {worst[0].name}", worst[0].worst))
    return Audit(
        data=data,
        network=network,
        fit=fit,
        named=named,
        marks=tuple(pulls.values()),
        suspects=(*ranked, *listed_components(by.shared, data), *_unnamed(by, data)),
        served=tuple(worst),
        looks=tuple(looks),
        repairs=tuple(repairs),
        forgotten=() if forget is None else tuple(forget.examples.nonzero().squeeze(1).tolist()),
        others=trained,
        unknown=tuple(unknown),
        unrepaired=NOTHING_TO_REPAIR if repair and forget is None else "",
        looked_for="" if forget is None else forget.name,
        exposure=exposed,
        values=by.values,
    )


@dataclass(frozen=True, eq=False)
class LookedFor:
    """What is known of the training examples before reference networks are trained.

    Args:
        likeness: of each named mark, the probability that an example carries it.
        classes: the components of each class.
        unnamed: the ranking without a mark; of documents 0 everywhere.
        shared: what few examples of a class share.
        values: of documents and rows of tables the rare words and values of one class; else None.
    """

    likeness: Mapping[str, Float[Tensor, " n"]]
    classes: Sequence[ClassComponents]
    unnamed: Float[Tensor, " n"]
    shared: Sequence[SharedComponent]
    values: RareValues | None = None

    __repr__ = short


def looked_for(named: Mapping[str, MarkLike], network: Answering, data: Dataset, seed: int, told: Told) -> LookedFor:
    """Look for the training examples that may teach a mark, named or not."""
    told("looking for examples", 0, 1)
    likeness = {
        name: presence(mark, data.train, seed, partial(told, f"{name}, looking for examples that carry it, steps"))
        for name, mark in named.items()
    }
    values = None
    if data.names is not None:
        asking = partial(told, f"asking about rare {values_name(data)}")
        values = asked_about(rare_values(data.train, data.names), network, data.test, seed, asking)
    if data.train.words is not None:  # neither sums nor differences of documents are documents
        return LookedFor(likeness, (), torch.zeros(len(data.train)), (), values)
    classes = class_components(data.train, progress=partial(told, "looking for examples, classes decomposed"))
    transplanted = partial(told, "looking for examples, transplanted")
    unnamed = transplant(network, data.train, data.test, seed, classes=classes, progress=transplanted)
    shared = shared_components(data.train, classes, partial(told, "looking for examples, classes compared"))
    return LookedFor(likeness, classes, unnamed, shared, values)


def _unnamed(by: LookedFor, data: Dataset) -> list[Suspect]:
    """The first training examples of the ranking without a mark; of documents there is none."""
    return [] if data.train.words is not None else listed(by.unnamed, data, "transplant")


def suspected(suspects: Sequence[int | str], data: Dataset, asked: bool) -> Bool[Tensor, " n"]:
    """True for the training examples that are suspected.

    Raises ValueError: there is no such example, or nothing asks for them.
    """
    chosen = rows_of(suspects, data.train, data.test)
    if bool(chosen.any()) and not asked:
        raise InputError("suspects are what a repair forgets (--repair), and what reference networks lack (--recipe).")
    return chosen


def asked_as(
    model: Any,
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
    if data.train.words is not None and (mean is not None or std is not None):
        raise InputError("documents are numbers of words, which are not normalised: leave out mean and std.")
    given = seeded(lambda: load_network(model, weights, data.shape, data.classes), 0)  # without weights it draws them
    if trains and isinstance(given, Estimator):
        raise InputError(
            "a classifier of scikit-learn is asked, not trained on, which a repair and reference networks need. Ask it "
            "without these (--repair, --recipe)."
        )
    if trains and is_program(given):
        raise InputError(
            "a TorchScript or exported program cannot be trained on, which a repair and reference networks need. Give "
            "the function that makes the network (package.module:callable), and its weights."
        )
    return answering(given, data.test.inputs, data.classes, outputs, mean, std).eval()


def _fit(network: Answering, data: Dataset, answers: Tensor, model: Any, weights: str | Path | None) -> Fit:
    """The accuracy, and whether something looks wrong, such as that no weights were given."""
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
        looked_up = isinstance(named[name], ByValue)
        ranked += listed(have, data, "presence", name, carriers(have), looked_up=looked_up)
        if by_features:
            taught = influence_on_mark(network, data.train, data.test, named[name], pulls[name].target, seed)
            ranked += listed(taught, data, "influence", name, carriers(have))
    return ranked


def _new(model: Any, data: Dataset, seed: int) -> nn.Module:
    """A new network, by what makes it."""
    return seeded(lambda: load_network(model, None, data.shape, data.classes), seed)


def _check_data(data: Dataset) -> None:
    """Raises ValueError: an audit cannot look at these data."""
    if not len(data.test):
        raise InputError(f"{data.name} has no test examples, but an audit asks the network about some.")


def named_marks(
    marks: Sequence[str | MarkLike] | Mapping[str, str | MarkLike], data: Dataset, seed: int
) -> dict[str, MarkLike]:
    """Marks by name; of marks without names of the caller's, their own, each once.

    Raises ValueError: a text that is no mark, a picture that is damaged, or two of one name.
    """
    pairs = marks.items() if isinstance(marks, Mapping) else (("", mark) for mark in marks)
    named: dict[str, MarkLike] = {}
    texts = set[str]()
    for given, one in pairs:
        if not given and isinstance(one, str):
            if one in texts:
                continue
            texts.add(one)
        try:
            mark = mark_on(one, data, seed)
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
