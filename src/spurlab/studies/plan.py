"""What a study would cost: what is to be trained, and how long that takes on this machine."""

import heapq
import time
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

from spurlab.data import Dataset
from spurlab.data import load as load_dataset
from spurlab.models import is_grown
from spurlab.studies.calibration import Calibration, Timed, today
from spurlab.studies.database import FILE
from spurlab.studies.executors import Executor, Room, workplace
from spurlab.studies.executors.executor import Load
from spurlab.studies.executors.local import local
from spurlab.studies.graph import Train, Treat
from spurlab.studies.run import import_methods
from spurlab.studies.store import Store
from spurlab.studies.study import Study
from spurlab.studies.task import Outcome, Task
from spurlab.studies.weights import weights_file
from spurlab.studies.work import Work, data_of, work_of
from spurlab.training.recipe import PER_MEMBER

STEPS = 40  # of calibration, of each kind of group
Kind = tuple[object, ...]  # of groups that take the same time for each member and step


@dataclass(frozen=True)
class Plan:
    """What a study needs, what of it is there, and what the rest costs.

    Args:
        cells: points of its grids.
        rows: numbers that it ends in.
        trainings: networks that it needs.
        shared: cells that need no network of their own, since another cell has the same.
        done: networks that the folder holds already.
        to_measure: networks whose weights are there, but not all that is to be measured.
        to_do: networks to train.
        groups: in which they are trained.
        treatments: deletions from trained networks, and preventions, that the study needs; the time for them is not
            told.
        treatments_to_do: of which are not done yet.
        workers: groups that are trained at the same time.
        seconds: expected for what is to do; None where it was not asked for.
        memory: bytes expected, of all processes together; None where it was not asked for.
        timed: the day on which the oldest of the steps that tell the time were timed; "": today.
    """

    cells: int
    rows: int
    trainings: int
    shared: int
    done: int
    to_measure: int
    to_do: int
    groups: int
    workers: int
    treatments: int = 0
    treatments_to_do: int = 0
    seconds: float | None = None
    memory: int | None = None
    timed: str = ""

    def lines(self, study: Study, folder: Path) -> list[str]:
        """What a reader is told, before anything is timed; arguments as of `plan`."""
        profile = f", profile {study.profile}" if study.profile else ""
        lines = [f"{study.name}{profile}: {study.title}", f"  {self.cells:,} cells, {self.rows:,} rows"]
        if not self.trainings:
            return [*lines, "  no networks to train"]
        lines.append(f"  {self.trainings:,} networks; cells that share another's: {self.shared:,}")
        again = f", {self.to_measure:,} to measure again" if self.to_measure else ""
        at_once = f" in groups: {self.groups:,}, of which {max(self.workers, 1)} at a time" if self.groups > 1 else ""
        lines.append(f"  {self.done:,} done in {folder}{again}, {self.to_do:,} to do{at_once}")
        if self.treatments:
            left = f"{self.treatments_to_do:,} to do (not in the time below)"
            lines.append(f"  {self.treatments:,} {study.treatments}, {left}")
        return lines


def plan(
    study: Study,
    folder: str | Path,
    *,
    executor: str | Executor = "local",
    workers: int | None = None,
    device: str = "cpu",
    load: Callable[[str], Dataset] = load_dataset,
    calibrate: bool = True,
    keep: Path | None = None,
    anew: bool = False,
    counted: Callable[[Plan], None] = lambda _: None,
) -> Plan:
    """What `run` would do with the same arguments; nothing is written.

    Args:
        study: what to train and measure.
        folder: where its results would be; it need not be there yet.
        executor: as in `run`.
        workers: as in `run`.
        device: as in `run`.
        load: as in `run`.
        calibrate: train a few steps of each kind of group, as many groups at once as `run` would, to tell the time.
        keep: a file for what was timed, so that it is not timed again for a month; None: it is. See
            `spurlab.studies.calibration.calibration_file`.
        anew: time it again all the same.
        counted: called with the plan before anything is timed.

    Raises:
        StudyError: the study does not fit its data.
        ValueError: a method of the user's cannot be imported.
        StoreError: the folder's results cannot be read.

    >>> import tempfile
    >>> from spurlab.studies import load_study
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     study = load_study("quickstart", changes=["n=[0, 10]"])
    ...     asked = plan(study, Path(folder) / "out", calibrate=False)
    >>> asked.cells, asked.trainings, asked.done, asked.to_do
    (32, 24, 0, 24)
    """
    folder, work = Path(folder), work_of(study, data_of(study, load))
    import_methods(work)
    wanted, treated = work.wanted_of(Train), work.wanted_of(Treat)
    if (folder / FILE).exists():
        with Store(folder, read_only=True) as store:
            missing = store.missing(wanted, weights=study.keeps_weights)
            untreated = store.missing(treated)
    else:
        missing, untreated = set(wanted), set(treated)
    carry_out, place = workplace(executor, workers, device)
    with place as room:
        every = [task for phase in work.phases(room, folder, device) for task in phase]
        tasks = [
            left for task in every if isinstance(task.nodes[0], Train) and (left := task.only(missing)) is not None
        ]
        to_measure = {key for key in missing if weights_file(folder, key).is_file()}
        counts = Plan(
            cells=len(work.cells),
            rows=work.rows,
            trainings=len(wanted),
            shared=max(len(work.cells) - len(treated) - len(wanted), 0) if wanted else 0,
            done=len(wanted) - len(missing),
            to_measure=len(to_measure),
            to_do=len(missing) - len(to_measure),
            groups=len(tasks),
            workers=room.workers,
            treatments=len(treated),
            treatments_to_do=len(untreated),
        )
        counted(counts)
        if not calibrate:
            return counts
        if not tasks:
            return replace(counts, seconds=0.0, memory=0)
        calibration = Calibration(keep if carry_out is local else None, anew=anew)
        trials = _trials(tasks)
        timed = {kind: kept for kind, trial in trials.items() if (kept := calibration.get(_trial_kind(trial, room)))}
        fresh = _timed({kind: trial for kind, trial in trials.items() if kind not in timed}, room, carry_out, load)
        calibration.put({_trial_kind(trials[kind], room): one for kind, one in fresh.items()})
    seconds, memory = _cost(work, tasks, to_measure, max(room.workers, 1), trials, timed | fresh)
    days = sorted(one.day for one in timed.values())
    return replace(counts, seconds=seconds, memory=memory, timed=days[0] if days else "")


def _trials(tasks: Sequence[Task]) -> dict[Kind, Task]:
    """The largest group of each kind, for a few steps."""
    trials: dict[Kind, Task] = {}
    for task in sorted(tasks, key=lambda task: len(task.nodes), reverse=True):
        trials.setdefault(_kind(task), replace(task, steps=STEPS))
    return trials


def _timed(trials: Mapping[Kind, Task], room: Room, carry_out: Executor, load: Load) -> dict[Kind, Timed]:
    """What the steps of each take, on all workers at once."""
    at_once = max(room.workers, 1)
    outcomes: dict[Kind, list[Outcome]] = {kind: [] for kind in trials}
    start = time.perf_counter()
    tried = (trial for trial in trials.values() for _ in range(at_once))
    for trial, outcome in carry_out(tried, room.workers, load, lambda task, epochs: None):
        outcomes[_kind(trial)].append(outcome)
    wall, every = time.perf_counter() - start, [outcome for several in outcomes.values() for outcome in several]
    start_up = max(wall - sum(2 * o.make_seconds + o.measure_seconds for o in every) / at_once, 0.0)
    return {
        kind: Timed(
            fmean(o.make_seconds for o in several),
            fmean(o.measure_seconds for o in several),
            max(o.peak_bytes for o in several),
            several[0].steps,
            start_up,
            today().isoformat(),
        )
        for kind, several in outcomes.items()
    }


def _trial_kind(trial: Task, room: Room) -> Kind:
    """What the times of a trial depend on, beside the machine and the versions."""
    measured = sorted({request.measure for requests in trial.requests for request in requests})
    shared = (trial.data, trial.device, trial.steps, room.workers)
    code = [key for key, node in zip(trial.keys, trial.nodes, strict=True) if node.code]  # these go by its text
    return _kind(trial), len(trial.nodes), _predictions(trial), tuple(measured), shared, tuple(code)


def _cost(
    work: Work,
    tasks: Sequence[Task],
    to_measure: Container[str],
    at_once: int,
    trials: Mapping[Kind, Task],
    timed: Mapping[Kind, Timed],
) -> tuple[float, int]:
    """Seconds and bytes for these tasks, from what a few steps of each kind of group took."""
    ends = [0.0] * at_once  # when each worker is free again; each takes the next group then
    for task in tasks:
        first, recipe = task.nodes[0], task.nodes[0].setting.recipe
        assert isinstance(first, Train)  # noqa: S101  # as all of these tasks
        trial, one = trials[_kind(task)], timed[_kind(task)]
        steps = -(-work.examples(first) // recipe.batch_size) * recipe.epochs
        size = sum(key not in to_measure for key in task.keys) / len(trial.nodes)
        step = one.make_seconds / one.steps * size
        prediction = one.measure_seconds / _predictions(trial)
        heapq.heappush(ends, heapq.heappop(ends) + steps * step + prediction * _predictions(task))
    start_up = max(one.start_up for one in timed.values())
    return start_up + max(ends), max(one.peak_bytes for one in timed.values()) * at_once


def _kind(task: Task) -> Kind:
    """Groups of a kind take the same time for each member and step."""
    setting = task.nodes[0].setting
    recipe = setting.recipe
    # noise is drawn, and what is kept apart for each member takes passes over the gradients
    extras: list[object] = [
        any(getattr(training.setting.recipe, name) for training in task.nodes) for name in PER_MEMBER
    ]
    if is_grown(setting.architecture):
        extras.append(recipe.epochs)  # among which the time of growing is shared out
    return setting.dataset, setting.architecture, recipe.optimizer, recipe.precision, recipe.batch_size, *extras


def _predictions(task: Task) -> int:
    """How many times a test set goes through a network."""
    return sum(1 + len({request.pattern for request in requests} - {""}) for requests in task.requests)
