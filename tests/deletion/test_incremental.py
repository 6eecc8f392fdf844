"""Incremental retraining is training that goes on: the same numbers as by hand, for as long and at the rate as told."""

import copy

import pytest
from toys import same

from spurlab.deletion import Incremental
from spurlab.patterns import Planted
from spurlab.seeds import seed_for
from spurlab.training import Member, train_one


@pytest.mark.parametrize(
    ("told", "by_hand"),
    [
        ({}, lambda recipe: recipe),
        ({"rate": 0.02}, lambda recipe: recipe.but(learning_rate=0.02, milestones=())),
        ({"epochs": 1}, lambda recipe: recipe.but(epochs=1, milestones=())),
        ({"rate": 0.02, "epochs": 1}, lambda recipe: recipe.but(learning_rate=0.02, epochs=1, milestones=())),
    ],
)
def test_training_goes_on_without_them(told, by_hand, model, data, forget, recipe):
    own = seed_for(4, "deletion", "incremental")
    wanted, _ = train_one(copy.deepcopy(model), Member(Planted.none(data[~forget]), own), by_hand(recipe))
    after = Incremental(recipe, 4, **told)(model, data, forget)
    assert same(after, wanted)
    assert not same(after, model)


def test_it_goes_on_for_an_epoch_at_least(recipe):
    with pytest.raises(ValueError, match="`epochs` must be 1 or more, but it is 0"):
        Incremental(recipe, epochs=0)
