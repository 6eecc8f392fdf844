"""Selective dampening by hand, on a network of two weights that matter."""

import pytest
import torch
from torch.testing import assert_close
from toys import linear

from spurlab.data import Examples
from spurlab.deletion import SelectiveDampening
from spurlab.training import Recipe


@pytest.fixture
def two_weights():
    """z = 2 x1 + 3 x2 and the loss (z - 1)^2 / 2: 19 examples (1, 0), and one (0.1, 1) to be forgotten.

    The other class's logit is 0, as its label says, so that its weights have no gradient.
    """
    inputs = torch.tensor([[1.0, 0.0]] * 19 + [[0.1, 1.0]])
    model = linear([[2.0, 3.0], [0.0, 0.0]])
    return model, Examples(inputs, torch.zeros(20, dtype=torch.int64)), torch.arange(20) == 19


@pytest.mark.parametrize(
    ("settings", "second"),
    [
        ({}, 0.15),
        ({"selection": 19.9, "dampening": 1.0}, 0.15),
        ({"selection": 20.1, "dampening": 1.0}, 3.0),
        ({"selection": 10.0, "dampening": 4.0}, 0.6),
        ({"selection": 10.0, "dampening": 30.0}, 3.0),
        ({"sample": 3}, 0.15),
    ],
    ids=["by default", "selected", "not selected", "gentler", "never made larger", "a sample of the retained"],
)
def test_by_hand(two_weights, settings, second):
    """Gradients (z - 1) x: retained (1, 0), forgotten 2.2 * (0.1, 1) = (0.22, 2.2). Squares: forgotten
    (0.0484, 4.84), all (0.95242, 0.242). The first is less important to the forgotten, the second 20 times more: it is
    multiplied by 1 / 20. A sample says the same: the retained are all alike, and the forgotten example keeps its share
    of a twentieth."""
    after = SelectiveDampening(Recipe(loss="mse"), **settings)(*two_weights)
    assert_close(after.weight, torch.tensor([[2.0, second], [0.0, 0.0]]))
