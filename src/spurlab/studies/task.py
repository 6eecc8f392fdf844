"""What goes to a worker and what comes back: nodes of the graph that are made together, and their measured numbers.

A task names its data by data set and checksum and ships none, and a worker keeps nothing between tasks, so any machine
that has the data can carry it out. Weights are in the results folder; where a worker does not see that, they travel.
"""

from base64 import b64decode, b64encode
from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from spurlab.patterns import mark_record, mark_recorded
from spurlab.plugins import check_here
from spurlab.studies.graph import TREATMENTS, Node, Train, from_json, one_of_each
from spurlab.studies.locks import LOCKS
from spurlab.studies.subjects import Finished, Request
from spurlab.studies.weights import weights_file
from spurlab.study_files import StudyError


@dataclass(frozen=True)
class Task:
    """Nodes of one kind that are made together, and what is measured of each.

    Args:
        nodes: trainings of one data set, one architecture and recipes that may run in lockstep; or treatments of one
            kind and one network, compared with the same others, of which all train or none does; or attacks on networks
            that are each other's shadows.
        requests: for each node.
        data: the checksum of the data set.
        folder: the results folder, where weights are read and kept.
        weights: whether the weights of all networks that it trains are kept; those of clean networks, which later
            studies measure with other patterns, always are.
        device: where to work.
        steps: train so many steps only, to see how long they take; nothing is kept then.
        lock: the name of a file that whoever sees the results folder finds there; "": nobody asks.
        given: where a worker may not see that folder, the files of the weights that the nodes need, by key.
        marks: what is to be known of the pictures that the nodes name, see `spurlab.patterns.mark_record`.
        keys: of the nodes; hashed here where they are not known yet.
        plugins: what it needs of plug-ins: packages and versions by `spurlab.plugins.recorded_as`.
    """

    nodes: tuple[Node, ...]
    requests: tuple[tuple[Request, ...], ...]
    data: str
    folder: str
    weights: bool = False
    device: str = "cpu"
    steps: int | None = None
    lock: str = ""
    given: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    marks: tuple[Any, ...] = ()
    keys: tuple[str, ...] = ()
    plugins: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for record in self.marks:
            mark_recorded(record)
        if not self.marks:
            object.__setattr__(self, "marks", self._pictures())
        if not self.keys:
            object.__setattr__(self, "keys", tuple(node.key(self.data) for node in self.nodes))

    def _pictures(self) -> tuple[Any, ...]:
        """The records of the pictures that it names."""
        planted = (
            needed.pattern or ""
            for node in one_of_each(self.nodes)
            for needed in (node, *node.needs)
            if isinstance(needed, Train)
        )
        measured = (request.pattern for several in self.requests for request in several)
        records = map(mark_record, dict.fromkeys((*planted, *measured)))
        return tuple(record for record in records if not isinstance(record, str))

    @property
    def name(self) -> str:
        """For messages."""
        first, count = self.nodes[0], len(self.nodes)
        networks = f"{first.setting.architecture} on {first.setting.dataset}"
        if isinstance(first, Train):
            return f"{count} x {networks} (seeds {sorted({node.seed for node in self.nodes})})"
        training = first.training
        kind = TREATMENTS[first.kind]
        marked = f"share {training.share:g}" if training.share is not None else f"n = {training.n}"
        seed = f"seed {training.seed}" if training.halves is None else f"halves {training.halves}"
        return f"{count} {kind.plural} {kind.to} {networks} ({marked}, {seed})"

    @property
    def work(self) -> int:
        """How much work it is, in epochs of a network."""
        return sum(node.work for node in self.nodes)

    @property
    def length(self) -> int:
        """How many steps its progress has: the epochs of a group, or the treatments."""
        first = self.nodes[0]
        return first.work if isinstance(first, Train) else len(self.nodes)

    def only(self, keys: Container[str]) -> "Task | None":
        """The part with these keys, or None where there is none."""
        parts = [part for part in zip(self.keys, self.nodes, self.requests, strict=True) if part[0] in keys]
        if not parts:
            return None
        kept, nodes, requests = zip(*parts, strict=True)
        return replace(self, keys=kept, nodes=nodes, requests=requests)

    @property
    def sees_folder(self) -> bool:
        """Whether the results folder is here."""
        return not self.lock or (Path(self.folder) / LOCKS / self.lock).is_file()

    def packed(self) -> "Task":
        """The same with the weights that its nodes need, for a worker that does not see the results folder."""
        keys = {*self.keys, *(needed.key(self.data) for node in self.nodes for needed in node.needs)}
        files = {key: weights_file(Path(self.folder), key) for key in sorted(keys)}
        return replace(self, given={key: file.read_bytes() for key, file in files.items() if file.is_file()})

    def as_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        return vars(self) | {"nodes": [node.as_json() for node in self.nodes], "given": _text(self.given)}

    @classmethod
    def from_json(cls, about: Mapping[str, Any]) -> "Task":
        """What `as_json` gave.

        Raises:
            ValueError: it needs a plug-in, and here is none or another version.
            StudyError: the keys are others here: the text of a module of the user's has changed.
        """
        check_here(about["plugins"])
        nodes = tuple(from_json(node) for node in about["nodes"])
        requests = tuple(tuple(Request(*request) for request in several) for several in about["requests"])
        made = {"nodes": nodes, "requests": requests, "keys": tuple(about["keys"]), "given": _bytes(about["given"])}
        made["marks"] = tuple(about["marks"])
        task = cls(**dict(about) | made)
        for node, key in zip(nodes, task.keys, strict=True):
            if node.key(task.data) != key:
                code = " or ".join(f"{code.what.split()[-1]} {code.name!r}" for code in node.code if not code.origin)
                raise StudyError(
                    f"{code}: its module is not the one that the study began with. Do not "
                    "change it while the study runs; the same command measures the new one, and what is finished stays."
                )
        return task


@dataclass(frozen=True)
class Outcome:
    """What a task gave.

    Args:
        values: for each node, its requests' numbers; NaN for a network that diverged, and for a method that failed.
        seconds: for each node; of networks that were trained together, an even part.
        failures: for each node, why it failed; "" where it did not.
        measure_seconds: wall time of measuring a group of networks.
        peak_bytes: the most memory that the process has held.
        steps: how many steps were timed, where the task was to see how long they take.
        weights: the files of weights that were made where the results folder is not seen, by key.
    """

    values: tuple[tuple[float, ...], ...]
    seconds: tuple[float, ...]
    failures: tuple[str, ...]
    measure_seconds: float = 0.0
    peak_bytes: int = 0
    steps: int = 0
    weights: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    @property
    def make_seconds(self) -> float:
        """Of all nodes together; 0 where all weights were there."""
        return sum(self.seconds)

    def as_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        return vars(self) | {"weights": _text(self.weights)}

    @classmethod
    def from_json(cls, about: Mapping[str, Any]) -> "Outcome":
        """What `as_json` gave."""
        values = tuple(tuple(numbers) for numbers in about["values"])
        made = {"values": values, "seconds": tuple(about["seconds"]), "failures": tuple(about["failures"])}
        return cls(**dict(about) | made | {"weights": _bytes(about["weights"])})

    def finished(self, task: Task) -> list[Finished]:
        """One entry of the store for each node."""
        return [
            Finished(
                key,
                node.as_json() | ({"failed": failure} if failure else {}),
                task.data,
                dict(zip(requests, values, strict=True)),
                seconds,
                task.device,
            )
            for key, node, requests, values, seconds, failure in zip(
                task.keys, task.nodes, task.requests, self.values, self.seconds, self.failures, strict=True
            )
        ]


def _text(files: Mapping[str, bytes]) -> dict[str, str]:
    return {key: b64encode(content).decode() for key, content in files.items()}


def _bytes(files: Mapping[str, str]) -> dict[str, bytes]:
    return {key: b64decode(content) for key, content in files.items()}
