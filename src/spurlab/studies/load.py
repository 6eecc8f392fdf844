"""Reading a study: a shipped one or a TOML file, a profile of it, and what the command line changes or leaves out."""

import tomllib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from spurlab.studies.study import Grid, Study, StudyError, nearest, recipes_of, sentence_of


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
        raise StudyError(f"{where}: {sentence_of(error)}") from error
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
            raise StudyError(f"unknown key {key!r}. {nearest(key, [*own, *axes, 'grid'])}")
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
        raise StudyError(f"there is no study {name!r}. {nearest(name, shipped())} A file of your own ends in .toml.")
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
