"""A pool of one-thread worker processes that take orders.

A worker is ``python -m spurlab.worker``, which runs a program that calls `spurlab.worker.serve`. Orders go to its
standard input and events come from its standard output, as JSON lines. Nothing but JSON passes between processes, and a
caller's script needs no ``__main__`` guard. A worker ends when its parent does, however and whenever the parent ends.
"""

import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from typing import Any

from spurlab.errors import FailureError, InputError
from spurlab.worker import NO_MORE

log = logging.getLogger(__name__)

TRIES = 2  # an order is tried once more after its worker died
# What steps of training free, glibc keeps for the next, in large pages; else each step has its memory cleared by the
# system anew, a tenth of the time of convolutions (ResNet20). Other systems know none of these.
KEEPS_MEMORY = {
    "MALLOC_TRIM_THRESHOLD_": str(2**36),
    "MALLOC_MMAP_THRESHOLD_": str(2**25),
    "MALLOC_TOP_PAD_": str(2**26),
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}


class WorkerError(FailureError):
    """A worker process died twice over the same order, or could not carry it out."""


@dataclass(frozen=True)
class Order:
    """One piece of work for a worker process: JSON, and a name for messages; `of` is the caller's, to know it again."""

    name: str
    content: Mapping[str, Any]
    of: Any = None


def cores() -> int:
    """How many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_orders(
    program: Sequence[str],
    orders: Iterable[Order],
    workers: int,
    on_event: Callable[[Order, Mapping[str, Any]], None],
    scratch: Path | None = None,
) -> Generator[tuple[Order, Mapping[str, Any]], None, None]:
    """Give each order to one of at most `workers` processes and yield (order, result) as they finish.

    An order is pulled when there is a process for it and not earlier; after a process has finished an order, its result
    is yielded first. Closing the generator, or any exception, kills all processes.

    Args:
        program: module and arguments of the worker program, e.g. ``["spurlab.training.worker", folder]``.
        orders: pulled in this thread.
        workers: 1 or more; no more are started than there are orders.
        on_event: called in this thread with what else a worker tells. ``{"restarted": True}``: the worker died and the
            order starts again.
        scratch: a folder that workers remove when this process has died, which then cannot do it.

    Raises:
        ValueError: less than one worker.
        WorkerError: an order whose worker died twice, or that a worker could not carry out.
    """
    if workers < 1:
        raise InputError(f"`workers` must be 1 or more, but it is {workers}.")
    source, events, running = iter(orders), _Events(), list[_Worker]()

    def start(order: Order, attempt: int = 1) -> None:
        running.append(_Worker(program, events, scratch))
        running[-1].take(order, attempt)

    try:
        while len(running) < workers and (order := next(source, None)) is not None:
            start(order)
        while any(worker.order is not None for worker in running):
            worker, event = events.get()
            order = worker.order
            if event is None:
                running.remove(worker)
                end = worker.kill()
                if order is not None:
                    _warn_or_raise(order, end, worker.attempt)
                    on_event(order, {"restarted": True})
                    start(order, worker.attempt + 1)
            elif order is None:
                log.debug("a worker without an order said: %s", event)
            elif "failed" in event:
                raise WorkerError(f"{order.name} could not be trained: {event['failed']}")
            elif "finished" in event:
                yield order, event["finished"]
                worker.take(next(source, None))
            else:
                on_event(order, event)
    finally:
        for worker in running:
            worker.kill()


def _warn_or_raise(order: Order, end: str, attempt: int) -> None:
    """Say that the order's worker has died, in a warning or for good."""
    what = f"the worker that trained {order.name} {end}"
    if attempt >= TRIES:
        advice = " Out of memory? Train with fewer workers." if "signal 9" in end else ""
        raise WorkerError(f"{what}, for the second time.{advice}")
    log.warning("%s; the group is tried once more.", what)


class _Worker:
    """One process; a thread turns its output into events, None when it has ended."""

    def __init__(self, program: Sequence[str], events: "_Events", scratch: Path | None) -> None:
        self.order: Order | None = None
        self.attempt = 0
        environment = KEEPS_MEMORY | os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            # -P: the current folder is not searched for modules; a user's queue.py there is no business of ours
            [sys.executable, "-P", "-m", "spurlab.worker", str(scratch or ""), *program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment,
            text=True,
            start_new_session=True,  # Ctrl-C reaches the parent alone, which then ends its workers
        )
        self._thread = threading.Thread(target=self._listen, args=(events,), daemon=True)
        self._thread.start()

    def _listen(self, events: "_Events") -> None:
        if self._process.stdout is not None:
            for line in self._process.stdout:
                try:
                    event = json.loads(line)
                except json.JSONDecodeError:  # somebody's print while Python starts; the protocol comes after it
                    log.debug("a worker said: %s", line.rstrip())
                    continue
                events.put((self, event))
        self._process.wait()
        events.put((self, None))

    def take(self, order: Order | None, attempt: int = 1) -> None:
        """The next order; None: there are no more, and the worker ends by itself."""
        self.order, self.attempt = order, attempt
        if self._process.stdin is not None:
            try:
                line = NO_MORE if order is None else json.dumps(dict(order.content))
                print(line, file=self._process.stdin, flush=True)
            except BrokenPipeError:
                log.debug("the worker had ended already; its end is on the way as an event")

    def kill(self) -> str:
        """End the process now, whatever it does. Returns how it ended, with its last line of standard error."""
        self._process.kill()
        code = self._process.wait()
        self._thread.join()
        with self._errors:
            self._errors.seek(0)
            lines = self._errors.read().decode(errors="replace").strip().splitlines()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):  # an order that nobody has read
                    pipe.close()
        said = f" (it said: {lines[-1]})" if lines else ""
        return (f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}") + said


_Events = Queue[tuple[_Worker, dict[str, Any] | None]]
