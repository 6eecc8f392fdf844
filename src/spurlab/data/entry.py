"""What the table of datasets holds: a description of each dataset, and how it is come by."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from spurlab.data.description import Description
from spurlab.data.errors import DataRequestError
from spurlab.data.examples import Dataset, Examples, Source
from spurlab.data.names import Columns, Vocabulary
from spurlab.data.subset import first_examples


@dataclass(frozen=True)
class Entry(Description, ABC):
    """A dataset of the table: its description, and how it is come by. `offline`: whether a download is forbidden."""

    sizes: tuple[int, int]

    @abstractmethod
    def locate(self) -> Path | None:
        """The folder that holds it, or None where none does. No file is opened.

        Raises:
            DataRequestError: ``SPURLAB_DATA`` names no folder.
            DataFailureError: a folder cannot be read.
        """

    @abstractmethod
    def fetch(self, *, offline: bool) -> Path:
        """The folder that holds it, after it was put there if need be.

        Raises:
            DataNotFoundError: it is nowhere, and a download is forbidden.
            DataFailureError: it cannot be had, put there or read. Other errors as :meth:`locate`.
        """

    @abstractmethod
    def load(self, *, offline: bool) -> Dataset:
        """The whole dataset.

        Raises:
            DataNotFoundError: it is nowhere, and a download is forbidden.
            DataFailureError: it cannot be had or read. Other errors as :meth:`locate`.
        """

    def dataset(
        self,
        train: Examples,
        test: Examples,
        location: str,
        sha256: Mapping[str, str],
        names: Vocabulary | Columns | None = None,
    ) -> Dataset:
        """These examples as this dataset; see :class:`Source` for where they came from."""
        source = Source(self.licence, self.origin, location, sha256)
        return Dataset(self.name, train, test, self.class_names, self.input_range, source, self.group_names, names)

    def load_first(self, count: int, *, offline: bool) -> Dataset:
        """Its first training examples, as many of each of the `balanced` classes, as :func:`first_examples`."""
        return first_examples(self.load(offline=offline), count)

    @property
    def balanced(self) -> int:
        """The number of classes of which :meth:`load_first` takes as many each."""
        return len(self.class_names)

    def with_options(self, options: Sequence[str]) -> "Entry":
        """The dataset that is meant where options follow the name.

        Raises:
            DataRequestError: there is no such option.
        """
        raise DataRequestError(f"{self.name} has no options, but {','.join(options)!r} follows its name. Leave it out.")
