"""Measures: pure functions of tensors, with no model, loader or device in them."""

from spurlab.metrics.accuracy import accuracy
from spurlab.metrics.distance import margins, oracle_distance
from spurlab.metrics.groups import group_accuracy, train_weighted_accuracy, worst_group_accuracy
from spurlab.metrics.membership import membership_auc
from spurlab.metrics.spurious import empirical_norm, spurious_score

__all__ = [
    "accuracy",
    "empirical_norm",
    "group_accuracy",
    "margins",
    "membership_auc",
    "oracle_distance",
    "spurious_score",
    "train_weighted_accuracy",
    "worst_group_accuracy",
]
