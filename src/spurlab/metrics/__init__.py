"""Measures: pure functions of tensors, with no model, loader or device in them."""

from spurlab.metrics.accuracy import accuracy as accuracy
from spurlab.metrics.distance import margins as margins
from spurlab.metrics.distance import oracle_distance as oracle_distance
from spurlab.metrics.groups import group_accuracy as group_accuracy
from spurlab.metrics.groups import train_weighted_accuracy as train_weighted_accuracy
from spurlab.metrics.groups import worst_group_accuracy as worst_group_accuracy
from spurlab.metrics.membership import membership_auc as membership_auc
from spurlab.metrics.spurious import empirical_norm as empirical_norm
from spurlab.metrics.spurious import pulled as pulled
from spurlab.metrics.spurious import spurious_score as spurious_score
