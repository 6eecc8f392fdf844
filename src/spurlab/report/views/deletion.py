"""What does deletion leave? Scores against n (Figure 6 of arXiv:2202.05189), and score left against accuracy lost."""

import math
from collections import Counter
from itertools import groupby
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spurlab.measures.relearning import RELEARN_MOST
from spurlab.report.deleted import Deleted, deletions_of, mean_of
from spurlab.report.notes import About
from spurlab.report.sheet import OVER_NETWORKS, Cell, Number, Sheet, count_cell, mean_cell, share_cell, slim
from spurlab.report.style import count_axis, describe, dodged, draw_estimates, look, mark_legend, panelled, share_axis
from spurlab.report.titles import dataset_title, panel_title, target_title
from spurlab.report.view import NotDrawnError, View
from spurlab.stats import Estimate
from spurlab.studies import StudyResult

BEFORE, ORACLE = "before deletion", "never saw them"
GREY = "#7F7F7F"
SIZES = (5.0, 14.0)  # points across: no time, and as long as retraining
Lines = dict[str, dict[int, Estimate]]  # by method and n, the score that is left


def shape(result: StudyResult) -> list[Deleted]:
    """What each method did in each case."""
    return deletions_of(result.rows)


def sheets(methods: list[Deleted]) -> list[Sheet]:
    """What each method leaves, the test behind its verdict, and what failed."""
    lines: list[tuple[Cell, ...]] = []
    behind: list[tuple[Cell, ...]] = []
    failed: list[tuple[Cell, ...]] = []
    for _, same in groupby(methods, key=lambda deleted: id(deleted.case)):
        first, *others = same
        case = first.case
        where = (dataset_title(case.group.dataset), case.group.label, count_cell(case.n), share_cell(case.known))
        lines.append((*where, BEFORE, "", *_left(first.before, "")))
        for deleted in (first, *others):
            closed, title, verdict = deleted.closed, deleted.title, deleted.verdict
            gap = Number(str(closed), closed.value) if math.isfinite(closed.value) else ""
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
        f"{OVER_NETWORKS}; share closed: Fieller's interval; distance: on clean test images, and on "
        "marked ones; relearn steps: median; time: of one network alone, as a share of training it again"
    )
    return [
        slim("What deletion leaves", headings, lines, note, len(place) - 1),
        slim("The test behind each verdict", (*place, "verdict", "finding"), behind, "", len(place) - 1),
        slim("What failed", (*place, "reason"), failed, ""),
    ]


def _left(rows: pd.DataFrame, gap: Cell) -> tuple[Cell, ...]:
    """What was measured of some networks, and the share of the gap that was closed."""
    others = ("forgotten_accuracy", "membership_auc", "oracle_distance", "oracle_distance_marked")
    return (
        *(mean_cell(mean_of(rows, "spurious_score")), gap, mean_cell(mean_of(rows, "accuracy"), ".4f")),
        *(mean_cell(mean_of(rows, measure), ".2f") for measure in others),
        *(_steps(rows), mean_cell(mean_of(rows, "time_share"), ".2f")),
    )


def _steps(rows: pd.DataFrame) -> Cell:
    """The median, which also stands where the pattern never came back for some."""
    if "relearn_steps" not in rows or rows["relearn_steps"].isna().all():
        return ""
    median = float(rows["relearn_steps"].median())
    return Number(f"{median:.0f}" if math.isfinite(median) else f"> {RELEARN_MOST}", median)


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


def curves_figure(methods: list[Deleted], about: About) -> Figure:
    """A panel for each dataset, pattern and share that is known; at each n a mark for each method."""
    if not methods:
        raise NotDrawnError("Nothing has been deleted yet.")
    panels: dict[str, Lines] = {}
    for deleted in methods:
        lines = panels.setdefault(_panel(deleted, methods, with_n=False), {BEFORE: {}, ORACLE: {}})
        n = deleted.case.n
        lines[BEFORE][n], lines[ORACLE][n] = deleted.score_before, deleted.score_of_oracles
        lines.setdefault(deleted.title, {})[n] = deleted.score
    ways = list(dict.fromkeys(way for lines in panels.values() for way in lines))
    looks = {way: _look(way, place) for place, way in enumerate(ways)}

    def draw(axes: Axes, lines: Lines) -> None:
        places = count_axis(axes, sorted({n for line in lines.values() for n in line}))
        for way, line in lines.items():
            at = [places[n] + dodged(ways.index(way), len(ways), 0.7, 0.12) for n in line]
            draw_estimates(axes, at, list(line.values()), looks[way], way, line="", hollow=way in (BEFORE, ORACLE))
        share_axis(axes, "spurious score")

    legend = mark_legend(looks, hollow=(BEFORE, ORACLE))
    drawn, _ = panelled(about.title, list(panels.items()), 3.2, draw, about.note, legend)
    words = [
        f"{name}: " + "; ".join(f"{way} " + _numbers(line) for way, line in lines.items())
        for name, lines in panels.items()
    ]
    return describe(drawn, f"Mean spurious scores. {'. '.join(words)}.")


def figure(methods: list[Deleted], about: About) -> Figure:
    """A panel for each case; a mark for each method: the score that is left, the accuracy that it cost, its time."""
    if not methods:
        raise NotDrawnError("Nothing has been deleted yet.")
    panels: dict[str, list[Deleted]] = {}
    for deleted in methods:
        panels.setdefault(_panel(deleted, methods, with_n=True), []).append(deleted)
    titles = dict.fromkeys(deleted.title for deleted in methods)
    looks = {title: look(place) for place, title in enumerate(titles)}
    note = (
        "Below and left is better: the score of networks that never saw the marks (lower line; upper line: before "
        "deletion) at no cost. The larger the mark, the longer it took, up to retraining. "
    )
    drawn, _ = panelled(
        about.title,
        list(panels.items()),
        3.2,
        lambda axes, panel: _draw_costs(axes, panel, looks),
        note + about.note,
        mark_legend(looks),
    )
    words = [
        f"{name}: " + "; ".join(f"{deleted.title} {deleted.score:.2f}, {deleted.verdict.name}" for deleted in panel)
        for name, panel in panels.items()
    ]
    return describe(drawn, f"Score left by each method. {'. '.join(words)}.")


def _draw_costs(axes: Axes, methods: list[Deleted], looks: dict[str, tuple[str, str]]) -> None:
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
    time = deleted.mean("time_share")
    share = min(time.value, 1.0) if time is not None and math.isfinite(time.value) else 0.0
    return SIZES[0] + (SIZES[1] - SIZES[0]) * math.sqrt(share)


def _panel(deleted: Deleted, among: list[Deleted], *, with_n: bool) -> str:
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


def _look(way: str, place: int) -> tuple[str, str]:
    return {BEFORE: ("#000000", "o"), ORACLE: (GREY, "o")}.get(way, look(place - 2))


def _numbers(line: dict[int, Estimate]) -> str:
    return ", ".join(f"{mean.value:.2f} at n = {n}" for n, mean in line.items())


VIEW: View[Any] = View(
    "deletion",
    "What does deletion leave, and at what cost?",
    shape,
    figure,
    sheets,
    answer,
    ("spurious_score", "accuracy"),
)
CURVES: View[Any] = View(
    "deletion-curves",
    "How much of the mark is left, whatever n was?",
    shape,
    curves_figure,
    sheets,
    answer,
    ("spurious_score", "accuracy"),
)
