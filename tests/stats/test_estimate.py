"""Means with their intervals, against scipy, hand computations and simulated truth."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from spurlab.seeds import rng_for
from spurlab.stats import Estimate, mean_between, mean_of

values = st.lists(st.integers(-1000, 1000).map(lambda i: i / 64), min_size=2, max_size=12)


def tensor(numbers):
    return torch.tensor(numbers, dtype=torch.float64)


# -- Estimate --


@given(values, st.sampled_from([0.5, 0.9, 0.95, 0.99]))
@settings(deadline=None)
def test_estimate_is_scipys_t_interval(numbers, confidence):
    assume(len(set(numbers)) > 1)
    got = Estimate.across_models(tensor(numbers), confidence=confidence)
    stderr = scipy.stats.sem(numbers)
    low, high = scipy.stats.t.interval(confidence, len(numbers) - 1, loc=np.mean(numbers), scale=stderr)
    assert (got.value, got.stderr) == pytest.approx((np.mean(numbers), stderr), rel=1e-9, abs=1e-12)
    assert (got.low, got.high) == pytest.approx((low, high), rel=1e-9, abs=1e-9)
    assert (got.models, got.confidence, got.assumes_normal) == (len(numbers), confidence, True)


@given(st.lists(st.integers(0, 64).map(lambda i: i / 64), min_size=2, max_size=8), st.sampled_from([0.9, 0.95]))
@settings(deadline=None)
def test_bounded_numbers_have_the_interval_that_assumes_only_bounds(shares, confidence):
    """Stretched to the bounds: shares as they are, and as differences in [-1, 1]."""
    got = Estimate.across_models(tensor(shares), (0.0, 1.0), confidence)
    low, high = mean_between(np.array(shares), confidence)
    assert (got.low, got.high) == pytest.approx((low, high), abs=1e-6)
    assert (got.value, got.assumes_normal) == (mean_of(shares), False)
    stretched = Estimate.across_models(2 * tensor(shares) - 1, (-1.0, 1.0), confidence)
    assert (stretched.low, stretched.high) == pytest.approx((2 * low - 1, 2 * high - 1), abs=1e-5)


def test_estimate_by_hand():
    """1, 2, 3: mean 2, sd 1, standard error 1 / sqrt(3), and 4.303 is the table's t for 2 degrees of freedom."""
    got = Estimate.across_models(torch.tensor([1.0, 2.0, 3.0]))
    assert got.value == 2
    assert got.stderr == pytest.approx(1 / math.sqrt(3))
    assert got.high - 2 == pytest.approx(4.303 / math.sqrt(3), rel=1e-4)
    assert 2 - got.low == pytest.approx(got.high - 2)


def test_interval_covers_the_truth_as_often_as_it_says():
    """The count of 2,000 intervals that cover is Binomial(2000, 0.95): four standard deviations are 39."""
    draws = torch.randn(2000, 5, generator=rng_for(0, "test"), dtype=torch.float64) * 3 + 7
    intervals = [Estimate.across_models(row) for row in draws]
    covered = sum(interval.low <= 7 <= interval.high for interval in intervals)
    assert abs(covered - 1900) < 4 * math.sqrt(2000 * 0.95 * 0.05)  # fails for one seed in about 16,000; ours is fixed


@given(st.lists(st.integers(0, 64).map(lambda i: i / 64), min_size=2, max_size=8), st.floats(0, 1))
@settings(deadline=None)
def test_cutting_to_bounds_costs_no_coverage(shares, truth):
    """Every truth inside the bounds is covered by the cut interval exactly when it was by the whole one."""
    whole = Estimate.across_models(tensor(shares))
    cut = Estimate.across_models(tensor(shares), bounds=(0.0, 1.0), normal=True)
    assert (cut.low <= truth <= cut.high) == (whole.low <= truth <= whole.high)
    assert 0 <= cut.low <= cut.high <= 1
    assert (cut.value, cut.stderr) == (whole.value, whole.stderr)


def test_bounds_that_the_numbers_leave_are_refused():
    with pytest.raises(ValueError, match=r"\[0, 1\], .* span \[0.5, 1.2\]"):
        Estimate.across_models(tensor([0.5, 1.2]), bounds=(0.0, 1.0))
    for confidence in (0.0, 1.0, 95.0):
        with pytest.raises(ValueError, match="confidence"):
            Estimate.across_models(tensor([0.5, 0.6]), confidence=confidence)


def test_one_model_says_nothing_about_the_spread():
    got = Estimate.across_models(torch.tensor([0.75]), bounds=(0.0, 1.0))
    assert (got.value, got.models) == (0.75, 1)
    assert all(math.isnan(number) for number in (got.stderr, got.low, got.high))
    assert math.isnan(Estimate.across_models(torch.tensor([])).value)


def test_a_diverged_model_makes_the_estimate_nan():
    """Left out in silence, the mean would be over the survivors; whoever wants that must say so."""
    got = Estimate.across_models(torch.tensor([0.5, math.nan, 0.7]), bounds=(0.0, 1.0))
    assert all(math.isnan(number) for number in (got.value, got.stderr, got.low, got.high))
    assert got.models == 3


@pytest.mark.parametrize("value", [0.0, 0.1, 1.0])
def test_models_that_agree_have_no_spread_and_bounded_ones_an_interval_all_the_same(value):
    """0.1 three times has the mean 0.10000000000000002; the rounding must not pass for spread.

    Three networks of one score leave much possible: another may score otherwise.
    """
    normal = Estimate.across_models(tensor([value] * 3), bounds=(0.0, 1.0), normal=True)
    assert normal.stderr == 0
    assert normal.low == normal.high == pytest.approx(value)
    bounded = Estimate.across_models(tensor([value] * 3), bounds=(0.0, 1.0))
    assert bounded.stderr == 0
    assert bounded.high - bounded.low > 0.5


def test_estimate_prints_its_uncertainty():
    estimate = Estimate(0.8534, 0.02, 0.8, 0.9, 5)
    assert str(estimate) == f"{estimate}" == "0.853 [0.80, 0.90]"
    assert f"{estimate:.1f}" == "0.9 [0.8, 0.9]"
    assert str(Estimate.across_models(torch.tensor([0.8534]))) == "0.853 (1 model: no interval)"
    assert str(Estimate.across_models(torch.tensor([0.5, math.nan]))) == "nan (2 models: no interval)"


def test_a_mean_does_not_depend_on_the_order():
    """The mean is .8325, between two thousandths: sums from the left give a double on either side of it."""
    numbers = [0.8065, 0.7495, 0.9005, 0.8415, 0.8645]
    orders = list(itertools.permutations(numbers))
    assert len({sum(order) / 5 for order in orders}) > 1
    (mean,) = {mean_of(order) for order in orders}
    assert abs(mean - 0.8325) < 1e-15
    assert {Estimate.across_models(tensor(order)).value for order in orders} == {mean}


def test_the_mean_of_no_finite_numbers():
    assert math.isnan(mean_of([]))
    assert math.isnan(mean_of([math.inf, -math.inf]))
    assert mean_of([math.inf, 1.0]) == math.inf
