"""What the benchmarks share: their options, their numbers and goals, and how these are shown and kept."""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from machine import in_words, machine

WIDTH = 130  # of tables that go to a file or a pipe


@dataclass(frozen=True)
class Row:
    """A number that was measured; two machines are compared by its name.

    Args:
        name: says all that makes the number, but not the machine.
        value: the median, where it was measured several times.
        unit: ``s`` and ``ms`` are better when they are fewer.
        samples: all that were measured, if several.
    """

    name: str
    value: float
    unit: str = "s"
    samples: Sequence[float] = ()


@dataclass(frozen=True)
class Goal:
    """A number beside the one we want. One that is not met is said, and nothing else happens."""

    name: str
    value: float
    low: float
    high: float
    goal: float
    at_most: bool = False

    @classmethod
    def of(cls, name: str, samples: Sequence[float], goal: float, at_most: bool = False) -> "Goal":
        """Their median, between the least and the most."""
        return cls(name, median(samples), min(samples), max(samples), goal, at_most)

    @property
    def met(self) -> bool:
        return self.value <= self.goal if self.at_most else self.value >= self.goal


def ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """One for each round: what was measured together is compared, since the speed of a virtual machine drifts."""
    return [a / b for a, b in zip(above, below, strict=True)]


def table_of(title: str, *columns: str, words: int = 1, caption: str | None = None) -> Table:
    """An empty table, whose first columns are words and whose others are numbers."""
    table = Table(title=title, caption=caption)
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i < words else "right", no_wrap=i >= words)
    return table


def goal_table(goals: Sequence[Goal], title: str = "Goals") -> Table:
    """What was measured, and whether it is what we want."""
    table = table_of(title, "what", "measured", "min - max", "goal", "met")
    for each in goals:
        spread = f"{each.low:.3g} - {each.high:.3g}" if each.low < each.high else ""
        sign = "<=" if each.at_most else ">="
        table.add_row(each.name, f"{each.value:.3g}", spread, f"{sign} {each.goal:g}", "yes" if each.met else "no")
    return table


def parser_of(doc: str | None, full: str) -> argparse.ArgumentParser:
    """With the options that all benchmarks have.

    Args:
        doc: of the script.
        full: what ``--full`` measures.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help=full)
    help_ = "write the numbers to FILE too; without FILE: to standard output, and nothing else"
    parser.add_argument("--json", nargs="?", const="-", metavar="FILE", help=help_)
    return parser


IN_A_ROW = "SPURLAB_BENCHMARKS_IN_A_ROW"  # set by all.py for the scripts that it runs


def say_if_busy(about: Mapping[str, Any]) -> None:
    """On standard error, where other work stands in the way."""
    if about["load"] > 0.5 * about["cores"]:
        say("The machine is busy: these numbers say little, least of all where threads wait for each other.")


class Report:
    """Says what the numbers were measured on, before and after.

    Args:
        to: as given to ``--json``.
        plan: how much is measured, for the file.
    """

    def __init__(self, to: str | None, **plan: Any) -> None:
        self.to, self.plan, self.machine = to, plan, machine()
        self.console = Console(width=None if sys.stdout.isatty() else WIDTH, quiet=to == "-")
        self.console.print(in_words(self.machine), highlight=False)
        if IN_A_ROW not in os.environ:  # where the load is of the benchmark before
            say_if_busy(self.machine)

    def show(self, *parts: Table | str) -> None:
        """On standard output, if it is not for programs."""
        for part in parts:
            self.console.print(part, highlight=False)

    def end(self, rows: Sequence[Row], goals: Sequence[Goal] = (), **more: Any) -> None:
        """Show the goals, and write all numbers where they are asked for."""
        if goals:
            self.show(goal_table(goals))
        if self.to is None:
            return
        found = {"machine": self.machine, "plan": self.plan, "rows": [asdict(row) for row in rows]}
        found |= {"goals": [asdict(goal) | {"met": goal.met} for goal in goals], **more}
        text = json.dumps(found, indent=1)
        if self.to == "-":
            print(text)
        else:
            Path(self.to).write_text(text + "\n")


def say(what: str) -> None:
    """Progress, to a person who waits."""
    print(what, file=sys.stderr, flush=True)
