"""The ``[recipe]`` table of a study: a named recipe and the settings that differ from it, each a value or an axis."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import product
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from spurlab.errors import did_you_mean
from spurlab.studies.errors import sentence_of
from spurlab.study_files import StudyError
from spurlab.training import CHOICES, RECIPES, Recipe

MOST_RECIPES = 10_000
# of each setting; strict: no text is taken for a number, and no number for another kind
_TYPES = {name: TypeAdapter(hint) for name, hint in get_type_hints(Recipe).items()}


def recipes_of(settings: Any, recorded: bool) -> tuple[Recipe, ...]:
    """The recipes that a ``[recipe]`` table means: a named one, and settings that differ from it; a list is an axis.

    Where it gives other epochs and no milestones, these stay at the same fractions; one cycle has none. ``"none"`` is
    no clipping. Recipes of Python's are given back as they are; of JSON, as results folders have it, they are all
    settings of each, in a list.

    Args:
        settings: the table.
        recorded: whether it is of JSON.

    Raises:
        StudyError: an unknown key or name, a value that the setting cannot have, or too many recipes.
    """
    if recorded:
        return _recorded_recipes(settings)
    if isinstance(settings, list | tuple) and settings and all(isinstance(recipe, Recipe) for recipe in settings):
        return tuple(settings)
    if not isinstance(settings, Mapping):
        raise StudyError(f"key 'recipe' is a table, but it is {settings!r}. A named recipe is recipe.name = ...")
    keys = ["recipe.name", *(f"recipe.{name}" for name in _TYPES)]
    axes: dict[str, Sequence[Any]] = {}
    for key, value in settings.items():
        if f"recipe.{key}" not in keys:
            raise StudyError(f"unknown key 'recipe.{key}'. {did_you_mean(f'recipe.{key}', keys)}")
        is_axis = isinstance(value, list) and (key != "milestones" or any(isinstance(part, list) for part in value))
        axes[key] = value if is_axis else [value]
        if not axes[key]:
            raise StudyError(f"key 'recipe.{key}' is an empty list.")
    if (count := math.prod(map(len, axes.values()))) > MOST_RECIPES:
        raise StudyError(f"key 'recipe': these axes make {count:,} recipes, but {MOST_RECIPES:,} are the most.")
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
    if settings.get("schedule") == "one-cycle":
        settings.setdefault("milestones", [])
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
    if not isinstance(settings, list) or not all(
        isinstance(recipe, dict) and "milestones" in recipe for recipe in settings
    ):
        raise StudyError("key 'recipe': these are no recipes of this version of Spurlab.")
    if unknown := [key for recipe in settings for key in recipe if key not in _TYPES]:
        raise StudyError(f"key 'recipe.{unknown[0]}': it is of another version of Spurlab.")
    return tuple(Recipe(**_of_right_type(recipe)) for recipe in settings)


def _of_right_type(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a recipe.

    Raises:
        StudyError: a value of another type; the sentence names the key.
    """
    checked = {}
    for key, value in settings.items():
        try:
            checked[key] = _TYPES[key].validate_python(tuple(value) if isinstance(value, list) else value, strict=True)
        except ValidationError as error:
            raise StudyError(sentence_of(error, f"recipe.{key}.")) from error
    return checked


def columns_of(recipe: Recipe) -> dict[str, Any]:
    """A recipe as rows have it: its fields, with the milestones as text."""
    return asdict(recipe) | {"milestones": " ".join(map(str, recipe.milestones))}


def milestones_in_words(text: str) -> str:
    """Milestones of a row, for readers.

    >>> milestones_in_words("40 50 60"), milestones_in_words("6"), milestones_in_words("")
    ('milestones 40, 50 and 60', 'milestone 6', 'no milestones')
    """
    *before, last = text.split() or [""]
    if not last:
        return "no milestones"
    return f"milestones {', '.join(before)} and {last}" if before else f"milestone {last}"
