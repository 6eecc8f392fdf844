"""Two problems for all methods: the toy, and two features of which one is spurious."""

import math

import pytest
import torch
import toys
from torch import nn
from toys import seeded, toy, trained

from spurlab.data import Examples
from spurlab.seeds import rng_for
from spurlab.training import Recipe

one_thread_only, recipe = toys.one_thread_only, toys.recipe  # fixtures
trained_model, model = toys.trained_model, toys.model


@pytest.fixture(scope="session")
def data():
    """The toy's 120 training examples."""
    return toy(120, "prevention", "train")


@pytest.fixture(scope="session")
def clean():
    """Sixty others."""
    return toy(60, "prevention", "clean")


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
        self.data, self.clean = self.drawn(4000, 0.95, "train"), self.drawn(800, 0.5, "clean")
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
        return trained(self.make(0), self.data, self.recipe)

    @staticmethod
    def make(seed):
        """A linear network."""
        return seeded(lambda: nn.Sequential(nn.Flatten(), nn.Linear(2, 2)), seed)

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
