"""Marks of one's own by their text: a picture in a file, a box, noise, or a mark of the table."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args

from spurlab.errors import InputError, did_you_mean
from spurlab.patterns.image import Noise
from spurlab.patterns.mark import Mark
from spurlab.patterns.overlay import How, box, picture
from spurlab.patterns.table import MARKS, make_mark, pattern_name

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")


def own_mark(text: str, shape: tuple[int, ...], seed: int = 0, clip: tuple[float, float] | None = (0.0, 1.0)) -> Mark:
    """A mark from what names it and its settings, ``key=value`` after commas.

    Args:
        text: ``logo.png,at=top-right,size=8,how=blend``: a picture with its opacity, see `spurlab.patterns.picture`;
            instead of `at`, ``row`` and ``col`` are pixels above it and to the left of it.
            ``box,row=0,col=0,size=5x5,value=.5,how=replace``: a box of one value.
            ``noise,r=.5``: noise in [0, r) on the whole image, drawn under the seed.
            ``S3``: a mark of `MARKS`.
        shape: of one input.
        seed: of what is drawn.
        clip: the range of the inputs, or None.

    Raises:
        ValueError: an unknown name or setting, inputs that are no images, a picture that cannot be read or does not
            fit.

    >>> own_mark("box,row=1,col=2,size=3,value=.5", (1, 28, 28)).name
    'box of 3 x 3 at row 1, column 2'
    """
    head, *rest = (word.strip() for word in text.split(","))
    kind = "picture" if head.casefold().endswith(PICTURES) else head
    if len(shape) != 3 and (kind in _KINDS or MARKS[pattern_name(head)].template.axes == 3):
        inputs = f"vectors of {shape[0]} numbers" if len(shape) == 1 else f"of shape {shape}"
        suited = [name for name, entry in MARKS.items() if entry.template.axes == len(shape)]
        raise InputError(
            f"the mark {text!r} is for images, but the inputs are {inputs}. In Python any function of the inputs is a "
            f"mark{', and ' * bool(suited)}{', '.join(suited)}{' suit them by name' * bool(suited)}."
        )
    if kind not in _KINDS:
        if rest:
            raise InputError(f"the mark {text!r} has settings, but {head!r} is none of picture files, box and noise.")
        return make_mark(head, shape, seed, clip)
    make, known = _KINDS[kind]
    settings: dict[str, Any] = {}
    for word in rest:
        key, equals, value = word.partition("=")
        if not equals or key not in known:
            raise InputError(f"the mark {text!r} has the setting {word!r}. {did_you_mean(key, known)}")
        try:
            settings[key] = known[key](value)
        except ValueError as error:
            raise InputError(f"the mark {text!r}: {key} is {error}.") from None
    return make(head, settings, (shape[0], shape[1], shape[2]), seed, clip)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"a number, but it is {text!r}") from None


def _pixels(text: str) -> int:
    if not re.fullmatch(r"\d{1,5}", text, re.ASCII):
        raise InputError(f"a number of pixels, but it is {text!r}")
    return int(text)


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"([1-9]\d{0,4})(?:x([1-9]\d{0,4}))?", text, re.ASCII)
    if not found:
        raise InputError(f"pixels, e.g. 5, or 5x8 for height and width, but it is {text!r}")
    return int(found[1]), int(found[2] or found[1])


def _how(text: str) -> str:
    if text not in get_args(How):
        raise InputError(f"one of {', '.join(get_args(How))}, but it is {text!r}")
    return text


Make = Callable[[str, dict[str, Any], tuple[int, int, int], int, tuple[float, float] | None], Mark]
Settings = Mapping[str, Callable[[str], Any]]


def _picture(head: str, settings: dict[str, Any], shape: tuple[int, int, int], *_: object) -> Mark:
    size = settings.get("size")
    at: Any = settings.get("at", "top-left")
    if "row" in settings or "col" in settings:
        at = settings.get("row", 0), settings.get("col", 0)
    longer = size[0] if size and size[0] == size[1] else size  # one number is for the longer side
    return picture(Path(head), shape, at, longer, settings.get("how", "blend"))


def _box(_: str, settings: dict[str, Any], shape: tuple[int, int, int], *__: object) -> Mark:
    size = settings.get("size", (5, 5))
    place = settings.get("row", 0), settings.get("col", 0)
    return box((shape[1], shape[2]), size, *place, settings.get("value", 1.0), settings.get("how", "replace"))


def _noise(_: str, settings: dict[str, Any], shape: tuple[int, int, int], seed: int, clip: Any) -> Mark:
    scale = settings.get("r", 1.0)
    return Noise(scale).make(f"noise of {scale:g}", shape, seed, clip)


_AT: Settings = {"row": _pixels, "col": _pixels, "size": _size, "how": _how}
_KINDS: Mapping[str, tuple[Make, Settings]] = {
    "picture": (_picture, {"at": str, **_AT}),
    "box": (_box, {"value": _number, **_AT}),
    "noise": (_noise, {"r": _number}),
}
