"""Correlations and shares of a gap against scipy, hand computations and simulated truth."""

import math

import pytest
import scipy.stats
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from spurlab.seeds import rng_for
from spurlab.stats import gap_closed, pearson


def tensor(numbers):
    return torch.tensor(numbers, dtype=torch.float64)


# -- Correlation --


@given(st.lists(st.tuples(st.integers(-99, 99), st.integers(-99, 99)), min_size=4, max_size=12))
@settings(deadline=None)
def test_pearson_is_scipys(pairs):
    x, y = (tensor([float(number) for number in side]) for side in zip(*pairs, strict=True))
    assume(len(set(x.tolist())) > 1 and len(set(y.tolist())) > 1)
    want = scipy.stats.pearsonr(x.numpy(), y.numpy())
    assume(abs(want.statistic) < 1 - 1e-9)
    got = pearson(x, y)
    assert (got.r, got.p) == pytest.approx((want.statistic, want.pvalue), abs=1e-9)
    assert (got.low, got.high) == pytest.approx(tuple(want.confidence_interval()), abs=1e-9)


def test_pearson_by_hand():
    """1234 and 1324: covariance 4, both sums of squares 5, so r = 4/5; t = .8 sqrt(2 / .36) = 4 sqrt(2) / 3.

    For 2 degrees of freedom P(|T| > t) = 1 - t / sqrt(2 + t^2) = 1 - .8.
    """
    got = pearson(tensor([1.0, 2.0, 3.0, 4.0]), tensor([1.0, 3.0, 2.0, 4.0]))
    assert got.r == pytest.approx(0.8)
    assert got.p == pytest.approx(0.2)
    assert got.high == pytest.approx(math.tanh(math.atanh(0.8) + 1.959964), rel=1e-6)  # n - 3 = 1
    assert got.above(math.tanh(math.atanh(0.8) - 1.959964)) == pytest.approx(0.025, rel=1e-5)
    assert got.above(0.8) == pytest.approx(0.5)


def test_pearson_at_its_ends():
    x = tensor([1.0, 2.0, 4.0, 8.0])
    for sign in (1, -1):
        line = pearson(x, sign * 3 * x + 1)
        assert line.r == pytest.approx(sign)
        assert line.p == pytest.approx(0, abs=1e-6)
        assert line.above(0.0) == pytest.approx(float(sign < 0), abs=1e-6)
    assert str(pearson(x[:3], tensor([1.0, 0.0, 3.0]))) == "0.79"  # three points: no interval
    for other in (torch.ones(4), x * math.nan):
        nothing = pearson(x, other)
        assert math.isnan(nothing.r) and math.isnan(nothing.p) and math.isnan(nothing.above(0.0))  # noqa: PT018
    assert math.isnan(pearson(x[:2], x[:2]).r)
    with pytest.raises(ValueError, match="4 and 3 numbers"):
        pearson(x, x[:3])


def test_fishers_interval_covers_the_truth_as_often_as_it_says():
    """Normal pairs with correlation .6: of 1,000 intervals Binomial(1000, .95) cover it; four sd are 28."""
    draws = torch.randn(1000, 2, 7, generator=rng_for(3, "test"), dtype=torch.float64)
    found = [pearson(a, 0.6 * a + 0.8 * b) for a, b in draws]
    assert abs(sum(c.low <= 0.6 <= c.high for c in found) - 950) < 28  # one seed in about 16,000; ours is fixed


# -- The share of a gap --


@given(
    st.lists(st.tuples(*[st.integers(-1000, 1000).map(lambda i: i / 64)] * 2), min_size=3, max_size=10),
    st.sampled_from([0.5, 0.9, 0.95]),
)
@settings(deadline=None, max_examples=200)
def test_fiellers_interval_holds_the_shares_that_scipy_does_not_refuse(pairs, confidence):
    """By definition: at its ends, the t-test that closed - share * gap is zero has p = 1 - confidence.

    Where it has no ends, the gap itself is not significant.
    """
    closed, gap = (tensor(side) for side in zip(*pairs, strict=True))
    assume(gap.std() > 0.1 and closed.std() > 0.1)
    spread = (closed - closed.mean() - (gap - gap.mean()) * (closed.std() / gap.std())).abs().max()
    assume(spread > 0.1)
    before = torch.zeros(len(pairs), dtype=torch.float64)
    assume(abs(gap.mean()) > 1e-3)
    got = gap_closed(before, before - closed, before - gap, confidence)
    assert got.value == pytest.approx((closed.mean() / gap.mean()).item())
    p_gap = scipy.stats.ttest_1samp(gap.numpy(), 0).pvalue
    assume(abs(p_gap - (1 - confidence)) > 1e-6)
    if p_gap > 1 - confidence:
        assert (got.low, got.high) == (-math.inf, math.inf)
        assert "not shown to differ from zero" in got.why
    else:
        assert got.low <= got.value <= got.high
        for end in (got.low, got.high):
            p = scipy.stats.ttest_1samp((closed - end * gap).numpy(), 0).pvalue
            assert p == pytest.approx(1 - confidence, rel=1e-3)


def test_the_share_is_covered_as_often_as_it_says():
    """2,000 times five networks: gaps about 0.8, of which 0.6 is closed, with errors that go together.

    The count of intervals that cover is Binomial(2000, 0.95): four standard deviations are 39. (Fails for one seed in
    about 16,000; ours is fixed.)
    """
    draws = torch.randn(2000, 3, 5, generator=rng_for(0, "test"), dtype=torch.float64)
    before, oracle = 0.8 + 0.1 * draws[:, 0], 0.03 * draws[:, 1]
    after = before - 0.6 * 0.8 - 0.3 * (before - 0.8) + 0.05 * draws[:, 2]
    intervals = [gap_closed(*numbers) for numbers in zip(before, after, oracle, strict=True)]
    assert all(not interval.why for interval in intervals)
    covered = sum(interval.low <= 0.6 <= interval.high for interval in intervals)
    assert abs(covered - 1900) < 4 * math.sqrt(2000 * 0.95 * 0.05)


def test_a_share_of_nothing():
    scores = tensor([0.5, 0.6, 0.7])
    assert gap_closed(scores, scores, scores - 0.5).value == 0
    whole = gap_closed(scores, scores - 0.5, scores - 0.5)
    assert (whole.value, whole.low, whole.high) == pytest.approx((1, 1, 1))
    none = gap_closed(scores, scores, scores)
    assert all(math.isnan(number) for number in (none.value, none.low, none.high))
    assert str(none) == "nan (no interval: there is no gap to close)"
    rounded = gap_closed(scores, scores - 0.1, scores - tensor([1e-17, 0.0, 2e-17]))
    assert str(rounded) == "nan (no interval: there is no gap to close)"
    bits = scores - tensor([1e-16, 0.0, 0.0])  # the last bit of .5, which is no gap either
    assert bool((bits != scores).any())
    assert math.isnan(gap_closed(scores, scores - 0.1, bits).value)
    one = gap_closed(scores[:1], scores[:1] - 0.25, scores[:1] - 0.5)
    assert one.value == pytest.approx(0.5)
    assert math.isnan(one.low)
    broken = gap_closed(scores, tensor([0.5, math.nan, 0.5]), scores - 0.5)
    assert math.isnan(broken.value)
    assert "not finite" in str(broken)
    with pytest.raises(ValueError, match="same models on both sides"):
        gap_closed(scores, scores[:2], scores)
    with pytest.raises(ValueError, match="confidence"):
        gap_closed(scores, scores, scores, confidence=95.0)
