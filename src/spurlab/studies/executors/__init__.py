"""Where tasks are carried out: on this machine, or on those of a Ray cluster. See `Executor`."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from spurlab.errors import did_you_mean
from spurlab.plugins import Extensible
from spurlab.studies.executors.executor import Executor as Executor
from spurlab.studies.executors.executor import Load as Load
from spurlab.studies.executors.executor import RemoteExecutor as RemoteExecutor
from spurlab.studies.executors.executor import Room as Room
from spurlab.studies.executors.local import local, room_here
from spurlab.studies.executors.ray import OnRay as OnRay
from spurlab.study_files import StudyError

# A new executor is one file and one line here: made for an address, "" where none is given.
EXECUTORS: Extensible[str, Callable[[str], Executor]] = Extensible(
    "executors",
    {"local": lambda address: local, "ray": OnRay},
    lambda name, found: "" if callable(found) else "must be a function of an address that gives an executor",
)


def executor_named(name: str, address: str = "") -> Executor:
    """The executor of this name.

    Args:
        name: an entry of `EXECUTORS`.
        address: where it works, of one that works on other machines.

    Raises:
        StudyError: there is none; or an address for the one that works here.
        ValueError: what it needs is not installed.
    """
    if name not in EXECUTORS:
        raise StudyError(f"there is no executor {name!r}. {did_you_mean(name, list(EXECUTORS))}")
    if address and name == "local":
        raise StudyError(f"the address {address!r} is for --executor ray, but the executor is {name}.")
    return EXECUTORS[name](address)


def workplace(
    executor: str | Executor, workers: int | None, device: str
) -> tuple[Executor, AbstractContextManager[Room]]:
    """An executor, and the room that it has once that is entered: no other machine is asked before.

    Args:
        executor: one, or the name of one.
        workers: as many tasks at once at most; None: as many as there is room for.
        device: where each works.

    Raises:
        StudyError: as `executor_named`, or the workers are too few.
        ValueError: a device that is not there.
        FailureError: (when entered) the other machines do not answer.
    """
    if isinstance(executor, type):
        raise StudyError(f"`executor` is a class, {executor.__name__}. Give one of it: {executor.__name__}().")
    if not isinstance(executor, str) and not callable(executor):
        raise TypeError(f"`executor` is a name of {', '.join(EXECUTORS)}, or one to call, but it is {executor!r}.")
    carry_out = executor_named(executor) if isinstance(executor, str) else executor
    if isinstance(carry_out, RemoteExecutor):
        return carry_out, carry_out.opened(workers, device)
    return carry_out, nullcontext(room_here(workers, device))
