"""Variance components against published numbers, a one-way analysis of variance and simulated truth."""

import math

import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st

from spurlab.seeds import rng_for
from spurlab.stats import variance_components


def tensor(numbers):
    return torch.tensor(numbers, dtype=torch.float64)


def drawn(rng, draws, seeds, draw, seed, rest):
    """A table with normal effects of these variances."""
    parts = [((draws, 1), draw), ((1, seeds), seed), ((draws, seeds), rest)]
    return sum(math.sqrt(variance) * torch.randn(shape, generator=rng).double() for shape, variance in parts)


def test_the_published_example():
    """Shrout and Fleiss (1979), Psychological Bulletin 86, tables 2 to 4: six targets (our draws) and four judges.

    Mean squares 11.24, 32.49 and 1.02; ICC(2,1) is .29, and McGraw and Wong's interval of it [.019, .761].
    """
    judged = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    got = variance_components(tensor(judged))
    mean_squares = 4 * got.draw + got.rest, 6 * got.seed + got.rest, got.rest
    assert mean_squares == pytest.approx((11.24, 32.49, 1.02), abs=0.005)
    assert (got.share, got.low, got.high) == pytest.approx((0.2898, 0.0188, 0.7611), abs=5e-5)
    assert got.network == got.seed + got.rest
    assert (got.draws, got.seeds, str(got)) == (6, 4, "0.29 [0.02, 0.76]")


@given(st.integers(0, 10**6), st.integers(2, 6), st.integers(2, 6))
def test_without_seeds_it_is_the_one_way_analysis(number, draws, seeds):
    """Seed and rest together are what is within a draw; scipy's F compares the draws with that."""
    table = drawn(rng_for(number, "test"), draws, seeds, 2.0, 0.5, 1.0)
    got = variance_components(table)
    if min(got.draw, got.seed) > 0:  # an estimate that was cut gives no mean square back
        within = ((draws * got.seed + got.rest) + (draws - 1) * got.rest) / draws
        f = scipy.stats.f_oneway(*table.numpy()).statistic
        assert (seeds * got.draw + got.rest) / within == pytest.approx(f, rel=1e-9)
    assert min(got.draw, got.seed, got.rest) >= 0
    assert 0 <= got.low <= got.share <= got.high <= 1


@given(st.integers(0, 10**6), st.floats(0.1, 10), st.floats(-10, 10))
def test_a_share_knows_neither_unit_nor_origin(number, unit, origin):
    table = drawn(rng_for(number, "test"), 4, 3, 1.0, 1.0, 1.0)
    one, other = variance_components(table), variance_components(unit * table + origin)
    assert (other.share, other.low, other.high) == pytest.approx((one.share, one.low, one.high), abs=1e-6)
    assert other.rest == pytest.approx(unit**2 * one.rest)


@pytest.mark.parametrize(
    ("table", "parts", "interval"),
    [
        ([[0.1, 0.1], [0.7, 0.7], [0.1, 0.1]], (0.12, 0, 0), (1, 1, 1)),  # the draw alone
        ([[0.1, 0.7], [0.1, 0.7]], (0, 0.18, 0), (0, 0, 0)),  # the seed alone: a pattern that is not random
        ([[0.1, 0.1], [0.1, 0.1]], (0, 0, 0), (0, 0, 1)),  # nothing to share out
        ([[0.0, 1.0], [1.0, 0.0]], (0, 0, 1), (0, 0, 0)),  # estimates below 0 are cut: means of draws are too alike
    ],
)
def test_where_one_part_has_it_all(table, parts, interval):
    """By hand: a part's variance where the others are 0 is the sample variance of its means."""
    for numbers in (tensor(table), tensor(table).float()):
        got = variance_components(numbers)
        assert (got.draw, got.seed, got.rest) == pytest.approx(parts, abs=1e-7)
        assert (got.share, got.low, got.high) == interval


@pytest.mark.parametrize("parts", [(0.0, 0.0, 1.0), (0.3, 0.2, 0.5), (0.7, 0.1, 0.2)])
def test_the_interval_covers_the_share_of_normal_effects(parts):
    """Of 400 tables as the study has them 95 % should: fewer than 363 come by chance once in 30,000 at .95.

    In 20,000 tables each it was .974, .952 and .947. The means of the estimates are the truth, where none is cut.
    """
    rng = rng_for(1, "test", *map(str, parts))
    several = [variance_components(drawn(rng, 10, 5, *parts)) for _ in range(400)]
    assert sum(each.low <= parts[0] / sum(parts) <= each.high for each in several) >= 363
    mean = (
        sum(each.rest for each in several) / 400
    )  # of (MS_e / its expectation) 36 degrees of freedom: sd sqrt(2 / 36)
    assert mean == pytest.approx(parts[2], rel=4 * math.sqrt(2 / 36 / 400))


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ([[0.1, 0.2]], "takes two draws of two seeds or more, but the table is of 1 x 2"),
        ([[0.1], [0.2]], "the table is of 2 x 1"),
        ([[0.1, math.nan], [0.2, 0.3]], "not finite. Leave a seed that diverged out of every draw"),
    ],
)
def test_what_says_nothing_is_refused(table, words):
    with pytest.raises(ValueError, match=words):
        variance_components(tensor(table))
    with pytest.raises(ValueError, match="`confidence` must lie between 0 and 1"):
        variance_components(torch.rand(3, 3), confidence=95.0)
