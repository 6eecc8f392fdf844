"""The training set with a common feature that views of a study show."""

from dataclasses import dataclass

from jaxtyping import Bool
from torch import Tensor

from spurlab.data import DataError, Dataset, load
from spurlab.data.own import own_data
from spurlab.errors import InputError
from spurlab.notebook import short
from spurlab.patterns import ClassBlocks, Planted
from spurlab.report.view import NotDrawnError, OnlyReadError
from spurlab.studies import StudyResult
from spurlab.studies.maps import Mapped, mapped_in
from spurlab.studies.training_sets import feature_of, planted


@dataclass(frozen=True, eq=False)
class Featured:
    """One training set of a study with its common feature.

    Args:
        mapped: the networks that were trained on it and without it, and the point of the grid.
        data: its data set; the training examples are clean.
        planted: the training examples with the feature, in the same order.
        blocks: by class, True where the feature stands.
    """

    mapped: Mapped
    data: Dataset
    planted: Planted
    blocks: Bool[Tensor, "k d"]

    __repr__ = short

    @property
    def spread(self) -> str:
        return f"{self.mapped.cell.pattern} on {self.mapped.cell.share:.0%} of the signals"


def featured(result: StudyResult) -> Featured:
    """The training set in which the largest share has the feature; of several the first, in the order of the grid.

    Raises:
        OnlyReadError: a path leads to the data, and the study was read from a folder.
        NotDrawnError: the data are not here, the study is not about a common feature, or it does not fit the data.
    """
    nothing = "There are no signals to show"
    if (mapped := mapped_in(result.study)) is None:
        raise NotDrawnError(
            f"{nothing}: no common feature is planted. Name one (such as blocks) as pattern, with its share."
        )
    cell, name = mapped.cell, mapped.cell.setting.dataset
    if own_data(name) is not None and not result.study.typed:
        raise OnlyReadError(
            f"{nothing}: {name!r} are data of your own, and no path is followed that a results folder names. "
            "`spurlab run` draws it."
        )
    try:
        data = load(name, offline=True)
        feature, marked = feature_of(data, cell.training), planted(data, cell.training)
        if not isinstance(feature, ClassBlocks):
            raise InputError(f"{cell.pattern} has no blocks.")
        if not len(marked.rows):
            raise InputError(f"a share of {cell.share} of {len(data.train)} training examples is none.")
        return Featured(mapped, data, marked, feature.blocks(data.classes, data.shape[0]))
    except (DataError, ValueError) as error:
        raise NotDrawnError(f"{nothing}: {error}") from error
