"""Rows of a study of deletion as what they say of each method: the scores before and after, and of the oracles."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import pandas as pd
import torch

from spurlab.deletion import DELETIONS
from spurlab.deletion.method import NOT_FINITE
from spurlab.deletion.verdict import Judged, Verdict
from spurlab.report.groups import DIFFERENCE, SHARE, Group, by_method, estimate, groups
from spurlab.stats import Estimate, Ratio
from spurlab.studies.axes import REFERENCES

SHARES = ("spurious_score", "accuracy", "forgotten_accuracy", "membership_auc")


@dataclass(frozen=True)
class Case:
    """What is deleted from which networks: rows of equal settings, pattern, target, n and share that is known."""

    group: Group
    pattern: str
    target: int
    n: int
    known: float


@dataclass(frozen=True, eq=False)
class Deleted:
    """What one method did in one case; networks are paired by seed.

    Args:
        case: to what.
        method: its name.
        rows: of this method, measures as columns, one line for each seed; NaN where it failed.
        before: the same of the networks before deletion.
        oracle: the same of the networks that never saw a marked example.
        failures: why it failed, each reason once. Networks on which it raised an error are not in `rows`; those whose
            weights were not finite after it are, as NaN.
    """

    case: Case
    method: str
    rows: pd.DataFrame
    before: pd.DataFrame
    oracle: pd.DataFrame
    failures: tuple[str, ...]

    @property
    def title(self) -> str:
        """What people call the method."""
        return DELETIONS[self.method].title if self.method in DELETIONS else self.method

    @property
    def score(self) -> Estimate:
        """The spurious score after deletion."""
        return estimate(self.rows["spurious_score"], SHARE)

    @property
    def score_before(self) -> Estimate:
        """The spurious score before deletion."""
        return estimate(self.before["spurious_score"], SHARE)

    @property
    def score_of_oracles(self) -> Estimate:
        """The spurious score of the oracles."""
        return estimate(self.oracle["spurious_score"], SHARE)

    @property
    def accuracy_lost(self) -> Estimate:
        """Test accuracy before less after, paired by seed."""
        return estimate(self.before["accuracy"] - self.rows["accuracy"], DIFFERENCE)

    @cached_property
    def judged(self) -> Judged:
        """All measures over the seeds that all three have; NaN after where the result was not finite."""
        tables = (self.before, self.rows, self.oracle)
        seeds = sorted(set.intersection(*(set(table.index) for table in tables)))
        shared = (table.loc[seeds] for table in tables)
        return Judged(*({str(name): torch.tensor(t[name].to_numpy(float)) for name in t} for t in shared))

    @property
    def closed(self) -> Ratio:
        """The share of the gap to the oracles that was closed."""
        return self.judged.closed

    @property
    def verdict(self) -> Verdict:
        """Whether the method forgets; ``failed`` where it raised an error on every network."""
        if self.rows.empty and self.failures:
            return Verdict("failed", f"on every network: {self.failures[0]}")
        return self.judged.verdict

    def mean(self, measure: str) -> Estimate | None:
        """The mean of a measure after deletion; None where it was not taken."""
        return mean_of(self.rows, measure)


def mean_of(rows: pd.DataFrame, measure: str) -> Estimate | None:
    """The mean of a measure over networks; None where it was not taken."""
    return estimate(rows[measure], SHARE if measure in SHARES else None) if measure in rows else None


def deletions_of(rows: pd.DataFrame) -> list[Deleted]:
    """What each method did in each case, in the order of the rows; the two references are not among them."""
    return list(_deleted(rows[rows["deletion"].notna()])) if "deletion" in rows else []


def _deleted(rows: pd.DataFrame) -> Iterator[Deleted]:
    for group in groups(rows):
        for place, part in group.rows.groupby(["pattern", "target", "n", "known"], sort=False):
            pattern, target, n, known = cast("tuple[str, int, int, float]", place)
            case = Case(group, str(pattern), int(target), int(n), float(known))
            wide = by_method(part, "deletion")
            if not all(name in wide and "spurious_score" in wide[name] for name in REFERENCES):
                continue
            for method, table in wide.items():
                if method not in REFERENCES:
                    failures = part[part["deletion"] == method].dropna(subset="failed").drop_duplicates("seed")
                    reasons = failures.set_index("seed")["failed"].astype(str)
                    raised = reasons[~reasons.str.startswith(NOT_FINITE)]
                    left = table.drop(index=raised.index)
                    yield Deleted(case, method, left, wide["none"], wide["oracle"], tuple(reasons.unique()))
