"""What is done to trained networks: weights in, measured numbers out.

This is the second half of a study of deletion or prevention. The networks are trained first, as any others, and their
weights are in the results folder. A task is some of what is done to one network.
"""

import math
import time
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from spurlab.data import Dataset
from spurlab.studies.deletion_bench import DeletionBench
from spurlab.studies.grid import Removal, Repair, Treatment
from spurlab.studies.prevention_bench import PreventionBench
from spurlab.studies.store import Finished, Request
from spurlab.studies.study import StudyError
from spurlab.studies.task import checked
from spurlab.training import Progress


@dataclass(frozen=True)
class TreatmentTask:
    """Some of what is done to one network, and what is measured after each.

    Args:
        treatments: of one kind, of the same network, compared with the same others; all train, or none does.
        requests: for each.
        data: the checksum of the data set.
        folder: the results folder, where the weights are.
        device: where to delete.
    """

    treatments: tuple[Treatment, ...]
    requests: tuple[tuple[Request, ...], ...]
    data: str
    folder: str
    device: str = "cpu"

    @property
    def name(self) -> str:
        """For messages."""
        first, training = self.treatments[0], self.treatments[0].training
        what = "deletions from" if isinstance(first, Removal) else "preventions on"
        marked = f"share {training.share:g}" if training.share is not None else f"n = {training.n}"
        where = f"{training.setting.architecture} on {training.setting.dataset}"
        return f"{len(self.treatments)} {what} {where} ({marked}, seed {training.seed})"

    @property
    def keys(self) -> tuple[str, ...]:
        """The key of each."""
        return tuple(treatment.key(self.data) for treatment in self.treatments)

    @property
    def length(self) -> int:
        """How many steps its progress has."""
        return len(self.treatments)

    @property
    def weight(self) -> int:
        """How much work a step is, in epochs of a network: about as many as to train one, or for a refit one."""
        first = self.treatments[0]
        return max(1, first.training.setting.recipe.epochs) if first.trains else 1

    def only(self, keys: Container[str]) -> "TreatmentTask | None":
        """The part with these keys, or None where there is none."""
        kept = [i for i, key in enumerate(self.keys) if key in keys]
        treatments, requests = tuple(self.treatments[i] for i in kept), tuple(self.requests[i] for i in kept)
        return replace(self, treatments=treatments, requests=requests) if kept else None

    def as_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        return vars(self) | {"treatments": [each.as_json() for each in self.treatments], "keys": self.keys}

    @classmethod
    def from_json(cls, about: Mapping[str, Any]) -> "TreatmentTask":
        """What `as_json` gave.

        Raises:
            StudyError: the keys are others here: the text of a method of the user's has changed.
        """
        kinds: dict[str, type[Treatment]] = {"deletion": Removal, "prevention": Repair}
        treatments = tuple(
            next(kind for name, kind in kinds.items() if name in each).from_json(each) for each in about["treatments"]
        )
        requests = tuple(tuple(Request(*request) for request in each) for each in about["requests"])
        rest = {name: value for name, value in about.items() if name != "keys"}
        task = cls(**rest | {"treatments": treatments, "requests": requests})
        for treatment, key, planned in zip(treatments, task.keys, about["keys"], strict=True):
            if key != planned:
                raise StudyError(
                    f"method {treatment.method!r}: its module is not the one that the study began with. Do not "
                    "change it while the study runs; the same command measures the new one, and what is finished stays."
                )
        return task


@dataclass(frozen=True)
class TreatmentOutcome:
    """What a task gave.

    Args:
        values: for each treatment, its requests' numbers; NaN where it failed or the network before it diverged.
        seconds: that each method took.
        failures: for each, why it failed; "" where it did not.
    """

    values: tuple[tuple[float, ...], ...]
    seconds: tuple[float, ...]
    failures: tuple[str, ...]

    @classmethod
    def from_json(cls, about: Mapping[str, Any]) -> "TreatmentOutcome":
        """What ``vars`` of an outcome gave, after JSON."""
        values = tuple(tuple(each) for each in about["values"])
        return cls(values, tuple(about["seconds"]), tuple(about["failures"]))

    def finished(self, task: TreatmentTask) -> list[Finished]:
        """One entry of the store for each."""
        return [
            Finished(
                key,
                treatment.as_json() | ({"failed": failure} if failure else {}),
                task.data,
                dict(zip(requests, values, strict=True)),
                seconds,
                task.device,
            )
            for key, treatment, requests, values, seconds, failure in zip(
                task.keys, task.treatments, task.requests, self.values, self.seconds, self.failures, strict=True
            )
        ]


def perform_treatments(
    task: TreatmentTask, load: Callable[[str], Dataset], progress: Callable[[Progress], None] = lambda _: None
) -> TreatmentOutcome:
    """Carry out each treatment and measure what it left, in this process.

    A method that fails ends nothing: its numbers are NaN, and the reason is kept with them.

    Args:
        task: what to do.
        load: gives a data set by its name.
        progress: called after each.

    Raises:
        StudyError: the data here are not those that the task names.
        StoreError: weights are damaged.
    """
    start = time.perf_counter()
    first = task.treatments[0]
    data = checked(first.training.setting.dataset, task.data, load)
    kind: Any = DeletionBench if isinstance(first, Removal) else PreventionBench
    bench = kind(first, data, Path(task.folder), task.device)
    values, seconds, failures = [], [], []
    for treatment, requests in zip(task.treatments, task.requests, strict=True):
        numbers, took, failure = bench.treated(treatment, requests)
        values.append(tuple(numbers[request.measure] if numbers else math.nan for request in requests))
        seconds.append(took)
        failures.append(failure)
        progress(Progress(task.weight * len(values), task.weight * task.length, time.perf_counter() - start))
    return TreatmentOutcome(tuple(values), tuple(seconds), tuple(failures))
