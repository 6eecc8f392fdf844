"""A small problem for all methods: two classes that lie apart, and a network that has learnt them."""

import copy

import pytest
import torch
from torch import nn

from spurlab.data import Examples
from spurlab.deletion import reference_influence
from spurlab.patterns import Planted
from spurlab.seeds import rng_for
from spurlab.training import Member, Recipe, train_one


@pytest.fixture(autouse=True, scope="module")
def _one_thread(one_thread):
    pass


@pytest.fixture(autouse=True)
def _short_recursions(monkeypatch):
    """The public code's thousands of products of one example say no more here."""
    monkeypatch.setattr(reference_influence, "DEPTH", 30)


@pytest.fixture(scope="session")
def recipe():
    """How the network of these tests is trained."""
    return Recipe(learning_rate=0.01, epochs=12, milestones=(8,), batch_size=16)


@pytest.fixture(scope="session")
def data():
    """90 points in the plane, in three classes that lie apart."""
    rng = rng_for(0, "test", "deletion")
    labels = torch.arange(90) % 3
    centres = torch.tensor([[2.0, 0.0], [-1.0, 1.7], [-1.0, -1.7]])
    return Examples(centres[labels] + 0.5 * torch.randn(90, 2, generator=rng), labels)


@pytest.fixture
def forget(data):
    """Six of class 0."""
    mask = torch.zeros(len(data), dtype=torch.bool)
    mask[(data.labels == 0).nonzero().flatten()[:6]] = True
    return mask


@pytest.fixture(scope="session")
def trained_model(data, recipe):
    """A perceptron that was trained on all of them, in evaluation mode."""
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


@pytest.fixture
def whole(data, recipe):
    """Plain SGD with all examples in one batch: one epoch is one step, which can be worked out."""
    return recipe.but(optimizer="sgd", momentum=0.0, batch_size=len(data), milestones=())


@pytest.fixture
def gradients():
    """(loss, network) -> the gradient of each of its parameters."""
    return lambda loss, network: torch.autograd.grad(loss, list(network.parameters()))


class Linear64(nn.Module):
    """A linear classifier in float64, so that what is exact is seen to be."""

    def __init__(self, d, k):
        super().__init__()
        self.linear = nn.Linear(d, k, dtype=torch.float64)

    def forward(self, x):
        return self.linear(x.double())


class Convex:
    """A problem with one minimum, which is found here by Newton's method on dense derivatives, for any part of it.

    Its first 24 examples are one and the same, so the share of a forget set among them can be doubled and nothing else.
    """

    def __init__(self, loss, decay, n=300, d=3, k=3):
        rng = rng_for(1, "test", "convex")
        inputs, labels = torch.randn(n, d, generator=rng), torch.randint(k, (n,), generator=rng)
        inputs[:24], labels[:24] = inputs[0], labels[0]
        self.data, self.loss, self.decay, self.k = Examples(inputs, labels), loss, decay, k
        self.recipe = Recipe(loss=loss, weight_decay=decay)
        self.model = self.at(self.minimum(torch.ones(n, dtype=torch.bool)))

    def objective(self, theta, rows):
        d = self.data.shape[0]
        weight, bias = theta[: self.k * d].view(self.k, d), theta[self.k * d :]
        logits, truth = self.data.inputs[rows].double() @ weight.T + bias, torch.eye(self.k)[self.data.labels[rows]]
        each = {
            "ce": lambda: logits.exp().sum(1).log() - (logits * truth).sum(1),
            "mse": lambda: (logits - truth).square().mean(1),
        }[self.loss]()
        return each.mean() + self.decay / 2 * theta.square().sum()

    def minimum(self, rows):
        theta = torch.zeros(self.k * (self.data.shape[0] + 1), dtype=torch.float64)
        for _ in range(12):
            theta = theta - torch.linalg.solve(self.dense(theta, rows), self.slope(theta, rows))
        assert self.slope(theta, rows).norm() < 1e-13
        return theta

    def slope(self, theta, rows):
        return torch.func.grad(self.objective)(theta, rows)

    def dense(self, theta, rows):
        return torch.func.jacrev(torch.func.jacrev(self.objective))(theta, rows)

    def at(self, theta):
        model = Linear64(self.data.shape[0], self.k)
        nn.utils.vector_to_parameters(theta.clone(), model.parameters())
        return model.eval()

    def forget(self, count):
        """The first rows."""
        return torch.arange(len(self.data)) < count

    def error(self, method, count):
        """How far a method lands from the minimum without the first rows."""
        after = method(self.model, self.data, self.forget(count))
        found = nn.utils.parameters_to_vector(after.parameters()).detach()
        return (found - self.minimum(~self.forget(count))).norm().item()


@pytest.fixture(scope="session")
def ridge():
    """Squared loss with weight decay: quadratic."""
    return Convex("mse", 0.05)


@pytest.fixture(scope="session")
def logistic():
    """Cross-entropy with weight decay."""
    return Convex("ce", 0.05)
