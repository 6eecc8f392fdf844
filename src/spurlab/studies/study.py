"""A study is data, not a script: one TOML file that says what to train and measure; a list is an axis of the grid."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from difflib import get_close_matches
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from spurlab.data import DATASETS
from spurlab.models import architecture_named
from spurlab.patterns import How, parse_reference_dataset, pattern_name
from spurlab.studies.claims import CLAIMS
from spurlab.studies.measures import MEASURES
from spurlab.training import RECIPES, Recipe

T = TypeVar("T")
Axis = Annotated[
    tuple[T, ...], BeforeValidator(lambda v: tuple(v) if isinstance(v, list | tuple) else (v,)), Field(min_length=1)
]
Count = Annotated[int, Field(ge=0)]
FigureName = Literal["gallery", "parameters", "scores", "accuracy", "norm", "importance", "bars", "regularization"]


class StudyError(ValueError):
    """A study that cannot be run as it is written."""


def recipes_of(settings: Any) -> Any:
    """The recipes that a ``[recipe]`` table means: a named one, and settings that differ from it; a list is an axis.

    Where it gives other epochs and no milestones, these stay at the same fractions. ``"none"`` is no clipping. What is
    no table is given back as it is.

    Raises:
        StudyError: an unknown key or name, or a value that the setting cannot have.
    """
    if isinstance(settings, list):  # from JSON
        return tuple(recipe_from_json(each) for each in settings)
    if not isinstance(settings, Mapping):
        return settings
    keys = ["recipe.name", *(f"recipe.{each.name}" for each in fields(Recipe))]
    axes: dict[str, Sequence[Any]] = {}
    for key, value in settings.items():
        if f"recipe.{key}" not in keys:
            raise StudyError(f"unknown key 'recipe.{key}'. {_nearest(f'recipe.{key}', keys)}")
        is_axis = isinstance(value, list) and (key != "milestones" or any(isinstance(each, list) for each in value))
        axes[key] = value if is_axis else [value]
        if not axes[key]:
            raise StudyError(f"key 'recipe.{key}' is an empty list.")
    return tuple(dict.fromkeys(_recipe(dict(zip(axes, point, strict=True))) for point in product(*axes.values())))


def recipe_from_json(about: Mapping[str, Any]) -> Recipe:
    """What `dataclasses.asdict` gave, after JSON.

    Raises:
        StudyError: settings that this version does not know.
    """
    try:
        return Recipe(**{**about, "milestones": tuple(about["milestones"])})
    except (TypeError, KeyError) as error:
        raise StudyError(f"a recipe of another version of Spurlab: {error}.") from error


def _recipe(settings: dict[str, Any]) -> Recipe:
    name = settings.pop("name", "quick")
    if name not in RECIPES:
        raise StudyError(f"key 'recipe.name': there is no recipe {name!r}. {_nearest(str(name), list(RECIPES))}")
    for key, value in settings.items():
        if isinstance(value, bool):  # which Python would take for a number
            raise StudyError(f"key 'recipe.{key}' cannot be {value}.")
        if key.startswith("clip_") and value == "none":
            settings[key] = None
    try:
        recipe = TypeAdapter(Recipe).validate_python(asdict(RECIPES[name]) | settings)
    except ValidationError as error:
        raise StudyError(_sentence(error, "recipe.")) from error
    if "epochs" in settings and "milestones" not in settings:
        recipe = RECIPES[name].but(**settings | {"epochs": RECIPES[name].epochs}).lasting(recipe.epochs)
    if late := [milestone for milestone in recipe.milestones if milestone >= recipe.epochs > 0]:
        raise StudyError(f"key 'recipe.milestones': {late} are never reached in {recipe.epochs} epochs.")
    return recipe


class Grid(BaseModel):
    """One grid of a study: every combination of its axes. The control, n = 0, is always in it.

    Args:
        dataset: a name of the data room.
        architecture: a name of the zoo.
        pattern: S1 ... Co; none in a study of networks alone.
        target: the class or classes in which the pattern is planted.
        n: how many training examples are marked.
        seed: fixes a network's start and order of examples, the choice of marked examples, and random patterns.
        how: whether marked examples replace their originals or are added to them.
        recipe: how to train; in a file, a named recipe and the settings that differ from it, each a value or a list.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    dataset: Axis[str]
    architecture: Axis[str]
    pattern: tuple[str, ...] = ()
    target: Axis[Count] = (0,)
    n: Axis[Count] = (0,)
    seed: Axis[Count] = (0,)
    how: Axis[How] = ("replace",)
    recipe: Annotated[tuple[Recipe, ...], BeforeValidator(recipes_of)] = (RECIPES["quick"],)

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

    @field_validator("dataset", "architecture", "pattern", "target", "seed", "how")
    @classmethod
    def _no_value_twice(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(set(values)) < len(values):
            raise ValueError(f"a value stands twice on this axis: {list(values)}")
        return values

    @model_validator(mode="after")
    def _marks_need_a_pattern(self) -> "Grid":
        if not self.pattern and max(self.n) > 0:
            raise ValueError(f"key 'pattern': n = {max(self.n)} examples are to be marked, but no pattern is named.")
        return self


class Study(BaseModel):
    """What to train and measure, and what it is asked for.

    Args:
        name: the file's name without its ending.
        profile: the profile that was chosen, or None.
        title: the question, in one line.
        source: what it reproduces.
        figure: how its rows are drawn.
        claims: the numbers of the claims that its rows bear on.
        measure: what is measured, names of `MEASURES`.
        weights: whether the trained weights are kept as files.
        grids: the points to measure are the union of these.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str
    profile: str | None = None
    title: str
    source: str = ""
    figure: FigureName = "scores"
    claims: tuple[int, ...] = ()
    measure: Axis[str] = ("spurious_score", "accuracy")
    weights: bool = False
    grids: Annotated[tuple[Grid, ...], Field(min_length=1)]

    @field_validator("claims", mode="before")
    @classmethod
    def _claims_from_a_list(cls, numbers: Any) -> Any:
        return tuple(numbers) if isinstance(numbers, list) else numbers

    @field_validator("claims")
    @classmethod
    def _known_claims(cls, numbers: tuple[int, ...]) -> tuple[int, ...]:
        if unknown := [number for number in numbers if number not in CLAIMS]:
            raise ValueError(f"there is no claim {unknown[0]}. There are: {', '.join(map(str, CLAIMS))}.")
        return numbers

    @field_validator("measure")
    @classmethod
    def _known_measures(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in MEASURES:
                raise ValueError(f"there is no measure {name!r}. {_nearest(name, list(MEASURES))}")
        return names

    @model_validator(mode="after")
    def _patterns_where_they_are_measured(self) -> "Study":
        for name in self.measure:
            if MEASURES[name].by_pattern and not all(grid.pattern for grid in self.grids):
                raise ValueError(f"key 'pattern': the measure {name!r} needs a pattern, but none is named.")
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
        axes = [name for name in Grid.model_fields if name != "recipe"] + [
            f"recipe.{each.name}" for each in fields(Recipe)
        ]
        if key not in axes:
            raise StudyError(f"--only {key}: there is no such axis. {_nearest(key, axes)}")
        setting = key.removeprefix("recipe.")
        if key == "pattern":
            values = [pattern_name(value) if isinstance(value, str) else value for value in values]
        values = [None if value == "none" and setting.startswith("clip_") else value for value in values]

        def there(grid: Grid) -> tuple[Any, ...]:
            return tuple(getattr(r, setting) for r in grid.recipe) if key != setting else getattr(grid, key)

        has = list(dict.fromkeys(value for grid in self.grids for value in there(grid)))
        if absent := [value for value in values if value not in has]:
            raise StudyError(f"--only {key}={absent[0]}: this study has {', '.join(map(str, has))} there.")
        grids = []
        for grid in self.grids:
            if key != setting:
                kept: tuple[Any, ...] = tuple(r for r in grid.recipe if getattr(r, setting) in values)
                change = {"recipe": kept}
            else:
                kept = tuple(value for value in there(grid) if value in values)
                change = {key: tuple(sorted({0, *kept})) if key == "n" else kept}
            if kept:
                grids.append(grid.model_copy(update=change))
        return self.model_copy(update={"grids": tuple(grids)})


def _dataset_named(name: str) -> str:
    if name in DATASETS:
        return name
    try:
        meant = parse_reference_dataset(name)
    except ValueError:
        raise ValueError(f"there is no dataset {name!r}. {_nearest(name, list(DATASETS))}") from None
    if meant.pattern is None:
        return meant.dataset
    raise ValueError(
        f"{name!r} is a planted set of the paper's code. Here the grid does the planting: dataset = "
        f"{meant.dataset!r}, pattern = {meant.pattern!r}, n = {meant.count}, target = {meant.target}, "
        f"seed = {meant.seed}."
    )


def shipped() -> list[str]:
    """The names of the studies that come with the package."""
    return sorted(entry.name.removesuffix(".toml") for entry in files(__package__).joinpath("library").iterdir())


def load_study(name: str | Path, profile: str | None = None, changes: Sequence[str] = ()) -> Study:
    """Read a study: a shipped one by its name, or a TOML file.

    Args:
        name: e.g. ``quickstart``, or the path of a TOML file.
        profile: ``quick`` or ``paper``: the table ``[profiles.NAME]`` of the file overrides its settings. None:
            ``quick`` where the file has it.
        changes: settings to override, each ``key=value`` with a value as in TOML, e.g. ``recipe.epochs=3``,
            ``n=[0, 10]``, ``dataset=mnist``. With other epochs, the milestones stay at the same fractions.

    Raises:
        StudyError: no such study or profile, broken TOML, or a key or value that a study cannot have; the sentence
            names the file, the key and the nearest valid name.
    """
    where, text = _read(str(name))
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise StudyError(f"{where} is not valid TOML: {error}.") from error
    profiles = content.pop("profiles", {})
    if not isinstance(profiles, dict) or not all(isinstance(table, dict) for table in profiles.values()):
        raise StudyError(f"{where}: key 'profiles' must hold tables, [profiles.quick] and [profiles.paper].")
    if profile is None and "quick" in profiles:
        profile = "quick"
    if profile is not None:
        if profile not in profiles:
            has = ", ".join(profiles) if profiles else "none; leave out --profile"
            raise StudyError(f"{where} has no profile {profile!r} (it has {has}).")
        content = _merged(content, profiles[profile])
    try:
        about = {"name": Path(name).stem, "profile": profile}
        return Study.model_validate(_in_grids(_changed(content, changes)) | about)
    except ValidationError as error:
        raise StudyError(f"{where}: {_sentence(error)}") from error
    except StudyError as error:
        raise StudyError(f"{where}: {error}") from error


def narrowed(study: Study, only: Sequence[str]) -> Study:
    """The part of a study that the command line's ``--only`` asks for.

    Args:
        only: each ``axis=value`` or ``axis=[values]``, as in TOML.

    Raises:
        StudyError: no such axis or value.
    """
    for each in only:
        key, equals, _ = each.partition("=")
        if not equals:
            raise StudyError(f"--only takes axis=value, e.g. pattern=R3, but was given {each!r}.")
        value: Any = _parsed(each, "--only")
        for part in key.strip().split("."):
            value = value[part]
        study = study.only(key.strip(), value if isinstance(value, list) else [value])
    return study


def _in_grids(content: dict[str, Any]) -> dict[str, Any]:
    """What a file says, as the fields of a `Study`: each ``[[grid]]`` changes what stands outside of them."""
    own = [key for key in Study.model_fields if key not in ("name", "profile", "grids")]
    axes = list(Grid.model_fields)
    tables = content.pop("grid", [{}])
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise StudyError("key 'grid' must hold tables, each written [[grid]].")
    for key in content:
        if key not in (*own, *axes):
            raise StudyError(f"unknown key {key!r}. {_nearest(key, [*own, *axes, 'grid'])}")
    common = {key: value for key, value in content.items() if key in axes}
    return {key: value for key, value in content.items() if key in own} | {
        "grids": tuple(_merged(common, table) for table in tables)
    }


def _read(name: str) -> tuple[str, str]:
    """Where the study was found, for error messages, and its text."""
    if name in shipped():
        return f"study {name!r}", files(__package__).joinpath("library", f"{name}.toml").read_text()
    path = Path(name)
    if path.suffix != ".toml" and not path.exists():
        raise StudyError(f"there is no study {name!r}. {_nearest(name, shipped())} A file of your own ends in .toml.")
    try:
        return str(path), path.read_text()
    except FileNotFoundError:
        raise StudyError(f"there is no study file {path}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(f"the study file {path} cannot be read: {error}.") from error


def _merged(content: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """`content` with the keys of `override`; tables are merged, all else is replaced.

    A recipe of another name comes without the changes that were made to the first one.
    """
    merged = dict(content)
    for key, value in override.items():
        both_tables = isinstance(value, dict) and isinstance(merged.get(key), dict)
        other_recipe = key == "recipe" and both_tables and "name" in value
        merged[key] = _merged(merged[key], value) if both_tables and not other_recipe else value
    return merged


def _changed(content: dict[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    """`content` with the changes, which also hold in each grid.

    Where they give other epochs and no milestones, these stay at the same fractions.
    """
    table = dict[str, Any]()
    for change in changes:
        table = _merged(table, _parsed(change))
    grids = content.get("grid", [])
    changed = _merged(content, table)
    if isinstance(grids, list) and "grid" in content and "grid" not in table:
        changed["grid"] = [_without(grid, table) if isinstance(grid, dict) else grid for grid in grids]
    recipe = table.get("recipe")
    if isinstance(recipe, dict) and type(recipe.get("epochs")) is int and not {"milestones", "name"} & set(recipe):
        before = recipes_of(content.get("recipe", {}))[0]
        changed["recipe"]["milestones"] = list(before.lasting(max(recipe["epochs"], 0)).milestones)
    return changed


def _without(content: Mapping[str, Any], table: Mapping[str, Any]) -> dict[str, Any]:
    """`content` without the keys that stand in `table`."""
    kept = dict[str, Any]()
    for key, value in content.items():
        if key not in table:
            kept[key] = value
        elif isinstance(value, dict) and isinstance(table[key], dict):
            kept[key] = _without(value, table[key])
    return kept


def _parsed(change: str, option: str = "--set") -> dict[str, Any]:
    """``a.b=value`` as nested tables; a value that is no TOML is a string."""
    key, equals, value = change.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(part.isidentifier() for part in parts):
        raise StudyError(f"{option} takes key=value, e.g. recipe.epochs=3, but was given {change!r}.")
    try:
        table: Any = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError as error:
        if value.strip().startswith(("[", "{", '"', "'")):
            raise StudyError(
                f"{option} {change}: {value!r} is not valid TOML ({error}). Text in a list needs quotes."
            ) from error
        table = value.strip()
    for part in reversed(parts):
        table = {part: table}
    return dict(table)


def _sentence(error: ValidationError, table: str = "") -> str:
    """The first thing that pydantic found, in our words."""
    first = error.errors()[0]
    place = table + ".".join(str(part) for part in first["loc"] if not isinstance(part, int))
    place = place.removeprefix("grids.")
    if first["type"] == "extra_forbidden":
        return f"unknown key {place!r}. {_nearest(place, list(Grid.model_fields))}"
    if first["type"] == "missing":
        return f"the key {place!r} is missing."
    message = first["msg"].removeprefix("Value error, ")
    found = "" if first["type"] == "value_error" else f", but it is {first['input']!r}"
    sentence = (
        f"key {place!r}: {message}{found}" if place and not message.startswith(("key ", "unknown key")) else message
    )
    return sentence if sentence.endswith((".", "?")) else f"{sentence}."


def _nearest(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(known)}."
