"""Choosing by the worst group."""

import pytest
import torch
from toys import linear

from spurlab.data import Examples
from spurlab.methods import Descent
from spurlab.prevention import best_by_worst_group
from spurlab.prevention.steps import train_on

HOT = torch.eye(2)


@pytest.fixture
def four():
    """Two examples of each of two groups; a third group is empty."""
    return Examples(torch.zeros(4, 1), torch.tensor([0, 1, 0, 1]), torch.tensor([0, 0, 2, 2]))


def said(*classes):
    return HOT[torch.tensor(classes)]


def test_the_worst_group_decides_and_not_the_mean(four):
    """Right in 3 of 4 with a worst group of 1/2, in 2 of 4 with none in one group, in 2 of 4 with 1/2 in each."""
    candidates = {"none in one": said(0, 1, 1, 0), "half in each": said(0, 0, 0, 0), "three": said(0, 1, 0, 0)}
    best = best_by_worst_group(candidates, candidates.__getitem__, four, "test")
    assert (best.candidate, best.accuracy) == ("half in each", 0.5)  # of equals the first
    assert best_by_worst_group(["three", "half in each"], candidates.__getitem__, four, "test").candidate == "three"


def test_what_is_not_finite_loses(four):
    candidates = {"lost": torch.full((4, 2), torch.nan), "wrong": said(1, 0, 1, 0)}
    assert best_by_worst_group(candidates, candidates.__getitem__, four, "test").candidate == "wrong"


def test_no_candidate_and_no_groups_are_errors(four):
    with pytest.raises(ValueError, match="test has no candidate"):
        best_by_worst_group([], said, four, "test")
    with pytest.raises(ValueError, match="test needs the group of each clean example"):
        best_by_worst_group(["x"], lambda _: said(0, 0, 0, 0), Examples(four.inputs, four.labels), "test")


def test_the_best_epoch_comes_back(four, recipe):
    """A layer whose bias decides all: good, better, worse."""
    signs = Examples(torch.tensor([[-1.0], [1.0], [-1.0], [1.0]]), four.labels, four.groups)
    layer = linear([[0.0], [0.0]], [0.0, 0.0])
    for weights, best in (((), 0.0), ((-1.0, 1.0, -2.0), 1.0)):
        descent = Descent(layer, recipe.but(epochs=len(weights), milestones=()), 0, "test")

        def epoch(number, weights=weights):
            layer.weight.data[1] = weights[number]
            return ()

        assert train_on(descent, epoch, descent.loss, signs, "test") is layer
        assert layer.weight[1].item() == best
