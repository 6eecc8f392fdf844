"""Intervals, paired tests and corrections for many tests. The unit that was repeated is the trained model."""

from spurlab.stats.corrections import holm
from spurlab.stats.correlation import Correlation, pearson
from spurlab.stats.estimate import Estimate, mean_of
from spurlab.stats.gap import Ratio, gap_closed
from spurlab.stats.learnt import Learnt, learnt_at
from spurlab.stats.limits import equivalent, mean_above
from spurlab.stats.null import null_rank
from spurlab.stats.paired import paired_difference, paired_test

__all__ = [
    "Correlation",
    "Estimate",
    "Learnt",
    "Ratio",
    "equivalent",
    "gap_closed",
    "holm",
    "learnt_at",
    "mean_above",
    "mean_of",
    "null_rank",
    "paired_difference",
    "paired_test",
    "pearson",
]
