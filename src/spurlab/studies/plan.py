"""What a study would cost: what is to be trained, and how long that takes on this machine."""

import heapq
import time
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

from spurlab.data import Dataset
from spurlab.data import load as load_dataset
from spurlab.studies.database import FILE
from spurlab.studies.executors import Executor, working
from spurlab.studies.graph import Train, Treat
from spurlab.studies.run import import_methods
from spurlab.studies.store import Store
from spurlab.studies.study import Study
from spurlab.studies.task import Outcome, Task
from spurlab.studies.weights import weights_file
from spurlab.studies.work import Work, data_of, work_of
from spurlab.training.recipe import PER_MEMBER

STEPS = 40  # of calibration, of each kind of group


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
    folder: Path,
    *,
    executor: str | Executor = "local",
    workers: int | None = None,
    device: str = "cpu",
    load: Callable[[str], Dataset] = load_dataset,
    calibrate: bool = True,
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
        counted: called with the plan before anything is timed.

    Raises:
        StudyError: the study does not fit its data.
        ValueError: a method of the user's cannot be imported.
        StoreError: the folder's results cannot be read.
    """
    work = work_of(study, data_of(study, load))
    import_methods(work)
    wanted, treated = (
        {key: work.requests[node] for key, node in work.nodes.items() if isinstance(node, kind)}
        for kind in (Train, Treat)
    )
    if (folder / FILE).exists():
        with Store(folder, read_only=True) as store:
            missing = store.missing(wanted, weights=study.keeps_weights)
            untreated = store.missing(treated)
    else:
        missing, untreated = set(wanted), set(treated)
    with working(executor, workers, device) as (carry_out, room):
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
        seconds, memory = _cost(work, tasks, to_measure, room.workers, carry_out, load)
        return replace(counts, seconds=seconds, memory=memory)


def _cost(
    work: Work,
    tasks: Sequence[Task],
    to_measure: Container[str],
    workers: int,
    carry_out: Executor,
    load: Callable[[str], Dataset],
) -> tuple[float, int]:
    """Seconds and bytes for these tasks, from a few steps of each kind of group on all workers at once."""
    trials: dict[tuple[object, ...], Task] = {}  # the largest group of each kind
    for task in sorted(tasks, key=lambda task: len(task.nodes), reverse=True):
        trials.setdefault(_kind(task), replace(task, steps=STEPS))
    at_once = max(workers, 1)
    outcomes: dict[tuple[object, ...], list[Outcome]] = {kind: [] for kind in trials}
    start = time.perf_counter()
    tried = (trial for trial in trials.values() for _ in range(at_once))
    for trial, outcome in carry_out(tried, workers, load, lambda task, epochs: None):
        outcomes[_kind(trial)].append(outcome)
    wall, every = time.perf_counter() - start, [outcome for several in outcomes.values() for outcome in several]
    start_up = max(wall - sum(2 * o.make_seconds + o.measure_seconds for o in every) / at_once, 0.0)

    ends = [0.0] * at_once  # when each worker is free again; each takes the next group then
    for task in tasks:
        first, recipe = task.nodes[0], task.nodes[0].setting.recipe
        assert isinstance(first, Train)  # noqa: S101  # as all of these tasks
        trial, several = trials[_kind(task)], outcomes[_kind(task)]
        steps = -(-work.examples(first) // recipe.batch_size) * recipe.epochs
        size = sum(key not in to_measure for key in task.keys) / len(trial.nodes)
        step = fmean(o.make_seconds / o.steps for o in several) * size
        prediction = fmean(o.measure_seconds for o in several) / _predictions(trial)
        heapq.heappush(ends, heapq.heappop(ends) + steps * step + prediction * _predictions(task))
    return start_up + max(ends), max(outcome.peak_bytes for outcome in every) * at_once


def _kind(task: Task) -> tuple[object, ...]:
    """Groups of a kind take the same time for each member and step."""
    setting = task.nodes[0].setting
    recipe = setting.recipe
    # noise is drawn, and what is kept apart for each member takes passes over the gradients
    extras = [any(getattr(training.setting.recipe, name) for training in task.nodes) for name in PER_MEMBER]
    return setting.dataset, setting.architecture, recipe.optimizer, recipe.precision, recipe.batch_size, *extras


def _predictions(task: Task) -> int:
    """How many times a test set goes through a network."""
    return sum(1 + len({request.pattern for request in requests} - {""}) for requests in task.requests)
