"""The two values that every other room takes: a bundle of examples, and a dataset with its origin."""

import hashlib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float32, Int64, Num
from numpy.typing import NDArray
from torch import Tensor

from spurlab.data.errors import DataRequestError
from spurlab.data.memory import mean_of
from spurlab.data.names import Columns, Vocabulary
from spurlab.data.shown import SHOWN, counted, strip, times
from spurlab.errors import InputError, brief
from spurlab.notebook import card

MOST_CLASSES = 2**20  # labels are counted up to the largest: one that is an identity number would take all memory
Kind = Literal["images", "documents", "rows", "examples"]
WIDEST = 16.0  # what inputs may span where a mark has the size 1, so that it shows


@dataclass(frozen=True, eq=False)  # eq=False: two bundles of tensors have no single truth value
class Examples:
    """Labelled examples that share their first axis; checked once, at birth, so that later code can trust them.

    Args:
        inputs: float32, finite, one row per example; images are ``c h w`` in [0, 1], or standardised. Of documents
            int64: numbers of words, 0 after the last, see `spurlab.data.Vocabulary`.
        labels: the class of each example, 0, 1, ...
        groups: optional, the group of each example (for worst-group measures): whole numbers from 0 on, with gaps or
            without, so that they can be those of hospitals or users.
        sources: optional, an array of texts: where each example came from, for people, e.g. the name of a file.
        words: of documents how many numbers of words there are, so that all are below it.

    Raises:
        TypeError: a column that is not a tensor of its type.
        ValueError: columns of different length, a negative label or group, a label that is too large for the number of
            a class, an input that is not finite, a number of a word that there is not.

    >>> examples = Examples(torch.zeros(3, 1, 2, 2), torch.tensor([0, 1, 1]))
    >>> len(examples), examples.shape, examples[examples.labels == 1].labels.tolist()
    (3, (1, 2, 2), [1, 1])
    >>> Examples(torch.tensor([[2, 5, 0]]), torch.tensor([1]), words=6).shape  # a document of two words
    (3, 6)
    """

    inputs: Num[Tensor, "n *shape"]
    labels: Int64[Tensor, " n"]
    groups: Int64[Tensor, " n"] | None = None
    sources: NDArray[Any] | None = None
    words: int | None = None

    def __post_init__(self) -> None:
        if self.sources is not None and len(self.sources) != len(self.labels):
            raise InputError(f"`sources` names {len(self.sources)} examples, but there are {len(self.labels)}.")
        for name, column in self.columns.items():
            wanted = torch.float32 if name == "inputs" and self.words is None else torch.int64
            if not isinstance(column, Tensor) or column.dtype != wanted:
                found = column.dtype if isinstance(column, Tensor) else type(column).__name__
                advice = " Numbers of words need `words`, how many there are." if wanted == torch.float32 else ""
                raise TypeError(f"`{name}` must be a tensor of {wanted}, but it is {found}.{advice}")
        rows = {name: len(column) for name, column in self.columns.items() if column.ndim > 0}
        if len(rows) < len(self.columns) or len(set(rows.values())) > 1:
            raise InputError(f"every column needs one row per example, but the row counts are {rows}.")
        for name, column in self.columns.items():
            if len(self) == 0 or column.numel() == 0:
                continue
            if column.dtype == torch.int64 and column.min() < 0:
                raise InputError(f"`{name}` must count from 0, but the smallest is {int(column.min())}.")
            if name == "inputs" and not all(bound.isfinite() for bound in column.aminmax()):
                raise InputError("`inputs` must be finite, but some values are NaN or infinite.")
            if name == "labels" and (top := int(column.max())) >= MOST_CLASSES:
                raise InputError(
                    f"`labels` must be below {MOST_CLASSES:,}, but the largest is {top}. Number the classes without "
                    f"gaps: labels.unique(return_inverse=True)[1]."
                )

        if self.words is not None and (self.inputs.ndim != 2 or not self.inputs.shape[1]):
            raise InputError(f"documents are `inputs` n l with l from 1 on, but these are {tuple(self.inputs.shape)}.")
        if self.words is not None and len(self) and (top := int(self.inputs.max())) >= self.words:
            raise InputError(f"`inputs` must be numbers of words below {self.words}, but the largest is {top}.")

    @classmethod
    def of(cls, columns: Mapping[str, Tensor], words: int | None = None) -> "Examples":
        """The examples of such columns as `columns` gives."""
        return cls(columns["inputs"], columns["labels"], columns.get("groups"), words=words)

    @property
    def columns(self) -> dict[str, Tensor]:
        """The tensors that are there, by name."""
        columns = {"inputs": self.inputs, "labels": self.labels, "groups": self.groups}
        return {name: column for name, column in columns.items() if column is not None}

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, rows: Int64[Tensor, " picked"] | Bool[Tensor, " n"] | slice) -> "Examples":
        """The chosen rows, as examples again. ``data[~forget]`` is the retained set."""
        sources = None if self.sources is None else self.sources[_on_cpu(rows)]
        picked = {name: column[rows] for name, column in self.columns.items()}
        return Examples(**picked, sources=sources, words=self.words)

    def __repr__(self) -> str:
        return f"<Examples: {self._told}, {int(self.labels.max()) + 1 if len(self) else 0} classes>"

    def _repr_html_(self) -> str:
        facts = {"inputs": self._told, "labels": counted(self.labels)}
        facts |= {"groups": counted(self.groups)} if self.groups is not None else {}
        facts |= {"sources": f"{self.source(0)}, ..."} if self.sources is not None and len(self) else {}
        captions = [f"{label}: {self.source(row)}" for row, label in enumerate(self.labels[:SHOWN].tolist())]
        return card("Examples", "", facts, strip("the first, with their labels", self.inputs[:SHOWN], captions))

    @property
    def _told(self) -> str:
        if self.words is not None:
            return f"{len(self):,} documents of up to {self.inputs.shape[1]} words"
        return f"{len(self):,} inputs of {times(self.shape)}"

    def source(self, row: int) -> str:
        """Where an example came from: as `sources` says, else its row."""
        return f"row {row}" if self.sources is None else str(self.sources[row])

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one input; of an image ``c h w``. Of a document ``l w``: a word for each of l places, of w words."""
        return (*self.inputs.shape[1:], *([] if self.words is None else [self.words]))

    @property
    def lengths(self) -> Int64[Tensor, " n"]:
        """Of each document the number of its words.

        Raises ValueError: these are no documents.
        """
        if self.words is None:
            raise InputError(f"only documents have lengths, but these inputs have the shape {self.shape}.")
        return (self.inputs != 0).sum(1)


def _on_cpu(rows: Tensor | slice) -> Any:
    return rows if isinstance(rows, slice) else rows.cpu().numpy()


def unseen_marks(inputs: Float32[Tensor, "n *shape"]) -> str:
    """What is wrong with images whose values go far beyond [0, 1] and none below, as bytes do; nothing for others.

    >>> unseen_marks(torch.rand(2, 3, 8, 8) * 2 - 1)
    ''
    """
    if inputs.ndim != 4 or len(inputs) == 0 or inputs[0, 0].numel() < 2:  # no images; a single pixel is a vector
        return ""
    low, high = (float(bound) for bound in inputs.aminmax())
    if low < 0 or high <= WIDEST:
        return ""
    by = 255 if high <= 255 else f"{high:g}"
    return (
        f"holds images whose values span [{low:g}, {high:g}], where a mark of size 1 does not show. Divide the images "
        f"of all parts by {by}, so that they lie in [0, 1]."
    )


def checked_names(names: Sequence[str], of: str) -> tuple[str, ...]:
    """The names of classes or groups.

    Raises DataRequestError: one is no text, or cannot be shown: empty, with control characters or a broken encoding.
    """
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise DataRequestError(f"{of} needs names that are texts, one for each class, but has {brief(names)}.")
    for name in names:
        if not name.strip() or any(unicodedata.category(letter) in ("Cc", "Cs") for letter in name):
            raise DataRequestError(
                f"{of} has a class or group named {brief(name)}, which is no text that can be shown. Name it otherwise."
            )
    return tuple(names)


@dataclass(frozen=True)
class Source:
    """Where a dataset came from."""

    licence: str  # as far as known
    origin: str  # who made it, and what was done to it
    location: str  # the folder in which it was found
    # of each file's uncompressed bytes, by file name or part; of each array's, where they were generated
    sha256: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training and test examples of one task.

    Args:
        input_range: the range that a pattern is clipped to, or None where inputs have no natural bounds.
        group_names: optional, one for each group. The group of an example is then label x A + attribute, where A is how
            many values the spurious attribute has: the number of groups divided by that of classes. Not part of the
            checksum.
        names: optional: the words of documents, or the columns of tables. Not part of the checksum.

    Raises:
        ValueError: train and test differ in shape or in scale, a label has no class name, a name is no text, an input
            lies outside the range, or there are names of groups but the groups are missing, or other than
            label x A + attribute.

    Training and test set need not have examples of every group: a clean test set lacks some by design.

    >>> examples = Examples(torch.zeros(4, 1, 2, 2), torch.tensor([0, 1, 0, 1]))
    >>> source = Source(licence="mine", origin="made by hand", location="memory")
    >>> data = Dataset("mine", examples, examples[:2], ("cat", "dog"), (0.0, 1.0), source)
    >>> data.shape, data.classes, data.kind
    ((1, 2, 2), 2, 'images')
    """

    name: str
    train: Examples
    test: Examples
    class_names: tuple[str, ...]
    input_range: tuple[float, float] | None
    source: Source
    group_names: tuple[str, ...] | None = None
    names: Vocabulary | Columns | None = None

    def __post_init__(self) -> None:
        if self.features is not None and self.train.shape[-1:] != (len(self.features),):
            raise InputError(
                f"{self.name}: {len(self.features)} features have names, but inputs have the shape {self.train.shape}."
            )
        if self.train.shape != self.test.shape:
            raise InputError(
                f"{self.name}: training inputs have the shape {self.train.shape}, test inputs {self.test.shape}."
            )
        for names in (self.class_names, self.group_names or ()):
            checked_names(names, self.name)
        if self.group_names is not None and (not self.group_names or len(self.group_names) % (self.classes or 1)):
            raise InputError(
                f"{self.name}: there are {len(self.group_names)} group names for {self.classes} classes. Each class "
                f"needs as many groups as the spurious attribute has values."
            )
        for part, examples in (("training", self.train), ("test", self.test)):
            if len(examples) == 0:
                continue
            if (top := int(examples.labels.max())) >= len(self.class_names):
                raise InputError(
                    f"{self.name}: a {part} label is {top}, but there are {len(self.class_names)} classes."
                )
            low, high = (float(bound) for bound in examples.inputs.aminmax())
            if self.input_range is not None and not self.input_range[0] <= low <= high <= self.input_range[1]:
                raise InputError(f"{self.name}: {part} inputs span [{low}, {high}], outside {self.input_range}.")
            self._check_groups(examples, part)
        if len(self.train) and len(self.test) and self.train.words is None:
            self._check_scales()

    def _check_scales(self) -> None:
        """One part in [0, 1], and the other's typical values far outside, is a part that was not prepared."""
        parts = {"training": self.train.inputs, "test": self.test.inputs}
        spans = {part: tuple(float(bound) for bound in inputs.aminmax()) for part, inputs in parts.items()}
        for one, other in (("training", "test"), ("test", "training")):
            (low, high), (least, most) = spans[one], spans[other]
            # outliers beyond the range of training are common; a mean beyond it is not
            if 0 <= low < high <= 1 and most > WIDEST and mean_of(parts[other], torch.abs) > 1:
                raise DataRequestError(
                    f"{self.name}: the {one} inputs span [{low:g}, {high:g}], but the {other} inputs "
                    f"[{least:g}, {most:g}]: these are two scales. Prepare both alike."
                )

    def _check_groups(self, examples: Examples, part: str) -> None:
        if self.group_names is None:
            return
        if examples.groups is None:
            raise InputError(f"{self.name}: groups have names, but the {part} examples have no groups.")
        values = len(self.group_names) // self.classes
        if (wrong := examples.groups.div(values, rounding_mode="floor") != examples.labels).any():
            row = int(wrong.nonzero()[0])
            label, group = int(examples.labels[row]), int(examples.groups[row])
            raise InputError(
                f"{self.name}: {part} example {row} has the label {label} and the group {group}, but the groups of "
                f"that class are {label * values} to {(label + 1) * values - 1} (label x {values} + attribute)."
            )

    def __repr__(self) -> str:
        return f"<Dataset {self.name!r}: {self._told}, {self.classes} classes>"

    def _repr_html_(self) -> str:
        train, classes = self.train, range(min(self.classes, SHOWN))
        found = [(train.labels == label).nonzero()[:1, 0] for label in classes]
        rows = torch.cat([torch.empty(0, dtype=torch.int64, device=train.labels.device), *found])
        captions = [self.class_names[label] for label in train.labels[rows].tolist()]
        facts = {"examples": self._told, "classes": counted(train.labels, self.class_names)}
        if self.input_range is not None:
            facts["range"] = "{:g} to {:g}".format(*self.input_range)
        if self.group_names is not None and train.groups is not None:
            facts["groups"] = counted(train.groups, self.group_names)
        if isinstance(self.names, Vocabulary):
            facts["words"] = f"{len(self.names.known):,}, the commonest: {' '.join(self.names.known[:12])}"
        facts |= {"origin": self.source.origin, "licence": self.source.licence}
        return card(
            *("Dataset", self.name, facts),
            strip("a training example of each class", train.inputs[rows], captions, self.names),
        )

    @property
    def _told(self) -> str:
        of = f"up to {self.shape[0]} words" if self.kind == "documents" else times(self.shape)
        return f"{len(self.train):,} training and {len(self.test):,} test {self.kind} of {of}"

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one input; of an image ``c h w``."""
        return self.train.shape

    @property
    def features(self) -> tuple[str, ...] | None:
        """What each number of an input is, of rows of a table; of documents the words."""
        return None if self.names is None else self.names.features

    @property
    def kind(self) -> Kind:
        """What its examples are called."""
        if self.train.words is not None:
            return "documents"
        if len(self.shape) == 3:
            return "images"
        return "rows" if isinstance(self.names, Columns) else "examples"

    @property
    def classes(self) -> int:
        """How many there are, k."""
        return len(self.class_names)

    @cached_property
    def checksum(self) -> str:
        """Of the examples themselves, wherever they came from: 16 hexadecimal digits of a sha256."""
        digest = hashlib.sha256()
        for part in (self.train, self.test):
            for column in (part.inputs, part.labels, part.groups):
                if column is not None:
                    digest.update(repr((column.dtype, tuple(column.shape))).encode())
                    digest.update(column.detach().cpu().contiguous().numpy().data)
        return digest.hexdigest()[:16]
