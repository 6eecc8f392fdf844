"""What a study needs: its cells, the networks to train for them and what to measure of each."""

import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from spurlab.data import DataRequestError, Dataset, Source, described
from spurlab.deletion import DELETIONS
from spurlab.measures import MEASURES, Observed, measure_named, numbers_of, package_of
from spurlab.models import check_takes_words, is_grown, is_user_name, skeleton
from spurlab.patterns import MARKS, Mark, Pattern, marked_all, tell_carriers
from spurlab.plugins import origin_of, qualified
from spurlab.prevention import PREVENTIONS, DpSgd, Mixup, prevention_named
from spurlab.studies.attacking import check_attack
from spurlab.studies.axes import REFERENCES
from spurlab.studies.cells import Cell, cells_of, trainings_of
from spurlab.studies.executors import Room
from spurlab.studies.graph import TRAINING_VERSION, Node, Train, Treat, digests_of, rank
from spurlab.studies.study import Study
from spurlab.studies.subjects import Finished, Request
from spurlab.studies.task import Task
from spurlab.studies.training_sets import pattern_of, planted
from spurlab.study_files import StudyError
from spurlab.training import RECIPES, bytes_to_train, check_drawn_upon, evenly, faster_engine

log = logging.getLogger(__name__)

WORDS = {"lockstep": "many in lockstep", "plain": "one at a time"}
LARGEST_GROUP = 10  # on a processor: larger groups are hardly faster, and more is lost when one is killed

UNTRAINED = ("pattern", "architecture")  # what measures need that look at no network
TREATMENTS_AT_ONCE = 8  # of one network, in one task: what a stop can cost


@dataclass(frozen=True, eq=False)
class Work:
    """A study on its data sets.

    Args:
        study: what was asked.
        data: its data sets by name.
        cells: the points of its grids.
        requests: for each node of the graph to make, what to measure of it; what is needed stands before what needs it.
    """

    study: Study
    data: Mapping[str, Dataset]
    cells: Sequence[Cell]
    requests: Mapping[Node, tuple[Request, ...]]

    @property
    def rows(self) -> int:
        """The number of rows that the study ends in."""
        counts = {
            (name, measure): len(numbers_of(measure, data))
            for name, data in self.data.items()
            for measure in self.study.measure
        }
        return sum(
            count * sum(cell.setting.dataset == name and measured_in(cell, measure) for cell in self.cells)
            for (name, measure), count in counts.items()
        )

    @property
    def checksums(self) -> dict[str, str]:
        """Of the data sets, by name."""
        return {name: data.checksum for name, data in self.data.items()}

    @cached_property
    def recorded(self) -> dict[str, str]:
        """What is kept with the study: `checksums`, those of the user's modules, and of which versions plug-ins are.

        Raises:
            ValueError: such a module cannot be found.
        """
        digests = self.checksums | self.study.plugins
        for node in self.requests:
            digests |= digests_of(node)
        return digests

    @cached_property
    def keys(self) -> dict[Node, str]:
        """The key of each node."""
        return {node: node.key(self._checksum(node)) for node in self.requests}

    @cached_property
    def nodes(self) -> dict[str, Node]:
        """What to make, by key."""
        return {key: node for node, key in self.keys.items()}

    @cached_property
    def trainings(self) -> list[Train]:
        """The networks to train."""
        return [node for node in self.requests if isinstance(node, Train)]

    @cached_property
    def treatments(self) -> list[Treat]:
        """What is done to trained networks."""
        return [node for node in self.requests if isinstance(node, Treat)]

    @cached_property
    def wanted(self) -> dict[str, tuple[Request, ...]]:
        """What to measure of each node, by its key."""
        return {key: self.requests[node] for key, node in self.nodes.items()}

    def wanted_of(self, kind: type[Node]) -> dict[str, tuple[Request, ...]]:
        """The same of the nodes of one kind, `Train` or `Treat`."""
        return {key: self.requests[node] for key, node in self.nodes.items() if isinstance(node, kind)}

    def phases(self, room: Room, folder: Path, device: str = "cpu") -> list[list[Task]]:
        """The nodes in tasks; those of a phase need only what earlier phases made.

        Args:
            room: how many tasks are carried out at the same time, and how much memory they may take.
            folder: where results are kept.
            device: where to train.
        """
        phases: dict[int, list[Task]] = {}
        several: list[Sequence[Node]] = [*self._groups(room, device), *self._alike()]
        for nodes in several:
            first = nodes[0]
            task = Task(
                tuple(nodes),
                tuple(self._with_more(node) for node in nodes),
                self._checksum(first),
                str(folder.absolute()),
                self.study.keeps_weights and isinstance(first, Train),
                device,
                keys=tuple(self.keys[node] for node in nodes),
                plugins=self.study.plugins,
            )
            phases.setdefault(rank(first), []).append(task)
        return [phases[step] for step in sorted(phases)]

    def _groups(self, room: Room, device: str) -> list[list[Train]]:
        """The networks in groups for lockstep, of as many as fit."""
        sizes = {}  # one where they train one at a time anyway
        for network, training in {_network(training): training for training in self.trainings}.items():
            data, setting = self.data[training.setting.dataset], training.setting
            model = skeleton(setting.architecture, data.shape, data.classes)
            engine, why = faster_engine(model, data.shape, torch.device(device), setting.recipe)
            log.info("%s on %s: %s, %s.", setting.architecture, setting.dataset, WORDS[engine], why)
            most = room.memory // max(room.workers, 1) // bytes_to_train(model, data.shape, setting.recipe.batch_size)
            most = min(LARGEST_GROUP, most) if torch.device(device).type == "cpu" else most
            sizes[network] = max(1, most) if engine == "lockstep" else 1
        counts = [self.examples(training) for training in self.trainings]
        return groups_of(
            self.trainings, counts, [sizes[_network(training)] for training in self.trainings], room.workers
        )

    def _alike(self) -> list[list[Treat]]:
        """The treatments, a few of one network together, or all attacks on some; what they need is read once for them.

        Those that train are apart from those that do not: the steps of one task are about equally long.
        """
        alike: dict[tuple[Any, ...], list[Treat]] = {}
        for node in self.treatments:
            alike.setdefault(node.alike, []).append(node)
        return [
            several[i : i + size]
            for (kind, *_, trains), several in alike.items()
            for size in [len(several) if kind == "attack" and not trains else TREATMENTS_AT_ONCE]
            for i in range(0, len(several), size)
        ]

    def _with_more(self, node: Node) -> tuple[Request, ...]:
        """The requests, and what is always measured of a network with a pattern. (Of others the weights are kept.)"""
        requests, setting = self.requests[node], node.setting
        if isinstance(node, Treat) or node.pattern is None or node.target is None:
            return requests
        kind = setting.dataset, setting.architecture, node.pattern
        if kind not in self._always:
            self._always[kind] = _numbers_always(self.data[setting.dataset], setting.architecture, node.pattern)
        return tuple(dict.fromkeys((*requests, *(request_of(node, number) for number in self._always[kind]))))

    @cached_property
    def _always(self) -> dict[tuple[str, str, str], list[str]]:
        """`_numbers_always` by data set, architecture and pattern: a mark is not drawn for each network."""
        return {}

    def _checksum(self, node: Node) -> str:
        return self.data[node.setting.dataset].checksum

    @cached_property
    def light(self) -> dict[str, tuple[Cell, tuple[Request, ...]]]:
        """What is measured without a network: by key, a cell that stands for it and the requests."""
        cells: dict[str, Cell] = {}
        requests: dict[str, dict[Request, None]] = {}
        untrained = [name for name in self.study.measure if not measure_named(name).needs_network]
        for name, cell in product(untrained, self.cells):
            data = self.data[cell.setting.dataset]
            if measured_in(cell, name) and (numbers := numbers_of(name, data)):
                key = key_of(cell, name, data.checksum)
                cells.setdefault(key, cell)
                requests.setdefault(key, {}).update(dict.fromkeys(request_of(cell, number) for number in numbers))
        return {key: (cell, tuple(requests[key])) for key, cell in cells.items()}

    def measured_at_once(self, missing: Iterable[str]) -> list[Finished]:
        """What is measured without a network, of these keys of `light`."""
        finished = []
        for key in missing:
            cell, requests = self.light[key]
            data = self.data[cell.setting.dataset]
            values = {}
            for request in requests:
                pattern = pattern_of(data, request.pattern, cell.seed) if request.pattern else None
                observed = Observed(data, cell.setting.architecture, None, cell.seed, pattern, request.target)
                values[request] = measure_named(request.number).take(observed)[request.number]
            about = {"dataset": data.name, "architecture": cell.setting.architecture, "seed": cell.seed}
            finished.append(Finished(key, about, data.checksum, values))
        return finished

    def examples(self, training: Train) -> int:
        """How many training examples it has."""
        added = training.marked if training.setting.how == "append" else 0
        examples = len(self.data[training.setting.dataset].train)
        if training.halves is not None:
            return (examples + added + training.seed % 2) // 2
        return examples + added - training.without - round(training.held_out * examples)


def _network(training: Train) -> tuple[str, str]:
    return training.setting.dataset, training.setting.architecture


def groups_of(
    trainings: Sequence[Train], examples: Sequence[int], group_sizes: Sequence[int], workers: int
) -> list[list[Train]]:
    """Trainings that may run in lockstep, in even groups that keep all workers busy.

    They are the same for the same list, whatever is done already: a study that goes on after a stop trains the
    same groups as one that was never stopped.

    Args:
        examples: how many training examples each has.
        group_sizes: of each, the most trainings of its group.
    """
    kinds: dict[tuple[Any, ...], list[Train]] = {}
    for training, count, size in zip(trainings, examples, group_sizes, strict=True):
        setting = training.setting
        kind = setting.dataset, setting.architecture, setting.recipe.shared, count, size
        kinds.setdefault(kind, []).append(training)
    return [group for (*_, size), same in kinds.items() for group in evenly(same, size, workers)]


def data_of(study: Study, load: Callable[[str], Dataset]) -> dict[str, Dataset]:
    """The study's data sets by name; where it measures architectures alone, no file is read and no example is there.

    Args:
        study: what was asked.
        load: gives a data set by its name.

    Raises:
        StudyError: a data set that cannot be had; the sentence names the study and the key.
        DataFailureError: its files cannot be read.
    """
    data = {}
    for name in study.axis("dataset"):
        if any(measure_named(measure).needs != "architecture" for measure in study.measure):
            try:
                data[name] = load(name)
            except DataRequestError as error:
                raise StudyError(f"{study.where}: key 'dataset': {error}") from error
        else:
            entry = described(name)
            none = entry.empty()
            source = Source(entry.licence, entry.origin, "")
            data[name] = Dataset(name, none, none, entry.class_names, entry.input_range, source)
    return data


def work_of(study: Study, data: Mapping[str, Dataset]) -> Work:
    """What a study needs, checked against its data sets before anything is trained.

    Args:
        study: what was asked.
        data: its data sets by name.

    Raises:
        StudyError: an architecture, pattern, target or n does not fit the data; or the study names code and was read
            from a file.
    """
    if not study.typed and study.users:
        raise StudyError(
            f"{study.where}: {study.users[0]!r} is code of your own, and nothing is executed that a results folder or "
            "another file names. Read the study with `load_study` and name the code in its `changes`."
        )
    cells = cells_of(study)
    try:
        for attack, shadows in dict.fromkeys((cell.attack, cell.shadows) for cell in cells if cell.attack):
            check_attack(attack or "", shadows)
        _check(study, cells, data)
        _check_methods(study, data)
    except StudyError as error:
        raise StudyError(f"{study.where}: {error}") from error
    named = [name for name in study.measure if measure_named(name).needs_network]
    numbers = {
        name: [(number, measure) for measure in named for number in numbers_of(measure, data_set)]
        for name, data_set in data.items()
    }
    made = cells if named else []
    asked: dict[Node, dict[Request, None]] = {training: {} for training in trainings_of(made)}
    for cell in made:
        requests = (
            request_of(cell, number) for number, measure in numbers[cell.setting.dataset] if measured_in(cell, measure)
        )
        asked.setdefault(cell.node, {}).update(dict.fromkeys(requests))
    return Work(study, data, cells, {node: tuple(wanted) for node, wanted in asked.items()})


def measured_in(cell: Cell, measure: str) -> bool:
    """Whether a measure is taken in a cell: of an attack those about attacks, by pattern only where one is planted."""
    if (about := measure_named(measure)).needs != "attack":
        return cell.attack is None
    return cell.attack is not None and (cell.n > 0 or not about.by_pattern) and about.suits_attack(cell.attack)


def request_of(place: Cell | Train, measure: str) -> Request:
    """What is asked of a network, or of a cell's network (or pattern, or architecture) for one of its rows."""
    name = qualified(measure, package_of(measure))
    if measure_named(measure).by_pattern and place.target is not None:
        return Request(name, place.mark or "", place.target)
    return Request(name, "", -1)


def _numbers_always(data: Dataset, architecture: str, pattern: str) -> list[str]:
    """What is measured of every network of an architecture with a pattern, whether asked for or not."""
    mark = pattern_of(data, pattern, 0)  # of which kind it is depends on no seed
    return [
        number
        for name, measure in MEASURES.own.items()
        if measure.always(architecture) and isinstance(mark, measure.mark)
        for number in numbers_of(name, data)
    ]


def key_of(cell: Cell, measure: str, checksum: str) -> str:
    """The key of what is measured in this cell."""
    if (treatment := cell.treatment) is not None:
        return treatment.key(checksum)
    needs = measure_named(measure).needs
    return key_without_network(cell, needs, checksum) if needs in UNTRAINED else cell.training.key(checksum)


def key_without_network(cell: Cell, needs: str, checksum: str) -> str:
    """The key of a pattern or an architecture on a data set; `needs` is one of `UNTRAINED`."""
    if needs == "pattern":
        about = f"{TRAINING_VERSION}|{checksum}|pattern|{cell.mark}|{cell.seed}"
    else:
        name = cell.setting.architecture
        about = f"{TRAINING_VERSION}|{checksum}|architecture|{qualified(name, origin_of('models', name))}"
    return hashlib.sha256(about.encode()).hexdigest()[:20]


def _check(study: Study, cells: Sequence[Cell], data: Mapping[str, Dataset]) -> None:
    """Every network must take the data and suit what is measured; draw every pattern and plant the most of each kind.

    Raises:
        StudyError: something does not fit.
    """
    _check_networks(study, cells, data)
    _check_grown(cells)
    largest: dict[tuple[Any, ...], Cell] = {}
    for cell in cells:
        kind = cell.setting.dataset, cell.setting.how, cell.pattern, cell.target, cell.training.halves
        if kind not in largest or (cell.n, cell.share or 0) > (largest[kind].n, largest[kind].share or 0):
            largest[kind] = cell
    for (name, _, pattern, target, _), cell in largest.items():
        if target >= data[name].classes:
            raise StudyError(
                f"key 'target': {name} has the classes 0 to {data[name].classes - 1}, but {target} is asked for."
            )
        counted = data[name].train.words is None or data[name].names is not None  # else architectures alone are asked
        if pattern is not None and cell.share is None and counted:
            try:
                pattern_of(data[name], cell.mark, cell.seed)
            except ValueError as error:
                raise StudyError(f"{name}: {error}") from error
        if not len(data[name].train):  # architectures alone are measured, see `data_of`
            continue
        _check_count(cell, data[name].train.labels, target)
        planted(data[name], cell.training)
        if pattern is not None and cell.share != 0:
            mark = pattern_of(data[name], cell.mark, cell.seed)
            _check_kind(study, pattern, mark, common=cell.share is not None)
            _check_changes(data[name], pattern, mark)
            tell_carriers(mark, data[name], pattern)


def _check_networks(study: Study, cells: Sequence[Cell], data: Mapping[str, Dataset]) -> None:
    """Every network and recipe must take the data, and every network suit what is measured."""
    for name, architecture in dict.fromkeys((cell.setting.dataset, cell.setting.architecture) for cell in cells):
        try:
            if data[name].train.words is not None:
                check_takes_words(architecture)
            network = skeleton(architecture, data[name].shape, data[name].classes)
            for measure in study.measure:
                measure_named(measure).check_network(network, architecture)
        except ValueError as error:
            raise StudyError(f"key 'architecture', on {name}: {error}") from error
    for asked, name in product(study.measure, data):
        try:
            measure_named(asked).check_data(data[name])
        except ValueError as error:
            raise StudyError(f"key 'measure': {asked!r}: {error}") from error
    for name, recipe in dict.fromkeys((cell.setting.dataset, cell.setting.recipe) for cell in cells):
        try:
            check_drawn_upon(data[name].train, recipe)
        except ValueError as error:
            raise StudyError(f"key 'recipe', on {name}: {error}") from error


def _check_count(cell: Cell, labels: Int64[Tensor, " n"], target: int) -> None:
    """There must be as many examples as are to be marked: of the target, or for wrong labels of other classes."""
    of_target, wrong = labels == target, cell.setting.how == "relabel"
    if cell.n > (examples := int((~of_target if wrong else of_target).sum())):
        of = f"{'other classes than' if wrong else 'class'} {target} of {cell.setting.dataset}"
        raise StudyError(f"key 'n': {cell.n} examples of {of} are to be marked, but it has {examples}.")


def _check_grown(cells: Sequence[Cell]) -> None:
    """Trees have no gradients: methods that go by them are refused before anything is trained.

    Raises:
        StudyError: one is asked for.
    """
    grown = [cell for cell in cells if is_grown(cell.setting.architecture)]
    deletions = dict.fromkeys(cell.deletion for cell in grown if cell.deletion)
    preventions = dict.fromkeys(cell.prevention for cell in grown if cell.prevention)
    refused = [("deletion", name) for name in deletions if name not in REFERENCES and not DELETIONS.anew(name)]
    refused += [("prevention", name) for name in preventions if not PREVENTIONS.anew(name)]
    for key, name in refused[:1]:
        table = DELETIONS if key == "deletion" else PREVENTIONS
        raise StudyError(
            f"key {key!r}: {name!r} goes by gradients, and boosted trees have none. For trees take a grid of its own "
            f"with {' or '.join(known for known in table.own if table.anew(known))}."
        )


def _check_methods(study: Study, data: Mapping[str, Dataset]) -> None:
    """What needs a library that is no part of the package, or other data, says so before anything is trained; and odd
    canaries.
    """
    if "canary_answer" in study.measure and any(half is not None for half in study.axis("halves")):
        raise StudyError(
            "key 'measure': 'canary_answer' looks at the example that a network's own seed marks, but networks that "
            "learn from halves share theirs. Ask for it in a study without halves."
        )
    for name in study.axis("prevention"):
        method = None if is_user_name(name) else prevention_named(name, RECIPES["quick"], 0)
        if isinstance(method, DpSgd | Mixup):
            try:
                if isinstance(method, DpSgd):
                    method.check()
                else:
                    for one in data.values():
                        method.check(one.train)
            except ValueError as error:
                raise StudyError(f"key 'prevention': {name}: {error}") from error


def _check_kind(study: Study, name: str, mark: Mark, *, common: bool) -> None:
    """A measure may need another kind of mark; those of a common feature do not differ by pattern."""
    for asked in study.measure:
        measure = measure_named(asked)
        if measure.by_pattern != common and not isinstance(mark, measure.mark):
            kind = "an additive pattern" if measure.mark is Pattern else f"a mark of the kind {measure.mark.__name__}"
            raise StudyError(f"key 'measure': {asked!r} needs {kind}, which {name} is not.")


def _check_changes(data: Dataset, name: str, mark: Mark) -> None:
    """A mark of one's own may be clear, or as the examples are already."""
    few = data.train[torch.arange(min(500, len(data.train)))]
    if name not in MARKS and marked_all(mark, few, 0).equal(few.inputs):
        raise StudyError(
            f"key 'pattern': {name} changes none of {len(few)} examples of {data.name}. Is it clear, or as they are "
            "already there?"
        )
