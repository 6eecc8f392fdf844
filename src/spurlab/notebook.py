"""How values show themselves: a short `repr`, and the HTML of a notebook's output, which is escaped here and only here.

The HTML has the colours of the notebook around it, light or dark: text and lines are ``currentColor`` and nothing has a
background. Styles stand at each element, so that they reach nothing else on the page, and are no more than decoration:
where a viewer drops them, and pictures, the words are still there.
"""

import math
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from io import BytesIO
from itertools import islice
from reprlib import Repr
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from spurlab.terminal import printable

LETTERS = 240  # of one text
LINES = 12  # of a table
WHOLE = 32  # letters of a cell that are not broken into lines
PICTURES = 10  # of a strip
SIDE = 64  # pixels of a picture; larger ones are made smaller
COLOURS = 64  # of a picture that was made smaller
ROOM = 36_000  # letters of the addresses of a strip's pictures
POINTS = 120  # of a line
_NUMBER = re.compile(r"[-+<]? ?[\d.]*\d(e[-+]?\d+)?(?![\w-])|[-+]?(nan|inf)(?![\w-])|-?$")
_BOX = "color:inherit;background:transparent;line-height:1.4;overflow-x:auto"
_TABLE = "border-collapse:collapse;color:inherit;background:transparent;margin:.4em 0;table-layout:auto"
_LINE = "border-bottom:1px solid rgba(128,128,128,.35)"
_CELL = "padding:.15em .9em .15em 0;vertical-align:top;border:0"
_WHOLE, _BROKEN = ";white-space:nowrap", ";white-space:normal;min-width:16em"
_FIGURE = "display:inline-block;vertical-align:top;margin:.2em .5em .2em 0;width:{}px"
_CAPTION = "font-size:.8em;line-height:1.25;overflow-wrap:anywhere;opacity:.75"
_PICTURE = "display:block;margin:0;max-width:none;image-rendering:pixelated;border:1px solid rgba(128,128,128,.5)"
_GRAPH = "display:block;overflow:visible;border:1px solid rgba(128,128,128,.5)"


def card(title: str, name: str = "", facts: Mapping[str, object] | None = None, *parts: Markup) -> str:
    """The HTML of a value: what it is and its name, facts, then other parts, as `table` and `strip` give them.

    Args:
        title: what it is, e.g. ``Dataset``.
        name: what it is called.
        facts: by their names; None and "" are left out.
        parts: below them.

    >>> "<script>" in card("Dataset", "<script>alert(1)</script>", {"<b>": "<i>"})
    False
    """
    told = [(key, fact) for key, fact in (facts or {}).items() if fact is not None and fact != ""]
    lines = Markup("").join(
        Markup('<tr style="background:transparent"><th scope="row" style="{};text-align:left;font-weight:normal;'
               'opacity:.75;white-space:nowrap">{}</th><td style="{};text-align:left">{}</td></tr>')
        .format(_CELL, _said(key), _CELL, _said(fact))
        for key, fact in told
    )  # fmt: skip
    head = Markup("<div><strong>{}</strong> {}</div>").format(_said(title), _said(name))
    body = Markup('<table style="{}"><tbody>{}</tbody></table>').format(_TABLE, lines) if told else Markup("")
    return str(Markup('<div style="{}">{}{}{}</div>').format(_BOX, head, body, Markup("").join(parts)))


def table(headings: Sequence[str], lines: Sequence[Sequence[object]], caption: str = "", most: int = LINES) -> Markup:
    """A small table, or nothing where there are no lines; columns of numbers end on the right.

    Args:
        headings: one for each column.
        lines: of as many cells.
        caption: above it.
        most: lines that are shown; of the others it is said how many there are.
    """
    if not lines:
        return Markup("")
    shown = [[_said(cell) for cell in line] for line in lines[:most]]
    columns = zip(*shown, strict=True)
    sides = ["right" if all(map(_is_number, column)) else "left" for column in columns]

    def row(kind: str, cells: Sequence[str], more: str = "") -> Markup:
        cell = Markup('<{} style="{};text-align:{}{}{}">{}</{}>')
        told = [
            cell.format(kind, _CELL, side, _WHOLE if len(word) < WHOLE else _BROKEN, more, word, kind)
            for side, word in zip(sides, cells, strict=True)
        ]
        return Markup('<tr style="background:transparent;{}">{}</tr>').format(_LINE, Markup("").join(told))

    head = row("th", [_said(heading) for heading in headings])
    body = Markup("").join(row("td", cells, ";font-variant-numeric:tabular-nums") for cells in shown)
    rest = len(lines) - len(shown)
    return Markup('{}<table style="{}"><thead>{}</thead><tbody>{}</tbody></table>{}').format(
        note(caption) if caption else "", _TABLE, head, body, note(f"and {rest:,} more") if rest else ""
    )


def note(text: str) -> Markup:
    """A sentence in small letters."""
    return Markup('<div style="font-size:.85em;opacity:.75;margin-top:.3em">{}</div>').format(_said(text, 2 * LETTERS))


def paragraph(text: str, about: str = "") -> Markup:
    """A sentence or several, and before them in strong letters what they are about."""
    strong = Markup("<strong>{}</strong> ").format(_said(about)) if about else ""
    return Markup('<div style="margin:.2em 0;max-width:60em">{}{}</div>').format(strong, _said(text, 4 * LETTERS))


def strip(title: str, pictures: Iterable[tuple[NDArray[np.uint8], str]]) -> Markup:
    """Pictures beside each other with a caption each: up to ten, or as many as there is room for.

    Args:
        title: above them.
        pictures: pixels ``h w`` or ``h w 3``, with a caption.
    """
    figures, room = [], ROOM
    for pixels, caption in islice(pictures, PICTURES):
        address = png_address(pixels)
        if (room := room - len(address)) < 0:
            break
        height, width = pixels.shape[:2]
        scale = SIDE / max(height, width)
        figures.append(
            Markup('<img src="{}" alt="{}" width="{}" height="{}" style="{}">').format(
                address, _said(caption), max(1, round(scale * width)), max(1, round(scale * height)), _PICTURE
            )
            + _caption(caption)
        )
    return _beside(title, figures, SIDE + 10)


def graphs(
    title: str, drawn: Iterable[tuple[Sequence[Sequence[float]], str]], width: int = 76, *, behind: bool = True
) -> Markup:
    """Small graphs beside each other with a caption each, up to ten, all on one scale.

    Args:
        title: above them.
        drawn: of each the lines, with a caption.
        width: of each, in pixels.
        behind: whether all lines but the last are faint.
    """
    shown = list(islice(drawn, PICTURES))
    numbers = [number for lines, _ in shown for line in lines for number in line if math.isfinite(number)]
    low, high = (min(numbers), max(numbers)) if numbers else (0.0, 1.0)
    figures = [_graph(lines, low, high, width, behind) + _caption(caption) for lines, caption in shown]
    return _beside(title, figures, width + 2)


def png_address(pixels: NDArray[np.uint8], side: int = SIDE, *, enlarged: bool = False) -> str:
    """A picture as a data address: of at most so many pixels a side.

    Args:
        pixels: ``h w`` or ``h w 3``.
        side: the most on its longer side; what is larger is made smaller, and of colours has `COLOURS` then.
        enlarged: whether what is smaller is made larger, each pixel a square of as many as go into half a side.
    """
    picture = Image.fromarray(pixels)
    if max(picture.size) > side:
        picture.thumbnail((side, side))
        picture = picture if enlarged or picture.mode == "L" else picture.quantize(COLOURS)
    if enlarged and (larger := side // 2 // max(picture.size)) > 1:
        picture = picture.resize((picture.width * larger, picture.height * larger), Image.Resampling.NEAREST)
    stream = BytesIO()
    picture.save(stream, "PNG", optimize=not enlarged)
    return f"data:image/png;base64,{b64encode(stream.getvalue()).decode()}"


def clipped(text: str, most: int = LETTERS) -> str:
    """The text without its end, where it is long.

    >>> clipped("abcdefghij", 5)
    'ab...'
    """
    return text if len(text) <= most else f"{text[: most - 3]}..."


def _said(value: object, most: int = LETTERS) -> str:
    """What is to be escaped: one line, without signs that would turn letters around, and not long."""
    return clipped(printable(value if isinstance(value, str) else _cell(value)), most)


def _cell(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    if math.isnan(value):  # not measured
        return "-"
    return f"{value:.3f}" if 0.001 <= abs(value) < 1000 or value == 0 else f"{value:.3g}"


def _is_number(cell: str) -> bool:
    """Whether it is one, with its interval or unit, or nothing."""
    return len(cell) < WHOLE and bool(_NUMBER.match(cell))


def _caption(text: str) -> Markup:
    return Markup('<figcaption style="{}">{}</figcaption>').format(_CAPTION, _said(text, LETTERS // 3))


def _beside(title: str, figures: Sequence[Markup], width: int) -> Markup:
    if not figures:
        return Markup("")
    one = Markup('<figure style="{}">{}</figure>')
    whole = Markup("").join(one.format(_FIGURE.format(width), figure) for figure in figures)
    return Markup("{}<div>{}</div>").format(note(title) if title else "", whole)


def _graph(lines: Sequence[Sequence[float]], low: float, high: float, width: int, behind: bool) -> Markup:
    drawn, height = [], 48
    for place, line in enumerate(lines):
        points = _thinned(line)
        step = (width - 4) / max(1, len(points) - 1)
        scale = (height - 6) / ((high - low) or 1.0)
        at = " ".join(f"{2 + step * i:.1f},{3 + scale * (high - y):.1f}" for i, y in enumerate(points))
        strength = 1 if place == len(lines) - 1 or not behind else 0.4
        drawn.append(Markup('<polyline points="{}" opacity="{}"/>').format(at, strength))
    return Markup(
        '<svg viewBox="0 0 {} {}" width="{}" height="{}" fill="none" stroke="currentColor" stroke-width="1.2" '
        'role="img" style="{}">{}</svg>'
    ).format(width, height, width, height, _GRAPH, Markup("").join(drawn))


def _thinned(line: Sequence[float]) -> list[float]:
    """Of a long line the lowest and the highest of each part in turn, so that no spike is lost."""
    finite = [float(number) for number in line if math.isfinite(number)]
    if len(finite) <= POINTS:
        return finite
    parts = np.array_split(np.array(finite), POINTS // 2)
    return [float(end) for part in parts for end in (part.min(), part.max())]


class _Short(Repr):
    """Values in a few letters: of tensors, arrays and tables type and shape."""

    def __init__(self) -> None:
        super().__init__()
        self.maxtuple = self.maxlist = self.maxdict = 4
        self.maxstring, self.maxother, self.maxlevel = 60, 120, 3

    def repr1(self, x: Any, level: int) -> str:
        if hasattr(x, "shape") and hasattr(x, "dtype"):
            return f"{str(x.dtype).removeprefix('torch.')}{list(x.shape)}"
        if type(x).__name__ == "DataFrame":
            return f"DataFrame{list(x.shape)}"
        return super().repr1(x, level)


def short(value: Any) -> str:
    """The `repr` of a dataclass with tensors: its fields, of tensors type and shape; no long texts and lists.

    To be written into the class: ``__repr__ = short``.

    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Images:
    ...     name: str
    ...     inputs: NDArray[np.uint8]
    ...     __repr__ = short
    >>> Images("three", np.zeros((3, 28, 28), np.uint8))
    Images(name='three', inputs=uint8[3, 28, 28])
    """
    told = _Short()
    parts = [f"{field.name}={told.repr(getattr(value, field.name))}" for field in fields(value) if field.repr]
    return f"{type(value).__name__}({', '.join(parts)})"
