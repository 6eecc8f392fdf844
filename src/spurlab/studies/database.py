"""The SQLite file of a results folder: made whole, checked when it is opened, and missed when it is gone.

Several processes may use it at once: what is read is of one moment, and what is written is one transaction. SQLite
itself would read a number that was damaged on the disk as another number: the table ``checksum`` has a checksum of the
rows of each subject and of the record of each study. (A claim needs none: it counts while the lock that it names is
held.)

Processes share it by SQLite's write-ahead log, which is for processes of one machine. On a file system that machines
share it has a rollback journal instead: slower, and as safe as that file system's locks are.
"""

import hashlib
import json
import logging
import os
import sqlite3
import uuid
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from spurlab.errors import FailureError, InputError, brief, one_line, shortened
from spurlab.files import new_file
from spurlab.studies.network_files import network_file_system

log = logging.getLogger(__name__)

FILE = "results.sqlite"
BUSY = 60  # seconds in which another process must have written
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


class StoreError(FailureError):
    """The results cannot be read or written; those that are there stay as they are."""

    def __init__(self, message: str) -> None:
        super().__init__(shortened(message))


class FolderError(InputError):
    """The folder that was asked for cannot hold results, or holds none."""


class Database:
    """The file, open.

    Raises:
        FolderError: the folder cannot be made or written to, or there is nothing to read.
        StoreError: the file is damaged, of a newer version, or no results of Spurlab; it stays as it is.
    """

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        self.folder, self._path, self._read_only = folder, folder / FILE, read_only
        self._shared_by = "" if read_only else network_file_system(folder)  # machines
        if read_only and not self._path.exists():
            raise FolderError(f"there are no results in {folder}. `spurlab run STUDY --out {folder}` makes some.")
        try:
            if self._path.is_dir():
                raise IsADirectoryError(f"{self._path} is a folder")
            if not read_only:
                folder.mkdir(parents=True, exist_ok=True)
                if not self._path.exists():
                    if left := self._companions():
                        raise StoreError(self._damaged(f"it is gone, but {left[0].name} is there"))
                    _create(self._path, "DELETE" if self._shared_by else "WAL")
                if not self._is_writable():
                    raise PermissionError("no permission to write")
            self._connection, self._version = self._opened()
            self._place = os.stat(self._path)
        except OSError as error:
            raise FolderError(
                f"results cannot be written to {folder} ({error}). Choose another folder with --out."
            ) from error

    def _opened(self) -> tuple[sqlite3.Connection, int]:
        """A connection to the file, and the version of its tables."""
        if self._path.stat().st_size == 0:
            raise StoreError(self._damaged("it is empty"))
        # without a place for the files that SQLite shares between processes, nothing beside the file is read
        frozen = self._read_only and not self._is_writable()
        if frozen and any(part.name.endswith("-wal") and part.stat().st_size for part in self._companions()):
            raise StoreError(
                f"the last results in {self.folder} are still in {self._companions()[0].name}, which cannot be read "
                "where nothing can be written. Copy the folder and read the copy."
            )
        uri = f"{self._path.absolute().as_uri()}?{'immutable=1' if frozen else 'mode=rw'}"
        with self._in_words():
            connection = sqlite3.connect(uri, uri=True, timeout=BUSY, isolation_level=None)
            try:
                if self._shared_by:
                    self._leave_the_log(connection)
                return connection, self._checked(connection)
            except BaseException:
                connection.close()
                raise

    def _leave_the_log(self, connection: sqlite3.Connection) -> None:
        """For the mode that is safe where machines share the file."""
        _tell_of_network(self.folder, self._shared_by)
        if connection.execute("PRAGMA journal_mode").fetchone() == ("wal",):
            connection.execute("PRAGMA busy_timeout = 1000")
            try:
                (mode,) = connection.execute("PRAGMA journal_mode = DELETE").fetchone()
            except sqlite3.OperationalError:
                mode = "wal"
            if mode != "delete":
                raise StoreError(
                    f"{self._path} is on a file system that machines share ({self._shared_by}), and a process uses it "
                    "in a mode that is for one machine. Wait until that has ended, or choose another folder with --out."
                )
            connection.execute(f"PRAGMA busy_timeout = {1000 * BUSY}")

    def _checked(self, connection: sqlite3.Connection) -> int:
        """The version of a file that is sound and ours."""
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if application != APPLICATION:
            raise StoreError(f"{self._path} is not a file of Spurlab's results. Choose another folder with --out.")
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
        return int(version)

    def _is_writable(self) -> bool:
        return os.access(self.folder, os.W_OK) and os.access(self._path, os.W_OK)

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
    def _transaction(self, kind: str = "IMMEDIATE") -> Iterator[sqlite3.Connection]:
        """All of it is written, or nothing; no other process writes meanwhile."""
        self._check_place()
        with self._in_words():
            self._connection.execute(f"BEGIN {kind}")
            try:
                yield self._connection
            except BaseException:
                with suppress(sqlite3.Error):  # a full disk has ended the transaction already
                    self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
        self._check_place()

    def _moment(self) -> AbstractContextManager[sqlite3.Connection]:
        """All that is read is of one moment, whatever other processes write meanwhile."""
        if self._connection.in_transaction:
            return nullcontext(self._connection)
        return self._transaction("DEFERRED")

    def _check_place(self) -> None:
        """SQLite itself goes on writing to a file that nobody will find again.

        Raises:
            StoreError: the file that was opened is not there any more.
        """
        with suppress(OSError):
            if os.path.samestat(os.stat(self._path), self._place):
                return
        raise StoreError(
            f"{self._path} was removed or replaced while it was in use: what is finished now cannot be kept. "
            "Put the folder back if you have it; the same command makes what is missing."
        )

    def _rows(self, query: str, values: Sequence[str] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(query, values).fetchall()
        except (sqlite3.OperationalError, UnicodeDecodeError) as error:
            if "decode" not in str(error):
                raise
            self._connection.text_factory = _text  # takes twice as long; a check of types finds what is no text
            return self._connection.execute(query, values).fetchall()

    def _sums(self, kind: str, where: str = "TRUE", values: Sequence[str] = ()) -> dict[Any, object]:
        """The checksums of one kind by key, ``subject`` or ``study``; none in a file of version 1."""
        query = f"SELECT key, sha256 FROM checksum WHERE kind = ? AND {where}"  # noqa: S608 - our own words
        return dict(self._rows(query, (kind, *values))) if self._version > 1 else {}

    def _put_sums(self, kind: str, sums: Iterable[tuple[Any, bytes]]) -> None:
        rows = [(kind, *pair) for pair in sums]
        self._connection.executemany("INSERT OR REPLACE INTO checksum VALUES (?, ?, ?)", rows)


def _create(path: Path, journal: str) -> None:
    """An empty file, made beside its place and then put there whole, unless another process was faster."""
    draft = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
    try:
        new_file(draft)  # SQLite itself would not give a group the right to write, whatever the umask is
        with closing(sqlite3.connect(draft, isolation_level=None)) as connection:
            connection.executescript(TABLES + CHECKSUMS)
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.execute(f"PRAGMA journal_mode = {journal}")
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


def _text(content: bytes) -> str | bytes:
    """A text of the file; one that is none as the bytes that it is, which no check of types lets pass."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content


_encode = json.JSONEncoder(separators=(",", ":")).encode


def digest(rows: Sequence[Any]) -> bytes:
    """The checksum of plain values: the same in every version of Python, and other for another number."""
    return hashlib.sha256(_encode(rows).encode()).digest()


def named(keys: Collection[object]) -> str:
    """The first of these, which may be damaged too, and how many there are more."""
    first = brief(min(keys, key=repr))
    return first if len(keys) == 1 else f"{first} and {len(keys) - 1} more"


@cache
def tell_of_no_checksums(what: str) -> None:
    """A note, once for each file or folder."""
    log.warning("%s: what was damaged on the disk would not be noticed.", what)


@cache
def _tell_of_network(folder: Path, kind: str) -> None:
    log.warning(
        "%s is on a file system that machines share (%s): results are as safe as its locks are. Run studies in it on "
        "one machine at a time, or use --executor ray, where only one writes.",
        *(folder, kind),
    )


def now() -> str:
    """The time as the tables have it, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")
