"""The two values that every other room takes: a bundle of examples, and a dataset with its origin."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor


@dataclass(frozen=True, eq=False)  # eq=False: two bundles of tensors have no single truth value
class Examples:
    """Labelled examples that share their first axis; checked once, at birth, so that later code can trust them.

    Args:
        inputs: float32, finite, one row per example; images are ``c h w`` in [0, 1].
        labels: the class of each example, 0, 1, ...
        groups: optional, the group of each example, 0, 1, ... (for worst-group measures).

    Raises:
        TypeError: a column that is not a tensor of its type.
        ValueError: columns of different length, a negative label or group, an input that is not finite.

    >>> examples = Examples(torch.zeros(3, 1, 2, 2), torch.tensor([0, 1, 1]))
    >>> len(examples), examples.shape, examples[examples.labels == 1].labels.tolist()
    (3, (1, 2, 2), [1, 1])
    """

    inputs: Float32[Tensor, "n *shape"]
    labels: Int64[Tensor, " n"]
    groups: Int64[Tensor, " n"] | None = None

    def __post_init__(self) -> None:
        for name, column in self._columns().items():
            wanted = torch.float32 if name == "inputs" else torch.int64
            if not isinstance(column, Tensor) or column.dtype != wanted:
                found = column.dtype if isinstance(column, Tensor) else type(column).__name__
                raise TypeError(f"`{name}` must be a tensor of {wanted}, but it is {found}.")
        rows = {name: len(column) for name, column in self._columns().items() if column.ndim > 0}
        if len(rows) < len(self._columns()) or len(set(rows.values())) > 1:
            raise ValueError(f"every column needs one row per example, but the row counts are {rows}.")
        for name, column in self._columns().items():
            if len(self) == 0 or column.numel() == 0:
                continue
            if name != "inputs" and column.min() < 0:
                raise ValueError(f"`{name}` must count from 0, but the smallest is {int(column.min())}.")
            if name == "inputs" and not all(bound.isfinite() for bound in column.aminmax()):
                raise ValueError("`inputs` must be finite, but some values are NaN or infinite.")

    def _columns(self) -> dict[str, Tensor]:
        return {name: column for name, column in vars(self).items() if column is not None}

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, rows: Int64[Tensor, " picked"] | Bool[Tensor, " n"] | slice) -> "Examples":
        """The chosen rows, as examples again. ``data[~forget]`` is the retained set."""
        return Examples(**{name: column[rows] for name, column in self._columns().items()})

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one input."""
        return tuple(self.inputs.shape[1:])


@dataclass(frozen=True)
class Source:
    """Where a dataset came from.

    Args:
        licence: as far as known.
        origin: who made it, and what was done to it.
        location: the folder in which it was found.
        sha256: of each file's uncompressed bytes, by file name; of each array's, where they were generated.
    """

    licence: str
    origin: str
    location: str
    sha256: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training and test examples of one task.

    Args:
        input_range: the range that a pattern is clipped to, or None where inputs have no natural bounds.
        group_names: optional, one for each group. The group of an example is then label x A + attribute, where A is how
            many values the spurious attribute has: the number of groups divided by that of classes. Not part of the
            checksum.

    Raises:
        ValueError: train and test differ in shape, a label has no class name, an input lies outside the range, or there
            are names of groups but the groups are missing, or other than label x A + attribute.

    Training and test set need not have examples of every group: a clean test set lacks some by design.
    """

    name: str
    train: Examples
    test: Examples
    class_names: tuple[str, ...]
    input_range: tuple[float, float] | None
    source: Source
    group_names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.train.shape != self.test.shape:
            raise ValueError(
                f"{self.name}: training inputs have the shape {self.train.shape}, test inputs {self.test.shape}."
            )
        if self.group_names is not None and (not self.group_names or len(self.group_names) % (self.classes or 1)):
            raise ValueError(
                f"{self.name}: there are {len(self.group_names)} group names for {self.classes} classes. Each class "
                f"needs as many groups as the spurious attribute has values."
            )
        for part, examples in (("training", self.train), ("test", self.test)):
            if len(examples) == 0:
                continue
            if (top := int(examples.labels.max())) >= len(self.class_names):
                raise ValueError(
                    f"{self.name}: a {part} label is {top}, but there are {len(self.class_names)} classes."
                )
            low, high = (float(bound) for bound in examples.inputs.aminmax())
            if self.input_range is not None and not self.input_range[0] <= low <= high <= self.input_range[1]:
                raise ValueError(f"{self.name}: {part} inputs span [{low}, {high}], outside {self.input_range}.")
            self._check_groups(examples, part)

    def _check_groups(self, examples: Examples, part: str) -> None:
        if self.group_names is None:
            return
        if examples.groups is None:
            raise ValueError(f"{self.name}: groups have names, but the {part} examples have no groups.")
        values = len(self.group_names) // self.classes
        if (wrong := examples.groups.div(values, rounding_mode="floor") != examples.labels).any():
            row = int(wrong.nonzero()[0])
            label, group = int(examples.labels[row]), int(examples.groups[row])
            raise ValueError(
                f"{self.name}: {part} example {row} has the label {label} and the group {group}, but the groups of "
                f"that class are {label * values} to {(label + 1) * values - 1} (label x {values} + attribute)."
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one input."""
        return self.train.shape

    @property
    def classes(self) -> int:
        """The number of classes, k."""
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
