"""Marks of one's own by their text: a picture, a box or noise, a spike, a sine or an offset, or one of the table."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, get_args

from spurlab.errors import InputError, did_you_mean
from spurlab.patterns.additive import Family
from spurlab.patterns.image import Noise
from spurlab.patterns.mark import Mark
from spurlab.patterns.overlay import PLACES, How, box, picture
from spurlab.patterns.table import MARKS, make_mark, pattern_name
from spurlab.patterns.waves import Offset, Sine, Spike

Asked: TypeAlias = str | Mapping[str, Any]
WAVES: Mapping[str, Any] = {"spike": Spike, "sine": Sine, "offset": Offset}  # their settings are fields
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")


def own_mark(
    asked: Asked, shape: tuple[int, ...], seed: int = 0, clip: tuple[float, float] | None = (0.0, 1.0)
) -> Mark:
    """A mark from what names it and its settings, ``key=value`` after commas, or from a table of the same.

    Args:
        asked: ``logo.png,at=top-right,size=8,how=blend``: a picture with its opacity, see `spurlab.patterns.picture`;
            instead of `at`, ``row`` and ``col`` are pixels above it and to the left of it.
            ``box,row=0,col=0,size=5x5,value=.5,how=replace``: a box of one value.
            ``noise,r=.5``: noise in [0, r) on the whole image, drawn under the seed.
            ``spike,height=4,at=12``: one feature of a signal raised, without `at` one that is drawn under the seed.
            ``sine,height=.5,period=8,phase=0`` and ``offset,height=.5``: over the whole signal.
            ``S3``: a mark of `MARKS`.
            As tables: ``{"picture": "logo.png", "at": "top-right"}``, ``{"box": [5, 5], "value": 0.5}``,
            ``{"noise": 0.5}``, ``{"spike": 4, "at": 12}``, ``{"sine": 0.5, "period": 8}``, ``{"offset": 0.5}``.
        shape: of one input.
        seed: of what is drawn.
        clip: the range of the inputs, or None.

    Raises:
        ValueError: an unknown name or setting, inputs of another kind than the mark is for, a picture that cannot be
            read, or a mark that does not fit.

    >>> own_mark("box,row=1,col=2,size=3,value=.5", (1, 28, 28)).name
    'box of 3 x 3 at row 1, column 2'
    """
    kind, head, settings = settings_of(asked)
    axes = _KINDS[kind].axes if kind in _KINDS else MARKS[pattern_name(head)].template.axes
    if len(shape) != axes and axes in _INPUTS:
        inputs = f"vectors of {shape[0]} numbers" if len(shape) == 1 else f"of shape {shape}"
        suited = [name for name, entry in MARKS.items() if entry.template.axes == len(shape)]
        raise InputError(
            f"the mark {asked!r} is for {_INPUTS[axes]}, but the inputs are {inputs}. In Python any function of the "
            f"inputs is a mark{', and ' * bool(suited)}{', '.join(suited)}{' suit them by name' * bool(suited)}."
        )
    if kind not in _KINDS:
        return make_mark(head, shape, seed, clip)
    return _KINDS[kind].make(head, settings, shape, seed, clip)


def settings_of(asked: Asked) -> tuple[str, str, dict[str, Any]]:
    """What a mark is; nothing is read.

    Args:
        asked: as of `own_mark`.

    Returns:
        ``picture``, ``box``, ``noise``, ``spike``, ``sine``, ``offset`` or, of a mark of the table, ""; the file or
        the name; and the settings.

    Raises:
        ValueError: a kind or a setting that there is not, or a value that a setting cannot have.

    >>> settings_of("logo.png,at=top,size=8"), settings_of({"box": [5, 8]}), settings_of("S3")
    (('picture', 'logo.png', {'at': 'top', 'size': (8, 8)}), ('box', 'box', {'size': (5, 8)}), ('', 'S3', {}))
    """
    kind, head, parts = _of_text(asked) if isinstance(asked, str) else _of_table(asked)
    settings: dict[str, Any] = {}
    for key, value in parts:
        known = _KINDS[kind].settings
        if key not in known:
            raise InputError(f"the mark {asked!r} has the setting {key!r}. {did_you_mean(key, known)}")
        if key in settings:
            raise InputError(f"the mark {asked!r} has the setting {key!r} twice.")
        try:
            settings[key] = known[key](value)
        except ValueError as error:
            raise InputError(f"the mark {asked!r}: {key} is {error}.") from None
    if "at" in settings and settings.keys() & {"row", "col"}:
        raise InputError(f"the mark {asked!r} has `at` beside `row` or `col`. Say its place by one of them.")
    return kind, head, settings


def place_of(settings: Mapping[str, Any]) -> str | tuple[int, int]:
    """Where a picture of these settings lies: one of `PLACES`, or pixels above it and to the left of it."""
    if "row" in settings or "col" in settings:
        return settings.get("row", 0), settings.get("col", 0)
    return str(settings.get("at", PLACES[0]))


def size_of(settings: Mapping[str, Any]) -> int | tuple[int, int] | None:
    """The size of a picture of these settings; one number is for the longer side."""
    size: tuple[int, int] | None = settings.get("size")
    return size[0] if size and size[0] == size[1] else size


def _of_text(text: str) -> tuple[str, str, list[tuple[str, str]]]:
    head, *words = (word.strip() for word in text.split(","))
    kind = "picture" if head.casefold().endswith(PICTURES) else head if head in _KINDS and head != "picture" else ""
    if head in MARKS and not words:  # as it is in the table
        kind = ""
    if words and not kind:
        known = ", ".join(name for name in _KINDS if name != "picture")
        raise InputError(f"the mark {text!r} has settings, but {head!r} is none of picture files, {known}.")
    parts = [word.partition("=") for word in words]
    if no_setting := [key for key, equals, _ in parts if not equals]:
        raise InputError(f"the mark {text!r} has {no_setting[0]!r}, but a setting is key=value, e.g. size=8.")
    return kind, head, [(key, value) for key, _, value in parts]


def _of_table(table: Mapping[str, Any]) -> tuple[str, str, list[tuple[str, str]]]:
    kinds = [key for key in table if key in _KINDS]
    if len(kinds) != 1:
        raise InputError(
            f"the mark {table!r} must be one of {', '.join(_KINDS)}: {{ picture = 'logo.png', at = 'top-right' }}, "
            "{ box = 5, value = 0.5 }, { noise = 0.5 }, { spike = 4, at = 12 }, { sine = 0.5, period = 8 } or "
            "{ offset = 0.5 }."
        )
    [kind] = kinds
    parts = [(_KINDS[kind].first if key == kind else key, _text(value)) for key, value in table.items()]
    return kind, _text(table[kind]) if kind == "picture" else kind, [part for part in parts if part[0]]


def _text(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"a number, but it is {text!r}") from None


def _pixels(text: str) -> int:
    if not re.fullmatch(r"\d{1,5}", text, re.ASCII):
        raise InputError(f"a number of pixels, but it is {text!r}")
    return int(text)


def _feature(text: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        raise InputError(f"a feature, counted from 0, but it is {text!r}")
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


class _Kind(NamedTuple):
    """How a mark is made, which setting a table says by the kind's own key ("": the file), settings, and for what."""

    make: Callable[[str, dict[str, Any], tuple[int, ...], int, tuple[float, float] | None], Mark]
    first: str
    settings: Mapping[str, Callable[[str], Any]]
    axes: int = 3


def _picture(
    head: str, settings: dict[str, Any], shape: tuple[int, ...], _: int, clip: tuple[float, float] | None
) -> Mark:
    channels, height, width = shape
    return picture(
        Path(head), (channels, height, width), place_of(settings), size_of(settings), settings.get("how", "blend"), clip
    )


def _box(_: str, settings: dict[str, Any], shape: tuple[int, ...], __: int, clip: tuple[float, float] | None) -> Mark:
    size = settings.get("size", (5, 5))
    place = settings.get("row", 0), settings.get("col", 0)
    return box((shape[1], shape[2]), size, *place, settings.get("value", 1.0), settings.get("how", "replace"), clip)


def _noise(_: str, settings: dict[str, Any], shape: tuple[int, ...], seed: int, clip: Any) -> Mark:
    scale = settings.get("r", 1.0)
    if scale <= 0:
        raise InputError(f"noise in [0, r) needs an r above 0, not {scale:g}.")
    return Noise(scale).make(f"noise of {scale:g}", shape, seed, clip)


def _wave(kind: str, settings: dict[str, Any], shape: tuple[int, ...], seed: int, clip: Any) -> Mark:
    family: Family = WAVES[kind](**settings)
    place = f" at feature {settings['at']}" if "at" in settings else ""
    others = "".join(f", {key} {settings[key]:g}" for key in ("period", "phase") if key in settings)
    height = settings.get("height", WAVES[kind].height)
    return family.make(f"{kind} of {height:g}{place}{others}", shape, seed, clip)


_INPUTS = {3: "images", 1: "signals"}
_AT: Mapping[str, Callable[[str], Any]] = {"row": _pixels, "col": _pixels, "size": _size, "how": _how}
_KINDS: Mapping[str, _Kind] = {
    "picture": _Kind(_picture, "", {"at": str, **_AT}),
    "box": _Kind(_box, "size", {"value": _number, **_AT}),
    "noise": _Kind(_noise, "r", {"r": _number}),
    "spike": _Kind(_wave, "height", {"height": _number, "at": _feature}, axes=1),
    "sine": _Kind(_wave, "height", {"height": _number, "period": _number, "phase": _number}, axes=1),
    "offset": _Kind(_wave, "height", {"height": _number}, axes=1),
}
