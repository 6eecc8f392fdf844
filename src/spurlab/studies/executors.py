"""Where tasks are carried out: tasks go in, outcomes come out as they are finished.

An executor pulls a task when it has room for it and not earlier, since whoever hands it out claims it at that moment.
"""

from collections.abc import Callable, Generator, Iterable, Mapping
from functools import partial
from typing import Any, Protocol, runtime_checkable

from spurlab.data import Dataset
from spurlab.errors import did_you_mean
from spurlab.studies.study import StudyError
from spurlab.studies.task import Outcome, Task, perform
from spurlab.studies.treatment import TreatmentOutcome, TreatmentTask, perform_treatments
from spurlab.training import Progress
from spurlab.training.pool import Order, run_orders

WORKER = "spurlab.studies.worker"

AnyTask = Task | TreatmentTask
AnyOutcome = Outcome | TreatmentOutcome
Told = Callable[[AnyTask, int], None]  # the steps that a task has done so far; 0 again when it starts again


@runtime_checkable
class Executor(Protocol):
    """Carries out tasks; `workers` of them at the same time."""

    def __call__(
        self, tasks: Iterable[AnyTask], workers: int, load: Callable[[str], Dataset], told: Told
    ) -> Generator[tuple[AnyTask, AnyOutcome], None, None]:
        """Each task with its outcome, in whatever order they are finished."""
        ...


def local(
    tasks: Iterable[AnyTask], workers: int, load: Callable[[str], Dataset], told: Told
) -> Generator[tuple[AnyTask, AnyOutcome], None, None]:
    """One-thread worker processes on this machine, one group at a time each; 0 workers: in this process.

    Workers find their data by name, as `spurlab.data.load` does; `load` is for this process alone.
    """
    if workers == 0:
        for task in tasks:
            yield task, carried_out(task, load, partial(told, task))
        return
    given: dict[int, tuple[Order, AnyTask]] = {}  # by identity: an order is no key

    def orders() -> Iterable[Order]:
        for task in tasks:
            order = Order(task.name, task.as_json())
            given[id(order)] = order, task
            yield order

    def on_event(order: Order, event: Mapping[str, object]) -> None:
        done = event.get("done", 0)
        told(given[id(order)][1], done if isinstance(done, int) else 0)

    for order, result in run_orders([WORKER], orders(), workers, on_event):
        task = given[id(order)][1]
        yield task, (Outcome if isinstance(task, Task) else TreatmentOutcome).from_json(result)


def task_from_json(content: Mapping[str, Any]) -> AnyTask:
    """What `as_json` of a task gave."""
    return TreatmentTask.from_json(content) if "treatments" in content else Task.from_json(content)


def carried_out(task: AnyTask, load: Callable[[str], Dataset], told: Callable[[int], None]) -> AnyOutcome:
    """Carry out a task of either kind in this process.

    Args:
        told: called with the steps done so far.
    """

    def progress(now: Progress) -> None:
        told(now.done // task.weight)

    return perform(task, load, progress) if isinstance(task, Task) else perform_treatments(task, load, progress)


EXECUTORS: Mapping[str, Executor] = {"local": local}


def executor_named(name: str) -> Executor:
    """The executor of this name.

    Raises:
        StudyError: there is none.
    """
    if name not in EXECUTORS:
        raise StudyError(f"there is no executor {name!r}. {did_you_mean(name, list(EXECUTORS))}")
    return EXECUTORS[name]
