"""The importance of each pixel, with more and more marked examples (Figure 5 of arXiv:2202.05189)."""

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
from spurlab.patterns import MARKS, Box
from spurlab.report.figures.notes import panel_title, small_print, target_title
from spurlab.report.figures.style import count_axis, describe, draw_estimates, pattern_look, sentence, sheet
from spurlab.report.summary import Group, estimate, groups, per_network
from spurlab.stats import Estimate
from spurlab.studies import StudyResult

_MOST = 6  # maps in a line


@dataclass(frozen=True, eq=False)
class Line:
    """The maps of one dataset, pattern and target.

    Args:
        title: says which.
        pattern: its name.
        target: where it was planted.
        maps: by n, the importance of each pixel in the networks of one seed, the first of those that have most n;
            empty where no weights are kept.
        inside: by n, the mean importance over the pattern's box, over networks.
    """

    title: str
    pattern: str
    target: int
    maps: dict[int, Float[Tensor, "h w"]]
    inside: dict[int, Estimate]


def draw(result: StudyResult) -> Figure:
    """A line of maps for each dataset, pattern and target, all in one scale; below each, the mean over the box."""
    lines = [line for group in groups(result.rows) for line in lines_of(result, group)]
    title = result.study.title
    if not lines:
        return sentence(title, "No pixel importance has been measured.")
    words = " ".join(
        f"{line.title}: {', '.join(f'{e.value:.3f} at n = {n}' for n, e in line.inside.items())}." for line in lines
    )
    words = f"Mean importance of the pixels of the pattern. {words}"
    if not any(line.maps for line in lines):
        return describe(_without_maps(result, lines), words)
    with_maps = [line for line in lines if line.maps]
    columns = max(len(line.maps) for line in with_maps)
    pixels = torch.cat([each.flatten() for line in with_maps for each in line.maps.values()])
    low, high = (float(pixels.quantile(share)) for share in (0.002, 0.998))
    note = (
        "The darker, the larger the largest weight from this pixel to the first hidden layer, in the networks of "
        "one seed; outlined: the pattern; the shades end at the .2 % and 99.8 % quantiles. Below: mean over the "
        "outlined pixels and networks. "
    )
    side = min(2.0, 8.0 / columns)
    figure, body = sheet(title, (side + 0.75) * len(with_maps), note + small_print(result))
    blocks = body.subfigures(len(with_maps), 1, squeeze=False)[:, 0]
    for line, block in zip(with_maps, blocks, strict=True):
        _draw_maps(block, line, columns, (low, high))
    return describe(figure, words)


def lines_of(result: StudyResult, group: Group, maps: bool = True) -> list[Line]:
    """What was measured of each pattern and target; the maps, which need the weights, only where they are wanted."""
    rows = group.rows[group.rows["measure"] == "pattern_importance"]
    found = []
    for pattern, target in dict.fromkeys(zip(rows["pattern"], rows["target"], strict=True)):
        mine = rows[(rows["pattern"] == pattern) & (rows["target"] == target)]
        means = {int(n): estimate(per_network(mine, "pattern_importance", n=n)) for n in sorted(mine["n"].unique())}
        inside = {n: mean for n, mean in means.items() if mean.models}
        drawn: dict[int, Float[Tensor, "h w"]] = {}
        for n, training in _of_one_seed(mine[mine["n"].isin(list(inside)[:_MOST])]).items() if maps else ():
            if (weights := result.weights(training)) is not None:
                one = importance_map(weights, group.dataset)
                drawn |= {n: one} if one is not None else {}
        title = panel_title(group.dataset, group.label, f"{pattern}, {target_title(group.dataset, int(target))}")
        if inside:
            found.append(Line(title, str(pattern), int(target), drawn, inside))
    return found


def _of_one_seed(rows: pd.DataFrame) -> dict[int, str]:
    """By n, the network of the first seed that has every n; where none has, of the first of those that have most."""
    found = rows[rows["value"].notna()].sort_values(["seed", "n"])
    counts = found.groupby("seed")["n"].nunique()
    mine = found[found["seed"] == counts.idxmax()] if len(counts) else found
    return {int(n): str(training) for n, training in zip(mine["n"], mine["training"], strict=True)}


def importance_map(weights: dict[str, Tensor], dataset: str) -> Float[Tensor, "h w"] | None:
    """The importance of each pixel, the largest over channels; None for a network whose first layer sees no pixels."""
    matrices = {name: tensor for name, tensor in weights.items() if tensor.ndim == 2}
    if not matrices:
        return None
    first = matrices[min(matrices, key=lambda name: [int(n) for n in re.findall(r"\d+", name)])]
    pixels = first.shape[-1]
    side = math.isqrt(pixels)
    channels, height, width = about.shape if (about := known(dataset)) else (1, side, side)
    if channels * height * width != pixels:
        return None
    return pixel_importance(first.float()).reshape(channels, height, width).amax(0)


def _draw_maps(block: SubFigure, line: Line, columns: int, scale: tuple[float, float]) -> None:
    block.suptitle(line.title, x=0.1 / 9, ha="left", fontsize=10.5)
    grid = block.add_gridspec(1, columns)
    drawn: Any = None
    shown = []
    for j, (n, pixels) in enumerate(line.maps.items()):
        axes = block.add_subplot(grid[0, j])
        low, high = scale
        drawn = axes.imshow(pixels.numpy(), cmap="Greys", vmin=low, vmax=high, interpolation="nearest")
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(True)
        axes.spines[:].set_linewidth(0.4)
        axes.set_title(f"n = {n:,}", loc="center", fontsize=10)
        axes.set_xlabel(_number(line.inside[n]))
        if line.pattern in MARKS and isinstance(box := MARKS[line.pattern].template, Box):
            corner = (box.left - 0.5, box.top - 0.5)
            axes.add_patch(
                Rectangle(corner, box.width, box.height, fill=False, edgecolor="#D55E00", linewidth=1.8, clip_on=False)
            )
        shown.append(axes)
    bar = block.colorbar(drawn, ax=shown, extend="both", shrink=0.8, aspect=18, pad=0.015)
    bar.set_label("largest outgoing weight", fontsize=9)
    bar.ax.tick_params(labelsize=9)


def _without_maps(result: StudyResult, lines: list[Line]) -> Figure:
    """The numbers alone, where no weights are kept."""
    note = "No weights are kept, so there are no maps. "
    figure, body = sheet(result.study.title, 3.0, note + small_print(result))
    axes = body.add_subplot()
    places = count_axis(axes, sorted({n for line in lines for n in line.inside}))
    for i, line in enumerate(lines):
        look = pattern_look(line.pattern if len(lines) == 1 else "", i)
        draw_estimates(axes, [places[n] for n in line.inside], list(line.inside.values()), look, line.title)
    axes.set_ylabel("mean importance in the box")
    axes.grid(axis="y", alpha=0.3, linewidth=0.7)
    axes.legend(loc="upper left")
    return figure


def _number(inside: Estimate) -> str:
    if math.isnan(inside.low):
        return f"{inside.value:.3f}"
    return f"{inside:.3f}"
