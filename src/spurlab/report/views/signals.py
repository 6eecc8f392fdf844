"""What do the signals of each class look like, clean and with the feature (Figures 1 and 2 of Quinn's report)?"""

import math
import textwrap
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import torch
from jaxtyping import Bool, Float
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from torch import Tensor

from spurlab.errors import InputError
from spurlab.report.featured import featured
from spurlab.report.style import WIDTH, blank, describe, printable, style
from spurlab.report.titles import dataset_title
from spurlab.report.view import About, View
from spurlab.report.views.repairs import BEST
from spurlab.studies import StudyResult

BLOCK = "#F6C9A3"  # the region that carries the spurious feature: light enough for any line, darker than paper in grey
CLEAN: dict[str, Any] = {"color": "#444444", "linewidth": 1.3, "linestyle": (0, (3, 1.5))}
SHOWN: dict[str, Any] = {"color": "#000000", "linewidth": 1.6}
_MOST = 10  # strips in a row


def shape(result: StudyResult) -> dict[str, Any]:
    """What `signals_figure` takes: the first training signal of each class that has the feature, with it and without.

    Raises:
        NotDrawnError: there is no such training set.
    """
    case = featured(result)
    data, mask = case.data, case.planted.mask
    first = [(mask & (data.train.labels == c)).nonzero().flatten()[:1] for c in range(data.classes)]
    rows = torch.cat(first)  # of a class without the feature none
    classes = data.train.labels[rows]
    return {
        "clean": data.train.inputs[rows],
        "marked": case.planted[rows].inputs,
        "blocks": case.blocks[classes],
        "class_names": [data.class_names[c] for c in classes.tolist()],
        "title": f"{dataset_title(data.name)}: training signals with the feature and without it, by class",
        "note": f"The first signal of each class that has the feature ({case.spread}; seed {case.mapped.cell.seed}). "
        "The features run downwards, the values to the right.",
    }


def figure(arguments: dict[str, Any], _: About) -> Figure:
    return signals_figure(**arguments)


@style()
def signals_figure(
    clean: Float[Tensor, "k d"],
    marked: Float[Tensor, "k d"] | None,
    blocks: Bool[Tensor, "k d"] | None,
    class_names: Sequence[str],
    title: str,
    note: str = "",
) -> Figure:
    """A strip for each class: its signal from the first feature above to the last below, the value to the right.

    Ten strips stand in a row, all in one scale. A marked signal is solid and the clean one behind it dashed.

    Args:
        clean: a signal of each class.
        marked: the same signals with the spurious feature; None: the clean ones alone, drawn solid.
        blocks: True where the class's spurious feature stands, shaded; None: no shade.
        class_names: stand above the strips.
        title: a line or two.
        note: the small print.

    Raises:
        ValueError: no signals, or marked ones, blocks or names that do not fit to them.

    >>> import torch
    >>> figure = signals_figure(torch.rand(3, 40), None, None, ["0", "1", "2"], "A signal of each class")
    >>> [axes.get_title() for axes in figure.axes]
    ['0', '1', '2']
    """
    k, d = clean.shape
    others = {"`marked`": marked, "`blocks`": blocks}
    if other := {name: tuple(part.shape) for name, part in others.items() if part is not None and part.shape != (k, d)}:
        raise InputError(f"the signals have the shape {(k, d)}, but these have another: {other}.")
    if not k or not d or len(class_names) != k:
        raise InputError(
            f"every signal needs values and a name, but the signals are {(k, d)}, names {len(class_names)}."
        )
    columns = min(k, _MOST)
    rows = math.ceil(k / columns)
    width = WIDTH if columns > 5 else max(1.2 * columns + 0.8, 5.0)
    figure, body = blank(title, 2.75 * rows, note, _legend(marked is not None, blocks is not None), width)
    grid = body.add_gridspec(rows, columns)
    values = clean if marked is None else torch.cat([clean, marked])
    for c, name in enumerate(class_names):
        axes = body.add_subplot(grid[c // columns, c % columns])
        draw_signal(
            axes,
            clean[c] if marked is None else marked[c],
            None if marked is None else clean[c],
            None if blocks is None else blocks[c],
            upright=True,
        )
        axes.set_title("\n".join(textwrap.wrap(printable(name), 70 // columns)), loc="center", fontsize=10)
        value_axis(axes, values, upright=True)
        axes.tick_params(labelleft=not c % columns, labelsize=8)
        if not c % columns:
            axes.set_ylabel("feature")
    words = (
        f"A signal of {d} features of each of {k} classes{': ' if k else ''}{', '.join(map(printable, class_names))}."
    )
    if marked is not None:
        risen = [f"{change:.2f}" for change in (marked - clean).double().mean(1).mul(d).tolist()]
        words += f" Marked, its values rise in sum by {', '.join(risen)}."
    if blocks is not None:
        words += (
            f" Shaded: {'; '.join(f'{printable(n)} {spans(b)}' for n, b in zip(class_names, blocks, strict=True))}."
        )
    return describe(figure, words)


def draw_signal(
    axes: Axes,
    signal: Float[Tensor, " d"],
    clean: Float[Tensor, " d"] | None = None,
    block: Bool[Tensor, " d"] | None = None,
    upright: bool = False,
) -> None:
    """A signal over its features, the clean one behind it dashed, the block shaded.

    Args:
        axes: where.
        signal: drawn solid.
        clean: drawn dashed.
        block: True on the features to shade.
        upright: the features run downwards and the values to the right; else the features run to the right.
    """
    features = list(range(len(signal)))
    for first, last in runs(block) if block is not None else ():
        span = axes.axhspan if upright else axes.axvspan
        span(first - 0.5, last + 0.5, color=BLOCK, linewidth=0, zorder=0)
    for values, look in ((clean, CLEAN), (signal, SHOWN)):
        if values is not None:
            numbers = values.detach().cpu().double().tolist()
            axes.plot(*((numbers, features) if upright else (features, numbers)), **look)
    ends = (-0.5, len(signal) - 0.5)
    ticks = list(range(0, len(signal), 10))
    if upright:
        axes.set_ylim(*reversed(ends))
        axes.set_yticks(ticks)
    else:
        axes.set_xlim(*ends)
        axes.set_xticks(ticks)


def value_axis(axes: Axes, values: Float[Tensor, "*any"], upright: bool) -> float:
    """An axis for the values of several signals, symmetric around 0, with three round ticks; where it ends."""
    limit = 1.08 * (values.nan_to_num(0, 0, 0).abs().max().item() or 1.0)
    power = 10.0 ** math.floor(math.log10(limit))
    tick = max(step * power for step in (0.5, 1.0, 2.0, 5.0) if step * power <= 0.75 * limit)
    (axes.set_xlim if upright else axes.set_ylim)(-limit, limit)
    (axes.set_xticks if upright else axes.set_yticks)([-tick, 0, tick], [f"\N{MINUS SIGN}{tick:g}", "0", f"{tick:g}"])
    return limit


def runs(block: Bool[Tensor, " d"]) -> list[tuple[int, int]]:
    """The first and last feature, counted from 0, of each unbroken piece of the block.

    >>> runs(torch.tensor([True, True, False, True]))
    [(0, 1), (3, 3)]
    """
    pieces = [list(piece) for marked, piece in groupby(range(len(block)), block.tolist().__getitem__) if marked]
    return [(piece[0], piece[-1]) for piece in pieces]


def spans(block: Bool[Tensor, " d"]) -> str:
    return ", ".join(f"{first}-{last}" if last > first else f"{first}" for first, last in runs(block)) or "none"


def _legend(marked: bool, blocks: bool) -> list[tuple[Artist, str]]:
    entries: list[tuple[Artist, str]] = []
    if marked:
        entries += [(Line2D([], [], **SHOWN), "marked"), (Line2D([], [], **CLEAN), "clean")]
    if blocks:
        entries.append((Patch(color=BLOCK, linewidth=0), "block of the class"))
    return entries


VIEW: View[dict[str, Any]] = View(
    "signals", "What do signals look like with the feature, and without it?", shape, figure, numbers=BEST
)
