"""The results of studies in one folder: one SQLite file that several processes may use at once.

What is finished is written in one transaction and never again. Who trains what stands in the table ``claim``; a process
that claims holds a lock on a file of its own for as long as it lives, so the claims of one that was killed are free.
"""

import json
import os
import platform
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import torch
from filelock import BaseFileLock, FileLock, Timeout

import spurlab
from spurlab.data import shortened
from spurlab.deletion.method import NOT_FINITE

FILE, LOCKS, WEIGHTS = "results.sqlite", ".running", "weights"
VERSION = 1  # of the tables; raise it when they change
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


class StoreError(RuntimeError):
    """The results cannot be read or written; those that are there stay as they are."""

    def __init__(self, message: str) -> None:
        super().__init__(shortened(message))


class FolderError(ValueError):
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
            self._connection = self._opened()
        except OSError as error:
            raise FolderError(
                f"results cannot be written to {folder} ({error}). Choose another folder with --out."
            ) from error

    def _opened(self) -> sqlite3.Connection:
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
                problem = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
                if problem != "ok":
                    raise StoreError(self._damaged(problem.splitlines()[-1]))
            except BaseException:
                connection.close()
                raise
            return connection

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
            f"the results in {self._path} are damaged ({how}) and were left as they are. "
            "Restore the file from a copy, or choose another folder with --out."
        )

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if any(word in str(error) for word in ("full", "disk I/O", "too big")):
                raise StoreError(
                    f"the results cannot be written to {self._path} ({error}). What was finished before is kept: "
                    "make room, and the same command goes on."
                ) from error
            raise StoreError(f"{self._path} cannot be used ({error}).") from error
        except sqlite3.DatabaseError as error:
            raise StoreError(self._damaged(str(error))) from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All of it is written, or nothing; no other process writes meanwhile."""
        with self._in_words():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                with suppress(sqlite3.Error):  # a full disk has ended the transaction already
                    self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

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

    def records(self) -> list[Record]:
        """The studies that were run here, by name."""
        with self._in_words():
            found = self._connection.execute("SELECT * FROM study ORDER BY name, started, settings").fetchall()
        return [Record(str(name), settings, _checksums(data), *map(str, rest)) for name, settings, data, *rest in found]

    # results

    def put(self, finished: Iterable[Finished]) -> None:
        """Write what was finished, all in one transaction, and give back its claims.

        What is there already stays. A network that had to be trained again, since more is measured of it, elsewhere or
        with other versions, names both in how it was made.

        Raises:
            StoreError: it cannot be written; then nothing of it is.
        """
        made = (spurlab.__version__, torch.__version__, machine(), _now())
        with self._transaction() as connection:
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

    def missing(self, wanted: Mapping[str, Sequence[Request]], *, weights: bool = False) -> set[str]:
        """The keys of which something wanted is not there.

        Args:
            wanted: by key, what should be measured.
            weights: whether files of weights should be there too.

        Raises:
            StoreError: the store cannot be read.
        """
        few = len(wanted) <= 100  # then only theirs are looked up
        where, keys = (f"key IN ({','.join('?' * len(wanted))})", [*wanted]) if few else ("TRUE", [])
        with self._in_words():
            found = self._connection.execute(f"SELECT key, measure, pattern, target FROM measured WHERE {where}", keys)  # noqa: S608
            there = set(found)
        return {
            key
            for key, requests in wanted.items()
            if (weights and not weights_file(self.folder, key).is_file())
            or any((key, *request) not in there for request in requests)
        }

    def values(self) -> dict[tuple[str, str, str, int], float | None]:
        """Every measured number by key, measure, pattern and target; None for a network that diverged."""
        with self._in_words():
            found = self._connection.execute("SELECT key, measure, pattern, target, value FROM measured")
            return {row[:4]: row[4] for row in found}

    def subjects(self) -> dict[str, tuple[Any, ...]]:
        """By key: data checksum, device, versions of both, machine, seconds, when it was finished, why it failed."""
        with self._in_words():
            found = self._connection.execute(
                "SELECT key, data, device, spurlab, torch, machine, seconds, finished, "
                "json_extract(settings, '$.failed') FROM subject"
            )
            return {row[0]: row[1:] for row in found}

    def last_of(self, settings: Mapping[str, Any], data: str) -> str | None:
        """The key of what was measured last with these settings, whatever else its key says; None where nothing was.

        Raises:
            StoreError: the store cannot be read.
        """
        with self._in_words():
            found = self._connection.execute(
                "SELECT key FROM subject WHERE json_remove(settings, '$.failed') = json(?) AND data = ? "
                "ORDER BY finished DESC LIMIT 1",
                (json.dumps(settings), data),
            ).fetchone()
        return found[0] if found else None

    def forget_failed(self, keys: Iterable[str]) -> None:
        """Take out what failed among these, so that it is tried again; a result that was not finite is a result.

        Raises:
            StoreError: the store cannot be written.
        """
        wanted = set(keys)
        failed = [
            (key,)
            for key, about in self.subjects().items()
            if key in wanted and about[-1] and not about[-1].startswith(NOT_FINITE)
        ]
        if failed:
            with self._transaction() as connection:
                connection.executemany("DELETE FROM measured WHERE key = ?", failed)
                connection.executemany("DELETE FROM subject WHERE key = ?", failed)

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

    def _live(self) -> None:
        """Hold the lock that says that this process lives; the system lets it go when the process ends, however."""
        if self._lock is None:
            folder = self.folder / LOCKS
            try:
                folder.mkdir(exist_ok=True)
                self._lock = FileLock(folder / self._owner)
                self._lock.acquire(timeout=0)
            except OSError as error:
                raise StoreError(
                    f"no lock can be held in {folder} ({error}). Choose another folder with --out."
                ) from error

    def _lives(self, owner: str) -> bool:
        path = self.folder / LOCKS / owner
        if not path.exists():
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
        connection = sqlite3.connect(draft, isolation_level=None)
        try:
            connection.executescript(TABLES)
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
