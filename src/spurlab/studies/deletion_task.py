"""Deletions from trained networks: weights in, measured numbers out; the second half of a study of deletion.

The networks before deletion and the oracles are trained first, as any others, and their weights are in the results
folder. A task is all that is deleted from one network.
"""

import logging
import math
import time
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from spurlab.data import Dataset
from spurlab.deletion import Attempt, Bench, attempt, deletion_named, forget_mask, retraining_seconds
from spurlab.models import build
from spurlab.patterns import Planted
from spurlab.studies.grid import Removal, Training
from spurlab.studies.store import Finished, Request, weights_file
from spurlab.studies.study import REFERENCES, StudyError
from spurlab.studies.task import checked, kept_network, pattern_of, planted
from spurlab.training import Member, Progress

log = logging.getLogger(__name__)

TIMED = 100  # steps of training, to tell how long retraining takes
DIVERGED = "the network diverged in training"


@dataclass(frozen=True)
class DeletionTask:
    """All that is deleted from one network, and what is measured after each deletion.

    Args:
        removals: from the same network.
        requests: for each.
        data: the checksum of the data set.
        folder: the results folder, where the weights are.
        device: where to delete.
    """

    removals: tuple[Removal, ...]
    requests: tuple[tuple[Request, ...], ...]
    data: str
    folder: str
    device: str = "cpu"

    @property
    def name(self) -> str:
        """For messages."""
        training = self.removals[0].training
        where = f"{training.setting.architecture} on {training.setting.dataset}"
        return f"{len(self.removals)} deletions from {where} (n = {training.n}, seed {training.seed})"

    @property
    def keys(self) -> tuple[str, ...]:
        """The key of each deletion."""
        return tuple(removal.key(self.data) for removal in self.removals)

    @property
    def length(self) -> int:
        """How many steps its progress has."""
        return len(self.removals)

    @property
    def weight(self) -> int:
        """How much work a step is: about as much as to train a network, as many methods do."""
        return max(1, self.removals[0].training.setting.recipe.epochs)

    def only(self, keys: Container[str]) -> "DeletionTask | None":
        """The part with these keys, or None where there is none."""
        kept = [i for i, key in enumerate(self.keys) if key in keys]
        removals, requests = tuple(self.removals[i] for i in kept), tuple(self.requests[i] for i in kept)
        return replace(self, removals=removals, requests=requests) if kept else None

    def as_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        return vars(self) | {"removals": [removal.as_json() for removal in self.removals], "keys": self.keys}

    @classmethod
    def from_json(cls, about: Mapping[str, Any]) -> "DeletionTask":
        """What `as_json` gave.

        Raises:
            StudyError: the keys are others here: the text of a method of the user's has changed.
        """
        removals = tuple(Removal.from_json(each) for each in about["removals"])
        requests = tuple(tuple(Request(*request) for request in each) for each in about["requests"])
        rest = {name: value for name, value in about.items() if name != "keys"}
        task = cls(**rest | {"removals": removals, "requests": requests})
        for removal, key, planned in zip(removals, task.keys, about["keys"], strict=True):
            if key != planned:
                raise StudyError(
                    f"deletion method {removal.method!r}: its module is not the one that the study began with. Do not "
                    "change it while the study runs; the same command measures the new one, and what is finished stays."
                )
        return task


@dataclass(frozen=True)
class DeletionOutcome:
    """What a task gave.

    Args:
        values: for each deletion, its requests' numbers; NaN where it failed or the network before it diverged.
        seconds: that each method took.
        failures: for each, why it failed; "" where it did not.
    """

    values: tuple[tuple[float, ...], ...]
    seconds: tuple[float, ...]
    failures: tuple[str, ...]

    @classmethod
    def from_json(cls, about: Mapping[str, Any]) -> "DeletionOutcome":
        """What ``vars`` of an outcome gave, after JSON."""
        values = tuple(tuple(each) for each in about["values"])
        return cls(values, tuple(about["seconds"]), tuple(about["failures"]))

    def finished(self, task: DeletionTask) -> list[Finished]:
        """One entry of the store for each deletion."""
        return [
            Finished(
                key,
                removal.as_json() | ({"failed": failure} if failure else {}),
                task.data,
                dict(zip(requests, values, strict=True)),
                seconds,
                task.device,
            )
            for key, removal, requests, values, seconds, failure in zip(
                task.keys, task.removals, task.requests, self.values, self.seconds, self.failures, strict=True
            )
        ]


def perform_deletions(
    task: DeletionTask, load: Callable[[str], Dataset], progress: Callable[[Progress], None] = lambda _: None
) -> DeletionOutcome:
    """Carry out each deletion and measure what it left, in this process.

    A method that fails ends nothing: its numbers are NaN, and the reason is kept with them.

    Args:
        task: what to do.
        load: gives a data set by its name.
        progress: called after each deletion.

    Raises:
        StudyError: the data here are not those that the task names.
        StoreError: weights are damaged.
    """
    start = time.perf_counter()
    networks = _Networks(task, checked(task.removals[0].training.setting.dataset, task.data, load))
    values, seconds, failures = [], [], []
    for removal, requests in zip(task.removals, task.requests, strict=True):
        numbers, took, failure = networks.deleted(removal, requests)
        values.append(tuple(numbers[request.measure] if numbers else math.nan for request in requests))
        seconds.append(took)
        failures.append(failure)
        progress(Progress(task.weight * len(values), task.weight * task.length, time.perf_counter() - start))
    return DeletionOutcome(tuple(values), tuple(seconds), tuple(failures))


class _Networks:
    """The network that a task deletes from and its oracles, as they are in the results folder."""

    def __init__(self, task: DeletionTask, data: Dataset) -> None:
        self._task, self._data = task, data
        self._training = training = task.removals[0].training
        compared = (each for each in task.removals[0].compared if each.seed != training.seed)
        before, self._diverged = self._network(training)
        self._bench = Bench(
            before,
            planted(data, training),
            pattern_of(data, training.pattern or "", training.seed),
            training.target or 0,
            data.test,
            [network for network, diverged in map(self._network, compared) if not diverged],
            training.seed,
        )
        self._retraining = self._seconds_to_retrain()

    def deleted(self, removal: Removal, requests: Sequence[Request]) -> tuple[dict[str, float], float, str]:
        """The numbers after one deletion (none where it failed), the seconds that it took, and why it failed."""
        if self._diverged:
            return {}, 0.0, DIVERGED
        planted = self._bench.planted
        forget = forget_mask(planted.positions[: removal.known], len(planted))
        relearn = any(request.measure == "relearn_steps" for request in requests)
        if removal.method in REFERENCES:
            network, diverged = self._network(removal.start)
            if diverged:
                return {}, 0.0, DIVERGED
            effect = self._bench.effect(network, forget, relearn=relearn)
            tried = Attempt(self._training.seed, self._retraining if removal.start.without else 0.0, effect)
        else:
            recipe = self._training.setting.recipe
            method = deletion_named(removal.method, recipe, self._training.seed, self._make)
            tried = attempt(method, self._bench, forget, relearn=relearn)
        if tried.failed or tried.effect is None:
            log.warning("%s: %s failed. %s", self._task.name, removal.method, tried.failed)
            return {}, tried.seconds, tried.failed
        return vars(tried.effect) | {"time_share": tried.seconds / self._retraining}, tried.seconds, ""

    def _seconds_to_retrain(self) -> float:
        """Of one network alone, in this process, as methods are run: a few steps train it, and are scaled to all."""
        recipe, data = self._training.setting.recipe, self._bench.planted
        few = Planted.none(data[torch.arange(min(TIMED * recipe.batch_size, len(data)))])
        fresh = self._make(self._training.seed).to(self._task.device)
        return retraining_seconds(fresh, Member(few, 0), recipe) * len(data) / len(few)

    def _make(self, seed: int) -> nn.Module:
        return build(self._training.setting.architecture, self._data.shape, self._data.classes, seed)

    def _network(self, training: Training) -> tuple[nn.Module, bool]:
        key = training.key(self._task.data)
        return kept_network(weights_file(Path(self._task.folder), key), training, self._data, self._task.device)
