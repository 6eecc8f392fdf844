"""The search for a strength, on a network with one weight whose loss is known."""

import math

import pytest
import torch
from torch import nn

from spurlab.data import Examples
from spurlab.deletion.search import mean_loss, strongest


@pytest.fixture
def retain():
    return Examples(torch.ones(10, 1), torch.zeros(10, dtype=torch.int64))


def net(margin):
    """Logits (margin + 5, 5), so the loss of class 0 is log(1 + exp(-margin))."""
    network = nn.Linear(1, 2)
    with torch.no_grad():
        network.bias.fill_(5.0)
        network.weight.copy_(torch.tensor([[margin], [0.0]]))
    return network


def test_the_loss_is_the_mean_cross_entropy(retain):
    assert mean_loss(net(1.0), retain, batch_size=3) == pytest.approx(math.log1p(math.exp(-1.0)))
    assert math.isnan(mean_loss(net(1.0), retain[:0]))


def test_the_last_that_the_retained_data_bear_is_taken(retain):
    """Before: log(1 + e^-3) = .0486. Margins 2.9, 2.5, 2, 1 have .0536, .0789, .1269, .3133: .05 more allows two."""
    tried = []

    def deleted(margin):
        tried.append(margin)
        return net(margin)

    found = strongest([2.9, 2.5, 2.0, 1.0], deleted, net(3.0), retain, 0)
    assert found.weight[0].item() == 2.5
    assert tried == [2.9, 2.5, 2.0], "a stronger one was tried after one that was too strong"


def test_the_gentlest_is_taken_where_all_are_too_strong(retain):
    assert strongest([1.0, 0.0], net, net(3.0), retain, 0).weight[0].item() == 1.0
    assert strongest([math.nan, 0.0], net, net(3.0), retain, 0).weight[0].isnan()


def test_what_a_solver_cannot_do_is_too_strong(retain):
    """What passed before it stands; where the gentlest fails, there is nothing to fall back to."""

    def deleted(margin):
        if margin < 2.7:
            raise FloatingPointError("not positive")
        return net(margin)

    assert strongest([2.9, 2.5], deleted, net(3.0), retain, 0).weight[0].item() == pytest.approx(2.9)
    with pytest.raises(FloatingPointError, match="not positive"):
        strongest([2.5, 2.9], deleted, net(3.0), retain, 0)


def test_all_may_pass(retain):
    assert strongest([2.9, 2.8], net, net(3.0), retain, 0).weight[0].item() == pytest.approx(2.8)
