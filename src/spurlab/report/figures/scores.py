"""Spurious score against the number of marked examples (Figure 2 of arXiv:2202.05189)."""

from collections.abc import Mapping, Sequence

from jaxtyping import Float32
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from torch import Tensor

from spurlab.data import DataError, load
from spurlab.patterns import make_pattern, plant
from spurlab.report.figures.gallery import draw_strips
from spurlab.report.figures.notes import panel_title, small_print, target_title
from spurlab.report.figures.style import (
    axes_grid,
    count_axis,
    describe,
    dodged,
    draw_estimates,
    outer_labels,
    pattern_look,
    sentence,
    share_axis,
    sheet,
    styled,
)
from spurlab.report.summary import Curve, Group, curves, groups
from spurlab.studies import StudyResult


def draw(result: StudyResult) -> Figure:
    """A panel for each dataset and target; a single one stands beside some of the marked images."""
    panels = [
        (panel_title(group.dataset, group.label, target_title(group.dataset, target)), group, mine)
        for group, found in ((group, curves(group.rows)) for group in groups(result.rows))
        for target in dict.fromkeys(curve.target for curve in found)
        if (mine := [curve for curve in found if curve.target == target])
    ]
    title, note = result.study.title, small_print(result)
    if not panels:
        return sentence(title, "No spurious score has been measured.")
    if len(panels) == 1:
        where, group, mine = panels[0]
        return score_figure(mine, _strips(group, mine), f"{title} {where}", note)
    patterns = list(dict.fromkeys(curve.pattern for _, _, mine in panels for curve in mine))
    columns = 2
    figure, body = sheet(title, 3.0 * -(-len(panels) // columns), note, _legend(patterns))
    grid = axes_grid(body, [where for where, _, _ in panels], columns)
    for axes, (_, _, mine) in zip(grid, panels, strict=True):
        _draw_scores(axes, mine, patterns)
    outer_labels(grid, columns)
    return describe(figure, " ".join(f"{where}: {_words(mine)}" for where, _, mine in panels))


@styled
def score_figure(
    curves: Sequence[Curve], strips: Mapping[str, Float32[Tensor, "n c h w"]], title: str, note: str = ""
) -> Figure:
    """Spurious scores against n with 95 % intervals, beside a strip of planted examples for each pattern.

    Args:
        curves: one line each.
        strips: by pattern, the planted images to show; may be empty.
        title: stands above.
        note: small print below.
    """
    names = [_name(curve, curves) for curve in curves]
    figure, body = sheet(title, 3.4, note, _legend(names))
    halves = body.add_gridspec(1, 2, width_ratios=(1.6, 1)) if strips else body.add_gridspec(1, 1)
    _draw_scores(body.add_subplot(halves[0]), curves, names)
    if strips:
        columns = max(len(strip) for strip in strips.values())
        cells = halves[1].subgridspec(len(strips), columns)
        grid = [[body.add_subplot(cells[i, j]) for j in range(columns)] for i in range(len(strips))]
        draw_strips(grid, strips)
    return describe(figure, f"{title} {_words(curves)}")


def _name(curve: Curve, among: Sequence[Curve]) -> str:
    several_targets = len({each.target for each in among}) > 1
    return f"{curve.pattern}, target {curve.target}" if several_targets else curve.pattern


def _legend(names: Sequence[str]) -> list[tuple[Line2D, str]]:
    looks = [pattern_look(name, place) for place, name in enumerate(names)]
    return [
        (Line2D([], [], color=colour, marker=marker, markersize=5, linewidth=1.5), name)
        for (colour, marker), name in zip(looks, names, strict=True)
    ]


def _draw_scores(axes: Axes, curves: Sequence[Curve], names: Sequence[str]) -> None:
    """The lines, each with the look and the place beside its tick that its name has among all names."""
    places = count_axis(axes, sorted({point.n for curve in curves for point in curve.points}))
    for curve in curves:
        name = _name(curve, curves)
        place = names.index(name) if name in names else 0
        at = [places[point.n] + dodged(place, len(names)) for point in curve.points]
        draw_estimates(axes, at, [point.score for point in curve.points], pattern_look(name, place), name)
    share_axis(axes, "spurious score")


def _strips(group: Group, curves: Sequence[Curve]) -> dict[str, Float32[Tensor, "n c h w"]]:
    """Three marked training images for each pattern; none where the dataset is not here."""
    try:
        data = load(group.dataset, offline=True)
        strips = {}
        for curve in curves:
            most, seed = max(point.n for point in curve.points), int(group.rows["seed"].min())
            pattern = make_pattern(curve.pattern, data.shape, seed, clip=data.input_range)
            images = plant(data.train, pattern, curve.target, min(most, 3), seed).inputs
            strips[curve.pattern] = images if len(images) else data.train.inputs[:3].clone()
    except (DataError, ValueError):
        return {}
    return strips


def _words(curves: Sequence[Curve]) -> str:
    """What the lines do, for those who do not see them."""
    lines = []
    for curve in curves:
        if curve.points[0].score.models:
            ends = [f"{point.score.value:.2f} at n = {point.n}" for point in (curve.points[0], curve.points[-1])]
            lines.append(f"{_name(curve, curves)} {' to '.join(dict.fromkeys(ends))} ({curve.verdict}).")
    return f"Mean spurious score by pattern: {' '.join(lines)}" if lines else "No network is left."
