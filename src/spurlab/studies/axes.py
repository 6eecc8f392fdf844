"""Axes: what may differ between the networks of a study; each is one value, and one line in a table.

Study files, their checks, the command line's --only, JSON, rows, documentation and all that groups rows by settings go
by these tables. A new axis that changes the training set is one file with an `Axis` and one line in `OF_TRAINING`, and
has its part in keys of its own accord. A new setting of training is a field of `spurlab.training.Recipe` instead.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from spurlab.data import dataset_named
from spurlab.deletion import DELETIONS
from spurlab.errors import InputError
from spurlab.models import architecture_named, check_user_name, is_user_name
from spurlab.patterns import How, Planted, parse_reference_dataset, pattern_name
from spurlab.prevention import canonical_name
from spurlab.studies.errors import StudyError, sentence_of
from spurlab.studies.recipes import recipes_of
from spurlab.training import RECIPES

PLACE = ("pattern", "target", "n", "seed")
METHODS = ("deletion", "prevention")  # what was done to the network; off: ""
SHARES = ("known", "share", "clean")
PLAIN = "erm"  # the prevention that does nothing: the network as it was trained
NONE, ORACLE = "none", "oracle"  # in place of a deletion: the network before it, and one that never saw the examples
REFERENCES = (NONE, ORACLE)


@dataclass(frozen=True)
class Axis:
    """One axis.

    Args:
        name: in study files, for --only, in JSON, and of the column of rows.
        about: what it is, for documentation.
        hint: the type of a value, as pydantic takes it.
        default: the values where a study names none; empty: there is nothing on it; None: it must be named.
        canonical: the name that studies and rows have for what may be called otherwise.
        control: a value that is always there, beside others.
        code: what a name on it may be of the user's, ``package.module:callable``; "": nothing.
        read: the values from what a study file (False) or JSON (True) says; None: a value, or a list of them.
        change: of an axis of `OF_TRAINING`, the changed training set, from the plain one, a value and the network's
            seed. Its default is one value that changes nothing: networks with it have the keys of before.
    """

    name: str
    about: str
    hint: Any
    default: tuple[Any, ...] | None = ()
    canonical: Callable[[str], str] | None = None
    control: Any = None
    code: str = ""
    read: Callable[[Any, bool], tuple[Any, ...]] | None = None
    change: Callable[[Planted, Any, int], Planted] = lambda training_set, value, seed: training_set

    @property
    def off(self) -> Any:
        """The value that changes nothing."""
        return self.default[0] if self.default else None

    def values(self, settings: Any, recorded: bool = False) -> tuple[Any, ...]:
        """The values that a study gives it.

        Args:
            settings: as the study file says it.
            recorded: whether it is of JSON, as results folders have it.

        Raises:
            StudyError: a value of another type, unknown, or twice; an empty list.
        """
        value: Any = Annotated[self.hint, AfterValidator(self.named)]
        fewest = Field(min_length=0 if self.default == () else 1)
        values = TypeAdapter(Annotated[tuple[value, ...], fewest, AfterValidator(self._each_once)])
        try:
            several = self.read(settings, recorded) if self.read else listed(settings)
            return tuple(values.validate_python(several, strict=True))
        except ValidationError as error:
            raise StudyError(sentence_of(error, f"{self.name}.")) from error
        except StudyError:
            raise
        except InputError as error:
            raise StudyError(f"key {self.name!r}: {error}") from error

    def named(self, value: Any) -> Any:
        """A value as studies have it."""
        return self.canonical(value) if self.canonical and isinstance(value, str) else value

    def with_control(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """Values and, where there are any, the control; in rising order then."""
        return values if self.control is None or not values else tuple(sorted({self.control, *values}))

    def _each_once(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        if self.control is None and len(set(values)) < len(values):
            raise InputError(f"a value stands twice on this axis: {list(values)}")
        return self.with_control(values)


def listed(value: Any) -> tuple[Any, ...]:
    """A value, or a list of them."""
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _dataset(name: str) -> str:
    try:
        meant = parse_reference_dataset(name)
    except ValueError:
        return dataset_named(name)
    if meant.pattern is None:
        return meant.dataset
    if isinstance(meant.target, tuple):
        first, second = meant.target
        raise InputError(
            f"{name!r} is a planted set of the paper's code: {meant.count} marked examples in each of two classes. A "
            f"grid plants in one class at a time: dataset = {meant.dataset!r}, pattern = {meant.pattern!r}, "
            f"n = {meant.count}, target = [{first}, {second}], seed = {meant.seed}. For both at once, call "
            f"plant(train, pattern, [{first}, {second}], {meant.count}, {meant.seed}) in Python."
        )
    raise InputError(
        f"{name!r} is a planted set of the paper's code. Here the grid does the planting: dataset = "
        f"{meant.dataset!r}, pattern = {meant.pattern!r}, n = {meant.count}, target = {meant.target}, "
        f"seed = {meant.seed}."
    )


def _deletion(name: str) -> str:
    return name if name in REFERENCES else _method(name, "deletion method", DELETIONS.canonical)


def _prevention(name: str) -> str:
    return _method(name, "prevention method", canonical_name)


def _method(name: str, kind: str, canonical: Callable[[str], str]) -> str:
    if is_user_name(name):
        check_user_name(name.strip(), kind)
    return canonical(name)


Count = Annotated[int, Field(ge=0, lt=2**53)]
Share = Annotated[float, Field(gt=0, le=1)]
PartOf = Annotated[float, Field(gt=0, lt=1)]
FromNone = Annotated[float, Field(ge=0, le=1)]

# in the order of JSON, and of documentation
AXES: Mapping[str, Axis] = {
    axis.name: axis
    for axis in (
        Axis("dataset", "a name of `spurlab data list`, some of its classes, or data of your own", str, None, _dataset),
        Axis(
            "architecture",
            "a name of `spurlab list`, or a network of your own",
            str,
            None,
            architecture_named,
            code="architecture",
        ),
        Axis("pattern", "the mark; there is none in a study of networks alone", str, (), pattern_name),
        Axis("target", "the class that a mark is planted in", Count, (0,)),
        Axis("n", "how many examples carry the mark; the control, 0, is always there", Count, (0,), control=0),
        Axis(
            "seed",
            "one network for each; fixes its start, the order of its examples, which are marked, and random patterns",
            Count,
            (0,),
        ),
        Axis("how", "`replace` the chosen examples by marked ones, or `append` marked copies", How, ("replace",)),
        Axis(
            "deletion",
            "methods that delete the marked examples from the trained networks; the networks before it (`none`) and "
            "those retrained without any marked example (`oracle`) always come with them",
            str,
            (),
            _deletion,
            code="deletion method",
        ),
        Axis("known", "the share of the marked examples that is known and deleted", Share, (1.0,)),
        Axis(
            "share",
            "of the training examples, how many have a common feature; 0 is always there",
            FromNone,
            control=0.0,
        ),
        Axis(
            "prevention",
            "methods against a common feature; the networks as they are (`erm`) always come with them",
            str,
            (),
            _prevention,
            code="prevention method",
        ),
        Axis(
            "clean",
            "the share of the training examples that methods may use clean: without the feature or, where none is "
            "planted, held out from training",
            PartOf,
            (0.25,),
        ),
        Axis(
            "recipe",
            "how to train: `name` (`quick` or `paper`) and what differs from it",
            Any,
            (RECIPES["quick"],),
            read=recipes_of,
        ),
    )
}

# A new axis is one file and one line here.
OF_TRAINING: Mapping[str, Axis] = {}

Extras = tuple[tuple[str, Any], ...]  # by axis of `OF_TRAINING`, the value where it is not off


def axis_names() -> list[str]:
    """The names of all axes."""
    return [*AXES, *OF_TRAINING]


def axis_named(name: str) -> Axis:
    """The axis of this name."""
    return AXES[name] if name in AXES else OF_TRAINING[name]


def docs_table() -> str:
    """The axes as a table for documentation, in Markdown."""
    lines = ["| axis | what differs | default |", "|---|---|---|"]
    for axis in (*AXES.values(), *OF_TRAINING.values()):
        values = "needed" if axis.default is None else ", ".join(map(str, axis.default)) or "none"
        lines.append(f"| `{axis.name}` | {axis.about} | {'`quick`' if axis.name == 'recipe' else values} |")
    return "\n".join(lines)
