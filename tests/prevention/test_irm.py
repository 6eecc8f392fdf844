"""The penalty of IRM, without automatic differentiation."""

import itertools

import pytest
import torch
from torch.testing import assert_close

from spurlab.data import Examples
from spurlab.prevention import Irm
from spurlab.prevention.irm import invariant_risk, scale_penalty
from spurlab.prevention.method import attributes
from spurlab.seeds import rng_for


def derivative(logits, labels):
    """Of the mean cross-entropy of w z in w, at 1: the mean of sum_k p_k z_k - z_y."""
    p = logits.exp() / logits.exp().sum(1, keepdim=True)
    return ((p * logits).sum(1) - logits[torch.arange(len(labels)), labels]).mean()


def penalty_of(weight, inputs, labels):
    """A logistic problem of one weight: logits (0, weight x)."""
    logits = torch.stack([torch.zeros_like(inputs), weight * inputs], 1)
    return derivative(logits[::2], labels[::2]) * derivative(logits[1::2], labels[1::2])


def test_the_penalty_and_its_gradient_on_a_tiny_logistic_problem():
    """Against the closed form, and its gradient by central differences: error about 1e-10 with steps of 1e-5."""
    rng = rng_for(0, "test", "irm")
    inputs, labels = torch.randn(7, generator=rng, dtype=torch.float64), torch.tensor([0, 1, 1, 0, 1, 0, 1])
    weight = torch.tensor(0.8, dtype=torch.float64, requires_grad=True)
    logits = torch.stack([torch.zeros_like(inputs), weight * inputs], 1)
    penalty = scale_penalty(logits, labels)
    assert_close(penalty.detach(), penalty_of(0.8, inputs, labels))
    (slope,) = torch.autograd.grad(penalty, weight)
    step = 1e-5
    by_difference = (penalty_of(0.8 + step, inputs, labels) - penalty_of(0.8 - step, inputs, labels)) / (2 * step)
    assert slope.item() == pytest.approx(by_difference.item(), abs=1e-8)


def test_of_equal_halves_it_is_the_square():
    said, labels = torch.tensor([[0.3, 1.0], [0.2, -1.0]]).repeat_interleave(2, 0), torch.tensor([0, 0, 1, 1])
    assert scale_penalty(said, labels).item() == pytest.approx(derivative(said, labels).item() ** 2)


def test_it_is_zero_at_the_best_scale():
    """Half of the examples of each class on each side of log-odds log 3: 3 of 4 right is what they say."""
    said = torch.tensor([[0.0, 3.0]]).log1p().repeat(8, 1)
    said[:, 0], said[:, 1] = 0.0, torch.tensor(3.0).log()
    labels = torch.tensor([1, 1, 1, 1, 1, 1, 0, 0])
    assert scale_penalty(said, labels).item() == pytest.approx(0, abs=1e-12)


def test_the_risk_is_the_mean_over_environments():
    """One with 4 examples, one with a single one, which has no penalty."""
    said = torch.randn(5, 2, generator=rng_for(1, "test"))
    labels, environments = torch.tensor([0, 1, 0, 1, 1]), torch.tensor([0, 0, 0, 0, 1])
    losses = -said.log_softmax(1)[torch.arange(5), labels]
    wanted = (losses[:4].mean() + 10 * scale_penalty(said[:4], labels[:4]) + losses[4]) / 2
    assert_close(invariant_risk(said, labels, environments, 10.0, "ce"), wanted)


def test_one_environment_is_refused(model, data, clean, recipe):
    """Where all training examples are marked: group = 2 label + 1."""
    marked = Examples(data.inputs, data.labels, 2 * data.labels + 1)
    with pytest.raises(ValueError, match="needs two environments or more, but the spurious attribute is 1 for all 120"):
        Irm(recipe)(model, marked, clean)


def test_the_attribute_is_read_off_groups_also_where_some_are_missing():
    labels = torch.tensor([0, 0, 1, 2])
    for groups, wanted in (([0, 1, 3, 4], [0, 1, 1, 0]), ([1, 1, 3, 5], [1, 1, 1, 1]), ([0, 0, 1, 2], [0, 0, 0, 0])):
        assert attributes(Examples(torch.zeros(4, 1), labels, torch.tensor(groups)), "IRM").tolist() == wanted
    with pytest.raises(ValueError, match="no A fits these groups and labels"):
        attributes(Examples(torch.zeros(4, 1), labels, torch.tensor([3, 2, 1, 0])), "IRM")


def test_the_number_of_values_is_found_at_once():
    """Against all numbers one after the other, for all small cases; and where trying them all would take an hour."""

    def by_trying(groups, labels):
        for values in range(1, max(groups) + 2):
            if all(group // values == label for group, label in zip(groups, labels, strict=True)):
                return [group % values for group in groups]
        return None

    for groups in itertools.product(range(6), repeat=3):
        labels = [0, 1, 2]
        data = Examples(torch.zeros(3, 1), torch.tensor(labels), torch.tensor(groups))
        if (wanted := by_trying(groups, labels)) is None:
            with pytest.raises(ValueError, match="no A fits"):
                attributes(data, "IRM")
        else:
            assert attributes(data, "IRM").tolist() == wanted
    far = 4 * 10**11
    data = Examples(torch.zeros(4, 1), torch.tensor([0, 0, 1, 1]), torch.tensor([5, far, far + 6, 2 * far + 1]))
    assert attributes(data, "IRM").tolist() == [5, far, 5, far]
