"""The error set, and how often it counts."""

import logging

import pytest
import torch
from toys import linear, same

from spurlab.data import Examples
from spurlab.methods import trained_anew, untrained
from spurlab.patterns import Planted
from spurlab.prevention import Jtt
from spurlab.prevention.method import own_seed
from spurlab.training import Member, train_one


@pytest.fixture
def sign():
    """A network that says class 1 of positive numbers."""
    return linear([[0.0], [2.0]], [0.0, 0.0])


@pytest.fixture
def numbers():
    """Five numbers of which two are on the wrong side."""
    return Examples(torch.tensor([[1.0], [-1.0], [2.0], [-2.0], [3.0]]), torch.tensor([1, 1, 1, 0, 0]))


def test_the_error_set_of_the_given_network(sign, numbers, recipe):
    assert Jtt(recipe, first_epochs=None).error_set(sign, numbers).tolist() == [False, True, False, False, True]


def test_it_trains_on_the_errors_several_times(sign, numbers, recipe):
    """By hand: each error follows twice more, so that it is there three times."""
    more = numbers[torch.tensor([0, 1, 2, 3, 4, 1, 4, 1, 4])]
    wanted = trained_anew(sign, more, recipe, own_seed(0, "jtt"), None)
    after = Jtt(recipe, times=3, first_epochs=None)(sign, numbers, numbers)
    assert same(after, wanted)


def test_without_errors_it_is_plain_training_and_says_so(sign, numbers, recipe, caplog):
    right = numbers[torch.tensor([0, 2, 3])]
    with caplog.at_level(logging.WARNING):
        after = Jtt(recipe, first_epochs=None)(sign, right, numbers)
    assert "gets all 3 training examples right" in caplog.text
    own = own_seed(0, "jtt")
    wanted, _ = train_one(untrained(sign, own), Member(Planted.none(right), own), recipe)
    assert same(after, wanted)


def test_a_first_network_that_is_stopped_early_makes_errors(model, data, recipe):
    """It is trained by the recipe until there, whatever the given network is."""
    early = Jtt(recipe, first_epochs=1)
    first = trained_anew(model, data, recipe.but(epochs=1, milestones=()), own_seed(0, "jtt first"), None)
    assert early.error_set(model, data).equal(first(data.inputs).argmax(1) != data.labels)
    assert early.error_set(model, data).sum() > Jtt(recipe, first_epochs=12).error_set(model, data).sum()
