"""The names of what there is, read from the source of the tables, since importing these takes seconds.

A test compares each with its table. What packages add to the tables is read in their metadata (`spurlab.plugins`).
"""

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from spurlab import plugins

PACKAGE = Path(__file__).parent
MADE = ("name", "profile", "grids", "origin")  # of a study, what is made from its file


class Where(NamedTuple):
    """Where a table is: its file, its name, and the kind of plug-ins that add to it; "": there are none."""

    file: str
    table: str
    plugins: str = ""


TABLES: Mapping[str, Where] = {
    "datasets": Where("data/catalogue.py", "DATASETS", "datasets"),
    "patterns": Where("patterns/table.py", "MARKS", "marks"),
    "models": Where("models/zoo.py", "ARCHITECTURES", "models"),
    "measures": Where("measures/__init__.py", "MEASURES", "measures"),
    "deletion": Where("deletion/table.py", "DELETIONS", "deletion"),
    "prevention": Where("prevention/table.py", "PREVENTIONS", "prevention"),
    "attacks": Where("privacy/attacks/table.py", "ATTACKS", "attacks"),
    "extractions": Where("privacy/extraction/table.py", "EXTRACTIONS"),
    "figures": Where("report/views/__init__.py", "VIEWS", "views"),
    "claims": Where("claims/__init__.py", "CLAIMS", "claims"),
    "executors": Where("studies/executors/__init__.py", "EXECUTORS", "executors"),
}


class Added(NamedTuple):
    """A name that an installed package has registered.

    Args:
        kind: of `TABLES`.
        name: the name.
        package: the distribution.
        version: its version.
        refused: why it cannot be used, as far as that is known without importing it; "" where it can.
    """

    kind: str
    name: str
    package: str
    version: str
    refused: str


def of_everything() -> dict[str, list[str]]:
    """By kind our own names, in the order of the tables.

    >>> of_everything()["executors"]
    ['local', 'ray']
    """
    return {"studies": studies()} | {kind: _own(kind) for kind in TABLES}


def added() -> list[Added]:
    """What installed packages add to the tables; none of them is imported."""
    found, registered = [], plugins.everything_registered()
    for kind, where in TABLES.items():
        for name, several in registered.get(where.plugins, {}).items():
            refused = plugins.refusal(where.plugins, name, _own(kind))
            found += [Added(kind, name, one.package, one.version, refused) for one in several]
    return found


def studies() -> list[str]:
    """The studies that come with the package."""
    return sorted(path.stem for path in (PACKAGE / "studies" / "library").glob("*.toml"))


def axes() -> list[str]:
    """The axes of a study."""
    calls = (part for part in ast.walk(_source("studies/axes.py")) if isinstance(part, ast.Call))
    return [str(ast.literal_eval(call.args[0])) for call in calls if _is_called(call, "Axis")]


def study_keys() -> list[str]:
    """What a study file can have besides axes and grids."""
    return [name for name in _fields("studies/study.py", "Study") if name not in MADE]


def recipe_keys() -> list[str]:
    """What the table of a recipe can have."""
    return ["name", *_fields("training/recipe.py", "Recipe")]


def _is_called(call: ast.Call, name: str) -> bool:
    return isinstance(call.func, ast.Name) and call.func.id == name


@cache
def _source(file: str) -> ast.Module:
    return ast.parse((PACKAGE / file).read_text("utf-8"))


def _own(kind: str) -> list[str]:
    """The names of one of the tables."""
    own = _keys(TABLES[kind].file, TABLES[kind].table)
    # an extraction is a measure of its own accord
    return own + ([f"extracted_{name.replace('-', '_')}" for name in _own("extractions")] if kind == "measures" else [])


def _keys(file: str, table: str) -> list[str]:
    """The keys of a dictionary that is written out, alone or within a call."""
    for part in _source(file).body:
        targets = getattr(part, "targets", [getattr(part, "target", None)])  # of an assignment, annotated or not
        if any(isinstance(target, ast.Name) and target.id == table for target in targets):
            written = next(inner for inner in ast.walk(part) if isinstance(inner, ast.Dict))
            return [str(ast.literal_eval(key)) for key in written.keys if key is not None]
    raise LookupError(f"there is no table {table} in {file}.")


def _fields(file: str, name: str) -> list[str]:
    """The annotated names of a class."""
    classes: Iterator[ast.ClassDef] = (part for part in _source(file).body if isinstance(part, ast.ClassDef))
    body = next(part for part in classes if part.name == name).body
    return [part.target.id for part in body if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name)]
