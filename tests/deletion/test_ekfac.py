"""EK-FAC against dense matrices where it is exact, and refusals where it has no way."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close
from toys import needs_curvlinops, seeded, theta_of

from spurlab.data import Examples
from spurlab.deletion import ByConjugateGradient, ByEkfac, GroupInfluence
from spurlab.deletion.problem import Problem
from spurlab.seeds import rng_for
from spurlab.training import Recipe

pytestmark = needs_curvlinops
GIVEN = {"epochs": 1, "milestones": (), "weight_decay": 0.02}


def dense(problem, examples):
    """The Gauss-Newton matrix of these examples with the recipe's weight decay, by products with unit vectors."""
    product = problem.product(examples)
    return torch.stack([product(unit) for unit in torch.eye(len(problem.gradient), dtype=torch.float64)])


def solved(network, data, loss, **given):
    """EK-FAC's solution for the gradient of the last three, and that of the dense matrix of all."""
    problem = Problem(network, data[:-3], data[-3:], Recipe(loss=loss, **GIVEN), "gauss-newton", 0)
    b = problem.gradient
    matrix = dense(problem, data) + 0.1 * torch.eye(len(b), dtype=torch.float64)
    return ByEkfac(sample=None, **given)(problem, b, 0.1), torch.linalg.solve(matrix, b)


@pytest.mark.parametrize("bias", [True, False])
def test_exact_for_a_linear_network_under_squared_error(bias):
    """Its curvature is the inputs' second moments for each output, one Kronecker product."""
    inputs = torch.randn(20, 3, generator=rng_for(0, "test"))
    data = Examples(inputs, torch.arange(20) % 2)
    network = seeded(lambda: nn.Linear(3, 2, bias=bias).double())
    assert_close(*solved(network, data, "mse", batch_size=7), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("loss", ["ce", "kld"])
def test_exact_where_inputs_are_alike(loss):
    """Then no output's gradient goes with any input, and the curvature of both losses is that of the softmax."""
    data = Examples(torch.tensor([[1.0, -2.0]]).repeat(12, 1), torch.arange(12) % 3)
    network = seeded(lambda: nn.Linear(2, 3).double())
    assert_close(*solved(network, data, loss), rtol=1e-6, atol=1e-10)


def test_each_layer_alone_is_exact_in_a_deep_network_of_one_example():
    """Of one input each layer's block is one Kronecker product; what the blocks have to do with each other is left
    out. So EK-FAC is the dense matrix with zeros between the layers."""
    data = Examples(torch.tensor([[1.0, -2.0]]).repeat(6, 1), torch.arange(6) % 2)
    network = seeded(lambda: nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 2)).double())
    problem = Problem(network, data[:-3], data[-3:], Recipe(loss="ce", **GIVEN), "gauss-newton", 0)
    b, first = problem.gradient, 2 * 4 + 4
    matrix = dense(problem, data) + 0.1 * torch.eye(len(b), dtype=torch.float64)
    matrix[:first, first:] = matrix[first:, :first] = 0
    assert_close(ByEkfac(sample=None)(problem, b, 0.1), torch.linalg.solve(matrix, b), rtol=1e-6, atol=1e-10)


def test_deletion_by_ekfac_is_that_by_the_exact_inverse_for_ridge(ridge):
    """One output and squared error: exact, and so is the whole method."""
    exact = ByConjugateGradient(sample=None, steps=100, tolerance=1e-13)
    forget = ridge.forget(12)
    by = [GroupInfluence(ridge.recipe, dampings=(0.01,), inverse=inverse) for inverse in (ByEkfac(None), exact)]
    after, expected = (theta_of(method(ridge.model, ridge.data, forget)) for method in by)
    assert not torch.equal(expected, theta_of(ridge.model))
    assert_close(after, expected, rtol=0, atol=1e-9)


def test_a_convolution_and_a_sample():
    """The step is finite, its seed decides, and the network is as before."""
    inputs = torch.rand(40, 1, 6, 6, generator=rng_for(0, "test"))
    data = Examples(inputs, torch.arange(40) % 2)
    network = seeded(lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 2)))
    before = theta_of(network)
    steps = [
        ByEkfac(sample=20)(Problem(network, data[:-3], data[-3:], Recipe(**GIVEN), "gauss-newton", seed), before, 0.1)
        for seed in (0, 0, 1)
    ]
    assert steps[0].isfinite().all()
    assert torch.equal(steps[0], steps[1])
    assert not torch.equal(steps[0], steps[2])
    assert torch.equal(theta_of(network), before)


def with_batch_norm():
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))


def tied():
    first = nn.Linear(2, 2)
    second = nn.Linear(2, 2)
    second.weight = first.weight
    return nn.Sequential(first, second)


@pytest.mark.parametrize(
    ("make", "curvature", "said"),
    [
        (with_batch_norm, "gauss-newton", r"1\.weight is of BatchNorm1d\. Take the method `influence`"),
        (tied, "gauss-newton", r"0\.weight and 1\.weight are one"),
        (lambda: nn.Linear(2, 2), "hessian", "of the Gauss-Newton matrix, but curvature is 'hessian'"),
    ],
)
def test_what_it_cannot_is_a_sentence(make, curvature, said):
    data = Examples(torch.randn(8, 2, generator=rng_for(0, "test")), torch.arange(8) % 2)
    network = seeded(make)
    problem = Problem(network, data[:-3], data[-3:], Recipe(**GIVEN), curvature, 0)
    with pytest.raises(ValueError, match=said):
        ByEkfac()(problem, theta_of(network), 0.1)
