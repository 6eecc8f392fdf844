"""What `spurlab run` shows while it works: bars on a terminal, now and then a line where there is none. On stderr."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from spurlab.studies import StudyProgress
from spurlab.terminal import printable, say, showing

BETWEEN_LINES = 120.0  # seconds


@contextmanager
def study_bar(name: str) -> Iterator[Callable[[StudyProgress], None]]:
    """A bar for the whole study and one for each group under way; lines where that is no terminal."""
    console = Console(stderr=True)
    if not (sys.stdout.isatty() and console.is_terminal):
        yield Lines(name)
        return
    words = (TextColumn(text, markup=False) for text in ("{task.description}", "{task.fields[state]}"))
    columns = (next(words), BarColumn(bar_width=20), next(words))
    with showing, Progress(*columns, console=console, transient=True) as bar:
        overall = bar.add_task(printable(name), total=None, state="starting")
        inner: dict[str, Any] = {}

        def advance(now: StudyProgress) -> None:
            bar.update(overall, completed=now.done, total=max(now.total, 1), state=str(now))
            under_way = {f"  {what} #{place}": (done, of) for place, (what, done, of) in enumerate(now.running, 1)}
            for gone in set(inner) - set(under_way):
                bar.remove_task(inner.pop(gone))
            for what, (done, of) in under_way.items():
                if what not in inner:
                    inner[what] = bar.add_task(printable(what.rpartition(" #")[0]), total=of, state="")
                bar.update(inner[what], completed=done, total=of, state=f"{done}/{of}")

        yield advance


class Lines:
    """A line at the start of each batch of networks, and one after every two minutes in which something happened."""

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.name, self.clock = name, clock
        self.last: float | None = None
        self.of = 0  # grows where seeds are added, or n* is searched

    def __call__(self, now: StudyProgress) -> None:
        first, left = self.last is None, now.of - now.networks
        if self.last is None or now.of != self.of:
            self.last, self.of = self.clock(), now.of
            if left:
                begin = "making" if now.treatments else "training"
                self._say(f"{'' if first else 'then '}{begin} {left} of {now.of} {now.what} ...")
            elif first and now.of:
                self._say(f"all {now.of} {now.what} are here already")
        elif self.clock() - self.last >= BETWEEN_LINES:
            self.last = self.clock()
            self._say(str(now))

    def _say(self, words: str) -> None:
        say(f"{self.name}: {words}")
