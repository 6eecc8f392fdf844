"""Scores of several optimizers or clippings beside each other (Figures 7 and 8 of arXiv:2202.05189)."""

from typing import cast

import torch
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from spurlab.report.figures.notes import panel_title, small_print, target_title
from spurlab.report.figures.style import (
    axes_grid,
    count_axis,
    describe,
    dodged,
    draw_estimates,
    look,
    outer_labels,
    sentence,
    share_axis,
    sheet,
)
from spurlab.report.summary import SHARE, Group, averaged, groups
from spurlab.stats import Estimate
from spurlab.studies import StudyResult

Bars = dict[str, dict[int, list[float]]]  # by way to train and n, the score of each network
_MOST = 10  # networks that are shown one by one


def draw(result: StudyResult) -> Figure:
    """A panel for each dataset, pattern and target; at each n a mark for each way to train."""
    found = groups(result.rows[result.rows["measure"] == "spurious_score"])
    title = result.study.title
    panels: dict[tuple[str, str, int], Bars] = {}
    for group in found:
        for (pattern, target), line in scores_of(group).items():
            panels.setdefault((group.dataset, pattern, target), {})[group.label] = line
    if not panels:
        return sentence(title, "No spurious score has been measured.")
    ways = list(dict.fromkeys(way for panel in panels.values() for way in panel))
    looks = {way: look(place) for place, way in enumerate(ways)}
    legend = [
        (Line2D([], [], color=colour, marker=marker, markersize=6, linestyle="none"), way or "all networks")
        for way, (colour, marker) in looks.items()
    ]
    columns = min(2, len(panels))
    note = "n = 0 is the control: networks that saw no mark. "
    each = [scores for panel in panels.values() for line in panel.values() for scores in line.values()]
    if any(1 < len(scores) <= _MOST for scores in each):
        note += "Small dots: single networks. "
    figure, body = sheet(title, 2.9 * -(-len(panels) // columns), note + small_print(result), legend)
    several = len({target for _, _, target in panels}) > 1
    names = [
        panel_title(dataset, pattern, target_title(dataset, target) if several else "")
        for dataset, pattern, target in panels
    ]
    grid = axes_grid(body, names, columns)
    for axes, panel in zip(grid, panels.values(), strict=True):
        places = count_axis(axes, sorted({n for line in panel.values() for n in line}))
        for way, line in panel.items():
            at = [places[n] + dodged(ways.index(way), len(ways), 0.7, 0.18) for n in line]
            draw_estimates(axes, at, [_mean(line[n]) for n in line], looks[way], way, line="", markersize=6.0)
            for place, scores in zip(at, line.values(), strict=True):
                if 1 < len(scores) <= _MOST:
                    beside = [place + 0.05] * len(scores)
                    axes.plot(beside, scores, ".", color=looks[way][0], markersize=3.5, alpha=0.6)
        share_axis(axes, "spurious score")
    outer_labels(grid, columns)
    words = [
        f"{name}: " + "; ".join(_words(way, line) for way, line in panel.items())
        for name, panel in zip(names, panels.values(), strict=True)
    ]
    return describe(figure, f"Mean spurious scores. {'. '.join(words)}.")


def scores_of(group: Group) -> dict[tuple[str, int], dict[int, list[float]]]:
    """By pattern and target, the score of each network at each n; those that diverged are left out."""
    table: dict[tuple[str, int], dict[int, list[float]]] = {}
    per_seed = averaged(group.rows, ["pattern", "target", "n", "seed"]).dropna()
    for key, scores in per_seed.groupby(["pattern", "target", "n"]):
        pattern, target, n = cast("tuple[str, int, int]", key)
        table.setdefault((pattern, int(target)), {})[int(n)] = scores.tolist()
    return table


def _mean(scores: list[float]) -> Estimate:
    return Estimate.across_models(torch.tensor(scores, dtype=torch.float64), SHARE)


def _words(way: str, line: dict[int, list[float]]) -> str:
    numbers = ", ".join(f"{sum(scores) / len(scores):.2f} at n = {n}" for n, scores in line.items())
    return f"{way} {numbers}".strip()
