"""The program that a local worker process runs; see `spurlab.studies.executors.local`."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import torch

from spurlab.data import load
from spurlab.studies.making import carried_out
from spurlab.studies.task import Task
from spurlab.worker import serve


def main() -> None:
    """Carry out the tasks of the orders until there are no more.

    The last data set is kept, to save reading it again.
    """
    torch.set_num_threads(1)
    kept = lru_cache(maxsize=1)(load)

    def carry_out(content: Mapping[str, Any], tell: Callable[..., None]) -> Mapping[str, Any]:
        return carried_out(Task.from_json(content), kept, lambda done: tell(done=done)).as_json()

    serve(carry_out)


if __name__ == "__main__":
    main()
