"""Worker processes: the same numbers as in this process, whatever dies on the way, and nothing left behind."""

import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
from itertools import pairwise

import psutil
import pytest
import torch
from torch.testing import assert_close

from spurlab.data import Examples
from spurlab.patterns import Planted
from spurlab.training import Member, Recipe, WorkerError, fit, grouped
from spurlab.training.workers import Job, read_group, write_group, write_trained

# a worker needs a second for a group: long after its first sign of life it still trains
LONG = Recipe(
    optimizer="sgd", learning_rate=0.1, momentum=0.5, weight_decay=1e-3, batch_size=32, epochs=30, milestones=(10, 20),
    clip_norm=0.5, clip_value=0.1,
)  # fmt: skip

posix = pytest.mark.skipif(os.name != "posix", reason="needs signals and a shell")


def is_worker(process):
    try:
        return "spurlab.training.worker" in process.cmdline()
    except psutil.Error:
        return False


def workers_of(process):
    return [child for child in process.children(recursive=True) if is_worker(child)]


def ours(folder):
    """What `fit` left there; PyTorch makes a folder for its compiler too."""
    return [path for path in folder.iterdir() if path.name.startswith("spurlab-")]


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """Where temporary folders go in this test. Afterwards none is left and no worker lives."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)  # or the choice made earlier holds
    yield folder
    assert workers_of(psutil.Process()) == []
    assert ours(folder) == []


@pytest.fixture(scope="module")
def members(small, members_of):
    """Eight members that make four groups, with one worker or two: odd seeds 200 examples each, even seeds 203.

    Seeds share overlays, as in a cell of a study, and the groups of the base are its labels: one memory, two names.
    """
    base = Examples(small.inputs, small.labels, small.labels)
    some = [member.data for member in members_of([0, 3, 20])]
    none, three, twenty = (Planted(base, planted.rows, planted.inputs) for planted in some)
    appended = Planted(base, three.rows, three.inputs, "append")
    return [Member(data, seed) for seed, data in enumerate([appended, three, appended, none, appended, twenty] * 2)][:8]


@pytest.fixture
def train(members):
    """fit with groups of two; progress is put in ``train.steps``."""

    def run(some=members, recipe=LONG, *, workers, progress=lambda step: None, **settings):
        def note(step):
            run.steps.append(step.done)
            progress(step)

        run.steps = []
        options = {"classes": 10, "group_size": 2, "workers": workers} | settings
        return fit("small-mlp", some, recipe, progress=note, **options)

    return run


@pytest.fixture(scope="module")
def undisturbed(members):
    """What two workers give when nothing happens to them."""
    return fit("small-mlp", members, LONG, classes=10, group_size=2, workers=2)


def equal(a, b):
    """Whether two ensembles have the same seeds, losses and weights, bit for bit."""
    weights = all(weights.equal(b.trained.state[name]) for name, weights in a.trained.state.items())
    return a.seeds == b.seeds and a.trained.losses.equal(b.trained.losses) and weights


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """(shell commands) -> from now on they run in place of a worker; the job's folder is ``$4``."""

    def replace(commands):
        script = tmp_path / "stand-in"
        script.write_text(f"#!/bin/sh\n{commands}\n")
        script.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(script))

    return replace


def test_workers_give_what_this_process_gives(undisturbed, train):
    """The same groups and the same code; only the number of threads may differ, and with it the order of sums."""
    here = train(workers=0)
    assert undisturbed.seeds == here.seeds == tuple(range(8))
    assert_close(undisturbed.trained.losses, here.trained.losses, rtol=1e-4, atol=1e-5)
    for name, weights in here.trained.state.items():
        assert_close(undisturbed.trained.state[name], weights, rtol=1e-3, atol=1e-4)
    assert undisturbed.trained.losses[:, -1].max() < undisturbed.trained.losses[:, 0].min()


def test_what_a_member_leaves_out_stays_out_in_a_worker(members_of):
    """One thread here and there, so the same bits."""
    members = [Member(member.data.without(member.data.mask), member.seed) for member in members_of([20, 20])]
    there, here = (fit("small-mlp", members, LONG.lasting(1), classes=10, workers=workers) for workers in (1, 0))
    assert equal(there, here)


def test_several_networks_with_convolutions_come_back_from_one_worker(mini):
    """Their weights lie channels last after training, which no file can hold."""
    few = Planted.none(mini.train[:64])
    recipe = Recipe(epochs=1, milestones=(), batch_size=32)
    here, there = (
        fit("cnn", [Member(few, 0), Member(few, 1)], recipe, classes=10, workers=workers, group_size=2)
        for workers in (0, 1)
    )
    assert_close(there.trained.state, here.trained.state)


def test_a_second_run_gives_the_same_bits(undisturbed, train):
    """Whichever of the two is first. Progress never goes back while nobody dies."""
    assert equal(undisturbed, train(workers=2))
    assert all(before < after for before, after in pairwise(train.steps))
    assert train.steps[-1] == 8 * LONG.epochs


def test_each_member_takes_its_recipe_to_the_worker(members, train):
    """One thread here and there, so the same bits; and other ones than with one recipe for all."""
    recipes = [
        Recipe(batch_size=64, epochs=1, weight_decay=0.1 * (i % 3), input_noise=0.2 * (i % 2), clip_norm=0.5 + i)
        for i in range(8)
    ]
    there, here = train(recipe=recipes, workers=2), train(recipe=recipes, workers=0)
    assert equal(there, here)
    assert not equal(there, train(recipe=recipes[0], workers=0))


@posix
def test_a_killed_worker_costs_time_and_nothing_else(undisturbed, train, caplog):
    """Killed when 2 model-epochs are done: they are taken back, and the group starts again."""
    killed = []

    def kill_once(step):
        if step.done and not killed:
            (worker,) = workers_of(psutil.Process())
            worker.kill()
            killed.append(step.done)

    with caplog.at_level(logging.WARNING, "spurlab"):
        ensemble = train(workers=1, progress=kill_once)
    assert equal(undisturbed, ensemble)
    (record,) = caplog.records
    assert record.getMessage() == (
        "the worker that trained group 0 (2 members, seeds [1, 3]) was killed by signal 9; "
        "the group is tried once more."
    )
    assert killed == [2]
    back = [place for place, (before, after) in enumerate(pairwise(train.steps)) if after < before]
    assert len(back) == 1
    assert train.steps[back[0] + 1] == 0
    assert train.steps[-1] == 8 * LONG.epochs


@posix
def test_a_group_whose_worker_is_killed_each_time_is_given_up(train, stand_in):
    """It tells of two model-epochs and dies; so does the next one, and there is no third."""
    stand_in("read group; echo '{\"model_epochs\": 2}'; kill -9 $$")
    message = (
        r"^the worker that trained group 0 \(2 members, seeds \[1, 3\]\) was killed by signal 9, for the second time\. "
        r"Out of memory\? Train with fewer workers\.$"
    )
    with pytest.raises(WorkerError, match=message):
        train(workers=1)
    assert train.steps == [0, 2, 0, 2]


@posix
def test_a_worker_may_die_between_two_groups(undisturbed, members, stand_in, train, tmp_path, caplog):
    """It closes its ears, delivers its group and is gone: the next group's name finds nobody to read it."""
    for i, group in enumerate(grouped(members, 2, 1)):
        write_trained(undisturbed[torch.tensor(group)].trained, tmp_path / f"trained-{i}.safetensors")
    stand_in(
        "group=$(head -n 1 | tr -dc 0-9); exec 0<&-; "
        f'cp {tmp_path}/trained-$group.safetensors "$4"; echo \'{{"finished": {{}}}}\''
    )
    with caplog.at_level(logging.WARNING, "spurlab"):
        ensemble = train(workers=1)
    assert equal(undisturbed, ensemble)
    assert [record.getMessage() for record in caplog.records] == [
        f"the worker that trained group {i} (2 members, seeds {seeds}) ended with exit code 0; "
        "the group is tried once more."
        for i, seeds in ((1, [5, 7]), (2, [0, 2]), (3, [4, 6]))
    ]


@posix
def test_a_failure_in_the_callback_ends_the_workers(train, stand_in):
    """The check of the temporary folder and of the living comes after each test."""

    def stop(step):
        if step.done:
            raise ZeroDivisionError

    stand_in("read group; echo '{\"model_epochs\": 2}'; exec sleep 60")
    with pytest.raises(ZeroDivisionError):
        train(workers=2, progress=stop)


def test_groups_of_a_call_are_the_same_for_one_worker_and_two(members):
    """What the comparisons above stand on."""
    wanted = [[1, 3], [5, 7], [0, 2], [4, 6]]
    assert all(grouped(members, 2, workers) == wanted for workers in (0, 1, 2))


SCRIPT = """
import signal, sys
import torch
from spurlab.data import Examples
from spurlab.patterns import Planted
from spurlab.training import Member, Recipe, fit

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have started us with Ctrl-C switched off
base = Examples(torch.rand(200, 1, 7, 7), torch.arange(200) % 10)
members = [Member(Planted.none(base), seed) for seed in range(2)]
fit("small-mlp", members, Recipe(epochs=10**6), classes=10, group_size=1, workers=int(sys.argv[1]),
    progress=lambda step: print(step.done, flush=True))
"""


@pytest.fixture
def interrupted(tmp_path, temporary):
    """(signal, workers) -> runs `fit` in a process of its own until its first progress, then sends it the signal.

    Returns the exit code, what it said on standard error, and its workers.
    """
    started = []

    def interrupt(which, workers):
        script = tmp_path / "script.py"
        script.write_text(SCRIPT)
        process = subprocess.Popen(
            [sys.executable, script, str(workers)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # a shell that starts the suite in the background has it ignore SIGINT, and children inherit that
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        )
        started.append(psutil.Process(process.pid))
        with process:
            assert [process.stdout.readline() for _ in range(2)] == ["0\n", "1\n"]
            children = workers_of(started[0])
            started.extend(children)
            assert len(children) == workers
            process.send_signal(which)
            said = process.communicate(timeout=60)[1]  # training would go on for hours
        return process.returncode, said, children

    yield interrupt
    for process in started:
        if process.is_running():
            process.kill()


@posix
def test_ctrl_c_ends_everything_at_once(interrupted, temporary):
    """The parent alone gets the signal: it ends its workers and takes its folder with it."""
    code, said, workers = interrupted(signal.SIGINT, 2)
    assert code == -signal.SIGINT
    assert "KeyboardInterrupt" in said
    assert not any(worker.is_running() for worker in workers)
    assert ours(temporary) == []


@posix
def test_workers_of_a_killed_parent_end_by_themselves(interrupted, temporary):
    """Nobody is left to end them: they notice that the pipe from the parent has ended, and take the folder along."""
    code, _, workers = interrupted(signal.SIGKILL, 1)
    assert code == -signal.SIGKILL
    gone, alive = psutil.wait_procs(workers, timeout=10)
    assert len(gone) == 1
    assert not alive
    assert ours(temporary) == []


def test_a_worker_stops_in_the_middle_when_its_orders_end(members, small, tmp_path):
    """A dead parent looks like this from inside: its end of the pipe is closed.

    That nobody listens any more would show only when an epoch ends, which can take long; here somebody does listen.
    """
    folder = tmp_path / "job"
    folder.mkdir()
    Job("small-mlp", small, 10, "plain").write(folder)
    write_group(members[:2], [Recipe(epochs=10**6)] * 2, folder / "group-0.safetensors")
    command = [sys.executable, "-m", "spurlab.worker", folder, "spurlab.training.worker", folder]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        try:
            worker.stdin.write('{"group": 0}\n')
            worker.stdin.flush()
            assert json.loads(worker.stdout.readline()) == {"model_epochs": 1}
            worker.communicate(timeout=20)
        finally:
            worker.kill()
    assert worker.returncode == 1
    assert not folder.exists()


def test_a_worker_ends_by_itself_when_there_is_no_more_to_do(small, tmp_path):
    """The word makes the difference: other workers still need the folder, which stays."""
    Job("small-mlp", small, 10, "plain").write(tmp_path)
    command = [sys.executable, "-m", "spurlab.worker", tmp_path, "spurlab.training.worker", tmp_path]
    done = subprocess.run(command, input="no more\n", capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    assert (tmp_path / "job.json").exists()


def test_a_job_comes_back_from_its_folder_as_it_went_in(tmp_path):
    base = Examples(torch.rand(5, 1, 2, 2), torch.arange(5), torch.arange(5))
    job = Job("mlp", base, 10, "plain")
    job.write(tmp_path)
    read = Job.read(tmp_path)
    assert (read.architecture, read.classes, read.engine) == ("mlp", 10, "plain")
    assert all(getattr(read.base, name).equal(column) for name, column in base.columns.items())


def test_a_group_comes_back_from_its_file_as_it_went_in(members, tmp_path):
    recipes = [Recipe(milestones=(1, 2), clip_norm=0.1), Recipe(weight_decay=0.1, input_noise=0.5)]
    write_group(members[:2], recipes, tmp_path / "group")
    read, settings = read_group(members[0].data.base, tmp_path / "group")
    assert settings == recipes
    assert [member.seed for member in read] == [0, 1]
    for got, member in zip(read, members, strict=False):
        assert got.data.how == member.data.how
        assert got.data.rows.equal(member.data.rows)
        assert got.data.inputs.equal(member.data.inputs)
