"""The parts of a grid on which there is one verdict each: all settings but n and the seed have one value."""

from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any

import pandas as pd

from spurlab.studies.axes import OF_TRAINING
from spurlab.studies.recipes import columns_of
from spurlab.studies.study import Grid

SINGLE = ("dataset", "architecture", "how", "recipe", "pattern", "target", *OF_TRAINING)  # one value for each verdict
Place = tuple[Any, ...]  # the values on these axes


def places(grid: Grid) -> Iterator[tuple[Place, Grid]]:
    """Each combination of values, and the part of the grid that has them."""
    for place in product(*(grid[name] for name in SINGLE)):
        part = grid
        for name, value in zip(SINGLE, place, strict=True):
            if name not in OF_TRAINING or name in grid.axes:
                part = part.only(name, (value,))
        yield place, part


def whole_curves(grids: Iterable[Grid]) -> dict[Place, Grid]:
    """Of each place the grid with all n and seeds that any of these has there: a curve may be written as several."""
    curves: dict[Place, Grid] = {}
    for place, part in (found for grid in grids for found in places(grid)):
        if other := curves.get(place):
            seeds, n = (tuple(dict.fromkeys((*other[name], *part[name]))) for name in ("seed", "n"))
            curves[place] = part.only("seed", seeds).only("n", n)
        else:
            curves[place] = part
    return curves


def rows_at(rows: pd.DataFrame, place: Place) -> pd.DataFrame:
    """The rows with these values."""
    values = dict(zip(SINGLE, place, strict=True))
    keep = pd.Series(data=True, index=rows.index)
    for name, value in (values | columns_of(values["recipe"])).items():
        if name != "recipe":
            keep &= rows[name].isna() if value is None else rows[name] == value
    return rows[keep]
