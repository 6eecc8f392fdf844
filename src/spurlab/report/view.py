"""A view: a question, the numbers that answer it, and how they are told: in a table, a figure and sentences."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from matplotlib.figure import Figure

from spurlab.report.notes import About
from spurlab.report.sheet import Sheet
from spurlab.studies import StudyResult

S = TypeVar("S")


class NotDrawnError(ValueError):
    """Why there is nothing to draw, in a sentence; the figure says it."""


class OnlyReadError(NotDrawnError):
    """The figure needs code or data of the user's own, and nothing is run or opened that a results folder names."""


@dataclass(frozen=True)
class View(Generic[S]):
    """One question that the rows of a study can be asked.

    Args:
        name: what studies call it.
        title: the question.
        shape: the numbers, from a study and its rows; all arithmetic is in here.
        figure: draws the numbers; raises `NotDrawnError` where there are none.
        sheets: the tables of the numbers.
        answer: what they answer, a sentence for each case.
        measures: those that it cannot do without.
        terminal: the tables for a terminal, where they are others.
        numbers: the view whose tables and answer stand beside a figure that has none of its own.
    """

    name: str
    title: str
    shape: Callable[[StudyResult], S]
    figure: Callable[[S, About], Figure]
    sheets: Callable[[S], list[Sheet]] | None = None
    answer: Callable[[S], list[str]] | None = None
    measures: tuple[str, ...] = ()
    terminal: Callable[[S], list[Sheet]] | None = None
    numbers: "View[Any] | None" = None
