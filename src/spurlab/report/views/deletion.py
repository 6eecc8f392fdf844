"""What does deletion leave, and at what cost? The score that is left against the accuracy that is lost."""

import math
from collections import Counter
from itertools import groupby

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spurlab.measures.relearning import RELEARN_MOST
from spurlab.report import sheet
from spurlab.report.groups import mean_of
from spurlab.report.style import Looks, looks_of, mark_legend, panelled, share_axis
from spurlab.report.titles import panel_title, target_title
from spurlab.report.treated import Deleted, deletions_of
from spurlab.report.view import About, NotDrawnError, View
from spurlab.studies import StudyResult

BEFORE, ORACLE = "before deletion", "never saw them"
GREY = "#7F7F7F"
SIZES = (5.0, 14.0)  # points across: no time, and as long as retraining


def shape(result: StudyResult) -> list[Deleted]:
    return deletions_of(result.rows, result.study.most)


def sheets(methods: list[Deleted]) -> list[sheet.Sheet]:
    """What each method leaves, the test behind its verdict, and what failed."""
    lines: list[tuple[sheet.Cell, ...]] = []
    behind: list[tuple[sheet.Cell, ...]] = []
    failed: list[tuple[sheet.Cell, ...]] = []
    for _, same in groupby(methods, key=lambda deleted: id(deleted.case)):
        first, *others = same
        case = first.case
        where = (*sheet.place_cells(case.group), sheet.count_cell(case.n), sheet.share_cell(case.known))
        lines.append((*where, BEFORE, "", *_left(first.before, "")))
        for deleted in (first, *others):
            closed, title, verdict = deleted.judged.closed, deleted.title, deleted.verdict
            gap = sheet.Number(str(closed), closed.value) if math.isfinite(closed.value) else ""
            lines.append((*where, title, verdict.name, *_left(deleted.rows, gap)))
            behind.append((*where, title, verdict.name, verdict.finding))
            failed += [(*where, title, reason) for reason in deleted.failures]
        lines.append((*where, ORACLE, "", *_left(first.oracle, "")))
    place = ("dataset", "networks", "n", "known", "method")
    headings = (
        *(*place, "verdict", "spurious score", "share of the gap closed", "accuracy", "accuracy on the forgotten"),
        *("membership AUC", "distance to oracles", "marked", "relearn steps", "time / retraining"),
    )
    note = (
        f"{sheet.OVER_NETWORKS}; share closed: Fieller's interval; distance: on clean test images, and on "
        "marked ones; relearn steps: median; time: of one network alone, as a share of training it again"
    )
    return [
        sheet.slim("What deletion leaves", headings, lines, note, len(place) - 1),
        sheet.slim("The test behind each verdict", (*place, "verdict", "finding"), behind, "", len(place) - 1),
        sheet.slim("What failed", (*place, "reason"), failed, ""),
    ]


def _left(rows: pd.DataFrame, gap: sheet.Cell) -> tuple[sheet.Cell, ...]:
    """What was measured of some networks, and the share of the gap that was closed."""
    distances = (mean_of(rows, measure, None) for measure in ("oracle_distance", "oracle_distance_marked"))
    others = mean_of(rows, "forgotten_accuracy"), mean_of(rows, "membership_auc"), *distances
    return (
        *(sheet.mean_cell(mean_of(rows, "spurious_score")), gap, sheet.mean_cell(mean_of(rows, "accuracy"), ".4f")),
        *(sheet.mean_cell(mean, ".2f") for mean in others),
        *(_steps(rows), sheet.mean_cell(mean_of(rows, "time_share", None), ".2f")),
    )


def _steps(rows: pd.DataFrame) -> sheet.Cell:
    """The median, which also stands where the pattern never came back for some."""
    if "relearn_steps" not in rows or rows["relearn_steps"].isna().all():
        return ""
    median = float(rows["relearn_steps"].median())
    return sheet.Number(f"{median:.0f}" if math.isfinite(median) else f"> {RELEARN_MOST}", median)


def answer(methods: list[Deleted]) -> list[str]:
    """For each dataset, the methods by verdict, with the cases that they got it in."""
    by_place: dict[str, list[Deleted]] = {}
    for deleted in methods:
        by_place.setdefault(deleted.case.group.title, []).append(deleted)
    sentences = []
    for place, alike in by_place.items():
        cases = len({(case.pattern, case.target, case.n, case.known) for case in (deleted.case for deleted in alike)})
        verdicts: dict[str, Counter[str]] = {}
        for deleted in alike:
            verdicts.setdefault(deleted.verdict.name, Counter())[deleted.title] += 1
        words = [
            f"{name}: " + ", ".join(f"{title} ({count} of {cases})" for title, count in counts.items())
            for name, counts in verdicts.items()
        ]
        sentences.append(f"{place}: {'; '.join(words)}.")
    return sentences


def figure(methods: list[Deleted], about: About) -> Figure:
    """A panel for each case; a mark for each method: the score that is left, the accuracy that it cost, its time."""
    if not methods:
        raise NotDrawnError("Nothing has been deleted yet.")
    panels: dict[str, list[Deleted]] = {}
    for deleted in methods:
        panels.setdefault(panel_of(deleted, methods, with_n=True), []).append(deleted)
    looks = looks_of([[deleted.title for deleted in methods]])
    note = (
        "Below and left is better: the score of networks that never saw the marks (lower line; upper line: before "
        "deletion) at no cost. The larger the mark, the longer it took, up to retraining. "
    )

    def draw(axes: Axes, panel: list[Deleted]) -> None:
        _draw(axes, panel, looks)

    def words(panel: list[Deleted]) -> str:
        return "; ".join(f"{deleted.title} {deleted.score:.2f}, {deleted.verdict.name}" for deleted in panel)

    meaning = "Score left by each method."
    return panelled(about, list(panels.items()), 3.2, draw, mark_legend(looks), words, meaning, note)


def _draw(axes: Axes, methods: list[Deleted], looks: Looks) -> None:
    for level in (methods[0].score_before, methods[0].score_of_oracles):
        axes.axhline(level.value, color=GREY, linewidth=1.2, linestyle="--", zorder=1)
    for deleted in methods:
        if deleted.score.models:
            colour, marker = looks[deleted.title]
            cost, score = deleted.accuracy_lost, deleted.score
            spans = ([max(cost.value - cost.low, 0)], [max(cost.high - cost.value, 0)])
            tall = ([max(score.value - score.low, 0)], [max(score.high - score.value, 0)])
            axes.errorbar(cost.value, score.value, tall, spans, color=colour, linewidth=0.8, alpha=0.5)
            axes.plot(cost.value, score.value, marker, color=colour, markersize=_size(deleted), alpha=0.85)
    axes.set_xscale("symlog", linthresh=0.01)
    ticks = [0.0, 0.01, 0.1, 1.0]
    axes.set_xticks(ticks, ["0", "0.01", "0.1", "1"], minor=False)
    gained = max([0.01, *(-deleted.accuracy_lost.value for deleted in methods if deleted.score.models)])
    axes.set_xlim(-1.5 * gained, 1.0)
    axes.set_xlabel("test accuracy lost")
    share_axis(axes, "spurious score left")


def _size(deleted: Deleted) -> float:
    time = mean_of(deleted.rows, "time_share", None).value
    share = min(time, 1.0) if math.isfinite(time) else 0.0
    return SIZES[0] + (SIZES[1] - SIZES[0]) * math.sqrt(share)


def panel_of(deleted: Deleted, among: list[Deleted], *, with_n: bool) -> str:
    case = deleted.case
    targets, shares, patterns = (
        {getattr(other.case, name) for other in among} for name in ("target", "known", "pattern")
    )
    return panel_title(
        case.group.dataset,
        case.group.label,
        case.pattern if len(patterns) > 1 else "",
        target_title(case.group.dataset, case.target) if len(targets) > 1 else "",
        f"n = {case.n:,}" if with_n else "",
        f"{case.known:.0%} known" if len(shares) > 1 else "",
    )


MEASURES = ("spurious_score", "accuracy")
VIEW: View[list[Deleted]] = View(
    "deletion", "What does deletion leave, and at what cost?", shape, figure, sheets, answer, MEASURES
)
