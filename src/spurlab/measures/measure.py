"""What a measure is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from spurlab.data import Dataset
from spurlab.measures.observed import Observed


@dataclass(frozen=True)
class Measure:
    """One entry of the table: something that can be measured, in one number or several.

    Args:
        title: for headings.
        take: the numbers, by name.
        of: what is measured; only a ``network`` must be trained, also for what is measured after ``deletion`` alone.
        by_pattern: whether it differs by pattern and target.
        numbers: the names of its numbers on a data set, with their titles; None: one, called as the measure.
        always: taken of every network when it is trained, with its own pattern, whether asked for or not: it costs
            little then, and another study may want it.
        suits: whether it can be taken of an architecture.
        mark: the kind of mark that it is taken of, where it is not any; `Pattern`: an additive one.
        there: whether it can be taken on a data set; where not, the study has no row of it.
    """

    title: str
    take: Callable[[Observed], Mapping[str, float]]
    of: Literal["network", "pattern", "architecture", "deletion"] = "network"
    by_pattern: bool = False
    numbers: Callable[[Dataset], Mapping[str, str]] | None = field(default=None)
    always: bool = False
    suits: Callable[[str], bool] = lambda architecture: True
    mark: type[object] = object
    there: Callable[[Dataset], bool] = lambda data: True
