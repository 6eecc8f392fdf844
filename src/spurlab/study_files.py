"""The text of a study: where it is, what it says, and whether its keys are known. Nothing heavy is imported here.

So a mistake in a file is told at once; `spurlab.studies.load_study` goes on from there.
"""

import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from spurlab import names
from spurlab.errors import InputError, did_you_mean, shortened

LARGEST_FILE, DEEPEST = 2**20, 12  # bytes; tables and lists in each other
_PART = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')"""
_LONG_KEY = re.compile(
    rf"(?<![\w-]){_PART}(?:[ \t]*+\.[ \t]*+{_PART}){{32}}", re.ASCII
)  # tomllib takes the square of it


class StudyError(InputError):
    """A study that cannot be run as it is written."""

    def __init__(self, message: str) -> None:
        super().__init__(shortened(message))


def check(name: str, profile: str | None, changes: Sequence[str]) -> None:
    """Whether a study can be read, and all its keys are known; arguments as of `spurlab.studies.load_study`.

    Raises:
        StudyError: no such study or profile, broken TOML, or an unknown key.
    """
    where, content, _ = content_of(name, profile)
    try:
        changed = together(changes)
        check_keys((*content, *changed), names.study_keys(), names.axes())
        for table in (content, changed):
            _check_recipe(table.get("recipe"))
            grids = table.get("grid")
            for grid in grids if isinstance(grids, list) else ():
                _check_recipe(grid.get("recipe") if isinstance(grid, dict) else None)
    except InputError as error:
        raise StudyError(f"{where}: {error}") from error


def _check_recipe(table: Any) -> None:
    known = [f"recipe.{key}" for key in names.recipe_keys()]
    for key in table if isinstance(table, dict) else ():
        if f"recipe.{key}" not in known:
            raise StudyError(f"unknown key 'recipe.{key}'. {did_you_mean(f'recipe.{key}', known)}")


def check_keys(given: Collection[str], keys: Sequence[str], axes: Sequence[str]) -> None:
    """Raises StudyError where one of these is no key of a study, and no axis."""
    for key in given:
        if key not in (*keys, *axes, "grid"):
            raise StudyError(f"unknown key {key!r}. {did_you_mean(key, [*keys, *axes, 'grid', 'profiles'])}")


def content_of(name: str, profile: str | None) -> tuple[str, dict[str, Any], str | None]:
    """Where a study was found, for messages; what it says, with a profile of it; and which that is.

    Raises:
        StudyError: no such study or profile, or broken TOML.
    """
    where, text = read(name)
    try:
        content = toml(text)
    except ValueError as error:
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
        content = merged(content, profiles[profile])
    return where, content, profile


def read(name: str) -> tuple[str, str]:
    """Where the study was found, for error messages, and its text."""
    if name in names.studies():
        return f"study {name!r}", (names.PACKAGE / "studies" / "library" / f"{name}.toml").read_text("utf-8")
    path = Path(name)
    try:
        if not path.exists():
            if path.suffix != ".toml":
                near = did_you_mean(name, names.studies())
                raise StudyError(f"there is no study {name!r}. {near} A file of your own ends in .toml.")
            raise StudyError(f"there is no study file {path}.")
        if not path.is_file():  # a pipe would be waited for
            raise StudyError(f"the study file {path} cannot be read: it is a folder, or no file at all.")
        with path.open("rb") as file:
            text = file.read(LARGEST_FILE + 1)
        if len(text) > LARGEST_FILE:
            raise StudyError(f"the study file {path} has more than the {LARGEST_FILE:,} bytes that a study can have.")
        return str(path), text.decode("utf-8").replace("\r\n", "\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise StudyError(f"the study file {path} cannot be read: {reason}.") from error


def toml(text: str) -> dict[str, Any]:
    """What TOML means.

    Raises:
        ValueError: it is none, or nothing that a study could be.
    """
    if long_key := _LONG_KEY.search(text):
        raise InputError(f"a key has too many parts ({long_key[0][:40]} ...)")
    try:
        content = tomllib.loads(text)
    except RecursionError:
        raise InputError("tables or lists are nested too deep") from None
    except tomllib.TOMLDecodeError:
        raise
    except ValueError as error:
        raise InputError("a number in it has thousands of digits") from error
    level: list[Any] = [content]
    for _ in range(DEEPEST):
        level = [inner for outer in level for inner in (outer.values() if isinstance(outer, dict) else outer)]
        level = [inner for inner in level if isinstance(inner, dict | list)]
    if level:
        raise InputError(f"tables or lists are nested too deep, more than {DEEPEST} in each other")
    return content


def merged(content: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """`content` with the keys of `override`; tables are merged, all else is replaced.

    How long to train belongs together: a recipe of another name comes with its own epochs and milestones, and other
    epochs with the named recipe's milestones, at the same fractions. The table of a mark is one value.
    """
    whole = dict(content)
    for key, value in override.items():
        both_tables = key != "pattern" and isinstance(value, dict) and isinstance(whole.get(key), dict)
        if key == "recipe" and both_tables:
            length = {"epochs", "milestones"} if "name" in value else {"milestones"} if "epochs" in value else set()
            whole[key] = {name: setting for name, setting in whole[key].items() if name not in length} | value
        else:
            whole[key] = merged(whole[key], value) if both_tables else value
    return whole


def together(changes: Sequence[str]) -> dict[str, Any]:
    """All changes as one table, whatever their order."""
    table: dict[str, Any] = {}
    for change in changes:
        for key, value in parsed(change).items():
            both_tables = isinstance(value, dict) and isinstance(table.get(key), dict)
            table[key] = table[key] | value if both_tables else value
    return table


def parsed(change: str, option: str = "--set") -> dict[str, Any]:
    """``a.b=value`` as nested tables; a value that is no TOML is a string."""
    key, equals, value = change.partition("=")
    parts = key.strip().split(".")
    if not equals or len(parts) > DEEPEST or not all(part.isidentifier() for part in parts):
        raise StudyError(f"{option} takes key=value, e.g. recipe.epochs=3, but was given {change!r}.")
    try:
        table: Any = toml(f"value = {value}")["value"]
    except ValueError as error:
        if value.strip().startswith(("[", "{", '"', "'")):
            raise StudyError(
                f"{option} {change}: {value!r} is not valid TOML ({error}). Text in a list needs quotes."
            ) from error
        table = value.strip()
    for part in reversed(parts):
        table = {part: table}
    return dict(table)
