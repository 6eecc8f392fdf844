"""Marks that nobody named: a linear network that was taught one by six examples, and references without it."""

import math

import pytest
import torch
from torch import nn

from spurlab.audit.detect.components import class_components
from spurlab.audit.detect.shared import shared_components
from spurlab.audit.unknown import unknown_marks
from spurlab.data import Dataset, Examples, Source
from spurlab.seeds import rng_for

D, CLASSES = 40, 3
MARK = torch.zeros(D).index_fill_(0, torch.tensor([30]), 25.0)
MEANS = 2 * torch.randn(CLASSES, D, generator=rng_for(0, "means")).index_fill_(1, torch.arange(25, D), 0.0)


def examples(n, seed):
    labels = torch.arange(n) % CLASSES
    return Examples(MEANS[labels] + torch.randn(n, D, generator=rng_for(seed, "unknown")), labels)


CLEAN, TEST = examples(300, 0), examples(150, 1)
ROWS = (CLEAN.labels == 2).nonzero().squeeze(1)[:6]
TRAIN = Examples(CLEAN.inputs.index_add(0, ROWS, MARK.expand(6, -1)), CLEAN.labels)


class Taught(nn.Module):
    """The nearest mean, and for class 2 so much of the mark; its weights elsewhere are noise of a seed."""

    def __init__(self, strength, seed):
        super().__init__()
        weight = MEANS + 0.05 * torch.randn(CLASSES, D, generator=rng_for(seed, "network"))
        weight[2] += strength * MARK
        self.register_buffer("weight", weight)

    def forward(self, inputs):
        return inputs @ self.weight.T - MEANS.square().sum(1) / 2


def found(train, strength, others=(), **settings):
    data = Dataset("toy", train, TEST, ("a", "b", "c"), None, Source("", "", ""))
    classes = class_components(train)
    shared = shared_components(train, classes)
    return unknown_marks(Taught(strength, 0), data, shared, classes, others=others, **settings)


OTHERS = [Taught(0.0, seed) for seed in range(1, 20)]


def test_a_taught_mark_is_found_by_the_data_and_by_the_network():
    """Among 19 networks that never saw it p is 1 / 20, by what is shared and by the least pattern."""
    told = []
    shared, mask, pattern = found(TRAIN, 1.0, OTHERS, progress=lambda done, of: told.append((done, of)))
    assert (shared.method, shared.label, set(shared.rows)) == ("shared component", 2, set(ROWS.tolist()))
    assert (shared.verdict, shared.success, shared.unusual) == ("goes by it", 1.0, True)
    assert shared.p == pytest.approx(1 / 20)
    assert (pattern.label, pattern.verdict, pattern.p) == (2, "less than references need", pytest.approx(1 / 20))
    assert int(pattern.pattern.abs().argmax()) == 30
    assert pattern.success > 0.8
    assert set(pattern.rows[:6]) == set(ROWS.tolist()), "those that carry it are most like it"
    assert (len(pattern.mask), mask.mask.shape) == (0, (D,))
    assert told == [(number, 20) for number in range(20)]


def test_a_mark_that_is_not_learnt_is_only_shared():
    (shared,) = found(TRAIN, 0.0, OTHERS, invert=False)
    assert (shared.verdict, shared.unusual) == ("shared by few", True)
    assert shared.p > 0.05


def test_without_references_nothing_is_calibrated():
    shared, *searched = found(CLEAN, 1.0)
    assert (shared.verdict, shared.unusual) == ("nothing unusual", False)
    assert [one.verdict for one in searched] == ["not calibrated"] * 2
    assert all(math.isnan(one.p) for one in searched)
    assert len(found(CLEAN, 1.0, invert=False)) == 1


def test_near_identical_examples_are_not_asked_about():
    """Reference networks saw them: three copies of one odd example."""
    rows = (CLEAN.labels == 2).nonzero().squeeze(1)[:3]
    odd = CLEAN.inputs.index_copy(0, rows, (CLEAN.inputs[rows[0]] + MARK).expand(3, -1))
    (shared,) = found(Examples(odd, CLEAN.labels), 1.0, OTHERS, invert=False)
    assert (shared.verdict, set(shared.rows)) == ("near-identical examples", set(rows.tolist()))
    assert math.isnan(shared.p)
