"""Pruning: the weights that are left counted, and what fine-tuning may not bring back."""

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.testing import assert_close

from spurlab.deletion import PruneFinetune
from spurlab.deletion.prune import largest


@pytest.fixture
def numbered():
    """A hundred weights of the sizes 1 to 100 in two layers, in no order and with both signs."""
    network = nn.Sequential(nn.Linear(5, 10), nn.BatchNorm1d(10), nn.Linear(10, 5))
    sizes = (torch.arange(100) * 37 % 100 + 1.0) * (-1.0) ** torch.arange(100)
    with torch.no_grad():
        network[0].weight.copy_(sizes[:50].view(10, 5))
        network[2].weight.copy_(sizes[50:].view(5, 10))
    return network


@pytest.mark.parametrize("sparsity", [0.95, 0.8, 0.5, 0.0])
def test_the_largest_are_kept_over_all_layers(sparsity, numbered):
    """Of the sizes 1 to 100, those above 100 s; biases and batch norm have no mask."""
    masks = largest(numbered, 1 - sparsity)
    assert set(masks) == {"0.weight", "2.weight"}
    assert sum(int(mask.sum()) for mask in masks.values()) == round(100 * (1 - sparsity))
    for name, mask in masks.items():
        assert mask.equal(numbered.get_parameter(name).abs() > round(100 * sparsity))


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_pruned_weights_stay_at_zero_and_the_others_learn(optimizer, model, data, forget, recipe):
    own = recipe.but(optimizer=optimizer, weight_decay=0.01)
    after = PruneFinetune(own, sparsities=(0.75,))(model, data, forget)
    left = {name: parameter != 0 for name, parameter in after.named_parameters() if "weight" in name}
    assert sum(int(mask.sum()) for mask in left.values()) == 10  # a quarter of 8 * 2 + 3 * 8
    for name, mask in left.items():
        assert (after.get_parameter(name) != model.get_parameter(name))[mask].all()
    assert not after[0].bias.equal(model[0].bias)


def test_a_step_is_that_of_the_pruned_network(data, forget, whole):
    """One layer with one input each: W' = m W - 0.1 m g(m W), on the retained examples."""
    network = nn.Linear(2, 3)
    after = PruneFinetune(whole, sparsities=(0.5,), epochs=1, rate=0.1)(network, data, forget)
    mask = network.weight.abs() >= network.weight.abs().flatten().sort().values[3]
    weight = (network.weight * mask).detach().requires_grad_()
    bias = network.bias.detach().clone().requires_grad_()
    loss = cross_entropy(data.inputs[~forget] @ weight.T + bias, data.labels[~forget])
    down, bias_down = torch.autograd.grad(loss, [weight, bias])
    assert_close(after.weight, weight - 0.1 * mask * down)
    assert_close(after.bias, bias - 0.1 * bias_down)


def test_nothing_to_prune_is_an_error(numbered):
    with pytest.raises(ValueError, match=r"must lie in \(0, 1\], but it is 0"):
        largest(numbered, 0.0)
    with pytest.raises(ValueError, match="BatchNorm1d has no weights of linear layers or convolutions"):
        largest(nn.BatchNorm1d(3), 0.5)
