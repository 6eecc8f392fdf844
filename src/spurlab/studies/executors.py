"""Where tasks are carried out: tasks go in, outcomes come out as they are finished.

An executor pulls a task when it has room for it and not earlier, since whoever hands it out claims it at that moment.
"""

from collections.abc import Callable, Generator, Iterable, Mapping
from functools import partial
from typing import Protocol, runtime_checkable

from spurlab.data import Dataset
from spurlab.errors import did_you_mean
from spurlab.studies.errors import StudyError
from spurlab.studies.making import carried_out
from spurlab.studies.task import Outcome, Task
from spurlab.training.pool import Order, run_orders

WORKER = "spurlab.studies.worker"

Told = Callable[[Task, int], None]  # the work that a task has done so far, in epochs; 0 again when it starts again


@runtime_checkable
class Executor(Protocol):
    """Carries out tasks by `spurlab.studies.making.carried_out`; `workers` of them at the same time.

    Workers that do not see the results folder are given ``task.packed()``, and their outcomes carry weights.
    """

    def __call__(
        self, tasks: Iterable[Task], workers: int, load: Callable[[str], Dataset], told: Told
    ) -> Generator[tuple[Task, Outcome], None, None]:
        """Each task with its outcome, in whatever order they are finished."""
        ...


def local(
    tasks: Iterable[Task], workers: int, load: Callable[[str], Dataset], told: Told
) -> Generator[tuple[Task, Outcome], None, None]:
    """One-thread worker processes on this machine, one group at a time each; 0 workers: in this process.

    Workers find their data by name, as `spurlab.data.load` does; `load` is for this process alone.
    """
    if workers == 0:
        for task in tasks:
            yield task, carried_out(task, load, partial(told, task))
        return

    def on_event(order: Order, event: Mapping[str, object]) -> None:
        done = event.get("done", 0)
        told(order.of, done if isinstance(done, int) else 0)

    orders = (Order(task.name, task.as_json(), task) for task in tasks)
    for order, result in run_orders([WORKER], orders, workers, on_event):
        yield order.of, Outcome.from_json(result)


EXECUTORS: Mapping[str, Executor] = {"local": local}


def executor_named(name: str) -> Executor:
    """The executor of this name.

    Raises:
        StudyError: there is none.
    """
    if name not in EXECUTORS:
        raise StudyError(f"there is no executor {name!r}. {did_you_mean(name, list(EXECUTORS))}")
    return EXECUTORS[name]
