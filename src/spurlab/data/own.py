"""A user's own data by name: ``KIND:PATH``, with options after the kind, as in ``folder,32,grey:birds``."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from spurlab.data.arrays import from_npz
from spurlab.data.errors import DamagedDataError, DataRequestError
from spurlab.data.examples import Dataset
from spurlab.data.files import given_path
from spurlab.data.folder import image_folder
from spurlab.data.hugging_face import load_hugging_face
from spurlab.data.tables import table
from spurlab.data.texts import text_file

_FOLLOWED: ContextVar[bool] = ContextVar("whether paths in names are followed", default=True)


@contextmanager
def without_paths() -> Iterator[None]:
    """Meanwhile no data of the user's are opened, whatever is named: for whoever reads names in a file."""
    before = _FOLLOWED.set(False)
    try:
        yield
    finally:
        _FOLLOWED.reset(before)


@dataclass(frozen=True)
class OwnData:
    """Data that a path leads to, which starts at the current folder."""

    path: Path
    load: Callable[[], Dataset]
    remote: bool  # whether, where there is no such path, it may be had from elsewhere


class Kind(NamedTuple):
    """A kind of own data."""

    load: Callable[..., Dataset]  # from the path and the settings
    form: str  # how its name is written
    has: str  # what its options are, in words
    setting: Callable[[str], tuple[str, Any] | None]  # what an option sets; None: it is no option
    needed: tuple[str, ...] = ()  # the settings that it cannot do without
    remote: bool = False  # as of `OwnData`; `load` is told whether that is forbidden


def own_data(name: str, offline: bool = False) -> OwnData | None:
    """The data that a name with a path means, or None for other names. Nothing is looked for on disk.

    `offline`: whether a download is forbidden.

    Raises:
        DataRequestError: no path follows, or what cannot be one, or an option is unknown or lacking.

    >>> own_data("folder,28x32,grey:birds").path.name, own_data("mnist:3,7")
    ('birds', None)
    """
    head, colon, path = name.partition(":")
    called, *options = head.split(",")
    if called not in KINDS or not (colon or options):
        return None
    kind = KINDS[called]
    if not path:
        forms = [other.form for other in KINDS.values()]
        raise DataRequestError(f"{name!r} has no path. Data of your own are {', '.join(forms[:-1])} or {forms[-1]}.")
    settings: dict[str, Any] = {}
    for option in options:
        if (found := kind.setting(option)) is None:
            raise DataRequestError(f"{name!r} has the option {option!r}, but the options of {called} are {kind.has}.")
        key, value = found
        settings[key] = settings.get(key, ()) + value if key in LISTS else value
    if lacking := [key for key in kind.needed if key not in settings]:
        raise DataRequestError(f"{name!r} does not say its {lacking[0]}. It is written {kind.form}.")
    if kind.remote:
        settings["offline"] = offline
    return OwnData(given_path(path), partial(_named, name, partial(kind.load, path, **settings)), kind.remote)


LISTS = frozenset({"without", "categories"})  # settings that may stand several times
NUMBERS = frozenset({"length", "at_least"})  # settings that are whole numbers from 1 on


def _pixels(option: str) -> tuple[str, Any] | None:
    """A size or ``grey``."""
    number = re.fullmatch(r"([1-9]\d{0,4})(?:x([1-9]\d{0,4}))?", option, re.ASCII)
    if number:
        return "size", (int(number[1]), int(number[2] or number[1]))
    return ("grey", True) if option == "grey" else None


def _columns(*keys: str) -> Callable[[str], tuple[str, Any] | None]:
    """``key=value`` for some keys; a number is a share."""

    def setting(option: str) -> tuple[str, Any] | None:
        key, _, value = option.partition("=")
        if key not in keys or not value:
            return None
        share = key == "test" and re.fullmatch(r"\d*\.\d+|\d+\.?", value, re.ASCII)
        if key in NUMBERS:
            if not re.fullmatch(r"[1-9]\d{0,8}", value, re.ASCII):
                raise DataRequestError(f"`{key}` must be a whole number of words, 1 or more, but it is {value!r}.")
            return key, int(value)
        return key, (value,) if key in LISTS else float(value) if share else value

    return setting


# A new kind is one file and one line here.
KINDS: Mapping[str, Kind] = {
    "npz": Kind(from_npz, "npz:FILE", "none", lambda option: None),
    "folder": Kind(image_folder, "folder:PATH", "a size (32, or 28x32 for height and width) and grey", _pixels),
    "table": Kind(
        table,
        "table,label=COLUMN:FILE",
        "label, group, test (a share or a file), without and categories, each followed by = and a value",
        _columns("label", "group", "test", "without", "categories"),
        needed=("label",),
    ),
    "text": Kind(
        text_file,
        "text,text=COLUMN,label=COLUMN:FILE",
        "text, label, test (a share or a file), length and at_least, each followed by = and a value",
        _columns("text", "label", "test", "length", "at_least"),
        needed=("text", "label"),
    ),
    "hf": Kind(
        load_hugging_face,
        "hf:PATH",
        "a size (32, or 28x32 for height and width), grey, and image, text, label, group, test (a split or a share), "
        "length, at_least and config, each followed by = and a value",
        lambda option: (
            _pixels(option)
            or _columns("image", "text", "label", "group", "test", "length", "at_least", "config")(option)
        ),
        remote=True,
    ),
}


def _named(name: str, load: Callable[[], Dataset]) -> Dataset:
    """The dataset under the name that it was asked for. What is damaged in it is the user's to mend, as all input.

    Raises DataRequestError: the name comes from a file (`without_paths`).
    """
    if not _FOLLOWED.get():
        raise DataRequestError(f"{name!r} are data of your own, and no path is followed that a results folder names.")
    try:
        return replace(load(), name=name)
    except DamagedDataError as error:
        error.exit_code = DataRequestError.exit_code
        raise
