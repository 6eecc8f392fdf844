"""The table of datasets, and what can be done with a name in it: locate, fetch, load."""

import os
from difflib import get_close_matches
from pathlib import Path

from spurlab.data import cifar10, fashion_mnist, mnist
from spurlab.data.download import place
from spurlab.data.entry import Entry, Layout
from spurlab.data.errors import DamagedDataError, DataFailureError, DataNotFoundError, DataRequestError
from spurlab.data.examples import Dataset, Source
from spurlab.data.places import cache_folder, candidates, missing

# A new dataset is one file and one line here. The command line, the studies and the tests walk through this table.
DATASETS: dict[str, Entry] = {
    "fashion-mini": fashion_mnist.MINI,  # comes with the package
    "fashion-mnist": fashion_mnist.ENTRY,
    "mnist": mnist.ENTRY,
    "cifar10": cifar10.ENTRY,
}


def load(name: str, *, offline: bool | None = None) -> Dataset:
    """A dataset by its name in `DATASETS`; every file is verified by its checksum each time.

    It is looked for in ``$SPURLAB_DATA``, the user's cache and the system's folders, and else downloaded to the cache.

    Args:
        name: e.g. ``fashion-mini`` (always here), ``fashion-mnist``, ``mnist``, ``cifar10``.
        offline: True forbids a download, False allows it; None: the environment variable ``SPURLAB_OFFLINE`` decides.

    Returns:
        Inputs are float32 ``n c h w`` in [0, 1] (bytes divided by 255), in the original order; labels are int64.

    Raises:
        DataNotFoundError: the files are nowhere, and a download is forbidden.
        DataRequestError: the name is unknown, or ``SPURLAB_DATA`` names no folder.
        DataFailureError: a file is damaged or unreadable, or the download failed.

    >>> data = load("fashion-mini")
    >>> len(data.train), len(data.test), data.shape, data.class_names[data.train.labels[0]]
    (10000, 2000, (1, 28, 28), 'Ankle boot')
    """
    entry = described(name)
    layout, folder = _found(entry) or _fetched(entry, offline)
    try:
        train, test, sha256 = layout.read(folder, entry)
    except DamagedDataError as error:
        get = f"Remove the damaged copy and type `spurlab data get {name}`"
        elsewhere = "set SPURLAB_DATA to a folder that has a good one"
        error.advice = "Install spurlab again." if entry.download is None else f"{get}, or {elsewhere}."
        raise
    source = Source(entry.licence, entry.origin, str(folder), sha256)
    return Dataset(entry.name, train, test, entry.class_names, (0.0, 1.0), source)


def locate(name: str) -> Path | None:
    """The folder that holds all files of a dataset, or None where none does; the files are not opened.

    Raises:
        DataRequestError: the name is unknown, or ``SPURLAB_DATA`` names no folder.
        DataFailureError: a folder cannot be read.
    """
    found = _found(described(name))
    return found[1] if found else None


def available() -> dict[str, Path | None]:
    """Every dataset by name, with the folder that holds it, or None where it would have to be downloaded.

    Raises:
        DataRequestError: ``SPURLAB_DATA`` names no folder.
        DataFailureError: a folder cannot be read.
    """
    return {name: locate(name) for name in DATASETS}


def fetch(name: str, *, offline: bool | None = None) -> Path:
    """The folder that holds a dataset; where it is nowhere yet, it is downloaded to the user's cache first.

    Behind a firewall, set ``SPURLAB_MIRROR`` to the address of a mirror that holds ``<name>/<official file name>``,
    e.g. ``mnist/train-images-idx3-ubyte.gz``, ``cifar10/cifar-10-binary.tar.gz``; with the official bytes in them.

    Raises:
        DataNotFoundError: the files are nowhere, and a download is forbidden (`offline` as in :func:`load`).
        DataRequestError: the name is unknown, or ``SPURLAB_DATA`` names no folder.
        DataFailureError: the download failed; nothing is left in the cache then.
    """
    entry = described(name)
    _, folder = _found(entry) or _fetched(entry, offline)
    return folder


def described(name: str) -> Entry:
    """The entry of a dataset: what is known before any file is opened.

    Raises:
        DataRequestError: the name is not in the table; the message names the nearest.
    """
    if name not in DATASETS:
        near = get_close_matches(name.casefold(), DATASETS, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(DATASETS)}."
        raise DataRequestError(f"there is no dataset {name!r}. {hint}")
    return DATASETS[name]


def _found(entry: Entry) -> tuple[Layout, Path] | None:
    return next(((layout, folder) for layout, folder in candidates(entry) if not missing(layout, folder)), None)


def _fetched(entry: Entry, offline: bool | None) -> tuple[Layout, Path]:
    searched = "; ".join(f"{folder} ({missing(layout, folder)})" for layout, folder in candidates(entry))
    if entry.download is None:
        raise DataFailureError(
            f"{entry.title} should be in the package, but was not found in {searched}. Install spurlab again."
        )
    if _offline() if offline is None else offline:
        raise DataNotFoundError(
            f"{entry.title} was not found, and a download is forbidden (offline). Looked in: {searched}. "
            f"Type `spurlab data get {entry.name}` where there is a network and SPURLAB_OFFLINE is not set, "
            f"or set SPURLAB_DATA to the folder that holds {entry.layouts[0].folder}."
        )
    layout = entry.layouts[0]
    target = cache_folder() / layout.folder
    try:
        place(entry.download, lambda folder: layout.read(folder, entry), cache_folder(), target)
    except DamagedDataError as error:
        error.damage = f"{entry.title} was not found in {searched}, and the download is no good: {error.damage}"
        error.advice = f"Type `spurlab data get {entry.name}` again, without SPURLAB_MIRROR if it is set."
        raise
    except DataFailureError as error:
        raise DataFailureError(f"{entry.title} was not found in {searched}. {error}") from error
    return layout, target


def _offline() -> bool:
    return os.environ.get("SPURLAB_OFFLINE", "").lower() not in ("", "0", "false", "no", "off")
