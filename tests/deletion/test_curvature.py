"""Products against dense matrices, solvers against dense solutions, squared gradients against a loop."""

import copy
import math

import pytest
import torch
from torch import nn
from torch.func import functional_call, jacrev
from torch.testing import assert_close
from toys import seeded, theta_of

from spurlab.deletion.mean_loss import MeanLoss
from spurlab.deletion.solvers import conjugate_gradient, largest_eigenvalue, lissa
from spurlab.deletion.squared_gradients import squared_gradients, squared_gradients_one_by_one
from spurlab.deletion.weights import free_weights, moved
from spurlab.seeds import rng_for
from spurlab.training.losses import LOSSES


def draw(*shape, purpose="draw"):
    return torch.randn(*shape, generator=rng_for(0, "test", "curvature", purpose), dtype=torch.float64)


@pytest.fixture
def net():
    return seeded(lambda: nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Dropout(), nn.Linear(4, 3)).double())


LABELS = torch.tensor([0, 1, 2, 2, 0, 1, 1])


def dense_hessian(function):
    """By reverse mode twice: forward mode warns of a deprecation within PyTorch."""
    return jacrev(jacrev(function))


def outputs_at(net, theta, x):
    point, start = {}, 0
    for name, weight in net.named_parameters():
        point[name] = theta[start : start + weight.numel()].view(weight.shape)
        start += weight.numel()
    return functional_call(net, point, (x,))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("chunk", [2, 100])
def test_gradient_and_products_are_those_of_the_dense_matrices(net, loss, chunk):
    """The network is given in training mode: dropout must rest all the same."""
    x, v, decay = draw(7, 3), draw(31, purpose="v"), 0.3
    plain = copy.deepcopy(net).eval()

    def objective(theta):
        return LOSSES[loss](outputs_at(plain, theta, x), LABELS).mean() + decay / 2 * theta.square().sum()

    theta = theta_of(net)
    mean_loss = MeanLoss(net.train(), x, LABELS, LOSSES[loss], decay, chunk)
    assert_close(mean_loss.gradient(), torch.func.grad(objective)(theta))
    assert_close(mean_loss.hessian(v), dense_hessian(objective)(theta) @ v)
    jacobian = jacrev(lambda theta: outputs_at(plain, theta, x))(theta)
    logits = plain(x).detach()
    dense = decay * torch.eye(31)
    for j, z, y in zip(jacobian, logits, LABELS, strict=True):
        of_loss = dense_hessian(lambda z, y=y: LOSSES[loss](z[None], y[None])[0])(z)
        dense = dense + j.T @ of_loss @ j / 7
    assert_close(mean_loss.gauss_newton(v), dense @ v)
    assert net.training
    assert all(weight.grad is None for weight in net.parameters())


def test_batch_norm_uses_its_running_numbers_and_keeps_them(net):
    norm = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)).double()
    before = copy.deepcopy(norm.state_dict())
    both, one = (MeanLoss(norm.train(), draw(7, 3), LABELS, LOSSES["ce"], chunk=chunk) for chunk in (7, 1))
    v = draw(18)
    for name in ("hessian", "gauss_newton"):
        assert_close(getattr(both, name)(v), getattr(one, name)(v))
    assert_close(norm.state_dict(), before, rtol=0, atol=0)


def test_frozen_weights_are_not_in_the_vector_and_idle_ones_are(net):
    net[0].requires_grad_(False)
    net.register_parameter("idle", nn.Parameter(torch.ones(2, dtype=torch.float64)))
    mean_loss = MeanLoss(net, draw(7, 3), LABELS, LOSSES["ce"])
    sizes = [weight.numel() for weight in free_weights(net)]
    assert sorted(sizes) == [2, 3, 12]
    assert mean_loss.hessian(draw(17)).shape == mean_loss.gauss_newton(draw(17)).shape == (17,)
    idle = torch.cat([torch.full((size,), float(size == 2)) for size in sizes]).bool()
    assert not mean_loss.gradient()[idle].any()
    assert mean_loss.gradient()[~idle].any()
    with pytest.raises(ValueError, match="no weight that may change"):
        free_weights(net.requires_grad_(False))


def test_no_examples_have_no_mean(net):
    with pytest.raises(ValueError, match="there are no examples"):
        MeanLoss(net, draw(0, 3), LABELS[:0], LOSSES["ce"])


def test_a_step_moves_a_copy(net):
    step = draw(31)
    before = theta_of(net)
    assert_close(theta_of(moved(net, step)), before + step)
    assert_close(theta_of(net), before, rtol=0, atol=0)


# Solvers


@pytest.fixture
def matrix():
    root = draw(20, 20)
    return root @ root.T / 20


def test_conjugate_gradient_solves(matrix):
    b = draw(20, purpose="b")
    found = conjugate_gradient(lambda v: matrix @ v, b, damping=0.1, tolerance=1e-12, steps=200)
    assert_close(found, torch.linalg.solve(matrix + 0.1 * torch.eye(20), b))


def test_its_tolerance_is_of_the_residual(matrix):
    b, calls = draw(20, purpose="b"), []

    def product(v):
        calls.append(v)
        return matrix @ v

    found = conjugate_gradient(product, b, damping=0.1, tolerance=0.01)
    assert (matrix @ found + 0.1 * found - b).norm() <= 0.0101 * b.norm()
    assert len(calls) < 20
    calls.clear()
    conjugate_gradient(product, b, damping=0.1, tolerance=1e-12, steps=3)
    assert len(calls) == 3
    assert not conjugate_gradient(product, torch.zeros_like(b)).any()


def test_conjugate_gradient_meets_negative_curvature():
    """Along b itself it says so; later it keeps what it has: here one step, to the line's minimum b.b / b.Hb."""
    with pytest.raises(FloatingPointError, match=r"a curvature of -1 at step 1.*damping is 0: raise it"):
        conjugate_gradient(lambda v: -v, torch.tensor([1.0]))
    with pytest.raises(FloatingPointError, match="nan"):
        conjugate_gradient(lambda v: v * math.nan, torch.tensor([1.0]))
    b = torch.tensor([1.0, 1.0])
    found = conjugate_gradient(lambda v: torch.tensor([3.0, -1.0]) * v, b)
    assert_close(found, b * (2 / 2))


def test_lissa_without_noise_is_the_solution(matrix):
    b = draw(20, purpose="b")
    found = lissa(lambda v: matrix @ v, b, damping=0.5, scale=6.0, depth=400)
    assert_close(found, torch.linalg.solve(matrix + 0.5 * torch.eye(20), b))


def test_the_expectation_of_lissa_is_the_solution():
    """Two matrices with even odds; 500 runs, four standard errors each: one seed in 8,000 would miss."""
    pair = torch.tensor([[[2.0, 1.0], [1.0, 1.0]], [[0.5, 0.0], [0.0, 1.5]]])
    rng, b = rng_for(0, "test", "lissa"), torch.tensor([1.0, -2.0])

    def product(v):
        return pair[int(torch.randint(2, (), generator=rng))] @ v

    runs = torch.stack([lissa(product, b, damping=0.2, scale=3.0, depth=25) for _ in range(500)])
    exact = conjugate_gradient(lambda v: pair.mean(0) @ v, b, damping=0.2, tolerance=1e-6)
    error = runs.std(0) / math.sqrt(len(runs))
    assert ((runs.mean(0) - exact).abs() < 4 * error + 1e-3).all()  # what 25 steps leave: (1 - 0.95 / 3)^25 < 1e-4
    assert (error < 0.05).all()


def test_repetitions_are_averaged():
    """The draws 1, 2, 1, 2: with one step each, the results are 1 + (1 - 1) and 1 + (1 - 2 / 4), by the scale."""
    draws = iter([4.0, 2.0])
    found = lissa(lambda v: next(draws) * v, torch.ones(1), damping=0.0, scale=4.0, depth=1, repetitions=2)
    assert_close(found, torch.tensor([(1 / 4 + 1.5 / 4) / 2]))


def test_the_largest_eigenvalue(matrix):
    found = largest_eigenvalue(lambda v: matrix @ v, draw(20, purpose="b"), 200)
    assert found == pytest.approx(torch.linalg.eigvalsh(matrix).max().item(), rel=1e-6)
    assert largest_eigenvalue(lambda v: 0 * v, torch.ones(2)) == 0


# Squared gradients


class Twice(nn.Module):
    """One linear layer that is used two times: its example's gradient is a sum, so squares of parts do not do."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3, dtype=torch.float64)

    def forward(self, x):
        return self.linear(self.linear(x).tanh())


class Tied(Twice):
    """Two layers with one weight, whose gradient is a sum as well."""

    def __init__(self):
        super().__init__()
        self.other = nn.Linear(3, 3, dtype=torch.float64)
        self.other.weight = self.linear.weight

    def forward(self, x):
        return self.other(self.linear(x).tanh())


class Looking(Twice):
    """Looks at values, which `torch.func.vmap` cannot."""

    def forward(self, x):
        self.range = x.min().item(), x.max().item()
        return super().forward(x)


def frozen(net, whole=False):
    net[0].weight.requires_grad_(False)
    net[0].bias.requires_grad_(not whole)
    return net


NETS = {
    "perceptron": lambda: nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Dropout(), nn.Linear(5, 3, bias=False)).double(),
    "frozen": lambda: frozen(nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 3)).double()),
    "frozen body": lambda: frozen(nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 3)).double(), whole=True),
    "in place": lambda: nn.Sequential(nn.Linear(3, 5), nn.ReLU(inplace=True), nn.Linear(5, 3)).double(),
    "twice": Twice,
    "tied": Tied,
    "looking": Looking,
    "convolution": lambda: nn.Sequential(
        nn.Unflatten(1, (1, 3)), nn.Conv1d(1, 2, 2), nn.BatchNorm1d(2), nn.Flatten(), nn.Linear(4, 3)
    ).double(),
}


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("way", [squared_gradients, squared_gradients_one_by_one])
def test_squared_gradients_are_those_of_a_loop(name, way):
    net, x, share = seeded(NETS[name]), draw(7, 3), draw(7, purpose="share").abs()
    plain = copy.deepcopy(net).eval()
    total = 0
    for i in range(7):
        loss = LOSSES["ce"](plain(x[i : i + 1]), LABELS[i : i + 1])[0]
        slopes = torch.autograd.grad(loss, free_weights(plain))
        total = total + share[i] * torch.cat([slope.flatten() for slope in slopes]) ** 2 / 7
    assert_close(way(net.train(), x, LABELS, LOSSES["ce"], share), total)
    assert_close(way(net, x, LABELS, LOSSES["ce"]), way(net, x, LABELS, LOSSES["ce"], torch.ones(7).double()))
    assert not any(module._forward_hooks for module in net.modules())
