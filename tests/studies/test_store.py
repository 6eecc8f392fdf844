"""The results file: what is written stays, whoever else writes, and whatever goes wrong."""

import math
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections import namedtuple
from contextlib import closing
from pathlib import Path

import pytest

from spurlab.studies import FolderError, Store, StoreError, locks, results_in
from spurlab.studies.database import FILE, VERSION
from spurlab.studies.network_files import network_file_system
from spurlab.studies.records import Record
from spurlab.studies.subjects import Finished, Request
from spurlab.studies.weights import weights_file

ACCURACY, SCORE = Request("accuracy", "", -1), Request("spurious_score", "R3", 0)
DOCUMENTED = Path(__file__).parents[2] / "docs" / "results"
WANTED = {"a": [ACCURACY], "b": [ACCURACY, SCORE]}


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path) as store:
        yield store


def done(key, values=None, **more):
    return Finished(key, {"n": 3}, "checksum", values or {ACCURACY: 0.9}, **more)


def numbers(store):
    return store.everything().undamaged().values


def made(store):
    return store.everything().undamaged().subjects


def with_sql(folder, *commands):
    with closing(sqlite3.connect(folder / FILE, isolation_level=None)) as connection:
        for command in commands:
            connection.execute(command)


def test_what_is_put_comes_back_to_the_bit(tmp_path):
    """A third has no end in binary numbers; NaN is a network that diverged, and counts as finished."""
    with Store(tmp_path) as store:
        store.put([done("a", {ACCURACY: 1 / 3, SCORE: math.nan}, seconds=2.5, device="cuda")])
    with Store(tmp_path, read_only=True) as store:
        values = numbers(store)
        assert values["a", *ACCURACY] == 1 / 3
        assert values["a", *SCORE] is None
        data, device, *_, seconds, finished, failed = made(store)["a"]
        assert (data, device, seconds, failed) == ("checksum", "cuda", 2.5, None)
        assert finished.endswith("+00:00")
        assert store.missing({"a": [ACCURACY, SCORE]}) == set()


def test_what_is_there_stays(store):
    store.put([done("a", {ACCURACY: 0.5})])
    store.put([done("a", {ACCURACY: 0.7, SCORE: 0.1})])
    assert numbers(store) == {("a", *ACCURACY): 0.5, ("a", *SCORE): 0.1}


def test_missing_is_what_lacks_any_number_or_the_weights(store, tmp_path):
    store.put([done("a"), done("b")])
    assert store.missing(WANTED) == {"b"}
    assert store.missing(WANTED, weights=True) == {"a", "b"}
    file = weights_file(tmp_path, "a")
    file.parent.mkdir()
    file.touch()
    assert store.missing(WANTED, weights=True) == {"b"}
    file.unlink()  # weights that are gone are to be trained for again
    assert store.missing(WANTED, weights=True) == {"a", "b"}


def test_studies_are_remembered_by_name_and_settings(tmp_path):
    one, two = (Record("mine", settings, {"mnist": "abc"}, "spurlab run mine", "now") for settings in ("1", "2"))
    with Store(tmp_path) as store:
        store.record(one)
        store.record(two)
        assert store.records() == [one, two]
        store.record(one._replace(started="now, later", command="again"), instead_of=[two])
        assert store.records() == [one._replace(command="again")]  # the first start is kept
        store.record(two._replace(started="z, much later"), instead_of=[one])
        assert store.records() == [two]  # and handed on


@pytest.fixture
def shared_by_machines(monkeypatch, tmp_path):
    """A folder under a network's mount, as the system tells it."""
    part = namedtuple("part", "mountpoint fstype")
    parts = [part("/", "ext4"), part(str(tmp_path), "nfs4"), part(str(tmp_path / "disk"), "xfs")]
    monkeypatch.setattr("psutil.disk_partitions", lambda all: parts)
    return tmp_path / "results"


@pytest.mark.parametrize(
    ("kind", "shared"),
    [
        ("nfs", True),
        ("CIFS", True),
        ("fuse.sshfs", True),
        ("fuse.mergerfs", False),
        ("ext4", False),
        ("fuseblk", False),
    ],
)
def test_which_file_systems_machines_share(monkeypatch, tmp_path, kind, shared):
    part = namedtuple("part", "mountpoint fstype")
    monkeypatch.setattr("psutil.disk_partitions", lambda all: [part(str(tmp_path), kind)])
    assert network_file_system(tmp_path / "results") == (kind.lower() if shared else "")


def test_a_folder_that_machines_share_is_known(shared_by_machines, tmp_path):
    assert network_file_system(shared_by_machines) == "nfs4"
    assert network_file_system(shared_by_machines / "deep" / "er") == "nfs4"
    assert network_file_system(tmp_path / "disk" / "results") == ""
    assert network_file_system(tmp_path.parent) == ""


def mode_of(folder):
    with closing(sqlite3.connect(folder / FILE)) as connection:
        return connection.execute("PRAGMA journal_mode").fetchone()[0]


def test_on_a_file_system_that_machines_share_there_is_no_log_for_one_machine(shared_by_machines, caplog):
    """Two processes, here two stores, share the work as elsewhere."""
    with Store(shared_by_machines) as one, Store(shared_by_machines) as two:
        assert one.claim({"a": [ACCURACY]}) == {"a"}
        assert two.claim(WANTED) == {"b"}
        one.put([done("a")])
        two.put([done("b", {ACCURACY: 0.5, SCORE: 0.1})])
        assert len(numbers(one)) == len(numbers(two)) == 3
    assert mode_of(shared_by_machines) == "delete"
    assert "machines share (nfs4)" in caplog.text


def test_a_log_of_one_machine_is_left_where_machines_share_a_folder(shared_by_machines, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("psutil.disk_partitions", lambda all: [])
        with Store(shared_by_machines) as store:
            store.put([done("a")])
            assert mode_of(shared_by_machines) == "wal"
            patch.undo()
            with pytest.raises(StoreError, match="a process uses it in a mode that is for one machine"):
                Store(shared_by_machines)
    with Store(shared_by_machines) as store:
        assert len(numbers(store)) == 1
    assert mode_of(shared_by_machines) == "delete"


def test_a_network_that_was_trained_twice_names_both_ways(store, monkeypatch):
    """Its older numbers stay; its rows must not claim to be of one machine and one version."""
    store.put([done("a")])
    first = made(store)["a"]
    store.put([done("a")])
    assert made(store)["a"] == first  # nothing new to tell
    monkeypatch.setattr("spurlab.studies.store.machine", lambda: "another")
    store.put([done("a", {Request("marked_accuracy", "R3", 0): 0.5}, device="cuda")])
    _, device, _, version, machine, *_ = made(store)["a"]
    assert (device, version, machine) == ("cpu, then cuda", first[3], f"{first[4]}, then another")
    assert len(numbers(store)) == 2


def test_what_one_has_claimed_no_other_gets(tmp_path):
    with Store(tmp_path) as one, Store(tmp_path) as two:
        assert one.claim({"a": [ACCURACY]}) == {"a"}
        assert two.claim(WANTED) == {"b"}
        assert one.claim(WANTED) == set()  # nor the same one twice
        one.put([done("a")])
        assert two.claim({"a": [ACCURACY, SCORE]}) == {"a"}  # finished, and given back, but more is asked for now


def test_claims_end_with_the_one_who_made_them(tmp_path):
    with Store(tmp_path) as one:
        with Store(tmp_path) as two:
            assert two.claim(WANTED) == {"a", "b"}
            assert one.claim(WANTED) == set()
        assert one.claim(WANTED) == {"a", "b"}


def test_claims_of_a_killed_process_are_free_at_once(tmp_path):
    """The other process claims, says so, and is killed without a chance to tidy up."""
    program = f"""
import sys
from contextlib import closing
from pathlib import Path
from spurlab.studies import Store
from spurlab.studies.subjects import Request
store = Store(Path({str(tmp_path)!r}))
print(store.claim({{"a": [Request("accuracy", "", -1)]}}), flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline().strip() == "{'a'}"
        with Store(tmp_path) as store:
            assert store.claim(WANTED) == {"b"}
            other.kill()
            other.wait()
            assert store.claim(WANTED) == {"a"}


def test_nothing_of_a_group_is_written_when_a_part_cannot_be(store):
    store._connection.execute(
        "CREATE TEMP TRIGGER t BEFORE INSERT ON subject WHEN NEW.key = 'b' BEGIN SELECT RAISE(ABORT, 'no'); END"
    )
    with pytest.raises(StoreError):
        store.put([done("a"), done("b")])
    assert numbers(store) == {}
    store.put([done("a")])  # the transaction was ended
    assert len(numbers(store)) == 1


@pytest.fixture
def filled(tmp_path):
    with Store(tmp_path) as store:
        store.put([done(f"key {i}") for i in range(400)])
    return tmp_path / FILE


def unchanged(path, words, error=StoreError, read_only=False):
    """Opening is refused in these words, and the file is left as it is."""
    before = path.read_bytes()
    with pytest.raises(error, match=words):
        Store(path.parent, read_only=read_only)
    assert path.read_bytes() == before
    return True


@pytest.mark.parametrize("read_only", [False, True])
def test_a_damaged_store_is_left_alone(filled, read_only):
    whole = filled.read_bytes()
    filled.write_bytes(whole[: len(whole) // 2])
    assert unchanged(filled, "damaged.*left as they are", read_only=read_only)
    filled.write_bytes(whole[:4096] + b"x" * 8192 + whole[4096 + 8192 :])
    assert unchanged(filled, "damaged.*left as they are", read_only=read_only)
    filled.write_bytes(b"")
    assert unchanged(filled, "damaged.*empty", read_only=read_only)
    filled.write_bytes(b"no database" * 1000)
    assert unchanged(filled, "damaged.*not a database", read_only=read_only)


def test_a_store_of_a_newer_version_is_left_alone(filled):
    with_sql(filled.parent, f"PRAGMA user_version = {VERSION + 1}")
    assert unchanged(filled, f"newer Spurlab.*{VERSION + 1}.*{VERSION}.*Update")


def test_another_programs_file_is_left_alone(tmp_path):
    with_sql(tmp_path, "CREATE TABLE mine (x)")
    assert unchanged(tmp_path / FILE, "not a file of Spurlab")


def test_a_full_disk_keeps_what_was_finished(filled):
    """SQLite's own limit on the file's size stands for the disk: the error is the same."""
    with Store(filled.parent) as store:
        pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
        store._connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StoreError, match=r"cannot be written.*full.*kept: make room, and the same command goes on"):
            store.put([done(f"more {i}") for i in range(1000)])
        assert len(numbers(store)) == 400
    with Store(filled.parent) as store:
        assert len(numbers(store)) == 400
        store.put([done("more")])


def test_a_folder_that_cannot_be_made_or_written_to(tmp_path):
    """A file stands where the folder should be; /proc takes no files from anybody."""
    (tmp_path / "file").touch()
    with pytest.raises(FolderError, match=r"cannot be written to.*--out"):
        Store(tmp_path / "file" / "out")
    if os.path.isdir("/proc/self"):
        with pytest.raises(FolderError, match=r"cannot be written to /proc"):
            Store(Path("/proc/spurlab"))


def test_the_last_results_of_a_killed_process_are_not_passed_over(filled, monkeypatch):
    """They stand in a file beside the store until somebody can write: on a read-only disk that is said."""
    connection = sqlite3.connect(filled)
    connection.execute("INSERT INTO claim VALUES ('k', 'o')")
    connection.commit()
    left = filled.with_name("results.sqlite-wal")
    kept = left.read_bytes()
    connection.close()
    left.write_bytes(kept)
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    assert unchanged(filled, "last results.*Copy the folder", read_only=True)


def test_a_store_that_is_gone_but_for_its_last_part_is_not_made_anew(filled):
    filled.with_name("results.sqlite-wal").write_bytes(b"x" * 100)
    filled.unlink()
    with pytest.raises(StoreError, match=r"gone, but results\.sqlite-wal is there"):
        Store(filled.parent)


def test_results_are_read_where_nothing_can_be_written(filled, monkeypatch):
    """As on a read-only disk, of which `os.access` tells (a test may run as root, who may write anywhere else)."""
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    with pytest.raises(FolderError, match="no permission"):
        Store(filled.parent)
    with Store(filled.parent, read_only=True) as store:
        assert len(numbers(store)) == 400


def test_a_folder_without_results(tmp_path):
    with pytest.raises(FolderError, match=r"no results in.*spurlab run"):
        results_in(tmp_path)
    Store(tmp_path).close()
    with pytest.raises(FolderError, match="no study was run"):
        results_in(tmp_path)
    assert not list(tmp_path.glob("*.sqlite.*"))


ROWS = {
    "subject": ("settings", "data", "device", "spurlab", "torch", "machine", "seconds", "finished"),
    "measured": ("measure", "pattern", "target", "value"),
    "checksum": ("sha256",),
}


def change(folder, table, column, new, where):
    """What stands in one cell is another: `new` and `where` are SQL."""
    with_sql(folder, f"UPDATE {table} SET {column} = {new} WHERE {where}")  # noqa: S608


@pytest.mark.parametrize(("table", "column"), [(table, column) for table, names in ROWS.items() for column in names])
def test_a_column_that_is_another_is_told(table, column, tmp_path):
    """SQLite reads it without a word. Only the subject that is damaged is refused, and it is measured again."""
    with Store(tmp_path) as store:
        store.put([done("a"), done("b", {ACCURACY: 0.25})])
        before = store.everything()
    new = "0.5" if column in ("seconds", "value") else "7" if column == "target" else "'other'"
    change(tmp_path, table, column, new, "key = 'a'")
    with Store(tmp_path, read_only=True) as store:
        words = r"results\.sqlite holds of 'a' is damaged.*run the study again.*made again"
        with pytest.raises(StoreError, match=words):
            store.everything().undamaged()
        found = store.everything()
        assert found.damaged == {"a"}
        assert found.undamaged(["b", "c"]) is found
        assert found.values == {("b", *ACCURACY): 0.25}
        assert store.missing({"a": [ACCURACY], "b": [ACCURACY]}) == {"a"}
    with Store(tmp_path) as store:
        store.put([done(key) for key in store.claim({"a": [ACCURACY], "b": [ACCURACY]})])
        assert numbers(store) == before.values


@pytest.mark.parametrize("table", ["subject", "measured", "checksum"])
def test_rows_that_are_lost_are_told(table, tmp_path):
    with Store(tmp_path) as store:
        store.put([done("a"), done("b")])
    with_sql(tmp_path, f"DELETE FROM {table} WHERE key = 'a'")  # noqa: S608
    with Store(tmp_path, read_only=True) as store, pytest.raises(StoreError, match="'a' is damaged"):
        store.everything().undamaged()


def of_version_1(folder):
    """The folder as a Spurlab without checksums has left it."""
    with_sql(folder, "DROP TABLE checksum", "PRAGMA user_version = 1", "PRAGMA journal_mode = DELETE")


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("measured", "value", "'text'"),
        ("measured", "value", "x'ff'"),
        ("measured", "target", "'text'"),
        ("measured", "pattern", "CAST(x'ff' AS TEXT)"),
        ("subject", "seconds", "NULL"),
        ("subject", "machine", "NULL"),
        ("subject", "finished", "CAST(x'ff' AS TEXT)"),
        ("subject", "settings", """'{"failed": '"""),
        ("subject", "settings", """'["failed"]'"""),
    ],
)
def test_cells_that_nobody_writes_are_told_without_checksums_too(table, column, value, tmp_path):
    """In files of version 1: a type that is another, a text that is none, settings that cannot be read."""
    with Store(tmp_path) as store:
        store.put([done("a"), done("b")])
    of_version_1(tmp_path)
    change(tmp_path, table, column, value, "key = 'b'")
    with (
        Store(tmp_path, read_only=True) as store,
        pytest.raises(StoreError, match=r"results\.sqlite holds of 'b' is dam"),
    ):
        store.everything().undamaged()
    Store(tmp_path).close()  # gets checksums, but what is malformed gets none
    with Store(tmp_path, read_only=True) as store:
        assert store.everything().damaged == {"b"}


def test_a_folder_without_checksums_is_read_with_a_note_and_gets_them_when_it_is_written_to(tmp_path, caplog):
    with Store(tmp_path) as store:
        store.put([done("a", {ACCURACY: 1 / 3}), done("b", {SCORE: math.nan})])
        store.record(Record("mine", "{}", {"mnist": "abc"}, "spurlab run mine", "now"))
        whole = store.everything(), store.records()
    of_version_1(tmp_path)
    content = (tmp_path / FILE).read_bytes()
    for _ in range(2):
        with Store(tmp_path, read_only=True) as store:
            assert (store.everything(), store.records()) == whole
    assert (tmp_path / FILE).read_bytes() == content
    (note,) = [record.getMessage() for record in caplog.records]
    assert "without checksums" in note
    caplog.clear()
    Store(tmp_path).close()
    (note,) = [record.getMessage() for record in caplog.records]
    assert "had no checksums until now" in note
    with_sql(tmp_path, "UPDATE measured SET value = 0.5 WHERE key = 'a'")
    with Store(tmp_path, read_only=True) as store:
        assert store.everything().damaged == {"a"}
        assert store.records() == whole[1]


def test_the_results_of_the_documentation_can_be_read():
    """They were written before there were checksums, and are a part of what is shown: not to be written again."""
    folders = [path.parent for path in DOCUMENTED.glob("*/results.sqlite")]
    assert folders
    for folder in folders:
        with Store(folder, read_only=True) as store:
            assert store.records()
            assert not store.everything().damaged


def test_further_values_of_one_subject_from_two_processes_keep_it_right(tmp_path):
    """The checksum is made of what stands in the file in the transaction that writes, whoever wrote it."""
    with Store(tmp_path) as one, Store(tmp_path) as two:
        one.put([done("a", {ACCURACY: 0.5})])
        two.put([done("a", {SCORE: 0.1})])
        one.put([done("a", {Request("marked_accuracy", "R3", 0): 0.2}, device="cuda")])
        assert len(numbers(two)) == 3


@pytest.mark.parametrize("column", ["name", "settings", "data", "command", "started"])
def test_the_record_of_a_study_that_is_another_is_told(column, tmp_path, caplog):
    """The others are read. A run in the folder takes it out; what was measured stays."""
    mine, other = (Record(name, "{}", {"mnist": "abc"}, "spurlab run", "now") for name in ("mine", "other"))
    with Store(tmp_path) as store:
        store.record(mine)
        store.record(other)
        store.put([done("a")])
    new = """'{"mnist": "abd"}'""" if column == "data" else """'{"n": 3}'"""
    change(tmp_path, "study", column, new, "name = 'mine'")
    with Store(tmp_path, read_only=True) as store:
        assert store.records() == [other]
    assert re.search(r"passed over, the record of .*sqlite is damaged.*run ", caplog.text)
    with Store(tmp_path) as store:
        store.forget_damaged_records()
        assert store.records() == [other]
        assert len(numbers(store)) == 1
    assert "was damaged and is taken out" in caplog.text


def test_the_record_of_a_study_that_is_lost_is_told(tmp_path):
    with Store(tmp_path) as store:
        store.record(Record("mine", "{}", {"mnist": "abc"}, "spurlab run", "now"))
    with_sql(tmp_path, "DELETE FROM study")
    with Store(tmp_path, read_only=True) as store, pytest.raises(StoreError, match="a study that is lost"):
        store.records()


@pytest.mark.parametrize("how", ["removed", "folder removed", "moved", "replaced"])
@pytest.mark.parametrize("what", ["put", "claim", "missing", "record"])
def test_a_store_that_is_gone_is_noticed_at_the_next_result(how, what, tmp_path):
    """SQLite would go on writing to a file that has no name any more."""
    folder = tmp_path / "out"
    with Store(folder) as store:
        store.put([done("a")])
        store.claim(WANTED)
        match how:
            case "removed":
                (folder / FILE).unlink()
            case "folder removed":
                shutil.rmtree(folder)
            case "moved":
                folder.rename(tmp_path / "elsewhere")
            case "replaced":
                (folder / FILE).unlink()
                for left in folder.glob(f"{FILE}-*"):
                    left.unlink()
                Store(folder).close()
        use = {
            "put": lambda: store.put([done("b")]),
            "claim": lambda: store.claim(WANTED),
            "missing": lambda: store.missing(WANTED),
            "record": lambda: store.record(Record("mine", "{}", {}, "", "")),
        }
        words = r"results\.sqlite was removed or replaced while it was in use.*same command"
        with pytest.raises(StoreError, match=words):
            use[what]()
    assert folder.exists() == (how not in ("folder removed", "moved"))


def test_the_folder_of_locks_goes_with_the_last_who_holds_one(tmp_path, monkeypatch):
    """One that is held stays, and so does the folder; who begins while it is removed makes it again."""
    first, last, place = "1" * 32, "2" * 32, tmp_path / locks.LOCKS
    held = [locks.hold(tmp_path, name) for name in (first, last)]
    locks.let_go(held[0])
    assert [path.name for path in place.iterdir()] == [last]
    assert locks.is_held(tmp_path, last)
    locks.let_go(held[1])
    assert not place.exists()
    acquire, gone = locks.FileLock.acquire, []

    def removed_before(lock, **settings):
        if not gone:
            gone.append(place.rmdir())
            raise FileNotFoundError(lock.lock_file)
        return acquire(lock, **settings)

    monkeypatch.setattr(locks.FileLock, "acquire", removed_before)
    again = locks.hold(tmp_path, first)
    assert gone
    assert locks.is_held(tmp_path, first)
    locks.let_go(again)
    with Store(tmp_path / "out") as store:
        store.claim({"a": [ACCURACY]})
        assert (tmp_path / "out" / locks.LOCKS).is_dir()
    assert not (tmp_path / "out" / locks.LOCKS).exists()
    with pytest.raises(StoreError, match="no lock can be held"):
        locks.hold(tmp_path / "nowhere", first)


@pytest.mark.parametrize("owner", ["'../mine'", "'/etc/hostname'", "'link'", "x'00'", "7", "''"])
def test_a_claim_that_no_process_made_is_free_and_touches_no_file(owner, tmp_path):
    """The name of a lock comes from the file. It is a name that we give, of a plain file, or it is not looked at."""
    folder, mine = tmp_path / "out", tmp_path / "out" / "mine"
    with Store(folder) as store:
        store.claim({"b": [ACCURACY]})
        mine.write_text("mine")
        (folder / ".running" / ("0" * 32)).symlink_to(mine)
        owner = owner.replace("link", "0" * 32)
        with_sql(folder, "INSERT INTO claim VALUES ('a', 'o')")
        change(folder, "claim", "owner", owner, "key = 'a'")
        assert store.claim({"a": [ACCURACY]}) == {"a"}
    assert mine.read_text("utf-8") == "mine"


def test_a_message_is_never_longer_than_a_screen(tmp_path):
    """A key of 100,000 letters, with what a terminal would take for a command."""
    with Store(tmp_path) as store:
        store.put([done("a")])
    key = "x" * 100_000
    change(tmp_path, "measured", "key", f"char(27) || '{key}'", "TRUE")
    with Store(tmp_path, read_only=True) as store, pytest.raises(StoreError) as caught:
        store.everything().undamaged()
    assert len(str(caught.value)) < 800
    assert str(caught.value).isprintable()


def test_a_table_that_is_described_as_another_one_is_damaged(tmp_path):
    """One flipped bit in the type of a column, and SQLite would store 0.0 seconds as a whole number ever after."""
    Store(tmp_path).close()
    damage = "UPDATE sqlite_schema SET sql = replace(sql, 'seconds REAL', 'seconds QEAL')"
    with_sql(tmp_path, "PRAGMA writable_schema = ON", damage)
    for read_only in (True, False):
        with pytest.raises(StoreError, match=r"damaged .the table subject is described as another one"):
            Store(tmp_path, read_only=read_only)
