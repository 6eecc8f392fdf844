"""Two problems for all methods: a toy that any network learns, and two features of which one is spurious."""

import copy
import math

import pytest
import torch
from torch import nn

from spurlab.data import Examples
from spurlab.patterns import Planted
from spurlab.seeds import rng_for
from spurlab.training import Member, Recipe, train_one


@pytest.fixture(autouse=True, scope="module")
def _one_thread(one_thread):
    pass


@pytest.fixture(scope="session")
def recipe():
    """How the toy's network is trained."""
    return Recipe(learning_rate=0.01, epochs=12, milestones=(8,), batch_size=16)


def toy(count, name):
    """Points in the plane, in three classes that lie apart; in each class, two groups for one another's fifth."""
    rng = rng_for(0, "test", "prevention", name)
    labels = torch.arange(count) % 3
    attribute = (torch.arange(count) // 3 % 5 == 0).long()
    centres = torch.tensor([[2.0, 0.0], [-1.0, 1.7], [-1.0, -1.7]])
    return Examples(centres[labels] + 0.5 * torch.randn(count, 2, generator=rng), labels, 2 * labels + attribute)


@pytest.fixture(scope="session")
def data():
    """The toy's 120 training examples."""
    return toy(120, "train")


@pytest.fixture(scope="session")
def clean():
    """Sixty others."""
    return toy(60, "clean")


@pytest.fixture(scope="session")
def trained_model(data, recipe):
    """A perceptron that was trained on the toy, in evaluation mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 3))
    network = train_one(network, Member(Planted.none(data), 0), recipe)[0].eval()
    network.zero_grad()
    return network


@pytest.fixture
def model(trained_model):
    """A copy of it, which a test may change."""
    return copy.deepcopy(trained_model)


class TwoFeatures:
    """Two classes y = -1, 1. The first feature is y plus much noise, the second is the attribute a plus little.

    In training a = y for 19 of 20 examples, so that the best use of both features goes by the second one. In the clean
    set and in the test set a says nothing. Then the best classifier is the sign of the first feature: it serves all
    groups alike, and `optimum` of them right. The best one for the training data gets only `misled` of the minority
    right: its log-odds are 2 x / noise^2 + log(19) a.
    """

    noise = 0.8
    optimum = 0.5 + 0.5 * math.erf(1 / noise / math.sqrt(2))  # P(1 + noise N > 0) = 0.894
    tip = noise**2 / 2 * math.log(19)  # the first feature must exceed this, where the attribute speaks against it
    misled = 0.5 + 0.5 * math.erf((1 - tip) / noise / math.sqrt(2))  # 0.529

    def __init__(self):
        self.data, self.clean, self.test = self.drawn(4000, 0.95, "train"), self.drawn(800, 0.5, "clean"), None
        self.test = self.drawn(20_000, 0.5, "test")
        self.recipe = Recipe(learning_rate=0.05, epochs=8, milestones=(6,), batch_size=64)

    def drawn(self, count, agree, name):
        """As many of each class, and in each the same share with a = y."""
        rng = rng_for(0, "test", "two features", name)
        label = torch.arange(count) % 2
        same = torch.arange(count) // 2 < agree * count / 2
        attribute = torch.where(same, label, 1 - label)
        noise = torch.randn(count, 2, generator=rng) * torch.tensor([self.noise, 0.1])
        inputs = torch.stack([2.0 * label - 1, 2.0 * attribute - 1], 1) + noise
        return Examples(inputs, label, 2 * label + attribute)[torch.randperm(count, generator=rng)]

    def trained(self):
        """A linear network, trained in the plain way."""
        network = self.make(0)
        return train_one(network, Member(Planted.none(self.data), 0), self.recipe)[0].eval()

    @staticmethod
    def make(seed):
        """A linear network."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return nn.Sequential(nn.Flatten(), nn.Linear(2, 2))

    def groups(self, network):
        """The test accuracy of the four groups: of 5,000 examples each, with a standard error below 0.0071."""
        right = (network(self.test.inputs).argmax(1) == self.test.labels).double()
        return [right[self.test.groups == group].mean().item() for group in range(4)]


@pytest.fixture(scope="session")
def two_features():
    """See `TwoFeatures`."""
    return TwoFeatures()


@pytest.fixture(scope="session")
def misled(two_features):
    """A linear network that goes by the spurious feature."""
    return two_features.trained()
