"""Accuracy, and that of the worst group, with and without repair (Figures 5 and 6 of Quinn's report)."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from spurlab.report.figures.notes import panel_title, small_print
from spurlab.report.figures.style import (
    BAND,
    axes_grid,
    describe,
    draw_estimates,
    look,
    outer_labels,
    sentence,
    share_axis,
    sheet,
)
from spurlab.report.repaired import AS_TRAINED, Repaired, at_shares, repairs_of, varied
from spurlab.stats import Estimate
from spurlab.studies import StudyResult
from spurlab.studies.axes import PLAIN

KINDS = {"accuracy": ("all test examples", "o"), "worst_group": ("the worst group", "s")}
COLOURS = {"accuracy": "#0072B2", "worst_group": "#D55E00"}
AXES = {
    "share": "training examples that have the feature, %",
    "clean": "training examples that the method has clean, %",
}
_MOST = 10  # networks that are shown one by one


def draw(result: StudyResult) -> Figure:
    """A panel for each dataset and feature; a line for each method with its two accuracies."""
    found = repairs_of(result.rows)
    if not found:
        return sentence(result.study.title, "Nothing has been measured yet.")
    if along := varied(found):
        return _curves(result, found, along)
    panels: dict[str, list[Repaired]] = {}
    for each in found:
        panels.setdefault(_panel(each, found), []).append(each)
    for lines in panels.values():  # networks without the feature first
        lines.sort(key=lambda each: (each.place.share != 0, each.method != PLAIN))
    columns = min(2, len(panels))
    rows = [list(panels.values())[i : i + columns] for i in range(0, len(panels), columns)]
    height = sum(0.32 * max(map(len, row)) + 1.1 for row in rows)
    note = "Small marks: single networks. The worst group is the one with the lowest accuracy in each network. "
    legend = [
        (Line2D([], [], color=COLOURS[kind], marker=marker, markersize=6, linestyle="none"), title)
        for kind, (title, marker) in KINDS.items()
    ]
    figure, body = sheet(result.study.title, height, note + small_print(result), legend)
    grid = axes_grid(body, list(panels), columns)
    for axes, lines in zip(grid, panels.values(), strict=True):
        draw_lines(axes, lines)
    for i, axes in enumerate(grid):
        if i + columns < len(grid):
            axes.set_xlabel("")
    words = [f"{name}: " + "; ".join(f"{each.title} {said(each)}" for each in lines) for name, lines in panels.items()]
    return describe(figure, f"Mean test accuracy of all, and of the worst group. {'. '.join(words)}.")


def draw_lines(axes: Axes, lines: list[Repaired]) -> None:
    """A line for each, with the mean of both accuracies, their intervals and single networks."""
    for place, each in enumerate(lines):
        if place % 2:
            axes.axhspan(place - 0.5, place + 0.5, color=BAND, linewidth=0, zorder=0)
        for kind, (_, marker) in KINDS.items():
            aside = -0.14 if kind == "accuracy" else 0.14
            mean = each.mean(kind)
            if not mean.models:
                continue
            if 1 < mean.models <= _MOST:
                singles = each.rows[kind].dropna()
                beside = np.full(len(singles), place + aside)
                axes.plot(singles, beside, marker, color=COLOURS[kind], markersize=3, alpha=0.35, markeredgewidth=0)
            ends = [[max(mean.value - mean.low, 0.0)], [max(mean.high - mean.value, 0.0)]]
            bars = None if math.isnan(mean.low) else ends
            axes.errorbar(
                mean.value, place + aside, xerr=bars, color=COLOURS[kind], marker=marker, markersize=5.5, capsize=2.5
            )
    axes.set_yticks(range(len(lines)), [each.title for each in lines])
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.set_xlim(-0.03, 1.03)
    axes.set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1], ["0", "0.2", "0.4", "0.6", "0.8", "1"])
    axes.set_xlabel("test accuracy")
    axes.grid(axis="x", alpha=0.3, linewidth=0.7)


def _curves(result: StudyResult, found: list[Repaired], along: str) -> Figure:
    """A panel for each dataset, feature and kind of accuracy; a line for each method along the shares."""
    panels: dict[tuple[str, str], dict[str, dict[float, Estimate]]] = {}
    for each in found:
        at = getattr(each.place, along)
        if math.isnan(at) or (along == "clean" and each.place.share == 0):
            continue
        title = AS_TRAINED if each.method == PLAIN else each.title
        for kind in KINDS:
            panel = panels.setdefault((_panel(each, found, without=along), kind), {})
            panel.setdefault(title, {})[at] = each.mean(kind)
    ways = list(dict.fromkeys(way for panel in panels.values() for way in panel))
    looks = {way: look(place) for place, way in enumerate(ways)}
    legend = [
        (Line2D([], [], color=colour, marker=marker, markersize=6), way) for way, (colour, marker) in looks.items()
    ]
    figure, body = sheet(result.study.title, 3.0 * -(-len(panels) // 2), small_print(result), legend)
    names = [panel_title("", name, KINDS[kind][0]) if name else KINDS[kind][0] for name, kind in panels]
    grid = axes_grid(body, names, 2)
    for axes, panel in zip(grid, panels.values(), strict=True):
        for way, line in panel.items():
            at = sorted(line)
            if len(at) == 1 and along == "clean":  # the same network, whatever is clean
                mean = line[at[0]]
                axes.axhline(mean.value, color=looks[way][0], linewidth=1.5, linestyle="--")
                if math.isfinite(mean.low):
                    axes.axhspan(mean.low, mean.high, color=looks[way][0], alpha=0.12, linewidth=0)
                continue
            draw_estimates(axes, [100 * each for each in at], [line[each] for each in at], looks[way], way)
        share_axis(axes, "test accuracy")
        if along == "clean":
            axes.set_xscale("log")
            ticks = sorted({100 * each for line in panel.values() for each in line})
            axes.set_xticks(ticks, [f"{each:g}" for each in ticks], minor=False)
            axes.minorticks_off()
        axes.set_xlabel(AXES[along])
    outer_labels(grid, 2)
    words = [
        f"{name}: " + "; ".join(f"{way} " + at_shares(line) for way, line in panel.items())
        for name, panel in zip(names, panels.values(), strict=True)
    ]
    return describe(figure, f"Mean test accuracy along the share of {AXES[along]} {'. '.join(words)}.")


def _panel(each: Repaired, among: list[Repaired], without: str = "") -> str:
    """What tells this panel from others."""
    place = each.place
    features = {other.place.feature for other in among}
    shares = {other.place.share for other in among if other.place.share > 0}
    return panel_title(
        place.group.dataset,
        place.group.label,
        place.feature if len(features) > 1 else "",
        f"{place.share:.0%} have it" if len(shares) > 1 and place.share > 0 and without != "share" else "",
    )


def said(each: Repaired) -> str:
    """Its two accuracies."""
    return f"{each.mean('accuracy').value:.2f} and {each.mean('worst_group').value:.2f}"
