"""What all figures share: size, colours, places of title, legend and small print; how a figure is written."""

import errno
import math
import textwrap
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, TypeVar

import matplotlib as mpl
from jaxtyping import Float
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.transforms import Bbox
from torch import Tensor

from spurlab.files import replacing
from spurlab.report.fingerprint import FINGERPRINT, fingerprint
from spurlab.report.groups import Mean, told
from spurlab.report.view import About
from spurlab.studies import FolderError, StoreError

T = TypeVar("T")
Legend = Sequence[tuple[Artist | Any, str]]  # handles and labels
Looks = Mapping[str, tuple[str, str]]  # colour and marker, by label

DOTS = 200  # an inch, of a picture
ENDINGS = (".png", ".pdf", ".svg")  # of a figure's files
WIDTH = 9.0  # inches, for all figures: shown 900 pixels wide, its small print is 11 pixels high
# Okabe and Ito (2008), told apart by colour-blind readers; each line has a marker of its own too
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
BAND = "#F4F4F4"
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
# the same in every figure: small patterns warm, random ones cool
PATTERN_LOOKS = {
    "S1": ("#E69F00", "^"),
    "S2": ("#CC79A7", "D"),
    "S3": ("#D55E00", "s"),
    "R1": ("#56B4E9", "v"),
    "R2": ("#009E73", "P"),
    "R3": ("#0072B2", "o"),
    "Co": ("#000000", "X"),
}
_STYLE: Any = {  # names as in matplotlibrc
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same figure everywhere
    "font.size": 10.0,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 10.0,
    "text.parse_math": False,  # names and titles are a user's: a $ in them is a $
    "svg.hashsalt": "spurlab",
    "svg.fonttype": "path",
}


class ShownFigure(Figure):
    """A figure that a notebook shows as a picture; of others pyplot sees to that, which is not loaded here."""

    drawn_as = ""  # its fingerprint before it was shown: drawing gives it ticks

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        """The picture, and how large it is shown: at half its size, so that it is sharp on any screen."""
        self.drawn_as = self.drawn_as or fingerprint(self)
        stream = BytesIO()
        _lay_out(self)
        with style():
            self.savefig(stream, format="png", dpi=DOTS)
        width, height = (round(inches * DOTS / 2) for inches in self.get_size_inches())
        return stream.getvalue(), {"width": width, "height": height}


@contextmanager
def style() -> Iterator[None]:
    """Our settings of matplotlib, whatever the user's are, for as long as the block or the decorated function lasts."""
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # a title may be in any script
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def save_figure(figure: Figure, stem: Path) -> list[Path]:
    """Write the figure as PNG (200 dots an inch), PDF and SVG; the same figure gives the same bytes.

    What `describe` noted of the figure stands in the files, for those who do not see it; in the PNG also what
    `fingerprint` says of it, so that a picture that is kept can be compared with what would be drawn today.

    Returns:
        The files, ``stem`` with the three endings.

    Raises:
        FolderError: they cannot be written there.

    >>> import tempfile
    >>> figure = Figure()
    >>> _ = figure.subplots().plot([0, 10], [0.1, 0.9])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     files = save_figure(figure, Path(folder) / "mine")
    >>> [file.name for file in files]
    ['mine.png', 'mine.pdf', 'mine.svg']
    """
    words = spoken(figure)
    kept = {FINGERPRINT: getattr(figure, "drawn_as", "") or fingerprint(figure)}
    metadata: dict[str, dict[str, Any]] = {  # no date and no version
        ".png": {"Software": None} | kept | ({"Description": words} if words else {}),
        ".pdf": {"CreationDate": None} | ({"Subject": words} if words else {}),
        ".svg": {"Date": None, "Creator": None} | ({"Description": words} if words else {}),
    }
    _lay_out(figure)
    paths = []
    for ending, about in metadata.items():
        path = stem.with_name(stem.name + ending)
        with style(), writing(stem.parent), replacing(path) as draft:
            figure.savefig(draft, format=ending[1:], dpi=DOTS, metadata=about)
        paths.append(path)
    return paths


def _lay_out(figure: Figure) -> None:
    """Everything has its place from now on; the same one in a notebook and in all three files.

    The layout is the solution of equations whose order is that of addresses in memory, so that its last digits differ
    from one figure to the next like it. They are rounded off: a side at 2e-16 and one at -1e-17 are both at 0.
    """
    with style():
        figure.draw_without_rendering()
    figure.set_layout_engine("none")
    parts = list(figure.subfigs)
    for part in parts:
        part.bbox_relative.set_points(part.bbox_relative.get_points().round(9) + 0.0)  # -0 + 0 = 0
        parts += part.subfigs
    for axes in figure.axes:
        place = axes.get_position(original=True)
        axes.set_position(Bbox(place.get_points().round(9) + 0.0), which="original")


def svg_of(figure: Figure) -> bytes:
    """The figure as SVG, for a page."""
    with TemporaryDirectory() as aside:
        return save_figure(figure, Path(aside) / "figure")[-1].read_bytes()


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """What cannot be written is said in a sentence.

    Raises:
        FolderError: nobody may write there, or it is no folder.
        StoreError: it failed, as on a full disk.
    """
    try:
        yield
    except OSError as error:
        what = f"{error.filename or folder} cannot be written ({error.strerror or error})."
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENOENT):
            raise FolderError(f"{what} Use a folder that you may write to.") from error
        raise StoreError(f"{what} What was measured is kept: make room, and the same command goes on.") from error


def describe(figure: Figure, words: str) -> Figure:
    """The figure, with what is to be seen on it in words and numbers."""
    figure.set_label(words)
    return figure


def spoken(figure: Figure) -> str:
    return printable(str(figure.get_label()))


def printable(text: str) -> str:
    """The text without control characters, which have no glyph and no place in XML."""
    return "".join(character if character.isprintable() else " " for character in text)


def blank(
    title: str, height: float, note: str = "", legend: Legend = (), width: float = WIDTH
) -> tuple[Figure, SubFigure]:
    """An empty figure: title and legend above, the small print below, and the part between them to draw in.

    The height is of this part, the width of the whole, both in inches. As many labels stand in a line as fit.
    """
    titles = textwrap.wrap(printable(title), int(width * 10.8), break_on_hyphens=False) or [""]
    notes = textwrap.wrap(printable(note), int(width * 16.5), break_on_hyphens=False)
    lines, columns = _legend_shape([len(label) for _, label in legend], width)
    top, bottom = 0.1 + 0.21 * len(titles) + 0.25 * lines + (0.06 if lines else 0.0), 0.06 + 0.155 * len(notes)
    size = (width, top + height + bottom)
    figure = ShownFigure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=0.1))
    parts: Any = figure.subfigures(3, 1, height_ratios=(top, height, bottom), hspace=0)
    head, body, foot = parts
    head.text(0.1 / width, 1 - 0.07 / top, "\n".join(titles), fontsize=12, va="top", linespacing=1.25)
    if legend:
        handles, labels = zip(*legend, strict=True)
        labels = tuple(printable(label) for label in labels)
        look = {"borderaxespad": 0, "borderpad": 0, "columnspacing": 1.6, "labelspacing": 0.4}
        head.legend(handles, labels, loc="lower left", bbox_to_anchor=(0.1 / width, 0.05 / top), ncols=columns, **look)
    foot.text(0.1 / width, 1, "\n".join(notes), fontsize=8, color="#444444", va="top", linespacing=1.3)
    return figure, body


def _legend_shape(letters: Sequence[int], width: float) -> tuple[int, int]:
    """Lines and columns of a legend, from the letters of each label; it is filled column by column."""
    for lines in range(1, len(letters) + 1):
        columns = [letters[i : i + lines] for i in range(0, len(letters), lines)]
        if sum(0.08 * max(column) + 0.62 for column in columns) < width - 0.2:
            return lines, len(columns)
    return len(letters), 1


@style()
def sentence(title: str, words: str) -> Figure:
    """A figure that says in words why nothing is drawn."""
    figure = ShownFigure(figsize=(WIDTH, 1.5))
    figure.text(0.1 / WIDTH, 0.93, printable(title), fontsize=12, va="top")
    figure.text(0.1 / WIDTH, 0.5, "\n".join(textwrap.wrap(printable(words), 110)), va="center", color="#444444")
    return describe(figure, words)


def pattern_look(pattern: str, place: int = 0) -> tuple[str, str]:
    """Colour and marker of a pattern; of one that is not in the table, those of its place among others."""
    return PATTERN_LOOKS.get(pattern, look(place))


def look(place: int) -> tuple[str, str]:
    """Colour and marker of the line at this place; they differ together for the first seven, in pairs for 49."""
    return COLOURS[place % len(COLOURS)], MARKERS[(place + place // len(COLOURS)) % len(MARKERS)]


def looks_of(panels: Iterable[Iterable[str]], look_of: Callable[[str, int], tuple[str, str]] | None = None) -> Looks:
    """The look of each label of all panels, in the order in which they first appear."""
    labels = dict.fromkeys(label for panel in panels for label in panel)
    return {label: look_of(label, place) if look_of else look(place) for place, label in enumerate(labels)}


def draw_means(
    axes: Axes,
    at: Sequence[float],
    means: Sequence[Mean],
    style: tuple[str, str],
    label: str = "",
    line: str = "-",
    markersize: float = 5.0,
    hollow: bool = False,
) -> Line2D:
    """Means, and each network as a dot; what is NaN leaves a gap. Intervals, which are wide, stand in tables.

    The style is a colour and a marker; a hollow one is white with a coloured rim. With `line` "" none joins the means.
    A single network is its own mean, unless that is NaN: then it is a dot.
    """
    colour, marker = style
    for x, mean in zip(at, means, strict=True):
        draw_networks(axes, [x] * mean.models, mean.each, colour, alone=math.isnan(mean.value))
    [drawn] = axes.plot(
        list(at),
        [mean.value for mean in means],
        label=printable(label),
        color=colour,
        marker=marker,
        linestyle=line or "none",
        markerfacecolor="white" if hollow else colour,
        markersize=markersize,
        linewidth=1.5,
    )
    return drawn


def draw_networks(
    axes: Axes, x: Sequence[float], y: Sequence[float], colour: str, size: float = 6.0, *, alone: bool = False
) -> None:
    """A dot for each network, where there are several or it stands alone: else one is its own mean."""
    if len(x) > (not alone):
        axes.plot(x, y, ".", color=colour, markersize=size, alpha=0.5, markeredgewidth=0, label="_networks")


def dodged(place: int, of: int, room: float = 0.4, step: float = 0.1) -> float:
    """How far the place-th of several marks at one tick stands aside, so that none hides another."""
    return 0.0 if of < 2 else min(step, room / (of - 1)) * (place - (of - 1) / 2)


def at_counts(line: Mapping[int, Mean]) -> str:
    return ", ".join(f"{told(mean)} at n = {n}" for n, mean in line.items())


def bare(axes: Axes) -> Axes:
    axes.set_xticks([])
    axes.set_yticks([])
    return framed(axes)


def framed(axes: Axes) -> Axes:
    axes.spines[:].set_visible(True)
    axes.spines[:].set_linewidth(0.4)
    return axes


def show_image(axes: Axes, image: Float[Tensor, "c h w"]) -> None:
    axes.imshow(image.permute(1, 2, 0).squeeze(-1).numpy(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")


def show_example(axes: Axes, example: Float[Tensor, "*shape"], limit: float) -> None:
    """An image, or the line of a signal, its values from -limit to limit."""
    if example.ndim == 3:
        show_image(axes, example)
        return
    axes.axhline(0, color="#BBBBBB", linewidth=0.5, zorder=0)
    axes.plot(range(len(example)), example.detach().cpu().double().tolist(), color="#000000", linewidth=1.0)
    axes.set_xlim(-0.5, len(example) - 0.5)
    axes.set_ylim(-limit, limit)


def widest(strips: Mapping[str, Float[Tensor, "n *shape"]]) -> float:
    """The largest absolute value of all, so that signals beside each other have one scale."""
    largest = [strip.abs().max().item() for strip in strips.values() if strip.numel()]
    return 1.08 * (max(largest, default=0.0) or 1.0)


def share_axis(axes: Axes, label: str) -> None:
    axes.set_ylabel(label)
    axes.set_ylim(-0.03, 1.03)
    axes.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1], ["0", "0.2", "0.4", "0.6", "0.8", "1"])
    axes.grid(axis="y", alpha=0.3, linewidth=0.7)


def count_axis(axes: Axes, counts: Sequence[int]) -> dict[int, float]:
    """A horizontal axis with a place for each n, evenly spaced, since n = 0 has none on a logarithmic axis."""
    places = {n: float(place) for place, n in enumerate(counts)}
    bands(axes, len(counts))
    axes.set_xticks(list(places.values()), [f"{n:,}" for n in counts])
    axes.set_xlim(-0.5, len(counts) - 0.5)
    axes.set_xlabel("marked training examples, n (not to scale)")
    return places


def bands(axes: Axes, places: int) -> None:
    """A light band behind every other place, so that marks that stand aside are not taken for those of the next."""
    for place in range(1, places, 2):
        axes.axvspan(place - 0.5, place + 0.5, color=BAND, linewidth=0, zorder=0)


def draw_counts(
    axes: Axes,
    lines: Mapping[str, Mapping[int, Mean]],
    looks: Looks,
    room: float = 0.4,
    step: float = 0.1,
    hollow: Sequence[str] = (),
    **how: Any,
) -> dict[int, float]:
    """Means by label and n, those of one n beside each other; `how` is as for `draw_means`. Where each n stands."""
    places, names = count_axis(axes, sorted({n for line in lines.values() for n in line})), list(looks)
    for label, line in lines.items():
        at = [places[n] + dodged(names.index(label), len(names), room, step) for n in line]
        draw_means(axes, at, list(line.values()), looks[label], label, hollow=label in hollow, **how)
    return places


def panelled(
    about: About,
    panels: Sequence[tuple[str, T]],
    height: float,
    draw: Callable[[Axes, T], object],
    legend: Legend = (),
    words: Callable[[T], str] = lambda panel: "",
    meaning: str = "",
    note: str = "",
) -> Figure:
    """A figure of one to three columns of panels, each with its title.

    Args:
        height: of a row, in inches.
        draw: draws one panel.
        words: what is to be seen in it.
        meaning: of the numbers in these words, a sentence.
        note: stands before the usual small print.
    """
    columns = 3 if len(panels) == 3 else min(2, len(panels))  # no place stays empty
    figure, body = blank(about.title, height * -(-len(panels) // columns), note + about.note, legend)
    grid = axes_grid(body, [name for name, _ in panels], columns)
    for axes, (_, panel) in zip(grid, panels, strict=True):
        draw(axes, panel)
    for i, axes in enumerate(grid):  # labels only where no panel stands to the left or below
        if i % columns:
            axes.set_ylabel("")
        if i + columns < len(grid):
            axes.set_xlabel("")
        if columns == 3 and len(axes.get_xlabel()) > 38:  # or they run into each other
            axes.set_xlabel(textwrap.fill(axes.get_xlabel(), 30))
    told = ". ".join(f"{name}: {words(panel)}" for name, panel in panels)
    return describe(figure, f"{meaning} {told}.".strip())


def mark_legend(
    looks: Looks, size: float = 6.0, line: Literal["none", "-"] = "none", hollow: Sequence[str] = ()
) -> list[tuple[Artist | Any, str]]:
    """Handles and labels for marks with these colours and shapes; some of them white with a coloured rim."""
    return [
        (Line2D([], [], color=colour, marker=marker, markersize=size, linestyle=line,
                markerfacecolor="white" if label in hollow else colour), label)
        for label, (colour, marker) in looks.items()
    ]  # fmt: skip


def axes_grid(body: SubFigure, titles: Sequence[str], columns: int) -> list[Axes]:
    """Axes for a panel under each title, row by row; long titles are broken into lines."""
    grid = body.add_gridspec(math.ceil(len(titles) / columns), columns)
    panels = []
    for i, title in enumerate(titles):
        axes = body.add_subplot(grid[i // columns, i % columns])
        axes.set_title("\n".join(textwrap.wrap(printable(title), 98 // columns, break_on_hyphens=False)))
        panels.append(axes)
    return panels
