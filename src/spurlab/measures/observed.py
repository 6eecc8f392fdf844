"""What measures look at: a network, its data and its mark, and what follows from them, made when first asked for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple, TypeVar

from jaxtyping import Bool, Float, Float64, Int64, Num
from torch import Tensor, nn

from spurlab.data import Dataset, Examples
from spurlab.errors import InputError
from spurlab.notebook import short
from spurlab.patterns import Mark, MarkLike, Planted, marked_all
from spurlab.privacy.attacks.sorted_logits import Accuracies
from spurlab.training import Recipe, predictions

T = TypeVar("T")
MISSING = "a measure asked for something that its cell does not have."


class Answers:
    """Examples that have a feature as in training, and a network's answers: made when first asked for, then kept.

    Args:
        network: the trained network.
        make: gives the examples.
    """

    def __init__(self, network: nn.Module, make: Callable[[], Planted]) -> None:
        self._network, self._make = network, make

    @cached_property
    def planted(self) -> Planted:
        """The examples, and which of them have the feature."""
        return self._make()

    @cached_property
    def examples(self) -> Examples:
        """The same as plain examples."""
        return self.planted.materialize()

    @cached_property
    def probabilities(self) -> Float[Tensor, "n k"]:
        """The network's class probabilities of them."""
        return predictions(self._network, self.examples.inputs)


class MarkedTests:
    """The test inputs of a data set with a mark on each, of the last mark that was asked for: a test set is large.

    Args:
        data: the data set.
    """

    def __init__(self, data: Dataset) -> None:
        self._data = data
        self._last: tuple[MarkLike, int, Tensor] | None = None

    def inputs(self, mark: MarkLike, seed: int) -> Tensor:
        """The test inputs with this mark, put on under a seed."""
        if self._last is None or self._last[0] is not mark or self._last[1] != seed:
            self._last = None
            self._last = mark, seed, marked_all(mark, self._data.test, seed)
        return self._last[2]


@dataclass(frozen=True, eq=False)
class Deleted:
    """A deletion, for what is measured after it; see `Observed.deleted`.

    Args:
        before: the network before it, with the mark that it had learnt.
        forget: True for those of its n training examples that were to be forgotten.
        oracles: networks that were trained without the planted examples, with the same mark, of other seeds: the oracle
            of this seed starts from the same weights and would seem too near.
        seconds: that the deletion took.
        retraining: gives the seconds that it takes to train the network anew.

    Raises:
        ValueError: a forget set that does not fit the training set.
    """

    before: "Observed"
    forget: Bool[Tensor, " n"]
    oracles: "Sequence[Observed]"
    seconds: float
    retraining: Callable[[], float]

    __repr__ = short

    def __post_init__(self) -> None:
        if len(self.forget) != len(self.planted):
            raise InputError(
                f"the forget set speaks of {len(self.forget)} examples, but the training set has {len(self.planted)}."
            )

    @property
    def planted(self) -> Planted:
        """The training set of the network."""
        return required(self.before.trained_on).planted

    @cached_property
    def places(self) -> Int64[Tensor, " forgotten"]:
        """Where in the training set the forgotten examples stand."""
        return self.forget.nonzero().squeeze(1)

    @cached_property
    def forgotten(self) -> Examples:
        """The forgotten examples as the network was trained on them."""
        return self.planted[self.places]

    @cached_property
    def unmarked(self) -> Examples:
        """The forgotten examples without the pattern."""
        return self.planted.base[self.planted.base_rows(self.places)]


class LeftOut(NamedTuple):
    """What an attack says with shadows that learnt from an example's whole group, or from no marked example at all.

    Args:
        scores: of the marked examples of both groups, in the order of the training set.
        planted: of the marked members together.
        control: of the same together where the network of this seed is attacked that learnt from no marked example.
    """

    scores: Float64[Tensor, " marked"]
    planted: float
    control: float


@dataclass(frozen=True, eq=False)
class Exposed:
    """An attack on a network that learnt from a half, for what is measured of it; see `Observed.exposed`.

    Args:
        scores: what the attack says of each of the n examples of both halves, the likeliest member first.
        members: True for those that the network learnt from.
        marked: True for those with the pattern, half of them members.
        left_out: gives what the attack says of the marked examples with shadows that left the whole pattern out.
        accuracies: gives the accuracies of an attack that says member or not, as the public code of the paper computes
            them and right; not to be asked of others.
    """

    scores: Float64[Tensor, " n"]
    members: Bool[Tensor, " n"]
    marked: Bool[Tensor, " n"]
    left_out: Callable[[], LeftOut]
    accuracies: Callable[[], tuple[Accuracies, Accuracies]]

    __repr__ = short


@dataclass(frozen=True, eq=False)
class Observed:
    """What measures may look at. What is there goes by `Measure.needs`:

    - ``architecture``: its name and `data`, where the examples may be left out.
    - ``pattern``: these, and with `Measure.by_pattern` a pattern and a target.
    - ``network``: these, and network, seed, recipe, trained_on, fresh and tests; a feature if the training set has one.
    - ``deletion``: all of these, and deleted, where the network before has the pattern that it had learnt.
    - ``attack``: no network but exposed, and with `Measure.by_pattern` a pattern and a target.

    Args:
        data: the data set.
        architecture: of the network.
        network: the trained network, or None.
        seed: of the network; 0 without one.
        pattern: the mark, or None.
        target: the class that it was planted in; -1 for none.
        feature: the common feature that is in the network's training set, or None.
        recipe: how the network was trained, or None where it is not known.
        trained_on: what the network was trained on.
        fresh: the test examples, with the feature on as many: what a held-out part of the training set would be.
        tests: the test inputs with marks on.
        deleted: what was deleted from the network, or None.
        exposed: what an attack says of the network, or None.
    """

    data: Dataset
    architecture: str
    network: nn.Module | None = None
    seed: int = 0
    pattern: MarkLike | None = None
    target: int = -1
    feature: Mark | None = None
    recipe: Recipe | None = None
    trained_on: Answers | None = None
    fresh: Answers | None = None
    tests: MarkedTests | None = None
    deleted: Deleted | None = None
    exposed: Exposed | None = None
    # a mark (None: without) and the predictions, by its identity: a user's mark need not be hashable
    _kept: dict[int, tuple[MarkLike | None, Tensor]] = field(default_factory=dict, repr=False)

    __repr__ = short

    def with_mark(self, pattern: MarkLike | None, target: int) -> "Observed":
        """The same network with another mark; its predictions are kept."""
        return replace(self, pattern=pattern, target=target)

    @property
    def clean(self) -> Float[Tensor, "n k"]:
        """The network's class probabilities on the test examples."""
        return self._predictions(None, lambda: self.data.test.inputs)

    @property
    def marked(self) -> Float[Tensor, "n k"]:
        """The same with the mark on every test example."""
        return self._predictions(self.mark, lambda: self.marked_inputs)

    @property
    def mark(self) -> MarkLike:
        """The pattern.

        Raises:
            ValueError: the cell has none.
        """
        if self.pattern is None:
            raise InputError(MISSING)
        return self.pattern

    @property
    def marked_inputs(self) -> Num[Tensor, "n *shape"]:
        """The test inputs with the mark."""
        return required(self.tests).inputs(self.mark, self.seed)

    def _predictions(self, mark: MarkLike | None, inputs: Callable[[], Tensor]) -> Tensor:
        if id(mark) not in self._kept:
            self._kept[id(mark)] = mark, predictions(required(self.network), inputs())
        return self._kept[id(mark)][1]


def required(value: T | None) -> T:
    """The value, where a measure cannot do without.

    Raises:
        ValueError: it is None.
    """
    if value is None:
        raise InputError(MISSING)
    return value
