"""Noise and weight decay against the losses that they stand for."""

import math

import numpy as np
import pytest
import torch
from numpy.polynomial.hermite_e import hermegauss
from torch.nn import functional as F

from spurlab.seeds import rng_for
from spurlab.theory import decay_of_noise, decay_of_ridge, predict_ridge, ridge_of_decay, ridge_of_noise
from spurlab.training import Recipe
from spurlab.training.losses import LOSSES

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def data():
    rng = rng_for(0, "test", "penalties")
    return [torch.randn(40, *shape, generator=rng, dtype=torch.float64) for shape in ((6,), ())]


def test_the_expected_loss_under_noise_is_that_of_ridge(data):
    """Monte Carlo: 20,000 draws of noise, each a loss; their mean is the penalized loss within 4 standard errors.

    That fails for one seed in about 16,000; ours is fixed. The penalty is 100 standard errors, so it would be missed.
    """
    x, y = data
    w, sd, draws = torch.randn(6, generator=rng_for(0, "test", "w"), dtype=torch.float64), 0.7, 20_000
    noise = sd * torch.randn(draws, 40, 6, generator=rng_for(0, "test", "noise"), dtype=torch.float64)
    losses = ((x + noise) @ w - y).square().mean(dim=1)
    error = losses.std().item() / math.sqrt(draws)
    penalty = ridge_of_noise(sd) * w.square().sum().item()
    wanted = (x @ w - y).square().mean().item() + penalty
    assert penalty > 100 * error
    assert abs(losses.mean().item() - wanted) < 4 * error


def test_the_minimum_under_noise_is_that_of_ridge(data):
    """E (x + e)(x + e)' is xx' + sd^2 I and E (x + e) y is xy, so these are the normal equations under noise."""
    x, y = data
    second = x.T @ x / len(x) + 0.7**2 * torch.eye(6, dtype=torch.float64)
    wanted = x @ torch.linalg.solve(second, x.T @ y / len(x))
    kernel = x @ x.T
    torch.testing.assert_close(predict_ridge(kernel, y, kernel, ridge_of_noise(0.7)), wanted, rtol=1e-10, atol=1e-12)


def test_weight_decay_of_the_optimizer_is_ridge():
    """PyTorch's own step, taken until nothing moves: `mse` of three classes with weight decay ends at ridge."""
    rng = rng_for(0, "test", "decay")
    x, labels = torch.randn(40, 6, generator=rng, dtype=torch.float64), torch.arange(40) % 3
    weights = torch.zeros(6, 3, dtype=torch.float64, requires_grad=True)
    recipe = Recipe(optimizer="sgd", learning_rate=0.5, momentum=0.5, weight_decay=0.2)
    optimizer = recipe.optimizer_for([weights])
    for _ in range(300):
        optimizer.zero_grad()
        LOSSES["mse"](x @ weights, labels).mean().backward()
        optimizer.step()
    kernel, truth = x @ x.T, F.one_hot(labels, 3).double()
    wanted = predict_ridge(kernel, truth, kernel, ridge_of_decay(recipe.weight_decay, classes=3))
    torch.testing.assert_close((x @ weights).detach(), wanted, rtol=1e-10, atol=1e-12)
    assert decay_of_ridge(ridge_of_decay(0.2, classes=3), classes=3) == pytest.approx(0.2)


def test_noise_under_the_logistic_loss_is_decay_to_the_fourth_order():
    """The exact expectation by Gauss's rule of 60 nodes. Half the noise: a sixteenth of what the penalty leaves out."""
    margins = torch.linspace(-3, 4, 15, dtype=torch.float64)
    length = 1.3  # of the weights
    nodes, weights = hermegauss(60)

    def expected(sd):
        noisy = margins.numpy()[:, None] + sd * length * nodes
        return float((np.logaddexp(0, -noisy) @ weights).mean() / math.sqrt(2 * math.pi))

    missed = []
    for sd in (0.2, 0.1):
        penalty = expected(sd) - expected(0.0)
        missed.append(penalty - decay_of_noise(sd, margins) * length**2 / 2)
        assert abs(missed[-1]) < 0.02 * penalty
    assert missed[0] / missed[1] == pytest.approx(16, rel=0.05)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ridge_of_noise(-1.0), "`sd` must be finite and 0 or more"),
        (lambda: ridge_of_decay(-1.0), "`weight_decay`"),
        (lambda: ridge_of_decay(1.0, classes=0), "`classes` must be finite and 1 or more"),
        (lambda: decay_of_ridge(math.inf), "`ridge`"),
        (lambda: decay_of_ridge(1.0, classes=0), "`classes`"),
        (lambda: decay_of_noise(-1.0, torch.zeros(2)), "`sd`"),
        (lambda: decay_of_noise(1.0, torch.zeros(0)), "`margins` is empty"),
    ],
)
def test_settings_out_of_range_are_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
