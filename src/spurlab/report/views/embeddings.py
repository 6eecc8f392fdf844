"""Who is near whom in a training set, without the feature and with it (Figures 3 and 4 of Quinn's report)?"""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int64
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.path import Path
from matplotlib.textpath import TextPath
from torch import Tensor

from spurlab.errors import InputError
from spurlab.explain import neighbour_purity, tsne
from spurlab.report.featured import featured
from spurlab.report.style import COLOURS, axes_grid, bare, blank, describe, printable, style
from spurlab.report.titles import dataset_title
from spurlab.report.view import About, NotDrawnError, View
from spurlab.report.views.repairs import BEST
from spurlab.seeds import rng_for
from spurlab.studies import StudyResult

_HEIGHT = 4.3  # inches, of a panel
_TEN = (*COLOURS, "#882255", "#999933", "#888888")  # three more, of Paul Tol's muted scheme
_MOST = 1500  # signals of a study's figure: the time of t-SNE, some seconds, grows with them
_NEIGHBOURS, _PERPLEXITY = 10, 30.0


def shape(result: StudyResult) -> dict[str, Any]:
    """What `embedding_figure` takes: the training set without the feature and with it, and how pure neighbourhoods are.

    Raises:
        NotDrawnError: there is no such training set, or it is too small.
    """
    case = featured(result)
    data, seed = case.data, case.mapped.cell.seed
    n, labels = len(data.train), data.train.labels
    title = dataset_title(data.name)
    sets = {title: data.train.inputs, f"{title} with {case.spread}": case.planted.materialize().inputs}
    few = torch.randperm(n, generator=rng_for(seed, "embeddings"))[:_MOST]
    points, captions = {}, {}
    try:
        for name, inputs in sets.items():
            points[name] = tsne(inputs[few], seed, _PERPLEXITY)
            of_all = neighbour_purity(inputs, labels, _NEIGHBOURS)
            of_few = neighbour_purity(points[name], labels[few], _NEIGHBOURS)
            captions[name] = f"purity of neighbourhoods {of_all:.2f} in the signals, {of_few:.2f} in the picture"
    except ValueError as error:
        raise NotDrawnError(f"There is no picture of the training set: {error}") from error
    chance = float((labels.bincount() / n).square().sum())
    which = f"{len(few):,} of {n:,} training signals, drawn at random (seed {seed})" if n > _MOST else f"seed {seed}"
    note = (
        f"t-SNE, perplexity {_PERPLEXITY:g}: {which}. Purity: the share of the {_NEIGHBOURS} nearest neighbours that "
        f"are of the same class, in the signals themselves (all {n:,}) and in the drawn points; by chance {chance:.2f}."
    )
    heading = f"{title}: neighbours without the feature and with it"
    about = {"class_names": tuple(data.class_names), "title": heading, "captions": captions, "note": note}
    return {"points": points, "labels": labels[few], **about}


def figure(arguments: dict[str, Any], _: About) -> Figure:
    return embedding_figure(**arguments)


@style()
def embedding_figure(
    points: Mapping[str, Float[Tensor, "n 2"]],
    labels: Int64[Tensor, " n"],
    class_names: Sequence[str],
    title: str,
    captions: Mapping[str, str] | None = None,
    note: str = "",
) -> Figure:
    """A panel for each embedding of the same examples, side by side; a point is the number of its class, in its colour.

    In a circle stands the number of each class at its medoid, the point with the least sum of distances to the others;
    where another number stands there already, at the next such point that is free. The axes have no ticks: what an
    embedding like t-SNE leaves of the inputs is who is near whom.

    Args:
        points: by what was embedded, the points; those that are not finite are left out.
        labels: the classes, the same for all panels.
        class_names: stand in the legend beside the numbers, unless they are the numbers; one for each class.
        title: a line or two.
        captions: by panel, what stands below it, as the purity of its neighbourhoods.
        note: the small print.

    Raises:
        ValueError: no panels or points, points that are not one for each label, a label without a name, a caption of no
            panel.

    >>> points = torch.tensor([[0.0, 0.0], [1.0, 0.0], [5.0, 5.0]])
    >>> labels = torch.tensor([0, 0, 1])
    >>> figure = embedding_figure({"inputs": points}, labels, ["cat", "dog"], "Who is near whom")
    >>> figure.axes[0].get_title(loc="left")
    'inputs'
    """
    if not points or not len(labels):
        raise InputError(f"there must be points to draw, but there are {len(points)} panels of {len(labels)} points.")
    if other := {name: tuple(part.shape) for name, part in points.items() if part.shape != (len(labels), 2)}:
        raise InputError(
            f"{len(labels)} labels need as many points in the plane, but these have another shape: {other}."
        )
    if not 0 <= int(labels.min()) <= int(labels.max()) < len(class_names):
        raise InputError(
            f"the labels run from {int(labels.min())} to {int(labels.max())}, "
            f"but there are {len(class_names)} names of classes."
        )
    captions = captions or {}
    if unknown := sorted(set(captions) - set(points)):
        raise InputError(f"there are captions of panels that are not there: {', '.join(unknown)}.")
    present = labels.unique().tolist()
    named = any(class_names[c] != str(c) for c in present)
    legend = [(Line2D([], [], **_look(c), markersize=8), class_names[c]) for c in present if named]
    columns = min(len(points), 2)
    figure, body = blank(title, _HEIGHT * -(-len(points) // columns), note, legend)
    panels = axes_grid(body, list(points), columns)
    for axes, (name, where) in zip(panels, points.items(), strict=True):
        _draw(axes, where.detach().cpu().float(), labels.cpu())
        axes.set_xlabel("\n".join(textwrap.wrap(printable(captions.get(name, "")), 140 // columns)), fontsize=9)
    counts = ", ".join(f"{printable(class_names[c])} {int((labels == c).sum())}" for c in present)
    told = " ".join(f"{printable(name)}: {printable(captions[name])}." for name in points if name in captions)
    return describe(
        figure, f"Embeddings of {', '.join(map(printable, points))}. Points by class: {counts}. {told}".strip()
    )


def from_the_middle(points: Float[Tensor, "n d"]) -> Int64[Tensor, " n"]:
    """The rows by the sum of their distances to all others, the least first: that is the medoid.

    >>> from_the_middle(torch.tensor([[0.0], [1.0], [5.0]])).tolist()
    [1, 0, 2]
    """
    exact = points.double()
    sums = [torch.cdist(some, exact).sum(1) for some in exact.split(1000)]  # all at once would be n x n
    return torch.cat(sums).argsort(stable=True) if sums else torch.empty(0, dtype=torch.int64)


def number_places(parts: Mapping[int, Float[Tensor, "_ 2"]], gap: float) -> dict[int, tuple[float, float]]:
    """Where the number of each class stands: at its medoid; where others stand there, at its next point that is free.

    Args:
        parts: the points of each class.
        gap: how far from each other two numbers must stand, if there is room.

    Returns:
        A point of each class that has any.
    """
    places: dict[int, tuple[float, float]] = {}
    for c, part in parts.items():
        if not len(part):
            continue
        ordered = part[from_the_middle(part)].double()
        taken = torch.tensor(list(places.values()), dtype=torch.float64).reshape(-1, 2)
        free = (torch.cdist(ordered, taken) >= gap).all(1)
        x, y = ordered[int(free.int().argmax())].tolist()  # the first that is free; the medoid where none is
        places[c] = (x, y)
    return places


def _draw(axes: Axes, points: Float[Tensor, "n 2"], labels: Int64[Tensor, " n"]) -> None:
    finite = points.isfinite().all(1)
    size = min(8.0, max(4.2, 150 / len(points) ** 0.5))
    parts = {c: points[(labels == c) & finite] for c in labels.unique().tolist()}
    for c, part in parts.items():
        axes.plot(*part.T.tolist(), **_look(c), markersize=size, alpha=0.9)
    drawn = points[finite]
    extent = float((drawn.amax(0) - drawn.amin(0)).max()) if len(drawn) else 0.0
    for c, (x, y) in number_places(parts, 0.07 * extent).items():  # above the points of all classes
        circle = {"boxstyle": "circle,pad=0.2", "facecolor": "white", "edgecolor": _look(c)["color"], "linewidth": 1.5}
        axes.text(x, y, str(c), fontsize=11, weight="bold", ha="center", va="center", bbox=circle, zorder=5)
    bare(axes).set_aspect("equal", "datalim")


def _look(c: int) -> dict[str, Any]:
    return {"color": _TEN[c % len(_TEN)], "marker": _numeral(c), "markeredgewidth": 0.0, "linestyle": "none"}


def _numeral(c: int) -> Path:
    """The number as a marker, around its middle."""
    drawn = TextPath((0, 0), str(c), size=1, prop=FontProperties(family="DejaVu Sans", weight="bold"))
    box = drawn.get_extents()
    return Path(drawn.vertices - [(box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2], drawn.codes)


VIEW: View[dict[str, Any]] = View(
    "embeddings", "Who is near whom in the training set, with the feature and without?", shape, figure, numbers=BEST
)
