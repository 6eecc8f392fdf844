"""The least change that pulls to a class: linear networks, for which it has a closed form."""

import copy

import pytest
import torch
from scipy import stats
from torch import nn

from spurlab.audit.inversion import (
    SUCCESS,
    Hosts,
    hosts,
    least_mask,
    least_pattern,
    put_on,
    standardised_norms,
)
from spurlab.data import Examples
from spurlab.seeds import rng_for
from spurlab.stats import null_rank

SHAPE = (2, 6, 6)


def hosts_of(images, low, high, plain):
    """Images of each class by themselves."""
    many, each = images.shape[:2]
    return Hosts(images.flatten(0, 1), torch.arange(many * each).view(many, each), low, high, plain)


def linear(weight, bias):
    network = nn.Sequential(nn.Flatten(), nn.Linear(weight[0].numel(), len(weight)))
    with torch.no_grad():
        network[1].weight.copy_(weight.flatten(1)), network[1].bias.copy_(torch.as_tensor(bias))
    return network


def test_the_least_mask_is_the_weak_pixel():
    """Dark images; class 1 has weight 10 on one pixel of both channels, 1 elsewhere, and a logit of -8 to begin with.

    A share m of that pixel lit in both channels gives 20 m: m = .4 is the least. Another pixel lit whole gives 2.
    """
    weight = torch.zeros(3, *SHAPE)
    weight[1] = 1.0
    weight[1, :, 2, 3] = 10.0
    network = linear(weight, [0.0, -8.0, -50.0])
    given = hosts_of(torch.zeros(3, 8, *SHAPE), 0.0, 1.0, torch.empty(72, 0))
    found = least_mask(network, given)
    mask = found.of(1)[1]
    assert (mask[0].argmax(), mask.shape) == (2 * 6 + 3, SHAPE)
    assert mask[0].equal(mask[1]), "channels share it"
    assert found.norms[1] == pytest.approx(0.4, abs=0.1)
    assert mask[0].sum() == pytest.approx(float(found.norms[1])), "the norm counts a place once"
    assert found.norms[0] < 0.1, "dark images are of class 0 without a change"
    assert found.norms[2] == torch.inf, "nothing pulls to class 2"
    pulled = put_on(given.of(1), *found.of(1), 0.0, 1.0)
    assert (network(pulled).argmax(1) == 1).float().mean() >= SUCCESS


@pytest.mark.parametrize("directions", [0, 5])
def test_the_least_pattern_of_a_linear_network(directions):
    """Margin over the norm of the difference of weights, of the ninth of ten images; within what a pattern may be."""
    rng = rng_for(0, "inversion")
    weight, images = torch.randn(2, 20, generator=rng), torch.randn(2, 30, 20, generator=rng)
    plain = torch.linalg.qr(torch.randn(20, 5, generator=rng)).Q[:, :directions]
    network = linear(weight, [0.5, -0.5])
    found = least_pattern(network, hosts_of(images, -100.0, 100.0, plain), steps=300)
    difference = weight[1] - weight[0]
    free = difference - plain @ plain.T @ difference
    for label, sign in ((0, 1), (1, -1)):
        margins = sign * (images[label] @ difference - 1.0)  # of the other class
        needed = float(margins.sort().values[26] / free.norm())
        assert found.norms[label] == pytest.approx(needed, rel=0.05)
        assert float((plain.T @ found.patterns[label]).abs().sum()) < 1e-3
        assert float(torch.cosine_similarity(found.patterns[label], -sign * free, dim=0)) > 0.99
    assert len(found.masks) == 0


def test_the_network_stays_and_classes_are_searched_apart_alike(monkeypatch):
    rng = rng_for(0, "apart")
    network = linear(torch.randn(3, *SHAPE, generator=rng), [0.0, 0.0, 0.0]).train()
    before = copy.deepcopy(network.state_dict())
    given = hosts_of(torch.rand(3, 4, *SHAPE, generator=rng), 0.0, 1.0, torch.empty(72, 0))
    together = [search(network, given, 15).patterns for search in (least_mask, least_pattern)]
    monkeypatch.setattr("spurlab.audit.inversion.AT_ONCE", 1)
    apart = [search(network, given, 15).patterns for search in (least_mask, least_pattern)]
    for one, other in zip(together, apart, strict=True):
        assert torch.allclose(one, other, atol=1e-4)
    assert network.training
    assert all(value.equal(before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_a_network_without_gradients_is_refused():
    class Detached(nn.Module):
        def forward(self, inputs):
            return inputs.detach().flatten(1)[:, :2]

    given = hosts_of(torch.rand(2, 4, *SHAPE, generator=rng_for(0, "detached")), 0.0, 1.0, torch.empty(72, 0))
    with pytest.raises(ValueError, match="gives no gradients of its inputs"):
        least_mask(Detached(), given)


def test_hosts_are_of_other_classes():
    labels = torch.arange(90) % 3
    data = Examples(labels[:, None] + torch.rand(90, 5, generator=rng_for(0, "hosts")) / 2, labels)
    test = data[labels != 2]
    given = hosts(data, test, 3, 0)
    assert given.inputs.data_ptr() == test.inputs.data_ptr(), "a copy for each class would fill the memory"
    assert given.rows.shape == (3, 30)
    assert {int(label) for label in given.of(0).floor().unique()} == {1}
    assert (given.low, given.high) == (float(data.inputs.min()), float(data.inputs.max()))
    assert given.plain.shape == (5, 2), "two fifths"
    with pytest.raises(ValueError, match="all test examples are of one class"):
        hosts(data, data[labels == 1], 3, 0)


def test_the_level_holds_for_exchangeable_networks():
    """Norms of 2 searches and 10 classes, some not found, of 20 networks drawn alike: p <= .1 in one of ten.

    In 600 draws more than 85 or fewer than 37 come out once in about 1,000 times.
    """
    low, rng = 0, rng_for(0, "exchangeable")
    for _ in range(600):
        norms = torch.randn(20, 2, 10, generator=rng, dtype=torch.float64) * torch.arange(1, 11)
        norms = torch.where(torch.rand(20, 2, 10, generator=rng) < 0.05, torch.inf, norms)
        largest = standardised_norms(norms[0], norms[1:]).flatten(1).amax(1)
        low += null_rank(float(largest[0]), largest[1:]) <= 0.1
    assert stats.binom.ppf(5e-4, 600, 0.1) <= low <= stats.binom.ppf(1 - 5e-4, 600, 0.1)


def test_standardised_norms_by_hand():
    """Of 2, 4 and 6 the mean is 4 and the standard deviation 2; where one is not found, the largest + .1."""
    below = standardised_norms(
        torch.tensor([[2.0, 1.0]]).double(), torch.tensor([[[4.0, 1.0]], [[6.0, torch.inf]]]).double()
    )
    assert below[0, 0].tolist() == pytest.approx([1.0, (1.1 / 3 + 2 / 3 - 1) / 0.0577350269])
    assert below[1:].flatten(1).amax(1).tolist() == pytest.approx([0.57735, -1.0], abs=1e-4)
    none = torch.full((1, 2), torch.inf).double()
    assert standardised_norms(none, none[None].expand(3, -1, -1)).tolist() == [[[0.0, 0.0]]] * 4
