"""What a measure is."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import nn

from spurlab.data import Dataset
from spurlab.errors import InputError
from spurlab.measures.observed import Observed
from spurlab.stats import mean_of


def in_the_mean(values: Sequence[float]) -> str:
    """The mean over networks, as it is printed."""
    return f"{mean_of(values):z.3f}"


@dataclass(frozen=True)
class ByData:
    """The names of numbers that differ by data set.

    Args:
        names: those on a data set.
        pattern: what they look like on any, a regular expression. No other measure may be called so.
        formerly: those that old records of studies have in place of the measure's own name.
    """

    names: Callable[[Dataset], Sequence[str]]
    pattern: str
    formerly: tuple[str, ...] = ()


def check_numbers(data: Dataset) -> None:
    """Raises ValueError: the inputs are numbers of words, of which there is no more and no less."""
    if data.train.words is not None:
        raise InputError(
            f"it is of inputs that are numbers, such as pixels, but {data.name} has documents. Leave it out."
        )


@dataclass(frozen=True)
class Measure:
    """One entry of the table: something that can be measured, in one number or several.

    Args:
        title: what it is, in words.
        take: the numbers, by name, from what `Observed` has for it, see `needs`.
        needs: what must be made for it: a trained ``network``, a ``deletion`` from one or an ``attack`` on one, or only
            a ``pattern`` on a data set or an ``architecture``; `Observed` says what is there then.
        by_pattern: whether it differs by pattern and target, which are there then.
        numbers: the names of its numbers, if it has several: the same on all data, or `ByData`.
        always: whether it is taken of each network of an architecture when it is trained, with its own pattern, be it
            asked for or not: it costs little then, and another study may want it.
        suits_data: whether it can be taken on a data set; where not, the study has no row of it.
        check_network: called with a network and the name of its architecture before any is trained; raises a ValueError
            that says why it cannot be taken of such a network.
        check_data: called with the data set before anything is trained; raises a ValueError that says why it cannot be
            taken there.
        suits_attack: whether it can be taken of an attack, by its name; where not, the study has no row of it.
        mark: the kind of mark that it is taken of, where it is not any; `Pattern`: an additive one.
        lumpy: whether networks that differ by the seed alone may have very different numbers, such as a score of .9 in
            one and 0 in the others: means over few say little then, and their intervals assume nothing but 0 and 1.
        heading: of its column where a check is printed; "": the name of the number.
        summary: what a check prints of one number of several networks.
    """

    title: str
    take: Callable[[Observed], Mapping[str, float]]
    needs: Literal["network", "pattern", "architecture", "deletion", "attack"] = "network"
    by_pattern: bool = False
    numbers: tuple[str, ...] | ByData = ()
    always: Callable[[str], bool] = lambda architecture: False
    suits_data: Callable[[Dataset], bool] = lambda data: True
    check_network: Callable[[nn.Module, str], object] = lambda network, architecture: None
    check_data: Callable[[Dataset], object] = lambda data: None
    suits_attack: Callable[[str], bool] = lambda attack: True
    mark: type[object] = object
    lumpy: bool = False
    heading: str = ""
    summary: Callable[[Sequence[float]], str] = in_the_mean

    @property
    def needs_network(self) -> bool:
        """Whether a network must be trained for it."""
        return self.needs in ("network", "deletion", "attack")

    def has(self, number: str) -> bool:
        """Whether one of its numbers, which are several, is called so, on whatever data."""
        if isinstance(self.numbers, ByData):
            return re.fullmatch(self.numbers.pattern, number) is not None
        return number in self.numbers
