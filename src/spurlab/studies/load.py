"""Reading a study: a shipped one or a TOML file, a profile of it, and what the command line changes or leaves out."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from spurlab import names
from spurlab.data.files import given_path
from spurlab.errors import InputError
from spurlab.models import is_user_name
from spurlab.patterns import settings_of
from spurlab.studies.axes import axis_named, axis_names
from spurlab.studies.axis import listed
from spurlab.studies.errors import sentence_of
from spurlab.studies.study import Study, checked_name
from spurlab.study_files import StudyError, check_keys, content_of, merged, parsed, together


def load_study(name: str | Path, profile: str | None = None, changes: str | Sequence[str] = ()) -> Study:
    """Read a study: a shipped one by its name, or a TOML file.

    Args:
        name: e.g. ``quickstart``, or the path of a TOML file.
        profile: such as ``quick`` or ``paper``: the table ``[profiles.NAME]`` of the file overrides its settings. None:
            ``quick`` where the file has it.
        changes: a setting to override, or several, each ``key=value`` with a value as in TOML, e.g. ``n=[0, 10]``,
            ``recipe.epochs=3``, ``dataset=mnist``. Other epochs come with the named recipe's milestones, at the same
            fractions.

    An architecture or a method of deletion or prevention of the user's own, ``package.module:callable``, is taken from
    `changes` alone: nothing is executed that a file names.

    Raises:
        StudyError: no such study or profile, broken TOML, a network of the user's own in the file, or a key or value
            that a study cannot have; the sentence names the file, the key and the nearest valid name.

    >>> study = load_study("quickstart", changes=["n=[0, 10]", "recipe.epochs=3"])
    >>> study.title, study.axis("n")
    ('How many examples does it take?', (0, 10))
    """
    changes = [changes] if isinstance(changes, str) else changes
    where, content, profile = content_of(str(name), profile)
    for key, name_in_file in _named(content):
        if key in axis_names() and axis_named(key).code and is_user_name(name_in_file):
            raise StudyError(
                f"{where}: key {key!r}: {name_in_file!r} names code of your own, and nothing is executed that a "
                f"study file names. Leave it out there, and type it: --set {key}={name_in_file}"
            )
    folder = Path() if str(name) in names.studies() else Path(name).parent
    try:
        content = _found_from(content, folder)
        about = {"name": checked_name(Path(name).stem), "profile": profile, "origin": where}
        return Study.model_validate(_in_grids(content, together(changes)) | about)
    except ValidationError as error:
        raise StudyError(f"{where}: {sentence_of(error)}") from error
    except InputError as error:
        raise StudyError(f"{where}: {error}") from error


def narrowed(study: Study, only: str | Sequence[str]) -> Study:
    """The part of a study that the command line's ``--only`` asks for.

    Args:
        only: each ``axis=value`` or ``axis=[values]``, as in TOML.

    Raises:
        StudyError: no such axis or value.

    >>> narrowed(load_study("quickstart"), ["pattern=S3", "n=[0, 3]"]).axis("n")
    (0, 3)
    """
    for part in [only] if isinstance(only, str) else only:
        key, equals, _ = part.partition("=")
        if not equals:
            raise StudyError(f"--only takes axis=value, e.g. pattern=R3, but was given {part!r}.")
        value: Any = parsed(part, "--only")
        for name in key.strip().split("."):
            value = value[name]
        study = study.only(key.strip(), value if isinstance(value, list) else [value])
    return study


def _in_grids(content: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """What a file says, as the fields of a `Study`.

    Each ``[[grid]]`` changes what stands outside of them, and the changes of the command line hold in every grid.
    """
    keys = [key for key in Study.model_fields if key not in names.MADE]
    axes = axis_names()
    tables = changes.get("grid", content.get("grid", [{}]))
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise StudyError("key 'grid' must hold tables, each written [[grid]].")
    check_keys((*content, *changes), keys, axes)
    outside, changed = ({key: value for key, value in table.items() if key in axes} for table in (content, changes))
    grids = tuple(merged(merged(outside, table), changed) for table in tables)
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
