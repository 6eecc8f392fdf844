"""Tables for the terminal."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from rich import box
from rich.table import Table
from rich.text import Text

from spurlab.claims import Verdict
from spurlab.report.curves import Curve, verdict_of
from spurlab.report.sheet import Cell, Number, Sheet, curve_sheet
from spurlab.report.views import study_sheets
from spurlab.studies import StudyResult
from spurlab.terminal import printable

_WHOLE = 30  # letters of a cell that are not broken into lines
_INTERVAL = re.compile(r" \[[^\]]*\]$")
INTERVALS = " (without intervals, for want of room: the report and the csv have them)"


def curve_table(curve: Curve, target_name: str) -> Table:
    """Score at each n with its interval, paired difference to n = 0 and test accuracy; the verdict above.

    >>> import pandas as pd
    >>> from spurlab.report import curves
    >>> of_network = [(n, seed, n / 20 + seed / 100) for n in (0, 3, 10) for seed in range(5)]
    >>> rows = pd.DataFrame(of_network, columns=["n", "seed", "value"])
    >>> [curve] = curves(rows.assign(measure="spurious_score", pattern="S3", target=0))
    >>> curve_table(curve, "T-shirt/top").row_count
    3
    """
    title = f"{curve.pattern}, planted in class {curve.target} ({target_name}): {verdict_of(curve)}"
    return as_table(curve_sheet(curve, title))


def study_tables(result: StudyResult, width: int | None = None) -> list[Table]:
    """The tables that suit the study; for scores, one for each of up to four curves; of several, the verdicts last.

    Args:
        result: the study and its rows.
        width: of the terminal, see `as_table`.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from spurlab.studies import load_study, narrowed, run
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     result = run(narrowed(load_study("table2"), ["architecture=['mlp', 'cnn']"]), Path(folder), workers=0)
    >>> [(str(table.title), table.row_count) for table in study_tables(result)]
    [('Trainable parameters (Table 2)', 2)]
    """
    return [table for sheet in study_sheets(result, terminal=True) for table in as_tables(sheet, width)]


def claims_table(verdicts: Sequence[Verdict]) -> Table:
    """Each claim with its outcome, and what that rests on.

    >>> import pandas as pd
    >>> from spurlab.claims import decide
    >>> claims_table(decide(pd.DataFrame(), [1, 2])).row_count
    2
    """
    table = Table(box=box.SIMPLE_HEAD, show_lines=False, pad_edge=False)
    table.add_column("claim", justify="right", no_wrap=True)
    table.add_column("what is claimed", ratio=5)
    table.add_column("outcome", no_wrap=True)
    table.add_column("finding", ratio=6)
    table.add_column("networks", justify="right", no_wrap=True)
    styles = {"reproduced": "green", "reproduced where tested": "green", "not reproduced": "red", "undecided": "yellow"}
    for verdict in verdicts:
        outcome = Text(verdict.outcome, style=styles.get(verdict.outcome, ""))
        words = (Text(verdict.claim.statement), outcome, Text(printable(verdict.finding)))
        table.add_row(str(verdict.claim.number), *words, f"{verdict.models:,}", end_section=True)
    return table


def as_tables(sheet: Sheet, width: int | None) -> Iterator[Table]:
    """The sheet in one table, or where that has not the room in one for each place."""
    if width is None or not sheet.place or _room(_words(sheet.lines), sheet.headings) <= width:
        yield as_table(sheet, width)
        return
    for place, same in groupby(sheet.lines, key=lambda line: line[: sheet.place]):
        words = [
            f"{heading} {cell.text}" if isinstance(cell, Number) else cell
            for heading, cell in zip(sheet.headings, place, strict=False)
        ]
        title = f"{sheet.title}: {', '.join(word for word in words if word)}"
        lines = tuple(line[sheet.place :] for line in same)
        yield as_table(Sheet(title, sheet.headings[sheet.place :], lines, sheet.note), width)


def as_table(sheet: Sheet, width: int | None = None) -> Table:
    """The table for the terminal; its words are no markup. Headings may take several lines.

    Args:
        width: of the terminal. Where the cells do not fit, they stand without their intervals; None: they always fit.
    """
    sheet = replace(sheet, title=printable(sheet.title), headings=tuple(map(printable, sheet.headings)))
    words = _words(sheet.lines)
    wide = width is not None and _room(words, sheet.headings) > width
    if wide:
        words = [[_INTERVAL.sub("", word) for word in line] for line in words]
    table = Table(
        title=Text(sheet.title),
        caption=Text(printable(sheet.note) + (INTERVALS if wide else "")) if sheet.note else None,
        box=box.SIMPLE_HEAD,
        title_justify="left",
        caption_justify="left",
    )
    fits = width is None or _room(words, sheet.headings) <= width
    for heading, numeric, needed in zip(sheet.headings, sheet.numeric, _widths(words, sheet.headings), strict=True):
        least = min(needed, _WHOLE) if fits else None  # else cells take several lines too
        most = needed if wide and numeric else None
        table.add_column(
            Text(heading), justify="right" if numeric else "left", min_width=least, max_width=most, overflow="fold"
        )
    for line in words:
        table.add_row(*map(Text, line))
    return table


def _words(lines: Sequence[Sequence[Cell]]) -> list[list[str]]:
    return [[printable(cell.text if isinstance(cell, Number) else cell) for cell in line] for line in lines]


def _widths(words: Sequence[Sequence[str]], headings: Sequence[str]) -> list[int]:
    """What each column needs: its longest cell, or the longest word of its heading, which may take several lines."""
    heads = [max(map(len, heading.split()), default=0) for heading in headings]
    return [max(head, *map(len, column)) for head, column in zip(heads, zip(*words, strict=True), strict=True)]


def _room(words: Sequence[Sequence[str]], headings: Sequence[str]) -> int:
    """How wide the table is, with the space between its columns."""
    return sum(needed + 2 for needed in _widths(words, headings))
