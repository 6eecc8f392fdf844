"""Accuracy against a loop."""

import math

import pytest
import torch

from spurlab.metrics import accuracy
from spurlab.seeds import rng_for


@pytest.mark.parametrize("lead", [(), (4,), (2, 3)])
def test_accuracy_equals_the_loop(lead):
    rng = rng_for(0, "test")
    probabilities = torch.rand(*lead, 30, 4, generator=rng).softmax(dim=-1)
    labels = torch.randint(4, (30,), generator=rng)
    wanted = []
    for rows in probabilities.view(-1, 30, 4).tolist():
        wanted.append(sum(row.index(max(row)) == label for row, label in zip(rows, labels.tolist(), strict=True)) / 30)
    got = accuracy(probabilities, labels)
    assert got.shape == lead
    assert got.flatten().tolist() == pytest.approx(wanted)


def test_accuracy_by_hand_and_ties():
    """Right, wrong, and a tie that goes to class 0."""
    probabilities = torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.5, 0.5]])
    assert accuracy(probabilities, torch.tensor([0, 1, 0])).item() == pytest.approx(2 / 3)
    assert accuracy(probabilities, torch.tensor([0, 1, 1])).item() == pytest.approx(1 / 3)


@pytest.mark.parametrize("lead", [(), (3,)])
def test_accuracy_of_no_examples_is_nan(lead):
    assert accuracy(torch.zeros(*lead, 0, 2), torch.zeros(0, dtype=torch.int64)).isnan().all()


def test_a_diverged_model_has_no_accuracy():
    """The argmax of NaN is some class; a model of NaN must not look like one that guesses."""
    probabilities = torch.tensor([[[0.9, 0.1], [0.2, 0.8]]] * 2)
    probabilities[1, 0, 1] = math.nan
    got = accuracy(probabilities, torch.tensor([0, 1]))
    assert got[0] == 1
    assert got[1].isnan()


@pytest.mark.parametrize("label", [-1, 2])
def test_a_label_without_a_probability_is_refused(label):
    with pytest.raises(ValueError, match="classes 0 to 1"):
        accuracy(torch.rand(2, 2, generator=rng_for(0, "test")), torch.tensor([0, label]))
