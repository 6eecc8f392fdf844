"""Where do networks look when the feature is there? Signals on their saliency (Figures 7 to 10 of Quinn's report)."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64
from matplotlib import colormaps
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from torch import Tensor

from spurlab.errors import InputError
from spurlab.explain import share_on
from spurlab.models import is_user_name
from spurlab.prevention import title_of
from spurlab.report.featured import featured
from spurlab.report.style import blank, describe, framed, printable, style
from spurlab.report.titles import dataset_title
from spurlab.report.view import About, NotDrawnError, OnlyReadError, View
from spurlab.report.views.repairs import BEST
from spurlab.report.views.signals import CLEAN, SHOWN, draw_signal, runs, spans, value_axis
from spurlab.studies import StoreError, StudyResult
from spurlab.studies.maps import BASE, SPURIOUS, read_maps, rows_mapped

REFITTED = "the last layer of spurious fitted again"
OUTLINE = "#0072B2"
# white to a strong orange, not on to brown: a black line must be seen on the darkest shade
SHADES = ListedColormap(colormaps["Oranges"](np.linspace(0, 0.72, 256)), "shades")


def shape(result: StudyResult) -> dict[str, Any]:
    """What `strips_figure` takes: a training signal with the feature, and the mean over those of its class.

    Raises:
        OnlyReadError: the network is the user's own, and the study was read from a folder; or no maps were kept.
        NotDrawnError: there is no such training set, or nothing to map.
    """
    case = featured(result)
    data, mapped, architecture = case.data, case.mapped, case.mapped.cell.setting.architecture
    if is_user_name(architecture) and not result.study.typed:
        raise OnlyReadError(
            f"There is no saliency to show: the network {architecture!r} is code of your own, and nothing is executed "
            "that a results folder names. `spurlab run` draws it."
        )
    seed, path = mapped.cell.seed, mapped.file(result.folder, data.checksum)
    if not path.is_file():
        raise OnlyReadError(
            f"There is no saliency to show: maps of the networks of seed {seed} are not kept in the results folder. "
            "The same `spurlab run` keeps them, where it keeps weights (weights = true, or a prevention)."
        )
    try:
        maps, failed = read_maps(path)
    except StoreError as error:
        raise OnlyReadError(f"There is no saliency to show: {error}") from error
    if why := failed.get(BASE) or failed.get(SPURIOUS):
        raise NotDrawnError(f"There is no saliency to show: {why} (seed {seed}).")
    rows = rows_mapped(data, case.planted)
    marked, clean, c = case.planted[rows].inputs, data.train.inputs[rows], int(data.train.labels[rows[0]])
    about = f"class {data.class_names[c]}"
    notes = [f"Networks of seed {seed}. base: trained without the feature; spurious: with it ({case.spread})"]
    for name, method in mapped.methods.items():
        if name != SPURIOUS:
            notes.append(f"{title_of(method)}: {f'failed ({failed[name]})' if name in failed else REFITTED}")
    return {
        "signals": torch.stack([marked[0], marked.mean(0)]),
        "maps": {name: maps[name] for name in (BASE, *mapped.methods) if name in maps},
        "blocks": case.blocks[[c, c]],
        "names": [f"a signal of {about}", f"mean of {len(rows)} signals of {about}"],
        "title": f"{dataset_title(data.name)}: where the networks look when the feature is there",
        "clean": torch.stack([clean[0], clean.mean(0)]),
        "note": "Saliency: the gradient of the true class's logit. Training signals: the first that has "
        f"the feature, and all of its class that have it. {'; '.join(notes)}.",
    }


def figure(arguments: dict[str, Any], _: About) -> Figure:
    return strips_figure(**arguments)


@style()
def strips_figure(
    signals: Float[Tensor, "n d"],
    maps: Mapping[str, Float[Tensor, "n d"]],
    blocks: Bool[Tensor, "n d"],
    names: Sequence[str],
    title: str,
    clean: Float[Tensor, "n d"] | None = None,
    upright: bool = False,
    note: str = "",
) -> Figure:
    r"""A row of strips for each network: behind a signal the darker, the more of the saliency falls on the feature.

    What is drawn is each feature's share of the strip's absolute saliency, :math:`|M_j| / \sum_i |M_i|`, so that
    networks whose gradients differ in size can be compared. All strips have one scale, which ends at the 99 % quantile.
    Above each strip stands the share that falls on the block: `spurlab.explain.share_on` of the map that is drawn.

    Args:
        signals: one for each column, such as a signal of a class and the mean signal of the class.
        maps: by the network's name, its saliency for each column, signed or absolute; of a class see
            `spurlab.explain.class_maps`. A map of zeros, or with a NaN, leaves its strip white.
        blocks: for each column, True where the spurious feature stands; outlined.
        names: of the columns.
        title: a line or two.
        clean: the signals without the spurious feature, dashed; None: not drawn.
        upright: the features run downwards, as in `signals_figure`, for up to ten narrow columns; else to the right,
            for one or two wide ones.
        note: the small print.

    Raises:
        ValueError: no signals or networks, or maps, blocks, clean signals or names of other signals.

    >>> import torch
    >>> signals = torch.rand(2, 40)
    >>> blocks = torch.zeros(2, 40, dtype=torch.bool)
    >>> blocks[:, :5] = True
    >>> maps = {"with bump": torch.rand(2, 40), "without": torch.rand(2, 40)}
    >>> figure = strips_figure(signals, maps, blocks, ["class 0", "class 1"], "Where they look")
    >>> len(figure.axes)  # two signals for each of two networks, and the colours
    5
    """
    n, d = signals.shape
    others = {**maps, "`blocks`": blocks} | ({} if clean is None else {"`clean`": clean})
    if other := {name: tuple(part.shape) for name, part in others.items() if part.shape != (n, d)}:
        raise InputError(f"the signals have the shape {(n, d)}, but these have another: {other}.")
    if not n or not d or not maps or len(names) != n:
        raise InputError(
            f"there must be signals, a name for each and maps, "
            f"but there are signals of shape {(n, d)}, {len(names)} names and {len(maps)} networks."
        )
    shares = {network: _shares(part) for network, part in maps.items()}
    on_block = {network: share_on(part.cpu(), blocks.cpu()).tolist() for network, part in maps.items()}
    small = f"Above each strip: the share of its saliency that falls on the block; by chance {_chance(blocks)}. "
    small += "The features run downwards, the values to the right. " if upright else ""
    figure, body = blank(title, (1.75 if upright else 1.2) * len(maps) + 0.7, small + note, _legend(clean is not None))
    grid = body.add_gridspec(len(maps), n)
    top = _top(torch.cat(list(shares.values())))
    everything = signals if clean is None else torch.cat([signals, clean])
    panels = []
    for i, (network, rows) in enumerate(shares.items()):
        for j, name in enumerate(names):
            axes = body.add_subplot(grid[i, j])
            limit = value_axis(axes, everything, upright)
            drawn = _shade(axes, rows[j], blocks[j], (top, limit), upright)
            draw_signal(axes, signals[j], None if clean is None else clean[j], upright=upright)
            for line in axes.lines:
                line.set_path_effects([withStroke(linewidth=line.get_linewidth() + 1.4, foreground="white")])
            _label(axes, network if j == 0 else "", name if i == 0 else "", on_block[network][j], upright)
            axes.tick_params(labelsize=8, labelleft=j == 0, labelbottom=i == len(maps) - 1)
            if i == len(maps) - 1 and not upright:
                axes.set_xlabel("feature")
            panels.append(axes)
    bar = body.colorbar(drawn, ax=panels, extend="max", fraction=0.03, shrink=0.6, aspect=30, pad=0.012)
    bar.set_label("share of the saliency on a feature", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    return describe(figure, _words(on_block, names, blocks))


def _shares(maps: Float[Tensor, "n d"]) -> Float64[Tensor, "n d"]:
    size = maps.detach().cpu().double().abs()
    return size / size.sum(1, keepdim=True)


def _chance(blocks: Bool[Tensor, "n d"]) -> str:
    """The share on the block of a network that looks everywhere alike."""
    ends = [f"{float(end):.3g}" for end in blocks.double().mean(1).aminmax()]
    return " to ".join(dict.fromkeys(ends))


def _top(shares: Float64[Tensor, "rows d"]) -> float:
    """Where the shades end: few features would else leave all others white."""
    finite = shares[shares.isfinite()]
    return float(finite.quantile(0.99) or finite.max()) if len(finite) else 1.0


def _shade(
    axes: Axes, shares: Float64[Tensor, " d"], block: Bool[Tensor, " d"], ends: tuple[float, float], upright: bool
) -> Any:
    d, (top, limit) = len(shares), ends
    across, along = (-limit, limit), (d - 0.5, -0.5) if upright else (-0.5, d - 0.5)
    pixels = shares.numpy()[:, None] if upright else shares.numpy()[None]
    drawn = axes.imshow(
        pixels,
        extent=(*across, *along) if upright else (*along, *across),
        cmap=SHADES,
        vmin=0,
        vmax=top,
        aspect="auto",
        interpolation="nearest",
    )
    for first, last in runs(block):
        size = (2 * limit, last - first + 1) if upright else (last - first + 1, 2 * limit)
        corner = (-limit, first - 0.5) if upright else (first - 0.5, -limit)
        axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor=OUTLINE, linewidth=1.8, clip_on=False, zorder=3))
    framed(axes)
    return drawn


def _label(axes: Axes, network: str, name: str, share: float, upright: bool) -> None:
    number = "-" if math.isnan(share) else f"{share:.2f}"
    if upright:
        axes.set_title("\n".join(filter(None, [printable(name), number])), loc="center", fontsize=10)
    else:
        axes.set_title(printable(name), loc="left", fontsize=10)
        axes.set_title(f"{number} on the block", loc="right", fontsize=9)
    if network:
        axes.set_ylabel(printable(network), fontsize=10.5)


def _words(on_block: Mapping[str, Sequence[float]], names: Sequence[str], blocks: Bool[Tensor, "n d"]) -> str:
    columns = "; ".join(
        f"{printable(name)} (block {spans(block)}, chance {_chance(block[None])}): "
        + ", ".join(f"{printable(network)} {shares[j]:.2f}" for network, shares in on_block.items())
        for j, (name, block) in enumerate(zip(names, blocks, strict=True))
    )
    return f"Share of the saliency that falls on the block of the spurious feature. {columns}."


def _legend(clean: bool) -> list[tuple[Artist, str]]:
    entries: list[tuple[Artist, str]] = [(Line2D([], [], **SHOWN), "marked signal" if clean else "signal")]
    if clean:
        entries.append((Line2D([], [], **CLEAN), "clean signal"))
    outline = Rectangle((0, 0), 1, 1, fill=False, edgecolor=OUTLINE, linewidth=1.8)
    return [*entries, (outline, "block of the spurious feature")]


VIEW: View[dict[str, Any]] = View(
    "saliency", "Where do networks look when the feature is there?", shape, figure, numbers=BEST
)
