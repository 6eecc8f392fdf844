"""Making what a task names, in this process: networks are trained, or treated, and then measured."""

import logging
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import torch

from spurlab.data import Dataset
from spurlab.errors import FAILURES, worded
from spurlab.models import is_grown
from spurlab.patterns import Planted
from spurlab.plugins import is_foreign
from spurlab.studies.attacking import Attacking
from spurlab.studies.graph import Train, Treat
from spurlab.studies.materials import Materials, Network, materials_in
from spurlab.studies.measuring import Measuring
from spurlab.studies.task import Outcome, Task
from spurlab.studies.training_sets import checked
from spurlab.studies.treating import Deleting, Preventing
from spurlab.studies.weights import weights_file, write_weights
from spurlab.study_files import StudyError
from spurlab.training import Ensemble, Member, Progress, Recipe, fit

log = logging.getLogger(__name__)

BENCHES = {
    "deletion": Deleting,
    "prevention": Preventing,
    "attack": Attacking,
}  # by kind of `TREATMENTS`, what carries it out


def carried_out(task: Task, load: Callable[[str], Dataset], told: Callable[[int], None]) -> Outcome:
    """Carry out a task; where its results folder is not here, weights come with it and go with the outcome.

    Args:
        task: what to do.
        load: gives a data set by its name.
        told: called with the work done so far, in epochs of a network.
    """

    def progress(now: Progress) -> None:
        told(now.done)

    if task.sees_folder:
        return perform(task, load, progress)
    with TemporaryDirectory() as place:
        for key, content in task.given.items():
            file = weights_file(Path(place), key)
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(content)
        outcome = perform(replace(task, folder=place), load, progress)
        files = {key: weights_file(Path(place), key) for key in task.keys}
        made = {key: file.read_bytes() for key, file in files.items() if file.is_file() and key not in task.given}
        return replace(outcome, weights=made)


def perform(
    task: Task, load: Callable[[str], Dataset], progress: Callable[[Progress], None] = lambda _: None
) -> Outcome:
    """Make the nodes of a task, where that is not done yet, and measure each.

    Args:
        task: what to do.
        load: gives a data set by its name.
        progress: as in `spurlab.training.fit`; of treatments, called after each.

    Raises:
        StudyError: the data here are not those that the task names.
        StoreError: weights cannot be written, or are damaged.
    """
    data = checked(task.nodes[0].setting.dataset, task.data, load)
    materials = materials_in(Path(task.folder), data, task.device)
    if task.steps is not None:
        return _timed(task, materials, task.steps)
    if isinstance(task.nodes[0], Train):
        return _trained(task, materials, progress)
    return _treated(task, materials, progress)


def _trained(task: Task, materials: Materials, progress: Callable[[Progress], None]) -> Outcome:
    """Networks whose weights are there are measured only."""
    start = time.perf_counter()
    trainings = [node for node in task.nodes if isinstance(node, Train)]
    files = [weights_file(Path(task.folder), key) for key in task.keys]
    networks = {i: materials.trained(trainings[i]) for i, path in enumerate(files) if path.is_file()}
    fresh = [i for i in range(len(files)) if i not in networks]
    if fresh:
        members = [Member(materials.planted(trainings[i]), trainings[i].seed) for i in fresh]
        ensemble = _fitted(task, members, [trainings[i].setting.recipe for i in fresh], materials.data, progress)
        networks |= {i: (ensemble.member(j), bool(ensemble.diverged[j])) for j, i in enumerate(fresh)}
    trained = time.perf_counter()
    values = _measured(task, materials, [networks[i] for i in range(len(files))])
    for i in fresh:
        if task.weights or trainings[i].pattern is None:
            network, diverged = networks[i]
            write_weights(files[i], network.state_dict(), diverged=diverged)
    seconds = (trained - start) / len(files) if fresh else 0.0
    measuring = time.perf_counter() - trained
    return Outcome(values, (seconds,) * len(files), ("",) * len(files), measuring, peak_memory())


def _treated(task: Task, materials: Materials, progress: Callable[[Progress], None]) -> Outcome:
    """A method that fails ends nothing: its numbers are NaN, and the reason is kept with them."""
    start, done = time.perf_counter(), 0
    treatments = [node for node in task.nodes if isinstance(node, Treat)]
    bench = BENCHES[treatments[0].kind](treatments[0], materials)
    values, seconds, failures = [], [], []
    for treatment, requests in zip(treatments, task.requests, strict=True):
        attempt = bench.treated(treatment, requests)
        if attempt.failed:
            where = f"{treatment.setting.dataset}, n = {treatment.training.n}, seed {treatment.seed}"
            log.warning("%s: %s failed. %s", where, treatment.method, attempt.failed)
        values.append(attempt.result or (math.nan,) * len(requests))
        seconds.append(attempt.seconds)
        failures.append(attempt.failed)
        done += treatment.work
        progress(Progress(done, task.work, time.perf_counter() - start))
    return Outcome(tuple(values), tuple(seconds), tuple(failures), peak_bytes=peak_memory())


def _fitted(
    task: Task,
    members: Sequence[Member],
    recipes: Sequence[Recipe],
    data: Dataset,
    progress: Callable[[Progress], None],
) -> Ensemble:
    """The members of one group.

    Raises:
        StudyError: a network of the user's or of a plug-in fails in training.
    """
    architecture = task.nodes[0].setting.architecture
    try:
        return fit(
            architecture,
            members,
            recipes,
            classes=data.classes,
            group_size=len(members),
            workers=0,
            device=task.device,
            progress=progress,
        )
    except FAILURES as error:
        if not is_foreign("models", architecture):
            raise
        raise StudyError(
            f"architecture {architecture!r}: the network fails in training. {worded(error)} (--debug shows where)"
        ) from error


def _measured(task: Task, materials: Materials, networks: Sequence[Network]) -> tuple[tuple[float, ...], ...]:
    """The numbers of each training."""
    measuring, values = Measuring(materials), []
    for training, requests, (network, diverged) in zip(task.nodes, task.requests, networks, strict=True):
        if diverged or not isinstance(training, Train):
            values.append((math.nan,) * len(requests))
        else:
            values.append(measuring.numbers(measuring.observed(network, training), requests))
    return tuple(values)


def _timed(task: Task, materials: Materials, steps: int) -> Outcome:
    """How long steps of this group take, once it runs, and measuring it."""
    data = materials.data
    recipes = [node.setting.recipe.but(epochs=2, milestones=()) for node in task.nodes]
    rows = torch.linspace(0, len(data.train) - 1, min(steps * recipes[0].batch_size, len(data.train))).long()
    few = Planted.none(data.train[rows])
    ends: list[float] = []  # of epochs; the first touches memory for the first time, the second is timed
    members = [Member(few, node.seed) for node in task.nodes]
    ensemble = _fitted(task, members, recipes, data, lambda _: ends.append(time.perf_counter()))
    start = time.perf_counter()
    _measured(task, materials, [(ensemble.member(i), False) for i in range(len(recipes))])
    measuring = time.perf_counter() - start
    if is_grown(task.nodes[0].setting.architecture):  # all at once, whatever the epochs
        seconds = (ends[-1] - ends[0]) / len(recipes) / max(1, task.nodes[0].setting.recipe.epochs)
    else:
        seconds = (ends[-1] - ends[len(ends) // 2]) / len(recipes)
    steps = -(-len(rows) // recipes[0].batch_size)
    nothing = ((),) * len(recipes), (seconds,) * len(recipes), ("",) * len(recipes)
    return Outcome(*nothing, measuring, peak_memory(), steps)


def peak_memory() -> int:
    """The most memory that this process has held, in bytes; where the system does not tell, what it holds now."""
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().rss)
    import resource  # noqa: PLC0415 - not there on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
