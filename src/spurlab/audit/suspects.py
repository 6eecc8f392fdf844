"""Training examples by name, and lists of those that may teach a mark."""

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor

from spurlab.audit.detect.shared import FEW, SharedComponent
from spurlab.data import Dataset, Examples
from spurlab.deletion import forget_mask
from spurlab.errors import InputError

SHOWN = 20  # training examples of a list


@dataclass(frozen=True)
class Suspect:
    """A training example that may teach a mark.

    Args:
        row: of the training examples.
        source: where it came from.
        label: its class.
        rank: 1 is the first.
        score: the probability that it carries the mark, or its influence on the answer to it; without one, median
            deviations above the median of its class, or the gap of the component that it shares.
        method: by which it was found.
        mark: which mark it is about; "" for one that nobody named.
        carries: whether it is likelier than not to carry the mark; None where that is not asked.
        looked_up: whether the mark itself says which examples carry it, so that none is none.
    """

    row: int
    source: str
    label: str
    rank: int
    score: float
    method: str
    mark: str = ""
    carries: bool | None = None
    looked_up: bool = False


def listed_components(shared: Sequence[SharedComponent], data: Dataset) -> list[Suspect]:
    """The training examples that share a component which the others of their class lack."""
    pairs = [(one, row) for one in shared if one.verdict == FEW for row in one.rows]
    return [
        Suspect(row, data.train.source(row), data.class_names[one.label], rank, one.gap, "shared")
        for rank, (one, row) in enumerate(pairs, 1)
    ]


def listed(
    scores: Tensor,
    data: Dataset,
    method: str,
    mark: str = "",
    have: Bool[Tensor, " n"] | None = None,
    *,
    looked_up: bool = False,
) -> list[Suspect]:
    """The first training examples by their scores; all that carry a mark."""
    order = scores.argsort(descending=True)
    most = max(SHOWN, 0 if have is None else int(have.sum()))
    return [
        Suspect(
            row,
            data.train.source(row),
            data.class_names[int(data.train.labels[row])],
            rank,
            float(scores[row]),
            method,
            mark,
            None if have is None else bool(have[row]),
            looked_up,
        )
        for rank, row in enumerate(order[:most].tolist(), 1)
    ]


def rows_of(suspects: Sequence[int | str], train: Examples, test: Examples | None = None) -> Bool[Tensor, " n"]:
    """True for the training examples that are named by their row or their file.

    Args:
        suspects: rows, ``row 17``, or files as the examples' sources have them, also with ``*`` and ``?``, or with
            folders before; one alone needs no list.
        train: n examples.
        test: by which a file of the test part is told from one that is nowhere.

    Raises:
        ValueError: there is no such example, or it is one of the test part.
    """
    mask, files = torch.zeros(len(train), dtype=torch.bool), _files(train)
    for name in [suspects] if isinstance(suspects, str) else suspects:
        text = str(name).strip()
        if text not in files and (alike := fnmatch.filter(files, text)):
            mask[[files[file] for file in alike]] = True
            continue
        if text not in files and (ends := [file for file in files if text.endswith(f"/{file}")]):
            text = max(ends, key=len)  # a path with folders before
        row = files.get(text, int(text.removeprefix("row ")) if text.removeprefix("row ").isdecimal() else -1)
        if not 0 <= row < len(train):
            what = f"there is no training example {text!r}"
            if test is not None and text in _files(test):
                what = f"{text!r} is a test example, which the network did not learn"
            raise InputError(
                f"{what}. Suspects are rows from 0 to {len(train) - 1}"
                f"{f', or files, e.g. {train.source(0)!r}' if files else ''}."
            )
        mask[row] = True
    return mask


def _files(examples: Examples) -> dict[str, int]:
    """The row of each source."""
    return {} if examples.sources is None else {str(source): row for row, source in enumerate(examples.sources)}


def mask_of(
    forget: Bool[Tensor, " n"] | Sequence[int | str] | Tensor, examples: int, data: Dataset | None = None
) -> Bool[Tensor, " n"]:
    """True for the examples to be forgotten.

    Args:
        forget: true or false for each example, or rows; of data also files.
        examples: how many there are.
        data: of which they are the training part; None: there are no files.

    Raises:
        ValueError: none, all, rows or files that are not there, or a mask of another length.
    """
    if data is not None and not isinstance(forget, Tensor) and any(isinstance(one, str) for one in forget):
        forget = rows_of(forget, data.train, data.test)
    given = torch.as_tensor(forget)
    if given.dtype == torch.bool and given.shape != (examples,):
        raise InputError(
            f"`forget` says true or false of {tuple(given.shape)} examples, but the data has {examples} for training."
        )
    rows = given.to(torch.int64) if given.numel() == 0 else given
    mask = given.clone() if given.dtype == torch.bool else forget_mask(rows, examples)
    if not bool(mask.any()):
        raise InputError("`forget` is empty: name one training example or more, by rows or true and false for each.")
    if bool(mask.all()):
        raise InputError(f"`forget` is all of {examples} training examples: nothing is left to retain.")
    return mask
