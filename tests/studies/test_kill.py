"""Killed anywhere, again and again: nothing that was finished is lost, and the end is the same to the bit."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from spurlab.studies import Store
from spurlab.studies.database import FILE

KILLS = int(os.environ.get("SPURLAB_TEST_KILLS", "4"))
STUDY = """
title = "short?"
dataset = "fashion-mini"
architecture = "small-mlp"
pattern = ["R3", "S3"]
target = 0
n = [0, 3, 10]
seed = [0, 1, 2, 3, 4, 5]
recipe = { epochs = 1, weight_decay = [0, 1e-3], clip_norm = 1.0 }
weights = true
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    path = folder / "short.toml"
    path.write_text(STUDY)

    def start(out):  # two workers wherever it runs: with many, one program claims all before another one begins
        command = [sys.executable, "-m", "spurlab.cli", "run", str(path), "--out", str(out), "--json", "--workers", "2"]
        return subprocess.Popen(
            command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
        )

    return start


@pytest.fixture(scope="module")
def whole(study, tmp_path_factory):
    """The folder of a run that nothing stopped."""
    folder = tmp_path_factory.mktemp("whole")
    with study(folder) as process:
        assert process.wait(timeout=300) == 0, process.stderr.read().decode()
    return folder


def finished(folder):
    """Every measured number and when it was finished, or nothing where there is no store yet."""
    if not (folder / FILE).exists():
        return {}
    with Store(folder, read_only=True) as store:
        numbers = store.everything().undamaged()
        when = {key: about[-1] for key, about in numbers.subjects.items()}
        return {which: (value, when[which[0]]) for which, value in numbers.values.items()}


def wait_for_more(process, folder, than):
    """Until the store holds more than it did, or the program has ended."""
    while process.poll() is None and len(finished(folder)) <= than:
        time.sleep(0.2)


def values_of(folder):
    return {which: value for which, (value, _) in finished(folder).items()}


@pytest.mark.slow
def test_a_study_that_is_killed_again_and_again_ends_in_the_same_rows(study, whole, tmp_path):
    """SIGKILL to the program alone: its workers must find out by themselves.

    Odd kills come at a moment of the start or the first training; even ones soon after something was finished, so
    each of them has something to lose. Moments are drawn from a fixed seed. Where all was finished before a kill, the
    next ones hit a new folder.
    """
    wanted, moments = values_of(whole), random.Random(0)
    folders, before, kills_with_something_new = [tmp_path / "broken-0"], {}, 0
    for kill in range(KILLS):
        broken = folders[-1]
        with study(broken) as process:
            if kill % 2 == 0:
                wait_for_more(process, broken, len(before))
                time.sleep(moments.uniform(0, 1))
            else:
                time.sleep(moments.uniform(0, 8))
            process.send_signal(signal.SIGKILL)
            process.wait()
        now = finished(broken)
        assert now.items() >= before.items()  # nothing is lost, and nothing was trained again
        kills_with_something_new += len(now) > len(before)
        before = now
        if len(now) == len(wanted):
            folders.append(tmp_path / f"broken-{len(folders)}")
            before = {}
    with study(folders[-1]) as process:
        assert process.wait(timeout=300) == 0, process.stderr.read().decode()
    assert finished(folders[-1]).items() >= before.items()
    weights = {path.name: path.read_bytes() for path in (whole / "weights").iterdir()}
    assert len(weights) == 60
    for folder in folders:
        assert values_of(folder) == wanted
        assert {p.name: p.read_bytes() for p in (folder / "weights").glob("*.safetensors")} == weights
    assert kills_with_something_new >= 2
    print(f"{KILLS} kills, {kills_with_something_new} of them after something new was finished")


@pytest.mark.slow
def test_two_programs_share_a_folder_and_one_finishes_what_the_other_was_killed_at(study, whole, tmp_path):
    """Each network is trained once, but for those that the killed one had under way."""
    shared = tmp_path / "shared"
    Store(shared).close()
    with sqlite3.connect(shared / FILE) as connection:
        connection.execute("CREATE TABLE written (key TEXT)")
        connection.execute(
            "CREATE TRIGGER noted BEFORE INSERT ON subject BEGIN INSERT INTO written VALUES (NEW.key); END"
        )
    with study(shared) as killed, study(shared) as other:
        owners = set()
        while (killed.poll(), other.poll()) == (None, None) and not (len(owners) == 2 and finished(shared)):
            owners |= {owner for (owner,) in connection.execute("SELECT owner FROM claim")}
            time.sleep(0.1)
        killed.send_signal(signal.SIGKILL)
        before = finished(shared)
        assert other.wait(timeout=300) == 0, other.stderr.read().decode()
    assert len(owners) == 2  # both had begun
    assert killed.returncode == -signal.SIGKILL
    end = finished(shared)
    assert 0 < len(before) < len(end)
    assert end.items() >= before.items()
    assert values_of(shared) == values_of(whole)
    written = [key for (key,) in connection.execute("SELECT key FROM written")]
    connection.close()
    assert len(written) == len(set(written)) == 60
