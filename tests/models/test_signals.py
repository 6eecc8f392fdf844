"""The networks of MNIST-1D: their published sizes, their formulas, and training."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from spurlab.data import Examples
from spurlab.models import build, features_layer, parameter_count, signal_cnn
from spurlab.patterns import Planted
from spurlab.seeds import rng_for
from spurlab.training import RECIPES, Member, fit, train_each, train_group

SIGNALS = ("logistic", "mnist1d-mlp", "mnist1d-cnn", "mnist1d-cnn-25", "mnist1d-gru", "table-mlp")
# those that the notebook mnist1d-classification.ipynb of the generator's repository prints; the other two by hand
PARAMETERS = {
    "logistic": 410,
    "mnist1d-mlp": 15_210,
    "mnist1d-cnn-25": 5_210,
    "mnist1d-gru": 5_134,
    "mnist1d-cnn": (5 + 1) * 256 + 2 * (3 * 256 + 1) * 256 + (5 * 256 + 1) * 10,
    "table-mlp": (40 + 1) * 64 + (64 + 1) * 64 + (64 + 1) * 10,
}


@pytest.mark.parametrize("name", SIGNALS)
def test_parameters_are_those_published(name, network):
    assert parameter_count(network(name)) == PARAMETERS[name]


@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_with_and_without_its_channel_is_the_same_signal(name, draw):
    """The same seed gives the same weights, whichever of the two shapes was named."""
    signals = draw(3, 40)
    with_channel, without = build(name, (1, 40), 10, seed=0), build(name, (40,), 10, seed=0)
    assert with_channel(signals.unsqueeze(1)).equal(without(signals))
    assert without(signals).shape == (3, 10)


@pytest.mark.parametrize("name", SIGNALS)
def test_the_features_come_into_the_last_module(name, network):
    layer = network(name).get_submodule(features_layer(network(name)))
    assert isinstance(layer, nn.Linear)
    assert layer.out_features == 10


def test_the_residual_mlp_is_its_formula(network, draw):
    """As in the source: the second hidden layer is added to the first."""
    w1, b1, w2, b2, w3, b3 = network("mnist1d-mlp").parameters()
    x = draw(5, 40) - 0.5
    h = (x @ w1.T + b1).clamp(min=0)
    h = h + (h @ w2.T + b2).clamp(min=0)
    torch.testing.assert_close(network("mnist1d-mlp")(x), h @ w3.T + b3)
    assert ((h @ w2.T + b2) > 0).any()


@pytest.mark.parametrize("name", ["mnist1d-cnn", "mnist1d-cnn-25"])
def test_the_cnn_is_its_formula(name, network, draw):
    """Each number put out is a window of the padded signal times the weights: 40 features leave 19, 10 and 5 places."""
    *convolutions, last, bias = network(name).parameters()
    h = x = draw(3, 40) - 0.5
    h = h.unsqueeze(1)
    for weight, own, places in zip(convolutions[0::2], convolutions[1::2], (19, 10, 5), strict=True):
        windows = F.pad(h, (1, 1)).unfold(2, weight.shape[2], 2)  # n c places kernel
        assert windows.shape[2] == places
        h = (torch.einsum("ncpk,ock->nop", windows, weight) + own[:, None]).clamp(min=0)
    torch.testing.assert_close(network(name)(x), h.flatten(1) @ last.T + bias)


@pytest.mark.parametrize("features", range(3, 43))
def test_the_cnn_takes_signals_of_any_length(features):
    assert signal_cnn((features,), 3, channels=2)(torch.zeros(2, features)).shape == (2, 3)


@pytest.mark.parametrize("shape", [(40,), (1, 7), (1,)])
def test_the_gru_is_pytorchs_own(shape, draw):
    """`nn.GRU` holds the weights, and asked itself it gives the same states at all steps."""
    model = build("mnist1d-gru", shape, 10, seed=0)
    signals = draw(5, *shape) - 0.5
    states, _ = model.gru(signals.flatten(1).unsqueeze(-1))
    torch.testing.assert_close(model(signals), model.linear(states.flatten(1)))
    gradients = [
        torch.autograd.grad(out.square().sum(), list(model.parameters()))
        for out in (model(signals), model.linear(model.gru(signals.flatten(1).unsqueeze(-1))[0].flatten(1)))
    ]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("name", SIGNALS)
def test_layers_start_as_pytorch_starts_them(name, network):
    """Uniform within 1 / sqrt(fan in), of the GRU within 1 / sqrt(state): none of N numbers lies beyond this bound.

    None comes within 10 % of it with chance 0.9^N, and the smallest layer has 150 numbers: one in seven million.
    """
    for module in network(name).modules():
        if isinstance(module, nn.Linear | nn.Conv1d):
            bound = 1 / math.sqrt(module.weight[0].numel())
            weights = [module.weight, module.bias]
        elif isinstance(module, nn.GRU):
            bound, weights = 1 / math.sqrt(module.hidden_size), list(module.parameters())
        else:
            continue
        assert max(weight.abs().max().item() for weight in weights) <= bound
        assert max(weight.abs().max().item() for weight in weights) > 0.9 * bound


@pytest.fixture(scope="module")
def members():
    """Three members with 120 signals whose class is where they are high: a network learns it in a few steps."""
    rng = rng_for(0, "test")
    labels = torch.randint(4, (120,), generator=rng)
    inputs = 0.3 * torch.randn(120, 12, generator=rng)
    inputs[torch.arange(120)[:, None], 3 * labels[:, None] + torch.arange(3)] += 2.0
    base = Examples(inputs, labels)
    return [Member(Planted.none(base), seed) for seed in range(3)]


@pytest.mark.parametrize("name", SIGNALS)
def test_every_network_learns_and_the_ensemble_says_what_each_member_does(name, members, caplog):
    """Guessing costs log 4 = 1.39 of loss; after some 30 steps all are far below."""
    recipe = RECIPES["quick"].but(epochs=8, milestones=(), batch_size=32)
    with caplog.at_level("INFO", logger="spurlab"):
        ensemble = fit(name, members, recipe, classes=4, workers=0)
    assert "lockstep: " in caplog.text
    assert not ensemble.diverged.any()
    assert ensemble.trained.losses[:, -1].max() < 1.0
    inputs = members[0].data.base.inputs[:10]
    for i, together in enumerate(ensemble.predict(inputs)):
        with torch.no_grad():
            torch.testing.assert_close(together, ensemble.member(i)(inputs).softmax(-1))


@pytest.mark.parametrize("name", ["mnist1d-mlp", "mnist1d-cnn-25", "mnist1d-gru", "table-mlp"])
def test_members_learn_together_what_they_learn_alone(name, members):
    """Twelve steps of Adam: the same sums in another order."""
    recipe = RECIPES["quick"].but(epochs=3, milestones=(2,), batch_size=32, learning_rate=1e-3)

    def make(seed):
        return build(name, (12,), 4, seed)

    together, alone = train_group(make, members, recipe), train_each(make, members, recipe)
    torch.testing.assert_close(together.losses, alone.losses, rtol=1e-4, atol=1e-6)
    for key, tensor in alone.state.items():
        torch.testing.assert_close(together.state[key], tensor, rtol=1e-3, atol=2e-4)
