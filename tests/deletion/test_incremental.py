"""Incremental retraining is training that goes on."""

from toys import same

from spurlab.deletion import Incremental


def test_a_rate_of_its_own_is_one_rate_throughout(model, data, forget, recipe):
    """As by a recipe with that rate and no milestone."""
    other = recipe.but(learning_rate=0.02, milestones=())
    one, again = (method(model, data, forget) for method in (Incremental(recipe, rate=0.02), Incremental(other)))
    assert same(one, again)
