"""Names of marks as studies keep them: a picture is known by its content, which is kept with the results."""

import hashlib
import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from spurlab.data import DataError
from spurlab.data.files import given_path
from spurlab.data.pixels import Encoded, png_of, read_picture
from spurlab.errors import InputError
from spurlab.patterns.mark import Mark
from spurlab.patterns.overlay import PLACES, laid_on
from spurlab.patterns.own import (
    NAMED,
    OF_WORDS,
    WAVES,
    Asked,
    Names,
    own_mark,
    place_of,
    settings_of,
    size_of,
    words_of,
)
from spurlab.patterns.table import MARKS, pattern_name
from spurlab.plugins import is_recorded, origin_of, qualified, unqualified

# after names of words that once were put in otherwise, so that no stored result of then is taken for theirs
ANEW = ",v2"
LARGEST = 512  # pixels a side of a picture that is kept: it stands in the record of each study
_PICTURES: dict[str, Mapping[str, Any]] = {}  # records by what `mark_named` and `mark_content` give: by content


def mark_named(asked: Asked) -> str:
    """The name that studies and rows have for a mark; a picture is read.

    That of a picture ends in a digest of its pixels, place and `how`; those of others say all their settings.

    Args:
        asked: as of `spurlab.patterns.own_mark`, or such a name.

    Raises:
        ValueError: as `own_mark`, or a picture that is too large to be kept.

    >>> mark_named("v8"), mark_named({"box": 5, "value": 0.5})
    ('S3', 'box, size=5x5, row=0, col=0, value=0.5')
    """
    if isinstance(asked, str) and (asked in _PICTURES or is_recorded("marks", asked)):
        return asked
    kind, head, settings = settings_of(asked)
    if kind in ("box", "noise", *WAVES):
        return _said(kind, settings)
    if kind in NAMED:
        words = " ".join(words_of(head)) if kind in OF_WORDS else head
        return ",".join([f"{kind}:{words}", *(f"{key}={value}" for key, value in settings.items())])
    if kind != "picture":
        return pattern_name(head)
    file = given_path(head)
    try:
        there = file.is_file()
    except OSError:  # a name that is too long, a folder that is closed
        there = False
    if not there:
        raise InputError(
            f"there is no picture {file}. Correct the path: in a study file it starts where that is, else at the "
            "current folder."
        )
    place = place_of(settings)
    record = {"picture": file.name, "at": place, "how": settings.get("how", "blend")}
    return _kept(record, file, size_of(settings))


def _said(kind: str, settings: Mapping[str, Any]) -> str:
    """The name of a box, of noise or of a wave: all its settings."""
    said: dict[str, Any]
    if kind == "box":
        height, width = settings.get("size", (5, 5))
        said = {"row": 0, "col": 0, "value": 1.0, "how": "replace", **settings, "size": f"{height}x{width}"}
        keys = ["size", "row", "col", "value", *(["how"] if said["how"] != "replace" else [])]
        return ", ".join([kind, *(f"{key}={said[key]}" for key in keys)])
    if kind == "noise":
        return f"{kind}, r={settings.get('r', 1.0)}"
    family = WAVES[kind]
    said = {"height": family.height, **({"period": family.period} if kind == "sine" else {}), **settings}
    return ", ".join([kind, *(f"{key}={said[key]}" for key in ("height", "period", "phase", "at") if key in said)])


def mark_content(name: str) -> str:
    """What keys of stored results say of a mark: its name; of a picture the digest alone, whatever its file is called;
    of one of a plug-in its package and version too, of some of words a version.

    >>> mark_content("logo.png 8x8, top right #0123456789"), mark_content("S3")
    ('picture #0123456789', 'S3')
    """
    _, of_picture, digest = name.rpartition(" #")
    named = name.startswith(tuple(f"{kind}:" for kind in NAMED))
    if name.startswith("token:") and _put_in_anew(name):
        return name + ANEW
    return f"picture #{digest}" if of_picture and not named else qualified(name, origin_of("marks", name))


def _put_in_anew(name: str) -> bool:
    """Whether words are put in otherwise than up to 0.2: several times, and not each at a place of its own."""
    words, *settings = name.split(",")
    several = any(one.startswith("times=") and one != "times=1" for one in settings)
    return several and (" " in words or "at=end" in settings or "how=replace" in settings)


def mark_record(name: str) -> str | Mapping[str, Any]:
    """What is kept of a mark so that it can be made again: its name; a picture's place, `how` and pixels."""
    return _PICTURES.get(name, name)


def mark_recorded(record: Any) -> str:
    """The name of the mark of which `mark_record` gave this. No path is followed.

    Raises:
        ValueError: it is nothing that `mark_record` gives.
    """
    if isinstance(record, str):
        if is_recorded("marks", record):
            return record
        if record not in MARKS and settings_of(record)[0] == "picture":
            raise InputError(f"the picture {record!r} was recorded without its pixels.")
        return mark_named(record)
    try:
        at = record["at"]
        if not isinstance(at, str):
            row, col = map(int, at)
            at = row, col
        about = {"picture": str(record["picture"]), "at": at, "how": str(record["how"])}
        content = Encoded(about["picture"], b64decode(record["png"], validate=True))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError("a mark was recorded that is no mark.") from error
    return _kept(about, content, None)


def make_named(
    name: str,
    shape: tuple[int, ...],
    seed: int = 0,
    clip: tuple[float, float] | None = (0.0, 1.0),
    names: Names = None,
) -> Mark:
    """The mark of a name that `mark_named` or `mark_content` gave, or of the table; no file is read.

    Args:
        name: which one.
        shape, seed, clip, names: as of `own_mark`.

    Raises:
        ValueError: as `own_mark`, or a picture that was not read in this process.
    """
    if (record := _PICTURES.get(name)) is None:
        return own_mark(mark_recorded(unqualified(name).removesuffix(ANEW)), shape, seed, clip, names)
    if len(shape) != 3:
        raise InputError(f"the mark {record['picture']} is for images, but the inputs have the shape {shape}.")
    read = read_picture(Encoded(record["picture"], b64decode(record["png"])), None, grey=shape[0] == 1)
    return laid_on(record["picture"], read, (shape[0], shape[1], shape[2]), record["at"], record["how"], clip)


def drawn_anew(name: str) -> bool:
    """Whether a mark of this name, or of what `mark_content` makes of it, is another one under each data seed."""
    name = unqualified(name)
    if is_recorded("marks", name):
        return is_recorded("random", name)
    if name in MARKS:
        return MARKS[name].random
    return name.startswith("noise,") or (name.startswith("spike,") and "at=" not in name)


def _kept(about: Mapping[str, Any], file: Path | Encoded, size: int | tuple[int, int] | None) -> str:
    """The name of a picture, of which the record is kept."""
    what, at, how = about["picture"], about["at"], about["how"]
    try:
        colours, opacity = read_picture(file, size, grey=False)
    except DataError as error:
        raise InputError(str(error)) from error
    height, width = opacity.shape
    if max(height, width) > LARGEST:
        raise InputError(
            f"the picture {what} has {height} x {width} pixels (height x width), but the most that a study keeps are "
            f"{LARGEST} x {LARGEST}. Give a size, e.g. size = 8."
        )
    laid_on(what, (colours, opacity), (3, height, width), at if isinstance(at, str) else (0, 0), how)  # checks both
    pixels = torch.cat([colours, opacity[None]]).mul(255).round().byte().numpy().tobytes()
    digest = hashlib.sha256(json.dumps([height, width, at, how]).encode() + pixels).hexdigest()[:10]
    stem = "".join(letter if letter.isprintable() else "?" for letter in what[:40])
    place = at.replace("-", " ") if at in PLACES else "row {}, column {}".format(*at)
    added = "" if how == "blend" else f", {how}"
    name = f"{stem} {height}x{width}, {place}{added} #{digest}"
    _PICTURES[name] = _PICTURES[mark_content(name)] = {**about, "png": b64encode(png_of(colours, opacity)).decode()}
    return name
