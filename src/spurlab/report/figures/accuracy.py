"""Accuracy on clean test images against the number of marked examples (section 3.3 of arXiv:2202.05189)."""

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FormatStrFormatter, MaxNLocator

from spurlab.report.figures.notes import panel_title, small_print
from spurlab.report.figures.style import (
    axes_grid,
    count_axis,
    describe,
    dodged,
    draw_estimates,
    outer_labels,
    pattern_look,
    sentence,
    sheet,
)
from spurlab.report.summary import SHARE, Group, estimates, groups
from spurlab.stats import Estimate
from spurlab.studies import StudyResult
from spurlab.studies.claims.accuracy import PUBLISHED


def draw(result: StudyResult) -> Figure:
    """A panel for each dataset; lines by pattern, each network's accuracy averaged over the targets."""
    panels = [
        (group, lines)
        for group in groups(result.rows[result.rows["measure"] == "accuracy"])
        if (lines := accuracies(group))
    ]
    title = result.study.title
    if not panels:
        return sentence(title, "No accuracy has been measured.")
    patterns = list(dict.fromkeys(pattern for _, lines in panels for pattern in lines))
    looks = {pattern: pattern_look(pattern, place) for place, pattern in enumerate(patterns)}
    legend: list[tuple[Line2D | Patch, str]] = [
        (Line2D([], [], color=colour, marker=marker, markersize=5, linewidth=1.5), pattern)
        for pattern, (colour, marker) in looks.items()
    ]
    if any(group.dataset in PUBLISHED for group, _ in panels):
        legend.append((Patch(color="#DDDDDD"), "paper, lowest to highest"))
        legend.append((Line2D([], [], color="#777777", linestyle="--", linewidth=1), "paper, mean"))
    columns = min(2, len(panels))
    note = "Each vertical axis shows a part of 0 to 1. " + small_print(result)
    if result.rows["target"].nunique() > 1:
        note = "Mean over the targets. " + note
    figure, body = sheet(title, 3.1 * -(-len(panels) // columns), note, legend)
    grid = axes_grid(body, len(panels), columns)
    for axes, (group, lines) in zip(grid, panels, strict=True):
        _draw(axes, group.dataset, lines, looks)
        axes.set_title(panel_title(group.dataset, group.label))
        axes.set_ylabel("test accuracy")
    outer_labels(grid, columns)
    return describe(figure, " ".join(_words(group, lines) for group, lines in panels))


def accuracies(group: Group) -> dict[str, dict[int, Estimate]]:
    """By pattern and n, the accuracy over networks."""
    table: dict[str, dict[int, Estimate]] = {}
    for (pattern, n), mean in estimates(group.rows, ["pattern", "n"], SHARE).items():
        table.setdefault(str(pattern), {})[int(n)] = mean
    return table


def _draw(axes: Axes, dataset: str, lines: dict[str, dict[int, Estimate]], looks: dict[str, tuple[str, str]]) -> None:
    places = count_axis(axes, sorted({n for line in lines.values() for n in line}))
    shown = [e for line in lines.values() for e in line.values()]
    ends = [end for e in shown for end in (e.low, e.high, e.value) if math.isfinite(end)]
    if dataset in PUBLISHED:
        low, high, mean, _ = PUBLISHED[dataset]
        axes.axhspan(low, high, color="#DDDDDD", linewidth=0)
        axes.axhline(mean, color="#777777", linestyle="--", linewidth=1)
        ends += [low, high]
    names = list(looks)
    for pattern, line in lines.items():
        counts = sorted(line)
        at = [places[n] + dodged(names.index(pattern), len(names)) for n in counts]
        draw_estimates(axes, at, [line[n] for n in counts], looks[pattern], pattern, markersize=4.5)
    room = max(0.1 * (max(ends) - min(ends)), 0.004)
    axes.set_ylim(min(ends) - room, max(ends) + room)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FormatStrFormatter("%.3f"))
    axes.grid(axis="y", alpha=0.3, linewidth=0.7)


def _words(group: Group, lines: dict[str, dict[int, Estimate]]) -> str:
    ends = [
        f"{pattern} {line[min(line)].value:.3f} at n = {min(line)}, {line[max(line)].value:.3f} at n = {max(line)}"
        for pattern, line in lines.items()
    ]
    return f"{panel_title(group.dataset, group.label)}: mean test accuracy, {'; '.join(ends)}."
