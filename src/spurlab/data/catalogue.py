"""The table of datasets, and what can be done with a name: locate, fetch, load.

A name is one of the table, e.g. ``mnist``; its first training examples, ``mnist@10000``; some classes of such a
dataset, ``mnist:3,7``; or a path to a user's own data, ``npz:FILE`` or ``folder:PATH`` (see `spurlab.data.own`). All of
these can stand in a study.
"""

import os
from difflib import get_close_matches
from pathlib import Path

from spurlab.data import cifar10, cifar100, fashion_mnist, mnist
from spurlab.data.download import place
from spurlab.data.entry import Description, Entry, Layout
from spurlab.data.errors import DamagedDataError, DataFailureError, DataNotFoundError, DataRequestError
from spurlab.data.examples import Dataset, Source
from spurlab.data.own import own_data
from spurlab.data.places import cache_folder, candidates, missing
from spurlab.data.subset import (
    class_labels,
    examples_each,
    few_name,
    few_origin,
    first_examples,
    only_classes,
    subset_name,
    subset_origin,
)

# A new dataset is one file and one line here. The command line, the studies and the tests walk through this table.
DATASETS: dict[str, Entry] = {
    "fashion-mini": fashion_mnist.MINI,  # comes with the package
    "fashion-mnist": fashion_mnist.ENTRY,
    "mnist": mnist.ENTRY,
    "cifar10": cifar10.ENTRY,
    "cifar100": cifar100.ENTRY,
    "cifar100-coarse": cifar100.COARSE,
}


def load(name: str, *, offline: bool | None = None) -> Dataset:
    """A dataset by its name. Every file of those in `DATASETS` is verified by its checksum each time.

    These are looked for in ``$SPURLAB_DATA``, the user's cache and the system's folders, and else downloaded to the
    cache. A relative path to other data starts at the current folder.

    Args:
        name: one of `DATASETS`, e.g. ``fashion-mini`` (always here); its first training examples, ``mnist@10000`` (as
            :func:`first_examples`); two or more classes of it, by number or name, e.g. ``mnist:3,7``, which become the
            labels 0, 1, ... (as :func:`only_classes`); ``npz:FILE`` (as
            :func:`from_npz`); ``folder:PATH``, ``folder,32:PATH`` or ``folder,32x48,grey:PATH`` (as
            :func:`image_folder`).
        offline: True forbids a download, False allows it; None: the environment variable ``SPURLAB_OFFLINE`` decides.

    Returns:
        Inputs are float32 ``n c h w`` in [0, 1] (bytes divided by 255), in the original order; labels are int64. Inputs
        of an ``.npz`` file can have other shapes and ranges.

    Raises:
        DataNotFoundError: the files are nowhere, and a download is forbidden.
        DataRequestError: the name is unknown or its path leads nowhere, ``SPURLAB_DATA`` names no folder, or the user's
            own data are not of the form that is needed.
        DataFailureError: a file is damaged or unreadable, or the download failed.

    >>> data = load("fashion-mini")
    >>> len(data.train), len(data.test), data.shape, data.class_names[data.train.labels[0]]
    (10000, 2000, (1, 28, 28), 'Ankle boot')
    """
    if own := own_data(name):
        return own.load()
    entry, count, labels = _parsed(name)
    layout, folder = _found(entry) or _fetched(entry, offline)
    try:
        train, test, sha256 = layout.read(folder, entry)
    except DamagedDataError as error:
        get = f"Remove the damaged copy and type `spurlab data get {entry.name}`"
        elsewhere = "set SPURLAB_DATA to a folder that has a good one"
        error.advice = "Install spurlab again." if entry.download is None else f"{get}, or {elsewhere}."
        raise
    source = Source(entry.licence, entry.origin, str(folder), sha256)
    whole = Dataset(entry.name, train, test, entry.class_names, (0.0, 1.0), source)
    few = first_examples(whole, count) if count else whole
    return only_classes(few, labels) if labels else few


def locate(name: str) -> Path | None:
    """The folder that holds all files of a dataset (or the path in its name), or None where none does.

    No file is opened.

    Raises:
        DataRequestError: the name is unknown, or ``SPURLAB_DATA`` names no folder.
        DataFailureError: a folder cannot be read.
    """
    if own := own_data(name):
        return own.path if own.path.exists() else None
    found = _found(_parsed(name)[0])
    return found[1] if found else None


def available() -> dict[str, Path | None]:
    """Every dataset by name, with the folder that holds it, or None where it would have to be downloaded.

    Raises:
        DataRequestError: ``SPURLAB_DATA`` names no folder.
        DataFailureError: a folder cannot be read.
    """
    return {name: locate(name) for name in DATASETS}


def fetch(name: str, *, offline: bool | None = None) -> Path:
    """The folder that holds a dataset (or the path in its name); where it is nowhere yet, it is downloaded first.

    Downloads go to the user's cache. Behind a firewall, set ``SPURLAB_MIRROR`` to the address of a mirror that holds
    ``<name>/<official file name>``, e.g. ``mnist/train-images-idx3-ubyte.gz``, ``cifar10/cifar-10-binary.tar.gz``;
    with the official bytes in them.

    Raises:
        DataNotFoundError: the files are nowhere, and a download is forbidden (`offline` as in :func:`load`).
        DataRequestError: the name is unknown or its path leads nowhere, or ``SPURLAB_DATA`` names no folder.
        DataFailureError: the download failed; nothing is left in the cache then.
    """
    if own := own_data(name):
        if (there := locate(name)) is None:
            raise DataRequestError(f"there is no {own.path}, and it is nothing that could be downloaded.")
        return there
    entry, *_ = _parsed(name)
    _, folder = _found(entry) or _fetched(entry, offline)
    return folder


def described(name: str) -> Description:
    """What a dataset is. Files are opened only where the name has a path: else all is known without them.

    Raises:
        DataRequestError: the name is unknown; the message has the nearest. Other errors as :func:`load`.
    """
    if own_data(name):
        data = load(name)
        sizes = len(data.train), len(data.test)
        return Description(name, name, data.source.licence, data.source.origin, data.class_names, data.shape, sizes)
    entry, count, labels = _parsed(name)
    found: Description = entry
    if count:
        found = Description(
            few_name(entry.name, count),
            f"{entry.title} ({count:,} images)",
            entry.licence,
            few_origin(count, entry.origin),
            entry.class_names,
            entry.shape,
            (count, entry.sizes[1]),
        )
    if labels:
        names = tuple(entry.class_names[label] for label in labels)
        found = Description(
            subset_name(found.name, labels),
            f"{found.title} ({', '.join(names[:-1])} and {names[-1]})",
            entry.licence,
            subset_origin(names, found.origin),
            names,
            entry.shape,
            None,
        )
    return found


def known(name: str) -> Description | None:
    """As :func:`described`, but None where no file is to be opened and nothing is known without."""
    try:
        return None if own_data(name) else described(name)
    except DataRequestError:
        return None


def dataset_named(name: str) -> str:
    """The one name for what is meant, e.g. ``fashion-mnist:5,7`` for ``fashion-mnist:Sandal,Sneaker``.

    Raises:
        DataRequestError: the name is unknown. Whether a path leads anywhere is not looked at.
    """
    return name if own_data(name) else described(name).name


def _parsed(name: str) -> tuple[Entry, int, tuple[int, ...]]:
    """The entry that a name means, how many training examples are kept and the labels of the classes; none for all."""
    whole, colon, classes = name.partition(":")
    base, at, few = whole.partition("@")
    if base not in DATASETS:
        near = get_close_matches(base.casefold(), DATASETS, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(DATASETS)}."
        if not near and {".", "/", ":"} & set(name):
            hint += " Data of your own are npz:FILE (an .npz file) or folder:PATH (images in a folder for each class)."
        raise DataRequestError(f"there is no dataset {base!r}. {hint}")
    entry = DATASETS[base]
    if at and not few.isdecimal():
        raise DataRequestError(f"{whole!r} should say after the @ how many training examples are kept: {base}@10000.")
    count = int(few) if at else 0
    if at:
        examples_each(base, count, len(entry.class_names))
    return entry, count, class_labels(entry.class_names, classes.split(","), base) if colon else ()


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
