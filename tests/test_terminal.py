"""The door to the terminal: a real one, closed and full streams, names that would steer it."""

import inspect
import json
import os
import pty
import re
import subprocess
import sys
import time
import types

import pytest

from spurlab import terminal
from spurlab.terminal import on_a_line, paced, printable, status_line, told_on_a_line

posix = pytest.mark.skipif(os.name != "posix", reason="needs file descriptors and a shell")

SCRIPT = """
import os, sys
from spurlab.terminal import flush, open_streams, put, results_alone, say, write
open_streams()
database = open("database", "wb")  # the next file to be opened
say("a word")
print("somebody's print")
put("a result")
with results_alone():
    print("somebody's print")
    os.system("echo a subprocess")
    write('{"json": 1}')
flush()
database.close()
"""


@pytest.fixture
def shell(tmp_path):
    """Run the script above with these redirections."""
    (tmp_path / "script.py").write_text(SCRIPT)

    def run(redirections):
        command = f"{sys.executable} script.py {redirections}"
        buffered = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
        return subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, env=buffered, capture_output=True, text=True, check=False
        )

    return run


@posix
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_lose_what_is_written_to_them_and_nothing_else(shell, tmp_path, closed):
    """No file gets the number of a closed stream, so nothing is printed into the database."""
    done = shell(closed)
    assert done.returncode == 0
    said = [] if "2>&-" in closed else ["a subprocess", "a word", "somebody's print"]
    assert sorted(done.stderr.splitlines()) == said
    there = "" if ">&-" in closed.split() else "somebody's print\na result\n" + '{"json": 1}\n'
    assert done.stdout == there
    assert (tmp_path / "database").read_bytes() == b""


@posix
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_full_stream_of_errors_stops_no_work_and_one_of_results_is_said(shell):
    assert shell("2>/dev/full").stdout.endswith('{"json": 1}\n')
    full = shell(">/dev/full")
    assert full.returncode == 1
    last = full.stderr.splitlines()[-1]
    assert last.endswith("OutputError: the output cannot be written (No space left on device). Send it elsewhere.")


def test_a_reader_that_has_seen_enough_is_no_error(shell):
    done = shell("| true; exit ${PIPESTATUS[0]}")
    assert done.returncode == 0
    assert "BrokenPipe" not in done.stderr


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x9b31m", r"\x9b31m"),  # the same in one letter of eight bits
        ("two\nlines\tand\r", r"two\nlines\tand\r"),
        ("gnp.\u202eexe", r"gnp.\u202eexe"),
        ("\u2066a\u2069", r"\u2066a\u2069"),
        ("a\u2028b", r"a\u2028b"),
        ("bytes \udcff", r"bytes \udcff"),
        ("a\U000e0041", r"a\U000e0041"),  # an invisible letter
    ],
)
def test_what_steers_a_terminal_is_written_out(text, shown):
    assert printable(text) == shown
    assert printable(shown) == shown


def test_other_letters_stay():
    for text in ("T-shirt/top", "naïve 5 µm", "猫", "می\u200cرود", "👩\u200d🔬", "[red]not red[/red]", "a\\b"):
        assert printable(text) == text


def seen(script, tmp_path):
    """What a terminal gets from a Python script."""
    (tmp_path / "script.py").write_text(script)
    ours, theirs = pty.openpty()
    with subprocess.Popen([sys.executable, "script.py"], cwd=tmp_path, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        found = b""
        while True:
            try:
                more = os.read(ours, 4096)
            except OSError:  # so Linux tells the end
                break
            if not more:
                break
            found += more
    os.close(ours)
    assert process.returncode == 0, found
    return found.decode()


LINE = """
import time
from spurlab import terminal
terminal.AFTER, terminal.AGAIN = {after}, .01
with terminal.status_line("reading") as tell:
    time.sleep(.2)
    tell("judging\\x1b[31m\\n[red]")
    with terminal.status_line("within another"):
        time.sleep(.2)
print("done")
"""


@posix
def test_a_terminal_shows_one_line_that_is_wiped(tmp_path):
    """The line is written over from its start, holds no line end or escape sequence, and is blank at the end."""
    screen = seen(LINE.format(after=0.02), tmp_path)
    told = [line for line in screen.split("\r") if line.strip()]
    assert any(line.startswith("reading (") for line in told)
    assert any(line.startswith(r"judging\x1b[31m\n[red] (") for line in told)
    assert "within another" not in screen
    assert "\x1b" not in screen
    assert screen.count("\n") == 1
    assert re.search(r"\r +\rdone\r\n$", screen)


@posix
def test_work_that_is_short_shows_nothing(tmp_path):
    assert seen(LINE.format(after=60), tmp_path) == "done\r\n"


def test_where_nobody_looks_nothing_is_shown(capfd, monkeypatch):
    monkeypatch.setattr(terminal, "AFTER", 0.0)
    with status_line("reading"):
        time.sleep(0.05)
    assert capfd.readouterr() == ("", "")


class Notebook:
    """As ipykernel's stream: no terminal, but looked at."""

    closed = False

    def __init__(self):
        self.text = ""

    def isatty(self):
        return False

    def write(self, text):
        self.text += text

    def flush(self):
        pass


Notebook.__module__ = "ipykernel.iostream"


def shown_in(stream, text):
    """Wait until it is there."""
    deadline = time.monotonic() + 30
    while text not in stream.text and time.monotonic() < deadline:
        time.sleep(0.01)
    return text in stream.text


def test_a_function_tells_its_progress_in_a_notebook_unless_it_is_given_another(monkeypatch):
    """And the line is gone when the function fails. Where there are outputs of cells: `test_kernel`."""
    notebook, looked = Notebook(), []
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    monkeypatch.setattr(sys, "stderr", notebook)
    monkeypatch.setattr(terminal, "AFTER", 0.0)
    monkeypatch.setattr(terminal, "AGAIN", 0.001)

    @told_on_a_line(lambda done, of: f"{done} of {of}")
    def work(*, progress=on_a_line):
        progress(1, 3)
        looked.append(shown_in(notebook, "1 of 3 ("))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert looked == [True]
    assert re.search(r"\r +\r$", notebook.text)
    notebook.text, told = "", []

    @told_on_a_line(str)
    def other(*, progress=on_a_line):
        progress(7)
        time.sleep(0.05)

    other(progress=told.append)
    assert (told, notebook.text) == ([7], "")


def test_json_of_hostile_names_is_ascii(capfd):
    """The command line writes JSON so; its escapes give the names back."""
    from spurlab.printing import print_json

    name = "\x1b[31m\u202e\x7f\x9b猫"
    print_json({"name": name})
    said = capfd.readouterr().out
    assert said.isascii()
    assert printable(said.replace("\n", "")) == said.replace("\n", "")
    assert json.loads(said) == {"name": name}


def test_what_takes_long_shows_its_progress_by_default():
    """Those that train or draw for minutes; each was silent without a function of the caller's."""
    from spurlab.deletion import check, prepare
    from spurlab.report import write_report
    from spurlab.studies import run
    from spurlab.training import fit

    for function in (fit, prepare, check, run, write_report):
        assert inspect.signature(function).parameters["progress"].default is on_a_line
        assert function.__wrapped__ is not function


def test_the_pace_is_that_of_the_step_and_said_once_it_is_known():
    """A step that begins anew, or another one, starts the clock again; a step of one has no pace."""
    told, times = [], iter([0.0, 0.5, 4.0, 5.0, 7.0, 8.0])
    tell = paced(told.append, lambda: next(times))
    for now in (("a", 1, 9), ("a", 2, 9), ("a", 5, 9), ("b", 8, 9), ("b", 2, 4), ("b", 2, 4), ("c", 0, 1)):
        tell(*now)
    assert told == [
        "a: 1 of 9",
        "a: 2 of 9",
        "a: 5 of 9, 1 a second, 4 s left",
        "b: 8 of 9",
        "b: 2 of 4",
        "b: 2 of 4",
        "c",
    ]
