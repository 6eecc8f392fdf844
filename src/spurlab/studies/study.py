"""A study is data, not a script: one TOML file that says what to train and measure; a list is an axis of the grid."""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from functools import cached_property
from itertools import product
from typing import Annotated, Any, TypeVar, get_type_hints

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_serializer,
    field_validator,
    model_serializer,
    model_validator,
)

from spurlab.data import dataset_named, without_paths
from spurlab.deletion import DELETIONS
from spurlab.errors import did_you_mean, shortened
from spurlab.models import architecture_named, check_user_name, is_user_name, without_users_code
from spurlab.patterns import Common, How, mark_names, parse_reference_dataset, pattern_name
from spurlab.prevention import canonical_name
from spurlab.studies.axes import OF_TRAINING, REFERENCES
from spurlab.studies.measures import EFFECTS, GROUPS, MEASURES, SENSITIVITY
from spurlab.training import CHOICES, RECIPES, Recipe

T = TypeVar("T")
Axis = Annotated[
    tuple[T, ...], BeforeValidator(lambda v: tuple(v) if isinstance(v, list | tuple) else (v,)), Field(min_length=1)
]
Count = Annotated[int, Field(ge=0, lt=2**53)]
Share = Annotated[float, Field(gt=0, le=1)]
PartOf = Annotated[float, Field(gt=0, lt=1)]
FromNone = Annotated[float, Field(ge=0, le=1)]
METHOD_AXES = ("deletion", "known", "prevention", "clean", "more")  # which count otherwise
MOST_ROWS, MOST_RECIPES = 1_000_000, 10_000  # of a study: what is read and drawn in minutes


class StudyError(ValueError):
    """A study that cannot be run as it is written."""

    def __init__(self, message: str) -> None:
        super().__init__(shortened(message))


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


def recipes_of(settings: Any, info: Any) -> Any:
    """The recipes that a ``[recipe]`` table means: a named one, and settings that differ from it; a list is an axis.

    Where it gives other epochs and no milestones, these stay at the same fractions. ``"none"`` is no clipping. Recipes
    of Python's are given back as they are; of JSON, as results folders have it, they are all settings of each, in a
    list.

    Args:
        settings: the table.
        info: pydantic's, which tells JSON from all else.

    Raises:
        StudyError: an unknown key or name, a value that the setting cannot have, or too many recipes.
    """
    if info.mode == "json":
        return _recorded_recipes(settings)
    if isinstance(settings, list | tuple) and settings and all(isinstance(each, Recipe) for each in settings):
        return tuple(settings)
    if not isinstance(settings, Mapping):
        raise StudyError(f"key 'recipe' is a table, but it is {settings!r}. A named recipe is recipe.name = ...")
    keys = ["recipe.name", *(f"recipe.{each.name}" for each in fields(Recipe))]
    axes: dict[str, Sequence[Any]] = {}
    for key, value in settings.items():
        if f"recipe.{key}" not in keys:
            raise StudyError(f"unknown key 'recipe.{key}'. {did_you_mean(f'recipe.{key}', keys)}")
        is_axis = isinstance(value, list) and (key != "milestones" or any(isinstance(each, list) for each in value))
        axes[key] = value if is_axis else [value]
        if not axes[key]:
            raise StudyError(f"key 'recipe.{key}' is an empty list.")
    if (many := math.prod(map(len, axes.values()))) > MOST_RECIPES:
        raise StudyError(f"key 'recipe': these axes make {many:,} recipes, but {MOST_RECIPES:,} are the most.")
    return tuple(dict.fromkeys(_recipe(dict(zip(axes, point, strict=True))) for point in product(*axes.values())))


def _recipe(settings: dict[str, Any]) -> Recipe:
    name = settings.pop("name", "quick")
    if not isinstance(name, str) or name not in RECIPES:
        raise StudyError(f"key 'recipe.name': there is no recipe {name!r}. {did_you_mean(str(name), list(RECIPES))}")
    for key, value in settings.items():
        if isinstance(value, bool):  # which Python would take for a number
            raise StudyError(f"key 'recipe.{key}' cannot be {value}.")
        if key.startswith("clip_") and value == "none":
            settings[key] = None
        elif isinstance(value, str) and key not in CHOICES:
            raise StudyError(f"key 'recipe.{key}': must be a number, but it is {value!r}.")
    recipe = RECIPES[name].but(**_of_right_type(settings))
    if "epochs" in settings and "milestones" not in settings:
        recipe = recipe.but(milestones=RECIPES[name].lasting(recipe.epochs).milestones)
    if late := [milestone for milestone in recipe.milestones if milestone >= recipe.epochs]:
        raise StudyError(f"key 'recipe.milestones': {late} are never reached in {recipe.epochs} epochs.")
    return recipe


def _recorded_recipes(settings: Any) -> tuple[Recipe, ...]:
    """What `dataclasses.asdict` gave of each recipe, after JSON.

    Raises:
        StudyError: it is none of this version.
    """
    if not isinstance(settings, list) or not all(isinstance(each, dict) and "milestones" in each for each in settings):
        raise StudyError("key 'recipe': these are no recipes of this version of Spurlab.")
    recipes = []
    for each in settings:
        if unknown := [key for key in each if key not in _TYPES]:
            raise StudyError(f"key 'recipe.{unknown[0]}': it is of another version of Spurlab.")
        recipes.append(Recipe(**_of_right_type(each)))
    return tuple(recipes)


# of each setting; strict: no text is taken for a number, and no number for another kind
_TYPES = {name: TypeAdapter(hint) for name, hint in get_type_hints(Recipe).items()}


def _of_right_type(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a recipe.

    Raises:
        StudyError: a value of another type; the sentence names the key.
    """
    found = {}
    for key, value in settings.items():
        try:
            whole = tuple(value) if isinstance(value, list) else value
            found[key] = _TYPES[key].validate_python(whole, strict=True)
        except ValidationError as error:
            raise StudyError(sentence_of(error, f"recipe.{key}.")) from error
    return found


def _listed(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else (value,) if isinstance(value, str) else value


def _as_floats(values: Any) -> Any:
    """1 and 1.0 are one share, also where it is written out."""
    several = values if isinstance(values, list | tuple) else (values,)
    whole = [isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53 for value in several]
    return tuple(float(value) if is_whole else value for value, is_whole in zip(several, whole, strict=True))


class Grid(BaseModel):
    """One grid of a study: every combination of its axes. The control, n = 0, is always in it.

    Args:
        dataset: a name as in `spurlab.data.load`.
        architecture: a name of the zoo; from the command line and from Python also ``package.module:callable``.
        pattern: S1 ... Co; none in a study of networks alone.
        target: the class or classes in which the pattern is planted.
        n: how many training examples are marked.
        seed: fixes a network's start and order of examples, the choice of marked examples, and random patterns.
        how: whether marked examples replace their originals or are added to them.
        deletion: methods that delete the marked examples from the trained networks: names of `DELETIONS` with their
            settings, e.g. ``scrub,alpha=0.3``; from the command line and from Python also ``package.module:callable``.
            Networks before deletion (``none``) and retrained without any marked example (``oracle``) always come with
            them. None: nothing is deleted.
        known: the share of the marked examples that is known and deleted, in (0, 1].
        share: of a common feature (a `Common` mark of the table `MARKS`), how many of the training
            examples have it, in [0, 1]. None have it in the control, 0, which is always in it.
        prevention: methods against a spurious feature, names of `PREVENTIONS` with their settings, e.g.
            ``afr gamma=4``; from the command line and from Python also ``package.module:callable``. The networks as
            they are (``erm``) always come with them.
        clean: the share of the training examples that methods may use clean, in (0, 1): in a version without the
            feature; where none is planted, these are held out from training.
        recipe: how to train; in a file, a named recipe and the settings that differ from it, each a value or a list.
        more: the axes of `spurlab.studies.axes.OF_TRAINING`, which stand beside the others in files and in JSON.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    dataset: Axis[str]
    architecture: Axis[str]
    pattern: tuple[str, ...] = ()
    target: Axis[Count] = (0,)
    n: Axis[Count] = (0,)
    seed: Axis[Count] = (0,)
    how: Axis[How] = ("replace",)
    deletion: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()
    known: Annotated[Axis[Share], BeforeValidator(_as_floats)] = (1.0,)
    share: Annotated[tuple[FromNone, ...], BeforeValidator(_as_floats)] = ()
    prevention: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()
    clean: Annotated[Axis[PartOf], BeforeValidator(_as_floats)] = (0.25,)
    recipe: Annotated[tuple[Recipe, ...], BeforeValidator(recipes_of), Field(min_length=1)] = (RECIPES["quick"],)
    more: dict[str, tuple[Any, ...]] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _further_axes(cls, settings: Any, info: Any) -> Any:
        if not isinstance(settings, Mapping) or not any(name in settings for name in OF_TRAINING):
            return settings
        more: dict[str, tuple[Any, ...]] = {}
        for name in OF_TRAINING.keys() & settings.keys():
            try:
                values = settings[name] if isinstance(settings[name], list | tuple) else [settings[name]]
                more[name] = TypeAdapter(
                    tuple[OF_TRAINING[name].hint, ...]  # type: ignore[misc, arg-type]  # which only the table knows
                ).validate_python(tuple(values), strict=True)
            except ValidationError as error:
                raise ValueError(sentence_of(error, f"{name}.")) from error
        return {key: value for key, value in settings.items() if key not in more} | {"more": more}

    @model_serializer(mode="wrap")
    def _beside_the_others(self, plain: Callable[["Grid"], dict[str, Any]]) -> dict[str, Any]:
        about = plain(self)
        more: dict[str, Any] = about.pop("more")
        return about | more

    @classmethod
    def axes(cls) -> list[str]:
        """The names of all axes."""
        return [*(name for name in cls.model_fields if name != "more"), *OF_TRAINING]

    def axis(self, name: str) -> tuple[Any, ...]:
        """The values on one axis."""
        if name in OF_TRAINING:
            return self.more.get(name, (OF_TRAINING[name].off,))
        values: tuple[Any, ...] = getattr(self, name)
        return values

    @field_validator("dataset")
    @classmethod
    def _known_datasets(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_dataset_named(name) for name in names)

    @field_validator("architecture")
    @classmethod
    def _known_architectures(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(architecture_named(name) for name in names)

    @field_validator("pattern", mode="before")
    @classmethod
    def _known_patterns(cls, names: Any) -> Any:
        several = names if isinstance(names, list | tuple) else (names,)
        return tuple(pattern_name(name) if isinstance(name, str) else name for name in several)

    @field_validator("n")
    @classmethod
    def _with_control(cls, counts: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted({0, *counts}))

    @field_validator("share")
    @classmethod
    def _with_none(cls, shares: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(sorted({0.0, *shares})) if shares else ()

    @field_validator("prevention")
    @classmethod
    def _known_preventions(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if is_user_name(name):
                check_user_name(name.strip(), "prevention method")
        return tuple(canonical_name(name) for name in names)

    @field_validator("deletion")
    @classmethod
    def _known_deletions(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if is_user_name(name):
                check_user_name(name.strip(), "deletion method")
        return tuple(name if name in REFERENCES else DELETIONS.canonical(name) for name in names)

    @field_validator(
        "dataset", "architecture", "pattern", "target", "seed", "how", "deletion", "known", "prevention", "clean"
    )
    @classmethod
    def _no_value_twice(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(set(values)) < len(values):
            raise ValueError(f"a value stands twice on this axis: {list(values)}")
        return values

    @model_validator(mode="after")
    def _common_features_have_a_share(self) -> "Grid":
        features = ", ".join(mark_names(Common))
        common = [name for name in self.pattern if name in mark_names(Common)]
        if common and (len(common) < len(self.pattern) or max(self.n) > 0 or self.deletion):
            raise ValueError(
                f"key 'pattern': {common[0]!r} is a common feature, of which the training examples have a share. Put "
                "rare patterns, n and deletion in another grid."
            )
        if common and not self.share:
            raise ValueError(f"key 'share': how many of the training examples have {common[0]!r}? E.g. share = 0.9.")
        if self.share and not common:
            raise ValueError(f"key 'share': it belongs to a common feature ({features}), but none is named.")
        if self.prevention and (max(self.n) > 0 or (self.pattern and not common)):
            raise ValueError(
                f"key 'prevention': it is about features that many examples have. Name one ({features}) or no pattern, "
                "where the data have groups of their own."
            )
        return self

    @model_validator(mode="after")
    def _marks_need_a_pattern(self) -> "Grid":
        if not self.pattern and max(self.n) > 0:
            raise ValueError(f"key 'pattern': n = {max(self.n)} examples are to be marked, but no pattern is named.")
        if self.deletion and max(self.n) == 0:
            raise ValueError(
                "key 'deletion': there is nothing to delete, since no example is marked. Give an n above 0."
            )
        return self

    @property
    def cells_at_most(self) -> int:
        """How many points it has, without looking at each; those that are one and the same counted apart."""
        axes = [self.axis(name) for name in type(self).axes() if name not in METHOD_AXES]
        deletions = (len(self.deletion) + len(REFERENCES)) * len(self.known) if self.deletion else 1
        preventions = (len(self.prevention) + 1) * len(self.clean) if self.prevention else 1
        return math.prod(max(1, len(axis)) for axis in axes) * deletions * preventions


def _written_out(measures: Any) -> Any:
    """The measures, with all that ``sensitivity`` and ``group_accuracy`` stand for in their place."""
    named = [measures] if isinstance(measures, str) else measures
    if not isinstance(named, list | tuple):
        return measures
    several: Mapping[Any, Iterable[str]] = {"sensitivity": SENSITIVITY, "group_accuracy": GROUPS}
    return [each for name in named for each in (several[name] if name in list(several) else [name])]


class Study(BaseModel):
    """What to train and measure, and what it is asked for.

    Args:
        name: the file's name without its ending.
        profile: the profile that was chosen, or None.
        title: the question, in one line.
        source: what it reproduces.
        figure: the views of its rows, one or several, the first the main one; `spurlab.report.check` knows them.
        claims: the numbers of the claims that its rows bear on; `spurlab.claims.check` knows them.
        measure: what is measured, names of `MEASURES`; ``sensitivity`` and ``group_accuracy`` stand for all of
            `SENSITIVITY` and `GROUPS`.
        weights: whether the trained weights are kept as files.
        grids: the points to measure are the union of these.
        origin: where it was read, for messages; not kept with the results.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str
    profile: str | None = None
    title: str
    source: str = ""
    figure: Axis[str] = ("scores",)
    claims: Annotated[
        tuple[int, ...], BeforeValidator(lambda v: tuple(v) if isinstance(v, list | tuple) else (v,))
    ] = ()
    measure: Annotated[Axis[str], BeforeValidator(_written_out)] = ("spurious_score", "accuracy")
    weights: bool = False
    grids: Annotated[tuple[Grid, ...], Field(min_length=1)]
    origin: str = Field(default="", exclude=True)

    @model_validator(mode="after")
    def _not_too_many_rows(self) -> "Study":
        rows = len(self.measure) * sum(grid.cells_at_most for grid in self.grids)
        if rows > MOST_ROWS:
            raise ValueError(
                f"its axes make {rows:,} rows (cells times measures), but {MOST_ROWS:,} are the most of one study. "
                "Make several studies of it, with shorter axes each; they can share a results folder (--out)."
            )
        return self

    @model_validator(mode="after")
    def _by_whom(self, info: Any) -> "Study":
        self.__dict__["typed"] = info.mode == "python"
        return self

    @cached_property
    def typed(self) -> bool:
        """Whether code that it names may be run: somebody typed it. Not where it was read as JSON, from a folder."""
        return False

    @property
    def users(self) -> tuple[str, ...]:
        """The networks and methods of the user's own that it names, ``package.module:callable``."""
        names = (name for grid in self.grids for name in (*grid.architecture, *grid.deletion, *grid.prevention))
        return tuple(dict.fromkeys(name for name in names if is_user_name(name)))

    @property
    def where(self) -> str:
        """How messages name it: the file, or the study that comes with the package."""
        return self.origin or f"study {self.name!r}"

    @property
    def main_figure(self) -> str:
        """The first figure, which decides on tables and answers."""
        return self.figure[0]

    @field_serializer("figure")
    def _one_without_a_list(self, names: tuple[str, ...]) -> str | tuple[str, ...]:
        return names[0] if len(names) == 1 else names  # as folders had it before there could be several

    @field_validator("figure")
    @classmethod
    def _no_figure_twice(cls, names: tuple[str, ...], info: Any) -> tuple[str, ...]:
        if len(set(names)) < len(names):
            raise ValueError(f"a figure stands twice in this list: {list(names)}")
        for name in names:  # files are named after it
            if info.mode == "json" and not re.fullmatch(r"[a-z][a-z0-9-]{0,40}", name):
                raise ValueError(f"key 'figure': {name!r} is the name of no figure.")
        return names

    @field_validator("name")
    @classmethod
    def _names_files(cls, name: str, info: Any) -> str:
        return checked_name(name) if info.mode == "json" else name

    @field_validator("measure")
    @classmethod
    def _known_measures(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) < len(names):
            raise ValueError(f"a value stands twice on this axis: {list(names)}")
        for name in names:
            if name not in MEASURES:
                raise ValueError(f"there is no measure {name!r}. {did_you_mean(name, list(MEASURES))}")
        return names

    @model_validator(mode="after")
    def _patterns_where_they_are_measured(self) -> "Study":
        for name in self.measure:
            if MEASURES[name].by_pattern and not all(grid.pattern and not grid.share for grid in self.grids):
                raise ValueError(f"key 'pattern': the measure {name!r} needs a rare pattern, but none is named.")
        return self

    @model_validator(mode="after")
    def _measures_of_deletion(self) -> "Study":
        for name in self.measure:
            if any(grid.deletion for grid in self.grids) and name not in EFFECTS:
                raise ValueError(
                    f"key 'measure': {name!r} is not measured after deletion. {did_you_mean(name, EFFECTS)}"
                )
            if MEASURES[name].of == "deletion" and not all(grid.deletion for grid in self.grids):
                raise ValueError(f"key 'deletion': the measure {name!r} is about deletion, but no method is named.")
        return self

    @property
    def dataset(self) -> tuple[str, ...]:
        """The data sets of all grids."""
        return tuple(dict.fromkeys(name for grid in self.grids for name in grid.dataset))

    @property
    def architecture(self) -> tuple[str, ...]:
        """The architectures of all grids."""
        return tuple(dict.fromkeys(name for grid in self.grids for name in grid.architecture))

    @property
    def pattern(self) -> tuple[str, ...]:
        """The patterns of all grids."""
        return tuple(dict.fromkeys(name for grid in self.grids for name in grid.pattern))

    @property
    def target(self) -> tuple[int, ...]:
        """The target classes of all grids."""
        return tuple(dict.fromkeys(target for grid in self.grids for target in grid.target))

    @property
    def n(self) -> tuple[int, ...]:
        """The counts of all grids, rising."""
        return tuple(sorted({n for grid in self.grids for n in grid.n}))

    @property
    def keeps_weights(self) -> bool:
        """Whether trained weights are kept: as asked for, or because something is done to the networks."""
        return self.weights or any(grid.deletion or grid.prevention for grid in self.grids)

    @property
    def treatments(self) -> str:
        """What is done to its networks after training: ``deletions``, ``preventions``, both or "" for nothing."""
        kinds = {"deletions": any(grid.deletion for grid in self.grids)}
        kinds["preventions"] = any(grid.prevention for grid in self.grids)
        return " and ".join(kind for kind, there in kinds.items() if there)

    @property
    def seed(self) -> tuple[int, ...]:
        """The seeds of all grids."""
        return tuple(dict.fromkeys(seed for grid in self.grids for seed in grid.seed))

    def only(self, key: str, values: Sequence[Any]) -> "Study":
        """The part of the study where an axis has one of these values; the control stays.

        Args:
            key: an axis, e.g. ``pattern``, or a setting of the recipe, e.g. ``recipe.optimizer``.
            values: those to keep.

        Raises:
            StudyError: no such axis, or a value that is not on it.
        """
        axes = [name for name in Grid.axes() if name != "recipe"] + [f"recipe.{each.name}" for each in fields(Recipe)]
        if key not in axes:
            raise StudyError(f"--only {key}: there is no such axis. {did_you_mean(key, axes)}")
        setting = key.removeprefix("recipe.")
        meant: dict[str, Callable[[str], str]] = {
            "pattern": pattern_name,
            "prevention": canonical_name,
            "deletion": lambda name: name if name in REFERENCES else DELETIONS.canonical(name),
            "dataset": _dataset_named,
            "architecture": architecture_named,
        }
        if key in meant:
            values = [meant[key](value) if isinstance(value, str) else value for value in values]
        values = [None if value == "none" and setting.startswith("clip_") else value for value in values]

        def there(grid: Grid) -> tuple[Any, ...]:
            return tuple(getattr(r, setting) for r in grid.recipe) if key != setting else grid.axis(key)

        has = list(dict.fromkeys(value for grid in self.grids for value in there(grid)))
        if absent := [value for value in values if value not in has]:
            raise StudyError(f"--only {key}={absent[0]}: this study has {', '.join(map(str, has)) or 'nothing'} there.")
        grids = []
        for grid in self.grids:
            if key != setting:
                kept: tuple[Any, ...] = tuple(r for r in grid.recipe if getattr(r, setting) in values)
                change: dict[str, Any] = {"recipe": kept}
            else:
                kept = tuple(value for value in there(grid) if value in values)
                change = {key: tuple(sorted({0, *kept})) if key in ("n", "share") else kept}
                if key in OF_TRAINING:
                    change = {"more": grid.more | change}
            if kept:
                grids.append(grid.model_copy(update=change))
        return self.model_copy(update={"grids": tuple(grids)})


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


def _dataset_named(name: str) -> str:
    try:
        meant = parse_reference_dataset(name)
    except ValueError:
        return dataset_named(name)
    if meant.pattern is None:
        return meant.dataset
    if isinstance(meant.target, tuple):
        first, second = meant.target
        raise ValueError(
            f"{name!r} is a planted set of the paper's code: {meant.count} marked examples in each of two classes. A "
            f"grid plants in one class at a time: dataset = {meant.dataset!r}, pattern = {meant.pattern!r}, "
            f"n = {meant.count}, target = [{first}, {second}], seed = {meant.seed}. For both at once, call "
            f"plant(train, pattern, [{first}, {second}], {meant.count}, {meant.seed}) in Python."
        )
    raise ValueError(
        f"{name!r} is a planted set of the paper's code. Here the grid does the planting: dataset = "
        f"{meant.dataset!r}, pattern = {meant.pattern!r}, n = {meant.count}, target = {meant.target}, "
        f"seed = {meant.seed}."
    )


MUST_BE = {
    "too_short": "must not be empty",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "string_type": "must be text",
    "tuple_type": "must be a list",
}


def sentence_of(error: ValidationError, table: str = "") -> str:
    """The first thing that pydantic found, in our words."""
    first = error.errors()[0]
    place = table + ".".join(str(part) for part in first["loc"] if not isinstance(part, int))
    place = place.removeprefix("grids.").removesuffix(".")
    if first["type"] == "extra_forbidden":
        return f"unknown key {place!r}. {did_you_mean(place, Grid.axes())}"
    if first["type"] == "missing":
        return f"the key {place!r} is missing."
    message = MUST_BE.get(
        first["type"], first["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    )
    found = "" if first["type"] == "value_error" else f", but it is {first['input']!r}"
    sentence = (
        f"key {place!r}: {message}{found}" if place and not message.startswith(("key ", "unknown key")) else message
    )
    sentence = sentence if sentence.endswith((".", "?")) else f"{sentence}."
    if first["type"] == "literal_error":
        known = first["ctx"]["expected"].replace("'", "").replace(" or ", ", ").split(", ")
        near = did_you_mean(str(first["input"]), known)
        sentence += f" {near}" if near.startswith("Did") else ""  # all of them stand there already
    return sentence
