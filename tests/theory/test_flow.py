"""The law of training time against the differential equation, and against gradient descent in small steps."""

import math
from itertools import pairwise

import pytest
import scipy
from hypothesis import given, settings
from hypothesis import strategies as st

from spurlab.theory import kappa_flow, kappa_of_flow, shift_flow, time_at


@pytest.mark.parametrize("margin", [-3.0, 0.0, 4.0])
@pytest.mark.parametrize("time", [1.0, 100.0, 1e4])
def test_shift_equals_the_integrated_equation(margin, time):
    """The weight of the mark follows minus its gradient; SciPy's integrator of order 8."""
    count, norm, examples = 5, 2.0, 60

    def speed(_, weight):
        return norm / examples * count * scipy.special.expit(-margin - norm * weight)

    weight = scipy.integrate.solve_ivp(speed, (0, time), [0.0], method="DOP853", rtol=1e-12, atol=1e-14).y[0, -1]
    got = shift_flow(kappa_flow(count, norm, examples, time), margin)
    assert got == pytest.approx(norm * weight, rel=1e-9)


def test_gradient_descent_on_the_loss_comes_near_as_its_steps_shrink():
    """Time is the sum of learning rates; Euler's error is of the order of the step: half of it, half the error."""
    count, norm, examples, time, margin = 5, 2.0, 60, 50.0, 1.0
    errors = []
    for steps in (200, 400, 800):
        weight = 0.0
        for _ in range(steps):  # examples without the mark have no gradient in its weight
            weight += time / steps * norm * count / examples / (1 + math.exp(margin + norm * weight))
        errors.append(norm * weight - shift_flow(kappa_flow(count, norm, examples, time), margin))
    assert 0 < errors[2] < 0.01
    assert [errors[0] / errors[1], errors[1] / errors[2]] == pytest.approx([2, 2], rel=0.05)


@given(st.floats(-50, 100), st.floats(-300, 300))
@settings(deadline=None)
def test_the_inverse_goes_back(log_kappa, margin):
    """Also by the formula as it stands, where its terms fit into a float64."""
    kappa = math.exp(log_kappa)
    shift = shift_flow(kappa, margin)
    assert 0 < shift <= kappa
    assert kappa_of_flow(shift, margin) == pytest.approx(kappa, rel=1e-10)
    if abs(margin) < 300 and shift < 300:
        assert shift + math.exp(margin) * math.expm1(shift) == pytest.approx(kappa, rel=1e-10)


@given(st.floats(1e-6, 50), st.floats(-50, 50))
@settings(deadline=None)
def test_the_inverse_comes_back(shift, margin):
    assert shift_flow(kappa_of_flow(shift, margin), margin) == pytest.approx(shift, rel=1e-10)


@pytest.mark.parametrize("margin", [-2.0, 0.0, 3.0])
def test_the_logarithm_is_an_upper_bound_that_is_approached(margin):
    errors = [math.log1p(kappa * math.exp(-margin)) - shift_flow(kappa, margin) for kappa in (1e2, 1e4, 1e6)]
    assert all(0 < 10 * after < before for before, after in pairwise(errors))


def test_kappa_and_time_by_hand():
    assert kappa_flow(5, 2.0, 100, 30.0) == pytest.approx(6)
    assert time_at(6.0, 5, 2.0, 100) == pytest.approx(30)
    assert shift_flow(0.0, 1.0) == 0
    assert kappa_of_flow(1.0, 800.0) == math.inf
    assert shift_flow(1e300, -800.0) == pytest.approx(800 + math.log(1e300))
    assert shift_flow(3.0, -1000.0) == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: kappa_flow(1, 1.0, 10, -1.0), "`time` must be finite and 0 or more"),
        (lambda: kappa_flow(11, 1.0, 10, 1.0), "`count`"),
        (lambda: time_at(1.0, 0, 1.0, 10), "`count` must be finite and above 0"),
        (lambda: time_at(1.0, 1, 0.0, 10), "`norm`"),
        (lambda: shift_flow(-1.0, 0.0), "`kappa`"),
        (lambda: shift_flow(1.0, math.inf), "`margin`"),
        (lambda: kappa_of_flow(-1.0, 0.0), "`shift`"),
    ],
)
def test_settings_out_of_range_are_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_nothing_overflows_before_its_product_does():
    """e^800 (e^t - 1) with a tiny t: the left side is finite where e^800 alone is not."""
    assert kappa_of_flow(0.0, 800.0) == 0.0
    tiny = shift_flow(1e300, 800.0)
    assert 0 < tiny < 1e-40
    assert kappa_of_flow(tiny, 800.0) == pytest.approx(1e300, rel=1e-9)
    assert kappa_of_flow(1.0, 1000.0) == float("inf")
