"""What goes to a worker and comes back: plain values, and data by name."""

import json
import math
import sys
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from spurlab.explain import input_sensitivity, sensitivity_examples
from spurlab.measures import observed
from spurlab.models import build, skeleton
from spurlab.studies import Outcome, StoreError, StudyError, Task, load_study, perform
from spurlab.studies.executors import Room
from spurlab.studies.executors.local import room_here
from spurlab.studies.weights import WEIGHTS, weights_file
from spurlab.training import bytes_to_train


@pytest.fixture
def task(study_of, tasks_of):
    (only,) = tasks_of(study_of("pattern=R3"))
    return only


@pytest.fixture
def done(small):
    """(task, progress) -> its outcome on the small data."""
    return lambda task, *progress: perform(task, lambda name: small, *progress)


def test_a_task_and_its_outcome_survive_json(task, done):
    assert Task.from_json(json.loads(json.dumps(task.as_json()))) == task
    outcome = done(task)
    again = Outcome.from_json(json.loads(json.dumps(outcome.as_json())))
    assert again == outcome
    assert [finished.key for finished in again.finished(task)] == list(task.keys)


def test_a_task_carries_no_data(task):
    """4 small networks: their task is a few kilobytes, whatever the data."""
    assert len(json.dumps(task.as_json())) < 5_000


def test_other_data_under_the_same_name_are_refused(mini, task):
    with pytest.raises(StudyError, match=r"checksum.*planned with.*SPURLAB_DATA"):
        perform(task, lambda name: mini)


def test_progress_counts_epochs(task, done):
    seen = []
    done(task, lambda now: seen.append(now.done // len(task.nodes)))
    assert seen == [0, 1, 2]


def test_weights_are_written_whole(study_of, tmp_path, done, tasks_of):
    (task,) = tasks_of(study_of("pattern=R3", "seed=3", "weights=true"))
    done(task)
    names = {path.name for path in (tmp_path / WEIGHTS).iterdir()}
    assert names == {f"{key}.safetensors" for key in task.keys}


def test_networks_whose_weights_are_there_are_measured_to_the_same_bits(task, done):
    """The clean ones' always are; the others are trained again, and end where they were."""
    first = done(task)
    seen = []
    again = done(task, seen.append)
    assert again.values == first.values
    assert seen[-1].total == 2 * 2  # 2 networks of 2 epochs
    clean = task.only([key for key, training in zip(task.keys, task.nodes, strict=True) if training.n == 0])
    assert done(clean, lambda now: pytest.fail("trained again")).make_seconds == 0


def test_a_diverged_network_is_still_known_as_one_from_its_weights(study_of, done, tasks_of):
    (task,) = tasks_of(study_of("recipe.learning_rate=1e30", "recipe.optimizer=sgd", "pattern=R3", "n=0"))
    for _ in range(2):
        assert all(math.isnan(value) for values in done(task).values for value in values)


def test_weights_that_cannot_be_written_or_read_are_told(study_of, tmp_path, done, tasks_of):
    (task,) = tasks_of(study_of("pattern=R3", "seed=3", "n=0"))
    task = replace(task, folder=str(tmp_path / "out"))
    (tmp_path / "out").touch()
    with pytest.raises(StoreError, match=r"weights cannot be written.*kept: make room"):
        done(task)
    (tmp_path / "out").unlink()
    with pytest.raises(StoreError, match="out was removed"):  # it does not come back with nothing but weights
        done(task)
    (tmp_path / "out").mkdir()
    done(task)
    (path,) = (tmp_path / "out" / WEIGHTS).iterdir()
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(StoreError, match=r"damaged.*Remove the file"):
        done(task)


def test_groups_are_of_as_many_as_memory_holds(tasks_of):
    for memory, most in ((10**10, 10), (10**7, 1)):
        assert (
            max(len(task.nodes) for task in tasks_of(load_study("quickstart", changes=["seed=[0,1,2,3,4]"]), 2, memory))
            == most
        )


def test_groups_count_what_the_layers_put_out(small, study_of, tasks_of):
    """Where the weights are few, a member takes what its activations do."""
    network = skeleton("small-mlp", small.shape, 10)
    for batch_size in (128, 2_000):
        study = study_of("pattern=R3", f"recipe.batch_size={batch_size}")
        each = bytes_to_train(network, small.shape, batch_size)
        for members in (1, 2, 4):
            assert max(len(task.nodes) for task in tasks_of(study, 1, members * each)) == members


def test_on_a_gpu_its_own_memory_counts(small, study_of, monkeypatch, tasks_of):
    """Room for two beside as much again, whatever the machine has; and with more room one group of all."""
    each = bytes_to_train(skeleton("small-mlp", small.shape, 10), small.shape, 128)
    monkeypatch.setattr(sys.modules[room_here.__module__], "usable_device", torch.device)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2 * 2 * each, 10**12))
    room = room_here(None, "cuda")
    assert room == Room(0, 2 * each)
    assert [len(task.nodes) for task in tasks_of(study_of("pattern=R3"), 0, room.memory, "cuda")] == [2, 2]
    many = study_of("pattern=R3", f"seed={list(range(12))}")
    assert [len(task.nodes) for task in tasks_of(many, 0, 24 * each, "cuda")] == [24]
    assert max(len(task.nodes) for task in tasks_of(many, 1, 24 * each, "cpu")) <= 10


def test_kept_networks_are_measured_on_the_tasks_device(study_of, monkeypatch, done, tasks_of):
    """The meta device stands for a GPU, whose numbers nobody can read here: a spy says where the network is."""
    (task,) = tasks_of(study_of("pattern=R3", "n=0", "measure=accuracy", "figure=accuracy"))
    done(task)
    seen = []

    def spy(network, inputs):
        seen.append({tensor.device.type for tensor in network.state_dict().values()})
        return torch.full((len(inputs), 10), 0.1)

    monkeypatch.setattr(observed, "predictions", spy)
    done(replace(task, device="meta"))
    assert seen == [{"meta"}] * len(task.nodes)


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


def test_sensitivity_is_that_of_500_training_examples_chosen_by_the_seed(small, study_of, tmp_path, done, tasks_of):
    study = study_of("n=0", "seed=[3, 4]", "weights=true", "figure=sensitivity", "measure=sensitivity")
    (task,) = tasks_of(study)
    found = done(task)
    for training, requests, values in zip(task.nodes, task.requests, found.values, strict=True):
        network = build("small-mlp", small.shape, 10, 0)
        network.load_state_dict(load_file(weights_file(tmp_path, training.key(task.data))))
        few = sensitivity_examples(small.train, training.seed, 500)
        whole = input_sensitivity(network, few.inputs, few.labels, training.seed)
        assert [request.measure for request in requests] == [
            f"sensitivity_{percent:03d}" for percent in range(0, 101, 2)
        ]
        torch.testing.assert_close(torch.tensor(values, dtype=torch.float64), whole)
    assert found.values[0] != found.values[1]


def test_networks_that_train_one_at_a_time_are_tasks_of_their_own(study_of, tasks_of):
    """On a CPU a convolutional network is alone, so that both workers are busy; perceptrons beside it are together."""
    study = study_of("architecture=['small-mlp', 'cnn']", "n=0", "seed=[0, 1, 2, 3]")
    tasks = tasks_of(study)
    sizes = [(task.nodes[0].setting.architecture, len(task.nodes)) for task in tasks]
    assert sizes == [("small-mlp", 4), *[("cnn", 1)] * 4]
