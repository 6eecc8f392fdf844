"""A view: a question, the numbers that answer it, and how they are told: in a table, a figure and sentences.

And what a reader must know beside the numbers: the small print.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from matplotlib.figure import Figure

from spurlab.data import known
from spurlab.errors import InputError
from spurlab.report.groups import diverged, networks, trained
from spurlab.report.sheet import Sheet
from spurlab.studies import StudyResult

S = TypeVar("S")


class NotDrawnError(InputError):
    """Why there is nothing to draw, in a sentence; the figure says it."""


class OnlyReadError(NotDrawnError):
    """The figure needs what is not in the results folder: only a run can draw it, or make what is drawn."""


@dataclass(frozen=True)
class About:
    """What a reader must know beside the numbers of a figure.

    Args:
        title: the study's question.
        means: over how many seeds the means are; "" where there are no networks.
        networks: how many there are, their epochs, profile and training sets, and how many are left out.
        targets: in how many classes a pattern was planted.
    """

    title: str
    means: str
    networks: str
    targets: int

    @property
    def note(self) -> str:
        return (self.means + self.networks).rstrip()


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
        brief: the answer in one sentence; None: the first of `answer`.
        glance: a small figure to see the answer at, as wide as a phone; None: its figure.
        tally: how often each verdict came out.
        leads: whether it asks what a folder is about, so that its study stands first.
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
    brief: Callable[[S], str] | None = None
    glance: Callable[[S, About], Figure] | None = None
    tally: Callable[[S], dict[str, int]] | None = None
    leads: bool = False


def about(result: StudyResult) -> About:
    """What stands above and below every figure of the study."""
    rows = result.rows
    count, means, words = networks(rows), "", []
    if count:
        seeds = int(trained(rows)["seed"].nunique())
        means = f"Large marks: means over {seeds} seeds; small ones: single networks. " if seeds > 1 else ""
        means = means or "One network for each point. "
        if result.study.search:
            means = f"Dots: networks of {seeds} seeds, with the n that the search of n* asked for; large marks: their "
            means += "means, where each seed was asked. "
        words.append(f"{count:,} network{'' if count == 1 else 's'} in all{_training(result)}.")
        names = [str(name) for name in dict.fromkeys(rows["dataset"])]
        sizes = [size for name in names if (size := _size(name))]
        units = {entry.unit for name in names if (entry := known(name))}
        unit = units.pop() if len(units) == 1 else "examples"
        words += [f"Training {unit}: {', '.join(sizes)}."] if sizes else []
        targets = rows.loc[rows["n"] > 0, "target"].unique()
        words += [f"Target {targets[0]} alone."] if len(targets) == 1 else []
    if lost := diverged(rows):
        words.append(f"{lost} diverged {'network is' if lost == 1 else 'networks are'} left out.")
    return About(result.study.title, means, " ".join(words), int(rows["target"].nunique()))


def _size(dataset: str) -> str:
    """How many training examples a data set has, and of how many if it is a part; "" where it is not known.

    >>> _size("fashion-mnist"), _size("cifar10@10000")
    ('60,000 of Fashion-MNIST', '10,000 of 50,000 of CIFAR-10')
    """
    name, kept, _ = dataset.partition("@")
    entry, complete = known(dataset), known(name)
    if entry is None or complete is None or not entry.sizes or not complete.sizes:
        return ""
    part = f"{entry.sizes[0]:,} of " if kept else ""
    return f"{part}{complete.sizes[0]:,} of {complete.title}"


def _training(result: StudyResult) -> str:
    epochs = sorted({int(count) for count in result.rows["epochs"].dropna()}) if "epochs" in result.rows else []
    spans = f", {' or '.join(map(str, epochs))} epoch{'' if epochs == [1] else 's'}" if epochs else ""
    precisions = set(result.rows["precision"].dropna()) - {"float32"} if "precision" in result.rows else set()
    spans += f", {' or '.join(sorted(precisions))} products" if precisions else ""
    profile = result.study.profile
    return f"{spans}, profile {profile}" if profile else spans
