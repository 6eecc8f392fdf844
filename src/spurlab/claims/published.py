"""The numbers that the documents publish. They stand once, in `paper.toml`, each table with its source."""

import tomllib
from importlib.resources import files
from typing import Any

_TABLES = tomllib.loads(files(__package__).joinpath("paper.toml").read_text("utf-8"))


def published(table: str) -> dict[str, Any]:
    """The numbers of one table, by name.

    >>> list(published("correlation"))
    ['mnist', 'fashion-mnist', 'cifar10']
    """
    return {name: numbers for name, numbers in _TABLES[table].items() if name != "source"}


def short(number: float, digits: int = 2) -> str:
    """A share below 1 as the documents write it.

    >>> short(0.25)
    '.25'
    """
    return f"{number:.{digits}f}".removeprefix("0")
