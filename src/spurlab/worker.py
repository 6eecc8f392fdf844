"""The worker's side of `spurlab.training.pool`: ``python -m spurlab.worker SCRATCH PROGRAM ARGUMENTS``.

It listens from the first moment on, so that a worker ends with its parent also while it imports PyTorch; only then is
the program run, a module that calls `serve`. Nothing heavy may be imported here.
"""

import json
import os
import runpy
import shutil
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from queue import Queue
from typing import Any, TextIO

NO_MORE = "no more"  # the line after which a worker ends by itself

_orders: Queue[str] = Queue()
_events: list[TextIO] = []  # where they go
_listening: list[threading.Thread] = []


def main(arguments: Sequence[str]) -> None:
    """Listen to standard input, and run the program meanwhile.

    Standard output is kept for events; other prints join the errors. Standard input is empty for everybody else.

    Args:
        arguments: a folder that is to be removed when the parent is gone, or ""; the program's module; its arguments.
    """
    scratch, program, *others = arguments
    _events.append(os.fdopen(os.dup(1), "w"))
    os.dup2(2, 1)
    source = os.fdopen(os.dup(0))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    _listening.append(threading.Thread(target=_listen, args=(source, scratch), daemon=True))
    _listening[0].start()
    sys.argv = [program, *others]
    runpy.run_module(program, run_name="__main__", alter_sys=True)


def _listen(source: TextIO, scratch: str) -> None:
    """Take orders. Where they end without the last word, the parent is gone; so is this process, whatever it does."""
    for line in source:
        _orders.put(line.strip())
        if line.strip() == NO_MORE:
            return
    try:
        if scratch:
            shutil.rmtree(scratch, ignore_errors=True)
    finally:
        os._exit(1)


def serve(perform: Callable[[Mapping[str, Any], Callable[..., None]], Mapping[str, Any]]) -> None:
    """Carry out the orders, one after the other, until there are no more.

    Args:
        perform: given an order's content and `tell`, returns its result. ``tell(**event)`` sends an event on the way.

    Raises:
        RuntimeError: the program was not started by `main`.
    """
    if not _events:
        raise RuntimeError(f"a worker is started as python -m {__name__} SCRATCH PROGRAM ARGUMENTS.")
    from spurlab.errors import FAILURES, worded  # noqa: PLC0415 - not before the parent is watched

    def tell(**event: object) -> None:
        try:
            print(json.dumps(event), file=_events[0], flush=True)
        except BrokenPipeError:  # the parent is gone; whoever listens notices too, tidies up and ends this process
            _listening[0].join()
            raise

    while (order := _orders.get()) != NO_MORE:
        try:
            tell(finished=perform(json.loads(order), tell))
        except FAILURES as error:
            tell(failed=worded(error))
            raise


if __name__ == "__main__":
    from spurlab.worker import main as start  # the module that programs import, with its orders and events

    start(sys.argv[1:])
