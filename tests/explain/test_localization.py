"""Class maps and shares on a region against linear models, whose gradient is their weights, and counts by hand."""

import math

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from spurlab.explain import class_maps, gradient, share_on
from spurlab.models import seeded
from spurlab.seeds import rng_for

BLOCKS = torch.zeros(10, 40, dtype=torch.bool)
for k in range(10):
    BLOCKS[k, 4 * k : 4 * k + 5] = True  # the last one is cut off: four features


@pytest.fixture(scope="module")
def labels():
    return torch.arange(30) % 10


@pytest.fixture(scope="module")
def inputs():
    return torch.randn(30, 40, generator=rng_for(0, "test", "localization"))


def test_the_share_of_a_linear_model_is_the_share_of_its_weights(inputs, labels):
    """The gradient of logit c is row c of the weights, whatever the input."""
    model = seeded(lambda: nn.Linear(40, 10), 0)
    got = share_on(gradient(model, inputs, labels), BLOCKS, labels)
    for share, c in zip(got.tolist(), labels.tolist(), strict=True):
        row = [abs(weight) for weight in model.weight[c].tolist()]
        assert share == pytest.approx(sum(row[4 * c : 4 * c + 5]) / sum(row), rel=1e-6)


def test_a_model_that_reads_only_its_block_has_all_its_saliency_there(inputs, labels):
    """And one that reads everything but the block has none; signs do not cancel."""
    model = seeded(lambda: nn.Linear(40, 10), 0)
    for weights, share in ((model.weight * BLOCKS, 1.0), (model.weight * ~BLOCKS, 0.0)):
        with torch.no_grad():
            reader = nn.Linear(40, 10)
            reader.weight.copy_(weights)
        assert share_on(gradient(reader, inputs, labels), BLOCKS, labels).tolist() == [share] * 30


@pytest.mark.parametrize("sign", [1.0, -3.0])
def test_chance_is_the_size_of_the_block(sign):
    maps = torch.full((10, 40), sign)
    assert share_on(maps, BLOCKS).tolist() == [5 / 40] * 9 + [4 / 40]
    assert share_on(maps, BLOCKS, torch.tensor([9] * 10)).tolist() == [4 / 40] * 10


def test_a_map_that_says_nothing_has_no_share():
    maps = torch.tensor([[0.0, 0.0, 0.0], [math.nan, 1.0, 1.0], [1.0, 0.0, -3.0]])
    region = torch.tensor([[False, True, True]]).expand(3, 3)
    zero, unknown, known = share_on(maps, region).tolist()
    assert math.isnan(zero)
    assert math.isnan(unknown)
    assert known == 0.75
    assert share_on(maps[:0], region[:0]).shape == (0,)


def test_a_region_may_have_any_shape():
    """Two of the six values of an image, 1 + 2 of a sum of 21."""
    maps = torch.arange(1.0, 7.0).reshape(1, 1, 2, 3)
    region = torch.tensor([[[[True, True, False], [False, False, False]]]])
    assert share_on(maps, region).item() == pytest.approx(3 / 21)


def test_regions_that_do_not_fit_are_refused():
    maps = torch.ones(3, 4)
    with pytest.raises(ValueError, match=r"\(3, 4\), one for each map, but it is \(2, 4\)"):
        share_on(maps, torch.ones(2, 4, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"\(k, 4\), one for each class, but it is \(2, 5\)"):
        share_on(maps, torch.ones(2, 5, dtype=torch.bool), torch.tensor([0, 1, 1]))
    for label in (-1, 2):
        with pytest.raises(ValueError, match="but the classes from 0 to 1"):
            share_on(maps, torch.ones(2, 4, dtype=torch.bool), torch.tensor([0, 1, label]))


@pytest.mark.parametrize("shape", [(40,), (1, 5, 8)])
def test_the_map_of_a_class_is_the_mean_of_its_absolute_maps(shape, inputs, labels):
    """Maps of both signs: a mean of signed ones would cancel. A class without examples has no map."""
    maps = inputs.reshape(30, *shape)
    got = class_maps(maps, labels, 11)
    assert got.shape == (11, *shape)
    for c in range(10):
        mine = [each.abs().double() for each, label in zip(maps, labels.tolist(), strict=True) if label == c]
        assert_close(got[c], sum(mine) / len(mine))
    assert got[10].isnan().all()


def test_the_map_of_a_class_of_a_linear_model_is_its_absolute_weights(inputs, labels):
    model = seeded(lambda: nn.Linear(40, 10), 0)
    got = class_maps(gradient(model, inputs, labels), labels, 10)
    assert_close(got, model.weight.detach().double().abs())


def test_a_label_that_is_no_class_is_refused():
    with pytest.raises(ValueError, match="labels run from 0 to 3, but the classes from 0 to 2"):
        class_maps(torch.ones(2, 4), torch.tensor([0, 3]), 3)
