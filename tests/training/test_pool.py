"""The pool: orders are pulled late and carried out once, and nothing is left behind, whatever happens."""

import json
import logging
import os
import subprocess
import sys
import time
from contextlib import closing

import psutil
import pytest

from spurlab.training import WorkerError
from spurlab.training.pool import Order, run_orders

posix = pytest.mark.skipif(os.name != "posix", reason="needs signals and a shell")

# what an order asks for, in this sequence: a sign of life, sleep, death, a failure, a result
PROGRAM = """
import os, sys, time
from pathlib import Path
from spurlab.worker import serve  # without PyTorch, so that it starts in no time

def perform(content, tell):
    print("this is no event")
    if "tell" in content:
        tell(said=content["tell"])
    time.sleep(content.get("sleep", 0))
    mark = Path(sys.argv[1]) / f"died-{content.get('number')}"
    if content.get("die") == "always" or content.get("die") == "once" and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), 9)
    if content.get("fail"):
        raise KeyError("no such thing")
    return {"square": content["number"] ** 2, "process": os.getpid(), "threads": os.environ["OMP_NUM_THREADS"],
            "memory": [os.environ.get(name) for name in ("MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES")]}

serve(perform)
"""


def workers(parent=None):
    """Children, ours by default, that run the program above."""
    found = []
    for child in psutil.Process(parent).children(recursive=True):
        try:
            found += [child] if {"spurlab.worker", "pool_program"} <= set(child.cmdline()) else []
        except psutil.Error:
            continue
    return found


@pytest.fixture
def program(tmp_path, monkeypatch):
    """The command of the program above. Afterwards none of its processes lives."""
    (tmp_path / "pool_program.py").write_text(PROGRAM)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    yield ["pool_program", str(tmp_path)]
    assert workers() == []


def order(number, **content):
    return Order(f"order {number}", {"number": number} | content)


def test_workers_keep_memory_unless_the_user_says_otherwise(program, monkeypatch):
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.check=0")
    ((_, result),) = run_orders(program, [order(1)], 1, nothing)
    assert result["memory"] == [str(2**36), "glibc.malloc.check=0"]


def nothing(order, event):
    raise AssertionError(f"{order.name} told {event}")


def test_each_order_is_carried_out_once(program):
    """Seven orders, two processes with one thread each; each result comes with its own order."""
    orders = [order(i) for i in range(7)]
    found = list(run_orders(program, orders, 2, nothing))
    assert sorted((one.name, result["square"]) for one, result in found) == [(f"order {i}", i**2) for i in range(7)]
    assert all(any(one is given for given in orders) for one, _ in found)
    assert len({result["process"] for _, result in found}) == 2
    assert {result["threads"] for _, result in found} == {"1"}


def test_an_order_is_pulled_when_there_is_a_process_for_it(program):
    """Two at the start; then each result comes out before the next order is pulled."""
    story = []

    def orders():
        for i in range(4):
            story.append("pulled")
            yield order(i)
        story.append("no more")

    for _ in run_orders(program, orders(), 2, nothing):
        story.append("result")
    assert story == ["pulled"] * 2 + ["result", "pulled"] * 2 + ["result", "no more", "result"]


def test_no_more_processes_than_orders(program):
    with closing(run_orders(program, [order(1, tell="hello", sleep=0.2)], 4, lambda *_: seen.append(workers()))) as run:
        seen = []
        assert [result["square"] for _, result in run] == [1]
    assert [len(each) for each in seen] == [1]


def test_no_orders_no_processes(program):
    assert list(run_orders(program, [], 2, nothing)) == []


def test_less_than_one_worker_is_refused(program):
    with pytest.raises(ValueError, match="`workers` must be 1 or more, but it is 0"):
        next(run_orders(program, [order(1)], 0, nothing))


@posix
def test_an_order_whose_worker_died_starts_again(program, caplog):
    """Other orders go on. What was told before must be taken back, so the restart is told before the new events."""
    told = []
    orders = [order(1), order(2, tell="x", die="once"), order(3)]
    with caplog.at_level(logging.WARNING, "spurlab"):
        found = list(run_orders(program, orders, 2, lambda order, event: told.append((order.name, dict(event)))))
    assert sorted(result["square"] for _, result in found) == [1, 4, 9]
    assert told == [("order 2", event) for event in ({"said": "x"}, {"restarted": True}, {"said": "x"})]
    (record,) = caplog.records
    assert record.getMessage() == (
        "the worker that trained order 2 was killed by signal 9 (it said: this is no event); "
        "the group is tried once more."
    )


@posix
def test_an_order_whose_worker_dies_twice_is_given_up(program):
    """The other worker is in the middle of its order, and is ended too (see the fixture)."""
    orders = [order(1, die="always"), order(2, sleep=60)]
    message = r"^the worker that trained order 1 was killed by signal 9 .*, for the second time"
    with pytest.raises(WorkerError, match=message):
        list(run_orders(program, orders, 2, lambda *_: None))


def test_a_failure_is_not_tried_again(program):
    told = []
    reason = r"KeyError: 'no such thing', raised in perform, line 16 of pool_program.py"
    with pytest.raises(WorkerError, match=rf"^order 1 could not be trained: {reason}$"):
        list(run_orders(program, [order(1, fail=True)], 1, lambda *event: told.append(event)))
    assert told == []


@posix
def test_the_last_words_of_a_worker_are_passed_on(program, tmp_path):
    (tmp_path / "pool_program.py").write_text("raise SystemExit('first\\nno room left')")
    with pytest.raises(WorkerError, match=r"ended with exit code 1 \(it said: no room left\), for the second time"):
        list(run_orders(program, [order(1)], 1, lambda *_: None))


def test_what_others_print_is_no_event(program, tmp_path):
    """A `sitecustomize` that prints speaks before the worker can redirect it."""
    (tmp_path / "sitecustomize.py").write_text("print('hello', 17)")
    assert [result["square"] for _, result in run_orders(program, [order(3)], 1, nothing)] == [9]


def test_modules_in_the_current_folder_are_left_alone(program, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "queue.py").write_text("raise SystemExit('the wrong module')")
    monkeypatch.chdir(elsewhere)
    assert [result["square"] for _, result in run_orders(program, [order(3)], 1, nothing)] == [9]


def test_a_result_that_is_no_json_is_a_failure(program, tmp_path):
    (tmp_path / "pool_program.py").write_text(PROGRAM.replace('content["number"] ** 2', "{1, 2}"))
    with pytest.raises(WorkerError, match="order 1 could not be trained: TypeError: Object of type set is not JSON"):
        list(run_orders(program, [order(1)], 1, nothing))


@pytest.mark.parametrize("where", ["consumer", "orders", "event"])
def test_whatever_goes_wrong_ends_the_workers(where, program):
    """The fixture looks whether any lives."""

    def orders():
        yield order(1)
        yield order(2, tell="x" if where == "event" else "", sleep=60)
        if where == "orders":
            raise KeyboardInterrupt

    def on_event(order, event):
        if event == {"said": "x"}:
            raise KeyboardInterrupt

    def consume():
        with closing(run_orders(program, orders(), 2, on_event)) as running:
            for _ in running:
                if where == "consumer":
                    raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        consume()


def test_closing_ends_the_workers(program):
    running = run_orders(program, [order(1), order(2, sleep=60)], 2, nothing)
    next(running)
    assert workers() != []
    running.close()
    assert workers() == []


SCRIPT = """
import os, sys
from pathlib import Path
from spurlab.training.pool import Order, run_orders

order = Order("order 1", {"number": 1, "tell": os.getpid(), "sleep": 60})
told = lambda order, event: print("told", flush=True)
for _ in run_orders(sys.argv[2:], [order], 1, told, Path(sys.argv[1])):
    pass
"""


@pytest.fixture
def parent(program, tmp_path):
    """A process with one worker, and a folder that goes with it, as (process, worker, folder); ended afterwards."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    command = [sys.executable, "-c", SCRIPT, str(scratch), *program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while not (found := workers(process.pid)) and time.monotonic() < deadline:
            time.sleep(0.01)
        yield process, found[0], scratch
        process.kill()
        if found[0].is_running():
            found[0].kill()


@posix
def test_a_worker_dies_with_its_parent_and_removes_its_folder(parent):
    """Nobody is left to end it: it notices, in the middle of its work, that its orders have ended."""
    process, worker, scratch = parent
    assert process.stdout.readline() == "told\n"
    process.kill()
    gone, _ = psutil.wait_procs([worker], timeout=10)
    assert gone == [worker]
    assert not scratch.exists()


@posix
def test_a_worker_dies_with_its_parent_also_while_it_imports(program, tmp_path, request):
    """The import takes a minute here, as that of PyTorch takes seconds; whoever listens only after it lives on."""
    slow = "import sys, time\nfrom pathlib import Path\nPath(sys.argv[1], 'importing').touch()\ntime.sleep(60)\n"
    (tmp_path / "pool_program.py").write_text(slow + PROGRAM)
    process, worker, scratch = request.getfixturevalue("parent")
    deadline = time.monotonic() + 60
    while not (tmp_path / "importing").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    gone, _ = psutil.wait_procs([worker], timeout=20)
    assert gone == [worker]
    assert not scratch.exists()


def test_a_worker_speaks_json_lines(program, tmp_path):
    """The protocol by hand. What the program prints goes to standard error; the last word leaves nobody orphaned."""
    done = subprocess.run(
        [sys.executable, "-m", "spurlab.worker", tmp_path, *program],
        input='{"number": 3, "tell": "x"}\nno more\n',
        capture_output=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        text=True,
        timeout=60,
        check=True,
    )
    said, finished = map(json.loads, done.stdout.splitlines())
    assert said == {"said": "x"}
    assert finished["finished"]["square"] == 9
    assert done.stderr == "this is no event\n"
    assert tmp_path.exists()


def test_orders_are_for_the_worker_alone(program, tmp_path):
    """Code of the user's that reads standard input finds it empty, and takes no order away."""
    (tmp_path / "pool_program.py").write_text(PROGRAM.replace('print("this is no event")', "assert input() == ''"))
    with pytest.raises(WorkerError, match="order 1 could not be trained: EOFError"):
        list(run_orders(program, [order(1)], 1, nothing))
