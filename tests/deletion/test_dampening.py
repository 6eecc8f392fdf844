"""Selective dampening by hand, on a network of two weights."""

import dataclasses

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from spurlab.data import Examples
from spurlab.deletion import SelectiveDampening
from spurlab.training import Recipe


@pytest.fixture
def two_weights():
    """z = 2 x1 + 3 x2 and the loss (z - 1)^2: 19 examples (1, 0), and one (0.1, 1) to be forgotten.

    The loss is half of that, with another class whose logit is 0, as it should be: its two weights have no gradient.
    """
    model = nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[2.0, 3.0], [0.0, 0.0]]))
    inputs = torch.tensor([[1.0, 0.0]] * 19 + [[0.1, 1.0]])
    return model, Examples(inputs, torch.zeros(20, dtype=torch.int64)), torch.arange(20) == 19


SSD = SelectiveDampening(Recipe(loss="mse"))


def test_by_hand(two_weights):
    """Gradients 2 (z - 1) x: retained (2, 0), forgotten 2 * 2.2 * (0.1, 1) = (0.44, 4.4). Squares: forgotten
    (0.1936, 19.36), all (3.80968, 0.968). The first is less important to the forgotten, the second 20 times more: it is
    multiplied by 1 / 20."""
    after = SSD(*two_weights)
    assert_close(after.weight, torch.tensor([[2.0, 0.15], [0.0, 0.0]]))


@pytest.mark.parametrize(
    ("selection", "dampening", "second"),
    [(19.9, 1.0, 0.15), (20.1, 1.0, 3.0), (10.0, 4.0, 0.6), (10.0, 30.0, 3.0)],
    ids=["selected", "not selected", "gentler", "never made larger"],
)
def test_its_settings(two_weights, selection, dampening, second):
    after = dataclasses.replace(SSD, selection=selection, dampening=dampening)(*two_weights)
    assert_close(after.weight, torch.tensor([[2.0, second], [0.0, 0.0]]))


def test_a_sample_stands_for_the_retained(two_weights):
    """They are all alike, and the forgotten example keeps its share of a twentieth."""
    assert_close(dataclasses.replace(SSD, sample=3)(*two_weights).weight, torch.tensor([[2.0, 0.15], [0.0, 0.0]]))


def test_an_empty_forget_set_changes_nothing(two_weights):
    model, data, forget = two_weights
    assert_close(SSD(model, data, forget & False).weight, model.weight, rtol=0, atol=0)
