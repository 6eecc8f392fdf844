"""Figures from numbers: legible in print and on screen, for colour-blind readers too."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from jaxtyping import Float32
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from spurlab.data import Dataset
from spurlab.report.summary import Curve
from spurlab.studies import Study, Training, planted

# Okabe and Ito (2008), told apart by colour-blind readers; each line has a marker of its own too
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def study_figure(study: Study, data: Dataset, curves: Sequence[Curve]) -> Figure:
    """The scores of a study beside some of the examples that it planted (clean ones, where it planted none)."""
    shown = {
        name: planted(study, data, Training(name, study.target[0], max(study.n), study.seed[0])).inputs[:3]
        for name in study.pattern
    }
    strips = {name: images if len(images) else data.train.inputs[:3] for name, images in shown.items()}
    return score_figure(curves, strips, f"{study.title} ({data.name}, {study.architecture})")


def score_figure(curves: Sequence[Curve], strips: Mapping[str, Float32[Tensor, "n c h w"]], title: str) -> Figure:
    """Spurious scores against n with 95 % intervals, beside a strip of planted examples for each pattern.

    Args:
        curves: one line each.
        strips: by pattern, the planted images to show.
        title: stands above.
    """
    figure = Figure(figsize=(9.0, 4.0), layout="constrained")
    figure.suptitle(title, fontsize=12)
    halves = figure.add_gridspec(1, 2, width_ratios=(1.5, 1))
    _draw_scores(figure.add_subplot(halves[0]), curves)
    columns = max(len(strip) for strip in strips.values())
    cells = halves[1].subgridspec(len(strips), columns)
    _draw_strips([[figure.add_subplot(cells[i, j]) for j in range(columns)] for i in range(len(strips))], strips)
    return figure


def pattern_gallery(strips: Mapping[str, Float32[Tensor, "n c h w"]], title: str) -> Figure:
    """The same images under each pattern, a row for each pattern (Figure 1 of arXiv:2202.05189)."""
    columns = max(len(strip) for strip in strips.values())
    figure = Figure(figsize=(0.9 * columns + 0.6, 0.9 * len(strips) + 0.5), layout="constrained")
    figure.suptitle(title, fontsize=11)
    cells = figure.add_gridspec(len(strips), columns)
    _draw_strips([[figure.add_subplot(cells[i, j]) for j in range(columns)] for i in range(len(strips))], strips)
    return figure


def save_figure(figure: Figure, stem: Path) -> list[Path]:
    """Write the figure as PNG (200 dots an inch) and PDF.

    Returns:
        The files, ``stem`` with the two endings.
    """
    paths = [stem.with_suffix(".png"), stem.with_suffix(".pdf")]
    for path in paths:
        # no date or version in the file: the same figure gives the same bytes
        metadata = {"CreationDate": None} if path.suffix == ".pdf" else {"Software": None}
        figure.savefig(path, dpi=200, metadata=metadata)
    return paths


def _draw_scores(axes: Axes, curves: Sequence[Curve]) -> None:
    counts = sorted({point.n for curve in curves for point in curve.points})
    places = {n: place for place, n in enumerate(counts)}  # evenly spaced: n = 0 has no place on a logarithmic axis
    several_targets = len({curve.target for curve in curves}) > 1
    for i, curve in enumerate(curves):
        shift = 0.08 * (i - (len(curves) - 1) / 2)  # beside each other, so that no interval hides another
        at = [places[point.n] + shift for point in curve.points]
        values = [point.score.value for point in curve.points]
        spread = [
            [point.score.value - point.score.low for point in curve.points],
            [point.score.high - point.score.value for point in curve.points],
        ]
        axes.errorbar(
            at,
            values,
            yerr=spread,
            label=f"{curve.pattern}, target {curve.target}" if several_targets else curve.pattern,
            color=COLOURS[i % len(COLOURS)],
            marker=MARKERS[i % len(MARKERS)],
            markersize=5,
            linewidth=1.5,
            capsize=3,
        )
    axes.set_xticks(list(places.values()), [str(n) for n in counts])
    axes.set_xlabel("marked training examples, n")
    axes.set_ylabel("spurious score")
    axes.set_ylim(-0.03, 1.03)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.3)
    axes.legend(frameon=False, title="mean and 95 % interval", title_fontsize="small", loc="upper left")


def _draw_strips(grid: Sequence[Sequence[Axes]], strips: Mapping[str, Float32[Tensor, "n c h w"]]) -> None:
    for row, (name, images) in zip(grid, strips.items(), strict=True):
        for axes in row:
            axes.set_xticks([])
            axes.set_yticks([])
            for spine in axes.spines.values():
                spine.set_linewidth(0.4)
        for axes, image in zip(row, images, strict=False):
            axes.imshow(image.permute(1, 2, 0).squeeze(-1).numpy(), cmap="gray", vmin=0, vmax=1)
        for axes in row[len(images) :]:
            axes.set_visible(False)
        row[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=11)
