"""The search for a strength, on a network with one weight whose loss is known."""

import math

import pytest
import torch
from toys import linear, same

from spurlab.data import Examples
from spurlab.deletion import GradientAscent, PruneFinetune
from spurlab.deletion.search import mean_loss, strongest


@pytest.fixture
def retain():
    return Examples(torch.ones(10, 1), torch.zeros(10, dtype=torch.int64))


def net(margin):
    """Logits (margin + 5, 5), so the loss of class 0 is log(1 + exp(-margin))."""
    return linear([[margin], [0.0]], [5.0, 5.0])


def test_the_loss_is_the_mean_cross_entropy(retain):
    assert mean_loss(net(1.0), retain, batch_size=3) == pytest.approx(math.log1p(math.exp(-1.0)))
    assert math.isnan(mean_loss(net(1.0), retain[:0]))


def test_the_last_that_the_retained_data_bear_is_taken(retain):
    """Before: log(1 + e^-3) = .0486. Margins 2.9, 2.5, 2, 1 have .0536, .0789, .1269, .3133: .05 more allows two."""
    tried = []

    def deleted(margin):
        tried.append(margin)
        return net(margin)

    after = strongest([2.9, 2.5, 2.0, 1.0], deleted, net(3.0), retain, 0)
    assert after.weight[0].item() == 2.5
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


def test_ascent_takes_the_largest_rate_that_the_retained_examples_bear(model, data, forget, whole):
    """Each rate alone, and the loss after it: what the search must find, without the search."""
    rates = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
    alone = [GradientAscent(whole, rates=(rate,))(model, data, forget) for rate in rates]
    best = borne(model, data[~forget], alone).index(False) - 1
    assert 0 < best < len(rates) - 2, "the rates do not ask the question"
    assert same(GradientAscent(whole, rates=rates)(model, data, forget), alone[best])
    assert same(GradientAscent(whole, rates=rates, slack=math.inf)(model, data, forget), alone[-1])


def test_pruning_takes_the_first_sparsity_that_the_retained_examples_bear(model, data, forget, recipe):
    sparsities = (0.95, 0.9, 0.3, 0.1)
    alone = [PruneFinetune(recipe, sparsities=(sparsity,))(model, data, forget) for sparsity in sparsities]
    first = borne(model, data[~forget], alone).index(True)
    assert 0 < first < 3, "the sparsities do not ask the question"
    assert same(PruneFinetune(recipe, sparsities=sparsities)(model, data, forget), alone[first])


def borne(before, retain, networks):
    """Whether each network's loss on retained examples is at most 0.05 above that before."""
    return [mean_loss(network, retain) <= mean_loss(before, retain) + 0.05 for network in networks]
