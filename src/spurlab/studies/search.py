"""n* by bracketing: of each curve only the networks that decide from how many examples on a pattern is learnt."""

from collections.abc import Callable

import pandas as pd
import torch
from torch import Tensor

from spurlab.stats import asked_next, networks_needed
from spurlab.stats.learnt import HALVINGS
from spurlab.studies.axes import METHODS
from spurlab.studies.curves import Place, rows_at, whole_curves
from spurlab.studies.results import StudyResult
from spurlab.studies.study import Grid, Study
from spurlab.study_files import StudyError


class Search:
    """Runs a study with `Study.search`: the controls, and then what `spurlab.stats.asked_next` asks for.

    Args:
        run: trains what is missing of a study.
    """

    def __init__(self, run: Callable[[Study], StudyResult]) -> None:
        self._run = run
        self._asked: dict[Place, dict[int, dict[int, None]]] = {}  # the seeds at each n, kept when seeds are added

    def __call__(self, study: Study) -> StudyResult:
        """The study with the networks that decide its curves.

        Raises:
            StudyError: it asks for more than n*, or has too few seeds.
        """
        grids = grids_by_curve(study)
        for place, grid in grids.items():
            self._ask(place, {0: grid["seed"]})
        while True:
            result = self._run(study.model_copy(update={"grids": self._trained(grids)}))
            needed = {place: _next(grid, rows_at(result.rows, place), study.most) for place, grid in grids.items()}
            if not any(needed.values()):
                return result
            for place, seeds in needed.items():
                self._ask(place, seeds)

    def _ask(self, place: Place, seeds: dict[int, tuple[int, ...]]) -> None:
        by_n = self._asked.setdefault(place, {})
        for n, more in seeds.items():
            by_n.setdefault(n, {}).update(dict.fromkeys(more))

    def _trained(self, grids: dict[Place, Grid]) -> tuple[Grid, ...]:
        return tuple(
            grid.only("n", (n,)).only("seed", tuple(seeds))
            for place, grid in grids.items()
            for n, seeds in sorted(self._asked[place].items())
        )


def grids_by_curve(study: Study) -> dict[Place, Grid]:
    """Of each curve of the study the grid, with all its n and seeds.

    Raises:
        StudyError: see `Search`.
    """
    curves = whole_curves(_checked(grid, study) for grid in study.grids)
    for grid in curves.values():
        if (several := sum(n > 0 for n in grid["n"])) >= 2**HALVINGS:
            raise StudyError(
                f"{study.where}: n* is searched (key 'search') among {2**HALVINGS - 1} n at most, but a curve has "
                f"{several}. Give fewer."
            )
    return curves


def _checked(grid: Grid, study: Study) -> Grid:
    """The grid, if n* can be searched in it."""
    where = f"{study.where}: n* is searched (key 'search'), "
    if any(grid[name] for name in (*METHODS, "share")) or not grid["pattern"] or max(grid["n"]) == 0:
        raise StudyError(f"{where}so each grid has a rare pattern and n above 0, and nothing else is done to networks.")
    if "spurious_score" not in study.measure:
        raise StudyError(f"{where}which goes by the measure 'spurious_score'. Add it.")
    if study.figure != ("scores",) or study.claims:
        raise StudyError(
            f'{where}so the networks at an n are no sample of all: only figure = "scores" shows them, and no claim is '
            "judged by them. Add --set figure=scores --set claims=[], or leave out 'search'."
        )
    if max(len(grid["seed"]), study.most or 0) < (needed := networks_needed(0.05 / HALVINGS)):
        raise StudyError(
            f"{where}which takes {needed} seeds, but a grid has {len(grid['seed'])}. Give more, or --decide."
        )
    return grid


def _next(grid: Grid, rows: pd.DataFrame, most: int | None) -> dict[int, tuple[int, ...]]:
    """The seeds to train next at each n; those of which a network diverged are left out."""
    table = rows[rows["measure"] == "spurious_score"].drop_duplicates(["seed", "n"])
    diverged = set(table.loc[table["value"].isna(), "seed"])
    seeds = [seed for seed in grid["seed"] if seed not in diverged]
    if not seeds:
        return {}
    wide = table.pivot(index="seed", columns="n", values="value").reindex(index=seeds, columns=sorted(grid["n"]))

    def scores(n: int) -> Tensor:
        return torch.tensor(wide[n].to_numpy(dtype=float, copy=True))

    asked = asked_next({n: scores(n) for n in grid["n"] if n > 0}, scores(0), most=most)
    return {n: tuple(seeds[position] for position in positions) for n, positions in asked.items()}
