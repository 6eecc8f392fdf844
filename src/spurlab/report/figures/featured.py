"""The training set with a common feature that figures of a study show."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps

from jaxtyping import Bool
from matplotlib.figure import Figure
from torch import Tensor

from spurlab.data import DataError, Dataset, load
from spurlab.patterns import Planted
from spurlab.report.figures.style import sentence
from spurlab.studies import StudyResult
from spurlab.studies.cells import Cell, cells_of
from spurlab.studies.training_sets import feature_of, planted


@dataclass(frozen=True, eq=False)
class Featured:
    """One training set of a study with its common feature.

    Args:
        cell: the point of the grid.
        data: its data set; the training examples are clean.
        planted: the training examples with the feature, in the same order.
        blocks: by class, True where the feature stands.
    """

    cell: Cell
    data: Dataset
    planted: Planted
    blocks: Bool[Tensor, "k d"]

    @property
    def spread(self) -> str:
        """The feature, and how many examples have it, in words."""
        return f"{self.cell.pattern} on {self.cell.share:.0%} of the signals"


def featured(result: StudyResult) -> Featured:
    """The training set in which the largest share has the feature; of several the first, in the order of the grid.

    Raises:
        DataError: the data are not here.
        ValueError: the study is not about a common feature, or it does not fit the data.
    """
    cells = [cell for cell in cells_of(result.study) if cell.share]
    if not cells:
        raise ValueError("no common feature is planted. Name one (such as blocks) as pattern, with its share.")
    cell = max(cells, key=lambda each: each.share or 0.0)
    data = load(cell.setting.dataset, offline=True)
    feature, marked = feature_of(cell.training), planted(data, cell.training)
    if feature is None or not len(marked.rows):
        raise ValueError(f"a share of {cell.share} of {len(data.train)} training examples is none.")
    return Featured(cell, data, marked, feature.blocks(data.classes, data.shape[0]))


def of_feature(draw: Callable[[StudyResult, Featured], Figure]) -> Callable[[StudyResult], Figure]:
    """A function that draws the training set with the feature; where there is none, the figure says why."""

    @wraps(draw)
    def drawn(result: StudyResult) -> Figure:
        try:
            case = featured(result)
        except (DataError, ValueError) as error:
            return sentence(result.study.title, f"There are no signals to show: {error}")
        return draw(result, case)

    return drawn
