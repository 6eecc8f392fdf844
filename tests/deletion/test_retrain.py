"""Retraining is training: the same numbers as a network that never saw the forgotten examples."""

from functools import partial

import pytest
import torch
from torch import nn
from toys import perceptron, same

from spurlab.deletion import Retrain
from spurlab.methods import untrained
from spurlab.models import build, mlp, seeded
from spurlab.patterns import Planted
from spurlab.seeds import seed_for
from spurlab.training import Member, train_one


def test_it_is_training_without_them_to_the_bit(data, forget, recipe):
    """From the zoo's own initial weights, which a perceptron's layers draw by themselves."""
    model = build("small-mlp", (2,), 3, seed=5)
    own = seed_for(4, "deletion", "retrain")
    wanted, _ = train_one(build("small-mlp", (2,), 3, own), Member(Planted.none(data[~forget]), own), recipe)
    assert same(Retrain(recipe, 4)(model, data, forget), wanted)


def test_what_the_given_network_has_learnt_does_not_matter(model, data, forget, recipe):
    other = perceptron()
    one, another, reseeded = (
        Retrain(recipe, seed)(network, data, forget) for network, seed in ((model, 0), (other, 0), (model, 1))
    )
    assert same(one, another)
    assert not same(one, reseeded)


def test_the_forgotten_examples_do_not_matter(model, data, forget, recipe):
    spoiled = type(data)(torch.where(forget[:, None], 100.0, data.inputs), data.labels)
    assert same(Retrain(recipe)(model, data, forget), Retrain(recipe)(model, spoiled, forget))


@pytest.mark.parametrize("name", ["small-mlp", "mlp", "large-mlp"])
def test_perceptrons_get_the_zoos_initial_weights(name):
    """To the bit; running numbers of batch norm start anew too."""
    assert same(untrained(build(name, (1, 6, 6), 4, seed=1), 2), build(name, (1, 6, 6), 4, seed=2))
    normed = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    normed.train()(torch.randn(9, 2))
    assert same(untrained(normed, 0)[1], nn.BatchNorm1d(3))


def test_other_networks_get_theirs_by_make():
    """The CNN ends in zeros, which its layers do not know."""
    model, make = build("cnn", (1, 28, 28), 10, seed=1), partial(build, "cnn", (1, 28, 28), 10)
    assert same(untrained(model, 2, make), make(2))
    assert untrained(model, 2)[-1].weight.any()


def test_a_make_of_another_network_is_refused(model):
    with pytest.raises(ValueError, match="`make` gives a Sequential whose weights differ in name or shape"):
        untrained(model, 0, lambda seed: mlp((2,), 3, hidden=(9,)))


def test_parameters_that_cannot_be_drawn_anew_are_refused(data, forget, recipe):
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(2))

        def forward(self, inputs):
            return self.scale * inputs

    network = nn.Sequential(Scaled(), nn.Linear(2, 3))
    with pytest.raises(ValueError, match=r"module '0' \(Scaled\) has parameters, but no `reset_parameters\(\)`"):
        Retrain(recipe)(network, data, forget)


@pytest.mark.parametrize("by_make", [True, False])
def test_what_is_frozen_stays_as_it_is_given(by_make, data, forget, recipe):
    """A pretrained body is no part of what was learnt; the head is drawn anew. Random weights that stay frozen, which a
    reset of every layer would give, could learn nothing.
    """

    def make(seed):
        network = seeded(lambda: nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3)), seed)
        network[:2].requires_grad_(False)
        return network

    model = make(0)
    model[1].running_mean.fill_(0.25)
    new = untrained(model, 7, make if by_make else None)
    assert same(new[:2], model[:2])
    assert not new[3].weight.equal(model[3].weight)
    assert [weight.requires_grad for weight in new.parameters()] == [
        weight.requires_grad for weight in model.parameters()
    ]
    after = Retrain(recipe, make=make if by_make else None)(model, data, forget)
    assert same(after[0], model[0])


def test_a_network_that_is_all_frozen_is_refused(model, data, forget, recipe):
    with pytest.raises(ValueError, match="all weights of this Sequential are frozen"):
        Retrain(recipe)(model.requires_grad_(False), data, forget)


def test_a_make_that_gives_one_network_each_time_is_copied(model):
    """Two are needed where two train at once, and the one stays as it is."""
    other = perceptron()
    one, another = (untrained(model, seed, lambda _: other) for seed in range(2))
    assert same(one, other)
    assert len({id(network[0].weight) for network in (one, another, other)}) == 3


def test_a_make_that_gives_the_trained_network_is_refused(model, data, forget, recipe):
    with pytest.raises(ValueError, match="with the weights of the given network, which has learnt already"):
        Retrain(recipe, make=lambda seed: model)(model, data, forget)
