"""DP-SGD: a step by a loop over examples, epsilon by Opacus asked directly and by the exact Gaussian mechanism."""

import math
import sys

import pytest
import torch
from scipy.optimize import brentq
from scipy.stats import norm
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close
from toys import Recurrent, needs_opacus, same, seeded

from spurlab.data import Examples
from spurlab.methods import isolated, untrained
from spurlab.prevention import DpSgd, Guarantee, dp_sgd, guarantee_of, prevention_named
from spurlab.prevention.method import own_seed
from spurlab.seeds import rng_for, seed_for
from spurlab.training import Recipe

ONE_STEP = Recipe(optimizer="sgd", momentum=0.0, learning_rate=0.1, batch_size=120, epochs=1, milestones=())


def by_loop(network, inputs, labels, method, noise, expected):
    """The slow twin: the private gradient of each parameter, one example after the other."""
    parameters = list(network.parameters())
    total = [torch.zeros_like(weight) for weight in parameters]
    for x, y in zip(inputs, labels, strict=True):
        slopes = torch.autograd.grad(F.cross_entropy(network(x[None]), y[None]), parameters)
        size = torch.cat([slope.flatten() for slope in slopes]).norm()
        total = [
            so_far + slope * min(1.0, method.clip / size.item()) for so_far, slope in zip(total, slopes, strict=True)
        ]
    drawn = [torch.normal(0.0, method.noise * method.clip, weight.shape, generator=noise) for weight in parameters]
    return [(so_far + each) / expected for so_far, each in zip(total, drawn, strict=True)]


def noise_of(seed):
    return torch.Generator().manual_seed(seed_for(seed, "prevention", "dp-sgd", "noise"))


@needs_opacus
@pytest.mark.parametrize("noise", [0.0, 1.5])
def test_one_step_by_a_loop(noise, model, data, clean):
    """All examples are in the batch, and more than half of them are clipped."""
    method = DpSgd(ONE_STEP, noise=noise, clip=0.7)
    after, fresh = method(model, data, clean), untrained(model, own_seed(0, "dp-sgd"))
    slopes = by_loop(fresh, data.inputs, data.labels, method, noise_of(0), 120)
    for new, old, slope in zip(after.parameters(), fresh.parameters(), slopes, strict=True):
        assert_close(new, old - 0.1 * slope, atol=1e-6, rtol=1e-4)


@needs_opacus
def test_two_epochs_of_drawn_batches_by_a_loop(model, data, clean):
    """Each example is drawn alone, the sum is divided by the batch that is expected, not by the one that came."""
    recipe = ONE_STEP.but(batch_size=25, epochs=2)
    method = DpSgd(recipe, seed=3, noise=0.8, clip=0.5)
    after, network = method(model, data, clean), untrained(model, own_seed(3, "dp-sgd"))
    draws, noise = rng_for(3, "prevention", "dp-sgd", "draws"), noise_of(3)
    for _ in range(2 * math.ceil(120 / 25)):
        inside = torch.rand(120, generator=draws) < 25 / 120
        slopes = by_loop(network, data.inputs[inside], data.labels[inside], method, noise, 25)
        with torch.no_grad():
            for weight, slope in zip(network.parameters(), slopes, strict=True):
                weight.sub_(0.1 * slope)
    for new, old in zip(after.parameters(), network.parameters(), strict=True):
        assert_close(new, old, atol=1e-5, rtol=1e-4)


@needs_opacus
def test_without_noise_and_clipping_it_is_a_plain_step(model, data, clean):
    after, fresh = DpSgd(ONE_STEP, noise=0.0, clip=1e6)(model, data, clean), untrained(model, own_seed(0, "dp-sgd"))
    slopes = torch.autograd.grad(F.cross_entropy(fresh(data.inputs), data.labels), list(fresh.parameters()))
    for new, old, slope in zip(after.parameters(), fresh.parameters(), slopes, strict=True):
        assert_close(new, old - 0.1 * slope)


@needs_opacus
def test_no_example_moves_a_step_by_more_than_its_clipped_gradient(model, data, clean):
    """What the promise rests on: one example more or less, with the same noise, moves the sum by C at most."""
    method = DpSgd(ONE_STEP.but(batch_size=128, learning_rate=128.0), noise=1.0, clip=0.3)  # the sum itself
    moved = [nn.utils.parameters_to_vector(method(model, part, clean).parameters()) for part in (data, data[1:])]
    assert (moved[0] - moved[1]).norm().item() == pytest.approx(0.3, rel=1e-3)  # this one is clipped


@needs_opacus
def test_empty_batches_are_steps_of_noise_alone(model, data, clean):
    """One example is expected of 120: a third of the steps have none."""
    recipe = ONE_STEP.but(batch_size=1, learning_rate=1e-3)
    method = DpSgd(recipe, noise=2.0, clip=1e-6)
    after, fresh = method(model, data, clean), untrained(model, own_seed(0, "dp-sgd"))
    drawn, noise = [torch.zeros_like(weight) for weight in fresh.parameters()], noise_of(0)
    for _ in range(120):
        drawn = [so_far + torch.normal(0.0, 2e-6, so_far.shape, generator=noise) for so_far in drawn]
    for new, old, total in zip(after.parameters(), fresh.parameters(), drawn, strict=True):
        assert ((new - old + 1e-3 * total).abs() < 1e-3 * 1e-6 * 240 + 1e-6).all()


@needs_opacus
@pytest.mark.parametrize("accountant", ["rdp", "prv"])
def test_epsilon_by_opacus_asked_step_by_step(accountant):
    from opacus.accountants import create_accountant

    method = DpSgd(Recipe(batch_size=32, epochs=3, milestones=()), noise=1.1, delta=1e-4, accountant=accountant)
    theirs = create_accountant(mechanism=accountant)
    for _ in range(3 * 32):  # of 1,000 examples, ceil(1000 / 32) = 32 steps an epoch
        theirs.step(noise_multiplier=1.1, sample_rate=0.032)
    found = method.guarantee(1000)
    assert found == Guarantee(theirs.get_epsilon(1e-4), 1e-4, accountant)
    assert str(found).endswith(f"at delta 0.0001 ({accountant.upper()})")


def exact_epsilon(sigma, delta):
    """Of the Gaussian mechanism of sensitivity 1: Balle and Wang (2018), arXiv:1805.06530, theorem 8."""

    def excess(epsilon):
        low, high = 1 / (2 * sigma) - epsilon * sigma, -1 / (2 * sigma) - epsilon * sigma
        return norm.cdf(low) - math.exp(epsilon) * norm.cdf(high) - delta

    return brentq(excess, 0, 50)


@needs_opacus
@pytest.mark.parametrize("sigma", [1.0, 3.0])
def test_epsilon_of_one_step_on_all_examples_is_the_gaussian_mechanisms(sigma):
    """PRV within its stated error of .01, RDP above it and near; k steps are one with noise less by sqrt(k)."""
    for epochs in (1, 4):
        exact = exact_epsilon(sigma / math.sqrt(epochs), 1e-5)
        recipe = ONE_STEP.but(epochs=epochs)
        rdp, prv = (DpSgd(recipe, noise=sigma, accountant=by).guarantee(120).epsilon for by in ("rdp", "prv"))
        assert exact <= prv <= exact + 0.02
        assert exact <= rdp <= 1.15 * exact


@needs_opacus
def test_the_network_says_what_was_promised(model, data, clean):
    method = prevention_named("dp-sgd noise=2 delta=0.001", ONE_STEP, 0)
    assert guarantee_of(method(model, data, clean)) == method.guarantee(len(data))
    assert guarantee_of(model) is None
    attempt = isolated(method, model, lambda: (data, clean), like=data, classes=3, seed=0, purpose="prevention")
    assert guarantee_of(attempt.result) == method.guarantee(len(data))  # so that a study can measure it


def test_what_promises_nothing_and_what_learns_nothing():
    assert DpSgd(ONE_STEP, noise=0.0).guarantee(120).epsilon == math.inf
    assert DpSgd(ONE_STEP.but(epochs=0)).guarantee(120).epsilon == 0


@needs_opacus
def test_more_noise_fewer_epochs_and_more_examples_promise_more():
    recipe = Recipe(batch_size=32, epochs=4, milestones=())
    epsilon = DpSgd(recipe).guarantee(1000).epsilon
    assert DpSgd(recipe, noise=2.0).guarantee(1000).epsilon < epsilon
    assert DpSgd(recipe.but(epochs=2)).guarantee(1000).epsilon < epsilon
    assert DpSgd(recipe).guarantee(4000).epsilon < epsilon


@needs_opacus
def test_batch_norm_is_refused_unless_it_rests(data, clean):
    def normed():
        return nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 3))

    with pytest.raises(ValueError, match=r"in this Sequential batch norm \(1\) mixes those of a batch.*Group norm"):
        DpSgd(ONE_STEP)(seeded(normed), data, clean)
    resting = seeded(normed)
    resting[1].requires_grad_(False)
    after = DpSgd(ONE_STEP)(resting, data, clean)
    assert after[1].running_mean.equal(resting[1].running_mean)
    assert not same(after, resting)


@needs_opacus
@pytest.mark.parametrize("largest", [2**24, 45])  # all at once, or two examples of 20 weights in the convolution
def test_one_step_of_convolutions_by_a_loop(largest, monkeypatch):
    monkeypatch.setattr(dp_sgd, "LARGEST", largest)
    images = torch.rand(9, 1, 4, 4, generator=rng_for(0, "test", "images"))
    data = Examples(images, torch.arange(9) % 3)

    def convolution():
        return nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3))

    method, network = DpSgd(ONE_STEP.but(batch_size=9), noise=0.5, clip=0.7), seeded(convolution)
    after, fresh = method(network, data, data[:0]), untrained(network, own_seed(0, "dp-sgd"))
    slopes = by_loop(fresh, data.inputs, data.labels, method, noise_of(0), 9)
    for new, old, slope in zip(after.parameters(), fresh.parameters(), slopes, strict=True):
        assert_close(new, old - 0.1 * slope, atol=1e-6, rtol=1e-4)


@needs_opacus
def test_recurrent_layers_of_pytorch_are_refused(data, clean):
    with pytest.raises(ValueError, match=r"this Recurrent PyTorch's own recurrent layers \(cell\) give none"):
        DpSgd(ONE_STEP)(seeded(Recurrent), data, clean)


def tied():
    first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    second.weight = first.weight
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), nn.Linear(2, 3))


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Linear(2, 2), nn.Linear(2, 3)

    def forward(self, inputs):
        return self.head(self.body(self.body(inputs).relu()).relu())


@needs_opacus
@pytest.mark.parametrize("make", [tied, Twice])
def test_a_weight_that_is_used_twice_is_clipped_as_one(make, data, clean):
    method, network = DpSgd(ONE_STEP, noise=0.0, clip=0.2), seeded(make)
    after, fresh = method(network, data, clean), untrained(network, own_seed(0, "dp-sgd"))
    slopes = by_loop(fresh, data.inputs, data.labels, method, noise_of(0), 120)
    for new, old, slope in zip(after.parameters(), fresh.parameters(), slopes, strict=True):
        assert_close(new, old - 0.1 * slope, atol=1e-6, rtol=1e-4)


class Idle(Twice):
    def forward(self, inputs):
        return self.head(inputs)


@needs_opacus
def test_weights_that_take_no_part_are_told(data, clean):
    with pytest.raises(ValueError, match=r"the weights 'body\.weight' of this Idle take no part in its answers"):
        DpSgd(ONE_STEP)(seeded(Idle), data, clean)


def test_without_opacus_it_says_what_to_install(model, data, clean, monkeypatch):
    monkeypatch.setitem(sys.modules, "opacus", None)
    for call in (lambda: DpSgd(ONE_STEP)(model, data, clean), lambda: DpSgd(ONE_STEP).guarantee(120)):
        with pytest.raises(ValueError, match=r"DP-SGD needs Opacus.*pip install 'spurlab\[dp\]'"):
            call()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"noise": -1.0}, "`noise` must be 0 or more"),
        ({"clip": 0.0}, "`clip` of DP-SGD must be above 0"),
        ({"delta": 1.0}, "`delta` of DP-SGD is a probability above 0 and below 1"),
    ],
)
def test_settings_out_of_range_are_told(settings, told):
    with pytest.raises(ValueError, match=told):
        DpSgd(ONE_STEP, **settings)
    with pytest.raises(ValueError, match="1 training example or more, but there are 0"):
        DpSgd(ONE_STEP).guarantee(0)
