"""The interval for means of bounded numbers: what it covers, by the chance of every outcome, and its slow twin."""

import itertools

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from spurlab.stats import mean_between
from spurlab.stats.betting import _money

shares = st.lists(st.integers(0, 20).map(lambda i: i / 20), min_size=1, max_size=8).map(np.array)

# (low, high, how often it is high): fair and rare lotteries, full but for a few, hardly any spread, and none
TWO_POINTS = [
    *((0.0, 1.0, 0.5), (0.0, 1.0, 0.02), (0.0, 1.0, 0.98), (0.0, 0.9, 0.1), (0.0, 0.9, 0.3), (0.02, 0.6, 0.25)),
    *((0.5, 0.52, 0.5), (0.95, 1.0, 0.2), (0.0, 0.05, 0.5), (0.3, 0.3, 0.5), (0.0, 0.0, 0.5), (1.0, 1.0, 0.5)),
]


@pytest.mark.parametrize("models", [2, 3, 5, 8, 20])
@pytest.mark.parametrize(("low", "high", "often"), TWO_POINTS)
@pytest.mark.parametrize("confidence", [0.95, 0.8])
def test_it_covers_the_truth_at_least_as_often_as_it_says(models, low, high, often, confidence):
    """So many of the networks have the higher number: the binomial chance of each count, exactly."""
    truth, covered = low + often * (high - low), 0.0
    for count in range(models + 1):
        ends = mean_between(np.array([high] * count + [low] * (models - count)), confidence)
        if ends[0] - 1e-6 <= truth <= ends[1] + 1e-6:
            covered += scipy.stats.binom.pmf(count, models, often)
    assert covered >= confidence


@pytest.mark.parametrize("often", [0.05, 0.3, 0.5])
def test_it_covers_the_truth_at_every_look_as_often_as_it_says(often):
    """Of all sequences of ten networks that learn or do not, in how many the truth is ever left out."""
    ends = {
        (models, count): mean_between(np.array([1.0] * count + [0.0] * (models - count)), 0.95)
        for models in range(1, 11)
        for count in range(models + 1)
    }
    missed = 0.0
    for sequence in itertools.product((0, 1), repeat=10):
        looks = [ends[models, sum(sequence[:models])] for models in range(1, 11)]
        if not all(low <= often <= high for low, high in looks):
            missed += often ** sum(sequence) * (1 - often) ** (10 - sum(sequence))
    assert missed <= 0.05


@given(shares, st.sampled_from([0.8, 0.95, 0.99]))
@settings(deadline=None)
def test_it_has_a_width_holds_the_mean_and_stays_in_the_bounds(numbers, confidence):
    low, high = mean_between(numbers, confidence)
    assert 0 <= low < high <= 1
    assert low <= numbers.mean() <= high
    wider = mean_between(numbers, (1 + confidence) / 2)
    assert wider[0] <= low + 1e-6
    assert wider[1] >= high - 1e-6


@given(shares)
@settings(deadline=None)
def test_the_order_says_nothing_and_what_is_low_is_high_from_above(numbers):
    ends = mean_between(numbers, 0.95)
    assert mean_between(np.sort(numbers)[::-1], 0.95) == pytest.approx(ends, abs=1e-6)
    low, high = mean_between(1 - numbers, 0.95)
    assert (1 - high, 1 - low) == pytest.approx(ends, abs=1e-6)


@given(shares, st.integers(0, 7), st.integers(1, 20))
@settings(deadline=None)
def test_a_higher_number_lowers_neither_end(numbers, place, rise):
    raised = numbers.copy()
    raised[place % len(numbers)] = min(1.0, raised[place % len(numbers)] + rise / 20)
    for before, after in zip(mean_between(numbers, 0.95), mean_between(raised, 0.95), strict=True):
        assert after >= before - 1e-6


def test_more_of_the_same_say_more():
    widths = [np.ptp(mean_between(np.array([0.3, 0.5] * pairs), 0.95)) for pairs in (1, 2, 5, 20, 100)]
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 0.1


@given(shares, st.floats(0.02, 0.98))
@settings(deadline=None, max_examples=50)
def test_the_gamblers_money_is_the_integral_over_his_stakes(numbers, mean):
    """The slow twin: scipy's quadrature of the product, as the equation has it."""

    def product(stake):
        return np.prod(1 + stake * (numbers - mean) / mean)

    wanted, _ = scipy.integrate.quad(product, 0, 1, epsabs=0, epsrel=1e-10)
    assert _money(numbers)(mean) == pytest.approx(np.log(wanted), rel=1e-8, abs=1e-8)


@pytest.mark.parametrize("numbers", [[0.8, 0.9, 0.7, 0.9, 0.8], [0.0, 0.0, 0.9, 0.0, 0.0], [0.5] * 12, [0.02, 0.6]])
def test_at_an_end_the_gambler_is_just_rich(numbers):
    """Forty times for 95 %, by quadrature; an end at 0 is one that no mean makes him rich enough for."""
    values = np.array(numbers)
    low, high = mean_between(values, 0.95)
    for side, end in ((values, low), (1 - values, 1 - high)):
        if end > 0:
            money, _ = scipy.integrate.quad(
                lambda stake, side=side, end=end: np.prod(1 + stake * (side - end) / end), 0, 1
            )
            assert money == pytest.approx(40, rel=1e-3)
    assert low > 0 or _money(values)(1e-6) <= np.log(40)


def test_five_networks_that_all_score_nothing_leave_much_possible():
    """The opponent's returns are 1 + u r, with r = mean / (1 - mean): at the end ((1 + r) ** 6 - 1) / 6 r is 40."""
    low, high = mean_between(np.zeros(5), 0.95)
    rate = high / (1 - high)
    assert low == 0
    assert ((1 + rate) ** 6 - 1) / (6 * rate) == pytest.approx(40, rel=1e-4)
