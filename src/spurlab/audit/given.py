"""Methods of one's own on a network of one's own: what `spurlab.check` does with a given network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from jaxtyping import Bool
from torch import Tensor, nn

from spurlab.audit.references import check_recipe, references
from spurlab.audit.repair import Repaired, Told, repaired, repairs, table
from spurlab.audit.suspects import mask_of
from spurlab.data import Dataset
from spurlab.deletion import Deletion
from spurlab.errors import InputError
from spurlab.methods import Make
from spurlab.models import Estimator
from spurlab.models.answering import answering
from spurlab.models.estimators import is_estimator
from spurlab.notebook import card
from spurlab.patterns import MarkLike, mark_on, pattern_title
from spurlab.training import RECIPES, Recipe


@dataclass(frozen=True, eq=False)
class CheckOnOne:
    """What a check of a given network found; printed as a table.

    Args:
        data: it was trained on the training part.
        forget: True for the examples that were to be forgotten.
        pattern: the mark that the score is of.
        target: the class that it pulls to.
        repaired: what each method made of the network, the best first.
    """

    data: Dataset
    forget: Bool[Tensor, " n"]
    pattern: MarkLike
    target: int
    repaired: tuple[Repaired, ...]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One for each method, see `spurlab.audit.Repaired.row`."""
        return [one.row for one in self.repaired]

    def __repr__(self) -> str:
        return f"<CheckOnOne of {self.data.name}: {len(self.repaired)} methods, {int(self.forget.sum())} examples>"

    def __str__(self) -> str:
        return "\n".join([self._head, "", *table(self.repaired, self.data)])

    def _repr_html_(self) -> str:
        return card("Check of one network", "", {"": self._head}, repairs(self.repaired, self.data))

    @property
    def _head(self) -> str:
        count, name = int(self.forget.sum()), self.data.class_names[self.target]
        mark = pattern_title(self.pattern)
        return f"{self.data.name}: {count} examples forgotten by one given network; the score is of {mark} to {name}"


def check_given(
    methods: Mapping[str, Deletion | str],
    data: Dataset,
    given: Any,
    forget: Bool[Tensor, " n"] | Sequence[int | str] | Tensor,
    told: Told,
    *,
    pattern: MarkLike | str | None = None,
    target: int | None = None,
    recipe: Recipe | None = None,
    oracles: int = 5,
    make: Make | None = None,
    outputs: str | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    seed: int = 0,
) -> CheckOnOne:
    """What methods make of a given network.

    Args:
        methods: by name, as `repaired` takes them.
        data: the network was trained on the training part.
        given: the network; copies of it are worked on.
        forget: the examples to be forgotten, as their rows, files or true or false for each.
        told: is told what begins, how much is done, and of how much.
        pattern: the mark that the score is of, or a text, see `spurlab.patterns.own_mark`.
        target: the class that it pulls to; None: the commonest class of the examples to be forgotten.
        recipe: how the network was trained. Then oracles are trained, without these examples. None: no oracles, and
            methods that train on do so by the quick recipe.
        oracles: how many.
        make: a new network of the same architecture, by seed; None: a copy, every layer reset.
        outputs, mean, std: what the network gives and wants, see `spurlab.models.answering.answering`.
        seed: of all draws.

    Raises:
        ValueError: no pattern, or one that changes nothing; a network that does not fit the data; examples that are
            not there, none or all; a target that is no class; less than one oracle.
    """
    if isinstance(given, Estimator) or is_estimator(given):
        raise InputError(
            "a classifier of scikit-learn is asked, not trained on, as methods do: `given` must be a network. An audit "
            "tells whether it goes by a mark."
        )
    if not isinstance(given, nn.Module):
        raise InputError(
            f"`given` must be a network (nn.Module), but it is {given!r}. See `spurlab.audit.audit` for files."
        )
    check_recipe(recipe)
    if pattern is None:
        raise InputError(
            "a given network is asked about a mark: give `pattern`, e.g. 'box,row=0,col=0,size=5,value=1', or any "
            "function of inputs."
        )
    mask = mask_of(forget, len(data.train), data)
    if target is None:
        target = int(data.train.labels[mask].mode().values)
    if not 0 <= target < data.classes:
        raise InputError(f"`target` is class {target}, but {data.name} has the classes 0 to {data.classes - 1}.")
    if oracles < 1:
        raise InputError(f"`oracles` must be 1 or more, but it is {oracles}. Without `recipe` there are none.")
    mark = mark_on(pattern, data, seed)
    network = answering(given, data.test.inputs, data.classes, outputs, mean, std).eval()
    compared: Sequence[nn.Module] = ()
    if recipe is not None:
        compared = references(
            *(network, data.train, mask, recipe),
            classes=data.classes,
            make=make,
            count=oracles,
            seed=seed,
            progress=partial(told, "training oracles, epochs"),
        )
    by = recipe or RECIPES["quick"]
    found = repaired(network, data, mask, mark, target, by, methods, compared, seed=seed, told=told)
    return CheckOnOne(data, mask, mark, target, tuple(found))
