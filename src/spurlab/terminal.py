"""The door to the terminal: what is printed is shown as it is and does nothing, and broken streams stop no work."""

import io
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from functools import wraps
from shutil import get_terminal_size
from typing import Any, Literal, ParamSpec, TextIO, TypeVar
from unicodedata import category

from rich.cells import cell_len, set_cell_size

AFTER, AGAIN = 2.0, 0.5  # seconds until work is told of, and between two looks at it

_JOINERS = "\u200c\u200d\u00ad"  # of Persian and of emoji, and the soft hyphen: of category Cf, but harmless
_Stream = Literal["stdout", "stderr"]


def printable(text: str) -> str:
    r"""The text on one line, with everything that could steer a terminal or turn letters around written out.

    That is: control characters, such as line ends and the beginning of escape sequences; marks of the direction of
    writing and other invisible ones; and what is left of file names that are no text.

    >>> print(printable("a \x1b[31mred\x1b[0m\nname"), printable("\u202eeman"))
    a \x1b[31mred\x1b[0m\nname \u202eeman
    """
    if text.isprintable():
        return text
    return "".join(
        letter.encode("unicode_escape").decode()
        if category(letter) in ("Cc", "Cf", "Cs", "Zl", "Zp") and letter not in _JOINERS
        else letter
        for letter in text
    )


def say(text: str) -> None:
    """A line on standard error, as `printable`; where nobody can be told, nothing."""
    try:
        print(printable(text), file=sys.stderr, flush=True)
    except OSError:
        discard("stderr")


class OutputError(OSError):
    """Results cannot be written to standard output."""


def put(text: str) -> None:
    """A line of results on standard output, as `printable`.

    Raises:
        OutputError: it cannot be written. A reader that has seen enough, e.g. `head`, is no error.
    """
    write(printable(text))


def write(text: str) -> None:
    """Lines of results as they are, else as `put`: they must be printable already, e.g. JSON in ASCII."""
    with _no_reader_is_no_error():
        print(text, file=_results or sys.stdout, flush=True)


def flush() -> None:
    """What others have printed goes out now.

    Raises:
        OutputError: as `put`.
    """
    with _no_reader_is_no_error():
        sys.stdout.flush()


@contextmanager
def _no_reader_is_no_error() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        discard("stdout")
    except OSError as error:
        discard("stdout")
        raise OutputError(f"the output cannot be written ({error.strerror or error}). Send it elsewhere.") from error


_results: TextIO | None = None  # where results go while standard output is lent to nobody


@contextmanager
def results_alone() -> Iterator[None]:
    """Meanwhile standard output has what `write` writes and nothing else: what others print goes to standard error."""
    global _results  # noqa: PLW0603 - there is one standard output
    ours = sys.stdout
    try:
        number, errors = ours.fileno(), sys.stderr.fileno()
    except (OSError, ValueError):  # no real files, as in a notebook
        with redirect_stdout(sys.stderr):
            _results = ours
            try:
                yield
            finally:
                _results = None
        return
    ours.flush()
    kept = os.dup(number)
    os.dup2(errors, number)  # others are also subprocesses, and libraries in C
    try:
        with open(kept, "w", encoding=ours.encoding, errors=ours.errors, closefd=False) as _results:
            yield
    finally:
        _results = None
        ours.flush()
        os.dup2(kept, number)
        os.close(kept)


def discard(stream: _Stream) -> None:
    """Whatever is written there from now on goes nowhere, also what is still on its way."""
    broken: TextIO = _results if stream == "stdout" and _results else getattr(sys, stream)
    try:
        number = broken.fileno()
    except (OSError, ValueError):
        setattr(sys, stream, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - until the end
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)


def open_streams() -> None:
    """Give standard streams that are closed (``>&-``) to the null device; to be called before any file is opened.

    Else the next file to be opened, e.g. a database, would get the number of the closed stream, and would be written
    into by whoever prints. What the encoding of standard output lacks is written out.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            os.set_inheritable(number, True)
        if getattr(sys, name) is None:
            mode = "w" if number else "r"
            opened = open(number, mode, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
            setattr(sys, name, opened)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def in_notebook() -> bool:
    """Whether this is a kernel of Jupyter, whose standard error is the output of a cell."""
    # then ipykernel is loaded, and standard error is its stream, no real file
    return "ipykernel" in sys.modules and type(sys.stderr).__module__.startswith("ipykernel")


def _has_outputs() -> bool:
    """Whether what is displayed becomes an output of a cell, as in all but odd kernels."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and ipython.get_ipython() is not None


def somebody_looks() -> bool:
    """Whether standard error is a terminal, or the output of a notebook."""
    stream = sys.stderr
    if stream is None or stream.closed:
        return False
    return stream.isatty() or in_notebook()


def duration(seconds: float) -> str:
    """A time in the unit that suits it: seconds, minutes or hours.

    >>> [duration(each) for each in (5.0, 600.0, 9000.0)]
    ['5 s', '10 min', '2.5 h']
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def paced(tell: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> Callable[[str, int, int], None]:
    """What to call with a step's name, how much of it is done and of how much: tells that, the rate and the time left.

    Args:
        tell: what is called with the words, as `status_line` gives it.
        clock: in seconds.

    >>> times = iter([0.0, 10.0, 11.0, 131.0])
    >>> tell = paced(print, lambda: next(times))
    >>> for now in (("null marks", 0, 999), ("null marks", 199, 999), ("networks", 0, 39), ("networks", 3, 39)):
    ...     tell(*now)
    null marks: 0 of 999
    null marks: 199 of 999, 20 a second, 40 s left
    networks: 0 of 39
    networks: 3 of 39, 1.5 a minute, 24 min left
    """
    step, begun, first = "", 0.0, 0

    def told(what: str, done: int, of: int) -> None:
        nonlocal step, begun, first
        if of <= 1:
            tell(what)
            return
        now = clock()
        if what != step or done < first:
            step, begun, first = what, now, done
        words, passed, made = f"{what}: {done} of {of}", now - begun, done - first
        if passed > 1 and made > 0:
            rate = made / passed
            words += f", {rate:.0f} a second" if rate >= 1 else f", {60 * rate:.2g} a minute"
            words += f", {duration((of - done) / rate)} left"
        tell(words)

    return told


showing = threading.Lock()  # held by the one thing on the terminal that is written over: a line, or bars


@contextmanager
def status_line(words: str = "") -> Iterator[Callable[[str], None]]:
    """Tells what is under way on one line of standard error, which is written over and wiped at the end.

    It is shown from two seconds on, where `somebody_looks` and nothing else is being shown; else nothing is. In a
    notebook it is an output of its own that changes, and in the end says how long all took.

    Args:
        words: what is told at first.

    Returns:
        What to call with other words.
    """
    if not somebody_looks() or not showing.acquire(blocking=False):
        yield lambda _: None
        return
    try:
        line = (_Output if in_notebook() and _has_outputs() else _Line)(words)
        try:
            yield line.tell
        except BaseException:
            line.passed = "stopped after"
            raise
        finally:
            line.close()
    finally:
        showing.release()


class _Line:
    """A thread writes the line: what is under way may take long without a word."""

    passed = "took"  # what it did in the end

    def __init__(self, words: str) -> None:
        self._words, self._stream, self._start = words, sys.stderr, time.monotonic()
        self._ended, self._written = threading.Event(), 0
        self._thread = threading.Thread(target=self._run, name="spurlab-status", daemon=True)
        self._thread.start()

    def tell(self, words: str) -> None:
        self._words = words

    def close(self) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        pause = AFTER
        try:
            while not self._ended.wait(pause):
                pause = AGAIN
                if self._words:
                    self._write(f"{self._words} ({duration(time.monotonic() - self._start)})")
            if self._written:
                self._end()
        except (OSError, ValueError):  # the terminal is gone, or the stream was closed: nobody is left to be told
            return

    def _end(self) -> None:
        self._write("")

    def _write(self, words: str) -> None:
        """Over what was there before; the cursor stays in front, so that what others print begins on the left."""
        words, columns = printable(words), get_terminal_size().columns - 1
        self._written = max(self._written, min(cell_len(words), columns))
        self._stream.write(f"\r{set_cell_size(words, min(self._written, columns))}\r")
        self._stream.flush()


class _Output(_Line):
    """The same as an output of a notebook's cell: of all that was told the last is kept, also where it is saved."""

    _handle: Any = None

    def _end(self) -> None:
        self._write(f"{self._words} ({self.passed} {duration(time.monotonic() - self._start)})")

    def _write(self, words: str) -> None:
        from IPython.display import display  # noqa: PLC0415 - it is loaded, but this is imported elsewhere too

        self._written, shown = 1, {"text/plain": printable(words)}
        if self._handle is None:
            self._handle = display(shown, raw=True, display_id=True)
        else:
            self._handle.update(shown, raw=True)


P = ParamSpec("P")
T = TypeVar("T")


def on_a_line(*_: object) -> None:
    """The default of `progress`: a line on standard error, from two seconds on, where `somebody_looks`.

    A function of your own is called instead, so ``lambda *_: None`` shows nothing.
    """


def told_on_a_line(words: Callable[..., str]) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Decorate a function whose `progress` is `on_a_line` by default: the line shows what `words` makes.

    Args:
        words: what is called with what `progress` is called with; gives the words to show.
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            if kwargs.get("progress", on_a_line) is not on_a_line:
                return function(*args, **kwargs)
            with status_line() as tell:
                kwargs["progress"] = lambda *now: tell(words(*now))
                return function(*args, **kwargs)

        return call

    return decorate
