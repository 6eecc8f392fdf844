"""The program that a worker process runs; see `spurlab.training.workers`."""

import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from spurlab.models import build
from spurlab.training.engines import train_each, train_group
from spurlab.training.workers import Job, read_group, write_trained
from spurlab.worker import serve


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    job = Job.read(folder)
    make = partial(build, job.architecture, job.base.shape, job.classes)

    def perform(order: Mapping[str, Any], tell: Callable[..., None]) -> Mapping[str, Any]:
        members, recipes = read_group(job.base, folder / f"group-{order['group']}.safetensors")
        if job.engine == "lockstep":
            trained = train_group(make, members, recipes, after_epoch=partial(tell, model_epochs=len(members)))
        else:
            trained = train_each(make, members, recipes, after_epoch=partial(tell, model_epochs=1))
        write_trained(trained, folder / f"trained-{order['group']}.safetensors")
        return {}

    serve(perform)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
