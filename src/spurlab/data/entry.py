"""What the table of datasets holds: an entry for each dataset, and the layouts in which its files can lie on disk."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import UInt8

from spurlab.data.errors import DamagedDataError
from spurlab.data.examples import Examples


@runtime_checkable  # for the test suite, which checks annotations
class Layout(Protocol):
    """One way in which the files of a dataset can lie in a folder, and how they are read from there."""

    @property
    def folder(self) -> str:
        """The folder's path inside a data folder; torchvision's, so that its downloads are found."""

    @property
    def files(self) -> Sequence[str]:
        """The names of the files, without a suffix of compression."""

    @property
    def suffixes(self) -> Sequence[str]:
        """The suffixes under which each file is accepted, in order of preference; "" is the plain file."""

    @property
    def sha256(self) -> Mapping[str, str]:
        """The pinned checksum of each file's uncompressed bytes, by name; empty where others are compared."""

    def read(self, folder: Path, entry: "Entry") -> tuple[Examples, Examples, Mapping[str, str]]:
        """Training examples, test examples and the verified sha256 of each file, by name.

        Raises:
            DataFailureError: a file cannot be read; :class:`DamagedDataError` where it is not what it should be.
        """


@dataclass(frozen=True)
class Description:
    """What is known of a dataset without its examples.

    Args:
        name: how it is asked for, e.g. ``fashion-mnist``.
        title: how it is called.
        licence: as far as known.
        origin: who made it, and where it is described.
        class_names: one for each class, in the order of the labels.
        shape: of one input; ``c h w`` of an image.
        sizes: the numbers of training and of test examples; None: to be counted.
    """

    name: str
    title: str
    licence: str
    origin: str
    class_names: tuple[str, ...]
    shape: tuple[int, ...]
    sizes: tuple[int, int] | None


@dataclass(frozen=True)
class Entry(Description):
    """A dataset of the table: its description, and how its files are found and read.

    Args:
        layouts: how its files can lie on disk; the first is what a download makes.
        places: folders outside the data folders that hold the files of the first layout directly.
        download: fetches the files of the first layout into an empty folder; None: the dataset comes with the package.
    """

    shape: tuple[int, int, int]
    sizes: tuple[int, int]
    layouts: tuple[Layout, ...]
    places: tuple[Path, ...] = ()
    download: Callable[[Path], None] | None = None

    def check_labels(self, labels: UInt8[np.ndarray, " n"], where: Path) -> None:
        """Every label must have a class name.

        Raises:
            DamagedDataError: one has none.
        """
        if len(labels) and (top := int(labels.max())) >= len(self.class_names):
            raise DamagedDataError(
                f"{where} has a label out of range: {top} (example {int(labels.argmax()):,}); "
                f"{self.title} has the classes 0 to {len(self.class_names) - 1}."
            )

    def examples(
        self,
        images: Sequence[UInt8[np.ndarray, "_ ..."]],
        labels: UInt8[np.ndarray, " n"],
        size: int,
        where: Path,
    ) -> Examples:
        """Images (in one or more parts) and labels as examples, with inputs in [0, 1] (the byte divided by 255).

        Raises:
            DamagedDataError: shape, counts or labels are not those of this dataset.
        """
        found = sum(len(part) for part in images)
        for part in images:
            if part.shape[1:] not in (self.shape, self.shape[1:]):
                raise DamagedDataError(
                    f"{where} holds images of shape {part.shape[1:]}; {self.title} has {self.shape}."
                )
        if found != len(labels):
            raise DamagedDataError(f"{where} holds {found:,} images, but {len(labels):,} labels.")
        if len(labels) != size:
            raise DamagedDataError(f"{where} holds {len(labels):,} images; {self.title} has {size:,} there.")
        self.check_labels(labels, where)
        inputs = torch.empty(size, *self.shape)
        start = 0
        for part in images:
            rows = inputs[start : (start := start + len(part))]
            torch.div(torch.from_numpy(part).view(len(part), *self.shape), 255, out=rows)
        return Examples(inputs, torch.from_numpy(labels.astype(np.int64)))
