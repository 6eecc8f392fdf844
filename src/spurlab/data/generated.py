"""Datasets that a program makes: made once, and kept in the user's cache with what they were made of."""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spurlab.data.download import place
from spurlab.data.entry import Entry
from spurlab.data.errors import DamagedDataError, DataError, DataFailureError
from spurlab.data.examples import Dataset, Examples
from spurlab.data.files import listed
from spurlab.data.npz import read_npz
from spurlab.data.places import cache_folder
from spurlab.errors import one_line

_log = logging.getLogger(__name__)

Parts = tuple[Examples, Examples]


@dataclass(frozen=True, kw_only=True)
class Generated(Entry):
    """A dataset of the table that is generated. No network is needed, so `offline` forbids nothing.

    The copy in the cache is one ``.npz`` file with the arrays, their checksums, the arguments and the generator's
    version. One that is damaged, or made of something else, is made anew. Where the cache cannot be written, the data
    are made each time.
    """

    make: Callable[[], Parts]
    arguments: Mapping[str, Any]  # what they are made with, as values of JSON
    package: str  # the distribution that has the generator

    @property
    def made_of(self) -> dict[str, Any]:
        """What decides the data."""
        return {"generator": f"{self.package} {version(self.package)}", "arguments": self.arguments}

    @property
    def folder(self) -> Path:
        return cache_folder() / self.name

    @property
    def file(self) -> str:
        return f"{self.name}.npz"

    def locate(self) -> Path | None:
        return self.folder if self.file in (listed(self.folder) or ()) else None

    def fetch(self, *, offline: bool) -> Path:
        """That folder, after the data were made if need be. Raises DataFailureError: the cache cannot be written."""
        if self._kept() is None:
            self._keep(self._made())
        return self.folder

    def load(self, *, offline: bool) -> Dataset:
        """The copy from the cache, verified by its checksums; else made, and put there if that can be done."""
        where = str(self.folder)
        if (parts := self._kept()) is None:
            parts = self._made()
            try:
                self._keep(parts)
            except DataFailureError as error:
                _log.info("%s", error)
                where = "made when it was asked for, and not kept"
        return self.dataset(*parts, where, _sha256(_arrays(parts)))

    def _made(self) -> Parts:
        _log.info("%s is generated, which takes some seconds; it is kept in %s", self.title, self.folder)
        return self.make()

    def _keep(self, parts: Parts) -> None:
        arrays: dict[str, Any] = _arrays(parts)
        about = json.dumps({"made_of": self.made_of, "sha256": _sha256(arrays)})

        def write(folder: Path) -> None:
            np.savez(folder / self.file, about=np.array(about), **arrays)

        try:
            place(write, self._read, cache_folder(), self.folder)
        except DataFailureError as error:
            why = error.__cause__ or error
            raise DataFailureError(
                f"{self.title} was made, but cannot be kept in {self.folder}: {why}. It is made again each time; make "
                f"room or give yourself the right to write there."
            ) from error

    def _kept(self) -> Parts | None:
        """What is in the cache, if it is whole and made of the same."""
        try:
            return self._read(self.folder)
        except DataError:
            return None

    def _read(self, folder: Path) -> Parts:
        """The data in a folder.

        Raises DataError: they cannot be read; :class:`DamagedDataError` where they are not whole, or of something else.
        """
        file = folder / self.file
        arrays, _ = read_npz(file, lambda _: None)
        try:
            about = json.loads(str(arrays.pop("about")))
            if about != {"made_of": self.made_of, "sha256": _sha256(arrays)}:
                raise DamagedDataError(f"{file} is damaged, or was made of something else.")
            columns = {key: torch.from_numpy(array) for key, array in arrays.items()}
            train, test = (
                Examples.of({key.removeprefix(part): array for key, array in columns.items() if key.startswith(part)})
                for part in ("train_", "test_")
            )
        except DataError:
            raise
        except Exception as error:  # whatever is missing, or other than it should be
            raise DamagedDataError(f"{file} is damaged ({one_line(str(error))}).") from error
        return train, test


def _arrays(parts: Parts) -> dict[str, np.ndarray]:
    return {
        f"{part}_{column}": tensor.numpy()
        for part, examples in zip(("train", "test"), parts, strict=True)
        for column, tensor in examples.columns.items()
    }


def _sha256(arrays: Mapping[str, np.ndarray]) -> dict[str, str]:
    return {key: hashlib.sha256(np.ascontiguousarray(array).data).hexdigest() for key, array in arrays.items()}
