"""Rows of networks and of what methods made of them, as what they say of each method: of deletions and of repairs."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import pandas as pd
import torch

from spurlab.deletion import DELETIONS
from spurlab.deletion.verdict import Judged, Verdict
from spurlab.methods import stored_as_not_finite
from spurlab.notebook import short
from spurlab.prevention import title_of
from spurlab.report.groups import DIFFERENCE, Group, Mean, by_method, groups, higher, mean_of, paired, told
from spurlab.stats import Share
from spurlab.studies.axes import PLAIN, REFERENCES

AS_TRAINED = "as trained (ERM)"
JUDGED_BY = {"spurious_score", "accuracy"}  # measures without which nothing is said of a deletion


@dataclass(frozen=True)
class Case:
    """What is deleted from which networks: rows of equal settings, pattern, target, n and share that is known."""

    group: Group
    pattern: str
    target: int
    n: int
    known: float


@dataclass(frozen=True)
class Place:
    """Which networks are repaired: rows of equal settings, feature and shares.

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
class Treated:
    """What one method made of some networks, which are paired by seed.

    Args:
        method: its name.
        rows: measures as columns, one line for each seed; NaN where it failed or diverged.
        before: the same of the networks as they were trained.
        failures: why it failed, each reason once.
    """

    method: str
    rows: pd.DataFrame
    before: pd.DataFrame
    failures: tuple[str, ...]

    __repr__ = short

    def mean(self, measure: str) -> Mean:
        """The mean of a measure over networks; over none where it was not taken."""
        return mean_of(self.rows, measure)

    def gain(self, measure: str) -> Mean:
        """How much more than the networks as they were trained, paired by seed."""
        if measure not in self.rows or measure not in self.before:
            return mean_of(self.rows, "")
        return paired(self.rows[measure], self.before[measure], DIFFERENCE, measure)

    def gained(self, measure: str) -> Share:
        """How many networks have more than as they were trained."""
        if measure not in self.rows or measure not in self.before:
            return Share(0, 0)
        return higher(self.rows[measure], self.before[measure])


@dataclass(frozen=True, eq=False)
class Deleted(Treated):
    """What one method deleted in one case.

    Networks on which it raised an error are not in its rows; those whose weights were not finite after it are, as NaN.

    Args:
        case: from which networks, and what.
        most: where seeds were added until it was decided, up to how many networks.
        failed: on how many it raised an error.
        oracle: the rows of the networks that never saw a marked example.
    """

    case: Case
    failed: int
    oracle: pd.DataFrame
    most: int | None = None

    __repr__ = short

    @property
    def title(self) -> str:
        """What people call the method; a user's is called by its name."""
        return DELETIONS[self.method].title if self.method in DELETIONS else self.method

    @property
    def networks(self) -> int:
        """On how many networks it was tried."""
        return len(self.rows) + self.failed

    @cached_property
    def score(self) -> Mean:
        """The spurious score after the deletion."""
        return self.mean("spurious_score")

    @property
    def score_before(self) -> Mean:
        """The spurious score before it."""
        return mean_of(self.before, "spurious_score")

    @property
    def score_of_oracles(self) -> Mean:
        """The spurious score of the networks that never saw a marked example."""
        return mean_of(self.oracle, "spurious_score")

    @property
    def accuracy_lost(self) -> Mean:
        """How much higher the test accuracy was before it, paired by seed."""
        return paired(self.before["accuracy"], self.rows["accuracy"], DIFFERENCE, "accuracy")

    @cached_property
    def judged(self) -> Judged:
        """All measures over the seeds that all three have; NaN after where the result was not finite."""
        tables = (self.before, self.rows, self.oracle)
        seeds = sorted(set.intersection(*(set(table.index) for table in tables)))
        shared = (table.loc[seeds] for table in tables)
        before, after, oracle = ({str(name): torch.tensor(t[name].to_numpy(float)) for name in t} for t in shared)
        return Judged(before, after, oracle, self.most)

    @property
    def verdict(self) -> Verdict:
        """Whether the method forgets; ``failed`` where it raised an error on every network."""
        if self.rows.empty and self.failures:
            return Verdict("method failed", failed=self.failed, why=self.failures[0])
        return self.judged.verdict


@dataclass(frozen=True, eq=False)
class Repaired(Treated):
    """What one method repaired in one place; ``erm`` stands for the networks as they were trained.

    Args:
        place: which networks.
        seconds: of one network, in the mean; of networks as they were trained, of their training.
    """

    place: Place
    seconds: float

    __repr__ = short

    @property
    def title(self) -> str:
        """What people call the method; of the networks as they are, what they were trained on."""
        if self.method != PLAIN:
            return title_of(self.method)
        return "without the feature" if self.place.share == 0 else AS_TRAINED

    @property
    def accuracies(self) -> str:
        return f"{told(self.mean('accuracy'))} and {told(self.mean('worst_group'))}"


def deletions_of(rows: pd.DataFrame, most: int | None = None) -> list[Deleted]:
    """What each method did in each case, in the order of the rows; the two references are not among them.

    Args:
        rows: of a study.
        most: where its seeds were added until it was decided, up to how many networks.
    """
    deletions = []
    for group in groups(rows[rows["deletion"].notna()]) if "deletion" in rows else ():
        for values, part in group.rows.groupby(["pattern", "target", "n", "known"], sort=False):
            pattern, target, n, known = cast("tuple[str, int, int, float]", values)
            case = Case(group, str(pattern), int(target), int(n), float(known))
            wide = by_method(part, "deletion")
            if not all(name in wide and "spurious_score" in wide[name] for name in REFERENCES):
                continue
            judged = (method for method in wide if method not in REFERENCES)
            for method in judged if "accuracy" in wide["none"] else ():
                if set(table := wide[method]) >= JUDGED_BY:
                    failures = part[part["deletion"] == method].dropna(subset="failed").drop_duplicates("seed")
                    reasons = failures.set_index("seed")["failed"].astype(str)
                    raised = [seed for seed, reason in reasons.items() if not stored_as_not_finite(reason)]
                    left, whys = table.drop(index=raised), tuple(reasons.unique())
                    deletions.append(Deleted(method, left, wide["none"], whys, case, len(raised), wide["oracle"], most))
    return deletions


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
                other = plain.setdefault((id(group), place.feature, place.share), wide.get(PLAIN, table.iloc[:0]))
                repairs.append(Repaired(method, table, wide.get(PLAIN, other), reasons, place, seconds))
    return repairs
