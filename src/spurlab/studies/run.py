"""Running a study: train what is missing, measure it, keep it."""

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import psutil

from spurlab.data import Dataset
from spurlab.data import load as load_dataset
from spurlab.models import is_user_name, user_function
from spurlab.studies.cells import cells_of
from spurlab.studies.executors import executor_named
from spurlab.studies.graph import Train
from spurlab.studies.maps import keep_maps
from spurlab.studies.results import StudyResult, rows_of, study_of, unreadable
from spurlab.studies.store import Record, Request, Store, StoreError, weights_file
from spurlab.studies.study import Study, StudyError
from spurlab.studies.task import Outcome, Task
from spurlab.studies.weights import put_weights
from spurlab.studies.work import Work, data_of, work_of
from spurlab.terminal import duration, on_a_line, told_on_a_line
from spurlab.training import usable_device

log = logging.getLogger(__name__)

POLL = 1.0  # seconds between looks at what another process is training


@dataclass(frozen=True)
class StudyProgress:
    """How far a study has come, counted in epochs of one network; a deletion or prevention counts as a whole training.

    Args:
        done: model-epochs of this call, finished or under way.
        total: model-epochs that were missing when it began.
        seconds: since then.
        networks: how many networks (trained, or made from them) are finished, those that were there already included.
        of: how many the study needs.
        running: the tasks under way, each with its steps (epochs, treatments) done and their number.
        waiting: how many networks another process is working on.
        treatments: what is done to networks after training, see `Study.treatments`; "" for nothing.
    """

    done: int
    total: int
    seconds: float
    networks: int
    of: int
    running: tuple[tuple[str, int, int], ...] = ()
    waiting: int = 0
    treatments: str = ""

    @property
    def seconds_left(self) -> float:
        """The time left at the rate so far; infinite before the first epoch is done."""
        return self.seconds * (self.total - self.done) / self.done if self.done > 0 else float("inf")

    @property
    def what(self) -> str:
        """What is made."""
        return f"networks and {self.treatments}" if self.treatments else "networks"

    def __str__(self) -> str:
        if self.waiting:
            return f"waiting for another process to finish {self.waiting} {self.what}"
        left = "" if self.seconds_left == float("inf") else f", {duration(self.seconds_left)} left"
        return f"{self.networks}/{self.of} {self.what}{left}"


@told_on_a_line(str)
def run(
    study: Study,
    folder: Path,
    *,
    executor: str = "local",
    workers: int | None = None,
    device: str = "cpu",
    load: Callable[[str], Dataset] = load_dataset,
    progress: Callable[[StudyProgress], None] = on_a_line,
    command: str = "",
) -> StudyResult:
    """Train every network that the study needs and that the folder does not hold yet, each once, and measure it.

    Each group of networks is written to the folder as soon as it is finished. Stopped in whatever way, the same call
    goes on where it was and ends in the same numbers. Several processes may run studies in one folder at once: they
    share the work.

    Args:
        study: what to train and measure.
        folder: where results are kept, of this study and others.
        executor: a name of `EXECUTORS`.
        workers: processes; None: one for each core that this process may use; 0: train in this process.
        device: where to train; other than ``cpu``: in this process.
        load: gives a data set by its name; worker processes use `spurlab.data.load`.
        progress: called now and then; see `spurlab.terminal.on_a_line`.
        command: what the user typed, kept beside the results.

    Raises:
        StudyError: the study does not fit its data, or is none that could be read again; nothing has been trained or
            recorded then.
        ValueError: a method of the user's cannot be imported; nothing has been trained then.
        FolderError: the folder cannot hold results.
        StoreError: the results cannot be read or written; what was finished before is kept.
        WorkerError: a worker process died twice over the same group, or failed.
    """
    carry_out, workers = executor_named(executor), workers_for(workers, device)
    if why := unreadable(study):  # it would be in the way of whoever reads the folder
        raise StudyError(f"{study.where} cannot be recorded: {why}")
    work = work_of(study, data_of(study, load))
    import_methods(work)
    with Store(folder) as store:
        started = datetime.now(UTC).isoformat(timespec="seconds")
        store.forget_damaged_records()
        part_of = _remember(store, work, command, started)
        store.put(work.measured_at_once(store.missing({key: wanted for key, (_, wanted) in work.light.items()})))
        store.forget_failed(work.wanted)
        parts = [
            _Part(tasks, {key: work.wanted[key] for task in tasks for key in task.keys}, weights=weights)
            for tasks, weights in _phases(work, workers, folder, device)
        ]
        watch = _Watch(store, parts, study.treatments, progress)
        for part in parts:
            while part.missing(store):
                claimed = _claimed(store, part)
                with closing(carry_out(claimed, workers, load, watch.told)) as outcomes:
                    done = 0
                    for task, outcome in outcomes:
                        _keep(store, part, task, outcome)
                        watch.finished(task)
                        done += 1
                if not done and part.missing(store):
                    watch.wait(part)
        keep_maps(work, folder)
        return StudyResult(study, rows_of(study, work.recorded, store), folder, command, started, part_of)


def import_methods(work: Work) -> None:
    """The user's methods, so that what cannot be imported is told before anything is trained.

    Raises:
        ValueError: one cannot.
    """
    for method in {treatment.method for treatment in work.treatments if is_user_name(treatment.method)}:
        user_function(method, "method")


def _phases(work: Work, workers: int, folder: Path, device: str) -> Iterator[tuple[list[Task], bool]]:
    """The tasks of each phase, and whether weights of what they make are kept."""
    for tasks in work.phases(workers, free_memory(), folder, device):
        yield tasks, work.study.keeps_weights and isinstance(tasks[0].nodes[0], Train)


def _keep(store: Store, part: "_Part", task: Task, outcome: Outcome) -> None:
    """Write what a task gave.

    Raises:
        StoreError: it cannot be written; or the task left nothing of something that others need.
    """
    for key, content in outcome.weights.items():
        put_weights(weights_file(store.folder, key), content)
    store.put(outcome.finished(task))
    if missing := store.missing({key: part.wanted[key] for key in task.keys}, weights=part.weights):
        raise StoreError(
            f"{task.name}: it is finished, but of {len(missing)} the weights or numbers are not in {store.folder}. "
            "Workers that do not see this folder must be given `task.packed()` and `task.lock`."
        )


def free_memory() -> int:
    """Bytes that can be taken without swapping, half of them left to others."""
    return int(psutil.virtual_memory().available // 2)


def workers_for(asked: int | None, device: str) -> int:
    """How many processes to train in: as asked; one for each core that this process may use; none on another device.

    Raises:
        StudyError: fewer than none were asked for.
        ValueError: a device that this machine does not have.
    """
    if asked is not None and asked < 0:
        raise StudyError(f"`workers` must be 0 (train in this process) or more, but it is {asked}.")
    if usable_device(device).type != "cpu":
        return 0
    if asked is not None:
        return asked
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _remember(store: Store, work: Work, command: str, started: str) -> Study | None:
    """Record the study, unless an earlier one of its name holds all its rows, which is returned; those it holds go."""
    study = work.study
    rows = {(cell, measure) for cell in work.cells for measure in study.measure}
    own = Record(study.name, study.model_dump_json(), work.recorded, command, started)
    superfluous = []
    for old in store.records():
        if old.name != study.name or old.settings == own.settings:
            continue
        try:
            earlier = study_of(old)
        except StoreError as error:  # it stays as it is
            log.warning("%s: passed over, %s", store.folder, error)
            continue
        there = {(cell, measure) for cell in cells_of(earlier) for measure in earlier.measure}
        same = (earlier.main_figure, earlier.claims, old.data) == (study.main_figure, study.claims, own.data)
        if same and rows < there:
            return earlier
        if same and rows >= there:
            superfluous.append(old)
    store.record(own, superfluous)
    return None


@dataclass(frozen=True)
class _Part:
    """Tasks that may be done in any order, and what they are to measure.

    Args:
        wanted: by key.
        weights: whether weights are to be kept.
    """

    tasks: Sequence[Task]
    wanted: Mapping[str, Sequence[Request]]
    weights: bool = False

    @cached_property
    def work(self) -> dict[str, int]:
        """How much work each is, by key."""
        return {key: node.work for task in self.tasks for key, node in zip(task.keys, task.nodes, strict=True)}

    def missing(self, store: Store) -> set[str]:
        return store.missing(self.wanted, weights=self.weights)

    def amount(self, keys: Iterable[str]) -> int:
        return sum(self.work[key] for key in keys)


def _claimed(store: Store, part: _Part) -> Iterator[Task]:
    """Of each task what is neither finished nor done by another process; claimed at the moment it is pulled."""
    for task in part.tasks:
        free = store.claim({key: part.wanted[key] for key in task.keys}, weights=part.weights)
        if (left := task.only(free)) is not None:
            yield replace(left, lock=store.lock)


class _Watch:
    """Counts what is done and tells it."""

    def __init__(
        self, store: Store, parts: Sequence[_Part], treatments: str, progress: Callable[[StudyProgress], None]
    ) -> None:
        self._store, self._parts, self._treatments, self._progress = store, parts, treatments, progress
        self._of = sum(len(part.wanted) for part in parts)
        missing = [part.missing(store) for part in parts]
        self._total = sum(part.amount(keys) for part, keys in zip(parts, missing, strict=True))
        self._start, self._done = time.perf_counter(), 0
        self._networks = self._of - sum(len(keys) for keys in missing)
        self._running: dict[tuple[str, ...], tuple[Task, int]] = {}
        self._tell()

    def told(self, task: Task, done: int) -> None:
        self._running[task.keys] = task, done
        self._tell()

    def finished(self, task: Task) -> None:
        self._running.pop(task.keys, None)
        self._done += task.work
        self._networks += len(task.keys)
        self._tell()

    def wait(self, part: _Part) -> None:
        """Another process does what is missing: look again soon."""
        missing = {id(other): other.missing(self._store) for other in self._parts}
        self._networks = self._of - sum(map(len, missing.values()))
        self._done = self._total - sum(other.amount(missing[id(other)]) for other in self._parts)
        self._tell(len(missing[id(part)]))
        time.sleep(POLL)

    def _tell(self, waiting: int = 0) -> None:
        under_way = sum(done for _, done in self._running.values())
        running = tuple(
            (task.name, done * task.length // max(task.work, 1), task.length) for task, done in self._running.values()
        )
        self._progress(
            StudyProgress(
                self._done + under_way,
                self._total,
                time.perf_counter() - self._start,
                self._networks,
                self._of,
                running,
                waiting,
                self._treatments,
            )
        )
