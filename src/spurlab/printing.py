"""Results on standard output: as a table, as JSON, as lines of what a thing is."""

import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from spurlab.terminal import printable, put, say, write

NOT_HERE = "not here: spurlab data get {}"


def show(lines: Sequence[dict[str, Any]], as_json: bool) -> None:
    """Lines with the same keys, as JSON or as a table."""
    if as_json:
        print_json(lines)
        return
    table = Table(box=box.SIMPLE_HEAD)
    for key, value in lines[0].items():
        table.add_column(key, justify="left" if isinstance(value, str) else "right", overflow="fold")
    for line in lines:
        table.add_row(*(printable(_cell(value, line)) for value in line.values()))
    print_table(table)


def aligned(cells: Sequence[Sequence[str]]) -> list[str]:
    """Lines of equal columns: the first and the last start on the left, those between them end on the right."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    sides = ["<", *">" * (len(widths) - 2), "<"]
    line = "  ".join(f"{{:{side}{width}}}" for side, width in zip(sides, widths, strict=True))
    return [line.format(*row).rstrip() for row in cells]


def console() -> Console:
    """Where tables go; wide where no terminal sets a width, so that nothing is folded in a file or a pipe."""
    width = None if sys.stdout.isatty() else 160
    return Console(highlight=False, markup=False, emoji=False, width=width)


def print_table(table: Table) -> None:
    """A table whose texts are `printable`."""
    wide = console()
    with wide.capture() as captured:
        wide.print(table)
    write(captured.get().removesuffix("\n"))


def print_json(value: Any) -> None:
    """JSON to stdout; a number that JSON does not have (NaN) becomes null."""

    def plain(part: Any) -> Any:
        if isinstance(part, float) and not math.isfinite(part):
            return None
        if isinstance(part, dict):
            return {key: plain(inner) for key, inner in part.items()}
        return [plain(inner) for inner in part] if isinstance(part, list | tuple) else part

    write(json.dumps(plain(value), indent=2))  # in ASCII: nothing in it steers a terminal


def print_facts(facts: Mapping[str, Any]) -> None:
    """A line for each fact."""
    for key, value in facts.items():
        if isinstance(value, dict):
            put(f"{key}:")
            for inner, fact in value.items():
                put(f"  {inner}  {fact}")
        elif value is None:
            put(f"{key}: {NOT_HERE.format(facts['name']) if key == 'location' else 'none'}")
        else:
            put(f"{key}: {', '.join(map(str, value)) if isinstance(value, list | tuple) else value}")


def say_written(paths: Sequence[Path], as_json: bool) -> None:
    """Which files were written, if any."""
    if paths:
        (say if as_json else put)(f"written: {' '.join(map(str, paths))}")


def _cell(value: Any, line: Mapping[str, Any]) -> str:
    match value:
        case None:
            return NOT_HERE.format(line["name"]) if "location" in line else "-"
        case float():
            return f"{value:.3f}"
        case int():
            return f"{value:,}"
        case list():
            return " x ".join(map(str, value))
    return str(value)
