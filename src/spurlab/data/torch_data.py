"""Any map-style dataset of PyTorch, read once into tensors."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, Subset

from spurlab.data.arrays import LICENCE, Scales, assembled, inputs_of, scaled
from spurlab.data.errors import DataRequestError
from spurlab.data.examples import MOST_CLASSES, Dataset, Examples, Source, unseen_marks
from spurlab.data.files import check_bytes
from spurlab.data.memory import room
from spurlab.data.pixels import pixels_of
from spurlab.errors import brief


@runtime_checkable  # for the test suite, which checks annotations
class MapStyle(Protocol):
    """What has a length and items 0, 1, ...: PyTorch's map-style datasets, lists."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


def from_torch(
    train: MapStyle | Any, test: MapStyle | Any, *, class_names: Sequence[str] | None = None, name: str = "torch"
) -> Dataset:
    """A dataset from two of PyTorch's. Each item is asked for once, so random transforms are drawn once.

    Items are (input, label) or (input, label, group). An input is an image of Pillow's (grey, or converted to red,
    green and blue), an array or a tensor: bytes (uint8, which are divided by 255) or floats (taken as they are), ``d``
    for vectors, ``h w`` for grey images, ``c h w`` for images; arrays may also be ``h w c`` with 1 or 3 channels. All
    have one shape and one scale, images one where a mark of size 1 shows: [0, 1], or standardised, and not 0 to 255 as
    floats. Images of Pillow's are turned upright where they have an EXIF tag that says so. Labels are whole numbers
    0 to k - 1, groups whole numbers from 0 on.

    Args:
        train, test: the training and the test examples.
        class_names: one for each class; None: their numbers, and the training labels must have all of them.
        name: what to call it.

    Returns:
        Inputs are float32 ``n d`` or ``n c h w``. The input range is (0, 1) where no input lies outside, else None.
        Sources are the names of files where a dataset has ``samples`` or ``imgs`` (torchvision's image folders), from
        inside its ``root`` on, else the number of the item; of a ``Subset`` those of the dataset behind it. There is no
        file, so the source has no sha256; `Dataset.checksum` is that of the examples.

    Raises:
        DataRequestError: a part is a DataLoader, streamed (`IterableDataset`) or empty, or an item is something else;
            the first such item is named. Or more bytes are needed than may be taken (``$SPURLAB_MAX_BYTES``).

    >>> made = [(torch.full((1, 2, 2), i / 10), i % 2) for i in range(10)]
    >>> data = from_torch(made[:8], made[8:], class_names=("even", "odd"))
    >>> data.shape, data.train.labels.tolist(), data.input_range
    ((1, 2, 2), [0, 1, 0, 1, 0, 1, 0, 1], (0.0, 1.0))
    """
    for items in (train, test):
        _check_kind(items)
    scales = Scales()
    parts = [_examples(items, part, scales) for items, part in ((train, "training"), (test, "test"))]
    places = dict.fromkeys(str(getattr(items, "root", "memory")) for items in (train, test))
    source = Source(LICENCE, f"PyTorch's {type(train).__name__}", ", ".join(places))
    return assembled(name, parts[0], parts[1], class_names, source)


def _check_kind(items: Any) -> None:
    """Raises DataRequestError: no map-style dataset."""
    if isinstance(items, DataLoader):
        raise DataRequestError(
            "this is a DataLoader, which gives batches. Give the dataset that it loads, `loader.dataset`."
        )
    if isinstance(items, IterableDataset) or not isinstance(items, MapStyle):
        raise DataRequestError(
            f"this {type(items).__name__} has no length or no items by number, but all examples are needed at once. "
            "Read it whole, `list(dataset)`, or some of it, `list(itertools.islice(dataset, 10_000))`."
        )
    if type(items).__module__.partition(".")[0] == "datasets":
        raise DataRequestError(
            "this is a dataset of Hugging Face's, whose rows are dicts. Give it to from_hugging_face."
        )


def _examples(items: MapStyle, part: str, scales: Scales) -> Examples:
    if (n := len(items)) == 0:
        raise DataRequestError(f"the {part} set is empty. At least one example is needed.")
    labels, groups = torch.empty(n, dtype=torch.int64), torch.empty(n, dtype=torch.int64)
    for row in range(n):
        item, what = items[row], f"example {row} of the {part} set"
        if not isinstance(item, tuple | list) or len(item) not in (2, 3):
            size = f" of {len(item)}" if isinstance(item, tuple | list) else ""
            raise DataRequestError(
                f"{what} is a {type(item).__name__}{size}; it must be (input, label) or (input, label, group)."
            )
        value, of_bytes = _input(item[0], what)
        scales.add(what, value, of_bytes)
        if row == 0:
            check_bytes(4 * n * value.numel(), f"the {part} set")
            inputs, columns = room(n, *value.shape), len(item)
        if value.shape != inputs.shape[1:]:
            raise DataRequestError(
                f"{what} has the shape {tuple(value.shape)}, but the first one {tuple(inputs.shape[1:])}."
            )
        if len(item) != columns:
            raise DataRequestError(
                f"{what} has {len(item)} members, but the first one {columns}: groups for all or none."
            )
        inputs[row] = value
        labels[row] = _whole(item[1], f"the label of {what}", MOST_CLASSES)
        if columns == 3:
            groups[row] = _whole(item[2], f"the group of {what}", 2**63)
    if fault := unseen_marks(inputs):
        raise DataRequestError(f"the {part} set {fault}")
    return Examples(inputs, labels, groups if columns == 3 else None, np.array(_sources(items, range(n))))


def _sources(items: object, rows: Sequence[int]) -> list[str]:
    """Where these items came from, as far as the dataset says."""
    if isinstance(items, Subset):
        return _sources(items.dataset, [int(items.indices[row]) for row in rows])
    listed = getattr(items, "samples", getattr(items, "imgs", None))
    if isinstance(listed, Sequence) and len(listed) > max(rows) and all(_is_file(each) for each in listed):
        root, files = Path(str(getattr(items, "root", ""))), [Path(listed[row][0]) for row in rows]
        return [str(file.relative_to(root) if file.is_relative_to(root) else file) for file in files]
    return [f"row {row}" for row in rows]


def _is_file(listed: Any) -> bool:
    """Whether an entry is as torchvision lists them: a path and a label."""
    return isinstance(listed, tuple | list) and len(listed) > 0 and isinstance(listed[0], str | Path)


def _input(value: Any, what: str) -> tuple[Tensor, bool]:
    """As float32, and whether it was bytes."""
    if isinstance(value, Image.Image):
        mode = "L" if value.mode in ("1", "L", "LA") else "RGB"
        value = torch.from_numpy(np.atleast_3d(pixels_of(value, mode, what)).transpose(2, 0, 1).copy())
    if isinstance(value, np.ndarray):
        return inputs_of(value[None], what)[0], value.dtype == np.uint8
    if not isinstance(value, Tensor):
        raise DataRequestError(f"{what} is a {type(value).__name__}; it must be a tensor, an array or a Pillow image.")
    if value.dtype != torch.uint8 and not value.is_floating_point():
        raise DataRequestError(f"{what} must hold bytes (uint8) or floats, but it holds {value.dtype}.")
    if value.ndim not in (1, 2, 3):
        raise DataRequestError(f"{what} has the shape {tuple(value.shape)}; it must be d, h w or c h w.")
    if value.numel() == 0:
        raise DataRequestError(f"{what} has the shape {tuple(value.shape)}, and so there is nothing in it.")
    numbers: Tensor = scaled(value.detach().cpu())
    if numbers.numel() and not all(bound.isfinite() for bound in numbers.aminmax()):
        raise DataRequestError(f"{what} must be finite, but some values are NaN or infinite.")
    return numbers[None] if numbers.ndim == 2 else numbers, value.dtype == torch.uint8


def _whole(value: Any, what: str, below: int) -> int:
    """A whole number from 0 on: Python's, numpy's or a tensor's."""
    number = value.item() if isinstance(value, Tensor | np.ndarray) and value.ndim == 0 else value
    if isinstance(number, bool) or not isinstance(number, int | np.integer):
        raise DataRequestError(f"{what} must be a whole number, but it is {brief(value)}.")
    if number < 0:
        raise DataRequestError(f"{what} must count from 0, but it is {number}.")
    if number >= below:
        raise DataRequestError(f"{what} must be below {below:,}, but it is {number}. Number them without gaps.")
    return int(number)
