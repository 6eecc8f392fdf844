"""Tables as values: what stands in the terminal and on the page is the same."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd
from markupsafe import Markup

from spurlab.notebook import note, table
from spurlab.report.curves import Curve
from spurlab.report.groups import Group, groups, networks, varying
from spurlab.report.titles import class_name, dataset_title
from spurlab.stats import SCORE_MARGIN, Estimate, Share

OVER_NETWORKS = "mean [95 % interval] over networks"
RISES = f"learnt: networks whose score rises by more than {SCORE_MARGIN} over their own at n = 0"
SEARCHED = (
    "n* was searched: networks were trained only where it was open, so these are no sample of all; it is taken for "
    "granted that of more examples no fewer networks learn the pattern"
)
OF_POINTS = ("n", "spurious score", "difference to n = 0", "learnt", "test accuracy")  # headings for `points_of`
OF_SEARCHED = ("n", "networks trained", "their spurious scores", "learnt")  # where n* was searched
_ZERO = re.compile(r"-(0\.0+)(?!\d)")


class Number(NamedTuple):
    """A number as it is shown, and what it is sorted by."""

    text: str
    value: float | int


Cell = str | Number


@dataclass(frozen=True)
class Sheet:
    """A table.

    Args:
        title: what it is.
        headings: one for each column.
        lines: a cell for each column; "" where there is nothing.
        note: what the numbers are.
        place: how many of the first columns say where, and are the same for several lines; where there is little room
            each of their values gets a table of its own.
    """

    title: str
    headings: tuple[str, ...]
    lines: tuple[tuple[Cell, ...], ...]
    note: str = ""
    place: int = 0

    def _repr_html_(self) -> str:
        return str(self.markup)

    @property
    def markup(self) -> Markup:
        """The table in a notebook."""
        lines = [[cell.text if isinstance(cell, Number) else cell for cell in line] for line in self.lines]
        return table(self.headings, lines, self.title) + (note(self.note) if self.note else "")

    @property
    def numeric(self) -> tuple[bool, ...]:
        """For each column whether it has numbers."""
        return tuple(any(isinstance(line[i], Number) for line in self.lines) for i in range(len(self.headings)))


def curve_sheet(curve: Curve, title: str) -> Sheet:
    """Score at each n with its interval, paired difference to n = 0 and test accuracy."""
    seeds = curve.points[0].score.models
    many = f"mean [95 % interval] over {seeds} networks" if seeds != 1 else "one network: no interval"
    note = SEARCHED if curve.verdict.rising else f"{many}; {RISES}"
    return Sheet(title, headings_of([curve]), tuple(points_of(curve)), note)


def headings_of(curves: Sequence[Curve]) -> tuple[str, ...]:
    """Of `points_of`."""
    return OF_SEARCHED if any(curve.verdict.rising for curve in curves) else OF_POINTS


def points_of(curve: Curve) -> list[tuple[Cell, ...]]:
    if curve.verdict.rising:
        return [
            (
                *(count_cell(point.n), count_cell(point.score.models), _ends_cell(point.score.each)),
                share_of_networks(point.rose),
            )
            for point in curve.points
        ]
    return [
        (
            *(count_cell(point.n), mean_cell(point.score), _rise_cell(point.difference)),
            *(share_of_networks(point.rose), mean_cell(point.accuracy)),
        )
        for point in curve.points
    ]


def _ends_cell(scores: Sequence[float]) -> Cell:
    """The lowest and the highest."""
    ends = dict.fromkeys(f"{score:.3f}" for score in (min(scores), max(scores))) if scores else {}
    return Number(" to ".join(ends), max(scores)) if ends else ""


def slim(title: str, headings: Sequence[str], lines: Sequence[Sequence[Cell]], note: str, place: int = 0) -> Sheet:
    """Without columns that are empty throughout."""
    kept = [i for i in range(len(headings)) if any(line[i] != "" for line in lines)]
    shorter = tuple(tuple(line[i] for i in kept) for line in lines)
    return Sheet(title, tuple(headings[i] for i in kept), shorter, note, sum(i < place for i in kept))


def short(title: str, headings: Sequence[str], lines: Sequence[Sequence[Cell]], note: str) -> Sheet:
    """As `slim`, and texts that are the same in all lines stand in the title once."""
    columns = list(zip(*lines, strict=True))
    alike = [
        i for i, column in enumerate(columns) if len(lines) > 1 and len(set(column)) == 1 and isinstance(column[0], str)
    ]
    words = [str(columns[i][0]) for i in alike if columns[i][0] != ""]
    kept = [i for i in range(len(headings)) if i not in alike]
    shorter = [[line[i] for i in kept] for line in lines]
    return slim(": ".join([title, ", ".join(words)]) if words else title, [headings[i] for i in kept], shorter, note)


def place_cells(group: Group) -> tuple[Cell, Cell]:
    return dataset_title(group.dataset), group.label


def target_cell(dataset: str, target: int) -> Number:
    name = class_name(dataset, target)
    return Number(f"{target} ({name})" if name and name != str(target) else str(target), target)


def setting_text(value: Any) -> str:
    """A setting; "none" where it is not set."""
    return "none" if pd.isna(value) else f"{value:g}" if isinstance(value, float) else str(value)


def _setting_cell(value: Any) -> Cell:
    if pd.isna(value):
        return Number("none", math.inf)
    return Number(f"{value:g}", value) if isinstance(value, int | float) else str(value)


def count_cell(n: int) -> Number:
    return Number(f"{n:,}", n)


def share_cell(share: float) -> Number:
    return Number(f"{100 * share:.3g}%", share)


def number_cell(value: float | int | None, spec: str) -> Cell:
    """A number; nothing where there is none."""
    return "" if value is None or math.isnan(value) else Number(format(value, spec), float(value))


def p_cell(p: float) -> Cell:
    return Number("< 0.0001", p) if p < 0.0001 else number_cell(p, ".4f")


def _rise_cell(rise: Estimate | None) -> Cell:
    """The mean alone: whether it is a rise in most networks is said by their number."""
    return number_cell(rise.value, "+.3f") if rise is not None and rise.models else ""


def share_of_networks(share: Share | None) -> Cell:
    return "" if share is None else Number(f"{share.count} of {share.models}", share.count)


def mean_cell(mean: Estimate | None, spec: str = ".3f") -> Cell:
    """A mean with its interval; nothing where no network is left."""
    return "" if mean is None or mean.models == 0 else Number(_ZERO.sub(r"\1", format(mean, spec)), mean.value)


def settings_sheet(rows: pd.DataFrame) -> Sheet | None:
    """The combinations of settings that were run; None where at most one setting varies."""
    names = varying(rows)
    if len(names) < 2:
        return None
    lines = [
        (*(_setting_cell(group.settings[name]) for name in names), count_cell(networks(group.rows)))
        for group in groups(rows)
    ]
    headings = (*(name.replace("_", " ") for name in names), "networks")
    return Sheet("Settings that were run", headings, tuple(lines), "networks without marks can stand in several lines")
