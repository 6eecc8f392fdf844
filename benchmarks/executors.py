"""What does it cost to carry a small task out on Ray, beside a worker process of this machine?

Usage: python benchmarks/executors.py [--tasks 1000] [--epochs 1] [--workers 2] [--rounds 3]

A task is one small perceptron on 200 images of Fashion-MNIST mini that is trained for an epoch, or more, and measured.
In turns all tasks are carried out by worker processes and by a local Ray; the clock runs from the first outcome to the
last, and the time until the first, in which workers start, stands beside. Worker processes write the weights; Ray's
send them.
"""

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

from spurlab.data import load
from spurlab.studies import Executor, OnRay, Room, Task, load_study, work_of
from spurlab.studies.executors import workplace
from spurlab.studies.subjects import machine


def timed(executor: str | Executor, tasks: list[Task], workers: int) -> tuple[float, float]:
    """Seconds until the first outcome, and from there to the last."""
    start, ends = time.perf_counter(), []
    carry_out, place = workplace(executor, workers, "cpu")
    with place as room:
        for _ in carry_out(iter(tasks), room.workers, load, lambda task, done: None):
            ends.append(time.perf_counter())
    return ends[0] - start, ends[-1] - ends[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=1, help="of each task")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    settings = [
        "dataset=fashion-mini@200",
        "architecture=small-mlp",
        "n=0",
        "pattern=R3",
        f"recipe.epochs={given.epochs}",
        "measure=accuracy",
    ]
    study = load_study("quickstart", changes=[*settings, f"seed={list(range(given.tasks))}"])
    work = work_of(study, {"fashion-mini@200": load("fashion-mini@200")})
    seconds: dict[str, list[tuple[float, float]]] = {"local": [], "ray": []}
    for _ in range(given.rounds):
        for name, several in seconds.items():
            with tempfile.TemporaryDirectory() as folder:
                [tasks] = work.phases(Room(given.workers, 1), Path(folder))  # one network each
                several.append(timed(OnRay() if name == "ray" else name, tasks, given.workers))
            print(f"{name}: {several[-1][0]:.1f} s until the first, {several[-1][1]:.1f} s to the last", flush=True)
    ratios = [ray / local for (_, local), (_, ray) in zip(seconds["local"], seconds["ray"], strict=True)]
    each = median(own for _, own in seconds["local"]) / (given.tasks - 1) * given.workers
    print(f"{given.tasks:,} tasks of {1000 * each:.0f} ms, {given.workers} workers, {machine()}")
    print(f"ray / local: median {median(ratios):.3f} of {given.rounds} rounds, {min(ratios):.3f} to {max(ratios):.3f}")


if __name__ == "__main__":
    main()
