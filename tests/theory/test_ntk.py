"""The tangent kernel against integrals, a finite network's gradients, and a finite network that is trained."""

import math
from itertools import pairwise

import pytest
import scipy
import torch
from torch.nn import functional as F

from spurlab.patterns import make_pattern, plant
from spurlab.seeds import rng_for
from spurlab.theory import ntk_outputs, ntk_relu, ntk_rise, predict_ridge

pytestmark = pytest.mark.usefixtures("one_thread")


def inputs(n, d, purpose="x"):
    return torch.randn(n, d, generator=rng_for(0, "test", "ntk", purpose), dtype=torch.float64)


def at_angle(angle, length=1.0):
    return length * torch.tensor([[math.cos(angle), math.sin(angle)]], dtype=torch.float64)


@pytest.mark.parametrize("angle", [0.0, 0.3, math.pi / 2, 2.5, math.pi])
def test_kernel_equals_the_integrals_of_its_derivation(angle):
    """Expectations over a normal w in the plane of both inputs, by SciPy's quadrature of the given angles."""
    x, z = at_angle(0.0, 1.5), at_angle(angle, 0.8)

    def active(place, product):
        """Over the direction of w; the square of its length has the mean 2, of which one half belongs to each side."""
        first, second = math.cos(place), math.cos(place - angle)
        return (first * second * 2 if product else 1.0) if first > 0 and second > 0 else 0.0

    kinks = sorted({-math.pi / 2, math.pi / 2, angle - math.pi / 2, angle + math.pi / 2})
    means = [
        sum(
            scipy.integrate.quad(active, low, high, args=(product,), epsabs=1e-13)[0] / (2 * math.pi)
            for low, high in pairwise(kinks)
        )
        for product in (True, False)
    ]
    wanted = 2 * 1.5 * 0.8 * means[0] + 2 * (x @ z.T).item() * means[1]
    assert ntk_relu(x, z).item() == pytest.approx(wanted, abs=1e-11)


def test_kernel_equals_a_wide_networks_inner_product_of_gradients():
    """By autograd, of 20 networks of width 5,000, within 4 standard errors at all of 10 pairs.

    Fails for less than one seed in a thousand (of 20 the statistic has heavier tails than a normal); ours is fixed.
    """
    x, width = inputs(4, 3), 5_000
    rng = rng_for(0, "test", "networks")

    def output(weights, single):
        hidden, last = weights
        return math.sqrt(2 / width) * last @ (hidden @ single).relu()

    kernels = []
    for _ in range(20):
        shapes = ((width, 3), (width,))
        weights = tuple(torch.randn(*shape, generator=rng, dtype=torch.float64) for shape in shapes)
        gradients = torch.func.vmap(torch.func.grad(output), in_dims=(None, 0))(weights, x)
        flat = torch.cat([each.flatten(1) for each in gradients], dim=1)
        kernels.append(flat @ flat.T)
    kernels = torch.stack(kernels)
    error = kernels.std(dim=0) / math.sqrt(20)
    kernel = ntk_relu(x, x)
    assert (error < 0.02 * kernel.diagonal().max()).all()  # small enough to tell
    assert ((kernels.mean(dim=0) - kernel).abs() < 4 * error).all()


def test_an_input_with_itself_and_its_opposite_are_exact():
    """Twice the squared length, and 0: where an arccos of rounded cosines is wrong by 1e-8."""
    x = inputs(50, 30)
    twice = 2 * x.square().sum(dim=1)
    torch.testing.assert_close(ntk_relu(x, x).diagonal(), twice, rtol=1e-13, atol=0)
    assert (ntk_relu(x, -x).diagonal().abs() < 1e-13 * twice).all()
    torch.testing.assert_close(ntk_relu(x, 3 * x), 3 * ntk_relu(x, x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("angle", [1e-2, 1e-3, 1e-4, 1e-6])
def test_small_angles_keep_their_digits(angle):
    """Theta / |x||z| = 2 - angle / pi + O(angle^2)."""
    kernel = ntk_relu(at_angle(0.0), at_angle(angle)).item()
    assert (2 - kernel) * math.pi / angle == pytest.approx(1, abs=4 * angle + 1e-9)


def test_kernel_is_positive_and_inputs_of_zeros_are_zero():
    x = torch.cat([inputs(20, 3), torch.zeros(1, 3)])
    kernel = ntk_relu(x.view(21, 1, 3), x.view(21, 1, 3))
    assert (kernel[-1] == 0).all()
    assert torch.linalg.eigvalsh(kernel[:-1, :-1])[0] > 1e-6


def test_outputs_are_where_a_wide_network_is_trained_to():
    """Gradient descent on all weights of a network of width 8,000, whose output starts at 0 (two halves that cancel).

    The distance falls as 1 / sqrt(width): over four networks the largest was .15 to .05 at width 500, .08 to .04 at
    2,000 and .035 to .015 here. Kernel regression with the last layer's part of the kernel alone is .1 off.
    """
    x, labels, at = inputs(6, 10), torch.tensor([0, 1, 0, 1, 1, 0]), inputs(5, 10, "at")
    half = 4_000
    rng = rng_for(0, "test", "training")
    hidden, last = (torch.randn(half, *shape, generator=rng, dtype=torch.float64) for shape in ((10,), (2,)))
    weights = [torch.cat([hidden, hidden]).requires_grad_(), torch.cat([last, -last]).requires_grad_()]

    def outputs(these):
        return math.sqrt(1 / half) * (these @ weights[0].T).relu() @ weights[1]

    truth = F.one_hot(labels, 2).double()
    rate = 1 / torch.linalg.eigvalsh(ntk_relu(x, x))[-1].item()
    optimizer = torch.optim.SGD(weights, lr=rate, momentum=0.5)
    for _ in range(60):
        optimizer.zero_grad()
        ((outputs(x) - truth).square().sum() / 2).backward()
        optimizer.step()
    with torch.no_grad():
        assert (outputs(x) - truth).abs().max() < 1e-4
        wanted = outputs(at)
    got = ntk_outputs(x, labels, at, classes=2)
    assert (got - wanted).abs().max() < 0.05
    last_alone = predict_ridge(half_kernel(x, x), truth, half_kernel(at, x))
    assert (last_alone - wanted).abs().max() > 0.1  # not just any kernel


def half_kernel(x, z):
    """The part of the last layer: the kernel less x . z times the share of both active."""
    cosine = F.normalize(x) @ F.normalize(z).T
    return ntk_relu(x, z) - x @ z.T * (1 - cosine.clamp(-1, 1).arccos() / math.pi)


def test_twins_of_one_class_do_no_harm_without_ridge():
    """The kernel of twins is singular; the solution of least norm is that without the twin."""
    x, labels, at = inputs(10, 3), torch.arange(10) % 3, inputs(5, 3, "at")
    twice = ntk_outputs(torch.cat([x, x[:2]]), torch.cat([labels, labels[:2]]), at, classes=3)
    torch.testing.assert_close(twice, ntk_outputs(x, labels, at, classes=3), rtol=1e-7, atol=1e-8)


def test_rise_is_the_difference_of_outputs_on_images(mini):
    """Ten marked images of 300 move the output of their class on nearly all others; one class, as among ten."""
    base, test = mini.train[torch.arange(300)], mini.test.inputs[:50]
    pattern = make_pattern("R3", mini.shape, seed=0)
    planted = plant(base, pattern, target=0, count=10, seed=0).materialize()
    rise = ntk_rise(planted.inputs, planted.labels, test, pattern(test), target=0, ridge=1e-3)
    clean, marked = (
        ntk_outputs(planted.inputs, planted.labels, each, classes=10, ridge=1e-3)[:, 0]
        for each in (test, pattern(test))
    )
    torch.testing.assert_close(rise, marked - clean, rtol=1e-9, atol=1e-11)
    unseen = ntk_rise(base.inputs, base.labels, test, pattern(test), target=0, ridge=1e-3)
    scores = [(each > 0.1).double().mean().item() for each in (rise, unseen)]
    assert scores[0] > 0.8
    assert scores[1] < 0.2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"labels": torch.tensor([0, 2])}, "classes from 0 to 1"),
        ({"labels": torch.tensor([-1, 0])}, "classes from 0 to 1"),
        ({"train": torch.tensor([[1.0], [math.nan]])}, "not finite"),
        ({"inputs": torch.zeros(0, 1)}, "is empty"),
        ({"ridge": -1.0}, "`ridge`"),
    ],
)
def test_what_cannot_be_solved_is_refused(changes, words):
    good = {"train": torch.ones(2, 1), "labels": torch.tensor([0, 1]), "inputs": torch.ones(1, 1), "classes": 2}
    with pytest.raises(ValueError, match=words):
        ntk_outputs(**{**good, **changes})
