"""What must be made, as a graph: networks to train, and what is done to them. A node is named by its content.

All nodes have a `setting` and a `seed`; `needs`, what must be there before; `code`, what makes them and is not ours (an
``architecture``, a ``deletion method``, ...); `work`, how much it is in epochs of a network; a `key`; and themselves as
JSON. A new kind of treatment is one line in `TREATMENTS`, its field in `Cell` and the class that carries it out in
`making.BENCHES`. A third node beside `Train` and `Treat` would have its class here, its line in `Node` and `from_json`,
its tasks in `Work.phases` and its way to be made in `making.perform`, and be counted by `plan`.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, NamedTuple

from spurlab.models import is_user_name, source_digest
from spurlab.patterns import How
from spurlab.plugins import origin_of, recorded_as
from spurlab.prevention import trains
from spurlab.studies.axes import OF_TRAINING, ORACLE, Extras, changing, mark_name
from spurlab.training import Recipe

# Part of every key. Raise it when a change in planting, training or measuring gives other numbers (rounding apart).
TRAINING_VERSION = 1

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
    "schedule": "steps",
}

# Of modules of the user's by `entry_of`; of plug-ins by `recorded_as`, their packages and versions.
Digests = Mapping[str, str]
# what code can be of which kind of plug-ins
PLUGINS = {
    "architecture": "models",
    "deletion method": "deletion",
    "prevention method": "prevention",
    "attack": "attacks",
}


def entry_of(what: str, name: str) -> str:
    """Under which the digest of a module of the user's is recorded; no data set is named so.

    >>> entry_of("deletion method", "mine:forget"), entry_of("architecture", "mine:net")
    ('method mine:forget', 'architecture mine:net')
    """
    return f"{what.rsplit(maxsplit=1)[-1]} {name}"


class Code(NamedTuple):
    """Code that is not ours and makes a node: a function of the user's, or what a package adds to a table.

    Args:
        what: an ``architecture``, a ``deletion method``, a ``prevention method`` or an ``attack``.
        name: ``package.module:callable``, or a name of the table, with settings after it.
        origin: of a plug-in its package and version; "": it is of the user's.
    """

    what: str
    name: str
    origin: str = ""

    @property
    def entry(self) -> str:
        """Under which its `digest` is recorded."""
        return recorded_as(PLUGINS[self.what], self.name) if self.origin else entry_of(self.what, self.name)

    @property
    def digest(self) -> str:
        """By which another version of it has other keys: its package and version, or the digest of the user's module.

        Raises:
            ValueError: such a module cannot be found.
        """
        return self.origin or source_digest(self.name, self.what)

    def said(self, digests: Digests | None) -> str:
        """The digest as a study was recorded with it; None: as it is now.

        Raises:
            ValueError: as `digest`.
            KeyError: it is not among these.
        """
        return self.digest if digests is None else digests[self.entry]


def _code(what: str, name: str) -> tuple[Code, ...]:
    """What makes it, if that is not ours."""
    if is_user_name(name):
        return (Code(what, name),)
    origin = origin_of(PLUGINS[what], name)
    return (Code(what, name, origin),) if origin else ()


def _plugins(code: Iterable[Code]) -> dict[str, Any]:
    """What JSON says of them."""
    found = {one.entry: one.origin for one in code if one.origin}
    return {"plugins": found} if found else {}


def _name(about: str) -> str:
    return hashlib.sha256(about.encode()).hexdigest()[:20]


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


class Train(NamedTuple):
    """One network to train. Without planted examples (n = 0) it has neither pattern nor target.

    `without` of the planted examples, the first ones, are left out: what retraining without them gives. Of a common
    feature, which belongs to the class, the training examples have a `share`. `held_out` is the share of all training
    examples that it does not see. `extras` are the values on further axes, see `spurlab.studies.axes`.
    """

    setting: Setting
    pattern: str | None
    target: int | None
    n: int
    seed: int
    without: int = 0
    share: float | None = None
    held_out: float = 0.0
    extras: Extras = ()

    @property
    def needs(self) -> "tuple[Train, ...]":
        """Nothing."""
        return ()

    @property
    def mark(self) -> str | None:
        """The pattern with its draw, see `mark_name`."""
        return mark_name(self.pattern, self.extras, self.seed) if self.pattern else None

    @property
    def oracle(self) -> "Train":
        """The network that is trained without any of the planted examples, which is one for all draws of a pattern."""
        return self._replace(without=self.n, extras=changing(self.extras, None, self.seed))

    @property
    def control(self) -> "Train":
        """The network of its seed that is trained without any mark."""
        setting, extras = replace(self.setting, how="replace"), changing(self.extras, None, self.seed)
        return Train(setting, None, None, 0, self.seed, extras=extras)

    @property
    def halves(self) -> int | None:
        """The data seed of the training set of which it learns a half; None: it learns from all of its own."""
        return dict(self.extras).get("halves")

    @property
    def data_seed(self) -> int:
        """The seed by which examples are marked and patterns drawn, unless these have a draw."""
        return self.seed if self.halves is None else self.halves

    @property
    def marked(self) -> int:
        """How many examples are marked of the training set that it learns from, or learns a half from."""
        return self.n if self.halves is None else 2 * self.n

    @property
    def code(self) -> tuple[Code, ...]:
        """An architecture of the user's or of a plug-in."""
        return _code("architecture", self.setting.architecture)

    @property
    def work(self) -> int:
        """Its epochs."""
        return self.setting.recipe.epochs

    def key(self, checksum: str, digests: Digests | None = None) -> str:
        """Its name by content: settings, data, version of our code, the text of the user's modules, plug-ins' versions.

        Args:
            checksum: of the data set.
            digests: of the modules and the versions; None: as they are now. Nothing is imported.

        Raises:
            ValueError: such a module cannot be found.
            KeyError: its digest is not among these.
        """
        about = (
            f"{TRAINING_VERSION}|{checksum}|{self.setting.identity}|{self.pattern}|{self.target}|{self.n}|{self.seed}"
            + (f"|without {self.without}" if self.without else "")
            + (f"|share {self.share}" if self.share is not None else "")
            + (f"|held out {self.held_out}" if self.held_out else "")
            + "".join(f"|{name} {value}" for name, value in self.extras)
        )
        for code in self.code:
            about += f"|{code.said(digests)}"
        return _name(about)

    def as_json(self) -> dict[str, Any]:
        """All settings as plain values."""
        setting = self.setting
        about = {"dataset": setting.dataset, "architecture": setting.architecture, "how": setting.how}
        planted = {"pattern": self.pattern, "target": self.target, "n": self.n, "seed": self.seed}
        less = {"without": self.without} if self.without else {}
        common = {"share": self.share} if self.share is not None else {}
        held_out = {"held_out": self.held_out} if self.held_out else {}
        recipe = {"recipe": asdict(setting.recipe)}
        return about | planted | less | common | held_out | dict(self.extras) | recipe | _plugins(self.code)


@dataclass(frozen=True)
class Kind:
    """What can be done to a trained network.

    Args:
        version: part of the keys; raise it when what its methods do, or what is measured then, gives other numbers.
        plural: what several are called.
        to: the word between these and their network.
        amount: what the amount of `Treat` is called in JSON and in rows; "": there is none.
        others: what the seeds of other networks in `Treat` are called in JSON; "": there are none.
    """

    version: int
    plural: str
    to: str
    amount: str
    others: str = ""


TREATMENTS: Mapping[str, Kind] = {
    "deletion": Kind(2, "deletions", "from", "known", "oracles"),
    "prevention": Kind(1, "preventions", "on", "clean"),
    "attack": Kind(1, "attacks", "on", "", "shadows"),
}


class Treat(NamedTuple):
    """What is done to one trained network.

    Args:
        kind: of `TREATMENTS`.
        training: the network from which the method starts.
        method: a name of the table of its kind, or ``package.module:callable``. Of deletion, ``none``: the network is
            only measured; ``oracle``: it is retrained without any planted example.
        amount: of deletion, how many of the planted examples, the first ones, are known and deleted; of prevention, the
            share of the training examples of which the method may use clean versions or, where the data have no planted
            feature, which it may use and the network has not seen; of an attack 0.
        oracles: the seeds of the networks, retrained without any planted example, that outputs are compared with; of an
            attack, of all networks that learn from halves of the same training set.
        after: of an attack, the deletion by which the attacked network forgets its marked examples first; "": none.
    """

    kind: Literal["deletion", "prevention", "attack"]
    training: Train
    method: str
    amount: float
    oracles: tuple[int, ...] = ()
    after: str = ""

    @property
    def setting(self) -> Setting:
        """Of the network."""
        return self.training.setting

    @property
    def seed(self) -> int:
        """Of the network."""
        return self.training.seed

    @property
    def start(self) -> Train:
        """The network that is measured, or from which the method starts."""
        return self.training.oracle if self.method == ORACLE else self.training

    @property
    def compared(self) -> tuple[Train, ...]:
        """The networks that outputs are compared with."""
        others = [self.training._replace(seed=seed) for seed in self.oracles]
        if self.kind != "attack":
            return tuple(training.oracle for training in others)
        controls = [training.control for training in others] if self.training.n else []
        return (*others, *controls)

    @property
    def needs(self) -> tuple[Train, ...]:
        """The network, and what it is compared with."""
        return tuple(dict.fromkeys((self.training, self.start, *self.compared)))

    @property
    def code(self) -> tuple[Code, ...]:
        """Methods and an architecture of the user's or of plug-ins."""
        return (*self.training.code, *self._own_code)

    @property
    def _own_code(self) -> tuple[Code, ...]:
        """The methods alone; one module of the user's once."""
        named = (*_code(self._what, self.method), *(_code("deletion method", self.after) if self.after else ()))
        return tuple({(code.name, code.entry if code.origin else ""): code for code in named}.values())

    @property
    def _what(self) -> str:
        """What a method of the user's is."""
        return "attack" if self.kind == "attack" else f"{self.kind} method"

    @property
    def alike(self) -> tuple[Any, ...]:
        """What treatments of one task share: the network, what it is compared with, whether they train.

        Attacks share all networks, and which of them is attacked makes no difference.
        """
        training = self.training._replace(seed=0) if self.kind == "attack" else self.training
        others = self.oracles if TREATMENTS[self.kind].others else self.amount
        return self.kind, training, others, self.trains

    @property
    def trains(self) -> bool:
        """Whether it may take as long as to train a network, as many deletions do; refits of a last layer do not."""
        return self.kind == "deletion" or bool(self.after) or (self.kind == "prevention" and trains(self.method))

    @property
    def work(self) -> int:
        """About as much as to train one, or an epoch for a refit."""
        return max(1, self.training.work) if self.trains else 1

    def key(self, checksum: str, digests: Digests | None = None) -> str:
        """As that of a training; a method of the user's or of a plug-in is known by its text or version too.

        Args:
            checksum: of the data set.
            digests: as of `Train.key`.

        Raises:
            ValueError, KeyError: as `Train.key`.
        """
        about = [TREATMENTS[self.kind].version, self.training.key(checksum, digests), self.method, self.amount]
        about += [self.oracles] if TREATMENTS[self.kind].others else []
        about += [f"after {self.after}"] if self.after else []
        about += [code.said(digests) for code in self._own_code]
        return _name("|".join(map(str, about)))

    def as_json(self) -> dict[str, Any]:
        """All settings as plain values."""
        kind = TREATMENTS[self.kind]
        amount = {kind.amount: self.amount} if kind.amount else {}
        others = {kind.others: list(self.oracles)} if kind.others else {}
        after = {"after": self.after} if self.after else {}
        treated = {self.kind: self.method} | amount | others | after
        return self.training.as_json() | treated | _plugins(self.code)


Node = Train | Treat


def one_of_each(nodes: Iterable[Node]) -> list[Node]:
    """These, but of attacks on networks that are each other's shadows one: all of them need the same networks."""
    kinds = {node.alike if isinstance(node, Treat) and node.kind == "attack" else node: node for node in nodes}
    return list(kinds.values())


def digests_of(node: Node) -> dict[str, str]:
    """Of the modules of the user's that make a node, as they are now, and the versions of plug-ins, by `Code.entry`.

    Raises:
        ValueError: one cannot be found.
    """
    return {code.entry: code.digest for code in node.code}


def from_json(about: Mapping[str, Any]) -> Node:
    """The node of which `as_json` gave this."""
    setting = Setting(about["dataset"], about["architecture"], about["how"], Recipe.from_json(about["recipe"]))
    placed = (about["pattern"], about["target"], about["n"], about["seed"])
    rest = (about.get("without", 0), about.get("share"), about.get("held_out", 0.0))
    training = Train(setting, *placed, *rest, tuple((name, about[name]) for name in OF_TRAINING if name in about))
    for kind, treatment in TREATMENTS.items():
        if kind in about:
            others = tuple(about.get(treatment.others, ()))
            placed_on = (about[kind], about.get(treatment.amount, 0.0), others, about.get("after", ""))
            return Treat(kind, training, *placed_on)  # type: ignore[arg-type]
    return training


def rank(node: Node) -> int:
    """How many steps of the graph lie before it: what has a lower rank is made first."""
    return max((1 + rank(needed) for needed in node.needs), default=0)
