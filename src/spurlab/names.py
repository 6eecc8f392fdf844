"""The names of what there is, read from the source of the tables, since importing these takes seconds.

A test compares each with its table.
"""

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent
MADE = ("name", "profile", "grids", "origin")  # of a study, what is made from its file
# of each kind the file and the name of its table
TABLES: Mapping[str, tuple[str, str]] = {
    "datasets": ("data/catalogue.py", "DATASETS"),
    "patterns": ("patterns/table.py", "MARKS"),
    "models": ("models/zoo.py", "ARCHITECTURES"),
    "deletion": ("deletion/table.py", "DELETIONS"),
    "prevention": ("prevention/table.py", "PREVENTIONS"),
    "attacks": ("privacy/attacks/table.py", "ATTACKS"),
    "extractions": ("privacy/extraction/table.py", "EXTRACTIONS"),
    "executors": ("studies/executors/__init__.py", "EXECUTORS"),
}


def of_everything() -> dict[str, list[str]]:
    """By kind, in the order of the tables.

    >>> of_everything()["executors"]
    ['local', 'ray']
    """
    return {"studies": studies()} | {kind: _keys(*where) for kind, where in TABLES.items()}


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
