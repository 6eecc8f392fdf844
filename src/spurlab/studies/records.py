"""The studies that were run in a results folder: what was asked, of which data, by which command and when."""

import json
import logging
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from spurlab.plugins import closed, recorded
from spurlab.studies.database import Database, StoreError, digest, named
from spurlab.studies.errors import sentence_of
from spurlab.studies.study import Study

log = logging.getLogger(__name__)

STUDY = "SELECT * FROM study ORDER BY name, started, settings"


class Record(NamedTuple):
    """A study that was run in this folder: its settings, the checksums of its data sets, how and when."""

    name: str
    settings: str
    data: Mapping[str, str]
    command: str
    started: str


class Records(Database):
    """The table ``study``. A record that is damaged is told, and does not keep the others from being read."""

    def record(self, record: Record, instead_of: Iterable[Record] = ()) -> None:
        """Remember that a study is run here.

        Args:
            record: the study. Where one of its name and settings is there, that keeps the time of its first start.
            instead_of: other records that it makes superfluous, and whose first start it takes over; results stay.
        """
        instead_of = list(instead_of)
        first = min([record.started, *(old.started for old in instead_of)])
        row = record._replace(data=json.dumps(record.data), started=first)  # type: ignore[arg-type]
        with self._transaction() as connection:
            connection.execute(
                "INSERT INTO study VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT DO UPDATE SET data = excluded.data, command = excluded.command",
                row,
            )
            for old in instead_of:
                connection.execute("DELETE FROM study WHERE name = ? AND settings = ?", (old.name, old.settings))
            self._seal_studies()

    def records(self) -> list[Record]:
        """The studies that were run here, by name; one whose record is damaged is passed over, with a warning.

        Raises:
            StoreError: the records of all are damaged.
        """
        whole, damaged = self._studies()
        if damaged:
            why = (
                f"the record of {named(damaged)} in {self._path} is damaged. Restore the file from a copy, or run the "
                "study again in this folder: what was measured is there, and is not made again."
            )
            if not whole:
                raise StoreError(why)
            log.warning("%s: passed over, %s", self.folder, why)
        return [Record(name, settings, json.loads(data), *rest) for name, settings, data, *rest in whole]

    def forget_damaged_records(self) -> None:
        """Take out the records of studies that are damaged, with a warning: they would keep the others from being read.

        Raises:
            StoreError: the store cannot be written.
        """
        if not self._studies()[1]:
            return
        with self._transaction() as connection:
            whole, damaged = self._studies()
            connection.execute("DELETE FROM study")
            connection.executemany("INSERT INTO study VALUES (?, ?, ?, ?, ?)", whole)
            self._seal_studies()
        log.warning("the record of %s in %s was damaged and is taken out; numbers stay.", named(damaged), self._path)

    def _studies(self) -> tuple[list[tuple[str, ...]], list[object]]:
        """The rows of the table that are whole, and the names of the others."""
        with self._moment():
            rows, sums = self._rows(STUDY), self._sums("study")
        records = {digest(row[:2]).hex(): row for row in rows if _is_record(row)}
        whole = [row for key, row in records.items() if self._version == 1 or sums.get(key) == digest(row)]
        lost = len(sums.keys() - records.keys())
        damaged: list[object] = [row[0] for row in rows if row not in whole]
        return whole, damaged or ["a study that is lost"] * lost

    def _seal_studies(self) -> None:
        """Write the checksums of the table as it is; what is malformed gets none."""
        self._connection.execute("DELETE FROM checksum WHERE kind = 'study'")
        rows = (row for row in self._rows(STUDY) if _is_record(row))
        self._put_sums("study", ((digest(row[:2]).hex(), digest(row)) for row in rows))


def _is_record(row: tuple[Any, ...]) -> bool:
    """Whether a row is one that `Records.record` writes."""
    if not all(type(column) is str for column in row):
        return False
    try:
        _, data = json.loads(row[1]), json.loads(row[2])
    except (ValueError, RecursionError):
        return False
    return isinstance(data, dict) and all(isinstance(checksum, str) for checksum in data.values())


def study_of(record: Record) -> Study:
    """The study that was recorded.

    Raises:
        StoreError: it has settings that this version does not know, or lacks the checksum of a data set.
    """
    try:
        with closed(), recorded(record.data):
            study = Study.model_validate_json(record.settings)
    except ValidationError as error:
        raise StoreError(
            f"the study {record.name!r} was recorded with settings that this version does not know: "
            f"{sentence_of(error)} Read it with the version that wrote it."
        ) from error
    if lacking := [name for name in study.axis("dataset") if not isinstance(record.data.get(name), str)]:
        raise StoreError(f"the study {record.name!r} was recorded without the checksum of {lacking[0]!r}.")
    return study


def unreadable(study: Study) -> str:
    """Why a record of this study could not be read again; "" where it can."""
    try:
        data = dict.fromkeys(study.axis("dataset"), "") | study.plugins
        again = study_of(Record(study.name, study.model_dump_json(), data, "", ""))
    except (StoreError, PydanticSerializationError) as error:
        return str(error)
    return "" if again == study.model_copy(update={"origin": ""}) else "it is another one when it is read again."
