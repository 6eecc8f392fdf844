"""The table of datasets, and what can be done with a name: locate, fetch, load.

A name is one of the table, e.g. ``mnist``, where options may follow, ``coloured-mnist,p=95``; its first training
examples, ``mnist@10000``; some classes of such a dataset, ``mnist:3,7``; or a path to a user's own data, such as
``folder:PATH`` (see `KINDS` in `spurlab.data.own`). All of these can stand in a study.
"""

import os
from pathlib import Path

from spurlab.data import adult, cifar10, cifar100, coloured_mnist, fashion_mnist, mnist, mnist1d, newswire, topics
from spurlab.data.description import Description
from spurlab.data.entry import Entry
from spurlab.data.errors import DataRequestError
from spurlab.data.examples import Dataset
from spurlab.data.own import own_data
from spurlab.data.subset import class_labels, examples_each, only_classes
from spurlab.errors import did_you_mean
from spurlab.plugins import Extensible, is_recorded, of_type

# A new dataset is one file and one line here. The command line, the studies and the tests walk through this table.
DATASETS: Extensible[str, Entry] = Extensible(
    "datasets",
    {
        "fashion-mini": fashion_mnist.MINI,  # comes with the package
        "fashion-mnist": fashion_mnist.ENTRY,
        "mnist": mnist.ENTRY,
        "cifar10": cifar10.ENTRY,
        "cifar100": cifar100.ENTRY,
        "cifar100-coarse": cifar100.COARSE,
        "mnist1d": mnist1d.ENTRY,  # generated
        "adult": adult.ENTRY,
        "coloured-mnist": coloured_mnist.ENTRY,  # made from MNIST
        "topics": topics.ENTRY,  # generated documents
        "r8": newswire.R8,
        "20newsgroups": newswire.NEWSGROUPS,
        "bbc-news": newswire.BBC_NEWS,
    },
    of_type(Entry, "name"),
)


def load(name: str, *, offline: bool | None = None) -> Dataset:
    """A dataset by its name. Every file of those in `DATASETS` is verified by its checksum each time.

    These are looked for in ``$SPURLAB_DATA``, the user's cache and the system's folders, and else downloaded to the
    cache; ``mnist1d`` is generated, and kept in the cache. A relative path to other data starts at the current folder.

    Args:
        name: one of `DATASETS`, e.g. ``fashion-mini`` (always here); with its options, if it has any, e.g.
            ``coloured-mnist,p=95`` (see :class:`spurlab.data.coloured_mnist.ColouredMnist`); its first training
            examples, ``mnist@10000`` (as :func:`first_examples`); two or more classes of it, by number or name, e.g.
            ``mnist:3,7``, which become the labels 0, 1, ... (as :func:`only_classes`); ``npz:FILE`` (as
            :func:`from_npz`); ``folder:PATH``, ``folder,32:PATH`` or ``folder,32x48,grey:PATH`` (as
            :func:`image_folder`); ``table,label=income:people.csv`` (as :func:`table`);
            ``hf,64:PATH`` (as :func:`from_hugging_face`).
        offline: True forbids a download, False allows it; None: the environment variable ``SPURLAB_OFFLINE`` decides.

    Returns:
        Inputs are float32 in the original order: images ``n c h w`` in [0, 1] (bytes divided by 255), the signals of
        ``mnist1d`` and the rows of tables ``n d`` without bounds. Labels are int64. Inputs of an ``.npz`` file can
        have other shapes and ranges.

    Raises:
        DataNotFoundError: the files are nowhere, and a download is forbidden.
        DataRequestError: the name is unknown or its path leads nowhere, ``SPURLAB_DATA`` names no folder, or the user's
            own data are not of the form that is needed.
        DataFailureError: a file is damaged or unreadable, or the download failed.

    >>> data = load("fashion-mini")
    >>> len(data.train), len(data.test), data.shape, data.class_names[data.train.labels[0]]
    (10000, 2000, (1, 28, 28), 'Ankle boot')
    """
    alone = _offline() if offline is None else offline
    if own := own_data(name, alone):
        return own.load()
    entry, count, labels = _parsed(name)
    data = entry.load_first(count, offline=alone) if count else entry.load(offline=alone)
    return only_classes(data, labels) if labels else data


def locate(name: str) -> Path | None:
    """The folder that holds all files of a dataset (or the path in its name), or None where none does.

    No file is opened.

    Raises:
        DataRequestError: the name is unknown, or ``SPURLAB_DATA`` names no folder.
        DataFailureError: a folder cannot be read.

    >>> locate("fashion-mini").name
    'fashion_mini'
    """
    if own := own_data(name):
        return own.path if os.path.exists(own.path) else None  # also False for a path that is too long
    return _parsed(name)[0].locate()


def available() -> dict[str, Path | None]:
    """Every dataset by name, with the folder that holds it, or None where it would have to be downloaded or generated.

    Raises:
        DataRequestError: ``SPURLAB_DATA`` names no folder.
        DataFailureError: a folder cannot be read.

    >>> available()["fashion-mini"].name  # comes with the package
    'fashion_mini'
    """
    return {name: entry.locate() for name, entry in DATASETS.items()}


def fetch(name: str, *, offline: bool | None = None) -> Path:
    """The folder that holds a dataset (or the path in its name); where it is nowhere yet, it is downloaded first.

    What is generated is made and put there; for what is made from another dataset, that one is fetched. Downloads go to
    the user's cache. Behind a firewall, set ``SPURLAB_MIRROR`` to the address of a mirror that holds
    ``<name>/<official file name>``, e.g. ``mnist/train-images-idx3-ubyte.gz``, ``cifar10/cifar-10-binary.tar.gz``;
    with the official bytes in them.

    Raises:
        DataNotFoundError: the files are nowhere, and a download is forbidden (`offline` as in :func:`load`).
        DataRequestError: the name is unknown or its path leads nowhere, or ``SPURLAB_DATA`` names no folder.
        DataFailureError: the download failed; nothing is left in the cache then.

    >>> sorted(file.name for file in fetch("fashion-mini").glob("train-*"))
    ['train-images-idx3-ubyte.gz', 'train-labels-idx1-ubyte.gz']
    """
    if own := own_data(name):
        if (path := locate(name)) is None:
            if own.remote:
                raise DataRequestError(f"there is no {own.path} here. Load it: it is then downloaded and kept.")
            raise DataRequestError(f"there is no {own.path}, and it is nothing that could be downloaded.")
        return path
    return _parsed(name)[0].fetch(offline=_offline() if offline is None else offline)


def described(name: str) -> Description:
    """What a dataset is. Files are opened only where the name has a path: else all is known without them.

    Raises:
        DataRequestError: the name is unknown; the message has the nearest. Other errors as :func:`load`.

    >>> about = described("cifar10")  # whether or not it is here
    >>> about.sizes, about.shape, about.class_names[:2]
    ((50000, 10000), (3, 32, 32), ('airplane', 'automobile'))
    """
    if own_data(name):
        return Description.of_data(load(name))
    entry, count, labels = _parsed(name)
    found = entry.first(count) if count else entry
    return found.only(labels) if labels else found


def known(name: str) -> Description | None:
    """As :func:`described`, but None where no file is to be opened and nothing is known without.

    >>> known("mnist:3,8").class_names, known("npz:mine.npz")
    (('3', '8'), None)
    """
    try:
        return None if own_data(name) else described(name)
    except DataRequestError:
        return None


def dataset_named(name: str) -> str:
    """The one name for what is meant, e.g. ``fashion-mnist:5,7`` for ``fashion-mnist:Sandal,Sneaker``.

    Raises:
        DataRequestError: the name is unknown. Whether a path leads anywhere is not looked at.

    >>> dataset_named("fashion-mnist:Sandal,Sneaker")
    'fashion-mnist:5,7'
    """
    return name if own_data(name) or is_recorded("datasets", name) else described(name).name


def _parsed(name: str) -> tuple[Entry, int, tuple[int, ...]]:
    """The entry that a name means, how many training examples are kept and the labels of the classes; none for all."""
    whole, colon, classes = name.partition(":")
    asked, at, few = whole.partition("@")
    base, *options = asked.split(",")
    if base not in DATASETS:
        hint = _own_path(name) or did_you_mean(base, DATASETS)
        if hint.startswith("There are") and {".", "/", ":"} & set(name):
            hint += (
                " Data of your own are npz:FILE (an .npz file), folder:PATH (images in a folder for each class) or "
                "table,label=COLUMN:FILE (CSV or Parquet)."
            )
        raise DataRequestError(f"there is no dataset {base!r}. {hint}")
    entry = DATASETS[base].with_options(options) if options else DATASETS[base]
    if at and not few.isdecimal():
        raise DataRequestError(f"{whole!r} should say after the @ how many training examples are kept: {asked}@10000.")
    count = int(few) if at else 0
    if at:
        examples_each(entry.name, count, entry.balanced)
    return entry, count, class_labels(entry.class_names, classes.split(","), base) if colon else ()


def _own_path(name: str) -> str:
    """The name of the data that lie at this path, as a sentence; "" where there are none."""
    here = name if os.path.dirname(name) else os.path.join(os.curdir, name)
    if os.path.isdir(name):
        return f"For the images in the folder {here}, write {f'folder:{name}'!r}."
    if os.path.isfile(name):
        kinds = {".npz": "npz", **dict.fromkeys((".csv", ".tsv", ".parquet"), "table,label=COLUMN")}
        if kind := kinds.get(os.path.splitext(name)[1]):
            return f"For the file {here}, write {f'{kind}:{name}'!r}."
    return ""


def _offline() -> bool:
    return os.environ.get("SPURLAB_OFFLINE", "").lower() not in ("", "0", "false", "no", "off")
