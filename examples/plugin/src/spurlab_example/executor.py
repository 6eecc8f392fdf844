"""An executor: made for an address ("" where none is given), it carries out tasks; `spurlab run --executor here`."""

from collections.abc import Generator, Iterable
from functools import partial

from spurlab.studies import Executor, Outcome, Task, carried_out
from spurlab.studies.executors.executor import Load, Told


def here(address: str) -> Executor:
    """Tasks one after the other in this process: for a debugger."""

    def carry_out(
        tasks: Iterable[Task], workers: int, load: Load, told: Told
    ) -> Generator[tuple[Task, Outcome], None, None]:
        for task in tasks:
            yield task, carried_out(task, load, partial(told, task))

    return carry_out
