"""What a command shows while it works: bars on a terminal, now and then a line where there is none. All on stderr."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from spurlab.report import duration
from spurlab.studies import StudyProgress

BETWEEN_LINES = 120.0  # seconds


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """A spinner where there is a terminal."""
    console = Console(stderr=True)
    if what and sys.stdout.isatty() and console.is_terminal:
        with console.status(what):
            yield
    else:
        yield


@contextmanager
def study_bar(name: str) -> Iterator[Callable[[StudyProgress], None]]:
    """A bar for the whole study and one for each group under way; lines where that is no terminal."""
    console = Console(stderr=True)
    if not (sys.stdout.isatty() and console.is_terminal):
        yield Lines(name)
        return
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=20), TextColumn("{task.fields[state]}"))
    with Progress(*columns, console=console, transient=True) as bar:
        overall = bar.add_task(name, total=None, state="starting")
        inner: dict[str, Any] = {}

        def advance(now: StudyProgress) -> None:
            bar.update(overall, completed=now.done, total=max(now.total, 1), state=_state(now))
            under_way = {f"  {what} #{place}": (done, of) for place, (what, done, of) in enumerate(now.running, 1)}
            for gone in set(inner) - set(under_way):
                bar.remove_task(inner.pop(gone))
            for what, (done, of) in under_way.items():
                if what not in inner:
                    inner[what] = bar.add_task(what.rpartition(" #")[0], total=of, state="")
                bar.update(inner[what], completed=done, total=of, state=f"{done}/{of}")

        yield advance


class Lines:
    """A line at the start, and one after every two minutes in which something happened.

    Args:
        name: of the study.
        clock: seconds, from any moment on.
    """

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.name, self.clock = name, clock
        self.last: float | None = None

    def __call__(self, now: StudyProgress) -> None:
        """What is known now."""
        if self.last is None:
            self.last = self.clock()
            left = now.of - now.networks
            begin = "making" if now.treatments else "training"
            if now.of:
                self._say(
                    f"{begin} {left} of {now.of} {_what(now)} ..."
                    if left
                    else f"all {now.of} {_what(now)} are here already"
                )
        elif self.clock() - self.last >= BETWEEN_LINES:
            self.last = self.clock()
            self._say(_state(now))

    def _say(self, words: str) -> None:
        print(f"{self.name}: {words}", file=sys.stderr, flush=True)


def _state(now: StudyProgress) -> str:
    if now.waiting:
        return f"waiting for another process to finish {now.waiting} {_what(now)}"
    left = "" if now.seconds_left == float("inf") else f", {duration(now.seconds_left)} left"
    return f"{now.networks}/{now.of} {_what(now)}{left}"


def _what(now: StudyProgress) -> str:
    return f"networks and {now.treatments}" if now.treatments else "networks"
