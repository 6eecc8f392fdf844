"""Which pixels does a network look at? Their importance with more and more marks (Figure 5 of arXiv:2202.05189)."""

import math
import re
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from jaxtyping import Float
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Rectangle
from torch import Tensor

from spurlab.data import known
from spurlab.explain import pixel_importance
from spurlab.notebook import short
from spurlab.patterns import MARKS, Box
from spurlab.report.groups import Group, Mean, along_n, groups
from spurlab.report.sheet import OVER_NETWORKS, Sheet, count_cell, mean_cell, place_cells, slim, target_cell
from spurlab.report.style import bare, blank, describe, draw_counts, look, mark_legend, pattern_look
from spurlab.report.titles import target_title
from spurlab.report.view import About, NotDrawnError, OnlyReadError, View
from spurlab.studies import StudyResult

_MOST = 6  # maps in a line


@dataclass(frozen=True, eq=False)
class Line:
    """The maps of one dataset, pattern and target.

    Args:
        group: the networks.
        pattern: its name.
        target: where it was planted.
        maps: by n, the importance of each pixel in the networks of one seed, the first of those that have most n;
            empty where no weights are kept.
        inside: by n, the mean importance over the pattern's box, over networks.
        changes: by n, how much more that is than for the network of the same seed without marks.
        lost: whether the study keeps weights, but none are in the folder.
    """

    group: Group
    pattern: str
    target: int
    maps: dict[int, Float[Tensor, "h w"]]
    inside: dict[int, Mean]
    changes: dict[int, Mean]
    lost: bool

    __repr__ = short

    @property
    def title(self) -> str:
        where = f"{self.pattern}, {target_title(self.group.dataset, self.target)}"
        return ", ".join(filter(None, (self.group.title, where)))


def shape(result: StudyResult) -> list[Line]:
    """What was measured of each pattern and target, and maps of the networks whose weights are kept."""
    return [line for group in groups(result.rows) for line in lines_of(result, group)]


def lines_of(result: StudyResult, group: Group) -> list[Line]:
    rows = group.rows[group.rows["measure"] == "pattern_importance"]
    lines = []
    for pattern, target in dict.fromkeys(zip(rows["pattern"], rows["target"], strict=True)):
        part = rows[(rows["pattern"] == pattern) & (rows["target"] == target)]
        inside, changes = along_n(part, 0, "pattern_importance", share=False)
        maps: dict[int, Float[Tensor, "h w"]] = {}
        lost = result.study.weights
        for n, training in _of_one_seed(part[part["n"].isin(list(inside)[:_MOST])]).items():
            if (weights := result.weights(training)) is not None:
                lost = False
                pixels = importance_map(weights, group.dataset)
                maps |= {n: pixels} if pixels is not None else {}
        if inside:
            lines.append(Line(group, str(pattern), int(target), maps, inside, changes, lost))
    return lines


def _of_one_seed(rows: pd.DataFrame) -> dict[int, str]:
    """By n, the network of the first seed that has every n; where none has, of the first of those that have most."""
    finite = rows[rows["value"].notna()].sort_values(["seed", "n"])
    counts = finite.groupby("seed")["n"].nunique()
    first = finite[finite["seed"] == counts.idxmax()] if len(counts) else finite
    return {int(n): str(training) for n, training in zip(first["n"], first["training"], strict=True)}


def importance_map(weights: dict[str, Tensor], dataset: str) -> Float[Tensor, "h w"] | None:
    """The importance of each pixel, the largest over channels; None for a network whose first layer sees no pixels."""
    matrices = {name: tensor for name, tensor in weights.items() if tensor.ndim == 2}
    if not matrices:
        return None
    first = matrices[min(matrices, key=lambda name: [int(n) for n in re.findall(r"\d+", name)])]
    pixels = first.shape[-1]
    side = math.isqrt(pixels)
    channels, height, width = entry.shape if (entry := known(dataset)) else (1, side, side)
    if channels * height * width != pixels:
        return None
    return pixel_importance(first.float()).reshape(channels, height, width).amax(0)


def sheets(lines: list[Line]) -> list[Sheet]:
    """The importance at each n, and how it differs from that without marks."""
    cells = [
        (
            *(*place_cells(line.group), line.pattern, target_cell(line.group.dataset, line.target), count_cell(n)),
            *(mean_cell(mean), mean_cell(line.changes.get(n))),
        )
        for line in lines
        for n, mean in line.inside.items()
    ]
    headings = ("dataset", "networks", "pattern", "target", "n", "mean importance", "difference to n = 0")
    return [slim("Importance of the pattern's pixels", headings, cells, OVER_NETWORKS)]


def answer(lines: list[Line]) -> list[str]:
    """For each pattern and target, the importance at the smallest n and at the largest."""
    return [
        f"{line.title}: mean importance {line.inside[first]:.3f} at n = {first:,}, "
        f"{line.inside[last]:.3f} at n = {last:,}."
        for line in lines
        for first, last in [(min(line.inside), max(line.inside))]
    ]


def figure(lines: list[Line], about: About) -> Figure:
    """A line of maps for each dataset, pattern and target, all in one scale; below each, the mean over the box."""
    if not lines:
        raise NotDrawnError("No pixel importance has been measured.")
    words = " ".join(
        f"{line.title}: {', '.join(f'{e.value:.3f} at n = {n}' for n, e in line.inside.items())}." for line in lines
    )
    words = f"Mean importance of the pixels of the pattern. {words}"
    with_maps = [line for line in lines if line.maps]
    if any(line.lost for line in lines) and not with_maps:
        raise OnlyReadError("The maps are of weights, which are not kept in this folder.")
    if not with_maps:
        return describe(_without_maps(lines, about), words)
    columns = max(len(line.maps) for line in with_maps)
    pixels = torch.cat([shades.flatten() for line in with_maps for shades in line.maps.values()])
    low, high = (float(pixels.quantile(share)) for share in (0.002, 0.998))
    note = (
        "The darker, the larger the largest weight from this pixel to the first hidden layer, in the networks of "
        "one seed; outlined: the pattern; the shades end at the .2 % and 99.8 % quantiles. Below: mean over the "
        "outlined pixels and networks. "
    )
    side = min(2.0, 8.0 / columns)
    drawn, body = blank(about.title, (side + 0.75) * len(with_maps), note + about.note)
    blocks = body.subfigures(len(with_maps), 1, squeeze=False)[:, 0]
    for line, block in zip(with_maps, blocks, strict=True):
        _draw_maps(block, line, columns, (low, high))
    return describe(drawn, words)


def _draw_maps(block: SubFigure, line: Line, columns: int, scale: tuple[float, float]) -> None:
    block.suptitle(line.title, x=0.1 / 9, ha="left", fontsize=10.5)
    grid = block.add_gridspec(1, columns)
    drawn: Any = None
    shown = []
    for j, (n, pixels) in enumerate(line.maps.items()):
        axes, (low, high) = bare(block.add_subplot(grid[0, j])), scale
        drawn = axes.imshow(pixels.numpy(), cmap="Greys", vmin=low, vmax=high, interpolation="nearest")
        axes.set_title(f"n = {n:,}", loc="center", fontsize=10)
        inside = line.inside[n]
        axes.set_xlabel(f"{inside.value:.3f}" if math.isnan(inside.low) else f"{inside:.3f}")
        if line.pattern in MARKS and isinstance(box := MARKS[line.pattern].template, Box):
            corner = (box.left - 0.5, box.top - 0.5)
            axes.add_patch(
                Rectangle(corner, box.width, box.height, fill=False, edgecolor="#D55E00", linewidth=1.8, clip_on=False)
            )
        shown.append(axes)
    bar = block.colorbar(drawn, ax=shown, extend="both", shrink=0.8, aspect=18, pad=0.015)
    bar.set_label("largest outgoing weight", fontsize=9)
    bar.ax.tick_params(labelsize=9)


def _without_maps(lines: list[Line], about: About) -> Figure:
    note = "No weights are kept, so there are no maps. "
    looks = {line.title: look(i) if len(lines) > 1 else pattern_look(line.pattern) for i, line in enumerate(lines)}
    drawn, body = blank(about.title, 3.0, note + about.note, mark_legend(looks, line="-"))
    axes = body.add_subplot()
    draw_counts(axes, {line.title: line.inside for line in lines}, looks, room=0.0)
    axes.set_ylabel("mean importance in the box")
    axes.grid(axis="y", alpha=0.3, linewidth=0.7)
    return drawn


VIEW: View[list[Line]] = View(
    "importance", "Which pixels does a network look at?", shape, figure, sheets, answer, ("pattern_importance",)
)
