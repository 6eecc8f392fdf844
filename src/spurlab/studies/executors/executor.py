"""What an executor is: tasks go in, outcomes come out as they are finished."""

from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from spurlab.data import Dataset
from spurlab.studies.task import Outcome, Task

Load = Callable[[str], Dataset]
Told = Callable[[Task, int], None]  # the work that a task has done so far, in epochs; 0 again when it starts again


@runtime_checkable
class Executor(Protocol):
    """Carries out tasks by `spurlab.studies.carried_out`; `workers` of them at the same time.

    It pulls a task when it has room for it and not earlier, since whoever hands it out claims it at that moment.
    Workers that do not see the results folder are given ``task.packed()``, and their outcomes carry weights.
    """

    def __call__(
        self, tasks: Iterable[Task], workers: int, load: Load, told: Told
    ) -> Generator[tuple[Task, Outcome], None, None]:
        """Each task with its outcome, in whatever order they are finished."""
        ...


@dataclass(frozen=True)
class Room:
    """What there is to work in.

    Args:
        workers: how many tasks are carried out at the same time; 0: in this process.
        memory: bytes that all of these together may take, on the device where they work.
    """

    workers: int
    memory: int


@runtime_checkable
class RemoteExecutor(Protocol):
    """An executor that works on other machines, which are there while it is open."""

    def opened(self, workers: int | None, device: str) -> AbstractContextManager[Room]:
        """The room that they have, once it is entered; arguments are checked before.

        Args:
            workers: how many are wanted; None: as many as there can be.
            device: where each of them works.
        """
        ...
