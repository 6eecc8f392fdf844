"""The results of studies in one folder: one SQLite file that several processes may use at once.

What is finished is written in one transaction and never again. Who trains what stands in the table ``claim``; a process
that claims holds a lock on a file of its own for as long as it lives, so the claims of one that was killed are free.

The rows of each subject have a checksum, and so has the record of each study: SQLite itself would read a number that
was damaged on the disk as another number. (A claim needs none: it counts while the lock that it names is held.) What is
damaged is not read, counts as missing, and is replaced when it is measured again. A file of tables of version 1 has no
checksums; it gets them when it is opened for writing.
"""

import hashlib
import json
import logging
import os
import platform
import re
import sqlite3
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, cached_property
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from types import NoneType, TracebackType
from typing import Any, NamedTuple

import torch
from filelock import BaseFileLock, FileLock, Timeout

import spurlab
from spurlab.deletion.method import NOT_FINITE
from spurlab.errors import FailureError, InputError, brief, one_line, shortened
from spurlab.files import new_file

log = logging.getLogger(__name__)

FILE, LOCKS, WEIGHTS = "results.sqlite", ".running", "weights"
VERSION = 2  # of the tables; raise it when they change. Version 1 had no checksums
APPLICATION = 0x5370_7572  # "Spur": marks the file as ours

TABLES = """
CREATE TABLE subject (
    key TEXT PRIMARY KEY, settings TEXT NOT NULL, data TEXT NOT NULL, device TEXT, spurlab TEXT, torch TEXT,
    machine TEXT, seconds REAL, finished TEXT
) WITHOUT ROWID;
CREATE TABLE measured (
    key TEXT NOT NULL REFERENCES subject, measure TEXT NOT NULL, pattern TEXT NOT NULL, target INTEGER NOT NULL,
    value REAL, PRIMARY KEY (key, measure, pattern, target)
) WITHOUT ROWID;
CREATE TABLE claim (key TEXT PRIMARY KEY, owner TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE study (
    name TEXT NOT NULL, settings TEXT NOT NULL, data TEXT NOT NULL, command TEXT NOT NULL, started TEXT NOT NULL,
    PRIMARY KEY (name, settings)
) WITHOUT ROWID;
"""
CHECKSUMS = """
CREATE TABLE checksum (
    kind TEXT NOT NULL, key TEXT NOT NULL, sha256 BLOB NOT NULL, PRIMARY KEY (kind, key)
) WITHOUT ROWID;
"""


def _plain(sql: object) -> str:
    """A statement without its line breaks."""
    return " ".join(str(sql).split())


# how SQLite describes each table: with another type of a column it would store numbers as something else
_SCHEMA = {sql.split()[2]: sql for sql in map(_plain, (TABLES + CHECKSUMS).split(";")) if sql}
SUBJECT = "SELECT key, settings, data, device, spurlab, torch, machine, seconds, finished FROM subject"
MEASURED = "SELECT key, measure, pattern, target, value FROM measured"
STUDY = "SELECT name, settings, data, command, started FROM study ORDER BY name, started, settings"
ABOUT_TYPES = (str, str, str, str, str, str, str, float, str)
MEASURED_TYPES = {(str, str, str, int, float), (str, str, str, int, NoneType)}
MANY = 100  # from so many keys on, all rows are read and not only theirs


class StoreError(FailureError):
    """The results cannot be read or written; those that are there stay as they are."""

    def __init__(self, message: str) -> None:
        super().__init__(shortened(message))


class FolderError(InputError):
    """The folder that was asked for cannot hold results, or holds none."""


class Request(NamedTuple):
    """A measure to take of one subject; pattern and target are "" and -1 where it does not differ by them."""

    measure: str
    pattern: str
    target: int


@dataclass(frozen=True)
class Finished:
    """A subject (a training, a deletion, a pattern on a data set, an architecture) and what was measured of it.

    Args:
        key: its name by content.
        settings: all that fixes it, as plain values.
        data: the checksum of the data set.
        values: by request; NaN for a network that diverged, or a deletion that failed.
        seconds: of training, shared evenly among a group that was trained together; or of deletion.
        device: where it was trained.
    """

    key: str
    settings: Mapping[str, Any]
    data: str
    values: Mapping[Request, float]
    seconds: float = 0.0
    device: str = "cpu"


class Record(NamedTuple):
    """A study that was run in this folder: its settings, the checksums of its data sets, how and when."""

    name: str
    settings: str
    data: Mapping[str, str]
    command: str
    started: str


class Everything(NamedTuple):
    """What a store holds.

    Args:
        values: as `Store.values` gives them, of what is not damaged.
        subjects: as `Store.subjects` gives them, of what is not damaged.
        damaged: the keys of the subjects that are damaged; a key itself may be, and be no text.
        path: the file.
    """

    values: dict[tuple[str, str, str, int], float | None]
    subjects: dict[str, tuple[Any, ...]]
    damaged: set[Any]
    path: Path

    def undamaged(self, keys: Collection[str] | None = None) -> "Everything":
        """The same, if none of these subjects is damaged; None: if none is at all.

        Raises:
            StoreError: one is.
        """
        if damaged := self.damaged if keys is None else self.damaged.intersection(keys):
            raise StoreError(
                f"what {self.path} holds of {_named(damaged)} is damaged. Restore the file from a copy, or run the "
                "study again in this folder: what is damaged is made again, and the rest is kept."
            )
        return self


@dataclass
class _Stored:
    """The rows of one subject as they are in the file, whatever they hold.

    Args:
        about: its row of the table ``subject``; empty where there is none.
        measured: its rows of the table ``measured``, in the order of their key.
        sha256: what the table ``checksum`` says.
    """

    about: tuple[Any, ...] = ()
    measured: list[tuple[Any, ...]] = field(default_factory=list)
    sha256: object = None

    @cached_property
    def well_formed(self) -> bool:
        """Whether the rows are such as `Store.put` writes."""
        if (
            tuple(map(type, self.about)) != ABOUT_TYPES
            or not {tuple(map(type, row)) for row in self.measured} <= MEASURED_TYPES
        ):
            return False
        try:
            self.failed  # noqa: B018 - must be readable
        except (ValueError, AttributeError, RecursionError):
            return False
        return True

    @cached_property
    def digest(self) -> bytes:
        """The checksum of rows that are well formed."""
        return _digest([self.about, self.measured])

    @property
    def failed(self) -> str | None:
        """Why it failed, if it did."""
        if '"failed"' not in self.about[1]:
            return None
        return str(found) if (found := json.loads(self.about[1]).get("failed")) is not None else None


class Store:
    """The results in one folder. Use it as a context: it gives back its claims and closes the file.

    Raises:
        FolderError: the folder cannot be made or written to, or there is nothing to read.
        StoreError: the file is damaged, of a newer version, or no results of Spurlab; it stays as it is.
    """

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        self.folder, self._path = folder, folder / FILE
        self._owner, self._read_only = uuid.uuid4().hex, read_only
        self._lock: BaseFileLock | None = None
        self._told: set[str] = set()  # damaged subjects
        self._all: dict[Any, _Stored] | None = None  # with damaged keys that may be no text
        if read_only and not self._path.exists():
            raise FolderError(f"there are no results in {folder}. `spurlab run STUDY --out {folder}` makes some.")
        try:
            if self._path.is_dir():
                raise IsADirectoryError(f"{self._path} is a folder")
            if not read_only:
                folder.mkdir(parents=True, exist_ok=True)
                if not self._path.exists():
                    if self._companions():
                        left = self._companions()[0].name
                        raise StoreError(self._damaged(f"it is gone, but {left} is there"))
                    _create(self._path)
                if not os.access(folder, os.W_OK) or not os.access(self._path, os.W_OK):
                    raise PermissionError("no permission to write")
            self._connection, self._version = self._opened()
            self._place = os.stat(self._path)
        except OSError as error:
            raise FolderError(
                f"results cannot be written to {folder} ({error}). Choose another folder with --out."
            ) from error
        if self._version == 1 and read_only:
            _tell_of_no_checksums(self._path)
        elif self._version == 1:
            try:
                self._add_checksums()
            except BaseException:
                self._connection.close()
                raise

    def _opened(self) -> tuple[sqlite3.Connection, int]:
        if self._path.stat().st_size == 0:
            raise StoreError(self._damaged("it is empty"))
        if self._frozen() and any(part.name.endswith("-wal") and part.stat().st_size for part in self._companions()):
            raise StoreError(
                f"the last results in {self.folder} are still in {self._companions()[0].name}, which cannot be read "
                "where nothing can be written. Copy the folder and read the copy."
            )
        with self._in_words():
            connection = sqlite3.connect(self._uri(), uri=True, timeout=60, isolation_level=None)
            try:
                (application,) = connection.execute("PRAGMA application_id").fetchone()
                (version,) = connection.execute("PRAGMA user_version").fetchone()
                if application != APPLICATION:
                    raise StoreError(
                        f"{self._path} is not a file of Spurlab's results. Choose another folder with --out."
                    )
                if version > VERSION:
                    raise StoreError(
                        f"{self._path} was written by a newer Spurlab (version {version} of the tables; this one knows "
                        f"{VERSION}). Update Spurlab, or choose another folder with --out."
                    )
                connection.execute("PRAGMA trusted_schema = OFF")  # what a file defines may call no unsafe function
                problem = str(connection.execute("PRAGMA integrity_check(1)").fetchone()[0])
                if problem != "ok":
                    raise StoreError(self._damaged(problem.splitlines()[-1]))
                tables = dict(connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'table'"))
                if version < 1 or not {"subject", "measured", "claim", "study"} <= tables.keys():
                    raise StoreError(self._damaged(f"a table is missing in version {version}"))
                if ("checksum" in tables) != (version > 1):
                    raise StoreError(self._damaged(f"it says that it is of version {version}, and is not"))
                if other := [name for name in _SCHEMA.keys() & tables.keys() if _plain(tables[name]) != _SCHEMA[name]]:
                    raise StoreError(self._damaged(f"the table {other[0]} is described as another one"))
            except BaseException:
                connection.close()
                raise
            return connection, version

    def _add_checksums(self) -> None:
        """Make a file of version 1 one of this version. What it holds is taken as it is, but for what is malformed."""
        with self._transaction() as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version == 1:  # else another process was faster
                connection.execute(CHECKSUMS)
                self._seal(self._stored(None))
                self._seal_studies()
                connection.execute(f"PRAGMA user_version = {VERSION}")
                log.warning("the results in %s had no checksums until now; they were taken as they are.", self._path)
        self._version = VERSION

    def _uri(self) -> str:
        return f"{self._path.absolute().as_uri()}?{'immutable=1' if self._frozen() else 'mode=rw'}"

    def _frozen(self) -> bool:
        """Whether the folder has no place for the files that SQLite shares between processes."""
        return self._read_only and not (os.access(self.folder, os.W_OK) and os.access(self._path, os.W_OK))

    def _companions(self) -> list[Path]:
        """What SQLite has put beside the file: what was written last, and what processes share."""
        beside = (self._path.with_name(f"{self._path.name}{ending}") for ending in ("-wal", "-shm"))
        return [path for path in beside if path.exists()]

    def _damaged(self, how: str) -> str:
        return (
            f"the results in {self._path} are damaged ({one_line(how)}) and were left as they are. "
            "Restore the file from a copy, or choose another folder with --out."
        )

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except (OverflowError, UnicodeError) as error:
            raise StoreError(f"{self._path} cannot hold what is to be written ({one_line(str(error))}).") from error
        except sqlite3.Error as error:
            why = one_line(str(error))
            if any(word in why for word in ("full", "disk I/O", "too big")):
                raise StoreError(
                    f"the results cannot be written to {self._path} ({why}). What was finished before is kept: "
                    "make room, and the same command goes on."
                ) from error
            if isinstance(error, sqlite3.OperationalError):
                raise StoreError(f"{self._path} cannot be used ({why}).") from error
            raise StoreError(self._damaged(why)) from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All of it is written, or nothing; no other process writes meanwhile."""
        self._check_place()
        with self._in_words():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                with suppress(sqlite3.Error):  # a full disk has ended the transaction already
                    self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
        self._check_place()

    @contextmanager
    def _moment(self) -> Iterator[sqlite3.Connection]:
        """All that is read is of one moment, whatever other processes write meanwhile."""
        self._check_place()
        with self._in_words():
            if self._connection.in_transaction:
                yield self._connection
                return
            self._connection.execute("BEGIN")
            try:
                yield self._connection
            finally:
                with suppress(sqlite3.Error):  # nothing was written; an error in reading may have ended it already
                    self._connection.execute("ROLLBACK")

    def _check_place(self) -> None:
        """SQLite itself goes on writing to a file that nobody will find again.

        Raises:
            StoreError: the file that was opened is not there any more.
        """
        try:
            there = os.path.samestat(os.stat(self._path), self._place)
        except OSError:
            there = False
        if not there:
            raise StoreError(
                f"{self._path} was removed or replaced while it was in use: what is finished now cannot be kept. "
                "Put the folder back if you have it; the same command makes what is missing."
            )

    def __enter__(self) -> "Store":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give back the claims and close the file."""
        if self._lock is not None:
            with suppress(StoreError, sqlite3.Error), self._transaction() as connection:
                connection.execute("DELETE FROM claim WHERE owner = ?", (self._owner,))
            self._lock.release()
            with suppress(NotADirectoryError):  # the folder was removed and a file is there now
                Path(self._lock.lock_file).unlink(missing_ok=True)
            self._lock = None
        self._connection.close()

    # studies

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
        found, damaged = self._studies()
        if damaged:
            why = (
                f"the record of {_named(damaged)} in {self._path} is damaged. Restore the file from a copy, or run the "
                "study again in this folder: what was measured is there, and is not made again."
            )
            if not found:
                raise StoreError(why)
            log.warning("%s: passed over, %s", self.folder, why)
        return [Record(name, settings, _checksums(data), *rest) for name, settings, data, *rest in found]

    def _studies(self) -> tuple[list[tuple[str, ...]], list[object]]:
        """The rows of the table ``study`` that are whole, and the names of the others."""
        with self._moment():
            found = self._rows(STUDY)
            sums = self._sums("study")
        there = {_digest(row[:2]).hex(): row for row in found if _is_record(row)}
        whole = [row for key, row in there.items() if self._version == 1 or sums.get(key) == _digest(row)]
        lost = len(sums.keys() - there.keys())
        damaged: list[object] = [row[0] for row in found if row not in whole]
        return whole, damaged or ["a study that is lost"] * lost

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
        log.warning("the record of %s in %s was damaged and is taken out; numbers stay.", _named(damaged), self._path)

    def _seal_studies(self) -> None:
        """Write the checksums of the table ``study`` as it is; what is malformed gets none."""
        rows = self._rows(STUDY)
        sums = [(_digest(row[:2]).hex(), _digest(row)) for row in rows if _is_record(row)]
        self._connection.execute("DELETE FROM checksum WHERE kind = 'study'")
        self._connection.executemany("INSERT INTO checksum VALUES ('study', ?, ?)", sums)

    # results

    def put(self, finished: Iterable[Finished]) -> None:
        """Write what was finished, all in one transaction, and give back its claims.

        What is there already stays, unless it is damaged. A network that had to be trained again, since more is
        measured of it, elsewhere or with other versions, names both in how it was made.

        Raises:
            StoreError: it cannot be written; then nothing of it is.
        """
        finished = list(finished)
        keys = {each.key for each in finished}
        made = (spurlab.__version__, torch.__version__, machine(), _now())
        with self._transaction() as connection:
            self._forget(key for key, stored in self._stored(keys).items() if not self._is_whole(stored))
            for each in finished:
                about = each.key, json.dumps(each.settings), each.data, each.device, *made[:3], each.seconds, made[3]
                connection.execute("INSERT OR IGNORE INTO subject VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", about)
                for column, value in zip(("device", "spurlab", "torch", "machine"), about[3:7], strict=True):
                    connection.execute(
                        f"UPDATE subject SET {column} = {column} || ', then ' || ? "  # noqa: S608 - our own names
                        f"WHERE key = ? AND instr({column}, ?) = 0",
                        (value, each.key, value),
                    )
                connection.executemany(
                    "INSERT OR IGNORE INTO measured VALUES (?, ?, ?, ?, ?)",
                    [(each.key, *request, value) for request, value in each.values.items()],
                )
                connection.execute("DELETE FROM claim WHERE key = ? AND owner = ?", (each.key, self._owner))
            self._seal(self._stored(keys))

    def missing(self, wanted: Mapping[str, Sequence[Request]], *, weights: bool = False) -> set[str]:
        """The keys of which something wanted is not there, or is damaged.

        Args:
            wanted: by key, what should be measured.
            weights: whether files of weights should be there too.

        Raises:
            StoreError: the store cannot be read.
        """
        stored = self._stored(wanted.keys())
        damaged = {key for key, rows in stored.items() if not self._is_whole(rows)}
        if new := damaged - self._told:
            self._told |= new
            log.warning("%s in %s: damaged, counted as missing; `spurlab run` makes it again.", _named(new), self._path)
        there = {row[:4] for key, rows in stored.items() if key not in damaged for row in rows.measured}
        return {
            key
            for key, requests in wanted.items()
            if (weights and not weights_file(self.folder, key).is_file())
            or key in damaged
            or any((key, *request) not in there for request in requests)
        }

    def values(self) -> dict[tuple[str, str, str, int], float | None]:
        """Every measured number by key, measure, pattern and target; None for a network that diverged.

        Raises:
            StoreError: one is damaged.
        """
        return self.everything().undamaged().values

    def subjects(self) -> dict[str, tuple[Any, ...]]:
        """By key: data checksum, device, versions of both, machine, seconds, when it was finished, why it failed.

        Raises:
            StoreError: one is damaged.
        """
        return self.everything().undamaged().subjects

    def everything(self) -> "Everything":
        """All that is there, of one moment.

        Raises:
            StoreError: the store cannot be read.
        """
        stored = self._stored(None)
        damaged = {key for key, rows in stored.items() if not self._is_whole(rows)}
        whole = {key: rows for key, rows in stored.items() if key not in damaged} if damaged else stored
        return Everything(
            {row[:4]: row[4] for rows in whole.values() for row in rows.measured},
            {key: (*rows.about[2:], rows.failed) for key, rows in whole.items()},
            damaged,
            self._path,
        )

    def last_of(self, settings: Mapping[str, Any], data: str) -> str | None:
        """The key of what was measured last with these settings, whatever else its key says; None where nothing was.

        Raises:
            StoreError: the store cannot be read; or something in it is damaged, which might be the last.
        """
        self.everything().undamaged()
        with self._moment() as connection:
            found = connection.execute(
                "SELECT key FROM subject WHERE data = ? AND CASE WHEN json_valid(settings) "
                "THEN json_remove(settings, '$.failed') = json(?) END ORDER BY finished DESC LIMIT 1",
                (data, json.dumps(settings)),
            ).fetchone()
        return found[0] if found else None

    def forget_failed(self, keys: Iterable[str]) -> None:
        """Take out what failed among these, so that it is tried again; a result that was not finite is a result.

        Raises:
            StoreError: the store cannot be written.
        """
        failed = [
            key
            for key, stored in self._stored(set(keys)).items()
            if self._is_whole(stored) and stored.failed and not stored.failed.startswith(NOT_FINITE)
        ]
        if failed:
            with self._transaction():
                self._forget(failed)

    def _stored(self, keys: Collection[str] | None) -> dict[Any, _Stored]:
        """What the file holds of these subjects, be it damaged or not; None: of all."""
        if self._read_only:  # read once; then all that is told is of one moment
            if self._all is None:
                self._all = self._read()
            return self._all if keys is None else {key: self._all[key] for key in keys if key in self._all}
        if keys is None:
            return self._read()
        if len(keys) <= MANY:
            return self._read(f"key IN ({','.join('?' * len(keys))})", [*keys])
        return {key: stored for key, stored in self._read().items() if key in keys}

    def _read(self, where: str = "TRUE", given: Sequence[str] = ()) -> dict[Any, _Stored]:
        with self._moment():
            found = {row[0]: _Stored(row) for row in self._rows(f"{SUBJECT} WHERE {where}", given)}
            measured = self._rows(f"{MEASURED} WHERE {where} ORDER BY 1, 2, 3, 4", given)
            for key, rows in groupby(measured, itemgetter(0)):
                found.setdefault(key, _Stored()).measured += rows
            for key, sha256 in self._sums("subject", where, given).items():
                found.setdefault(key, _Stored()).sha256 = sha256
        return found

    def _sums(self, kind: str, where: str = "TRUE", given: Sequence[str] = ()) -> dict[Any, object]:
        query = f"SELECT key, sha256 FROM checksum WHERE kind = ? AND {where}"  # noqa: S608 - our own words
        return dict(self._rows(query, (kind, *given))) if self._version > 1 else {}

    def _rows(self, query: str, given: Sequence[str] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(query, given).fetchall()
        except (sqlite3.OperationalError, UnicodeDecodeError) as error:
            if "decode" not in str(error):
                raise
            self._connection.text_factory = _text  # takes twice as long; a check of types finds what is no text
            return self._connection.execute(query, given).fetchall()

    def _is_whole(self, stored: _Stored) -> bool:
        """Whether the rows are those that were written; of a file without checksums, whether they could be."""
        return stored.well_formed and (self._version == 1 or stored.digest == stored.sha256)

    def _seal(self, stored: Mapping[Any, _Stored]) -> None:
        """Write the checksums of these rows; what is malformed gets none."""
        self._connection.executemany(
            "INSERT OR REPLACE INTO checksum VALUES ('subject', ?, ?)",
            [(key, rows.digest) for key, rows in stored.items() if rows.well_formed],
        )

    def _forget(self, keys: Iterable[str]) -> None:
        given = [(key,) for key in keys]
        self._connection.executemany("DELETE FROM measured WHERE key = ?", given)
        self._connection.executemany("DELETE FROM subject WHERE key = ?", given)
        self._connection.executemany("DELETE FROM checksum WHERE kind = 'subject' AND key = ?", given)

    # claims

    def claim(self, wanted: Mapping[str, Sequence[Request]], *, weights: bool = False) -> set[str]:
        """Claim the keys that are neither finished nor claimed by a process that lives.

        Returns:
            Those that are this process's to train now.

        Raises:
            StoreError: the store cannot be written, or no lock can be held in the folder.
        """
        self._live()
        with self._transaction() as connection:
            free = self.missing(wanted, weights=weights)
            places = ",".join("?" * len(free))
            taken = connection.execute(f"SELECT key, owner FROM claim WHERE key IN ({places})", [*free]).fetchall()  # noqa: S608
            alive = {owner: owner == self._owner or self._lives(owner) for owner in {owner for _, owner in taken}}
            free -= {key for key, owner in taken if alive[owner]}
            connection.executemany("INSERT OR REPLACE INTO claim VALUES (?, ?)", [(key, self._owner) for key in free])
            return free

    @property
    def lock(self) -> str:
        """The name of the file in `LOCKS` whose lock says that this process lives; held since its first claim."""
        return self._owner

    def _live(self) -> None:
        """Hold the lock that says that this process lives; the system lets it go when the process ends, however."""
        if self._lock is None:
            self._check_place()
            folder = self.folder / LOCKS
            try:
                folder.mkdir(exist_ok=True)
                self._lock = FileLock(folder / self._owner)
                self._lock.acquire(timeout=0)
            except OSError as error:
                raise StoreError(
                    f"no lock can be held in {folder} ({error}). Choose another folder with --out."
                ) from error

    def _lives(self, owner: object) -> bool:
        if not isinstance(owner, str) or not re.fullmatch("[0-9a-f]{32}", owner):
            return False  # damaged: no process is called so, and no other file is to be touched
        path = self.folder / LOCKS / owner
        if path.is_symlink() or not path.is_file():
            return False
        probe = FileLock(path)
        try:
            probe.acquire(timeout=0)
        except Timeout:
            return True
        probe.release()
        path.unlink(missing_ok=True)
        return False


def _checksums(data: Any) -> dict[str, Any]:
    """Of a record, by data set; none where it holds something else: then its study is passed over (`study_of`)."""
    try:
        found = json.loads(data)
    except (TypeError, ValueError, RecursionError):  # of bytes that are no text, too
        return {}
    return found if isinstance(found, dict) else {}


def _create(path: Path) -> None:
    """An empty store, made beside its place and then put there whole, unless another process was faster."""
    draft = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
    try:
        new_file(draft)  # SQLite itself would not give a group the right to write, whatever the umask is
        connection = sqlite3.connect(draft, isolation_level=None)
        try:
            connection.executescript(TABLES + CHECKSUMS)
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.execute("PRAGMA journal_mode = WAL")
        finally:
            connection.close()
        with suppress(FileExistsError):
            try:
                os.link(draft, path)
            except FileExistsError:
                raise
            except OSError:  # a file system without hard links
                if not path.exists():
                    draft.rename(path)
    except sqlite3.Error as error:
        raise OSError(str(error)) from error
    finally:
        for leftover in path.parent.glob(f"{draft.name}*"):
            leftover.unlink(missing_ok=True)


def weights_file(folder: Path, key: str) -> Path:
    """Where the weights of one network are, if they were kept."""
    return folder / WEIGHTS / f"{key}.safetensors"


def _text(content: bytes) -> str | bytes:
    """A text of the file; one that is none as the bytes that it is, which no check of types lets pass."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content


_encode = json.JSONEncoder(separators=(",", ":")).encode


def _digest(rows: Sequence[Any]) -> bytes:
    """The checksum of plain values: the same in every version of Python, and other for another number."""
    return hashlib.sha256(_encode(rows).encode()).digest()


def _is_record(row: tuple[Any, ...]) -> bool:
    """Whether a row of the table ``study`` is one that `Store.record` writes."""
    if not all(type(column) is str for column in row):
        return False
    try:
        _, data = json.loads(row[1]), json.loads(row[2])
    except (ValueError, RecursionError):
        return False
    return isinstance(data, dict) and all(isinstance(checksum, str) for checksum in data.values())


def _named(keys: Collection[object]) -> str:
    """The first of these, which may be damaged too, and how many there are more."""
    first = brief(min(keys, key=repr))
    return first if len(keys) == 1 else f"{first} and {len(keys) - 1} more"


@cache
def _tell_of_no_checksums(path: Path) -> None:
    """A note, once for each file."""
    log.warning("%s is of a version without checksums: what was damaged on the disk would not be noticed.", path)


@cache
def machine() -> str:
    """The machine in short: kind, processor, cores."""
    processor = platform.processor()
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), processor)
    return ", ".join(part for part in (platform.machine(), processor, f"{os.cpu_count()} cores") if part)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
