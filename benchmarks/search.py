"""How many networks a search of n* trains, beside the whole grid, at the same answer.

Usage: python benchmarks/search.py [--full] [--dataset fashion-mini] [--patterns R3,S3] [--seeds 7] [--out FOLDER]
           [--json [FILE]]

Both are trained in one folder, so the grid trains what the search has left; with `--out` what is there is not trained
again. Without `--full` one pattern and two epochs instead of ten, so n* is not that of other pages.
"""

import json
import tempfile
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

import spurlab
from reporting import Report, Row, parser_of, say, table_of
from spurlab.report.curves import Curve, curves
from spurlab.studies import StudyResult

EPOCHS = 2  # without `--full`; ten otherwise
GRID = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100)


@dataclass(frozen=True)
class Searched:
    """What one curve took.

    Args:
        search: networks that the search trained, controls among them.
        grid: networks of the whole grid.
        same: whether both say the same of n*.
    """

    pattern: str
    n_star: str
    of_grid: str
    search: int
    grid: int
    same: bool

    @property
    def ratio(self) -> float:
        """Of the networks of the grid, how many the search trained."""
        return self.search / self.grid


def measure(dataset: str, patterns: list[str], seeds: int, epochs: int | None, folder: Path) -> list[Searched]:
    """Of each pattern, what the search and what the whole grid took."""
    changes = [f"n={list(GRID)}", f"seed={list(range(seeds))}", f"dataset={dataset}", f"pattern={json.dumps(patterns)}"]
    changes += [] if epochs is None else [f"recipe.epochs={epochs}"]
    say("the search")
    found = spurlab.run("quickstart", folder, changes=[*changes, "search=n"])
    say("the whole grid")
    whole = spurlab.run("quickstart", folder, changes=changes)
    pairs = zip(curves(found.rows, search="n"), curves(whole.rows), strict=True)
    return [
        Searched(
            curve.pattern,
            str(curve.verdict),
            str(of_grid.verdict),
            _networks(found, curve),
            _networks(whole, of_grid),
            (curve.verdict.n, curve.verdict.above) == (of_grid.verdict.n, of_grid.verdict.above),
        )
        for curve, of_grid in pairs
    ]


def _networks(result: StudyResult, curve: Curve) -> int:
    return int(result.rows[result.rows["pattern"] == curve.pattern]["training"].nunique())


def main() -> None:
    """Print a line for each pattern."""
    parser = parser_of(__doc__, "two patterns, ten epochs")
    parser.add_argument("--dataset", default="fashion-mini")
    parser.add_argument("--patterns", help="default R3; R3,S3 with --full")
    parser.add_argument("--seeds", type=int, default=7)
    parser.add_argument("--out", type=Path, help="where networks are kept; otherwise nowhere")
    asked = parser.parse_args()
    patterns, epochs = asked.patterns or ("R3,S3" if asked.full else "R3"), None if asked.full else EPOCHS
    report = Report(asked.json, dataset=asked.dataset, patterns=patterns, seeds=asked.seeds, epochs=epochs)
    with nullcontext(asked.out) if asked.out else tempfile.TemporaryDirectory(prefix="spurlab-bench-") as folder:
        searched = measure(asked.dataset, patterns.split(","), asked.seeds, epochs, Path(folder))
    columns = ("pattern", "n*", "the whole grid says", "networks searched", "of", "search / grid")
    table = table_of(f"Networks that a search of n* trains ({asked.dataset}, {asked.seeds} seeds)", *columns, words=3)
    for curve in searched:
        same = "the same" if curve.same else curve.of_grid
        numbers = str(curve.search), str(curve.grid), f"{curve.ratio:.2f}"
        table.add_row(curve.pattern, curve.n_star, same, *numbers)
    report.show(table)
    rows = [Row(f"{curve.pattern}: networks of the search / of the grid", curve.ratio, "ratio") for curve in searched]
    report.end(rows, searched=[asdict(curve) for curve in searched])


if __name__ == "__main__":
    main()
