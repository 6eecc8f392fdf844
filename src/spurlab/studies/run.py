"""Running a study: train what is missing, measure it, keep it."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from spurlab.data import Dataset
from spurlab.data import load as load_dataset
from spurlab.models import is_user_name, user_function
from spurlab.studies.cells import cells_of
from spurlab.studies.database import StoreError, now
from spurlab.studies.executors import Executor, Room, workplace
from spurlab.studies.graph import Train, Treat
from spurlab.studies.maps import keep_maps
from spurlab.studies.records import Record, study_of, unreadable
from spurlab.studies.results import StudyResult, rows_of
from spurlab.studies.store import Store
from spurlab.studies.study import Study
from spurlab.studies.task import Outcome, Task
from spurlab.studies.weights import put_weights, weights_file
from spurlab.studies.work import Work, data_of, work_of
from spurlab.study_files import StudyError
from spurlab.terminal import duration, on_a_line, told_on_a_line

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
        left = "" if self.seconds_left in (0.0, float("inf")) else f", {duration(self.seconds_left)} left"
        return f"{self.networks}/{self.of} {self.what}{left}"


@told_on_a_line(str)
def run(
    study: Study,
    folder: str | Path,
    *,
    executor: str | Executor = "local",
    workers: int | None = None,
    device: str = "cpu",
    load: Callable[[str], Dataset] = load_dataset,
    progress: Callable[[StudyProgress], None] = on_a_line,
    on_row: Callable[[dict[str, Any]], object] | None = None,
    command: str = "",
) -> StudyResult:
    """Train every network that the study needs and that the folder does not hold yet, each once, and measure it.

    Each group of networks is written to the folder as soon as it is finished. Stopped in whatever way, the same call
    goes on where it was and ends in the same numbers. Several processes may run studies in one folder at once: they
    share the work.

    Args:
        study: what to train and measure.
        folder: where results are kept, of this study and others.
        executor: a name of `EXECUTORS`, or an executor, e.g. `OnRay(address)` or one of your own, see `Executor`.
        workers: processes; None: one for each core that this process may use; 0: train in this process.
        device: where to train; other than ``cpu``: in this process, unless the executor works elsewhere.
        load: gives a data set by its name; worker processes use `spurlab.data.load`.
        progress: called now and then; see `spurlab.terminal.on_a_line`.
        on_row: called in this process with each row that was not there when it began, as a dict of the columns of
            `StudyResult.rows` (None where there is nothing; a `value` of NaN: the network diverged, or the method
            failed). The rows of a network are told as soon as they are stored, those of networks that were trained
            together in the order of the grid; what another process measures meanwhile, at the end. What it raises
            ends the call: nothing that was stored is lost, and the same call goes on, but does not tell stored rows
            again, which are in the result.
        command: what the user typed, kept beside the results.

    Raises:
        StudyError: the study does not fit its data, or is none that could be read again; nothing has been trained or
            recorded then.
        ValueError: a method of the user's cannot be imported; nothing has been trained then.
        FolderError: the folder cannot hold results.
        StoreError: the results cannot be read or written; what was finished before is kept.
        FailureError: other machines do not answer; what was finished before is kept.
        WorkerError: a worker process died twice over the same group, or failed.
        TypeError: an executor or `on_row` that cannot be called.

    >>> import tempfile
    >>> from spurlab.studies import load_study
    >>> changes = ["n=[0, 3]", "seed=[0, 1]", "pattern='S3'", "architecture='small-mlp'", "recipe.epochs=1"]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     study = load_study("quickstart", changes=[*changes, "dataset='fashion-mini@100'"])
    ...     result = run(study, Path(folder) / "out", workers=0)
    >>> result.rows[["measure", "n", "seed"]].values.tolist()[:2], len(result.rows)
    ([['spurious_score', 0, 0], ['accuracy', 0, 0]], 8)
    """
    if why := unreadable(study):  # it would be in the way of whoever reads the folder
        raise StudyError(f"{study.where} cannot be recorded: {why}")
    if on_row is not None and not callable(on_row):
        raise TypeError(f"`on_row` is a function that takes each new row, a dict, but it is {on_row!r}.")
    folder = Path(folder)
    carry_out, place = workplace(executor, workers, device)
    work = work_of(study, data_of(study, load))
    import_methods(work)
    with Store(folder) as store:
        started = now()
        store.forget_damaged_records()
        part_of = _remember(store, work, command, started)
        store.forget_failed(work.wanted)
        told = None if on_row is None else _NewRows(work, store, on_row)
        store.put(work.measured_at_once(store.missing({key: wanted for key, (_, wanted) in work.light.items()})))
        if told is not None:
            told.tell(work.light)
        # where all is there, no other machine is needed
        with place if _missing(store, work) else nullcontext(Room(0, 0)) as room:
            watch = _Watch(store, work, work.phases(room, folder, device), progress)
            for tasks in watch.phases:
                while missing := watch.missing(tasks):
                    with closing(carry_out(watch.claimed(tasks), room.workers, load, watch.told)) as outcomes:
                        for task, outcome in outcomes:
                            watch.keep(task, outcome)
                            if told is not None:
                                told.tell(task.keys)
                    if watch.missing(tasks) == missing:  # another process is at it
                        watch.wait(len(missing))
        if told is not None:
            told.tell()
        keep_maps(work, folder)
        return StudyResult(study, rows_of(study, work.recorded, store), folder, command, started, part_of)


def _missing(store: Store, work: Work) -> set[str]:
    """The keys of what is to be made or measured."""
    trained = store.missing(work.wanted_of(Train), weights=work.study.keeps_weights)
    return trained | store.missing(work.wanted_of(Treat))


def import_methods(work: Work) -> None:
    """The user's methods, so that what cannot be imported is told before anything is trained.

    Raises:
        ValueError: one cannot.
    """
    for method in {treatment.method for treatment in work.treatments if is_user_name(treatment.method)}:
        user_function(method, "method")


def _remember(store: Store, work: Work, command: str, started: str) -> Study | None:
    """Record the study, unless an earlier one of its name holds all its rows, which is returned; those it holds go."""
    study = work.study
    rows = {(cell, measure) for cell in work.cells for measure in study.measure}
    record = Record(study.name, study.model_dump_json(), work.recorded, command, started)
    superfluous = []
    for old in store.records():
        if old.name != study.name or old.settings == record.settings:
            continue
        try:
            earlier = study_of(old)
        except StoreError as error:  # it stays as it is
            log.warning("%s: passed over, %s", store.folder, error)
            continue
        earlier_rows = {(cell, measure) for cell in cells_of(earlier) for measure in earlier.measure}
        same = (earlier.main_figure, earlier.claims, old.data) == (study.main_figure, study.claims, record.data)
        if same and rows < earlier_rows:
            return earlier
        if same and rows >= earlier_rows:
            superfluous.append(old)
    store.record(record, superfluous)
    return None


class _NewRows:
    """Tells of each row once, if it was not there at the beginning.

    Args:
        work: the study.
        store: where rows are kept; they are told only once they are there.
        on_row: is told.
    """

    def __init__(self, work: Work, store: Store, on_row: Callable[[dict[str, Any]], object]) -> None:
        self._work, self._store, self._on_row = work, store, on_row
        self._cells: dict[str, list[int]] = {}  # by the key of the network, in the order of the grid
        for place, cell in enumerate(work.cells):
            if cell.node in work.keys:  # a study of patterns alone has no networks
                self._cells.setdefault(work.keys[cell.node], []).append(place)
        self._all = self._cells.keys() | work.light.keys()
        self._known = set(store.everything(self._all).values)

    def tell(self, keys: Iterable[str] | None = None) -> None:
        """What is new of these subjects; None: of all."""
        keys = self._all if keys is None else self._all & set(keys)
        known, there = set(self._known), set(self._store.everything(keys).values)
        if there <= known:
            return
        self._known |= there  # first: what is told is not told again
        some = self._work.cells
        if keys <= self._cells.keys():  # what is measured without a network stands in the rows of many
            some = [some[place] for place in sorted({place for key in keys for place in self._cells[key]})]
        rows = rows_of(self._work.study, self._work.recorded, self._store, some, keys, known)
        for row in rows.to_dict("records"):
            told = {str(name): value for name, value in row.items()}
            self._on_row({name: None if name != "value" and pd.isna(value) else value for name, value in told.items()})


class _Watch:
    """Hands out what is left of a study, keeps what comes back, and tells how far it has come.

    Args:
        store: where it is kept.
        work: the study.
        phases: its tasks; those of one phase may be done in any order.
        progress: is told.
    """

    def __init__(
        self, store: Store, work: Work, phases: Sequence[Sequence[Task]], progress: Callable[[StudyProgress], None]
    ) -> None:
        self.phases, self._store, self._work, self._progress = phases, store, work, progress
        self._running: dict[tuple[str, ...], tuple[Task, int]] = {}
        self._start, self._left = time.perf_counter(), self._all_missing()
        self._total = self._epochs(self._left)
        self._tell()

    def missing(self, tasks: Sequence[Task]) -> set[str]:
        """The keys of these tasks, which are of one phase, that are not in the store."""
        wanted = {key: self._work.wanted[key] for task in tasks for key in task.keys}
        return self._store.missing(wanted, weights=tasks[0].weights)

    def claimed(self, tasks: Iterable[Task]) -> Iterator[Task]:
        """Of each task what is neither finished nor done by another process; claimed at the moment it is pulled."""
        for task in tasks:
            free = self._store.claim({key: self._work.wanted[key] for key in task.keys}, weights=task.weights)
            if (left := task.only(free)) is not None:
                yield replace(left, lock=self._store.lock)

    def told(self, task: Task, done: int) -> None:
        """A task under way has done so many epochs."""
        self._running[task.keys] = task, done
        self._tell()

    def keep(self, task: Task, outcome: Outcome) -> None:
        """Write what a task gave.

        Raises:
            StoreError: it cannot be written; or the task left nothing of something that others need.
        """
        for key, content in outcome.weights.items():
            put_weights(weights_file(self._store.folder, key), content)
        self._store.put(outcome.finished(task))
        if missing := self.missing([task]):
            raise StoreError(
                f"{task.name}: it is finished, but of {len(missing)} the weights or numbers are not in "
                f"{self._store.folder}. Workers that do not see this folder must be given `task.packed()` and "
                "`task.lock`."
            )
        self._running.pop(task.keys, None)
        self._left -= set(task.keys)
        self._tell()

    def wait(self, waiting: int) -> None:
        """Another process does what is missing: look again soon."""
        self._left = self._all_missing()
        self._tell(waiting)
        time.sleep(POLL)

    def _all_missing(self) -> set[str]:
        return {key for tasks in self.phases for key in self.missing(tasks)}

    def _epochs(self, keys: Iterable[str]) -> int:
        return sum(self._work.nodes[key].work for key in keys)

    def _tell(self, waiting: int = 0) -> None:
        of, running = len(self._work.nodes), self._running.values()
        self._progress(
            StudyProgress(
                done=self._total - self._epochs(self._left) + sum(done for _, done in running),
                total=self._total,
                seconds=time.perf_counter() - self._start,
                networks=of - len(self._left),
                of=of,
                running=tuple(
                    (task.name, done * task.length // max(task.work, 1), task.length) for task, done in running
                ),
                waiting=waiting,
                treatments=self._work.study.treatments,
            )
        )
