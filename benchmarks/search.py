"""How many networks a search of n* trains, beside the whole grid, at the same answer.

    python benchmarks/search.py [--dataset fashion-mini] [--patterns R3,S3] [--seeds 7] [--out out/search] [--json]

Both are trained in one folder, so the grid trains what the search has left.
"""

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import spurlab
from spurlab.report.curves import Curve, curves
from spurlab.studies import StudyResult

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


def measure(dataset: str, patterns: list[str], seeds: int, folder: Path) -> list[Searched]:
    """Of each pattern, what the search and what the whole grid took."""
    changes = [f"n={list(GRID)}", f"seed={list(range(seeds))}", f"dataset={dataset}", f"pattern={json.dumps(patterns)}"]
    found = spurlab.run("quickstart", folder, changes=[*changes, "search=n"])
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
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--dataset", default="fashion-mini")
    parser.add_argument("--patterns", default="R3,S3")
    parser.add_argument("--seeds", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path("out/search"))
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    searched = measure(asked.dataset, asked.patterns.split(","), asked.seeds, asked.out)
    if asked.json:
        print(json.dumps([asdict(curve) | {"ratio": curve.ratio} for curve in searched]))
        return
    for curve in searched:
        same = "the same" if curve.same else f"another: {curve.of_grid}"
        print(f"{curve.pattern}: {curve.search} of {curve.grid} networks ({curve.ratio:.2f}), {curve.n_star}; {same}")


if __name__ == "__main__":
    main()
