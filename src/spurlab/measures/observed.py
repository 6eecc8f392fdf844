"""What measures look at: a network, its data and its mark, and what follows from them, made when first asked for."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeVar

from jaxtyping import Float
from torch import Tensor, nn

from spurlab.data import Dataset, Examples
from spurlab.errors import InputError
from spurlab.patterns import ClassBlocks, Pattern, Planted
from spurlab.training import predictions

T = TypeVar("T")


class Lesson:
    """Examples that have a feature as in training, and what a network says of them: made when first asked, then kept.

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
    def said(self) -> Float[Tensor, "n k"]:
        """The network's class probabilities of them."""
        return predictions(self._network, self.examples.inputs)


class MarkedTests:
    """The test inputs of a data set with a mark on each, of the last mark that was asked for: a test set is large.

    Args:
        data: the data set.
    """

    def __init__(self, data: Dataset) -> None:
        self._data = data
        self._last: tuple[tuple[str, int], Tensor] | None = None

    def inputs(self, pattern: Pattern) -> Tensor:
        """The test inputs with this pattern, which its name and seed tell from others."""
        place = pattern.name, pattern.seed
        if self._last is None or self._last[0] != place:
            self._last = None
            self._last = place, pattern(self._data.test.inputs)
        return self._last[1]


@dataclass(frozen=True, eq=False)
class Observed:
    """What measures may look at; what a measure needs, see `Measure.of`, is there.

    Args:
        data: the data set.
        architecture: of the network.
        network: the trained network, or None.
        seed: of the network.
        pattern: the mark, or None.
        target: the class that it was planted in; -1 for none.
        feature: the common feature that is in the network's training set, or None.
        trained_on: what the network was trained on.
        fresh: the test examples, with the feature on as many: what a held-out part of the training set would be.
        tests: the test inputs with marks on.
    """

    data: Dataset
    architecture: str
    network: nn.Module | None = None
    seed: int = 0
    pattern: Pattern | None = None
    target: int = -1
    feature: ClassBlocks | None = None
    trained_on: Lesson | None = None
    fresh: Lesson | None = None
    tests: MarkedTests | None = None
    _kept: dict[str, Tensor] = field(default_factory=dict, repr=False)  # predictions, the same for all marks

    def with_mark(self, pattern: Pattern | None, target: int) -> "Observed":
        """The same network with another mark; what it says is kept."""
        return replace(self, pattern=pattern, target=target)

    @property
    def clean(self) -> Float[Tensor, "n k"]:
        """The network's class probabilities on the test examples."""
        return self._said("", lambda: self.data.test.inputs)

    @property
    def marked(self) -> Float[Tensor, "n k"]:
        """The same with the mark on every test example."""
        pattern = given(self.pattern)
        return self._said(pattern.name, lambda: given(self.tests).inputs(pattern))

    def _said(self, name: str, inputs: Callable[[], Tensor]) -> Tensor:
        if name not in self._kept:
            self._kept[name] = predictions(given(self.network), inputs())
        return self._kept[name]


def given(value: T | None) -> T:
    """What a measure needs.

    Raises:
        ValueError: it is not there.
    """
    if value is None:
        raise InputError("a measure asked for something that its cell does not have.")
    return value
