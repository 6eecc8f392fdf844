"""Tables for the terminal."""

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from spurlab.report.figures.notes import panel_title, target_title
from spurlab.report.sheets import Number, Sheet, curve_sheet, study_sheets, verdict_of
from spurlab.report.summary import Curve, curves, groups
from spurlab.studies import StudyResult, Verdict

_MOST = 4  # curves with a table of their own


def curve_table(curve: Curve, target_name: str) -> Table:
    """Score at each n with its interval, paired difference to n = 0 and test accuracy; the verdict above."""
    title = f"{curve.pattern}, planted in class {curve.target} ({target_name}): {verdict_of(curve)}"
    return as_table(curve_sheet(curve, title))


def study_tables(result: StudyResult) -> list[Table]:
    """The tables that suit the study; for scores, one for each of up to four curves; of several, the verdicts last."""
    sheets = study_sheets(result)
    if result.study.figure != "scores":
        return [as_table(sheet) for sheet in sheets]
    found = [(group, curve) for group in groups(result.rows) for curve in curves(group.rows)]
    each = [
        curve_sheet(
            curve,
            f"{panel_title(group.dataset, group.label, curve.pattern, target_title(group.dataset, curve.target))}: "
            f"{verdict_of(curve)}",
        )
        for group, curve in found
        if len(found) <= _MOST
    ]
    return [as_table(sheet) for sheet in (*each, *(sheets[:1] if len(found) > 1 else []))]


def claims_table(verdicts: Sequence[Verdict]) -> Table:
    """Each claim with its outcome, and what that rests on."""
    table = Table(box=box.SIMPLE_HEAD, show_lines=False, pad_edge=False)
    table.add_column("claim", justify="right", no_wrap=True)
    table.add_column("what is claimed", ratio=5)
    table.add_column("outcome", no_wrap=True)
    table.add_column("finding", ratio=6)
    table.add_column("networks", justify="right", no_wrap=True)
    styles = {"reproduced": "green", "not reproduced": "red", "undecided": "yellow"}
    for verdict in verdicts:
        outcome = Text(verdict.outcome, style=styles.get(verdict.outcome, ""))
        words = (Text(verdict.claim.statement), outcome, Text(verdict.finding))
        table.add_row(str(verdict.claim.number), *words, f"{verdict.models:,}", end_section=True)
    return table


def as_table(sheet: Sheet) -> Table:
    """The table for the terminal; its words are no markup."""
    table = Table(
        title=Text(sheet.title),
        caption=Text(sheet.note) if sheet.note else None,
        box=box.SIMPLE_HEAD,
        title_justify="left",
        caption_justify="left",
    )
    for heading, numeric in zip(sheet.headings, sheet.numeric, strict=True):
        table.add_column(Text(heading), justify="right" if numeric else "left", no_wrap=True)
    for line in sheet.lines:
        table.add_row(*(Text(cell.text if isinstance(cell, Number) else cell) for cell in line))
    return table
