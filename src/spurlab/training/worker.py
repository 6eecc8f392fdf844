"""The program that a worker process runs; see `spurlab.training.workers`."""

import json
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from queue import Queue

import torch

from spurlab.models import build
from spurlab.training.engines import train_each, train_group
from spurlab.training.workers import NO_MORE, Job, read_members, write_trained


def main(folder: Path) -> None:
    """Train the groups named on standard input, one after the other, until there are no more."""
    torch.set_num_threads(1)
    tell = _teller()
    job = Job.read(folder)
    make = partial(build, job.architecture, job.base.shape, job.classes)
    for group in _orders(folder):
        try:
            members = read_members(job.base, folder / f"group-{group}.safetensors")
            if job.engine == "lockstep":
                trained = train_group(make, members, job.recipe, after_epoch=partial(tell, model_epochs=len(members)))
            else:
                trained = train_each(make, members, job.recipe, after_epoch=partial(tell, model_epochs=1))
            write_trained(trained, folder / f"trained-{group}.safetensors")
        except Exception as error:
            tell(failed=f"{type(error).__name__}: {error}")
            raise
        tell(finished=True)


def _orders(folder: Path) -> Iterator[int]:
    """Groups to train, as they arrive, until there are no more.

    Orders that end without that word mean that the parent is gone: then this process ends too, whatever it does, and
    takes the folder with it.
    """
    orders: Queue[str] = Queue()

    def listen() -> None:
        for line in sys.stdin:
            orders.put(line.strip())
            if line.strip() == NO_MORE:
                return
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)

    threading.Thread(target=listen, daemon=True).start()
    while (order := orders.get()) != NO_MORE:
        yield int(order)


def _teller() -> Callable[..., None]:
    """How to tell the parent of an event. Standard output is kept for that; other prints join the errors."""
    events = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def tell(**event: object) -> None:
        print(json.dumps(event), file=events, flush=True)

    return tell


if __name__ == "__main__":
    main(Path(sys.argv[1]))
