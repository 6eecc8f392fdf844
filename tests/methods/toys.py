"""What the tests of methods share: points in the plane that any network learns, and networks that have learnt them."""

import copy
from importlib.util import find_spec

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from spurlab.data import Examples
from spurlab.patterns import Planted
from spurlab.seeds import rng_for
from spurlab.training import Member, Recipe, train_one

needs_curvlinops = pytest.mark.skipif(
    find_spec("curvlinops") is None, reason="curvlinops is missing: pip install 'spurlab[curvature]'"
)
needs_opacus = pytest.mark.skipif(find_spec("opacus") is None, reason="Opacus is missing: pip install 'spurlab[dp]'")


@pytest.fixture(autouse=True, scope="module")
def one_thread_only(one_thread):
    pass


@pytest.fixture(scope="session")
def recipe():
    """How the toy's network is trained."""
    return Recipe(learning_rate=0.01, epochs=12, milestones=(8,), batch_size=16)


def toy(count, *purpose):
    """Points in the plane, in three classes that lie apart; in each class, two groups for one another's fifth."""
    rng = rng_for(0, "test", *purpose)
    labels = torch.arange(count) % 3
    attribute = (torch.arange(count) // 3 % 5 == 0).long()
    centres = torch.tensor([[2.0, 0.0], [-1.0, 1.7], [-1.0, -1.7]])
    return Examples(centres[labels] + 0.5 * torch.randn(count, 2, generator=rng), labels, 2 * labels + attribute)


def six_of_class_0(data):
    """A forget set."""
    mask = torch.zeros(len(data), dtype=torch.bool)
    mask[(data.labels == 0).nonzero().flatten()[:6]] = True
    return mask


def seeded(make, seed=0):
    """A network that draws its weights from PyTorch's global generator, which is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def perceptron():
    return nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 3))


def trained(network, data, recipe):
    """The network in evaluation mode, after training in the plain way."""
    network = train_one(network, Member(Planted.none(data), 0), recipe)[0].eval()
    network.zero_grad()
    return network


@pytest.fixture(scope="session")
def trained_model(data, recipe):
    """A perceptron that was trained on the toy, in evaluation mode."""
    return trained(seeded(perceptron), data, recipe)


@pytest.fixture
def model(trained_model):
    """A copy of it, which a test may change."""
    return copy.deepcopy(trained_model)


def linear(weight, bias=None):
    """A linear layer with these weights."""
    weight = torch.tensor(weight)
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    with torch.no_grad():
        layer.weight.copy_(weight)
        if bias is not None:
            layer.bias.copy_(torch.tensor(bias))
    return layer.eval()


def bits(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(one, other):
    """Whether two networks have the same weights and buffers to the bit; or what `bits` says of them."""
    one, other = (of.state_dict() if isinstance(of, nn.Module) else of for of in (one, other))
    return one.keys() == other.keys() and all(tensor.equal(other[name]) for name, tensor in one.items())


def theta_of(model):
    """All weights as one vector."""
    return nn.utils.parameters_to_vector(model.parameters()).detach()


def assert_moved(after, before, steps):
    """Each parameter has gone by its step."""
    for new, old, step in zip(after.parameters(), before.parameters(), steps, strict=True):
        assert_close(new, old + step)


class Recurrent(nn.Module):
    """Each input a sequence of two numbers."""

    def __init__(self):
        super().__init__()
        self.cell, self.head = nn.GRU(1, 6, batch_first=True), nn.Linear(6, 3)

    def forward(self, inputs):
        return self.head(self.cell(inputs.unsqueeze(2))[0][:, -1])
