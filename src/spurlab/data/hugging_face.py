"""Images and texts of Hugging Face's datasets (extra ``huggingface``): of a folder here, or by a name on the Hub."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from spurlab.data.arrays import LICENCE, assembled, checked_share, class_order
from spurlab.data.errors import DataFailureError, DataNotFoundError, DataRequestError
from spurlab.data.examples import Dataset, Examples, Source
from spurlab.data.files import given_path
from spurlab.data.hugging_face_part import Part, PartImages
from spurlab.data.names import Vocabulary
from spurlab.data.pixels import height_and_width, read_images
from spurlab.data.texts import LENGTH, documents
from spurlab.errors import did_you_mean, one_line

_log = logging.getLogger(__name__)

OLDEST = 4  # of the library: before, a dataset could bring code that was run
TESTS = ("test", "validation")  # splits with test examples, where none is named
SHARE = 0.2  # of each class, set aside where there is none of these


def from_hugging_face(
    data: Any,
    *,
    image: str | None = None,
    text: str | None = None,
    label: str | None = None,
    group: str | None = None,
    size: int | tuple[int, int] | None = None,
    grey: bool = False,
    length: int = LENGTH,
    at_least: int = 1,
    tokenizer: Any = None,
    test: str | float | None = None,
    name: str = "huggingface",
) -> Dataset:
    """A dataset from one of Hugging Face's with images or texts.

    Images are read as those of :func:`image_folder`: upright, of 8 bits a channel. Texts are split into words as those
    of :func:`spurlab.data.documents`, or by a tokenizer. The classes are the names of the feature `label`; where it has
    none, its values in alphabetical order, or by size if they are whole numbers.

    Features that are not named are looked for: the one with images, else the one with texts; the one of classes. Where
    several could be meant, that with a usual name is taken. The log says which.

    Args:
        data: a ``DatasetDict`` with the split ``train``, or a single ``Dataset`` of training examples.
        image: the feature with images; None: it is looked for, unless `text` is given.
        text: the feature with texts; None: it is looked for where there are no images.
        label: the feature with the class; None: it is looked for.
        group: the feature with an attribute; a group is a class with a value of it.
        size: height and width in pixels, or one number for both; None: all images must have the same size.
        grey: convert to one channel; else to red, green and blue.
        length, at_least: of texts, as of :func:`spurlab.data.documents`; longer ones are cut.
        tokenizer: of transformers, for networks that were trained with it: the numbers of words are its own, but that
            of its padding and 0 have changed places, as `spurlab.models.arguments_for` changes them back. None: the
            vocabulary is that of the training texts.
        test: the split with test examples, or the share of each class to set aside of ``train``, always the same; None:
            ``test``, else ``validation``, else a fifth is set aside. A split whose labels are all hidden (-1) is
            passed over, and the log says so.
        name: what to call it.

    Returns:
        Inputs are float32 ``n c h w`` in [0, 1] (bytes divided by 255), or documents, int64 ``n length``. Sources are
        split and row, and the name of the file where it is known.

    Raises:
        DataRequestError: the library is not installed or older than 4.0; there is no such split or feature, or several
            that could be meant; it has other values, a label is missing, those of the named split are hidden; data that
            are streamed, or in batches; or as :func:`image_folder` and :func:`spurlab.data.documents`.
        DamagedDataError: an image is no whole image.

    >>> import datasets  # doctest: +SKIP
    >>> mine = datasets.load_dataset("imagefolder", data_dir="photos")  # doctest: +SKIP
    >>> data = from_hugging_face(mine, size=64)  # doctest: +SKIP
    """
    library = _library()
    splits = _splits(library, data, name)
    train = _whole_split(library, name, splits, "train")
    image, text, label = train.found(image, text, label)
    class_names = train.names(label)
    if (split := _test_split(library, name, splits, test, label, class_names)) is not None:
        parts = (train, split)
    else:
        share = test if isinstance(test, float | int) else SHARE
        parts = train.divided(label, class_names, checked_share(share, "images" if image else "documents"))
    attributes = class_order({value for part in parts for value in part.texts(group)}) if group else []
    names = tuple(f"{of}, {value}" for of in class_names for value in attributes) if group else None
    if image is None:
        made = _texts(name, parts, text or "", label, class_names, length, at_least, tokenizer)
        return _with_groups(made, parts, group, attributes, names)
    images = PartImages([(part, part.pictures(image)) for part in parts], image)
    inputs, _ = read_images(images, height_and_width(size), grey, "hf")
    cut = len(parts[0].rows)
    examples = [
        part.examples(some, images.names[rows], label, class_names, group, attributes)
        for part, some, rows in zip(parts, (inputs[:cut], inputs[cut:]), (slice(cut), slice(cut, None)), strict=True)
    ]
    made = assembled(name, examples[0], examples[1], class_names, Source(LICENCE, "a dataset of Hugging Face's", name))
    return replace(made, group_names=names)


def _splits(library: ModuleType, data: Any, name: str) -> Mapping[str, Any]:
    """The splits by name. Raises DataRequestError: no dataset whose rows can be asked for."""
    if isinstance(data, DataLoader):
        raise DataRequestError(
            f"{name} is a DataLoader, which gives batches. Give the dataset that it loads (`loader.dataset`): here one "
            "of Hugging Face's, to from_torch those of PyTorch."
        )
    splits: Mapping[str, Any] = data if isinstance(data, Mapping) else {"train": data}
    for split, part in splits.items():
        if isinstance(part, library.IterableDataset):
            raise DataRequestError(
                f"{name}: {split!r} is streamed (IterableDataset), but all of its rows are needed at once. Load it "
                "without streaming, or take some of them: "
                "datasets.Dataset.from_list(list(data.take(10_000)), features=data.features)."
            )
        if not isinstance(part, library.Dataset):
            raise DataRequestError(
                f"{name}: {split!r} is a {type(part).__name__}; it must be a Dataset or DatasetDict of Hugging Face's. "
                "Datasets of PyTorch go to from_torch."
            )
    return splits


def _whole_split(library: ModuleType, name: str, splits: Mapping[str, Any], split: str) -> Part:
    """All rows of a split. Raises DataRequestError: there is none of this name."""
    if split not in splits:
        raise DataRequestError(f"{name} has no split {split!r}. {did_you_mean(split, splits)}")
    return Part(library, name, split, splits[split], range(len(splits[split])))


def _test_split(
    library: ModuleType,
    name: str,
    splits: Mapping[str, Any],
    test: str | float | None,
    label: str,
    class_names: Sequence[str],
) -> Part | None:
    """The split with test examples that is named, else the first of the usual ones whose labels are known; None: none.

    Raises DataRequestError: there is no such split, or its labels are hidden.
    """
    if isinstance(test, float | int):
        return None
    hidden = list[str]()
    for split in [test] if test is not None else [split for split in TESTS if split in splits]:
        part = _whole_split(library, name, splits, split)
        if not part.is_hidden(label, class_names):
            if hidden:
                _log.warning("%s: the labels of the split %r are hidden; the test is %r.", name, hidden[0], split)
            return part
        hidden.append(split)
    if test is not None:
        raise DataRequestError(
            f"{name}: the labels of the split {test!r} are hidden (all are -1 or missing), so that no network can be "
            "judged by it. Name another split, or a share of the training examples to set aside (test=...)."
        )
    if hidden:
        _log.warning(
            "%s: the labels of the split %r are hidden; the test is a share of 'train', %g of each class, set aside.",
            name, hidden[0], SHARE,
        )  # fmt: skip
    return None


def _texts(
    name: str,
    parts: tuple[Part, Part],
    text: str,
    label: str,
    class_names: Sequence[str],
    length: int,
    at_least: int,
    tokenizer: Any,
) -> Dataset:
    """Documents of both parts."""
    read = [part.documents(text, label) for part in parts]
    first, second = ([f"{part.split}, row {row}" for row in part.rows] for part in parts)
    sources = first, second
    source = Source(LICENCE, "a dataset of Hugging Face's", name)
    if tokenizer is not None:
        return _tokenized(name, read, source, tokenizer, length, sources, class_names)
    how: dict[str, Any] = {"length": length, "at_least": at_least, "sources": sources, "class_names": class_names}
    return documents(name, read[0], read[1], source, **how)


def _with_groups(
    data: Dataset,
    parts: tuple[Part, Part],
    group: str | None,
    attributes: Sequence[str],
    names: tuple[str, ...] | None,
) -> Dataset:
    """The same with groups, if there are any."""
    if group is None:
        return data
    train, test = (
        replace(examples, groups=examples.labels * len(attributes) + part.places(group, attributes))
        for examples, part in zip((data.train, data.test), parts, strict=True)
    )
    return replace(data, train=train, test=test, group_names=names)


def _tokenized(
    name: str,
    read: Sequence[Sequence[tuple[str, str]]],
    source: Source,
    tokenizer: Any,
    length: int,
    sources: tuple[Sequence[str], Sequence[str]],
    class_names: Sequence[str],
) -> Dataset:
    """Documents of the words of a tokenizer, in whose numbers its padding and 0 have changed places."""
    if tokenizer.pad_token_id is None:
        raise DataRequestError(
            f"{name}: the tokenizer has no padding, by which short texts are filled up. Give it that of its network "
            "(tokenizer.pad_token)."
        )
    padding = int(tokenizer.pad_token_id)
    words: list[str] = list(tokenizer.convert_ids_to_tokens(range(len(tokenizer))))
    words[padding], words[0] = words[0], ""
    place, parts = {label: i for i, label in enumerate(class_names)}, list[Examples]()
    for part, whence in zip(read, sources, strict=True):
        asked = [text for text, _ in part]
        found = tokenizer(asked, truncation=True, max_length=length, padding=False)["input_ids"]
        inputs = np.zeros((len(part), length), np.int64)
        for row, numbers in zip(inputs, found, strict=True):
            row[: len(numbers)] = [{0: padding, padding: 0}.get(number, number) for number in numbers]
        labels = torch.tensor([place[label] for _, label in part], dtype=torch.int64)
        parts.append(Examples(torch.from_numpy(inputs), labels, sources=np.array(whence), words=len(words)))
    counts: list[int] = parts[0].inputs.flatten().bincount(minlength=len(words)).tolist()
    made = assembled(name, parts[0], parts[1], class_names, source)
    return replace(made, names=Vocabulary(tuple(words), (0, *counts[1:])))


def load_hugging_face(path: str, *, config: str | None = None, offline: bool = False, **settings: Any) -> Dataset:
    """The same by the path of a folder or file here, else by a name on the Hub; code in a dataset is never run.

    Args:
        path: a folder that ``save_to_disk`` wrote or the library can read (images, Parquet), or a name.
        config: which configuration, where there are several.
        offline: True forbids to ask the Hub.
        settings: of :func:`from_hugging_face`.

    Raises:
        DataNotFoundError: there is no such path, and the Hub may not be asked.
        DataFailureError: it cannot be read, or not be had from the Hub. Other errors as :func:`from_hugging_face`.
    """
    library, place = _library(), given_path(path)
    forms = getattr(library.packaged_modules, "_PACKAGED_DATASETS_MODULES", ("pandas",))  # builders, not datasets
    if not place.exists() and path in forms:
        raise DataRequestError(
            f"{path!r} is no dataset but a form of files, some of which run code when they are read. Name a folder."
        )
    if offline and not place.exists():
        raise DataNotFoundError(
            f"there is no folder {path}, and to look for a dataset of that name on the Hub is forbidden (offline). "
            "Correct the path, or allow it."
        )
    with _quiet(library):
        try:
            if any((place / file).is_file() for file in ("dataset_dict.json", "state.json")):
                data = library.load_from_disk(str(place))
            else:
                data = library.load_dataset(str(place) if place.exists() else path, config)
        except Exception as error:  # the library raises whatever a broken folder or the network leads it to
            what = f"the dataset {path} of Hugging Face's cannot be read: {one_line(str(error)).rstrip('.')}."
            if place.exists():
                raise DataFailureError(f"{what} Write it again, or give the split or configuration.") from error
            raise DataFailureError(
                f"{what} There is no such folder here, so it was looked for on the Hub: correct the path or name, or "
                "try it where there is a network."
            ) from error
    return from_hugging_face(data, name=path, **settings)


def _library() -> ModuleType:
    try:
        import datasets  # noqa: PLC0415  # an extra, and slow to import
    except ImportError:
        raise DataRequestError(
            "Hugging Face's datasets need their library, which is not installed: pip install 'spurlab[huggingface]'."
        ) from None
    if int(datasets.__version__.split(".")[0]) < OLDEST:
        raise DataRequestError(
            f"Hugging Face's library datasets is version {datasets.__version__}, which runs code of datasets. Install "
            f"{OLDEST}.0 or newer."
        )
    module: ModuleType = datasets
    return module


@contextmanager
def _quiet(library: ModuleType) -> Iterator[None]:
    """Without the progress bars of the library, which stand among ours."""
    shown = not library.are_progress_bars_disabled()
    library.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            library.enable_progress_bars()
