"""Images of Hugging Face's datasets (the extra ``huggingface``): of a folder here, or by a name on the Hub."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from spurlab.data.arrays import LICENCE, assembled, checked_share, class_order, set_aside
from spurlab.data.errors import DataFailureError, DataNotFoundError, DataRequestError
from spurlab.data.examples import Dataset, Examples, Source
from spurlab.data.files import given_path
from spurlab.data.pixels import Encoded, height_and_width, read_images
from spurlab.errors import brief, did_you_mean, one_line

OLDEST = 4  # of the library: before, a dataset could bring code that was run
TESTS = ("test", "validation")  # splits with test examples, where none is named
SHARE = 0.2  # of each class, set aside where there is none of these


def from_hugging_face(
    data: Any,
    *,
    image: str = "image",
    label: str = "label",
    group: str | None = None,
    size: int | tuple[int, int] | None = None,
    grey: bool = False,
    test: str | float | None = None,
    name: str = "huggingface",
) -> Dataset:
    """A dataset from one of Hugging Face's with images.

    Images are read as those of :func:`image_folder`: upright, of 8 bits a channel. The classes are the names of the
    feature `label`; where it has none, its values in alphabetical order, or by size if they are whole numbers.

    Args:
        data: a ``DatasetDict`` with the split ``train``, or a single ``Dataset`` of training examples.
        image: the feature with images.
        label: the feature with the class.
        group: the feature with an attribute; a group is a class with a value of it.
        size: height and width in pixels, or one number for both; None: all images must have the same size.
        grey: convert to one channel; else to red, green and blue.
        test: the split with test examples, or the share of each class to set aside of ``train``, always the same; None:
            ``test``, else ``validation``, else a fifth is set aside.
        name: what to call it.

    Returns:
        Inputs are float32 ``n c h w`` in [0, 1] (bytes divided by 255). Sources are split and row, and the name of the
        file where it is known.

    Raises:
        DataRequestError: the library is not installed or older than 4.0; there is no such split or feature, it has
            other values, a label is missing; or as :func:`image_folder`.
        DamagedDataError: an image is no whole image.

    >>> import datasets  # doctest: +SKIP
    >>> mine = datasets.load_dataset("imagefolder", data_dir="photos")  # doctest: +SKIP
    >>> data = from_hugging_face(mine, size=64)  # doctest: +SKIP
    """
    library = _library()
    splits: Mapping[str, Any] = data if isinstance(data, Mapping) else {"train": data}
    if test is None:
        test = next((split for split in TESTS if split in splits), SHARE)
    for split in ("train", *([test] if isinstance(test, str) else [])):
        if split not in splits:
            raise DataRequestError(f"{name} has no split {split!r}. {did_you_mean(split, splits)}")
    train = _Part(library, name, "train", splits["train"], range(len(splits["train"])))
    class_names = train.names(label)
    if isinstance(test, str):
        parts = (train, _Part(library, name, test, splits[test], range(len(splits[test]))))
    else:
        parts = train.divided(label, class_names, checked_share(test, "images"))
    attributes = class_order({value for part in parts for value in part.texts(group)}) if group else []
    images = _Images([(part, part.pictures(image)) for part in parts], image)
    inputs, _ = read_images(images, height_and_width(size), grey, "hf")
    cut = len(parts[0].rows)
    examples = [
        part.examples(some, images.names[rows], label, class_names, group, attributes)
        for part, some, rows in zip(parts, (inputs[:cut], inputs[cut:]), (slice(cut), slice(cut, None)), strict=True)
    ]
    made = assembled(name, examples[0], examples[1], class_names, Source(LICENCE, "a dataset of Hugging Face's", name))
    names = tuple(f"{of}, {value}" for of in class_names for value in attributes) if group else None
    return replace(made, group_names=names)


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


@dataclass(frozen=True, eq=False)
class _Part:
    """Rows of a split.

    Args:
        library: Hugging Face's.
        name: of the dataset.
        split: its name.
        data: the split.
        rows: for training or test.
    """

    library: ModuleType
    name: str
    split: str
    data: Any
    rows: Sequence[int]

    def feature(self, column: str) -> Any:
        """What a column holds. Raises DataRequestError: there is none of this name."""
        if column not in self.data.features:
            raise DataRequestError(f"{self.name} has no feature {column!r}. {did_you_mean(column, self.data.features)}")
        return self.data.features[column]

    def where(self, row: int) -> str:
        """How a row is called in messages."""
        return f"{self.name}, {self.split}, row {row}"

    def texts(self, column: str) -> list[str]:
        """The values of a column as texts; those with names by name. Raises DataRequestError: one is missing."""
        feature = self.feature(column)
        values = self.data.with_format(None).select_columns([column])[:][column]
        named, found = isinstance(feature, self.library.ClassLabel), []
        for row in self.rows:
            value = values[row]
            if value is None or (named and value < 0):
                raise DataRequestError(
                    f"{self.where(row)} has no {column!r}. Take such rows out, or name another split (test=...)."
                )
            if not isinstance(value, str | int):
                raise DataRequestError(
                    f"{self.where(row)}: {column!r} is {brief(value)}, but it must be a class: a name or whole number."
                )
            found.append(feature.int2str(value) if named else str(value))
        return found

    def names(self, label: str) -> list[str]:
        """Those of the classes."""
        feature = self.feature(label)
        return (
            list(feature.names) if isinstance(feature, self.library.ClassLabel) else class_order(set(self.texts(label)))
        )

    def places(self, column: str, values: Sequence[str]) -> Tensor:
        """The place of each row's value among all. Raises DataRequestError: it is not among them."""
        place, found = {value: i for i, value in enumerate(values)}, self.texts(column)
        for row, value in zip(self.rows, found, strict=True):
            if value not in place:
                raise DataRequestError(
                    f"{self.where(row)}: {column!r} is {brief(value)}, but the classes of the training rows are "
                    f"{', '.join(values[:10])}{' and others' if len(values) > 10 else ''}."
                )
        return torch.tensor([place[value] for value in found], dtype=torch.int64)

    def divided(self, label: str, class_names: Sequence[str], share: float) -> tuple["_Part", "_Part"]:
        """The rows for training and for test."""
        labels, aside = self.places(label, class_names), set[int]()
        for number, name in enumerate(class_names):
            own = (labels == number).nonzero().squeeze(1).tolist()
            if len(own) < 2:
                raise DataRequestError(
                    f"{self.name} has {len(own)} images of the class {brief(name)}, and one must be set aside for the "
                    "test. Name a split with test examples (test=...)."
                )
            aside |= {own[place] for place in set_aside(len(own), share, "test images", name)}
        kept = [row for row in self.rows if row not in aside]
        return replace(self, rows=kept), replace(self, rows=sorted(aside))

    def pictures(self, image: str) -> Any:
        """The rows with their images as files."""
        if not isinstance(feature := self.feature(image), self.library.Image):
            raise DataRequestError(
                f"{self.name}: the feature {image!r} holds {type(feature).__name__}, no images. Name another "
                "(image=...), or give tensors to from_torch."
            )
        encoded = self.data.with_format(None).select_columns([image])
        return encoded.cast_column(image, self.library.Image(decode=False))

    def examples(
        self,
        inputs: Float32[Tensor, "n c h w"],
        names: list[str],
        label: str,
        class_names: Sequence[str],
        group: str | None,
        attributes: Sequence[str],
    ) -> Examples:
        """With split, row and file of each; a group is label x A + attribute."""
        labels = self.places(label, class_names)
        groups = labels * len(attributes) + self.places(group, attributes) if group else None
        return Examples(inputs, labels, groups, np.array(names))


class _Images(Sequence[Encoded]):
    """The image files of some parts, each read when it is asked for; their names are known from then on."""

    def __init__(self, parts: Sequence[tuple[_Part, Any]], image: str) -> None:
        self._image = image
        self._rows = [(part, pictures, row) for part, pictures in parts for row in part.rows]
        self.names = [f"{part.split}, row {row}" for part, _, row in self._rows]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        part, pictures, row = self._rows[place]
        found = pictures[row][self._image]
        if found is None or not (found["bytes"] or found["path"]):
            raise DataRequestError(f"{part.where(row)} has no image. Take such rows out.")
        if found["path"]:
            self.names[place] = f"{part.split}, row {row} ({Path(found['path']).name})"
        return Encoded(f"{part.name}, {self.names[place]}", found["bytes"]) if found["bytes"] else Path(found["path"])
