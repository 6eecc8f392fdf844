"""Paired tests, their corrections and what is learnt, against scipy, brute force and simulated truth."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from spurlab.seeds import rng_for
from spurlab.stats import Learnt, holm, learnt_at, null_rank, paired_difference, paired_test

values = st.lists(st.integers(-1000, 1000).map(lambda i: i / 64), min_size=2, max_size=12)


def tensor(numbers):
    return torch.tensor(numbers, dtype=torch.float64)


# -- Pairs --


@given(st.lists(st.tuples(st.integers(-64, 64), st.integers(-64, 64)), min_size=2, max_size=10))
@settings(deadline=None)
def test_paired_test_is_scipys(pairs):
    after, before = (tensor([i / 64 for i in side]) for side in zip(*pairs, strict=True))
    differences = (after - before).tolist()
    assume(len(set(differences)) > 1)
    wanted = scipy.stats.ttest_rel(after.numpy(), before.numpy(), alternative="greater").pvalue
    assert paired_test(after, before) == pytest.approx(wanted, rel=1e-9)
    got = paired_difference(after, before)
    low, high = scipy.stats.ttest_rel(after.numpy(), before.numpy()).confidence_interval()
    assert (got.value, got.low, got.high) == pytest.approx((np.mean(differences), low, high), rel=1e-9, abs=1e-9)


def test_paired_test_by_hand():
    """Differences 1 and 3: mean 2, sd sqrt(2), t = 2; with one degree of freedom t is Cauchy."""
    assert paired_test(tensor([1.0, 3.0]), tensor([0.0, 0.0])) == pytest.approx(0.5 - math.atan(2) / math.pi)


def test_pairing_is_by_position():
    """The same eight numbers: paired by seed each model gained 0.1 and a bit, paired wrongly nothing can be seen."""
    before = tensor([0.1, 0.4, 0.2, 0.6])
    after = before + tensor([0.10, 0.11, 0.09, 0.10])
    assert paired_test(after, before) < 0.001
    assert paired_test(after, before.flip(0)) > 0.2


def test_paired_test_errs_as_often_as_it_says():
    """Without a difference p is uniform: below 0.05 in Binomial(2000, 0.05) of 2,000 pairs of five."""
    after, before = torch.randn(2, 2000, 5, generator=rng_for(1, "test"), dtype=torch.float64)
    alarms = sum(paired_test(a, b) < 0.05 for a, b in zip(after, before, strict=True))
    assert abs(alarms - 100) < 4 * math.sqrt(2000 * 0.05 * 0.95)  # fails for one seed in about 16,000; ours is fixed


@pytest.mark.parametrize(("difference", "p"), [(0.1, 1 / 8), (0.0, 1.0), (-0.1, 1.0)])
def test_differences_without_spread(difference, p):
    """Three signs are all + once in eight, when + and - are as likely: the sign test."""
    zeros = torch.zeros(3, dtype=torch.float64)
    assert paired_test(zeros + difference, zeros) == p


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equal_differences_are_told_through_rounding(dtype):
    """One test image of 2,000 more, from different scores: the last bits differ, but that is no spread."""
    before = torch.tensor([117, 304, 93, 251, 1990], dtype=dtype) / 2000
    after = torch.tensor([118, 305, 94, 252, 1991], dtype=dtype) / 2000
    assert len(set((after - before).tolist())) > 1
    assert paired_test(after, before) == 1 / 32
    assert paired_test(before, after) == 1
    assert paired_test(after[:2], before[:2]) == 1 / 4


def test_pairs_that_cannot_be_tested():
    assert math.isnan(paired_test(tensor([1.0]), tensor([0.0])))
    assert math.isnan(paired_test(tensor([]), tensor([])))
    for broken in (math.nan, math.inf):
        assert math.isnan(paired_test(tensor([1.0, broken, 2.0]), tensor([0.0, 0.0, 0.0])))
    for function in (paired_test, paired_difference):
        with pytest.raises(ValueError, match="same models on both sides, but there are 3 and 1"):
            function(tensor([1.0, 2.0, 3.0]), tensor([0.0]))  # broadcasting would have taken it


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


# -- Learnt at n --

CONTROL = tensor([0.10, 0.12, 0.08, 0.11, 0.09])
NOTHING = CONTROL + tensor([0.01, -0.01, 0.0, -0.01, 0.01])
CLEARLY = CONTROL + tensor([0.30, 0.31, 0.29, 0.30, 0.32])


@pytest.mark.parametrize(
    ("scores", "n"),
    [
        ({3: NOTHING, 10: NOTHING}, None),
        ({3: NOTHING, 10: CLEARLY}, 10),
        ({3: CLEARLY, 10: CLEARLY}, 3),
        ({3: CLEARLY, 10: NOTHING}, None),  # one lucky n below one that shows nothing
        ({3: CLEARLY, 10: NOTHING, 20: CLEARLY}, 20),
        ({20: CLEARLY, 3: NOTHING, 10: CLEARLY}, 10),  # in any order
        ({20: NOTHING, 3: CLEARLY, 10: CLEARLY}, None),  # the largest n comes first here, and still counts
        ({3: 2 * CONTROL - CLEARLY}, None),  # clearly below
    ],
)
def test_learnt_from_the_smallest_n_on_which_all_larger_ones_confirm(scores, n):
    learnt = learnt_at(scores, CONTROL)
    assert learnt.n == n
    assert learnt.decided
    assert str(learnt) == (f"learnt at n = {n}" if n else f"not shown to be learnt up to n = {max(scores)}")


def test_learnt_is_corrected_for_the_grid():
    """p = 0.0304 alone passes 5 %; as one of two of the kind Holm doubles the smaller to 0.0608, and neither passes."""
    weakly = CONTROL + tensor([0.01, 0.02, 0.03, -0.005, 0.02])
    p = scipy.stats.ttest_rel(weakly.numpy(), CONTROL.numpy(), alternative="greater").pvalue
    assert 0.025 < p < 0.05
    assert learnt_at({3: weakly}, CONTROL).n == 3
    both = learnt_at({3: weakly, 10: weakly}, CONTROL)
    assert both.n is None
    assert both.adjusted == pytest.approx({3: 2 * p, 10: 2 * p})
    assert learnt_at({3: weakly, 10: weakly}, CONTROL, level=0.1).n == 3


def test_one_image_more_in_each_of_few_models_is_not_learnt():
    """p = 2^-m, so five models that agree are the fewest that convince, at a single n."""
    for m, n in ((2, None), (4, None), (5, 1)):
        control = torch.arange(m).double() * 0.01
        assert learnt_at({1: control + 0.0005}, control).n == n
    assert learnt_at({1: CONTROL + 0.0005, 3: CONTROL + 0.0005}, CONTROL).adjusted == {1: 1 / 16, 3: 1 / 16}


def test_nothing_learnt_is_called_learnt_as_rarely_as_it_says():
    """Without any effect some n of the grid passes in at most 5 % of studies: Binomial(500, 0.05) and 4 sd above."""
    draws = torch.randn(500, 4, 5, generator=rng_for(2, "test"), dtype=torch.float64)
    alarms = sum(min(learnt_at({3: a, 10: b, 100: c}, control).adjusted.values()) < 0.05 for control, a, b, c in draws)
    assert alarms < 25 + 4 * math.sqrt(500 * 0.05 * 0.95)  # fails for fewer than one seed in 30,000; ours is fixed


def test_what_cannot_be_tested_is_undecided_and_not_unlearnt():
    one = learnt_at({3: tensor([0.9])}, tensor([0.1]))
    assert str(one) == "undecided: one model says nothing about the spread"
    diverged = learnt_at({3: CLEARLY, 10: CLEARLY * math.nan}, CONTROL)
    assert str(diverged) == "undecided: some scores are NaN"
    empty = learnt_at({}, CONTROL)
    assert str(empty) == "undecided: no n above 0 in the grid"
    assert str(learnt_at({3: tensor([])}, tensor([]))).startswith("undecided: no models")
    for learnt in (one, diverged, empty):
        assert learnt.n is None
        assert not learnt.decided
        assert all(math.isnan(p) for p in learnt.adjusted.values())
    assert set(diverged.adjusted) == {3, 10}


def test_learnt_refuses_what_it_cannot_mean():
    with pytest.raises(ValueError, match="n = 0 belongs in `baseline`"):
        learnt_at({0: CONTROL, 3: CLEARLY}, CONTROL)
    with pytest.raises(ValueError, match="5 and 2"):
        learnt_at({3: CLEARLY}, CONTROL[:2])
    with pytest.raises(ValueError, match="`level`"):
        learnt_at({3: CLEARLY}, CONTROL, level=5.0)
    assert Learnt(3, 0.05, {3: 0.01}, 5).decided


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
