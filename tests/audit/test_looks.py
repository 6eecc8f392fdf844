"""Where a network looks that is known to look at one place."""

import math

import pytest
import torch
from torch import nn

from spurlab.audit.looks import look_at_mark, look_at_worst
from spurlab.data import Examples
from spurlab.patterns import box, make_pattern
from spurlab.seeds import rng_for

INPUTS = 0.5 * torch.rand(30, 1, 8, 8, generator=rng_for(0, "looks"))
TEST = Examples(INPUTS, torch.arange(30) % 2)


class Sees(nn.Module):
    """Logit of class 1: the sum of the inputs in the corner, and a tenth of all others."""

    def forward(self, inputs):
        weights = torch.full((8, 8), 0.1)
        weights[:2, :2] = 1.0
        seen = (weights * inputs).flatten(1).sum(1)
        return torch.stack([torch.zeros_like(seen), seen], 1)


def test_the_share_on_the_mark_is_that_of_a_linear_network():
    """Weight times way from both ends: the ends' distance for what lies between, and more for the mark beyond."""
    got = look_at_mark(Sees(), TEST, box((8, 8), (2, 2), 0, 0, 1.0), "corner", 1)
    low, high = float(INPUTS.min()), float(INPUTS.max())
    on, beside, without = 4 * (2 - low - high), 0.1 * 60 * (high - low), 4 * (high - low)
    assert got.share == pytest.approx(on / (on + beside), abs=1e-5)
    assert got.without == pytest.approx(without / (without + beside), abs=1e-5)
    assert got.chance == pytest.approx(4 / 64)
    assert got.maps[0, 0, 0, 0] == pytest.approx(1.0 - (low + high) / 2)
    assert (got.about, got.names, got.why) == ("corner", ("row 0", "row 14", "row 29"), "")


@pytest.mark.parametrize("value", [0.0, 0.5], ids=["black", "grey"])
def test_a_dark_mark_on_bright_images_has_its_share(value):
    """It alone is looked at, by how near the corner is to its value; a hundredth of all other values besides."""

    class SeesDark(nn.Module):
        def forward(self, inputs):
            near = (0.3 - (inputs[..., :2, :2] - value).abs()).relu().flatten(1).sum(1)
            rest = 0.01 * inputs[..., 2:, 2:].flatten(1).mean(1)
            return torch.stack([torch.zeros_like(near), near + rest], 1)

    rng = rng_for(0, "bright")
    bright = Examples(torch.rand(30, 1, 8, 8, generator=rng).clamp(min=0.9), TEST.labels)
    bright.inputs[-1, 0, -1] = 0.0  # somewhere it is dark
    got = look_at_mark(SeesDark(), bright, box((8, 8), (2, 2), 0, 0, value), "dark", 1)
    assert got.share > 0.95
    assert got.why == ""


def test_of_a_mark_on_all_of_the_image_no_share_is_said():
    got = look_at_mark(Sees(), TEST, make_pattern("R3", (1, 8, 8)), "R3", 1)
    assert math.isnan(got.share)
    assert got.chance > 0.9
    assert got.why.startswith("The mark covers more than half")


def test_where_no_value_counts_the_words_say_so():
    class Blind(nn.Module):
        def forward(self, inputs):
            return torch.stack([0 * inputs.flatten(1).sum(1), 0 * inputs.flatten(1).sum(1)], 1)

    got = look_at_mark(Blind(), TEST, box((8, 8), (2, 2), 0, 0, 1.0), "corner", 1)
    assert math.isnan(got.share)
    assert "nothing changes the logit" in got.why


def test_a_network_without_gradients_is_told_so():
    class Steps(nn.Module):
        def forward(self, inputs):
            return (inputs.flatten(1)[:, :2] > 0.5).float()

    got = look_at_mark(Steps(), TEST, box((8, 8), (2, 2), 0, 0, 1.0), "corner", 1)
    assert math.isnan(got.share)
    assert got.why
    assert look_at_worst(Steps(), TEST, "class cat", (3, 4)).why


def test_the_worst_examples_are_shown():
    got = look_at_worst(Sees(), TEST, "class cat", (5, 2))
    assert got.inputs.equal(INPUTS[[5, 2]])
    assert got.maps.abs().sum() > 0
    assert got.names == ("row 5", "row 2")
