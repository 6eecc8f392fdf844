"""Results folders that are damaged at random: what is read is what was written, or a sentence says that it is not.

Inputs are drawn from a fixed seed; ``SPURLAB_FUZZ`` says how many.
"""

import json
import math
import os
import random
import sqlite3
from collections import Counter
from contextlib import closing, suppress

import pytest
import torch
from safetensors.torch import save

from spurlab.studies import FolderError, Store, StoreError, load_study, results_in, work_of
from spurlab.studies.database import FILE
from spurlab.studies.records import Record
from spurlab.studies.subjects import Finished, Request
from spurlab.studies.weights import read_weights, weights_file, write_weights

COUNT = int(os.environ.get("SPURLAB_FUZZ", "4000"))  # what one in 1,000 does is met with a chance of .98
TABLES = {"subject": 1, "measured": 4, "claim": 1, "study": 1, "checksum": 2}  # so many columns name a row
CELLS = (
    *(None, 0, 1, -1, 2**63 - 1, 0.5, -0.0, 1e308, -1e-320, math.inf, "", "0.5", "nan", "a'b", "\x1b[2J", "é" * 5000),
    *(b"", b"\xff\xfe", b"\x00" * 9, "{", "[]", "[" * 9000),
    *('{"failed": 3}', '{"failed": {"a": []}}', '{"failed": "x"}'),
    *("../../results.sqlite", "0" * 32, json.dumps({"mini": 3}), "null"),
)


def flipped(content, rng):
    at = rng.randrange(len(content))
    content[at] ^= 1 << rng.randrange(8)


def zeroed(content, rng):
    size = rng.choice((1, 8, 64, 512, 4096))
    at = rng.randrange(0, len(content), size)
    content[at : at + size] = bytes(len(content[at : at + size]))


def scrambled(content, rng):
    at = rng.randrange(len(content))
    content[at : at + 16] = rng.randbytes(len(content[at : at + 16]))


def truncated(content, rng):
    del content[rng.randrange(len(content)) :]


def lengthened(content, rng):
    content += rng.randbytes(rng.choice((1, 100, 4096)))


def pages_swapped(content, rng):
    size = 4096 if len(content) > 8192 else 64
    one, two = rng.sample(range(0, len(content) - size + 1, size), 2)
    content[one : one + size], content[two : two + size] = content[two : two + size], content[one : one + size]


DAMAGES = (flipped, flipped, flipped, zeroed, scrambled, truncated, lengthened, pages_swapped)


def edited(path, rng):
    """A cell, a row or the version is another: what a hand, or a bit that SQLite reads as another value, may do."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA journal_mode = MEMORY")
        there = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").fetchall()
        kind, (table,) = rng.randrange(20), rng.choice(there)
        if kind == 0:
            connection.execute(f"PRAGMA user_version = {rng.choice((0, 1, 3, -1, 2**31 - 1))}")
        elif kind == 1:
            connection.execute(f"DROP TABLE {table}")
        else:
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            column, key = rng.choice(columns), columns[: TABLES[table]]
            rows = connection.execute(f"SELECT {','.join(key)}, {column} FROM {table}").fetchall()  # noqa: S608
            if not rows:
                return
            *at, before = rng.choice(rows)
            where = " AND ".join(f"{name} = ?" for name in key)
            if kind < 4:
                connection.execute(f"DELETE FROM {table} WHERE {where}", at)  # noqa: S608
                return
            new = rng.choice((*CELLS, rng.random(), str(before)[:-1], rng.choice(rows)[-1]))
            query = f"UPDATE OR IGNORE {table} SET {column} = ? WHERE {where}"  # noqa: S608
            with suppress(sqlite3.Error):  # it would not have it: left as it was
                connection.execute(query, (new, *at))


@pytest.fixture(scope="module")
def whole(mini, tmp_path_factory):
    """A study of 24 networks, as if it had run: its folder, and what the store is asked for and was given."""
    folder = tmp_path_factory.mktemp("whole")
    study = load_study("quickstart", changes=["n=[0, 3]", "seed=[0, 1, 2, 3, 4, 5, 6, 7]"])
    work, rng = work_of(study, {"fashion-mini": mini}), random.Random(0)
    finished = [
        Finished(key, training.as_json(), mini.checksum, {request: rng.random() for request in requests}, 1.5)
        for key, (training, requests) in zip(work.wanted, work.requests.items(), strict=True)
    ]
    failed = Finished("f" * 20, {"a": 1, "failed": "no memory"}, mini.checksum, {Request("accuracy", "", -1): math.nan})
    with Store(folder) as store:
        store.record(Record(study.name, study.model_dump_json(), work.checksums, "spurlab run", "2025-01-01"))
        store.put([*finished, failed])
        store._connection.execute("INSERT INTO claim VALUES (?, ?)", (finished[0].key, "0" * 32))
    return folder, {each.key: each for each in [*finished, failed]}


def told(error, folder, file=FILE):
    """A sentence or two, on one line of plain characters, that name the file or the study."""
    words = str(error).replace(str(folder), "")
    assert len(words) < 600, words
    assert words.isprintable(), words
    assert file in words or "the study" in words or isinstance(error, FolderError), words
    return "told"


def read(folder):
    with Store(folder, read_only=True) as store:
        numbers = store.everything().undamaged()
        return store.records(), numbers.values, numbers.subjects


def outcome(folder, expected, rows, study):
    """``same``, ``told`` or ``other``; `study`: whether its rows are asked for too, which takes longer."""
    try:
        kind = "same" if read(folder) == expected else "other"
    except (StoreError, FolderError) as error:
        kind = told(error, folder)
    if kind == "told" and study:  # a damaged subject need not keep others from being read; what is read is right
        try:
            (result,) = results_in(folder)
            if len(result.rows) != len(rows) or not result.rows.compare(rows).empty:
                kind = "other"
        except (StoreError, FolderError) as error:
            told(error, folder)
    return kind


def damaged_at_random(content, path, rng):
    """Write the file with one damage."""
    content = bytearray(content)
    if rng.random() < 0.4:
        path.write_bytes(content)
        edited(path, rng)
    else:
        rng.choice(DAMAGES)(content, rng)
        path.write_bytes(content)


def test_a_damaged_store_gives_what_was_written_or_says_so(whole, tmp_path):
    """Every row has a checksum, and its key is in it; a flipped bit in what nobody reads changes nothing."""
    content, rng = (whole[0] / FILE).read_bytes(), random.Random(1)
    expected, rows = read(whole[0]), results_in(whole[0])[0].rows
    counts = Counter()
    for i in range(COUNT):
        damaged_at_random(content, tmp_path / FILE, rng)
        kind = outcome(tmp_path, expected, rows, study=i % 40 == 0)
        assert kind != "other", f"damage {i} gives other numbers without a word"
        counts[kind] += 1
    assert counts["told"] > counts["same"] > 0
    print(dict(counts))


def test_what_is_damaged_is_made_again(whole, tmp_path, caplog):
    """As `run` does: what is missing is put again. Then every number is that of before, whatever was damaged."""
    content, rng = (whole[0] / FILE).read_bytes(), random.Random(2)
    folder, finished = whole
    _, values, _ = read(folder)
    wanted = {key: [*each.values] for key, each in finished.items()}
    counts = Counter()
    for _ in range(COUNT // 50):
        damaged_at_random(content, tmp_path / FILE, rng)
        try:
            with Store(tmp_path) as store:
                store.forget_damaged_records()
                store.put(finished[key] for key in store.claim(wanted))
                now = store.everything()
        except (StoreError, FolderError) as error:
            counts[told(error, tmp_path)] += 1
            assert not list(tmp_path.glob("*-wal")), "left open"
            continue
        finally:
            for left in tmp_path.glob(f"{FILE}-*"):
                left.unlink()
        now.undamaged(wanted)
        assert {place: value for place, value in now.values.items() if place[0] in wanted} == values
        counts["mended"] += 1
    assert counts["mended"] > 0
    print(dict(counts))


def test_a_damaged_store_without_checksums_is_read_or_told(whole, tmp_path):
    """Of tables of version 1 a number may be another; but nothing else happens than that it is read or refused."""
    with sqlite3.connect(tmp_path / FILE, isolation_level=None) as connection:
        with sqlite3.connect(whole[0] / FILE) as source:
            source.backup(connection)
        connection.execute("DROP TABLE checksum")
        connection.execute("PRAGMA user_version = 1")
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("VACUUM")
    connection.close()
    source.close()
    content, rng, counts = (tmp_path / FILE).read_bytes(), random.Random(3), Counter()
    for _ in range(COUNT // 50):
        damaged_at_random(content, tmp_path / FILE, rng)
        for read_only in (True, False):
            try:
                if read_only:
                    results_in(tmp_path)
                else:
                    Store(tmp_path).close()
                counts["read"] += 1
            except (StoreError, FolderError) as error:
                counts[told(error, tmp_path)] += 1
        for left in tmp_path.glob(f"{FILE}-*"):
            left.unlink()
    assert counts["told"]
    assert counts["read"]
    print(dict(counts))


def test_damaged_weights_are_those_that_were_written_or_told(tmp_path):
    """The checksum is of all tensors and of the network's key: a file under another's name is noticed too."""
    rng, keys = random.Random(4), ("a" * 20, "b" * 20)
    files = [weights_file(tmp_path, key) for key in keys]
    for i, file in enumerate(files):
        tensors = {
            "weight": torch.randn(4, 6, generator=torch.Generator().manual_seed(i)),
            "steps": torch.tensor(7),
            "half": torch.ones(3, dtype=torch.bfloat16),
        }
        write_weights(file, tensors, diverged=i == 1)
    contents = [file.read_bytes() for file in files]
    expected = [read_weights(file) for file in files]
    counts = Counter()
    for i in range(COUNT):
        which = rng.randrange(2)
        content = bytearray(contents[1 - which] if i % 50 == 0 else contents[which])
        if i % 50:
            rng.choice(DAMAGES)(content, rng)
        files[which].write_bytes(content)
        try:
            tensors, diverged = read_weights(files[which])
        except StoreError as error:
            counts[told(error, tmp_path, files[which].name)] += 1
            continue
        assert save(tensors) == save(expected[which][0]), f"damage {i} gives other weights without a word"
        assert diverged == expected[which][1]
        counts["same"] += 1
    assert counts["told"] > counts["same"]
    print(dict(counts))
