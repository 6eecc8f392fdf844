"""What goes to a worker and comes back: plain values, and data by name."""

import json

import pytest
import torch

from spurlab.studies import Outcome, StudyError, Task, load_study, perform, work_of
from spurlab.studies.task import WEIGHTS


@pytest.fixture
def task(small, study_of):
    (only,) = work_of(study_of("pattern=R3"), {"fashion-mini": small}).tasks(1, 10**10)
    return only


def test_a_task_and_its_outcome_survive_json(small, task):
    assert Task.from_json(json.loads(json.dumps(task.as_json()))) == task
    outcome = perform(task, lambda name: small)
    again = Outcome.from_json(json.loads(json.dumps(vars(outcome))))
    assert again == outcome
    assert [finished.key for finished in again.finished(task)] == list(task.keys)


def test_a_task_carries_no_data(small, task):
    """4 small networks: their task is a few kilobytes, whatever the data."""
    assert len(json.dumps(task.as_json())) < 5_000


def test_other_data_under_the_same_name_are_refused(small, mini, task):
    with pytest.raises(StudyError, match=r"checksum.*planned with.*SPURLAB_DATA"):
        perform(task, lambda name: mini)


def test_progress_counts_epochs(small, task):
    seen = []
    perform(task, lambda name: small, lambda now: seen.append(now.done // len(task.trainings)))
    assert seen == [0, 1, 2]


def test_weights_are_written_whole(small, study_of, tmp_path):
    study = study_of("pattern=R3", "seed=3", "n=0", "weights=true")
    (task,) = work_of(study, {"fashion-mini": small}).tasks(1, 10**10, weights=str(tmp_path))
    perform(task, lambda name: small)
    assert [path.name for path in (tmp_path / WEIGHTS).iterdir()] == [f"{task.keys[0]}.safetensors"]


def test_groups_are_of_as_many_as_memory_holds(small):
    work = work_of(load_study("quickstart"), {"fashion-mini": small})
    assert max(len(task.trainings) for task in work.tasks(2, 10**10)) == 10
    assert max(len(task.trainings) for task in work.tasks(2, 10**7)) == 1


def test_a_checksum_tells_data_apart(small, mini):
    """Equal for equal examples, whatever they are called; other for another pixel, label or order."""

    def changed(part, **columns):
        return type(part)(**{"inputs": part.inputs, "labels": part.labels} | columns)

    def dataset(train):
        return type(mini)("x", train, small.test, mini.class_names, mini.input_range, mini.source)

    dark = small.train.inputs.clone()
    dark[7, 0, 3, 3] = 0.5 - dark[7, 0, 3, 3] / 2
    same = dataset(changed(small.train, inputs=small.train.inputs.clone()))
    others = [
        dataset(changed(small.train, inputs=dark)),
        dataset(changed(small.train, labels=small.train.labels.roll(1))),
        dataset(small.train[torch.arange(1_999, -1, -1)]),
        mini,
    ]
    assert same.checksum == small.checksum
    assert len({small.checksum, *(other.checksum for other in others)}) == 5
