"""The results of studies in one folder, which several processes may use at once.

What is finished is written in one transaction and never again. Who trains what stands in the table ``claim``; claims
of a process that does not live any more are free (see `spurlab.studies.locks`). What is damaged is not read, counts as
missing, and is replaced when it is measured again. A file of tables of version 1 has no checksums; it gets them when it
is opened for writing.
"""

import json
import logging
import sqlite3
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import torch
from filelock import BaseFileLock

import spurlab
from spurlab.methods import stored_as_not_finite
from spurlab.studies import locks
from spurlab.studies.database import CHECKSUMS, VERSION, StoreError, named, now, tell_of_no_checksums
from spurlab.studies.records import Records
from spurlab.studies.subjects import Everything, Finished, Request, Stored, machine
from spurlab.studies.weights import weights_file

log = logging.getLogger(__name__)

MANY = 100  # from so many keys on, all rows are read and not only theirs


class Store(Records):
    """The results in one folder. Use it as a context: it gives back its claims and closes the file.

    Args:
        folder: is made where it is not there, unless it is only read.
        read_only: nothing is written, and all that is told is of one moment.

    Raises:
        FolderError: the folder cannot be made or written to, or there is nothing to read.
        StoreError: the file is damaged, of a newer version, or no results of Spurlab; it stays as it is.
    """

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        super().__init__(folder, read_only=read_only)
        self.lock = uuid.uuid4().hex  # its name, by which claims are made; held since the first
        self._held: BaseFileLock | None = None
        self._told: set[str] = set()  # damaged subjects
        self._all: dict[Any, Stored] | None = None  # with damaged keys that may be no text
        if self._version == 1 and read_only:
            tell_of_no_checksums(f"{self._path} is of a version without checksums")
        elif self._version == 1:
            try:
                self._add_checksums()
            except BaseException:
                self._connection.close()
                raise

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

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give back the claims and close the file."""
        if self._held is not None:
            with suppress(StoreError, sqlite3.Error), self._transaction() as connection:
                connection.execute("DELETE FROM claim WHERE owner = ?", (self.lock,))
            locks.let_go(self._held)
            self._held = None
        self._connection.close()

    # results

    def put(self, finished: Iterable[Finished]) -> None:
        """Write what was finished, all in one transaction, and give back its claims.

        What is there already stays, unless it is damaged. A network that had to be trained again, since more is
        measured of it, elsewhere or with other versions, names both in how it was made.

        Raises:
            StoreError: it cannot be written; then nothing of it is.
        """
        finished = list(finished)
        keys = {subject.key for subject in finished}
        versions, end = (spurlab.__version__, torch.__version__, machine()), now()
        with self._transaction() as connection:
            self._forget(key for key, stored in self._stored(keys).items() if not stored.whole)
            for subject in finished:
                key, made = subject.key, (subject.device, *versions)
                about = key, json.dumps(subject.settings), subject.data, *made, subject.seconds, end
                connection.execute("INSERT OR IGNORE INTO subject VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", about)
                for column, value in zip(("device", "spurlab", "torch", "machine"), made, strict=True):
                    connection.execute(
                        f"UPDATE subject SET {column} = {column} || ', then ' || ? "  # noqa: S608 - our own names
                        f"WHERE key = ? AND instr({column}, ?) = 0",
                        (value, key, value),
                    )
                connection.executemany(
                    "INSERT OR IGNORE INTO measured VALUES (?, ?, ?, ?, ?)",
                    [(key, *request, value) for request, value in subject.values.items()],
                )
                connection.execute("DELETE FROM claim WHERE key = ? AND owner = ?", (key, self.lock))
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
        damaged = {key for key, rows in stored.items() if not rows.whole}
        if new := damaged - self._told:
            self._told |= new
            log.warning("%s in %s: damaged, counted as missing; `spurlab run` makes it again.", named(new), self._path)
        measured = {row[:4] for key, rows in stored.items() if key not in damaged for row in rows.measured}
        return {
            key
            for key, requests in wanted.items()
            if (weights and not weights_file(self.folder, key).is_file())
            or key in damaged
            or any((key, *request) not in measured for request in requests)
        }

    def everything(self, keys: Collection[str] | None = None) -> Everything:
        """All that is there, of one moment; of some subjects, or of all.

        Raises:
            StoreError: the store cannot be read.
        """
        stored = self._stored(keys)
        damaged = {key for key, rows in stored.items() if not rows.whole}
        whole = {key: rows for key, rows in stored.items() if key not in damaged}
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
            row = connection.execute(
                "SELECT key FROM subject WHERE data = ? AND CASE WHEN json_valid(settings) "
                "THEN json_remove(settings, '$.failed') = json(?) END ORDER BY finished DESC LIMIT 1",
                (data, json.dumps(settings)),
            ).fetchone()
        return row[0] if row else None

    def forget_failed(self, keys: Iterable[str]) -> None:
        """Take out what failed among these, so that it is tried again; a result that was not finite is a result.

        Raises:
            StoreError: the store cannot be written.
        """
        failed = [
            key
            for key, stored in self._stored(set(keys)).items()
            if stored.whole and stored.failed and not stored_as_not_finite(stored.failed)
        ]
        if failed:
            with self._transaction():
                self._forget(failed)

    def _stored(self, keys: Collection[str] | None) -> dict[Any, Stored]:
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

    def _read(self, where: str = "TRUE", keys: Sequence[str] = ()) -> dict[Any, Stored]:
        with self._moment():
            tables = (f"SELECT * FROM {table} WHERE {where} ORDER BY 1, 2, 3, 4" for table in ("subject", "measured"))  # noqa: S608
            subjects, measured = (self._rows(query, keys) for query in tables)
            stored = {row[0]: Stored(row) for row in subjects}
            for key, rows in groupby(measured, itemgetter(0)):
                stored.setdefault(key, Stored()).measured += rows
            for key, sha256 in self._sums("subject", where, keys).items():
                stored.setdefault(key, Stored()).sha256 = sha256
        for subject in stored.values():
            subject.whole = subject.well_formed and (self._version == 1 or subject.digest == subject.sha256)
        return stored

    def _seal(self, stored: Mapping[Any, Stored]) -> None:
        """Write the checksums of these rows; what is malformed gets none."""
        self._put_sums("subject", ((key, rows.digest) for key, rows in stored.items() if rows.well_formed))

    def _forget(self, keys: Iterable[str]) -> None:
        rows = [(key,) for key in keys]
        self._connection.executemany("DELETE FROM measured WHERE key = ?", rows)
        self._connection.executemany("DELETE FROM subject WHERE key = ?", rows)
        self._connection.executemany("DELETE FROM checksum WHERE kind = 'subject' AND key = ?", rows)

    # claims

    def claim(self, wanted: Mapping[str, Sequence[Request]], *, weights: bool = False) -> set[str]:
        """Claim the keys that are neither finished nor claimed by a process that lives.

        Returns:
            Those that are this process's to train now.

        Raises:
            StoreError: the store cannot be written, or no lock can be held in the folder.
        """
        if self._held is None:
            self._check_place()
            self._held = locks.hold(self.folder, self.lock)
        with self._transaction() as connection:
            free = self.missing(wanted, weights=weights)
            places = ",".join("?" * len(free))
            taken = connection.execute(f"SELECT key, owner FROM claim WHERE key IN ({places})", [*free]).fetchall()  # noqa: S608
            owners = {owner for _, owner in taken}
            living = {owner for owner in owners if owner == self.lock or locks.is_held(self.folder, owner)}
            free -= {key for key, owner in taken if owner in living}
            connection.executemany("INSERT OR REPLACE INTO claim VALUES (?, ?)", [(key, self.lock) for key in free])
            return free
