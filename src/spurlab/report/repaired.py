"""Rows of a study of common features as what they say of each method: accuracy, of all and of the worst group."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import pandas as pd

from spurlab.prevention import title_of
from spurlab.report.groups import DIFFERENCE, SHARE, Group, by_method, estimate, groups, paired
from spurlab.stats import Estimate
from spurlab.studies.axes import PLAIN

AS_TRAINED = "as trained (ERM)"


@dataclass(frozen=True)
class Place:
    """Which networks: rows of equal settings, feature and shares.

    Args:
        group: equal data set, architecture and recipe.
        feature: the common feature that was planted; "" where the data have one of their own.
        share: of the training examples that have it; NaN where none was planted.
        clean: the share of the training examples that methods had clean; NaN where no method was asked for.
    """

    group: Group
    feature: str
    share: float
    clean: float


@dataclass(frozen=True, eq=False)
class Repaired:
    """What one method did in one place; networks are paired by seed.

    Args:
        place: where.
        method: its name; ``erm`` for the networks as they were trained.
        rows: measures as columns, one line for each seed; NaN where it failed or diverged.
        plain: the same of the networks as they were trained.
        failures: why it failed, each reason once.
        seconds: of one network, in the mean; of networks as they were trained, of their training.
    """

    place: Place
    method: str
    rows: pd.DataFrame
    plain: pd.DataFrame
    failures: tuple[str, ...]
    seconds: float

    @property
    def title(self) -> str:
        """What people call the method; of the networks as they are, what they were trained on."""
        if self.method != PLAIN:
            return title_of(self.method)
        if self.place.share == 0:
            return "without the feature"
        return AS_TRAINED

    def mean(self, measure: str) -> Estimate:
        """The mean of a measure over networks; of none where it was not taken."""
        return estimate(self.rows[measure] if measure in self.rows else pd.Series(dtype=float), SHARE)

    def gain(self, measure: str) -> Estimate:
        """How much more than the networks as they were trained, paired by seed."""
        if measure not in self.rows or measure not in self.plain:
            return estimate(pd.Series(dtype=float))
        return paired(self.rows[measure], self.plain[measure], DIFFERENCE)

    @property
    def accuracies(self) -> str:
        """Its two accuracies, in words."""
        return f"{self.mean('accuracy').value:.2f} and {self.mean('worst_group').value:.2f}"


def repairs_of(rows: pd.DataFrame) -> list[Repaired]:
    """What each method did in each place, in the order of the rows; the networks as they are come first in each."""
    if "share" not in rows:
        return []
    rows = rows[rows["share"].notna() | rows["prevention"].notna()]
    repairs = []
    plain: dict[tuple[int, str, float], pd.DataFrame] = {}  # where it does not differ by what is clean
    for group in groups(rows.assign(prevention=rows["prevention"].fillna(PLAIN), pattern=rows["pattern"].fillna(""))):
        for values, part in group.rows.groupby(["pattern", "share", "clean"], sort=False, dropna=False):
            feature, share, clean = cast("tuple[str, float, float]", values)
            place = Place(group, str(feature), float(share), float(clean))
            wide = by_method(part, "prevention")
            for method, table in wide.items():
                networks = part[part["prevention"] == method].drop_duplicates("training")
                reasons = tuple(str(reason) for reason in networks["failed"].dropna().unique())
                seconds = networks["seconds"].astype(float).mean() if len(networks) else math.nan
                before = plain.setdefault((id(group), place.feature, place.share), wide.get(PLAIN, table.iloc[:0]))
                repairs.append(Repaired(place, method, table, wide.get(PLAIN, before), reasons, seconds))
    return repairs


def varied(repairs: list[Repaired]) -> str:
    """Along what the places differ: ``share``, ``clean`` or "" for neither."""
    places = [repaired.place for repaired in repairs]
    if len({place.share for place in places if not math.isnan(place.share)}) > 2:
        return "share"
    return "clean" if len({place.clean for place in places if not math.isnan(place.clean)}) > 1 else ""


def at_shares(line: Mapping[float, Estimate]) -> str:
    """Means by share, in words."""
    return ", ".join(f"{line[at].value:.2f} at {at:.0%}" for at in sorted(line))
