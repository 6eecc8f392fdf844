"""Accuracies by group: of the worst, of each, and weighted as in training."""

import torch
from jaxtyping import Int64
from torch import Tensor

from spurlab.data import Dataset
from spurlab.measures.measure import ByData, Measure
from spurlab.measures.observed import Observed
from spurlab.metrics import accuracy, train_weighted_accuracy, worst_group_accuracy


def groups_of(data: Dataset) -> Int64[Tensor, " n"]:
    """Of the test examples; where the data have no groups, the classes are."""
    return data.test.labels if data.test.groups is None else data.test.groups


def _training_groups(data: Dataset) -> Int64[Tensor, " n"]:
    return data.train.labels if data.test.groups is None or data.train.groups is None else data.train.groups


def _worst_group(observed: Observed) -> dict[str, float]:
    groups, labels = groups_of(observed.data), observed.data.test.labels
    return {"worst_group": worst_group_accuracy(observed.clean, labels, groups, int(groups.max()) + 1).item()}


def _name(group: int) -> str:
    return f"group_accuracy_{group:02d}"


def _names(data: Dataset) -> list[str]:
    """Of all groups that test examples are in."""
    return [_name(group) for group in groups_of(data).unique().tolist()]


def _group_accuracy(observed: Observed) -> dict[str, float]:
    groups, labels = groups_of(observed.data), observed.data.test.labels
    accuracies = {}
    for group in groups.unique().tolist():
        rows = groups == group
        accuracies[_name(group)] = accuracy(observed.clean[rows], labels[rows]).item()
    return accuracies


def _train_weighted_accuracy(observed: Observed) -> dict[str, float]:
    groups, weights = groups_of(observed.data), _training_groups(observed.data)
    value = train_weighted_accuracy(observed.clean, observed.data.test.labels, groups, weights).item()
    return {"train_weighted_accuracy": value}


def _has_every_training_group(data: Dataset) -> bool:
    return bool(torch.isin(_training_groups(data), groups_of(data)).all())


# a group has few test examples, and a network may give it up altogether: .08 in one and .83 in another is seen
WORST_GROUP = Measure("worst-group accuracy", _worst_group, lumpy=True)
GROUP_ACCURACY = Measure(
    "accuracy on each group",
    _group_accuracy,
    lumpy=True,
    numbers=ByData(_names, r"group_accuracy_\d{2,}", formerly=tuple(map(_name, range(20)))),
)
TRAIN_WEIGHTED_ACCURACY = Measure(
    "accuracy weighted by training groups", _train_weighted_accuracy, suits_data=_has_every_training_group
)
