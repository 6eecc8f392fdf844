"""Datasets that lie on disk as files which others made: where they are looked for, and how they are read."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import UInt8

from spurlab.data.download import place
from spurlab.data.entry import Entry
from spurlab.data.errors import DamagedDataError, DataFailureError, DataNotFoundError
from spurlab.data.examples import Dataset, Examples
from spurlab.data.files import listed, pick
from spurlab.data.names import Columns, Vocabulary
from spurlab.data.places import cache_folder, given_folder


class Read(NamedTuple):
    """What was read of files."""

    train: Examples
    test: Examples
    sha256: Mapping[str, str]  # verified, of each file, by name
    names: Vocabulary | Columns | None = None  # as of `Dataset`


@dataclass(frozen=True, kw_only=True)
class Layout(ABC):
    """One way in which the files of a dataset can lie in a folder, and how they are read from there."""

    folder: str  # its path inside a data folder; torchvision's, so that its downloads are found
    sha256: Mapping[str, str]  # pinned, of each file's uncompressed bytes, by name without a suffix of compression
    suffixes: tuple[str, ...] = ("", ".gz")  # under which each file is accepted, in order of preference

    @property
    def files(self) -> tuple[str, ...]:
        return tuple(self.sha256)

    def paths(self, folder: Path) -> list[Path]:
        """Each file, under the first suffix that is there. Raises DamagedDataError: one is missing."""
        return [pick(folder, name, self.suffixes) for name in self.files]

    @abstractmethod
    def read(self, folder: Path, entry: "FilesEntry") -> Read:
        """What the files hold.

        The form of a file is looked at before its checksum: it says more.

        Raises DataFailureError: a file cannot be read; :class:`DamagedDataError` where it is not what it should be.
        """


@dataclass(frozen=True, kw_only=True)
class FilesEntry(Entry):
    """A dataset of the table that is made of files."""

    layouts: tuple[Layout, ...]  # how its files can lie on disk; the first is what a download makes
    places: tuple[Path, ...] = ()  # folders outside the data folders that hold the files of the first layout directly
    download: Callable[[Path], None] | None = None  # of the first layout into an empty folder; None: in the package

    def locate(self) -> Path | None:
        """The first folder that has all files of a layout; see :meth:`Entry.locate`."""
        found = self._found()
        return found[1] if found else None

    def fetch(self, *, offline: bool) -> Path:
        """That folder; where there is none, the one in the cache that the files are downloaded to."""
        return (self._found() or self._fetched(offline))[1]

    def load(self, *, offline: bool) -> Dataset:
        """The examples in the original order; every file is verified by its checksum."""
        layout, folder = self._found() or self._fetched(offline)
        try:
            found = layout.read(folder, self)
        except DamagedDataError as error:
            get = f"Remove the damaged copy and type `spurlab data get {self.name}`"
            elsewhere = "set SPURLAB_DATA to a folder that has a good one"
            error.advice = "Install spurlab again." if self.download is None else f"{get}, or {elsewhere}."
            raise
        return self.dataset(found.train, found.test, str(folder), found.sha256, found.names)

    def candidates(self) -> list[tuple[Layout, Path]]:
        """Every folder that may hold the dataset, with the layout to expect there; the first whole one is taken.

        They are in ``$SPURLAB_DATA``, the user's cache and the system's folders, in this order; a later layout comes
        after all places of an earlier one.
        """
        if self.download is None:
            return [(self.layouts[0], place) for place in self.places]
        roots = [root for root in (given_folder(), cache_folder()) if root is not None]
        first = self.layouts[0]
        return [
            (layout, folder)
            for layout in self.layouts
            for folder in (*(root / layout.folder for root in roots), *(self.places if layout is first else ()))
        ]

    def _found(self) -> tuple[Layout, Path] | None:
        return next(((layout, folder) for layout, folder in self.candidates() if not missing(layout, folder)), None)

    def _fetched(self, offline: bool) -> tuple[Layout, Path]:
        places = (f"{folder} ({missing(layout, folder)})" for layout, folder in self.candidates())
        searched = "; ".join(dict.fromkeys(places))  # two layouts can share a folder
        if self.download is None:
            raise DataFailureError(
                f"{self.title} should be in the package, but was not found in {searched}. Install spurlab again."
            )
        layout = self.layouts[0]
        if offline:
            raise DataNotFoundError(
                f"{self.title} was not found, and a download is forbidden (offline). Looked in: {searched}. "
                f"Type `spurlab data get {self.name}` where there is a network and SPURLAB_OFFLINE is not set, "
                f"or set SPURLAB_DATA to the folder that holds {layout.folder}."
            )
        target = cache_folder() / layout.folder
        try:
            place(self.download, lambda folder: layout.read(folder, self), cache_folder(), target)
        except DamagedDataError as error:
            error.damage = f"{self.title} was not found in {searched}, and the download is no good: {error.damage}"
            error.advice = f"Type `spurlab data get {self.name}` again, without SPURLAB_MIRROR if it is set."
            raise
        except DataFailureError as error:
            raise DataFailureError(f"{self.title} was not found in {searched}. {error}") from error
        return layout, target

    def check_labels(self, labels: UInt8[np.ndarray, " n"], where: Path) -> None:
        """Refuse a label that has no class name.

        Raises:
            DamagedDataError: there is one.
        """
        if len(labels) and (top := int(labels.max())) >= len(self.class_names):
            raise DamagedDataError(
                f"{where} has a label out of range: {top} (example {int(labels.argmax()):,}); "
                f"{self.title} has the classes 0 to {len(self.class_names) - 1}."
            )

    def examples(
        self, images: Sequence[UInt8[np.ndarray, "_ ..."]], labels: UInt8[np.ndarray, " n"], size: int, where: Path
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


def missing(layout: Layout, folder: Path) -> str:
    """Why a folder does not hold the dataset, in a few words; nothing where it does."""
    if (present := listed(folder)) is None:
        return "no such folder"
    absent = [name for name in layout.files if not any(name + suffix in present for suffix in layout.suffixes)]
    return f"{', '.join(absent)} missing" if absent else ""
