"""Pairs, corrections for being several, and null patterns, against scipy and brute force."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from spurlab.seeds import rng_for
from spurlab.stats import holm, largest_of_all, null_rank, paired_difference

values = st.lists(st.integers(-1000, 1000).map(lambda i: i / 64), min_size=2, max_size=12)


def tensor(numbers):
    return torch.tensor(numbers, dtype=torch.float64)


# -- Pairs --


@given(st.lists(st.tuples(st.integers(-64, 64), st.integers(-64, 64)), min_size=2, max_size=10))
@settings(deadline=None)
def test_the_interval_of_normal_pairs_is_scipys(pairs):
    after, before = (tensor([i / 64 for i in side]) for side in zip(*pairs, strict=True))
    differences = (after - before).tolist()
    assume(len(set(differences)) > 1)
    got = paired_difference(after, before)
    low, high = scipy.stats.ttest_rel(after.numpy(), before.numpy()).confidence_interval()
    assert (got.value, got.low, got.high) == pytest.approx((np.mean(differences), low, high), rel=1e-9, abs=1e-9)


def test_pairing_is_by_position():
    """The same eight numbers: paired by seed each model gained .1 and a bit, paired wrongly nothing can be seen."""
    before = tensor([0.1, 0.4, 0.2, 0.6])
    after = before + tensor([0.10, 0.11, 0.09, 0.10])
    assert paired_difference(after, before).low > 0.08
    assert paired_difference(after, before.flip(0)).low < -0.3
    bounded = paired_difference(after, before, (-1.0, 1.0))
    assert -1 <= bounded.low < paired_difference(after, before, (-1.0, 1.0), normal=True).low


def test_pairs_must_be_pairs():
    with pytest.raises(ValueError, match="same models on both sides, but there are 3 and 1"):
        paired_difference(tensor([1.0, 2.0, 3.0]), tensor([0.0]))  # broadcasting would have taken it


# -- Many tests --


@given(st.lists(st.floats(0, 1), max_size=6))
@settings(max_examples=200, deadline=None)
def test_holm_is_closed_testing_with_bonferroni(p_values):
    """A hypothesis falls when every set of hypotheses that holds it falls by Bonferroni: all sets, one by one."""
    places = range(len(p_values))
    sets = [chosen for size in range(1, len(p_values) + 1) for chosen in itertools.combinations(places, size)]
    wanted = [max(min(1.0, len(s) * min(p_values[j] for j in s)) for s in sets if i in s) for i in places]
    assert holm(p_values) == pytest.approx(wanted, rel=1e-12)


def test_holm_by_hand():
    """Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1 is 0.02, 0.03, 0.06, 0.04; the last may not fall below 0.06."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([0.2]) == [0.2]
    assert holm([]) == []


@pytest.mark.parametrize("bad", [math.nan, -0.1, 1.1])
def test_holm_refuses_what_is_no_p_value(bad):
    with pytest.raises(ValueError, match="lie in"):
        holm([0.5, bad])


@given(st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=3), min_size=1, max_size=12))
@settings(max_examples=200, deadline=None)
def test_the_largest_of_all_is_closed_testing_with_the_largest(table):
    """A hypothesis falls when every set of hypotheses that holds it falls by its largest statistic."""
    own, null = tensor(table[0]), tensor(table[1:]).view(-1, 3)
    sets = [list(chosen) for size in (1, 2, 3) for chosen in itertools.combinations(range(3), size)]
    p = [null_rank(float(own[s].max()), null[:, s].amax(1)) for s in sets]
    wanted = [max(by for by, s in zip(p, sets, strict=True) if i in s) for i in range(3)]
    assert largest_of_all(own, null) == wanted


def test_the_largest_of_all_errs_in_at_most_as_many_families():
    """Of 19 draws exchangeable with what was observed, four questions that depend on each other: .05 of all families.

    In 2,000 families more than 133 come out once in about 2,000 times; by each p alone about 14 % would be wrong.
    """
    rng, any_of, alone = rng_for(0, "families"), 0, 0
    for _ in range(2000):
        every = torch.randn(20, 4, generator=rng) + 0.5 * torch.randn(20, 1, generator=rng)
        any_of += min(largest_of_all(every[0], every[1:])) <= 0.05
        alone += min(null_rank(float(every[0, q]), every[1:, q]) for q in range(4)) <= 0.05
    assert any_of <= scipy.stats.binom.isf(5e-4, 2000, 0.05)
    assert alone > scipy.stats.binom.isf(5e-4, 2000, 0.05), "which a correction is for"


def test_the_largest_of_all_refuses_what_is_no_number():
    with pytest.raises(ValueError, match="some are NaN"):
        largest_of_all(tensor([math.nan]), tensor([[0.0]]))
    assert largest_of_all(tensor([]), torch.zeros(3, 0)) == []


# -- Null patterns --


@given(st.integers(0, 10), st.lists(st.integers(0, 10), max_size=20))
@settings(deadline=None)
def test_null_rank_counts_the_null_scores_that_are_as_high(observed, null):
    p = null_rank(observed / 10, tensor([score / 10 for score in null]))
    assert p == (1 + sum(score >= observed for score in null)) / (1 + len(null))
    assert 0 < p <= 1


def test_null_rank_is_uniform_where_the_pattern_is_one_of_its_family():
    """Twenty scores without ties, each in turn the observed one: the p-values are 1/20, 2/20, ..., 1."""
    scores = torch.randperm(20, generator=rng_for(0, "test")).double()
    ranks = [null_rank(scores[i].item(), torch.cat([scores[:i], scores[i + 1 :]])) for i in range(20)]
    assert sorted(ranks) == pytest.approx([i / 20 for i in range(1, 21)])


def test_null_rank_of_nan_is_nan():
    assert math.isnan(null_rank(math.nan, tensor([0.1])))
    assert math.isnan(null_rank(0.1, tensor([0.1, math.nan])))
