"""Scores of several optimizers or clippings beside each other (Figures 7 and 8 of arXiv:2202.05189)."""

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
from spurlab.report.summary import SHARE, Group, estimates, groups
from spurlab.stats import Estimate
from spurlab.studies import StudyResult

Bars = dict[str, dict[int, Estimate]]


def draw(result: StudyResult) -> Figure:
    """A panel for each dataset, pattern and target; at each n a mark for each way to train."""
    found = groups(result.rows[result.rows["measure"] == "spurious_score"])
    title = result.study.title
    panels: dict[tuple[str, str, int], Bars] = {}
    for group in found:
        for (pattern, target), line in bars(group).items():
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
    note = "n = 0 is the control: networks that saw no mark. " + small_print(result)
    figure, body = sheet(title, 2.9 * -(-len(panels) // columns), note, legend)
    several = len({target for _, _, target in panels}) > 1
    grid = axes_grid(body, len(panels), columns)
    names = [
        panel_title(dataset, pattern, target_title(dataset, target) if several else "")
        for dataset, pattern, target in panels
    ]
    for axes, name, panel in zip(grid, names, panels.values(), strict=True):
        places = count_axis(axes, sorted({n for line in panel.values() for n in line}))
        for place in list(places.values())[:-1]:
            axes.axvline(place + 0.5, color="#DDDDDD", linewidth=0.7)
        for way, line in panel.items():
            at = [places[n] + dodged(ways.index(way), len(ways), 0.7) for n in line]
            draw_estimates(axes, at, list(line.values()), looks[way], way, line="", markersize=6.0)
        share_axis(axes, "spurious score")
        axes.set_title(name)
    outer_labels(grid, columns)
    words = [
        f"{name}: " + "; ".join(_words(way, line) for way, line in panel.items())
        for name, panel in zip(names, panels.values(), strict=True)
    ]
    return describe(figure, f"Mean spurious scores. {'. '.join(words)}.")


def bars(group: Group) -> dict[tuple[str, int], dict[int, Estimate]]:
    """By pattern and target, the score at each n over the networks."""
    table: dict[tuple[str, int], dict[int, Estimate]] = {}
    for (pattern, target, n), mean in estimates(group.rows, ["pattern", "target", "n"], SHARE).items():
        table.setdefault((str(pattern), int(target)), {})[int(n)] = mean
    return {key: dict(sorted(line.items())) for key, line in table.items()}


def _words(way: str, line: dict[int, Estimate]) -> str:
    numbers = ", ".join(f"{e.value:.2f} at n = {n}" for n, e in line.items())
    return f"{way} {numbers}".strip()
