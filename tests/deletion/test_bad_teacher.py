"""Bad teaching on a linear model, against the closed form of its gradient."""

import math

import pytest
import torch
from torch.testing import assert_close
from toys import linear

from spurlab.deletion import BadTeacher


@pytest.fixture
def model():
    """A linear one."""
    return linear(torch.arange(6.0).view(3, 2).sin().tolist())


def hostile(seed):
    """An untrained network that is known."""
    return linear([[-1.0, 0.0], [0.0, 2.0], [1.0, 1.0]])


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_only_the_forgotten_pull_and_towards_the_bad_teacher(temperature, model, data, forget, whole):
    """The divergence has the gradient (q - p) x^T / T. On retained examples the student is its teacher: q = p."""
    settings = {"retained": 1.0, "rate": 0.5, "temperature": temperature, "make": hostile}
    after = BadTeacher(whole, **settings)(model, data, forget)
    x = data.inputs[forget]
    q, p = ((network(x) / temperature).softmax(1) for network in (model, hostile(0)))
    assert_close(after.weight, model.weight - 0.5 * (q - p).T @ x / temperature / len(data))


def test_a_share_of_the_retained_is_taken_and_all_of_the_forgotten(forget, recipe):
    rows = BadTeacher(recipe, retained=0.3)._taken(forget)
    assert forget[rows].sum() == 6
    assert (~forget[rows]).sum() == math.ceil(0.3 * 84)
    assert len(set(rows.tolist())) == len(rows)
    assert not rows.equal(BadTeacher(recipe, 1, retained=0.3)._taken(forget))


def test_nothing_to_forget_is_a_student_of_itself(model, data, forget, whole):
    """It agrees with its teacher on all: no gradient but that of rounding."""
    after = BadTeacher(whole, rate=0.5, make=hostile)(model, data, forget & False)
    assert_close(after.weight, model.weight, atol=1e-6, rtol=0)


def test_no_retained_examples_are_refused(model, data, forget, recipe):
    with pytest.raises(ValueError, match=r"`retained` is a share of the examples, in \(0, 1\], but it is 30"):
        BadTeacher(recipe, retained=30.0)(model, data, forget)
