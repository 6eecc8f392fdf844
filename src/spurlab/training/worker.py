"""The program that a worker process runs; see `spurlab.training.workers`."""

import json
import os
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from queue import Queue

import torch

from spurlab.models import build
from spurlab.training.engines import train_each, train_group
from spurlab.training.workers import Job, read_members, write_trained


def main(folder: Path) -> None:
    """Train the groups named on standard input, one after the other, until it is closed."""
    torch.set_num_threads(1)
    job = Job.read(folder)
    make = partial(build, job.architecture, job.base.shape, job.classes)
    for group in _orders():
        members = read_members(job.base, folder / f"group-{group}.safetensors")
        if job.engine == "lockstep":
            trained = train_group(make, members, job.recipe, after_epoch=partial(_tell, model_epochs=len(members)))
        else:
            trained = train_each(make, members, job.recipe, after_epoch=partial(_tell, model_epochs=1))
        write_trained(trained, folder / f"trained-{group}.safetensors")
        _tell(finished=True)


def _orders() -> Iterator[int]:
    """Groups to train, as they arrive. When the parent is gone or has no more, the pipe and this process end."""
    orders: Queue[int] = Queue()

    def listen() -> None:
        for line in sys.stdin:
            orders.put(int(line))
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    while True:
        yield orders.get()


def _tell(**event: object) -> None:
    print(json.dumps(event), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
