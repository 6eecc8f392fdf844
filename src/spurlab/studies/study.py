"""A study is data, not a script: one TOML file that says what to train and measure; a list is an axis of the grid."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from spurlab.data import DATASETS
from spurlab.models import architecture_named
from spurlab.patterns import How, parse_reference_dataset, pattern_name
from spurlab.training import RECIPES, Recipe

T = TypeVar("T")
Axis = Annotated[
    tuple[T, ...], BeforeValidator(lambda v: tuple(v) if isinstance(v, list | tuple) else (v,)), Field(min_length=1)
]
Count = Annotated[int, Field(ge=0)]


class StudyError(ValueError):
    """A study that cannot be run as it is written."""


class RecipeSettings(BaseModel):
    """The ``[recipe]`` table: a named recipe, and the settings that differ from it.

    Where it gives other epochs and no milestones, these stay at the same fractions.
    """

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str = "quick"

    @property
    def recipe(self) -> Recipe:
        """The recipe that these settings mean.

        Raises:
            StudyError: an unknown key or name, or a value that the setting cannot have.
        """
        if self.name not in RECIPES:
            raise StudyError(
                f"key 'recipe.name': there is no recipe {self.name!r}. {_nearest(self.name, list(RECIPES))}"
            )
        changes = dict(self.model_extra or {})
        keys = ["recipe.name", *(f"recipe.{field.name}" for field in fields(Recipe))]
        for key, value in changes.items():
            if f"recipe.{key}" not in keys:
                raise StudyError(f"unknown key 'recipe.{key}'. {_nearest(f'recipe.{key}', keys)}")
            if isinstance(value, bool):  # which Python would take for a number
                raise StudyError(f"key 'recipe.{key}' cannot be {value}.")
        try:
            recipe = TypeAdapter(Recipe).validate_python(asdict(RECIPES[self.name]) | changes)
        except ValidationError as error:
            raise StudyError(_sentence(error, "recipe.")) from error
        if "epochs" in changes and "milestones" not in changes:
            recipe = RECIPES[self.name].but(**changes | {"epochs": RECIPES[self.name].epochs}).lasting(recipe.epochs)
        if late := [milestone for milestone in recipe.milestones if milestone >= recipe.epochs > 0]:
            raise StudyError(f"key 'recipe.milestones': {late} are never reached in {recipe.epochs} epochs.")
        return recipe


class Study(BaseModel):
    """What to train and measure: every combination of the axes, with one network for each seed.

    Args:
        title: the question, in one line.
        dataset: a name of the data room.
        architecture: a name of the zoo.
        pattern: one or more of S1 ... Co.
        target: the class or classes in which the pattern is planted.
        n: how many training examples are marked; 0, the control, is always in the grid.
        seed: fixes a network's start and order of examples, the choice of marked examples, and random patterns.
        how: whether marked examples replace their originals or are added to them.
        recipe: how to train.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    title: str
    dataset: str
    architecture: str
    pattern: Axis[str]
    target: Axis[Count]
    n: Axis[Count]
    seed: Axis[Count]
    how: How = "replace"
    recipe: RecipeSettings = RecipeSettings()

    @field_validator("dataset")
    @classmethod
    def _known_dataset(cls, name: str) -> str:
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

    @field_validator("architecture")
    @classmethod
    def _known_architecture(cls, name: str) -> str:
        return architecture_named(name)

    @field_validator("pattern")
    @classmethod
    def _known_patterns(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(pattern_name(name) for name in names)

    @field_validator("n")
    @classmethod
    def _with_control(cls, counts: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted({0, *counts}))

    @field_validator("pattern", "target", "seed")
    @classmethod
    def _no_value_twice(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(set(values)) < len(values):
            raise ValueError(f"a value stands twice on this axis: {list(values)}")
        return values


def shipped() -> list[str]:
    """The names of the studies that come with the package."""
    return sorted(entry.name.removesuffix(".toml") for entry in files(__package__).joinpath("library").iterdir())


def load_study(name: str | Path, profile: str | None = None, changes: Sequence[str] = ()) -> Study:
    """Read a study: a shipped one by its name, or a TOML file.

    Args:
        name: e.g. ``quickstart``, or the path of a TOML file.
        profile: ``quick`` or ``paper``: the table ``[profiles.NAME]`` of the file overrides its settings.
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
    if profile is not None:
        if not isinstance(profiles, dict) or profile not in profiles:
            has = ", ".join(profiles) if profiles else "none; leave out --profile"
            raise StudyError(f"{where} has no profile {profile!r} (it has {has}).")
        content = _merged(content, profiles[profile])
    try:
        content = _changed(content, changes)
        study = Study.model_validate(content)
        _ = study.recipe.recipe
    except ValidationError as error:
        raise StudyError(f"{where}: {_sentence(error)}") from error
    except StudyError as error:
        raise StudyError(f"{where}: {error}") from error
    return study


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
    """`content` with the keys of `override`; tables are merged, all else is replaced."""
    merged = dict(content)
    for key, value in override.items():
        both_tables = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merged(merged[key], value) if both_tables else value
    return merged


def _changed(content: dict[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    """`content` with the changes. Where they give other epochs and no milestones, these stay at the same fractions."""
    before, table = content, dict[str, Any]()
    for change in changes:
        table = _merged(table, _parsed(change))
    content = _merged(content, table)
    recipe = table.get("recipe")
    if isinstance(recipe, dict) and "name" in recipe:  # another recipe: what the file changed in its own does not count
        content["recipe"] = recipe
    elif isinstance(recipe, dict) and type(recipe.get("epochs")) is int and "milestones" not in recipe:
        scaled = RecipeSettings.model_validate(before.get("recipe", {})).recipe.lasting(max(recipe["epochs"], 0))
        content["recipe"]["milestones"] = list(scaled.milestones)
    return content


def _parsed(change: str) -> dict[str, Any]:
    """``a.b=value`` as nested tables; a value that is no TOML is a string."""
    key, equals, value = change.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(part.isidentifier() for part in parts):
        raise StudyError(f"--set takes key=value, e.g. recipe.epochs=3, but was given {change!r}.")
    try:
        table: Any = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError as error:
        if value.strip().startswith(("[", "{", '"', "'")):
            raise StudyError(
                f"--set {change}: {value!r} is not valid TOML ({error}). Text in a list needs quotes."
            ) from error
        table = value.strip()
    for part in reversed(parts):
        table = {part: table}
    return dict(table)


def _sentence(error: ValidationError, table: str = "") -> str:
    """The first thing that pydantic found, in our words."""
    first = error.errors()[0]
    place = table + ".".join(str(part) for part in first["loc"] if not isinstance(part, int))
    if first["type"] == "extra_forbidden":
        return f"unknown key {place!r}. {_nearest(place, list(Study.model_fields))}"
    if first["type"] == "missing":
        return f"the key {place!r} is missing."
    message = first["msg"].removeprefix("Value error, ")
    found = "" if first["type"] == "value_error" else f", but it is {first['input']!r}"
    sentence = f"key {place!r}: {message}{found}" if first["loc"] else message
    return sentence if sentence.endswith((".", "?")) else f"{sentence}."


def _nearest(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(known)}."
