"""A user's own data by name: ``npz:FILE``, and ``folder:PATH`` with a size and ``grey`` before the colon if wanted."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from spurlab.data.arrays import from_npz
from spurlab.data.errors import DataRequestError
from spurlab.data.examples import Dataset
from spurlab.data.files import given_path
from spurlab.data.folder import image_folder

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


def own_data(name: str) -> OwnData | None:
    """The data that a name with a path means, or None for other names. Nothing is looked for on disk.

    Raises:
        DataRequestError: no path follows, or what cannot be one, or an option is unknown.

    >>> own_data("folder,28x32,grey:birds").path.name, own_data("mnist:3,7")
    ('birds', None)
    """
    head, colon, path = name.partition(":")
    kind, *options = head.split(",")
    if kind not in ("npz", "folder") or not (colon or options):
        return None
    if not path:
        raise DataRequestError(f"{name!r} has no path. Data of your own are npz:FILE or folder:PATH.")
    size = None
    for option in options:
        number = re.fullmatch(r"([1-9]\d{0,4})(?:x([1-9]\d{0,4}))?", option, re.ASCII)
        if kind == "npz" or not (number or option == "grey"):
            has = "a size (32, or 28x32 for height and width) and grey" if kind == "folder" else "none"
            raise DataRequestError(f"{name!r} has the option {option!r}, but the options of {kind} are {has}.")
        if number:
            size = int(number[1]), int(number[2] or number[1])
    folder = partial(image_folder, path, size=size, grey="grey" in options)
    return OwnData(given_path(path), partial(_named, name, partial(from_npz, path) if kind == "npz" else folder))


def _named(name: str, load: Callable[[], Dataset]) -> Dataset:
    """The dataset under the name that it was asked for.

    Raises DataRequestError: the name comes from a file (`without_paths`).
    """
    if not _FOLLOWED.get():
        raise DataRequestError(f"{name!r} are data of your own, and no path is followed that a results folder names.")
    return replace(load(), name=name)
