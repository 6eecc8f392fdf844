"""One-thread worker processes on this machine."""

from collections.abc import Generator, Iterable, Mapping
from functools import partial

import psutil
import torch

from spurlab.studies.executors.executor import Load, Room, Told
from spurlab.studies.making import carried_out
from spurlab.studies.task import Outcome, Task
from spurlab.study_files import StudyError
from spurlab.training import usable_device
from spurlab.training.pool import Order, cores, run_orders

WORKER = "spurlab.studies.executors.local_worker"


def local(tasks: Iterable[Task], workers: int, load: Load, told: Told) -> Generator[tuple[Task, Outcome], None, None]:
    """One group at a time in each worker process; 0 workers: in this process.

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


def room_here(workers: int | None, device: str) -> Room:
    """The room on this machine: processes as asked, else one for each core that this one may use; none for a device.

    Of what is free in memory others have half; on a GPU the data set lies there too, and what the kernels work with.

    Raises:
        StudyError: fewer processes than none are asked for.
        ValueError: a device that this machine does not have.
    """
    if workers is not None and workers < 0:
        raise StudyError(f"`workers` must be 0 (train in this process) or more, but it is {workers}.")
    where = usable_device(device)
    free = torch.cuda.mem_get_info(where)[0] if where.type == "cuda" else psutil.virtual_memory().available
    if where.type != "cpu":
        workers = 0
    return Room(cores() if workers is None else workers, int(free // 2))
