"""What a plan says is what a run then does; its times are the calibration's, scaled."""

import time

import pytest

from spurlab.studies import EXECUTORS, Outcome, load_study, plan


def counts(found):
    return found.cells, found.rows, found.trainings, found.shared, found.done, found.to_measure, found.to_do


def test_a_plan_counts_what_a_run_then_trains(small, study_of, tmp_path, ran):
    """2 patterns x 2 n x 2 seeds; each clean network stands for two cells. R3 is trained first, then all."""
    both, one = study_of(), study_of().only("pattern", ["R3"])
    out = tmp_path / "out"

    def planned(study):
        return counts(plan(study, out, workers=0, load=lambda name: small, calibrate=False))

    assert planned(both) == (8, 16, 6, 2, 0, 0, 6)
    assert not out.exists()
    ran(one, out)
    assert planned(one) == (4, 8, 4, 0, 4, 0, 0)
    assert planned(both) == (8, 16, 6, 2, 2, 2, 2)  # the clean networks are still to be measured with S3
    done = plan(one, out, workers=0, load=lambda name: small)
    assert (done.seconds, done.memory) == (0.0, 0)


def test_a_study_without_networks_plans_none(small, tmp_path):
    found = plan(load_study("table2"), tmp_path, load=lambda name: small)
    assert (found.trainings, found.shared, found.to_do, found.seconds) == (0, 0, 0, 0.0)


@pytest.fixture
def known_machine(monkeypatch):
    """An executor that trains nothing: a step of m small perceptrons takes m / 100 s, a prediction 1 s, memory 1 GB."""
    trials = []
    cost = {"small-mlp": 0.01, "mlp": 0.1, "large-mlp": 0.02}

    def pretend(tasks, workers, load, told):
        for task in tasks:
            trials.append(task)
            m = len(task.nodes)
            predictions = sum(3 if training.n == 0 else 2 for training in task.nodes)  # clean; R3 and S3, or one
            step = m * cost[task.nodes[0].setting.architecture]
            yield task, Outcome((), (task.steps * step,), (), 1.0 * predictions, 10**9, task.steps)

    monkeypatch.setitem(EXECUTORS, "local", lambda address: pretend)
    return trials


def test_the_expected_time_is_that_of_all_groups_on_all_workers(small, study_of, tmp_path, known_machine):
    """By hand: 2,000 examples are 16 steps of 128; 2 epochs; 30 networks, of which 10 clean ones are measured twice.

    Two workers get 2 groups of 7 or 8 each, which ends when half of the work is done, give or take a network.
    """
    study = study_of(f"seed={list(range(10))}")
    found = plan(study, tmp_path, workers=2, load=lambda name: small)
    networks, predictions = 30, 10 * 3 + 20 * 2
    whole = networks * 16 * 2 / 100 + predictions
    one = 16 * 2 / 100 + 3
    assert found.to_do == networks
    assert whole / 2 <= found.seconds <= whole / 2 + one
    assert found.memory == 2 * 10**9
    assert len(known_machine) == 2  # one kind of group, on both workers at once


def test_each_worker_takes_the_next_group_when_it_is_free(small, study_of, tmp_path, known_machine):
    """By hand: three clean networks of 32 steps and 3 predictions each take 3.32, 6.2 and 3.64 s on two workers.

    The first worker is free again first and takes the third: 3.32 + 3.64. Each architecture has its own calibration.
    """
    study = study_of("architecture=['small-mlp', 'mlp', 'large-mlp']", "n=0", "seed=0")
    found = plan(study, tmp_path, workers=2, load=lambda name: small)
    assert [task.nodes[0].setting.architecture for task in known_machine[::2]] == ["small-mlp", "mlp", "large-mlp"]
    assert found.seconds == pytest.approx(3.32 + 3.64, abs=1e-6)


def test_what_is_only_measured_costs_no_training(small, study_of, tmp_path, request, ran):
    """By hand: two clean networks are there; with them in one group two are trained, 32 steps; 10 predictions."""
    ran(study_of().only("pattern", ["R3"]), tmp_path)
    request.getfixturevalue("known_machine")
    found = plan(study_of(), tmp_path, workers=1, load=lambda name: small)
    assert (found.to_measure, found.to_do) == (2, 2)
    assert found.seconds == pytest.approx(32 * 0.02 + 2 * 3 + 2 * 2, abs=1e-6)


def test_the_start_of_the_workers_counts(small, study_of, tmp_path, monkeypatch):
    """Calibration takes 0.4 s of which nothing is training: that much a run will take too before it trains."""

    def slow_to_start(tasks, workers, load, told):
        time.sleep(0.4)
        for task in tasks:
            yield task, Outcome((), (1e-6 * task.steps,), (), 1e-6, 10**9, task.steps)

    monkeypatch.setitem(EXECUTORS, "local", lambda address: slow_to_start)
    start = time.perf_counter()
    found = plan(study_of(), tmp_path, workers=1, load=lambda name: small).seconds
    assert 0.4 <= found <= time.perf_counter() - start + 0.1  # no more than it took, and the steps themselves


def test_every_kind_of_group_is_tried(small, study_of, tmp_path, known_machine):
    study = study_of("recipe.optimizer=['adam', 'sgd']", "recipe.input_noise=[0, 0.1]", "recipe.weight_decay=[0, 0.1]")
    only_plain = study_of()
    plan(study, tmp_path, workers=1, load=lambda name: small)
    tried = [trial.nodes for trial in known_machine]
    noisy = [trainings for trainings in tried if any(t.setting.recipe.input_noise for t in trainings)]
    quiet = [trainings for trainings in tried if trainings not in noisy]
    for kind in noisy, quiet:
        assert {trainings[0].setting.recipe.optimizer for trainings in kind} == {"adam", "sgd"}
    known_machine.clear()
    plan(only_plain, tmp_path, workers=1, load=lambda name: small)
    assert not any(t.setting.recipe.input_noise for trial in known_machine for t in trial.nodes)


def test_the_calibration_is_of_real_steps(small, study_of, tmp_path):
    """A hundred times the epochs, measured at the same time: a time that grows with them (tenfold leaves room)."""
    short, long = (
        plan(study_of(f"recipe.epochs={epochs}"), tmp_path / "out", workers=0, load=lambda name: small)
        for epochs in (2, 2_000)
    )
    assert long.seconds > 10 * short.seconds > 0
    assert long.memory >= short.memory > 1e8
    assert not (tmp_path / "out").exists()
