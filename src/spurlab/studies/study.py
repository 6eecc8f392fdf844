"""A study is data, not a script: one TOML file that says what to train and measure; a list is an axis of the grid."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from functools import cached_property
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_serializer,
    field_validator,
    model_serializer,
    model_validator,
)

from spurlab.data import without_paths
from spurlab.errors import InputError, did_you_mean
from spurlab.measures import Measure, effects, is_effect, is_of_plugin, measure_named, plugin_measures, written_out
from spurlab.models import is_user_name, without_users_code
from spurlab.notebook import card
from spurlab.patterns import Common, drawn_anew, is_common, mark_names
from spurlab.plugins import is_recorded, origin_of, recorded_as
from spurlab.stats.looks import PLANNED
from spurlab.studies.axes import AXES, METHODS, OF_TRAINING, REFERENCES, axis_named, axis_names
from spurlab.studies.axis import listed
from spurlab.studies.graph import TREATMENTS
from spurlab.study_files import StudyError
from spurlab.training import Recipe

T = TypeVar("T")
Several = Annotated[tuple[T, ...], BeforeValidator(listed), Field(min_length=1)]
METHOD_AXES = ("deletion", "known", "prevention", "clean", "attack")  # which count otherwise
FEWEST_HALVES = 4  # networks: one is attacked, its complement is left out
MOST_NETWORKS = 1000  # of each kind, where seeds are added
MOST_ROWS = 1_000_000  # of a study: what is read and drawn in minutes


def checked_name(name: str) -> str:
    """The name of a study, after which its files are named.

    Raises:
        StudyError: it cannot name files.
    """
    if not name.strip() or name.startswith(".") or len(name) > 100 or not name.isprintable() or {"/", "\\"} & set(name):
        raise StudyError(
            f"key 'name': {name!r} cannot name a study, whose files are named after it: 1 to 100 letters without "
            "slashes, of which the first is no dot."
        )
    return name


def checked_most(most: int) -> int:
    """The most networks up to which seeds are added.

    Raises:
        StudyError: fewer than one looks at first, or more than can be.
    """
    if not PLANNED[0] <= most <= MOST_NETWORKS:
        raise StudyError(
            f"key 'most': {most} networks, but one looks at {PLANNED[0]} first, and {MOST_NETWORKS} are the most. Give "
            "a number between these, e.g. 20."
        )
    return most


class Grid(BaseModel):
    """One grid of a study: every combination of its axes.

    Args:
        axes: by name, the values on each axis of `spurlab.studies.axes`. In files, in JSON and as arguments
            (``Grid(dataset="mnist", architecture="mlp", n=[3, 10])``) each stands for itself, a value or a list.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    axes: dict[str, tuple[Any, ...]]

    @model_validator(mode="before")
    @classmethod
    def _read_axes(cls, settings: Any, info: Any) -> Any:
        if not isinstance(settings, Mapping):
            return settings
        for name in settings:
            if name not in axis_names():
                raise StudyError(f"unknown key {name!r}. {did_you_mean(name, axis_names())}")
        if missing := [name for name, axis in AXES.items() if axis.default is None and name not in settings]:
            raise StudyError(f"the key {missing[0]!r} is missing.")
        return {
            "axes": {
                name: axis.values(settings[name], info.mode == "json") if name in settings else axis.default
                for name, axis in {**AXES, **OF_TRAINING}.items()
                if name in settings or (name in AXES and not axis.optional)
            }
        }

    @model_serializer
    def _serialize_axes(self) -> dict[str, Any]:
        return {name: tuple(map(axis_named(name).record, values)) for name, values in self.axes.items()}

    def __getitem__(self, name: str) -> tuple[Any, ...]:
        """The values on an axis."""
        return self.axes[name] if name in self.axes else axis_named(name).default or ()

    def only(self, name: str, values: tuple[Any, ...]) -> "Grid":
        """The same grid with other values on an axis, beside which the control stays."""
        return self.model_copy(update={"axes": self.axes | {name: axis_named(name).with_control(values)}})

    @model_validator(mode="after")
    def _check_common(self) -> "Grid":
        features = ", ".join(mark_names(Common))
        common = [name for name in self["pattern"] if is_common(name)]
        unknown = any(is_recorded("marks", name) for name in self["pattern"])  # of what is read, and its plug-in is not
        if common and (len(common) < len(self["pattern"]) or max(self["n"]) > 0 or self["deletion"]):
            raise InputError(
                f"key 'pattern': {common[0]!r} is a common feature, of which the training examples have a share. Put "
                "rare patterns, n and deletion in another grid."
            )
        if common and not self["share"]:
            raise InputError(f"key 'share': how many of the training examples have {common[0]!r}? E.g. share = 0.9.")
        if self["share"] and not common and not unknown:
            raise InputError(f"key 'share': it belongs to a common feature ({features}), but none is named.")
        if self["prevention"] and self["deletion"]:
            raise InputError("key 'prevention': nothing is deleted from what a prevention made. Make two grids of it.")
        return self

    @model_validator(mode="after")
    def _check_pattern(self) -> "Grid":
        if not self["pattern"] and max(self["n"]) > 0:
            most = max(self["n"])
            raise InputError(f"key 'pattern': n = {most} examples are to be marked, but no pattern is named.")
        if self["deletion"] and max(self["n"]) == 0:
            raise InputError(
                "key 'deletion': there is nothing to delete, since no example is marked. Give an n above 0."
            )
        return self

    @model_validator(mode="after")
    def _check_axes_of_training(self, info: Any) -> "Grid":
        """Where somebody asks for it; folders from before stay readable."""
        for name, axis in OF_TRAINING.items():
            unsuited = [pattern for pattern in self["pattern"] if not axis.suits(pattern)]
            if info.mode == "python" and unsuited and self[name] != axis.default:
                raise InputError(
                    f"key {name!r}: {unsuited[0]} is the same whatever it says, so networks would only be repeated. "
                    "Put patterns that it changes in a grid of their own."
                )
        return self

    @model_validator(mode="after")
    def _check_halves(self) -> "Grid":
        halved = self["halves"] != OF_TRAINING["halves"].default
        for name in ("deletion", "known", "prevention", "share", "draw"):
            if name == "deletion" and self["attack"]:
                continue  # the attacked networks forget their marked examples first
            if halved and self[name] != (axis_named(name).default or ()):
                raise InputError(
                    f"key 'halves': {name!r} is not known of networks that learn from halves. Put it in another grid."
                )
        if not self["attack"]:
            return self
        if None in self["halves"]:
            raise InputError(
                "key 'attack': shadow networks are to learn from halves of one training set, in complementary pairs. "
                "Give its data seed, halves = 0, and many seeds."
            )
        if len(self["seed"]) < FEWEST_HALVES:
            raise InputError(
                f"key 'attack': of {len(self['seed'])} networks none is left as a shadow when one and its complement "
                f"are left out. Give {FEWEST_HALVES} seeds or more, in pairs (0 and 1, 2 and 3, ...)."
            )
        return self

    @property
    def cells_at_most(self) -> int:
        """How many points it has, without looking at each; those that are one and the same counted apart."""
        axes = [self[name] for name in axis_names() if name not in METHOD_AXES]
        deletions = (len(self["deletion"]) + len(REFERENCES)) * len(self["known"]) if self["deletion"] else 1
        preventions = (len(self["prevention"]) + 1) * len(self["clean"]) if self["prevention"] else 1
        attacks = len(self["attack"]) * (len(self["deletion"]) + 1) + 1
        deletions = 1 if self["attack"] else deletions
        return math.prod(max(1, len(axis)) for axis in axes) * deletions * preventions * attacks


def _written_out(measures: Any) -> Any:
    """The measures as a study keeps them; what is no list of names is left to whoever checks it."""
    named = [measures] if isinstance(measures, str) else measures
    if not isinstance(named, list | tuple) or not all(isinstance(name, str) for name in named):
        return measures
    return written_out(named)


class Study(BaseModel):
    """What to train and measure, and what it is asked for.

    Args:
        name: the file's name without its ending.
        profile: the profile that was chosen, or None.
        title: the question, in one line.
        source: what it reproduces.
        figure: the views of its rows, one or several, the first the main one; `spurlab.report.check` knows them.
        claims: the numbers of the claims that its rows bear on; `spurlab.claims.check` knows them.
        measure: what is measured, names of `spurlab.measures.MEASURES` or of their numbers.
        weights: whether the trained weights are kept as files.
        most: seeds are added until each verdict is decided, up to so many networks; None: the seeds are those of the
            grids. What is said of its rows counts how often one looked, see `spurlab.stats.Looks`.
        search: ``n``: of each curve only the networks are trained that decide n*, see `spurlab.studies.Search`.
        grids: the points to measure are the union of these.
        origin: where it was read, for messages; not kept with the results.

    >>> grid = Grid(dataset="fashion-mini", architecture="mlp", pattern="S3", n=[0, 10])
    >>> study = Study(name="mine", title="How many?", grids=(grid,))
    >>> study.axis("n"), study.axis("seed")
    ((0, 10), (0,))
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str
    profile: str | None = None
    title: str
    source: str = ""
    figure: Several[str] = ("scores",)
    claims: Annotated[tuple[int, ...], BeforeValidator(listed)] = ()
    measure: Annotated[Several[str], BeforeValidator(_written_out)] = ("spurious_score", "accuracy")
    weights: bool = False
    most: int | None = None
    search: Literal["n"] | None = None
    grids: Annotated[tuple[Grid, ...], Field(min_length=1)]
    origin: str = Field(default="", exclude=True)

    @model_validator(mode="after")
    def _check_rows(self) -> "Study":
        rows = len(self.measure) * sum(grid.cells_at_most for grid in self.grids)
        if rows > MOST_ROWS:
            raise InputError(
                f"its axes make {rows:,} rows (cells times measures), but {MOST_ROWS:,} are the most of one study. "
                "Make several studies of it, with shorter axes each; they can share a results folder (--out)."
            )
        return self

    @model_validator(mode="after")
    def _note_typed(self, info: Any) -> "Study":
        # past the frozen model, where `typed` is kept once asked: no field, so that no file and no JSON can set it
        self.__dict__["typed"] = info.mode == "python"
        return self

    @cached_property
    def typed(self) -> bool:
        """Whether code that it names may be run: somebody typed it. Not where it was read as JSON, from a folder."""
        return False

    @property
    def users(self) -> tuple[str, ...]:
        """The networks and methods of the user's own that it names, ``package.module:callable``."""
        names = (name for axis in AXES.values() if axis.code for name in self.axis(axis.name))
        return tuple(name for name in names if is_user_name(name))

    @property
    def where(self) -> str:
        """How messages name it: the file, or the study that comes with the package."""
        return self.origin or f"study {self.name!r}"

    @property
    def main_figure(self) -> str:
        """The first figure, which decides on tables and answers."""
        return self.figure[0]

    @model_serializer(mode="wrap")
    def _serialize_what_is_set(self, fields_of: Any) -> dict[str, Any]:
        """Without `most` and `search` where there are none, as folders had it before there could be."""
        written: dict[str, Any] = fields_of(self)
        return {key: value for key, value in written.items() if key not in ("most", "search") or value is not None}

    @field_validator("most")
    @classmethod
    def _check_most(cls, most: int | None) -> int | None:
        return most if most is None else checked_most(most)

    @field_serializer("figure")
    def _serialize_figure(self, names: tuple[str, ...]) -> str | tuple[str, ...]:
        return names[0] if len(names) == 1 else names  # as folders had it before there could be several

    @field_validator("figure")
    @classmethod
    def _check_figures(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) < len(names):
            raise InputError(f"a figure stands twice in this list: {list(names)}")
        for name in names:  # files are named after it
            if not re.fullmatch(r"[a-z][a-z0-9-]{0,40}", name):
                raise InputError(
                    f"key 'figure': {name!r} is the name of no figure; these are small letters, e.g. 'scores'."
                )
        return names

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str, info: Any) -> str:
        return checked_name(name) if info.mode == "json" else name

    @field_validator("measure")
    @classmethod
    def _check_measures(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) < len(names):
            raise InputError(f"a value stands twice on this axis: {list(names)}")
        for name in names:
            if not is_of_plugin(name):
                measure_named(name)
        return names

    @model_validator(mode="after")
    def _check_patterns_measured(self) -> "Study":
        for name, measure in self.known_measures():
            if measure.by_pattern and not all(grid["pattern"] and not grid["share"] for grid in self.grids):
                raise InputError(f"key 'pattern': the measure {name!r} needs a rare pattern, but none is named.")
        return self

    @model_validator(mode="after")
    def _check_deletion_measured(self) -> "Study":
        for name, measure in self.known_measures():
            deleted = [bool(grid["deletion"]) and not grid["attack"] for grid in self.grids]
            if any(deleted) and not is_effect(name):
                raise InputError(
                    f"key 'measure': {name!r} is not measured after deletion. {did_you_mean(name, list(effects()))}"
                )
            if measure.needs == "deletion" and not all(deleted):
                raise InputError(f"key 'deletion': the measure {name!r} is about deletion, but no method is named.")
            if measure.needs == "attack" and not any(grid["attack"] for grid in self.grids):
                raise InputError(f"key 'attack': the measure {name!r} is about attacks, but none is named.")
        return self

    def known_measures(self) -> list[tuple[str, Measure]]:
        """What is measured, by name; without what plug-ins measure, where the study is being read."""
        return [(name, measure_named(name)) for name in self.measure if not is_of_plugin(name)]

    def __repr__(self) -> str:
        return f"<Study {self.name!r}{f' ({self.profile})' if self.profile else ''}: {self.title}>"

    def _repr_html_(self) -> str:
        facts = {"question": self.title, "source": self.source, "measured": ", ".join(self.measure)}
        axes = {name: self.axis(name) for name in axis_names() if name != "recipe"}
        told = {
            name: ", ".join(map(str, values)) for name, values in axes.items() if values != axis_named(name).default
        }
        return card("Study", f"{self.name} ({self.profile})" if self.profile else self.name, facts | told)

    @property
    def plugins(self) -> dict[str, str]:
        """What it names of plug-ins: package and version by `spurlab.plugins.recorded_as`."""
        named = [(axis.plugins, name) for axis in AXES.values() if axis.plugins for name in self.axis(axis.name)]
        named += [("views", name) for name in self.figure] + [("claims", str(number)) for number in self.claims]
        found = {recorded_as(kind, name): origin for kind, name in named if (origin := origin_of(kind, name))}
        marks = [name for kind, name in named if kind == "marks" and recorded_as(kind, name) in found]
        found |= {recorded_as("random", name): origin_of("marks", name) for name in marks if drawn_anew(name)}
        return found | {f"plug-in measures {name}": origin for name, origin in plugin_measures(self.measure).items()}

    def axis(self, name: str) -> tuple[Any, ...]:
        """The values on an axis of all its grids; of one with a control, in rising order."""
        return axis_named(name).with_control(tuple(dict.fromkeys(value for grid in self.grids for value in grid[name])))

    @property
    def keeps_weights(self) -> bool:
        """Whether trained weights are kept: as asked for, or because something is done to the networks."""
        return self.weights or any(grid[name] for name in METHODS for grid in self.grids)

    @property
    def treatments(self) -> str:
        """What is done to its networks after training: ``deletions``, ``preventions``, both or "" for nothing."""
        kinds = (kind.plural for name, kind in TREATMENTS.items() if any(grid[name] for grid in self.grids))
        return " and ".join(kinds)

    def only(self, key: str, values: Sequence[Any]) -> "Study":
        """The part of the study where an axis has one of these values; the control stays.

        Args:
            key: an axis, e.g. ``pattern``, or a setting of the recipe, e.g. ``recipe.optimizer``.
            values: those to keep.

        Raises:
            StudyError: no such axis, or a value that is not on it.
        """
        settings = [f"recipe.{setting.name}" for setting in fields(Recipe)]
        names = [name for name in axis_names() if name != "recipe"]
        if key not in (*names, *settings):
            raise StudyError(f"--only {key}: there is no such axis. {did_you_mean(key, [*names, *settings])}")
        setting, said = key.removeprefix("recipe."), str if key in settings else axis_named(key).said
        if key in settings:
            values = [None if value == "none" and setting.startswith("clip_") else value for value in values]
        else:
            values = [axis_named(key).named(value) for value in values]

        def value_of(point: Any) -> Any:
            return getattr(point, setting) if key in settings else point

        if not values:
            raise StudyError(f"--only {key}=[]: the list is empty. Name one value or more.")
        name = "recipe" if key in settings else key
        has = dict.fromkeys(value_of(point) for grid in self.grids for point in grid[name])
        if absent := [value for value in values if value not in has]:
            raise StudyError(
                f"--only {key}={absent[0]}: this study has {', '.join(map(said, has)) or 'nothing'} there."
            )
        kept = [(grid, tuple(point for point in grid[name] if value_of(point) in values)) for grid in self.grids]
        return self.model_copy(update={"grids": tuple(grid.only(name, points) for grid, points in kept if points)})


@contextmanager
def only_read(study: Study | None = None) -> Iterator[None]:
    """While what a results folder says is read or drawn: no code that it names is run, no path that it names followed.

    Whoever reads a folder, or draws what was read, does it in here; so what a folder names cannot reach an import.

    Args:
        study: what is drawn; where somebody typed it (`Study.typed`), nothing is forbidden.
    """
    if study is not None and study.typed:
        yield
        return
    with without_users_code(), without_paths():
        yield
