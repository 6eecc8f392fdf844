"""A group of trainings in, measured numbers out: what an executor sends to a worker, and what the worker does.

A task names its data by data set and checksum and ships none, and a worker keeps nothing between tasks, so any machine
that has the data and the results folder can carry it out.
"""

import sys
import time
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import torch
from jaxtyping import Bool
from torch import Tensor, nn

from spurlab.data import Dataset
from spurlab.deletion import forget_mask
from spurlab.errors import FAILURES, worded
from spurlab.models import build, is_user_name
from spurlab.patterns import ClassBlocks, Common, Pattern, Planted, common_named, make_pattern, plant
from spurlab.seeds import rng_for
from spurlab.studies.grid import Training
from spurlab.studies.measures import MEASURES, Lesson, Seen
from spurlab.studies.store import Finished, Request, weights_file
from spurlab.studies.study import StudyError
from spurlab.studies.weights import damaged_weights, read_weights, write_weights
from spurlab.training import Ensemble, Member, Progress, Recipe, fit, predictions


@dataclass(frozen=True)
class Task:
    """A group of trainings that run in lockstep, and what is measured of each.

    Args:
        trainings: of one data set, one architecture and recipes that may train together.
        requests: for each training.
        data: the checksum of the data set.
        folder: the results folder, where weights are read and kept; workers elsewhere must see it too.
        weights: whether all weights are kept; those of clean networks, which later studies measure with other patterns,
            always are.
        device: where to train and to measure.
        steps: train so many steps only, to see how long they take; nothing is kept then.
    """

    trainings: tuple[Training, ...]
    requests: tuple[tuple[Request, ...], ...]
    data: str
    folder: str
    weights: bool = False
    device: str = "cpu"
    steps: int | None = None

    @property
    def name(self) -> str:
        """For messages."""
        setting = self.trainings[0].setting
        seeds = sorted({training.seed for training in self.trainings})
        return f"{len(self.trainings)} x {setting.architecture} on {setting.dataset} (seeds {seeds})"

    @property
    def keys(self) -> tuple[str, ...]:
        """The key of each training."""
        return tuple(training.key(self.data) for training in self.trainings)

    @property
    def length(self) -> int:
        """How many steps its progress has: the epochs of its group."""
        return self.trainings[0].setting.recipe.epochs

    @property
    def weight(self) -> int:
        """How much work a step is: an epoch of each network."""
        return len(self.trainings)

    def only(self, keys: Container[str]) -> "Task | None":
        """The part with these keys, or None where there is none."""
        kept = [i for i, key in enumerate(self.keys) if key in keys]
        trainings, requests = tuple(self.trainings[i] for i in kept), tuple(self.requests[i] for i in kept)
        return replace(self, trainings=trainings, requests=requests) if kept else None

    def as_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        return vars(self) | {"trainings": [training.as_json() for training in self.trainings]}

    @classmethod
    def from_json(cls, about: Mapping[str, Any]) -> "Task":
        """What `as_json` gave."""
        trainings = tuple(Training.from_json(each) for each in about["trainings"])
        requests = tuple(tuple(Request(*request) for request in each) for each in about["requests"])
        return cls(**dict(about) | {"trainings": trainings, "requests": requests})


@dataclass(frozen=True)
class Outcome:
    """What a task gave.

    Args:
        values: for each training, its requests' numbers; NaN for a network that diverged.
        train_seconds: wall time of the whole group; 0 where all weights were there.
        measure_seconds: wall time of the whole group.
        peak_bytes: the most memory that the process has held.
        steps: how many steps were timed, where the task was to see how long they take.
    """

    values: tuple[tuple[float, ...], ...]
    train_seconds: float
    measure_seconds: float
    peak_bytes: int
    steps: int = 0

    @classmethod
    def from_json(cls, about: Mapping[str, Any]) -> "Outcome":
        """What ``vars`` of an outcome gave, after JSON."""
        return cls(**dict(about) | {"values": tuple(tuple(values) for values in about["values"])})

    def finished(self, task: Task) -> list[Finished]:
        """One entry of the store for each training."""
        seconds = self.train_seconds / len(task.trainings)
        return [
            Finished(
                key,
                training.as_json(),
                task.data,
                dict(zip(requests, values, strict=True)),
                seconds,
                task.device,
            )
            for key, training, requests, values in zip(
                task.keys, task.trainings, task.requests, self.values, strict=True
            )
        ]


def perform(
    task: Task, load: Callable[[str], Dataset], progress: Callable[[Progress], None] = lambda _: None
) -> Outcome:
    """Train and measure a group, in this process. Networks whose weights are there are measured only.

    Args:
        task: what to do.
        load: gives a data set by its name.
        progress: as in `spurlab.training.fit`.

    Raises:
        StudyError: the data here are not those that the task names.
        StoreError: weights cannot be written, or are damaged.
    """
    data = checked(task.trainings[0].setting.dataset, task.data, load)
    if task.steps is not None:
        return _timed(task, data, task.steps)
    start = time.perf_counter()
    files = [weights_file(Path(task.folder), key) for key in task.keys]
    networks = {
        i: kept_network(path, task.trainings[i], data, task.device) for i, path in enumerate(files) if path.is_file()
    }
    fresh = [i for i in range(len(files)) if i not in networks]
    if fresh:
        trainings = [task.trainings[i] for i in fresh]
        members = [Member(planted(data, training), training.seed) for training in trainings]
        ensemble = _trained(task, members, [training.setting.recipe for training in trainings], data, progress)
        networks |= {i: (ensemble.member(j), bool(ensemble.diverged[j])) for j, i in enumerate(fresh)}
    trained = time.perf_counter()
    values = tuple(_measured(task, data, [networks[i] for i in range(len(files))]))
    for i in fresh:
        if task.weights or task.trainings[i].pattern is None:
            network, diverged = networks[i]
            write_weights(files[i], network.state_dict(), diverged=diverged)
    return Outcome(values, trained - start if fresh else 0.0, time.perf_counter() - trained, _peak())


def checked(name: str, checksum: str, load: Callable[[str], Dataset]) -> Dataset:
    """The data set of a task.

    Raises:
        StudyError: here are other data of that name.
    """
    data = load(name)
    if data.checksum != checksum:
        raise StudyError(
            f"the data set {data.name} here has the checksum {data.checksum}, but the study was planned with "
            f"{checksum}. Give every worker the same data (SPURLAB_DATA)."
        )
    return data


def planted(data: Dataset, training: Training) -> Planted:
    """The training set of one network.

    Raises:
        StudyError: the pattern, the target or n does not fit the data.
    """
    if (feature := feature_of(training)) is not None:
        try:
            return plant(data.train, feature, Common(training.share or 0.0), seed=training.seed)
        except ValueError as error:
            raise StudyError(f"{data.name}, pattern {training.pattern}: {error}") from error
    if training.pattern is None or training.target is None:
        whole = Planted.none(data.train)
        return whole.without(held_out(data, training)) if training.held_out else whole
    try:
        pattern = pattern_of(data, training.pattern, training.seed)
        whole = plant(data.train, pattern, training.target, training.n, training.seed, how=training.setting.how)
    except ValueError as error:
        raise StudyError(f"{data.name}, pattern {training.pattern}, n = {training.n}: {error}") from error
    return whole.without(forget_mask(whole.positions[: training.without], len(whole))) if training.without else whole


def feature_of(training: Training) -> ClassBlocks | None:
    """The common feature of a share of the training examples, if they have one."""
    if training.share is None:
        return None
    return common_named(training.pattern or "")


def fresh_lesson(network: nn.Module, data: Dataset, training: Training) -> Lesson:
    """What a network says of the test examples when as many have its feature as in training, with the same values."""
    feature, who = feature_of(training), Common(training.share or 0.0)
    return Lesson(
        network,
        lambda: plant(data.test, feature, who, seed=training.seed) if feature else Planted.none(data.test),
    )


def held_out(data: Dataset, training: Training) -> Bool[Tensor, " n"]:
    """True for the training examples that the network does not see; of a smaller share they are part of a larger's."""
    order = torch.randperm(len(data.train), generator=rng_for(training.seed, "held out"))
    return forget_mask(order[: round(training.held_out * len(data.train))], len(data.train))


def pattern_of(data: Dataset, name: str, seed: int) -> Pattern:
    """The pattern of one seed: random ones are drawn once for each seed, as in the paper's code."""
    return make_pattern(name, data.shape, seed, clip=data.input_range)


Network = tuple[nn.Module, bool]  # and whether it diverged
DIVERGED = "the network diverged in training"


def _trained(
    task: Task,
    members: Sequence[Member],
    recipes: Sequence[Recipe],
    data: Dataset,
    progress: Callable[[Progress], None],
) -> Ensemble:
    """The members of one group, in this process.

    Raises:
        StudyError: a network of the user's fails in training.
    """
    architecture = task.trainings[0].setting.architecture
    try:
        return fit(
            architecture,
            members,
            recipes,
            classes=data.classes,
            group_size=len(members),
            workers=0,
            device=task.device,
            progress=progress,
        )
    except FAILURES as error:
        if not is_user_name(architecture):
            raise
        raise StudyError(
            f"architecture {architecture!r}: the network fails in training. {worded(error)} (--debug shows where)"
        ) from error


def _measured(task: Task, data: Dataset, networks: Sequence[Network]) -> Iterator[tuple[float, ...]]:
    """The numbers of each training. Test images are marked once for each pattern and seed."""
    marked_inputs: dict[tuple[str, int], Tensor] = {}
    for training, requests, (network, diverged) in zip(task.trainings, task.requests, networks, strict=True):
        if diverged:
            yield (float("nan"),) * len(requests)
            continue
        clean = predictions(network, data.test.inputs)
        lesson, fresh = Lesson(network, partial(planted, data, training)), fresh_lesson(network, data, training)
        marked: dict[str, Tensor] = {}
        values = []
        for measure, name, target in requests:
            pattern = pattern_of(data, name, training.seed) if name else None
            if pattern is not None and name not in marked:
                place = name, training.seed
                if place not in marked_inputs:
                    marked_inputs.clear()  # of one pattern and seed at a time: a test set is large
                    marked_inputs[place] = pattern(data.test.inputs)
                marked[name] = predictions(network, marked_inputs[place])
            about = data, pattern, target, training.setting.architecture
            seen = Seen(*about, network, clean, marked.get(name), training.seed, lesson, feature_of(training), fresh)
            values.append(MEASURES[measure].taken(seen))
        yield tuple(values)


def kept_network(path: Path, training: Training, data: Dataset, device: str = "cpu") -> Network:
    """The network whose weights were kept, on the device where it is measured.

    Raises:
        StoreError: they are damaged, or not those of this network.
    """
    network = build(training.setting.architecture, data.shape, data.classes, training.seed)
    tensors, diverged = read_weights(path)
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise damaged_weights(path, str(error)) from error
    return network.to(device).eval(), diverged


def _timed(task: Task, data: Dataset, steps: int) -> Outcome:
    """How long steps of this group take, once it runs, and measuring it."""
    recipes = [training.setting.recipe.but(epochs=2, milestones=()) for training in task.trainings]
    rows = torch.linspace(0, len(data.train) - 1, min(steps * recipes[0].batch_size, len(data.train))).long()
    few = Planted.none(data.train[rows])
    ends: list[float] = []  # of epochs; the first touches memory for the first time, the second is timed
    members = [Member(few, training.seed) for training in task.trainings]
    ensemble = _trained(task, members, recipes, data, lambda _: ends.append(time.perf_counter()))
    start = time.perf_counter()
    list(_measured(task, data, [(ensemble.member(i), False) for i in range(len(recipes))]))
    halfway = len(ends) // 2
    return Outcome(
        (), ends[-1] - ends[halfway], time.perf_counter() - start, _peak(), -(-len(rows) // recipes[0].batch_size)
    )


def _peak() -> int:
    """The most memory that this process has held, in bytes; where the system does not tell, what it holds now."""
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().rss)
    import resource  # noqa: PLC0415 - not there on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
