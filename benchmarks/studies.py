"""What the study engine costs beside the training: planning, reading back, and running; and whether plans come true.

    python benchmarks/studies.py [--json]

Planning and reading are medians. The overhead is the time that `run` takes beyond training and measuring,
as a share of the training, in this process and on the data that come with the package. Plan against run is the
larger of the two times over the smaller, with the worker processes of this machine.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from spurlab.data import load
from spurlab.studies import Room, Store, Study, load_study, plan, rows_of, run, work_of
from spurlab.studies.executors.local import local
from spurlab.studies.subjects import Finished

REPETITIONS = 5


def seconds(what: Callable[[], object]) -> float:
    """The median time of `what`."""
    times = []
    for _ in range(REPETITIONS):
        start = time.perf_counter()
        what()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def study_with(cells: int) -> Study:
    """The quickstart with so many cells: 2 patterns x 10 counts x seeds."""
    counts = list(range(10))
    return load_study("quickstart", changes=[f"n={counts}", f"seed={list(range(cells // 20))}"])


def planning(cells: int) -> float:
    """From a study to tasks, and what of them is missing in an empty store."""
    study, data = study_with(cells), {"fashion-mini": load("fashion-mini")}
    assert data["fashion-mini"].checksum
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder)) as store:

        def plan() -> None:
            work = work_of(study, data)
            assert len(work.cells) == cells
            missing = store.missing(work.wanted)
            tasks = [
                left
                for task in work.phases(Room(2, 10**10), Path(folder))[0]
                if (left := task.only(missing)) is not None
            ]
            assert sum(len(task.nodes) for task in tasks) == len(missing)

        return seconds(plan)


def reading(rows: int) -> float:
    """From a store with so many rows to a table."""
    study = study_with(rows // 2)
    work = work_of(study, {"fashion-mini": load("fashion-mini")})
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder)) as store:
        checksum = work.checksums["fashion-mini"]
        store.put(
            Finished(training.key(checksum), training.as_json(), checksum, dict.fromkeys(requests, 0.5))
            for training, requests in work.requests.items()
        )
        assert len(rows_of(study, work.checksums, store)) == rows
        return seconds(lambda: rows_of(study, work.checksums, store))


def overhead() -> tuple[float, float]:
    """Seconds of training, and seconds of the run that neither trained nor measured."""
    inside = [0.0, 0.0]

    def timed(*arguments):  # type: ignore[no-untyped-def]
        for task, outcome in local(*arguments):
            inside[0] += outcome.make_seconds
            inside[1] += outcome.measure_seconds
            yield task, outcome

    study = load_study("quickstart", changes=["n=[0, 3, 10]", "seed=[0, 1]", "recipe.epochs=12"])
    data = load("fashion-mini")
    assert data.checksum
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        run(study, Path(folder), executor=timed, workers=0, load=lambda name: data)
        whole = time.perf_counter() - start
    return inside[0], whole - sum(inside)


def plan_against_run() -> tuple[float, float]:
    """Seconds that the plan expects of a study, and seconds that it takes."""
    study = load_study("quickstart", changes=["n=[0, 3, 10]", f"seed={list(range(12))}", "recipe.epochs=8"])
    with tempfile.TemporaryDirectory() as folder:
        expected = plan(study, Path(folder)).seconds
        start = time.perf_counter()
        run(study, Path(folder))
        assert expected
        return expected, time.perf_counter() - start


def main() -> None:
    """Measure, and show what was measured beside its goal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    as_json = parser.parse_args().json
    expected, taken = plan_against_run()
    training, beyond = overhead()
    lines = [
        ("planning 10,000 cells, s", planning(10_000), 2.0),
        ("reading back 100,000 rows, s", reading(100_000), 1.0),
        ("overhead, share of training", beyond / training, 0.02),
        ("plan against run, ratio", max(expected / taken, taken / expected), 1.5),
    ]
    if as_json:
        print(json.dumps({what: measured for what, measured, _ in lines}))
        return
    table = Table(title=f"The study engine (overhead over {training:.0f} s of training, plan of {taken:.0f} s)")
    for heading in ("what", "measured", "goal", "met"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    for what, measured, goal in lines:
        table.add_row(what, f"{measured:.4f}", f"< {goal:g}", "yes" if measured < goal else "no")
    Console().print(table)


if __name__ == "__main__":
    main()
