"""What was timed is kept: not timed again, unless it is old, of something else, or damaged."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from spurlab.studies import EXECUTORS, Outcome, plan
from spurlab.studies import calibration as room
from spurlab.studies.calibration import LASTS, Calibration, Timed, today

TIMED = Timed(1.5, 0.5, 10**9, 40, 2.0, today().isoformat())


@pytest.fixture
def trials(monkeypatch):
    """The trials that are timed from here on: a step of each takes as long as their number."""
    seen = []

    def timing(tasks, workers, load, told):
        for task in tasks:
            seen.append(task)
            yield task, Outcome((), (1.0 * task.steps * len(seen),), (), 1.0, 10**9, task.steps)

    monkeypatch.setitem(EXECUTORS, "local", lambda address: timing)
    monkeypatch.setitem(plan.__globals__, "local", timing)  # what a plan takes for this machine's workers
    return seen


def test_what_was_timed_is_not_timed_again(study_of, small, tmp_path, trials):
    keep = tmp_path / "cache" / "calibration.json"

    def planned(*changes, **how):
        return plan(study_of(*changes), tmp_path / "out", workers=1, load=lambda _: small, keep=keep, **how)

    first, count = planned(), len(trials)
    assert count > 0
    again = planned()
    assert len(trials) == count
    assert (again.seconds, again.memory, first.timed, again.timed) == (first.seconds, first.memory, "", TIMED.day)
    assert planned("recipe.epochs=4").seconds > first.seconds  # the steps are the same, and there are more
    assert len(trials) == count
    planned("recipe.optimizer=sgd")
    assert len(trials) > count
    count = len(trials)
    assert planned(anew=True).timed == ""
    assert len(trials) > count
    assert not (tmp_path / "out").exists()


def test_nothing_is_kept_where_no_file_is_named(study_of, small, tmp_path, trials):
    counts = [plan(study_of(), tmp_path, workers=1, load=lambda _: small).seconds and len(trials) for _ in range(2)]
    assert counts[1] == 2 * counts[0]
    assert not list(tmp_path.iterdir())


def test_it_comes_back_for_the_same_kind_alone(tmp_path, monkeypatch):
    file = tmp_path / "calibration.json"
    Calibration(file).put({"kind": TIMED})
    assert Calibration(file).get("kind") == TIMED
    assert Calibration(file).get("other") is None
    assert Calibration(file, anew=True).get("kind") is None
    Calibration(file, anew=True).put({"other": TIMED})
    assert Calibration(file).get("kind") == TIMED  # others stay
    monkeypatch.setattr(room, "machine", lambda: "another processor")
    assert Calibration(file).get("kind") is None


def test_what_is_old_is_timed_again(tmp_path):
    file = tmp_path / "calibration.json"
    for days, kept in ((1, True), (LASTS.days - 1, True), (LASTS.days, False), (-1, False)):
        Calibration(file).put({"kind": replace(TIMED, day=(today() - timedelta(days)).isoformat())})
        assert (Calibration(file).get("kind") is not None) == kept


@pytest.mark.parametrize(
    "content",
    [
        *("", "[]", "{", '{"a": 1}', '{"a": {}}', '{"a": null}', "\x00"),
        json.dumps({"a": vars(TIMED) | {"day": "soon"}}),
        json.dumps({"a": vars(TIMED) | {"steps": 0}}),
        json.dumps({"a": vars(TIMED) | {"make_seconds": -1}}),
        json.dumps({"a": vars(TIMED) | {"make_seconds": "1"}}),
        json.dumps({"a": vars(TIMED) | {"make_seconds": float("nan")}}),
    ],
)
def test_a_damaged_file_is_as_good_as_none(tmp_path, content):
    file = tmp_path / "calibration.json"
    file.write_text(content)
    assert Calibration(file).get("kind") is None
    Calibration(file).put({"kind": TIMED})
    assert Calibration(file).get("kind") == TIMED


def test_where_nothing_can_be_written_all_is_timed(tmp_path):
    (tmp_path / "file").touch()
    Calibration(tmp_path / "file" / "calibration.json").put({"kind": TIMED})
    assert Calibration(tmp_path / "file" / "calibration.json").get("kind") is None
