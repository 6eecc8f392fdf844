"""The last k layers: which they are, where they start, and that the others stay."""

import pytest
from torch import nn
from toys import perceptron

from spurlab.deletion import CatastrophicLastLayers, ExactLastLayers
from spurlab.models import mlp, seeded

METHODS = [ExactLastLayers, CatastrophicLastLayers]


@pytest.fixture
def deep():
    """Three linear layers, with batch norm and dropout between the first two."""

    def layers():
        return nn.Sequential(
            *(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Dropout(0.2)),
            *(nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3)),
        )

    return seeded(layers, 0).eval()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("k", "learns"), [(1, "6"), (2, "46"), (3, "146"), (4, "0146")])
def test_the_last_k_learn_and_the_others_stay_to_the_bit(method, k, learns, deep, data, forget, recipe):
    """The running numbers of batch norm among them; without a frozen layer's weight decay."""
    after = method(recipe.but(weight_decay=0.01), k=k)(deep, data, forget)
    for name, tensor in deep.state_dict().items():
        assert after.state_dict()[name].equal(tensor) != (name[0] in learns), name


def test_exact_starts_anew_and_catastrophic_goes_on(model, data, forget, recipe):
    """No epoch: EU-1 has the last layer that `make` gives, CF-1 the one it was given."""
    other = perceptron()
    never = recipe.but(epochs=0, milestones=())
    exact = ExactLastLayers(never, k=1, make=lambda seed: other)(model, data, forget)
    assert exact[2].weight.equal(other[2].weight)
    assert exact[0].weight.equal(model[0].weight)
    assert CatastrophicLastLayers(recipe, k=1, epochs=0)(model, data, forget)[2].weight.equal(model[2].weight)
    drawn = [ExactLastLayers(never, seed, k=1)(model, data, forget)[2].weight for seed in (0, 0, 1)]
    assert drawn[0].equal(drawn[1])
    assert not drawn[0].equal(drawn[2])
    assert not drawn[0].equal(model[2].weight)


def test_weights_that_were_frozen_stay_so(deep, data, forget, recipe):
    deep[6].bias.requires_grad_(False)
    after = CatastrophicLastLayers(recipe, k=1)(deep, data, forget)
    assert after[6].bias.equal(deep[6].bias)
    assert not after[6].weight.equal(deep[6].weight)
    wanted = {name: parameter.requires_grad for name, parameter in deep.named_parameters()}
    assert {name: parameter.requires_grad for name, parameter in after.named_parameters()} == wanted


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("k", [0, 5])
def test_there_must_be_so_many_layers(method, k, data, forget, recipe):
    network = mlp((2,), 3, hidden=(4, 4, 4))
    with pytest.raises(ValueError, match=f"`k` must be 1 to 4, the number of layers .* but it is {k}"):
        method(recipe, k=k)(network, data, forget)
