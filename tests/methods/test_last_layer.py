"""Another last layer: only where nothing else of the network changes by it."""

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm
from torch.testing import assert_close

from spurlab.data import Examples
from spurlab.deletion import CatastrophicLastLayers, ExactLastLayers, LastLayerNewton
from spurlab.methods import refit
from spurlab.models import features
from spurlab.prevention import prevention_named
from spurlab.training import RECIPES

SHORT = RECIPES["quick"].but(epochs=1, milestones=(), batch_size=20)


class Net(nn.Module):
    """A head on a body, with what may be between them."""

    def __init__(self, kind):
        super().__init__()
        self.kind, self.first, self.back, self.last = kind, nn.Linear(9, 9), nn.Linear(9, 9), nn.Linear(9, 9)
        if kind == "tied":
            self.last.weight = self.first.weight
        if kind == "computed":
            weight_norm(self.last)
        if kind == "frozen":
            self.last.requires_grad_(False)

    def forward(self, inputs):
        inputs = inputs.flatten(1)
        hidden = self.first(inputs) if self.kind != "twice" else self.last(inputs)
        if self.kind == "functional":
            hidden = hidden + inputs @ self.last.weight
        outputs = self.last(self.back(hidden.relu()).relu())
        return outputs * 3 if self.kind == "scaled" else outputs


class Scaled(nn.Linear):
    """A linear layer whose outputs are not those of its weights."""

    def forward(self, inputs):
        return 3 * super().forward(inputs)


WHY = {
    "tied": "shares its weights with 'first.weight'",
    "computed": "must be an nn.Linear|no weights of its own",
    "frozen": "is frozen",
    "twice": "change its features too|its outputs are not the model's|what comes into it",
    "functional": "change its features too",
    "scaled": "its outputs are not the model's|not what its last layer makes",
}


@pytest.fixture
def examples():
    return Examples(torch.rand(90, 1, 3, 3), torch.arange(90) % 9, torch.arange(90) % 9)


@pytest.mark.parametrize("kind", WHY)
@pytest.mark.parametrize("name", ["dfr c=1", "dfr-plain", "afr-train"])
def test_a_head_that_does_not_stand_alone_is_refused(name, kind, examples):
    """To fit it again would change the features that it is fitted on, or would change nothing."""
    with pytest.raises(ValueError, match=WHY[kind]):
        prevention_named(name, SHORT, 0)(Net(kind), examples, examples)


@pytest.mark.parametrize("kind", ["tied", "functional", "frozen"])
def test_newtons_step_refuses_it_too(kind, examples):
    with pytest.raises(ValueError, match=WHY[kind]):
        LastLayerNewton(SHORT)(Net(kind), examples, torch.arange(90) < 5)


@pytest.mark.parametrize("method", [ExactLastLayers, CatastrophicLastLayers])
@pytest.mark.parametrize(("kind", "words"), [("tied", "share weights with 'first.weight'"), ("frozen", "are frozen")])
def test_last_layers_that_cannot_learn_alone_are_refused(method, kind, words, examples):
    with pytest.raises(ValueError, match=words):
        method(SHORT, k=1)(Net(kind), examples, torch.arange(90) < 5)


def test_a_layer_whose_outputs_are_not_those_of_its_weights_is_refused(examples):
    network = nn.Sequential(nn.Flatten(), Scaled(9, 9))
    with pytest.raises(ValueError, match="not what its last layer makes of the features"):
        refit(network, torch.rand(9, 9), torch.rand(9), examples.inputs)


def test_one_layer_under_two_names_is_one_layer(examples):
    """It is no weight that is shared, and what is fitted is what the network then says."""
    network = Net("plain")
    network.alias = network.last
    weight, bias = torch.rand(9, 9), torch.rand(9)
    before = features(network, examples.inputs)
    assert_close(refit(network, weight, bias, examples.inputs)(examples.inputs), before @ weight.T + bias)
