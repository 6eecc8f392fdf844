"""From a study to what must be trained: cells are points of the grid, and several can share one training."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from spurlab.studies.study import Study


@dataclass(frozen=True)
class Training:
    """One network to train. Without planted examples (n = 0) it has neither pattern nor target."""

    pattern: str | None
    target: int | None
    n: int
    seed: int


@dataclass(frozen=True)
class Cell:
    """One point of the grid: a pattern, a target and a count, measured on the network of one seed."""

    pattern: str
    target: int
    n: int
    seed: int

    @property
    def training(self) -> Training:
        """The network to measure; n = 0 is one network for all patterns and targets."""
        if self.n == 0:
            return Training(None, None, 0, self.seed)
        return Training(self.pattern, self.target, self.n, self.seed)


def cells_of(study: Study) -> list[Cell]:
    """Every point of the study's grid."""
    return [Cell(*point) for point in product(study.pattern, study.target, study.n, study.seed)]


def trainings_of(cells: Sequence[Cell]) -> list[Training]:
    """What must be trained for these cells, each network once, in the order in which the cells need it."""
    return list(dict.fromkeys(cell.training for cell in cells))
