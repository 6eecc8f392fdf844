"""Seeds until decided: which verdicts of a study further networks could decide, and the study with these."""

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import pandas as pd

from spurlab.report.curves import curves
from spurlab.report.treated import JUDGED_BY, deletions_of
from spurlab.stats import Looks
from spurlab.studies import Study, StudyError, StudyResult
from spurlab.studies.axes import REFERENCES
from spurlab.studies.curves import places, rows_at, whole_curves
from spurlab.studies.study import Grid, checked_most

USUAL_MOST = 20  # networks: 19 without a leftover are said to forget


def decided(study: Study, run: Callable[[Study], StudyResult]) -> tuple[StudyResult, tuple[int, int]]:
    """A study run with more and more seeds, each verdict with its own, until all are decided or have `study.most`.

    Every verdict is looked at after the numbers of networks of `spurlab.stats.Looks`, which keeps its level.

    Args:
        study: what is asked, with `Study.most`. Its own seeds come first, then the next numbers.
        run: trains what is missing of a study.

    Returns:
        What was measured; and how many verdicts it leaves open, of how many.

    Raises:
        StudyError: nothing in it can be decided by more seeds, or it has more of them than the most.
    """
    grids, looks = _grids(study), Looks(study.most).numbers
    further: dict[Any, Grid] = {}
    while True:
        result = run(study.model_copy(update={"grids": (*grids, *further.values())}))
        verdicts = dict(verdict for grid in grids for verdict in _verdicts(grid, study, result.rows))
        wanted = {
            case: with_seeds(part, next(m for m in looks if m > networks))
            for case, (part, networks, is_open) in verdicts.items()
            if is_open and networks < looks[-1]
        }
        if not wanted:
            return result, (sum(is_open for _, _, is_open in verdicts.values()), len(verdicts))
        further |= wanted


def until_decided(study: Study, most: int | None = None, *, decide: bool = False) -> Study:
    """The study, to be decided with another most of networks.

    Args:
        study: which one.
        most: networks at most; None: as the study says.
        decide: whether it is to be decided where neither says how many: with `USUAL_MOST` then.

    Raises:
        StudyError: it is no most that can be.
    """
    if most is None and decide and study.most is None:
        most = USUAL_MOST
    return study if most is None else study.model_copy(update={"most": checked_most(most)})


def bounds(study: Study) -> tuple[Study, Study]:
    """The study if every verdict is decided at the first look, and if none is before the most networks: what it costs.

    Raises:
        StudyError: see `decided`.
    """
    least = _grids(study)
    most = [with_seeds(grid, required(study)) for grid in least]
    return study.model_copy(update={"grids": tuple(least)}), study.model_copy(update={"grids": tuple(most)})


def _grids(study: Study) -> list[Grid]:
    """What is looked at first: the grids of deletion, and each curve, which may be written as several, as one."""
    for grid in study.grids:
        _check(grid, study)
    deletions = [grid for grid in study.grids if _of_deletion(grid)]
    curves = whole_curves(grid for grid in study.grids if not _of_deletion(grid))
    return [_at_first(grid, study) for grid in (*deletions, *curves.values())]


def _at_first(grid: Grid, study: Study) -> Grid:
    """A grid with as many seeds as one looks at first."""
    most, seeds = required(study), len(grid["seed"])
    if seeds > most:
        raise StudyError(
            f"{study.where}: it has {seeds} seeds, but is to be decided with {most} at most. Give a larger most."
        )
    return with_seeds(grid, max(seeds, Looks(most).numbers[0]))


def _check(grid: Grid, study: Study) -> None:
    """Whether more seeds can decide anything of a grid."""
    if not _of_deletion(grid) and not _of_curves(grid, study):
        raise StudyError(
            f"{study.where}: seeds can be added until it is decided whether a rare pattern is learnt or forgotten, "
            "but a grid of it asks for neither. Leave out --decide (key 'most')."
        )
    if _of_deletion(grid) and (lacking := sorted(JUDGED_BY - set(study.measure))):
        raise StudyError(
            f"{study.where}: whether a pattern is forgotten is decided by {' and '.join(sorted(JUDGED_BY))}, but it "
            f"does not measure {' and '.join(lacking)}. Add it to the key 'measure', or leave out --decide."
        )


def with_seeds(grid: Grid, networks: int) -> Grid:
    """A grid with so many seeds: its own, and then the next numbers."""
    own = grid["seed"]
    more = range(max(own) + 1, max(own) + 1 + networks - len(own))
    return grid.only("seed", (*own, *more))


def required(study: Study) -> int:
    """The most networks of a study that is to be decided."""
    if study.most is None:
        raise StudyError(f"{study.where}: it does not say with how many networks at most (key 'most').")
    return study.most


def _of_deletion(grid: Grid) -> bool:
    return bool(grid["deletion"])


def _of_curves(grid: Grid, study: Study) -> bool:
    return "spurious_score" in study.measure and bool(grid["pattern"]) and max(grid["n"]) > 0


def _verdicts(grid: Grid, study: Study, rows: pd.DataFrame) -> Iterator[tuple[Any, tuple[Grid, int, bool]]]:
    """Each verdict on a grid: which one; the grid of it alone, how many seeds it has, whether it is open."""
    for place, part in places(grid):
        for case, networks, is_open in _cases(part, study, rows_at(rows, place)):
            yield (*place, *case), (_narrowed(part, case), networks, is_open)


def _cases(grid: Grid, study: Study, rows: pd.DataFrame) -> Iterator[tuple[tuple[Any, ...], int, bool]]:
    """The verdicts at one place: which method, n and share if it is about deletion; the seeds; whether it is open."""
    if not _of_deletion(grid):
        is_open = any(not curve.verdict.settled for curve in curves(rows, study.most, study.search))
        yield (), rows["seed"].nunique(), is_open
        return
    for method, n, known in product(grid["deletion"], grid["n"], grid["known"]):
        if n:
            about = (rows["n"] == n) & (rows["known"] == known) & rows["deletion"].isin([*REFERENCES, method])
            part = rows[about]
            networks = part.loc[part["deletion"] == method, "seed"].nunique()
            yield (method, n, known), networks, any(deleted.verdict.open for deleted in deletions_of(part, study.most))


def _narrowed(grid: Grid, case: tuple[Any, ...]) -> Grid:
    for name, value in zip(("deletion", "n", "known"), case, strict=False):
        grid = grid.only(name, (value,))
    return grid
