"""How many marked examples does it take? The score against n (Figure 2 of arXiv:2202.05189)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from jaxtyping import Float32
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from spurlab.data import DataError, load
from spurlab.patterns import make_named, plant
from spurlab.report import sheet, style
from spurlab.report.curves import Curve, Point, curves, verdict_of
from spurlab.report.groups import Group, Mean, data_seeds, groups
from spurlab.report.titles import in_a_row, panel_title, target_title
from spurlab.report.view import About, NotDrawnError, View
from spurlab.report.views.gallery import draw_strips
from spurlab.stats import Learnt, networks_needed
from spurlab.studies import StudyResult

_MOST = 4  # curves with a table of their own in a terminal, and settings that a sentence names
Scores = list[tuple[Group, list[Curve]]]


def shape(result: StudyResult) -> Scores:
    """For each group a curve of each pattern and target."""
    return [(group, curves(group.rows, result.study.most, result.study.search)) for group in groups(result.rows)]


def _searched(scores: Scores) -> bool:
    return any(curve.verdict.rising for _, lines in scores for curve in lines)


def _panels(scores: Scores) -> list[tuple[str, Group, list[Curve]]]:
    """For each group and target the curves of all patterns."""
    return [
        (
            panel_title(group.dataset, group.label, target_title(group.dataset, target)),
            group,
            [curve for curve in lines if curve.target == target],
        )
        for group, lines in scores
        for target in dict.fromkeys(curve.target for curve in lines)
    ]


def sheets(scores: Scores) -> list[sheet.Sheet]:
    """The verdict on each curve, and all its points."""
    learnt: list[tuple[sheet.Cell, ...]] = []
    points: list[tuple[sheet.Cell, ...]] = []
    for group, curve in ((group, curve) for group, lines in scores for curve in lines):
        where = (*sheet.place_cells(group), curve.pattern, sheet.target_cell(group.dataset, curve.target))
        first, last = curve.points[0], curve.points[-1]
        at = sheet.Number(verdict_of(curve), curve.verdict.n if curve.verdict.n is not None else math.inf)
        ends = (sheet.mean_cell(first.score), sheet.mean_cell(last.score), sheet.count_cell(last.n))
        learnt.append((*where, at, *(ends if not curve.verdict.rising else (ends[0], "", ""))))
        points += [(*where, *point) for point in sheet.points_of(curve)]
    place = ("dataset", "networks", "pattern", "target")
    searched = _searched(scores)
    verdicts = (*place, "verdict", "score at n = 0", "score at the largest n", "largest n")
    rule = (
        "n*: from how many marked examples on more than half of all networks learn the pattern (exact sign test, 95 %)"
    )
    note = sheet.SEARCHED if searched else f"{sheet.OVER_NETWORKS}; {sheet.RISES}"
    headings = sheet.headings_of([curve for _, lines in scores for curve in lines])
    return [
        sheet.slim("When is the pattern learnt?", verdicts, learnt, rule),
        sheet.slim("All scores", (*place, *headings), points, note),
    ]


def terminal(scores: Scores) -> list[sheet.Sheet]:
    """One table for each of up to four curves; of several, the verdicts last."""
    curve_sheets = [
        sheet.curve_sheet(
            curve, f"{panel_title(group.dataset, group.label, curve.pattern, target)}: {verdict_of(curve)}"
        )
        for group, lines in scores
        for curve in lines
        for target in [target_title(group.dataset, curve.target)]
    ]
    few = curve_sheets if len(curve_sheets) <= _MOST else []
    return [*few, *(sheets(scores)[:1] if len(curve_sheets) > 1 else [])]


def answer(scores: Scores) -> list[str]:
    """For each group and target, which patterns are learnt from which n on."""
    sentences = [f"{where}: {_learnt(lines)}." for where, _, lines in _panels(scores)]
    if sentences and not _searched(scores):
        sentences[-1] += " In brackets: the mean score at the largest n."
    if (several := sum(len(lines) for _, lines in scores)) > 1:
        needed = networks_needed(0.05 / several)
        sentences.append(f"Each at 95 % by itself; for all {several} together it takes {needed} networks of each n.")
    return sentences


def brief(scores: Scores) -> str:
    """What the pattern that is learnt soonest does from there on and without marks, and the weakest; and their n*.

    Where settings differ, first whether they say the same of n*.
    """
    _, group, lines = _main(scores)
    curves = [curve for curve in lines if len(curve.points) > 1 and curve.points[0].score.models]
    if group is None:
        return ""
    if not curves:
        return f"On {group.title}: {', '.join(f'{_name(curve, lines)} {verdict_of(curve)}' for curve in lines)}."
    compared = _compared(scores)
    if _searched(scores):
        verdicts = ", ".join(f"{_name(curve, lines)} {verdict_of(curve)}" for curve in curves)
        return f"{compared}On {group.title}: {verdicts}."
    strong = min(curves, key=lambda curve: (curve.verdict.n or math.inf, -_from(curve).score.value))
    base, first = strong.points[0], _from(strong)
    one = first.n == 1
    words = f"On {group.title}, {first.n:,} training example{'s' * (not one)} marked with {strong.pattern} "
    words += f"pull{'s' * one} {_percent(first.score)} of the test examples to the class of the mark "
    words += f"({base.n or 'none'}: {_percent(base.score)}){_learning(first)}: {verdict_of(strong)}"
    weak = min(curves, key=lambda curve: curve.points[-1].score.value)
    other = _from(weak)
    if weak is not strong:
        words += f"; {other.n:,} with {weak.pattern} {_percent(other.score)}{_learning(other)}: {verdict_of(weak)}"
    return f"{compared}{words}."


def _compared(scores: Scores) -> str:
    """For how many curves all settings give the same bounds of n*, and for how many some exclude each other."""
    found: dict[tuple[str, str, int], dict[str, Learnt]] = {}
    for group, lines in scores:
        for curve in lines:
            found.setdefault((group.dataset, curve.pattern, curve.target), {})[group.label] = curve.verdict
    several = [verdicts for verdicts in found.values() if len(verdicts) > 1]
    if not several:
        return ""
    bounds = [{(verdict.above or 0, verdict.n or math.inf) for verdict in verdicts.values()} for verdicts in several]
    same = sum(len(each) == 1 and each != {(0, math.inf)} for each in bounds)
    excluded = sum(max(above for above, _ in each) >= min(n for _, n in each) for each in bounds)
    labels = list(dict.fromkeys(label for verdicts in several for label in verdicts))
    settings = in_a_row(labels) if len(labels) <= _MOST else f"all {len(labels)} settings"
    unclear = sum(each == {(0, math.inf)} for each in bounds)
    of = f"{same} of {len(several)} curve{'s' * (len(several) != 1)}"
    words = f"With {settings} the n from which a pattern is learnt (n*) comes out alike for {of}"
    words += f", for {unclear} nothing is shown" if unclear else ""
    contradict = "one contradicts another" if excluded == 1 else f"{excluded or 'none'} contradict another"
    return f"{words}; {'none contradicts another' if not excluded else contradict}. "


def _from(curve: Curve) -> Point:
    """Where it is shown to be learnt first; else the largest n."""
    return next((point for point in curve.points if point.n == curve.verdict.n), curve.points[-1])


def _learning(point: Point) -> str:
    """How many networks do."""
    return f", and {point.rose.of} learn{'s' * (point.rose.models == 1)} it" if point.rose and point.rose.models else ""


def _main(scores: Scores) -> tuple[str, Group | None, list[Curve]]:
    """The panel with most patterns, of several the first."""
    return max(_panels(scores), key=lambda panel: len(panel[2]), default=("", None, []))


def _percent(share: Mean) -> str:
    return f"{100 * share.value:.1f} %"


def _learnt(lines: Sequence[Curve]) -> str:
    """The patterns by what is said of them, the soonest learnt first; what nothing could be said of last."""
    decided = sorted(
        (c for c in lines if c.verdict.decided), key=lambda c: math.inf if c.verdict.n is None else c.verdict.n
    )
    said: dict[str, list[str]] = {}
    for curve in decided:
        said.setdefault(str(curve.verdict).replace(" (95 %)", ""), []).append(_with_score(curve))
    words = [f"{verdict}: {in_a_row(patterns)}" for verdict, patterns in said.items()]
    if unclear := [curve.pattern for curve in lines if not curve.verdict.decided]:
        words.append(f"undecided: {in_a_row(unclear)}")
    return "; ".join(words)


def _with_score(curve: Curve) -> str:
    return curve.pattern if curve.verdict.rising else f"{curve.pattern} ({curve.points[-1].score.value:.3f})"


def figure(scores: Scores, about: About) -> Figure:
    """A panel for each dataset and target; a single one stands beside some of the marked examples."""
    panels = _panels(scores)
    if not panels:
        raise NotDrawnError("No spurious score has been measured.")
    if len(panels) == 1:
        where, group, lines = panels[0]
        return score_figure(lines, _strips(group, lines), f"{about.title} {where}", about.note)
    looks = style.looks_of(([curve.pattern for curve in lines] for _, _, lines in panels), style.pattern_look)
    titled = [(where, lines) for where, _, lines in panels]
    legend = style.mark_legend(looks, 5.0, "-")
    return style.panelled(about, titled, 3.0, lambda axes, lines: _draw(axes, lines, looks), legend, _words)


def glance(scores: Scores, _: About) -> Figure:
    """The panel of `brief`, as wide as a phone."""
    where, _group, lines = _main(scores)
    if not lines:
        raise NotDrawnError("No spurious score has been measured.")
    looks = style.looks_of([[curve.pattern for curve in lines]], style.pattern_look)
    drawn, body = style.blank(where, 2.3, "", style.mark_legend(looks, 5.0, "-"), width=4.2)
    _draw(body.add_subplot(), lines, looks)
    return style.describe(drawn, f"{where}. {_words(lines)}.")


@style.style()
def score_figure(
    curves: Sequence[Curve], strips: Mapping[str, Float32[Tensor, "n *shape"]], title: str, note: str = ""
) -> Figure:
    """Spurious scores against n, a dot for each network, beside a strip of planted examples for each pattern.

    Args:
        curves: one line each.
        strips: by pattern, the planted images or signals to show; may be empty.
        title: stands above.
        note: small print below.

    >>> import pandas as pd
    >>> from spurlab.report import curves
    >>> of_network = [(n, seed, n / 20 + seed / 100) for n in (0, 3, 10) for seed in range(5)]
    >>> rows = pd.DataFrame(of_network, columns=["n", "seed", "value"])
    >>> figure = score_figure(curves(rows.assign(measure="spurious_score", pattern="S3", target=0)), {}, "Scores")
    >>> figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()
    ('marked training examples, n (not to scale)', 'spurious score')
    """
    looks = style.looks_of([[_name(curve, curves) for curve in curves]], style.pattern_look)
    figure, body = style.blank(title, 3.4, note, style.mark_legend(looks, 5.0, "-"))
    halves = body.add_gridspec(1, 2, width_ratios=(1.6, 1)) if strips else body.add_gridspec(1, 1)
    _draw(body.add_subplot(halves[0]), curves, looks)
    if strips:
        draw_strips(body, halves[1].subgridspec(len(strips), max(len(strip) for strip in strips.values())), strips)
    return style.describe(figure, f"{title} {_words(curves)}.")


def _name(curve: Curve, among: Sequence[Curve]) -> str:
    several_targets = len({other.target for other in among}) > 1
    return f"{curve.pattern}, target {curve.target}" if several_targets else curve.pattern


def _draw(axes: Axes, curves: Sequence[Curve], looks: style.Looks) -> None:
    lines = {_name(curve, curves): {point.n: _drawn(curve, point) for point in curve.points} for curve in curves}
    style.draw_counts(axes, lines, looks, line="" if any(curve.verdict.rising for curve in curves) else "-")
    style.share_axis(axes, "spurious score")


def _drawn(curve: Curve, point: Point) -> Mean:
    """The networks; where n* was searched, without their mean unless all were trained with this n."""
    few = curve.verdict.rising and point.score.models < max(2, curve.points[0].score.models)
    return replace(point.score, value=math.nan) if few else point.score


def _strips(group: Group, curves: Sequence[Curve]) -> dict[str, Float32[Tensor, "n *shape"]]:
    """Three marked training examples for each pattern; none where the dataset is not here, or has rows or documents."""
    try:
        data, strips = load(group.dataset, offline=True), dict[str, Tensor]()
        if data.kind not in ("images", "examples"):
            return {}
        for curve in curves:
            most, seed = max(point.n for point in curve.points), int(group.rows["seed"].min())
            pattern = make_named(
                curve.pattern, data.shape, int(data_seeds(group.rows).min()), clip=data.input_range, names=data.names
            )
            images = plant(data.train, pattern, curve.target, min(most, 3), seed).inputs
            strips[curve.pattern] = images if len(images) else data.train.inputs[:3].clone()
    except (DataError, ValueError):
        return {}
    return strips


def _words(curves: Sequence[Curve]) -> str:
    lines = []
    for curve in curves:
        if curve.points[0].score.models:
            if curve.verdict.rising:
                lines.append(f"{_name(curve, curves)} {curve.verdict}.")
                continue
            ends = [f"{point.score.value:.3f} at n = {point.n}" for point in (curve.points[0], curve.points[-1])]
            lines.append(f"{_name(curve, curves)} {' to '.join(dict.fromkeys(ends))} ({curve.verdict}).")
    what = "n* by pattern" if any(curve.verdict.rising for curve in curves) else "Mean spurious score by pattern"
    return f"{what}: {' '.join(lines)}".removesuffix(".") if lines else "No network is left"


MEASURES = ("spurious_score", "accuracy")
VIEW: View[Scores] = View(
    "scores",
    "How many marked examples does it take?",
    shape,
    figure,
    sheets,
    answer,
    MEASURES,
    terminal=terminal,
    brief=brief,
    glance=glance,
    leads=True,
)
