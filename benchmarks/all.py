"""All benchmarks of this folder that have goals or ratios, one after the other, and what they found in one file.

Usage: python benchmarks/all.py [--full] [--out FILE] [NAME ...]
       python benchmarks/all.py --show A.json [--markdown]
       python benchmarks/all.py --compare A.json B.json [--markdown]

Each runs in a fresh process and shows its tables as it comes; one that fails is named at the end, the others go on, and
the exit status is 1. Numbers go to `out/bench/MACHINE.json`, or to `--out`: of each benchmark the last ones, so one can
be run again by its name. About five minutes on two idle cores; `--full`, more rounds and more ways, takes an hour.

`--show` prints the numbers of such a file, `--compare` those of two and their ratios: how many times as long A takes.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from machine import file_name, in_words, machine
from reporting import IN_A_ROW, WIDTH, say_if_busy, table_of

HERE = Path(__file__).parent
BENCHMARKS = ("training", "convolutions", "studies", "deletion", "signals", "search", "attacks", "audit")

console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)


def run_one(name: str, full: bool) -> dict[str, Any]:
    """Run a benchmark: how long it took, how it ended, and its report if it made one."""
    with tempfile.TemporaryDirectory(prefix="spurlab-bench-") as folder:
        path = Path(folder) / "report.json"
        command = [sys.executable, str(HERE / f"{name}.py"), *["--full"] * full, "--json", str(path)]
        start = time.perf_counter()
        status = subprocess.run(command, check=False, env=os.environ | {IN_A_ROW: "1"}).returncode
        ran = {"when": datetime.now(UTC).isoformat(timespec="seconds"), "full": full, "status": status}
        ran["seconds"] = round(time.perf_counter() - start, 1)
        return ran | (json.loads(path.read_text()) if path.exists() else {})


def run(names: Sequence[str], full: bool, path: Path) -> bool:
    """Run benchmarks, and keep in a file what each found as soon as it has; whether all went well."""
    kept = json.loads(path.read_text())["benchmarks"] if path.exists() else {}
    path.parent.mkdir(parents=True, exist_ok=True)
    about = {key: value for key, value in machine().items() if key != "load"}
    say_if_busy(machine())
    for i, name in enumerate(names):
        console.rule(f"{i + 1} of {len(names)}: {name}")
        kept[name] = run_one(name, full)
        console.print(f"{name}: {kept[name]['seconds']:.0f} s")
        path.write_text(json.dumps({"machine": about, "benchmarks": kept}, indent=1) + "\n")
    console.rule()
    console.print(summary({name: kept[name] for name in names}))
    console.print(f"written: {path}")
    return all(kept[name]["status"] == 0 for name in names)


def summary(ran: dict[str, dict[str, Any]]) -> Table:
    """A line for each benchmark."""
    total = sum(each["seconds"] for each in ran.values())
    table = table_of(f"All benchmarks, {total / 60:.1f} minutes", "benchmark", "seconds", "goals met")
    table.add_column("not met")
    for name, each in ran.items():
        goals = each.get("goals", [])
        missed = "; ".join(f"{goal['name']}: {goal['value']:.3g}" for goal in goals if not goal["met"])
        met = f"{sum(goal['met'] for goal in goals)} of {len(goals)}" if goals else ""
        failed = f"FAILED, exit status {each['status']}; its message stands above"
        table.add_row(name, f"{each['seconds']:.0f}", met, failed if each["status"] else missed)
    return table


Numbers = dict[tuple[str, str, str], float]  # by benchmark, name and unit; goals have no unit


def numbers(found: dict[str, Any]) -> Numbers:
    """All numbers of a file."""
    told = {}
    for name, each in found["benchmarks"].items():
        told |= {(name, row["name"], row["unit"]): row["value"] for row in each.get("rows", [])}
        told |= {(name, f"goal: {goal['name']}", ""): goal["value"] for goal in each.get("goals", [])}
    return told


def compare(*files: dict[str, Any]) -> tuple[list[tuple[str, ...]], list[str]]:
    """Rows of a table with what is in all files, and what to say beside it.

    Args:
        files: what `run` wrote, one or two.

    Returns:
        Benchmark, name, unit, a column for each file, and with two files A / B; a line for each thing to know.
    """
    all_numbers = [numbers(each) for each in files]
    shared = [key for key in all_numbers[0] if all(key in each for each in all_numbers)]
    table = []
    for key in shared:
        values = [each[key] for each in all_numbers]
        ratio = [f"{values[0] / values[1]:.2f}" if values[1] else ""] if len(values) == 2 else []
        table.append((*key, *(f"{value:.4g}" for value in values), *ratio))
    letters = "AB"[: len(files)]
    said = [
        f"{letter}: {in_words(each['machine'])}, {_dates(each)}" for letter, each in zip(letters, files, strict=True)
    ]
    for letter, each in zip(letters, all_numbers, strict=True):
        if alone := len(each) - len(shared):
            said.append(f"Left out, since only {letter} has them: {alone}.")
    if len(files) == 2:
        lengths = [{name: part["full"] for name, part in each["benchmarks"].items()} for each in files]
        differ = [name for name in lengths[0] if name in lengths[1] and lengths[0][name] != lengths[1][name]]
        if differ:
            said.append(f"One ran with --full and the other without: {', '.join(differ)}.")
        said.append("A / B: how many times as long A takes, where the unit is a time.")
    return table, said


def _dates(found: dict[str, Any]) -> str:
    """From the first day on which something was measured to the last."""
    days = sorted({part["when"][:10] for part in found["benchmarks"].values()})
    return " to ".join(dict.fromkeys([days[0], days[-1]])) if days else "nothing measured"


def show(paths: Sequence[Path], markdown: bool) -> None:
    """Print what is in one file, or in two."""
    found = [json.loads(path.read_text()) for path in paths]
    rows, said = compare(*found)
    values = ["A", "B", "A / B"] if len(found) == 2 else ["measured"]
    if markdown:
        lines = [["benchmark", "what", "unit", *values], ["---"] * 3 + ["---:"] * len(values), *rows]
        print("\n".join([*said, "", *(f"| {' | '.join(line)} |" for line in lines)]))
        return
    table = table_of("", "benchmark", "what", "unit", *values, words=3)
    table.title, table.box = None, box.SIMPLE_HEAD
    for before, row in zip([None, *rows], rows, strict=False):
        table.add_row("" if before and before[0] == row[0] else row[0], *row[1:])
    for line in said:
        console.print(line)
    console.print(table)


def main() -> int:
    """Run, show or compare; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; default: all")
    parser.add_argument("--full", action="store_true", help="more rounds and more ways; an hour")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: out/bench/MACHINE.json")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--show", type=Path, metavar="A.json", help="instead: the numbers of a file")
    instead.add_argument("--compare", type=Path, nargs=2, metavar=("A.json", "B.json"), help="instead: of two files")
    parser.add_argument("--markdown", action="store_true", help="print them as a table in Markdown")
    asked = parser.parse_args()
    if unknown := [name for name in asked.names if name not in BENCHMARKS]:
        parser.error(f"no benchmark is called {unknown[0]!r}; there are {', '.join(BENCHMARKS)}.")
    if paths := asked.compare or ([asked.show] if asked.show else []):
        if missing := [path for path in paths if not path.is_file()]:
            parser.error(f"there is no file {missing[0]}.")
        show(paths, asked.markdown)
        return 0
    try:
        well = run(asked.names or BENCHMARKS, asked.full, asked.out or Path("out/bench") / file_name(machine()))
    except KeyboardInterrupt:
        console.print("stopped; what had ended is kept.")
        return 130
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
