"""A small problem for all methods: the toy, and convex ones whose minimum is known."""

import pytest
import torch
import toys
from torch import nn
from toys import six_of_class_0, theta_of, toy

from spurlab.data import Examples
from spurlab.deletion import reference_influence
from spurlab.seeds import rng_for
from spurlab.training import Recipe

one_thread_only, recipe = toys.one_thread_only, toys.recipe  # fixtures
trained_model, model = toys.trained_model, toys.model


@pytest.fixture(autouse=True)
def _short_recursions(monkeypatch):
    """The public code's thousands of products of one example say no more here."""
    monkeypatch.setattr(reference_influence, "DEPTH", 30)


@pytest.fixture(scope="session")
def data():
    """90 points of the toy."""
    return toy(90, "deletion")


@pytest.fixture
def forget(data):
    """Six of class 0."""
    return six_of_class_0(data)


@pytest.fixture
def whole(data, recipe):
    """Plain SGD with all examples in one batch: one epoch is one step, which can be worked out."""
    return recipe.but(optimizer="sgd", momentum=0.0, batch_size=len(data), milestones=())


@pytest.fixture
def gradients():
    """(network, examples) -> the gradient of their mean cross-entropy in each of its parameters."""

    def of(network, examples):
        loss = nn.functional.cross_entropy(network(examples.inputs), examples.labels)
        return torch.autograd.grad(loss, list(network.parameters()))

    return of


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
        losses = {
            "ce": lambda: logits.exp().sum(1).log() - (logits * truth).sum(1),
            "mse": lambda: (logits - truth).square().mean(1),
        }[self.loss]()
        return losses.mean() + self.decay / 2 * theta.square().sum()

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
        return (theta_of(after) - self.minimum(~self.forget(count))).norm().item()


@pytest.fixture(scope="session")
def ridge():
    """Squared loss with weight decay: quadratic."""
    return Convex("mse", 0.05)


@pytest.fixture(scope="session")
def logistic():
    """Cross-entropy with weight decay."""
    return Convex("ce", 0.05)
