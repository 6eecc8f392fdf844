"""What the study engine costs beside the training: planning, reading back, and running; and whether plans come true.

Usage: python benchmarks/studies.py [--full] [--json [FILE]]

Planning and reading are medians. The overhead is the time that `run` takes beyond training and measuring, as a share of
the training, in this process with one thread and on the data that come with the package. Plan against run is the larger
of the two times over the smaller, with the worker processes of this machine. `--full` trains more networks.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from reporting import Goal, Report, Row, parser_of, say, table_of
from spurlab.data import load
from spurlab.studies import Room, Store, Study, load_study, plan, rows_of, run, work_of
from spurlab.studies.executors.local import local
from spurlab.studies.subjects import Finished


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Args:
        repetitions: of planning and of reading.
        epochs: of the networks whose overhead is measured.
        planned: seeds and epochs of the study that is planned and run.
    """

    repetitions: int = 3
    epochs: int = 6
    planned: tuple[int, int] = (5, 4)


FULL = Plan(repetitions=5, epochs=12, planned=(12, 8))


def seconds(what: Callable[[], object], repetitions: int) -> float:
    """The median time of `what`."""
    times = []
    for _ in range(repetitions):
        start = time.perf_counter()
        what()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def study_with(cells: int) -> Study:
    """The quickstart with so many cells: 2 patterns x 10 counts x seeds."""
    counts = list(range(10))
    return load_study("quickstart", changes=[f"n={counts}", f"seed={list(range(cells // 20))}"])


def planning(cells: int, repetitions: int) -> float:
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

        return seconds(plan, repetitions)


def reading(rows: int, repetitions: int) -> float:
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
        return seconds(lambda: rows_of(study, work.checksums, store), repetitions)


def overhead(epochs: int) -> tuple[float, float]:
    """Seconds of training, with one thread as in a worker, and seconds of the run that neither trained nor measured."""
    torch.set_num_threads(1)
    inside = [0.0, 0.0]

    def timed(*arguments):  # type: ignore[no-untyped-def]
        for task, outcome in local(*arguments):
            inside[0] += outcome.make_seconds
            inside[1] += outcome.measure_seconds
            yield task, outcome

    study = load_study("quickstart", changes=["n=[0, 3, 10]", "seed=[0, 1]", f"recipe.epochs={epochs}"])
    data = load("fashion-mini")
    assert data.checksum
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        run(study, Path(folder), executor=timed, workers=0, load=lambda name: data)
        whole = time.perf_counter() - start
    return inside[0], whole - sum(inside)


def plan_against_run(seeds: int, epochs: int) -> tuple[float, float]:
    """Seconds that the plan expects of a study, and seconds that it takes."""
    changes = ["n=[0, 3, 10]", f"seed={list(range(seeds))}", f"recipe.epochs={epochs}"]
    study = load_study("quickstart", changes=changes)
    with tempfile.TemporaryDirectory() as folder:
        expected = plan(study, Path(folder)).seconds
        start = time.perf_counter()
        run(study, Path(folder))
        assert expected
        return expected, time.perf_counter() - start


def main() -> None:
    """Measure, and show what was measured beside its goal."""
    asked = parser_of(__doc__, "longer trainings, more repetitions").parse_args()
    how = FULL if asked.full else Plan()
    report = Report(asked.json, **asdict(how))
    say("a plan and its study")
    expected, taken = plan_against_run(*how.planned)
    say("what a run takes beyond training")
    training, beyond = overhead(how.epochs)
    say("planning and reading")
    rows = [
        Row("planning 10,000 cells", planning(10_000, how.repetitions)),
        Row("reading back 100,000 rows", reading(100_000, how.repetitions)),
        Row("a study as planned", expected),
        Row("the same study as run", taken),
        Row("training and measuring in one process", training),
        Row("the run beyond that", beyond),
    ]
    table = table_of("The study engine", "what", "seconds")
    for row in rows:
        table.add_row(row.name, f"{row.value:.2f}")
    report.show(table)
    goals = [
        Goal.of("planning 10,000 cells, s", [rows[0].value], 2.0, at_most=True),
        Goal.of("reading back 100,000 rows, s", [rows[1].value], 1.0, at_most=True),
        Goal.of("overhead, share of training", [beyond / training], 0.02, at_most=True),
        Goal.of("plan against run, ratio", [max(expected / taken, taken / expected)], 1.5, at_most=True),
    ]
    report.end(rows, goals)


if __name__ == "__main__":
    main()
