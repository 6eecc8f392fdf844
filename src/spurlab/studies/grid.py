"""From a study to what must be trained: cells are points of the grid, and several can share one training."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import product
from typing import Any, NamedTuple

from spurlab.models import is_user_name, source_digest
from spurlab.patterns import How
from spurlab.prevention import trains
from spurlab.studies.axes import PLAIN
from spurlab.studies.study import REFERENCES, Grid, Study
from spurlab.training import Recipe, evenly

# Part of every key. Raise it when a change in planting, training or measuring gives other numbers (rounding apart).
TRAINING_VERSION = 1
DELETION_VERSION = 2  # the same for what a method does, and what is measured then

PREVENTION_VERSION = 1  # the same for what a prevention method does

ORACLES = 5  # networks that outputs are compared with: the first seeds, so that more seeds ask for nothing anew

# What a key leaves out. Never change a value here, whatever `Recipe` comes to say: old keys would mean something else.
# A new setting joins with the value that does what was done before it came.
KEY_DEFAULTS = {
    "optimizer": "adam",
    "learning_rate": 0.01,
    "momentum": 0.9,
    "weight_decay": 0.0,
    "batch_size": 128,
    "epochs": 70,
    "milestones": (40, 50, 60),
    "decay": 0.1,
    "clip_norm": None,
    "clip_value": None,
    "input_noise": 0.0,
    "precision": "float32",
    "loss": "ce",
    "augmentation": "none",
}


@dataclass(frozen=True)
class Setting:
    """What many trainings have in common."""

    dataset: str
    architecture: str
    how: How
    recipe: Recipe
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.dataset, self.architecture, self.how, self.recipe)))

    def __hash__(self) -> int:
        return self._hash  # kept: a grid asks for it at every cell

    @cached_property
    def identity(self) -> str:
        """What a key says of it: settings at their defaults are left out, so a new setting changes no old key."""
        recipe = {key: value for key, value in asdict(self.recipe).items() if value != KEY_DEFAULTS[key]}
        if self.recipe.optimizer != "sgd":  # the others have no momentum
            recipe.pop("momentum", None)
        about = {"dataset": self.dataset, "architecture": self.architecture, "how": self.how, "recipe": recipe}
        return json.dumps(about, sort_keys=True)


class Training(NamedTuple):
    """One network to train. Without planted examples (n = 0) it has neither pattern nor target.

    `without` of the planted examples, the first ones, are left out: what retraining without them gives. Of a common
    feature, which belongs to the class, the training examples have a `share`. `held_out` is the share of all training
    examples that it does not see.
    """

    setting: Setting
    pattern: str | None
    target: int | None
    n: int
    seed: int
    without: int = 0
    share: float | None = None
    held_out: float = 0.0

    def key(self, checksum: str) -> str:
        """Its name by content: the settings, the data (`checksum`) and the version of the training code."""
        about = (
            f"{TRAINING_VERSION}|{checksum}|{self.setting.identity}|{self.pattern}|{self.target}|{self.n}|{self.seed}"
            + (f"|without {self.without}" if self.without else "")
            + (f"|share {self.share}" if self.share is not None else "")
            + (f"|held out {self.held_out}" if self.held_out else "")
        )
        return hashlib.sha256(about.encode()).hexdigest()[:20]

    def as_json(self) -> dict[str, Any]:
        """All settings as plain values."""
        setting = self.setting
        about = {"dataset": setting.dataset, "architecture": setting.architecture, "how": setting.how}
        planted = {"pattern": self.pattern, "target": self.target, "n": self.n, "seed": self.seed}
        less = {"without": self.without} if self.without else {}
        common = {"share": self.share} if self.share is not None else {}
        held_out = {"held_out": self.held_out} if self.held_out else {}
        return about | planted | less | common | held_out | {"recipe": asdict(setting.recipe)}

    @classmethod
    def from_json(cls, about: dict[str, Any]) -> "Training":
        """What `as_json` gave."""
        setting = Setting(about["dataset"], about["architecture"], about["how"], Recipe.from_json(about["recipe"]))
        planted = (about["pattern"], about["target"], about["n"], about["seed"])
        rest = (about.get("without", 0), about.get("share"), about.get("held_out", 0.0))
        return cls(setting, *planted, *rest)


class Removal(NamedTuple):
    """Planted examples deleted from one trained network, and what is measured then.

    Args:
        training: the network that has learnt from the planted examples.
        method: what is done to it: a name of `DELETIONS` or ``package.module:callable``. ``none``: it is only
            measured; ``oracle``: it is retrained without any planted example.
        known: how many of the planted examples, the first ones, are known and deleted.
        oracles: the seeds of the retrained networks that outputs are compared with.
    """

    training: Training
    method: str
    known: int
    oracles: tuple[int, ...]

    @property
    def start(self) -> Training:
        """The network that is measured, or from which the method starts."""
        return self.training._replace(without=self.training.n if self.method == "oracle" else 0)

    @property
    def compared(self) -> list[Training]:
        """The oracles."""
        return [self.training._replace(seed=seed, without=self.training.n) for seed in self.oracles]

    @property
    def trainings(self) -> list[Training]:
        """The networks that must be trained for it."""
        return [self.training, self.start, *self.compared]

    @property
    def trains(self) -> bool:
        """Whether it may take as long as to train a network, as many deletions do."""
        return True

    def key(self, checksum: str, digest: str | None = None) -> str:
        """Its name by content, as of a training; a method of the user's is known by the text of its module too.

        Args:
            checksum: of the data.
            digest: of that module; None: as it is now (`digest_of`).

        Raises:
            ValueError: the module of such a method cannot be found.
        """
        return _treatment_key(DELETION_VERSION, self, checksum, digest, self.known, self.oracles)

    def as_json(self) -> dict[str, Any]:
        """All settings as plain values."""
        own = {"deletion": self.method, "known": self.known, "oracles": list(self.oracles)}
        return self.training.as_json() | own

    @classmethod
    def from_json(cls, about: dict[str, Any]) -> "Removal":
        """What `as_json` gave."""
        return cls(Training.from_json(about), about["deletion"], about["known"], tuple(about["oracles"]))


class Repair(NamedTuple):
    """What a prevention method makes of one trained network, and what is measured then.

    Args:
        training: the network that it starts from (or only looks at).
        method: what is done: a name of `PREVENTIONS` with its settings, or ``package.module:callable``.
        clean: the share of the training examples of which it may use clean versions or, where the data have no planted
            feature, which it may use and the network has not seen.
    """

    training: Training
    method: str
    clean: float

    @property
    def trainings(self) -> list[Training]:
        """The networks that must be trained for it."""
        return [self.training]

    @property
    def trains(self) -> bool:
        """Whether it takes as long as to train a network: refits of the last layer do not."""
        return trains(self.method)

    def key(self, checksum: str, digest: str | None = None) -> str:
        """Its name by content, as of a training; a method of the user's is known by the text of its module too.

        Args:
            checksum: of the data.
            digest: of that module; None: as it is now (`digest_of`).

        Raises:
            ValueError: the module of such a method cannot be found.
        """
        return _treatment_key(PREVENTION_VERSION, self, checksum, digest, self.clean)

    def as_json(self) -> dict[str, Any]:
        """All settings as plain values."""
        return self.training.as_json() | {"prevention": self.method, "clean": self.clean}

    @classmethod
    def from_json(cls, about: dict[str, Any]) -> "Repair":
        """What `as_json` gave."""
        return cls(Training.from_json(about), about["prevention"], about["clean"])


Treatment = Removal | Repair  # of a trained network


def digest_of(treatment: Treatment) -> str:
    """The checksum of the module of a method of the user's, as it is now. Nothing is imported.

    Raises:
        ValueError: the module cannot be found.
    """
    kind = "deletion method" if isinstance(treatment, Removal) else "prevention method"
    return source_digest(treatment.method, kind)


def _treatment_key(version: int, treatment: Treatment, checksum: str, digest: str | None, *settings: object) -> str:
    """Of the network, the method and its settings; a method of the user's is known by the text of its module too."""
    about = "|".join(map(str, (version, treatment.training.key(checksum), treatment.method, *settings)))
    if is_user_name(treatment.method):
        about += f"|{digest_of(treatment) if digest is None else digest}"
    return hashlib.sha256(about.encode()).hexdigest()[:20]


class Cell(NamedTuple):
    """One point of the grid: a pattern, a target and a count, measured on the network of one seed.

    The pattern is None in a study of networks alone. In a study of deletion it is measured on what a method makes of
    that network, when it deletes a share of the planted examples; in one of prevention, on what a method makes of it.
    """

    setting: Setting
    control: Setting  # of the network with n = 0, which is neither replaced nor appended
    pattern: str | None
    target: int
    n: int
    seed: int
    deletion: str | None = None
    known: float | None = None  # the share of the planted examples that is deleted
    oracles: tuple[int, ...] = ()
    share: float | None = None  # of the training examples that have a common feature
    prevention: str | None = None
    clean: float | None = None  # the share of the training examples that the method has clean

    @property
    def training(self) -> Training:
        """The network to measure; n = 0 (or a share of 0) is one network for all patterns and targets."""
        if self.share:
            return Training(self.setting, self.pattern, None, 0, self.seed, share=self.share)
        if self.n == 0:
            held_out = self.clean if self.clean is not None and self.share is None else 0.0
            return Training(self.control, None, None, 0, self.seed, held_out=held_out)
        return Training(self.setting, self.pattern, self.target, self.n, self.seed)

    @property
    def removal(self) -> Removal | None:
        """The deletion to measure, if it is about one; at least one example is deleted."""
        if self.deletion is None or self.known is None:
            return None
        return Removal(self.training, self.deletion, max(1, round(self.known * self.n)), self.oracles)

    @property
    def repair(self) -> Repair | None:
        """The prevention to measure, if it is about one."""
        if self.prevention is None or self.clean is None:
            return None
        return Repair(self.training, self.prevention, self.clean)

    @property
    def treatment(self) -> Treatment | None:
        """What is done to the trained network before it is measured, if anything is."""
        return self.removal or self.repair


def cells_of(study: Study) -> list[Cell]:
    """Every point of the study's grids, each once."""
    known: dict[Setting, Setting] = {}
    cells: dict[Cell, None] = {}
    for grid in study.grids:
        for dataset, architecture, how, recipe in product(grid.dataset, grid.architecture, grid.how, grid.recipe):
            setting, control = (Setting(dataset, architecture, each, recipe) for each in (how, "replace"))
            setting, control = known.setdefault(setting, setting), known.setdefault(control, control)
            points = product(grid.pattern or (None,), grid.target, grid.n, grid.share or (None,), grid.seed)
            cells.update(
                dict.fromkeys(
                    Cell(setting, control, p, target, n, seed, **deletion, share=share, **prevention)
                    for p, target, n, share, seed in points
                    for deletion in _deletions(grid, n)
                    for prevention in _preventions(grid, share)
                )
            )
    return list(cells)


def _deletions(grid: Grid, n: int) -> Sequence[dict[str, Any]]:
    """What is deleted from a network of the grid, and how; the networks before and the oracles always with it."""
    if not grid.deletion:
        return [{}]
    if n == 0:  # nothing to delete: the oracles are the control
        return []
    methods = dict.fromkeys((*REFERENCES, *grid.deletion))
    return [
        {"deletion": method, "known": known, "oracles": grid.seed[:ORACLES]}
        for method, known in product(methods, grid.known)
    ]


def _preventions(grid: Grid, share: float | None) -> Sequence[dict[str, Any]]:
    """What is done to a network of the grid; the network as it is always with it. Without the feature: nothing.

    With a planted feature it is the same network whatever is clean; else what is clean is held out from its training.
    """
    if not grid.prevention:
        return [{}]
    plain = [(PLAIN, clean) for clean in (grid.clean if share is None else grid.clean[:1])]
    methods = [name for name in grid.prevention if name != PLAIN] if share != 0 else []
    named = [*plain, *product(methods, grid.clean)]
    return [{"prevention": method, "clean": clean} for method, clean in named]


def trainings_of(cells: Iterable[Cell]) -> list[Training]:
    """What must be trained for these cells, each network once, in the order in which the cells need it."""
    found: dict[Training, None] = {}
    for cell in cells:
        found.update(dict.fromkeys([cell.training] if cell.treatment is None else cell.treatment.trainings))
    return list(found)


def groups_of(
    trainings: Sequence[Training], examples: Sequence[int], group_sizes: Sequence[int], workers: int
) -> list[list[Training]]:
    """Trainings that may run in lockstep, in even groups that keep all workers busy.

    They are the same for the same list, whatever is done already: a study that goes on after a stop trains the
    same groups as one that was never stopped.

    Args:
        examples: how many training examples each has.
        group_sizes: of each, the most trainings of its group.
    """
    kinds: dict[tuple[Any, ...], list[Training]] = {}
    for training, count, size in zip(trainings, examples, group_sizes, strict=True):
        setting = training.setting
        kind = setting.dataset, setting.architecture, setting.recipe.shared, count, size
        kinds.setdefault(kind, []).append(training)
    return [group for (*_, size), same in kinds.items() for group in evenly(same, size, workers)]
