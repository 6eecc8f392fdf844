"""Ctrl-C, and SIGTERM as batch systems send it: a command ends once, and cleans up after itself undisturbed."""

import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

CLEANING_UP = 10.0  # seconds that a command has for it before another Ctrl-C counts


class Stopped(BaseException):
    """A command was stopped. No KeyboardInterrupt: Typer would end at that without a word."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number, self.advice = number, ""


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Ctrl-C and SIGTERM raise `Stopped`: what was under way cleans up after itself undisturbed by further ones.

    Only where the first one has had no effect for a while, e.g. since code that is not ours swallowed it, does another
    one count.
    """
    last = -math.inf

    def stop(number: int, frame: object) -> None:
        nonlocal last
        if time.monotonic() - last > CLEANING_UP:
            last = time.monotonic()
            raise Stopped(number)

    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as a shell has it for what runs in the background
                before[number] = signal.signal(number, stop)
    try:
        yield
    except Stopped:
        for number in before:
            signal.signal(number, signal.SIG_IGN)  # the process is about to end
        raise
    for number, handler in before.items():
        signal.signal(number, handler)


@contextmanager
def going_on() -> Iterator[None]:
    """Says with a stop that nothing is lost."""
    try:
        yield
    except Stopped as stop:
        stop.advice = "; what was finished is kept. The same command goes on from there"
        raise
