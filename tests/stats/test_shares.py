"""Shares of networks against scipy, enumeration and published numbers; n* against what a fixed sequence must do."""

import itertools
import math

import pytest
import scipy.stats
import torch

from spurlab.stats import Learnt, Looks, Share, learnt_at, networks_needed, risen


def tensor(numbers, dtype=torch.float64):
    return torch.tensor(numbers, dtype=dtype)


# -- A share --


@pytest.mark.parametrize("models", [1, 2, 5, 8, 20])
def test_intervals_and_tests_are_scipys(models):
    for count in range(models + 1):
        share, scipys = Share(count, models), scipy.stats.binomtest(count, models).proportion_ci(0.95, "exact")
        assert (share.low, share.high) == pytest.approx((scipys.low, scipys.high), abs=1e-12)
        for side, bound in (("greater", "at_least"), ("less", "at_most")):
            one_sided = scipy.stats.binomtest(count, models, alternative=side).proportion_ci(0.95, "exact")
            wanted = one_sided.low if side == "greater" else one_sided.high
            assert getattr(share, bound) == pytest.approx(wanted, abs=1e-12)
        for limit in (0.15, 0.5):
            above = scipy.stats.binomtest(count, models, limit, alternative="greater").pvalue
            below = scipy.stats.binomtest(count, models, limit, alternative="less").pvalue
            assert (share.more_than(limit), share.fewer_than(limit)) == pytest.approx((above, below))


@pytest.mark.parametrize("models", [1, 3, 5, 20])
@pytest.mark.parametrize("truth", [0.0, 0.02, 0.15, 0.5, 0.87, 1.0])
def test_an_interval_covers_the_truth_as_often_as_it_says(models, truth):
    """By the chance of every count: each side errs in 2.5 % at most, a one-sided bound in 5 %."""
    shares = [Share(count, models) for count in range(models + 1)]
    chances = scipy.stats.binom.pmf(range(models + 1), models, truth)

    def missed(beyond):
        return sum(p for share, p in zip(shares, chances, strict=True) if beyond(share))

    assert missed(lambda share: share.high < truth) <= 0.025
    assert missed(lambda share: share.low > truth) <= 0.025
    assert missed(lambda share: share.at_most < truth) <= 0.05
    assert missed(lambda share: share.at_least > truth) <= 0.05


def test_the_numbers_that_verdicts_quote():
    """Five networks without a leftover leave up to 45 %; 19 show at most 15 %, 59 at most 5 %; 14 curves take nine."""
    assert Share(0, 5).at_most == pytest.approx(1 - 0.05 ** (1 / 5))
    assert Share(0, 18).at_most > 0.15 > Share(0, 19).at_most
    assert Share(0, 58).at_most > 0.05 > Share(0, 59).at_most
    assert [networks_needed(0.05 / curves) for curves in (1, 2, 14)] == [5, 6, 9]
    for level in (0.05, 0.01, 0.05 / 14):
        needed = networks_needed(level)
        assert Share(needed, needed).more_than() <= level < Share(needed - 1, needed - 1).more_than()
    assert networks_needed(0.05, 0.15) == 2  # .15 ** 2 = .0225


def test_a_p_value_is_never_below_what_its_networks_can_say():
    for models in range(9):
        p = [Share(count, models).more_than() for count in range(models + 1)]
        assert min(p) == 0.5**models
        assert p == sorted(p, reverse=True)


def test_no_networks_say_nothing():
    assert (Share(0, 0).more_than(), Share(0, 0).fewer_than()) == (1.0, 1.0)
    assert (Share(0, 0).low, Share(0, 0).high, Share(0, 0).at_most, Share(0, 0).at_least) == (0, 1, 1, 0)
    assert (str(Share(1, 1)), Share(0, 0).of) == ("1 of 1 network [0.03, 1.00]", "0 of 0 networks")


@pytest.mark.parametrize(("count", "models", "confidence"), [(6, 5, 0.95), (-1, 5, 0.95), (1, 5, 1.0), (1, 5, 0.0)])
def test_what_is_no_share_is_refused(count, models, confidence):
    with pytest.raises(ValueError, match=r"is no share of networks|`confidence` must lie between 0 and 1"):
        Share(count, models, confidence)


# -- Counting --


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_rise_by_just_the_margin_is_none_whatever_the_last_bits_say(dtype):
    """100 and 101 test images of 2,000 more, from different scores: the differences are on either side of .05."""
    before = tensor([117, 304, 93, 251, 1890], dtype) / 2000
    after = tensor([217, 404, 193, 351, 1990], dtype) / 2000
    assert len(set((after.double() - before.double() > 0.05).tolist())) == 2
    assert risen(after, before, by=0.05) == Share(0, 5)
    assert risen(after + 1 / 2000, before, by=0.05) == Share(5, 5)
    assert risen(before, before) == Share(0, 5)
    assert risen(tensor([117 / 2000]), tensor([117 / 2000 - 1e-17])) == Share(0, 1)


def test_networks_are_counted_by_pairs_of_finite_numbers():
    assert risen(tensor([0.3, 0.2, 0.1]), tensor([0.1, 0.2, 0.3]), by=0.05) == Share(1, 3)
    assert risen(tensor([0.3, 0.2, 0.1]), tensor([0.3, 0.2, 0.1]), by=0.05) == Share(0, 3)
    assert risen(tensor([]), tensor([])) == Share(0, 0)
    for bad in (math.nan, math.inf):
        with pytest.raises(ValueError, match="leave these out"):
            risen(tensor([0.3, bad]), tensor([0.1, 0.1]))
    with pytest.raises(ValueError, match="same models on both sides, but there are 2 and 1"):
        risen(tensor([0.3, 0.4]), tensor([0.1]))


# -- Looking several times --


def spent_by_brute_force(plan, limit):
    """The chance that something is shown at some look, where just a share `limit` of all do so: all sequences."""
    *_, last = plan.numbers
    shown = 0.0
    for sequence in itertools.product((0, 1), repeat=last):
        if any(plan.more(Share(sum(sequence[:models]), models), limit) for models in plan.numbers):
            shown += math.prod(limit if does else 1 - limit for does in sequence)
    return shown


def spent(plan, limit, shown_by=None):
    """The same, counted along the way: how many of those that are not yet decided have each count."""
    shown_by = shown_by or (lambda share: plan.more(share, limit))
    chances, before, shown = {0: 1.0}, 0, 0.0
    for models in plan.numbers:
        added = scipy.stats.binom.pmf(range(models - before + 1), models - before, limit)
        grown = dict.fromkeys(range(models + 1), 0.0)
        for count, chance in chances.items():
            for more, likely in enumerate(added):
                grown[count + more] += chance * likely
        decided = {count for count in grown if shown_by(Share(count, models))}
        shown += sum(grown.pop(count) for count in decided)
        chances, before = grown, models
    return shown


@pytest.mark.parametrize("most", [5, 8, 12])
@pytest.mark.parametrize("limit", [0.5, 0.15])
def test_looking_again_errs_as_rarely_as_the_level_says(most, limit):
    """Over all 2 ** most sequences of networks; the quicker count of the same must agree."""
    plan = Looks(most)
    assert spent_by_brute_force(plan, limit) == pytest.approx(spent(plan, limit))
    assert spent(plan, limit) <= 0.05


@pytest.mark.parametrize("most", [16, 20, 40, 100])
@pytest.mark.parametrize(("limit", "level"), [(0.5, 0.05), (0.15, 0.05), (0.5, 0.05 / 14), (0.85, 0.05)])
def test_longer_plans_keep_their_level_too(most, limit, level):
    assert spent(Looks(most, level), limit) <= level


@pytest.mark.parametrize("most", [5, 8, 12, 20])
@pytest.mark.parametrize("limit", [0.5, 0.15])
def test_a_p_value_holds_at_whatever_look_one_stops(most, limit):
    """Where just a share `limit` do so, it comes to a level or below at some look as rarely as the level says.

    At 5 % and at what a claim's parts and alternatives get of it.
    """
    plan = Looks(most)
    for level in (0.05, 0.05 * 0.65, 0.05 / 2, 0.05 / 6, 0.05 * 0.35 / 3, 0.05 / 40):
        assert spent(plan, limit, lambda share, level=level: plan.more_than(share, limit) <= level) <= level
    for models in (*plan.numbers, 7):
        for count in range(models + 1):
            share, others = Share(count, models), Share(models - count, models)
            assert (plan.more_than(share, limit) <= 0.05) == plan.more(share, limit)
            assert plan.fewer_than(others, 1 - limit) == pytest.approx(plan.more_than(share, limit))
            assert plan.more_than(share, limit) >= share.more_than(limit) - 1e-12
            assert Looks().more_than(share, limit) == share.more_than(limit)


def test_p_values_over_looks_by_hand():
    """Five of five have .65 of a level. Below it, eight of eight have what is spent up to them: .65 + .35 / 16."""
    plan = Looks(20)
    assert plan.more_than(Share(5, 5)) == pytest.approx(1 / 32 / 0.65)
    assert plan.more_than(Share(8, 8)) == pytest.approx(1 / 256 / (0.65 + 0.35 / 16))
    assert (plan.more_than(Share(7, 8)), plan.more_than(Share(4, 5)), plan.more_than(Share(4, 4))) == (1, 1, 1)
    assert plan.more_than(Share(1000, 1000)) == 1e-6


def test_a_longer_plan_needs_as_many_or_more_at_each_look():
    plans = [Looks(most) for most in (5, 8, 10, 12, 16, 20, 25, 30, 40, 60, 100)]
    assert (Looks(20).needed(20), Looks(100).needed(20)) == (15, 17)
    for shorter, longer in itertools.combinations(plans, 2):
        for models, limit in itertools.product(shorter.numbers, (0.5, 0.15)):
            assert longer.needed(models, limit) >= shorter.needed(models, limit)


@pytest.mark.parametrize("models", [5, 8, 20])
def test_fewer_mirrors_more(models):
    plan = Looks(20)
    for count, limit in itertools.product(range(models + 1), (0.5, 0.15)):
        assert plan.fewer(Share(count, models), limit) == plan.more(Share(models - count, models), 1 - limit)


def test_one_look_is_the_exact_test():
    for models in range(1, 31):
        for count in range(models + 1):
            share = Share(count, models)
            assert Looks().more(share) == (share.more_than() <= 0.05)
            assert Looks().fewer(share) == (share.fewer_than() <= 0.05)
            assert Looks().more(share, 0.15) == (share.more_than(0.15) <= 0.05)


def test_a_plan_is_fixed_before():
    """Looking at 5 of 20 needs all of them; where networks diverged, 7 spend no more than was spent at five."""
    plan = Looks(20)
    assert plan.numbers == (5, 8, 12, 16, 20)
    assert [plan.needed(models) for models in (5, 8, 12, 16, 20)] == [5, 8, 11, 13, 15]
    assert plan.needed(4) == 5  # before the first look nothing is shown
    assert Looks().numbers == ()
    grown = 0.0
    for sequence in itertools.product((0, 1), repeat=7):
        grown += (plan.more(Share(sum(sequence[:5]), 5)) or plan.more(Share(sum(sequence), 7))) / 2**7
    assert grown <= 0.65 * 0.05 + 1e-12
    with pytest.raises(ValueError, match=r"`most` is a number of networks, but it is 4\. One looks at 5 first"):
        Looks(4)


# -- n* --

CONTROL = tensor([0.10, 0.12, 0.08, 0.11, 0.09])
NOTHING = CONTROL + tensor([0.01, -0.01, 0.0, -0.01, 0.01])
CLEARLY = CONTROL + tensor([0.30, 0.31, 0.29, 0.30, 0.32])
FOUR = CONTROL + tensor([0.30, 0.31, 0.29, 0.30, 0.04])  # of five: p = 6 / 32


@pytest.mark.parametrize(
    ("scores", "n", "above", "words"),
    [
        ({3: NOTHING, 10: NOTHING}, None, 10, "n* > 10 (95 %)"),
        ({3: NOTHING, 10: CLEARLY}, 10, 3, "3 < n* <= 10 (95 %)"),
        ({3: CLEARLY, 10: CLEARLY}, 3, None, "n* <= 3 (95 %)"),
        ({3: FOUR, 10: CLEARLY}, 10, None, "n* <= 10 (95 %)"),
        ({3: NOTHING, 10: FOUR}, None, 3, "n* > 3 (95 %), not shown to be learnt up to n = 10"),
        ({3: CLEARLY, 10: NOTHING}, None, None, "not shown to be learnt up to n = 10"),  # one lucky n
        ({3: CLEARLY, 10: FOUR, 20: CLEARLY}, 20, None, "n* <= 20 (95 %)"),
        ({20: CLEARLY, 3: NOTHING, 10: CLEARLY}, 10, 3, "3 < n* <= 10 (95 %)"),  # in any order
        ({20: NOTHING, 3: CLEARLY, 10: CLEARLY}, None, None, "not shown to be learnt up to n = 20"),
        ({3: 2 * CONTROL - CLEARLY}, None, 3, "n* > 3 (95 %)"),  # clearly below
        ({3: CONTROL + 0.0009}, None, 3, "n* > 3 (95 %)"),  # a rise that does not matter, in all networks
        ({3: FOUR}, None, None, "not shown to be learnt up to n = 3"),
    ],
)
def test_n_star_is_bounded_from_the_largest_n_down_and_from_the_smallest_up(scores, n, above, words):
    learnt = learnt_at(scores, CONTROL)
    assert (learnt.n, learnt.above, str(learnt)) == (n, above, words)
    assert learnt.decided
    for count, values in scores.items():
        assert learnt.shares[count] == Share(int((values - CONTROL > 0.05).sum()), 5)


@pytest.mark.parametrize(
    ("scores", "settled"),
    [
        ({3: NOTHING, 10: CLEARLY}, True),
        ({3: CLEARLY, 10: CLEARLY}, True),  # at most the smallest of the grid
        ({3: NOTHING, 10: NOTHING}, True),  # above the largest
        ({3: FOUR, 10: CLEARLY}, False),
        ({3: NOTHING, 10: FOUR}, False),
        ({3: FOUR}, False),
    ],
)
def test_n_star_is_settled_where_more_networks_could_not_narrow_it(scores, settled):
    assert learnt_at(scores, CONTROL).settled == settled


def test_a_longer_grid_costs_no_certainty_and_more_curves_do():
    grid = dict.fromkeys((1, 2, 3, 5, 10, 20, 100), CLEARLY)
    assert learnt_at(grid, CONTROL).n == 1
    strict = learnt_at(grid, CONTROL, level=0.05 / 14)
    assert str(strict) == "undecided: 5 networks; at 0.36 % it takes 9"
    assert (strict.n, strict.settled) == (None, False)
    ten = {n: torch.cat([scores, scores]) for n, scores in grid.items()}
    assert str(learnt_at(ten, torch.cat([CONTROL, CONTROL]), level=0.05 / 14)) == "n* <= 1 (99.6 %)"


def test_a_plan_of_looks_asks_for_more_at_each():
    """Seven of eight are enough for who looks once (p = .035), and not for who looked at five before."""
    seven = tensor([0.5] * 7 + [0.0])
    assert learnt_at({3: seven}, tensor([0.0] * 8)).n == 3
    assert learnt_at({3: seven}, tensor([0.0] * 8), most=20).n is None
    assert learnt_at({3: tensor([0.5] * 8)}, tensor([0.0] * 8), most=20).n == 3


@pytest.mark.parametrize("models", [5, 8])
@pytest.mark.parametrize("count", [1, 2])
def test_nothing_learnt_is_called_learnt_as_rarely_as_it_says(models, count):
    """Where just half of all networks learn at every n, the worst truth, and networks at two n have nothing to do with
    each other: by the chance of every combination of counts. So either bound is wrong in 5 % of studies at most."""
    chances = scipy.stats.binom.pmf(range(models + 1), models, 0.5)
    control = tensor([0.0] * models)
    at_most = above = 0.0
    for counts in itertools.product(range(models + 1), repeat=count):
        scores = {3 * 10**i: tensor([1.0] * k + [0.0] * (models - k)) for i, k in enumerate(counts)}
        learnt, chance = learnt_at(scores, control), math.prod(chances[k] for k in counts)
        at_most += chance * (learnt.n is not None)
        above += chance * (learnt.above is not None)
    by_itself = sum(chances[k] for k in range(models + 1) if Share(k, models).more_than() <= 0.05)
    assert at_most == pytest.approx(by_itself)
    assert above == pytest.approx(by_itself)
    assert by_itself <= 0.05


def test_the_size_is_exact_where_all_n_share_their_networks():
    """Every outcome of five networks, each learnt or not at once for all n: 1 of 32 passes."""
    control = tensor([0.0] * 5)
    passed = [
        learnt_at(dict.fromkeys((3, 10), tensor(rise)), control).n is not None
        for rise in itertools.product((0.0, 1.0), repeat=5)
    ]
    assert sum(passed) == 1


def test_what_cannot_be_tested_is_undecided_and_not_unlearnt():
    one = learnt_at({3: tensor([0.9])}, tensor([0.1]))
    assert str(one) == "undecided: 1 network; at 5 % it takes 5"
    diverged = learnt_at({3: CLEARLY, 10: CLEARLY * math.nan}, CONTROL)
    assert str(diverged) == "undecided: some scores are NaN"
    empty = learnt_at({}, CONTROL)
    assert str(empty) == str(Learnt()) == "undecided: no n above 0 in the grid"
    assert str(learnt_at({3: tensor([])}, tensor([]))) == "undecided: 0 networks; at 5 % it takes 5"
    for learnt in (one, diverged, empty):
        assert (learnt.n, learnt.above, learnt.decided, learnt.settled) == (None, None, False, False)
    assert diverged.shares == {3: Share(0, 0), 10: Share(0, 0)}


def test_learnt_refuses_what_it_cannot_mean():
    with pytest.raises(ValueError, match="n = 0 belongs in `baseline`"):
        learnt_at({0: CONTROL, 3: CLEARLY}, CONTROL)
    with pytest.raises(ValueError, match="5 and 2"):
        learnt_at({3: CLEARLY}, CONTROL[:2])
    with pytest.raises(ValueError, match="`level`"):
        learnt_at({3: CLEARLY}, CONTROL, level=5.0)
