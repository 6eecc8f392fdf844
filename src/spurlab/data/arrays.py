"""A user's own arrays as a dataset, checked; and ``.npz`` files of them."""

import logging
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from spurlab.data.errors import DataRequestError
from spurlab.data.examples import MOST_CLASSES, WIDEST, Dataset, Examples, Source, checked_names, unseen_marks
from spurlab.data.files import given_path
from spurlab.data.memory import mean_of
from spurlab.data.npz import read_npz
from spurlab.errors import brief
from spurlab.seeds import rng_for

_log = logging.getLogger(__name__)

LICENCE = "not known to Spurlab: these are your own data"
COLOURS = (1, 3)  # how many channels an image may have, where its axes must be told apart
WIDE_SD = 10.0  # of inputs: a mark of size 1 hardly shows
MUCH = 0.1  # the share of negative inputs in one part that says another scale, where the other part has none
NEEDED = ("train_inputs", "train_labels", "test_inputs", "test_labels")
OPTIONAL = ("train_groups", "test_groups", "class_names")


def from_npz(path: str | Path) -> Dataset:
    """A dataset from one ``.npz`` file, as ``numpy.savez`` writes it. By name: ``load("npz:FILE")``.

    Its keys are ``train_inputs``, ``train_labels``, ``test_inputs``, ``test_labels``; where there are groups,
    ``train_groups`` and ``test_groups``; and, if wanted, ``class_names``. Nothing in the file is executed: arrays of
    Python objects are refused.

    Inputs are bytes (uint8, which are divided by 255) or floats (taken as they are): ``n d`` for vectors, ``n h w`` for
    grey images, ``n c h w`` or ``n h w c`` for images with 1 or 3 channels. Both parts are on one scale, and images on
    one where a mark of size 1 shows: [0, 1], or standardised, and not 0 to 255 as floats. Labels and groups are whole
    numbers from 0 on, one for each input; groups may be any, such as those of hospitals. Without ``class_names`` the
    classes are called by their numbers, and the training labels must have all of them.

    Returns:
        Inputs are float32 ``n d`` or ``n c h w``. The input range is (0, 1) where no input lies outside, else None. The
        source has the file's path and its sha256.

    Raises:
        DataRequestError: there is no such file, or a key is missing, unknown or holds something else; it is named. Or
            more bytes are needed than may be taken (``$SPURLAB_MAX_BYTES``).
        DataFailureError: the file cannot be read; :class:`DamagedDataError` where it is damaged.

    >>> import tempfile
    >>> images, labels = np.zeros((6, 28, 28), np.uint8), np.array([0, 1, 2, 0, 1, 2])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "mine.npz"
    ...     np.savez(file, train_inputs=images, train_labels=labels, test_inputs=images[:3], test_labels=labels[:3])
    ...     data = from_npz(file)
    >>> data.shape, data.classes, len(data.train), len(data.test)
    ((1, 28, 28), 3, 6, 3)
    """
    file = given_path(path)
    arrays, sha256 = read_npz(file, lambda keys: _check_keys(keys, file))
    parts, scales = [], Scales()
    for part in ("train", "test"):
        array, what = arrays[f"{part}_inputs"], f"{file}: key '{part}_inputs'"
        inputs = inputs_of(array, what)
        scales.add(what, inputs, array.dtype == np.uint8)
        columns = {
            column: whole_numbers(arrays[key], len(inputs), f"{file}: key '{key}'", below)
            for column, below in (("labels", MOST_CLASSES), ("groups", 2**63))
            if (key := f"{part}_{column}") in arrays
        }
        parts.append(Examples.of({"inputs": inputs, **columns}))
    class_names = None
    if "class_names" in arrays:
        names = arrays["class_names"]
        if names.ndim != 1 or names.dtype.kind != "U":
            raise DataRequestError(
                f"{file}: key 'class_names' must be a list of texts, but it is {names.dtype} of shape {names.shape}."
            )
        if len(names) > MOST_CLASSES:
            raise DataRequestError(f"{file}: key 'class_names' has {len(names):,} names; {MOST_CLASSES:,} can be.")
        letters = np.frombuffer(names.tobytes(), np.dtype("u4").newbyteorder(names.dtype.byteorder))  # unchecked
        if letters.size and letters.max() > sys.maxunicode:
            raise DataRequestError(f"{file}: key 'class_names' holds what is no text. Write it again.")
        class_names = tuple(map(str, names))
    source = Source(LICENCE, "a file of arrays", str(file), {file.name: sha256})
    where = (f"{file}: key 'train_%s'", f"{file}: key 'test_%s'")
    return assembled(f"npz:{path}", parts[0], parts[1], class_names, source, where)


def _check_keys(keys: Sequence[str] | None, file: Path) -> None:
    if keys is None:
        raise DataRequestError(f"{file} holds a single array. An .npz file with {', '.join(NEEDED)} is needed.")
    if strange := [key for key in keys if key not in NEEDED + OPTIONAL]:
        raise DataRequestError(
            f"{file} has the key {brief(strange[0])}, which means nothing here. "
            f"The keys are {', '.join(NEEDED)}, and optional {', '.join(OPTIONAL)}."
        )
    if absent := [key for key in NEEDED if key not in keys]:
        raise DataRequestError(
            f"{file} has no key {absent[0]!r}. It has {', '.join(keys) or 'none'}; needed are {', '.join(NEEDED)}."
        )


def inputs_of(array: np.ndarray, what: str) -> Float32[Tensor, "n *shape"]:
    """Bytes or floats as inputs, by the rules of :func:`from_npz`.

    Raises:
        DataRequestError: another type, number of axes or channels, nothing in an input, a value that is not finite, or
            images on a scale where no mark is seen.
    """
    if array.dtype != np.uint8 and array.dtype.kind != "f":
        raise DataRequestError(f"{what} must hold bytes (uint8) or floats, but it holds {array.dtype}.")
    if array.ndim not in (2, 3, 4):
        raise DataRequestError(
            f"{what} has inputs of shape {array.shape[1:]}; they must be d (vectors), h w (grey images), "
            f"c h w or h w c (images)."
        )
    if 0 in array.shape[1:]:
        raise DataRequestError(f"{what} has inputs of shape {array.shape[1:]}, and so there is nothing in them.")
    if array.ndim == 3:
        array = array[:, None]
    elif array.ndim == 4:
        first, last = array.shape[1] in COLOURS, array.shape[3] in COLOURS
        if first == last:
            raise DataRequestError(
                f"{what} has inputs of shape {array.shape[1:]}, and images must be c h w or h w c with "
                f"1 or 3 channels: {'both the first and' if first else 'neither the first nor'} the last axis can be c."
            )
        array = np.moveaxis(array, 3, 1) if last else array
    with np.errstate(over="ignore"):  # told below
        array = array if array.dtype == np.uint8 else array.astype(np.float32)
    inputs = scaled(torch.from_numpy(np.ascontiguousarray(array)))
    if inputs.numel() and not all(bound.isfinite() for bound in inputs.aminmax()):
        raise DataRequestError(f"{what} must be finite, but some values are NaN or infinite, or too large for float32.")
    if fault := unseen_marks(inputs):
        raise DataRequestError(f"{what} {fault}")
    return inputs


def scaled(values: Tensor) -> Float32[Tensor, "..."]:
    """Bytes divided by 255, or floats as they are; as float32."""
    return values / 255 if values.dtype == torch.uint8 else values.float().contiguous()


class Scales:
    """What is known of the scale of inputs while they are read: bytes, or floats beyond [0, 1]."""

    def __init__(self) -> None:
        self._bytes, self._floats = "", ""

    def add(self, what: str, inputs: Float32[Tensor, "..."], of_bytes: bool) -> None:
        """Some inputs; `of_bytes`: they were bytes, and have been divided by 255.

        Raises DataRequestError: some inputs so far were bytes, and others are floats beyond [0, 1].
        """
        if of_bytes:
            self._bytes = self._bytes or what
        elif not self._floats and inputs.numel():
            low, high = (float(bound) for bound in inputs.aminmax())
            self._floats = "" if 0 <= low <= high <= 1 else f"{what} holds floats that span [{low:g}, {high:g}]"
        if self._bytes and self._floats:
            raise DataRequestError(
                f"{self._bytes} holds bytes, which are divided by 255, but {self._floats}: these are two scales. Give "
                f"both as bytes, or both as floats of one scale."
            )


def checked_share(share: float, of: str) -> float:
    """The share to set aside for the test. Raises DataRequestError: it is none."""
    if not 0 < share < 1:
        raise DataRequestError(f"the share of {of} to set aside as test {of} must be between 0 and 1, not {share}.")
    return float(share)


def set_aside(n: int, share: float, *purpose: str) -> set[int]:
    """Which of n examples are for the test: at least one and not all, the same for the same purpose."""
    count = min(max(1, round(share * n)), n - 1)
    return set(torch.randperm(n, generator=rng_for(0, *purpose))[:count].tolist())


def class_order(names: Iterable[str]) -> list[str]:
    """Names of classes in alphabetical order, or by size where all are whole numbers.

    >>> class_order({"10", "9"}), class_order({"10", "9", "a"})
    (['9', '10'], ['10', '9', 'a'])
    """
    ordered = sorted(names)
    if all(re.fullmatch(r"-?\d{1,18}", name, re.ASCII) for name in ordered):
        ordered.sort(key=int)
    return ordered


def whole_numbers(array: np.ndarray, n: int, what: str, below: int) -> Int64[Tensor, " n"]:
    """Labels or groups: whole numbers from 0 on. Raises DataRequestError: they are something else, or not `n`."""
    if array.dtype.kind not in "iu":
        raise DataRequestError(f"{what} must hold whole numbers, but it holds {array.dtype}.")
    if array.shape != (n,):
        raise DataRequestError(
            f"{what} must have one number for each of the {n} inputs, but its shape is {array.shape}."
        )
    if n and int(array.min()) < 0:
        raise DataRequestError(f"{what} must count from 0, but {int(array.min())} is in it.")
    if n and (top := int(array.max())) >= below:
        raise DataRequestError(f"{what} must be below {below:,}, but {top} is in it. Number them without gaps.")
    return torch.from_numpy(array.astype(np.int64))


def assembled(
    name: str,
    train: Examples,
    test: Examples,
    class_names: Sequence[str] | None,
    source: Source,
    where: tuple[str, str] = ("the training %s", "the test %s"),
) -> Dataset:
    """Two parts as a dataset, checked against each other.

    Without class names they are the numbers of the training labels, which must be 0 to k - 1. `where` says what the
    inputs, labels and groups of both parts are called in messages; ``%s`` is the column.

    Raises DataRequestError: a part is empty, the parts differ in shape, one alone has groups, or the labels do not fit.
    """
    for part, called in zip((train, test), where, strict=True):
        if len(part) == 0:
            raise DataRequestError(f"{called % 'inputs'} are empty. At least one example is needed.")
    if train.shape != test.shape:
        raise DataRequestError(
            f"{where[1] % 'inputs'} have the shape {test.shape}, but those for training {train.shape}."
        )
    for part, other, called in ((train, test, where[0]), (test, train, where[1])):
        if part.groups is None and other.groups is not None:
            raise DataRequestError(f"{called % 'groups'} are missing: either both parts have groups or none has.")
    if class_names is None:
        counts = train.labels.bincount() if int(train.labels.max()) < len(train) else torch.zeros(1)
        if 0 in counts:
            raise DataRequestError(
                f"{where[0] % 'labels'} must be 0, 1, ..., without gaps, but {_gap(train.labels)} is not among them. "
                f"Number the classes so, or give class names."
            )
        class_names = tuple(map(str, range(len(counts))))
    class_names = checked_names(class_names, name)
    if len(class_names) < 2 or len(set(class_names)) < len(class_names):
        raise DataRequestError(
            f"{name} needs two classes or more with different names, but has {brief(list(class_names))}."
        )
    for part, called in zip((train, test), where, strict=True):
        if (top := int(part.labels.max())) >= len(class_names):
            raise DataRequestError(
                f"{called % 'labels'} must be 0 to {len(class_names) - 1}, the number of a class, but example "
                f"{int(part.labels.argmax())} has {top}."
            )
    if absent := set(range(len(class_names))) - set(test.labels.unique().tolist()):
        first = class_names[min(absent)]
        _log.warning("%s: %d of %d classes have no test examples, e.g. %r", name, len(absent), len(class_names), first)
    if train.words is not None:
        return Dataset(name, train, test, class_names, None, replace(source))
    _tell_of_scales(train.inputs, test.inputs, name)
    inside = all(0 <= float(bound) <= 1 for part in (train, test) for bound in part.inputs.aminmax())
    return Dataset(name, train, test, class_names, (0.0, 1.0) if inside else None, replace(source))


def _tell_of_scales(train: Float32[Tensor, "n *shape"], test: Float32[Tensor, "n2 *shape"], name: str) -> None:
    """Log what is probably not meant, and may be."""
    found = []
    if (sd := float(train.std(correction=0))) > WIDE_SD:
        found.append(
            f"the training inputs have the standard deviation {sd:.3g}, so a mark of size 1 hardly shows; standardise "
            "them, or scale them to [0, 1]"
        )
    for one, other, which in ((train, test, "test"), (test, train, "training")):
        low, high = one.aminmax()
        negative = mean_of(other, lambda values: values < 0)
        if 0 <= low <= high <= 1 and negative > MUCH:
            share = f"{100 * negative:.0f} % of the {which} inputs are negative"
            found.append(f"{share}, but the others lie in [0, 1]; bring both to one scale")
    means = sorted(mean_of(inputs, torch.abs) for inputs in (train, test))
    if means[1] > WIDEST * means[0] > 0:
        times = f"{means[1] / means[0]:.0f} times as large as those of the other"
        found.append(f"the inputs of one part are {times}; bring both to one scale")
    for words in found:
        _log.warning("%s: %s", name, words)


def _gap(labels: Int64[Tensor, " n"]) -> int:
    """The smallest number that is no label."""
    present = set(labels.tolist())
    return next(label for label in range(len(present) + 1) if label not in present)
