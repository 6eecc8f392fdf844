"""Killed anywhere, again and again: nothing that was finished is lost, and the end is the same to the bit."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from spurlab.studies import Store
from spurlab.studies.store import FILE

KILLS = int(os.environ.get("SPURLAB_TEST_KILLS", "5"))
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


@pytest.fixture
def study(tmp_path):
    path = tmp_path / "short.toml"
    path.write_text(STUDY)

    def start(out):
        command = [sys.executable, "-m", "spurlab.cli", "run", str(path), "--out", str(out), "--json"]
        return subprocess.Popen(
            command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
        )

    return start


def finished(folder):
    """Every measured number and when it was finished, or nothing where there is no store yet."""
    if not (folder / FILE).exists():
        return {}
    with Store(folder, read_only=True) as store:
        when = {key: about[-1] for key, about in store.subjects().items()}
        return {which: (value, when[which[0]]) for which, value in store.values().items()}


def wait_for_more(process, folder, than):
    """Until the store holds more than it did, or the program has ended."""
    while process.poll() is None and len(finished(folder)) <= than:
        time.sleep(0.2)


def test_a_study_that_is_killed_again_and_again_ends_in_the_same_rows(study, tmp_path):
    """SIGKILL to the program alone: its workers must find out by themselves.

    Odd kills come at a moment of the start or the first training; even ones soon after something was finished, so
    each of them has something to lose. Moments are drawn from a fixed seed.
    """
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    with study(whole) as process:
        assert process.wait(timeout=300) == 0, process.stderr.read().decode()
    moments, before, kills_with_something_new = random.Random(0), {}, 0
    for kill in range(KILLS):
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
    with study(broken) as process:
        assert process.wait(timeout=300) == 0, process.stderr.read().decode()
    end = finished(broken)
    assert end.items() >= before.items()
    assert {which: value for which, (value, _) in end.items()} == {
        which: value for which, (value, _) in finished(whole).items()
    }
    weights = {path.name: path.read_bytes() for path in (whole / "weights").iterdir()}
    assert {p.name: p.read_bytes() for p in (broken / "weights").glob("*.safetensors")} == weights
    assert len(weights) == 60
    assert kills_with_something_new >= 2
    print(f"{KILLS} kills, {kills_with_something_new} of them after something new was finished")
