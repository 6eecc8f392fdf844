"""Reading a study: a shipped one or a TOML file, a profile of it, and what the command line changes or leaves out."""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from spurlab.data.files import given_path
from spurlab.errors import InputError, did_you_mean
from spurlab.models import is_user_name
from spurlab.patterns import settings_of
from spurlab.studies.axes import axis_named, axis_names
from spurlab.studies.axis import listed
from spurlab.studies.errors import StudyError, sentence_of
from spurlab.studies.study import Study, checked_name

LARGEST_FILE, DEEPEST = 2**20, 12  # bytes; tables and lists in each other
_PART = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')"""
_LONG_KEY = re.compile(
    rf"(?<![\w-]){_PART}(?:[ \t]*+\.[ \t]*+{_PART}){{32}}", re.ASCII
)  # tomllib takes the square of it


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
            ``n=[0, 10]``, ``dataset=mnist``. Other epochs come with the named recipe's milestones, at the same
            fractions.

    An architecture or a method of deletion or prevention of the user's own, ``package.module:callable``, is taken from
    `changes` alone: nothing is executed that a file names.

    Raises:
        StudyError: no such study or profile, broken TOML, a network of the user's own in the file, or a key or value
            that a study cannot have; the sentence names the file, the key and the nearest valid name.
    """
    where, text = _read(str(name))
    try:
        content = _toml(text)
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
        content = _merged(content, profiles[profile])
    for key, name_in_file in _named(content):
        if key in axis_names() and axis_named(key).code and is_user_name(name_in_file):
            raise StudyError(
                f"{where}: key {key!r}: {name_in_file!r} names code of your own, and nothing is executed that a "
                f"study file names. Leave it out there, and type it: --set {key}={name_in_file}"
            )
    folder = Path() if str(name) in shipped() else Path(name).parent
    try:
        content = _found_from(content, folder)
        about = {"name": checked_name(Path(name).stem), "profile": profile, "origin": where}
        return Study.model_validate(_in_grids(content, _together(changes)) | about)
    except ValidationError as error:
        raise StudyError(f"{where}: {sentence_of(error)}") from error
    except InputError as error:
        raise StudyError(f"{where}: {error}") from error


def narrowed(study: Study, only: Sequence[str]) -> Study:
    """The part of a study that the command line's ``--only`` asks for.

    Args:
        only: each ``axis=value`` or ``axis=[values]``, as in TOML.

    Raises:
        StudyError: no such axis or value.
    """
    for part in only:
        key, equals, _ = part.partition("=")
        if not equals:
            raise StudyError(f"--only takes axis=value, e.g. pattern=R3, but was given {part!r}.")
        value: Any = _parsed(part, "--only")
        for name in key.strip().split("."):
            value = value[name]
        study = study.only(key.strip(), value if isinstance(value, list) else [value])
    return study


def _in_grids(content: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """What a file says, as the fields of a `Study`.

    Each ``[[grid]]`` changes what stands outside of them, and the changes of the command line hold in every grid.
    """
    keys = [key for key in Study.model_fields if key not in ("name", "profile", "grids", "origin")]
    axes = axis_names()
    tables = changes.get("grid", content.get("grid", [{}]))
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise StudyError("key 'grid' must hold tables, each written [[grid]].")
    for key in (*content, *changes):
        if key not in (*keys, *axes, "grid"):
            raise StudyError(f"unknown key {key!r}. {did_you_mean(key, [*keys, *axes, 'grid', 'profiles'])}")
    outside, changed = ({key: value for key, value in table.items() if key in axes} for table in (content, changes))
    grids = tuple(_merged(_merged(outside, table), changed) for table in tables)
    return {key: value for key, value in (content | dict(changes)).items() if key in keys} | {"grids": grids}


def _found_from(table: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What a file says, with the pictures that it names in its folder; no other text says where it stands."""

    def found(mark: Any) -> Any:
        if not isinstance(mark, str | dict):
            return mark
        kind, file, settings = settings_of(mark)
        return mark if kind != "picture" else settings | {kind: str(folder / given_path(file))}

    changed = {}
    if "pattern" in table:
        changed["pattern"] = [found(mark) for mark in listed(table["pattern"])]
    if isinstance(table.get("grid"), list):
        changed["grid"] = [_found_from(grid, folder) if isinstance(grid, dict) else grid for grid in table["grid"]]
    return table | changed


def _named(content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every text in the file, with the key that it stands under, in whatever tables and lists."""
    left: list[tuple[str, Any]] = [*content.items()]
    while left:
        key, value = left.pop()
        if isinstance(value, str):
            yield key, value
        elif isinstance(value, dict):
            left += value.items()
        elif isinstance(value, list):
            left += [(key, item) for item in value]


def _read(name: str) -> tuple[str, str]:
    """Where the study was found, for error messages, and its text."""
    if name in shipped():
        return f"study {name!r}", files(__package__).joinpath("library", f"{name}.toml").read_text("utf-8")
    path = Path(name)
    try:
        if not path.exists():
            if path.suffix != ".toml":
                raise StudyError(
                    f"there is no study {name!r}. {did_you_mean(name, shipped())} A file of your own ends in .toml."
                )
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


def _toml(text: str) -> dict[str, Any]:
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


def _merged(content: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """`content` with the keys of `override`; tables are merged, all else is replaced.

    How long to train belongs together: a recipe of another name comes with its own epochs and milestones, and other
    epochs with the named recipe's milestones, at the same fractions. The table of a mark is one value.
    """
    merged = dict(content)
    for key, value in override.items():
        both_tables = key != "pattern" and isinstance(value, dict) and isinstance(merged.get(key), dict)
        if key == "recipe" and both_tables:
            length = {"epochs", "milestones"} if "name" in value else {"milestones"} if "epochs" in value else set()
            merged[key] = {name: setting for name, setting in merged[key].items() if name not in length} | value
        else:
            merged[key] = _merged(merged[key], value) if both_tables else value
    return merged


def _together(changes: Sequence[str]) -> dict[str, Any]:
    """All changes as one table, whatever their order."""
    table: dict[str, Any] = {}
    for change in changes:
        parsed = _parsed(change)
        for key, value in parsed.items():
            both_tables = isinstance(value, dict) and isinstance(table.get(key), dict)
            table[key] = table[key] | value if both_tables else value
    return table


def _parsed(change: str, option: str = "--set") -> dict[str, Any]:
    """``a.b=value`` as nested tables; a value that is no TOML is a string."""
    key, equals, value = change.partition("=")
    parts = key.strip().split(".")
    if not equals or len(parts) > DEEPEST or not all(part.isidentifier() for part in parts):
        raise StudyError(f"{option} takes key=value, e.g. recipe.epochs=3, but was given {change!r}.")
    try:
        table: Any = _toml(f"value = {value}")["value"]
    except ValueError as error:
        if value.strip().startswith(("[", "{", '"', "'")):
            raise StudyError(
                f"{option} {change}: {value!r} is not valid TOML ({error}). Text in a list needs quotes."
            ) from error
        table = value.strip()
    for part in reversed(parts):
        table = {part: table}
    return dict(table)
