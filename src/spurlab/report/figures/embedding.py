"""Training sets as points in the plane (Figures 3 and 4 of Quinn's report)."""

import textwrap
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float, Int64
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from torch import Tensor

from spurlab.report.figures.style import axes_grid, describe, look, printable, sheet, styled

_HEIGHT = 4.3  # inches, of a panel


@styled
def embedding_figure(
    points: Mapping[str, Float[Tensor, "n 2"]],
    labels: Int64[Tensor, " n"],
    class_names: Sequence[str],
    title: str,
    captions: Mapping[str, str] | None = None,
    note: str = "",
) -> Figure:
    """A panel for each embedding of the same examples, side by side; a class is a colour with a marker.

    The number of each class stands at its medoid, the point with the least sum of distances to the others of its class.
    The axes have no ticks: what an embedding like t-SNE leaves of the inputs is who is near whom.

    Args:
        points: by what was embedded, the points; those that are not finite are left out.
        labels: the classes, the same for all panels.
        class_names: stand in the legend; one for each class.
        title: a line or two.
        captions: by panel, what stands below it, as the purity of its neighbourhoods.
        note: the small print.

    Raises:
        ValueError: no panels, points or classes, a label without a name, a caption of no panel.
    """
    if not points or not len(labels):
        raise ValueError(f"there must be points to draw, but there are {len(points)} panels of {len(labels)} points.")
    if not 0 <= int(labels.min()) <= int(labels.max()) < len(class_names):
        raise ValueError(
            f"the labels run from {int(labels.min())} to {int(labels.max())}, "
            f"but there are {len(class_names)} names of classes."
        )
    captions = captions or {}
    if unknown := sorted(set(captions) - set(points)):
        raise ValueError(f"there are captions of panels that are not there: {', '.join(unknown)}.")
    present = labels.unique().tolist()
    legend = [
        (Line2D([], [], **_look(c), linestyle="none", markersize=6), _numbered(c, class_names[c])) for c in present
    ]
    columns = min(len(points), 2)
    figure, body = sheet(title, _HEIGHT * -(-len(points) // columns), note, legend)
    panels = axes_grid(body, list(points), columns)
    for axes, (name, where) in zip(panels, points.items(), strict=True):
        _draw(axes, where.detach().cpu().float(), labels.cpu())
        axes.set_xlabel("\n".join(textwrap.wrap(printable(captions.get(name, "")), 120 // columns)), fontsize=9)
    counts = ", ".join(f"{printable(class_names[c])} {int((labels == c).sum())}" for c in present)
    told = " ".join(f"{printable(name)}: {printable(captions[name])}." for name in points if name in captions)
    return describe(
        figure, f"Embeddings of {', '.join(map(printable, points))}. Points by class: {counts}. {told}".strip()
    )


def medoid(points: Float[Tensor, "n d"]) -> int:
    """The row with the least sum of distances to all others; of several the first.

    >>> medoid(torch.tensor([[0.0], [1.0], [5.0]]))
    1
    """
    exact = points.double()
    sums = [torch.cdist(some, exact).sum(1) for some in exact.split(1000)]  # all at once would be n x n
    return int(torch.cat(sums).argmin())


def _draw(axes: Axes, points: Float[Tensor, "n 2"], labels: Int64[Tensor, " n"]) -> None:
    finite = points.isfinite().all(1)
    size = min(30.0, max(5.0, 12_000 / len(points)))
    for c in labels.unique().tolist():
        mine = points[(labels == c) & finite]
        x, y = mine.T.tolist()
        axes.plot(x, y, linestyle="none", markersize=size**0.5, alpha=0.8, **_look(c))
    for c in labels.unique().tolist():  # above the points of all classes
        mine = points[(labels == c) & finite]
        if len(mine):
            x, y = mine[medoid(mine)].tolist()
            halo = [withStroke(linewidth=3, foreground="white")]
            axes.text(x, y, str(c), fontsize=13, weight="bold", ha="center", va="center", path_effects=halo, zorder=5)
    axes.set_aspect("equal", "datalim")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(True)
    axes.spines[:].set_linewidth(0.4)


def _look(c: int) -> dict[str, str | float]:
    colour, marker = look(c)
    return {"color": colour, "marker": marker, "markeredgewidth": 0.0}


def _numbered(c: int, name: str) -> str:
    return name if name == str(c) else f"{c} {name}"
