"""Each verdict from numbers that leave no doubt, the borders between them, and how often they err."""

import itertools
import math
from typing import get_args

import pytest
import torch
from scipy import stats

from spurlab.deletion.verdict import Reason, Verdict, reached, verdict
from spurlab.seeds import rng_for
from spurlab.stats import Share

BEFORE = torch.tensor([0.81, 0.75, 0.90, 0.84, 0.79])
ORACLE = torch.tensor([0.00, 0.01, 0.00, 0.02, 0.00])
ACCURACY = torch.tensor([0.87, 0.88, 0.87, 0.88, 0.87])
NOISE = torch.tensor([0.01, -0.01, 0.00, 0.01, -0.02])
HALF = torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0])


def judge(after, before=BEFORE, oracle=ORACLE, accuracy=ACCURACY, accuracy_after=None, most=None, **beside):
    """`beside`: of another measure, the numbers after and those of the oracles. All are repeated to the longest."""
    accuracy_after = accuracy if accuracy_after is None else accuracy_after
    columns = [
        {"spurious_score": score, "accuracy": right}
        for score, right in ((before, accuracy), (after, accuracy_after), (oracle, accuracy))
    ]
    for name, both in beside.items():
        columns[1][name], columns[2][name] = both
    return verdict(*columns, most)


def repeated(times, **case):
    """The same networks again and again."""
    many = {
        name: tuple(c.repeat(times) for c in column) if isinstance(column, tuple) else column.repeat(times)
        for name, column in ({"before": BEFORE, "oracle": ORACLE, "accuracy": ACCURACY} | case).items()
    }
    return judge(**many)


CASES = {
    "few networks": (1, dict.fromkeys(("after", "before", "oracle", "accuracy", "accuracy_after"), BEFORE[:4])),
    "not finite": (1, {"after": torch.tensor([0.0, math.nan, 0.1, 0.0, math.inf])}),
    "accuracy lost": (1, {"after": ORACLE, "accuracy_after": ACCURACY - 0.10 - NOISE / 10}),
    "not learnt": (1, {"after": ORACLE + 0.04, "before": ORACLE + 0.04 + NOISE / 10}),
    "few have learnt": (1, {"after": ORACLE, "before": BEFORE * HALF}),
    "rose": (1, {"after": BEFORE + 0.1 - NOISE}),
    "hardly fell": (1, {"after": BEFORE - 0.03 + NOISE / 10}),
    "accuracy unsure": (1, {"after": ORACLE, "accuracy_after": ACCURACY * torch.tensor([1.0, 1.0, 1.0, 0.1, 0.1])}),
    "told apart": (1, {"after": ORACLE + NOISE / 10, "membership_auc": (0.9 + NOISE, 0.55 - NOISE)}),
    "none of few": (1, {"after": ORACLE + NOISE.abs(), "oracle_distance": (0.9 + NOISE, NOISE)}),
    "like the oracles": (4, {"after": ORACLE, "membership_auc": (0.5 + NOISE, 0.5 - NOISE)}),
    "perhaps told apart": (4, {"after": ORACLE, "membership_auc": (0.5 + HALF / 4, 0.5 + NOISE)}),
    "fell": (1, {"after": BEFORE / 2}),
    "perhaps fell": (1, {"after": BEFORE - 0.3 * HALF}),
    "unsure": (1, {"after": ORACLE + torch.tensor([0.0, 0.4, 0.0, 0.1, 0.0])}),
}
SENTENCES = {
    "few networks": "undecided: 4 networks; a verdict needs 5",
    "not finite": "breaks the model: 2 of 5 networks are not finite after deletion",
    "accuracy lost": "breaks the model: 5 of 5 networks lose more than 0.05 of test accuracy: 0.774, before 0.874",
    "not learnt": (
        "nothing to forget: 0 of 5 networks had learnt it: 0.046 before deletion; the oracles have 0.006 and reach "
        "0.020"
    ),
    "few have learnt": (
        "undecided: 3 of 5 networks had learnt it (0.492 before deletion; the oracles have 0.006 and reach 0.020); a "
        "verdict needs 5 that have"
    ),
    "rose": (
        "does not forget: 5 of 5 networks keep it, and in 5 of 5 networks the score rose: 0.920 after deletion, "
        "0.818 before; the oracles have 0.006 and reach 0.020"
    ),
    "hardly fell": (
        "does not forget: 5 of 5 networks keep it, and in 0 of 5 networks the score fell by more than 0.05: 0.788 "
        "after deletion, 0.818 before; the oracles have 0.006 and reach 0.020"
    ),
    "accuracy unsure": (
        "undecided: 2 of 5 networks lose more than 0.05 of test accuracy (0.559, before 0.874), not shown to be fewer "
        "than half: a network that has collapsed has no score either"
    ),
    "told apart": (
        "partly: 0 of 5 networks keep it; 5 of 5 networks can be told from the oracles: 5 of 5 by membership AUC "
        "(0.898, theirs 0.552); 0.006 after deletion, 0.818 before; the oracles have 0.006 and reach 0.020"
    ),
    "none of few": (
        "no leftover seen: in 5 networks (up to 46 % of all could keep it): 0.016 after deletion, 0.818 before; the "
        "oracles have 0.006 and reach 0.020; not measured: membership AUC, distance on marked examples"
    ),
    "like the oracles": (
        "forgets: 0 of 20 networks keep it (up to 14 % of all could): 0.006 after deletion, 0.818 before; the oracles "
        "have 0.006 and reach 0.020; not measured: distance to the oracles, distance on marked examples"
    ),
    "perhaps told apart": (
        "undecided: 0 of 20 networks keep it, but 12 of 20 networks can be told from the oracles, not shown to be "
        "fewer than half: 12 of 20 by membership AUC (0.650, theirs 0.498); 0.006 after deletion, 0.818 before; the "
        "oracles have 0.006 and reach 0.020"
    ),
    "fell": (
        "partly: 5 of 5 networks keep it, but in 5 of 5 networks the score fell by more than 0.05: 0.409 after "
        "deletion, 0.818 before; the oracles have 0.006 and reach 0.020"
    ),
    "perhaps fell": (
        "undecided: 5 of 5 networks keep it, and in 3 of 5 networks the score fell by more than 0.05, neither shown to "
        "be more nor fewer than half: 0.638 after deletion, 0.818 before; the oracles have 0.006 and reach 0.020; take "
        "more networks"
    ),
    "unsure": (
        "undecided: 2 of 5 networks keep it, neither shown to be more than 15% of all nor fewer: 0.106 after deletion, "
        "0.818 before; the oracles have 0.006 and reach 0.020; take more networks"
    ),
}


def test_each_reason_has_its_sentence():
    """Word for word, also what is said of networks that are not among those judged."""
    assert {"method failed", *CASES} == {"method failed", *SENTENCES} == set(get_args(Reason))
    for reason, (times, case) in CASES.items():
        got = repeated(times, **case)
        assert (got.reason, str(got)) == (reason, SENTENCES[reason])
    assert str(Verdict("method failed", failed=5, why="no luck")) == "failed: on every network: no luck"
    rest = {"left_out": 1, "failed": 2, "why": "no luck"}
    assert Verdict("few networks", 1, **rest).finding == (
        "1 network; a verdict needs 5; 1 of 2 networks left out: these or their oracles had diverged before the "
        "deletion. It failed on 2 of 4 networks: no luck"
    )
    assert Verdict("not finite", 5, not_finite=1, why="too hot").finding == (
        "1 of 5 networks are not finite after deletion. too hot"
    )


@pytest.mark.parametrize(
    ("kept", "networks", "name"),
    [
        (0, 5, "no leftover seen"),
        (0, 18, "no leftover seen"),  # .85 ** 18 = .054
        (0, 19, "forgets"),  # .85 ** 19 = .046
        (1, 29, "undecided"),
        (1, 30, "forgets"),
        (2, 5, "undecided"),
        (3, 5, "partly"),  # three of five, were it 15 % of all networks: .027
        (7, 20, "partly"),
        (6, 20, "undecided"),
    ],
)
def test_how_many_may_keep_it(kept, networks, name):
    """Where it falls in all networks, from .8 to 0 or, in those that keep it, to .4; with scipy's exact test."""
    after = torch.zeros(networks)
    after[:kept] = 0.4
    others = {"oracle": torch.zeros(networks), "accuracy": torch.full((networks,), 0.9)}
    assert judge(after, torch.full((networks,), 0.8), **others).name == name
    few = stats.binomtest(kept, networks, 0.15, "less").pvalue <= 0.05
    many = stats.binomtest(kept, networks, 0.15, "greater").pvalue <= 0.05
    assert (few, many) == (name == "forgets", name == "partly")


@pytest.mark.parametrize("networks", [5, 8, 12, 20])
def test_more_than_half_is_the_exact_sign_test(networks):
    """Where all keep it and j fall by .3: partly, undecided and does not forget by scipy's test of j."""
    others = {"oracle": torch.zeros(networks), "accuracy": torch.full((networks,), 0.9)}
    for fell in range(networks + 1):
        after = torch.full((networks,), 0.8)
        after[:fell] = 0.5
        more, fewer = (stats.binomtest(fell, networks, 0.5, side).pvalue <= 0.05 for side in ("greater", "less"))
        expected = "partly" if more else "does not forget" if fewer else "undecided"
        assert judge(after, torch.full((networks,), 0.8), **others).name == expected


def test_seeds_that_are_added_take_more():
    """Seven of eight show more than half where one looks once; where one has looked at five before, eight do."""
    networks = {"oracle": torch.zeros(8), "accuracy": torch.full((8,), 0.9), "before": torch.full((8,), 0.8)}
    after = torch.tensor([0.8] * 7 + [0.3])
    assert judge(after, **networks).name == "does not forget"
    assert judge(after, **networks, most=20).name == "undecided"
    assert judge(torch.full((8,), 0.8), **networks, most=20).name == "does not forget"


def test_the_numbers_behind_a_verdict():
    """Which networks are counted, by hand; means over those that had learnt it."""
    (keep, fell) = judge(BEFORE - 0.3 * HALF).counts
    assert (keep.share.count, keep.share.models, fell.share.count) == (5, 5, 3)
    assert (keep.before, keep.after, keep.oracle) == pytest.approx((0.818, 0.638, 0.006))
    assert keep.reach == pytest.approx(0.02)
    six = {"oracle": torch.zeros(6), "accuracy": torch.full((6,), 0.9)}
    got = judge(torch.tensor([0.7] * 5 + [0.0]), torch.tensor([0.8] * 5 + [0.01]), **six)
    assert (got.name, got.networks, got.not_learnt) == ("partly", 5, 1)
    assert got.counts[0].before == pytest.approx(0.8)
    assert got.finding.endswith("; 1 of 6 networks left out: had not learnt it")


def test_what_the_oracles_reach():
    """The largest of up to 19; of 20 the second, of 40 the third, so that one odd oracle hides nothing."""
    for networks, place in ((1, 1), (5, 1), (19, 1), (20, 2), (39, 2), (40, 3)):
        scores = torch.randperm(networks, generator=rng_for(networks, "test")) / 64
        assert reached(scores) == (networks - place) / 64
    with_odd = torch.cat([ORACLE.repeat(4)[:19], torch.tensor([0.9])])
    left = torch.full((20,), 0.5)
    assert judge(left, BEFORE.repeat(4), with_odd, ACCURACY.repeat(4)).name == "partly"


def test_a_fall_of_accuracy_breaks_the_model():
    """.10 lost is more than .05, .04 is not; in four of five networks it is neither shown nor excluded."""
    assert judge(ORACLE, accuracy_after=ACCURACY - 0.10).name == "breaks the model"
    assert judge(ORACLE, accuracy_after=ACCURACY - 0.04).name == "no leftover seen"
    assert judge(ORACLE, accuracy_after=ACCURACY - 0.10 * torch.tensor([1, 1, 1, 1, 0])).reason == "accuracy unsure"
    assert judge(ORACLE, accuracy_after=ACCURACY + 0.10).name == "no leftover seen"


def test_what_is_not_finite_breaks_the_model():
    for broken in (math.nan, math.inf):
        after = ORACLE.clone()
        after[2] = broken
        assert judge(after) == Verdict("not finite", 5, not_finite=1)
        assert judge(after).name == "breaks the model"
        assert judge(ORACLE, accuracy_after=after).name == "breaks the model"
        for where in ("before", "oracle", "accuracy"):
            got = judge(ORACLE, **{where: after, "accuracy_after": ACCURACY})
            assert got.name == "undecided", "a network that had diverged before was laid to the method"
            assert got == Verdict("few networks", 4, left_out=1)


def test_one_that_had_diverged_before_is_left_out_and_the_others_judged():
    """Six networks, one without an oracle: the verdict is that of the other five, and says so."""
    numbers = {"spurious_score": ORACLE.repeat(2)[:6].clone(), "accuracy": ACCURACY.repeat(2)[:6]}
    before = numbers | {"spurious_score": BEFORE.repeat(2)[:6]}
    oracle = numbers | {"spurious_score": numbers["spurious_score"].clone()}
    oracle["spurious_score"][5] = math.nan
    got = verdict(before, numbers, oracle)
    alone = verdict(*({name: column[:5] for name, column in each.items()} for each in (before, numbers, oracle)))
    assert got.name == alone.name == "no leftover seen"
    assert (got.counts[0].share, got.networks, got.left_out) == (alone.counts[0].share, 5, 1)
    assert alone.left_out == 0


def test_a_pattern_that_was_hardly_learnt_cannot_be_forgotten():
    """.04 above the oracles is certain, but within what counts as forgotten: doing nothing must not pass."""
    got = judge(ORACLE + 0.04, before=ORACLE + 0.04 + NOISE / 10)
    assert (got.name, got.not_learnt) == ("nothing to forget", 5)
    (learnt,) = got.counts
    assert (learnt.share.count, learnt.share.models) == (0, 5)


def test_below_the_oracles_is_not_like_the_oracles():
    """A network that shuns the pattern can be told from one that never saw it."""
    got = judge(torch.zeros(5), oracle=0.2 + NOISE)
    assert (got.name, got.reason) == ("partly", "told apart")
    assert [count.title for count in got.counts[1:]] == ["a score below theirs"]


@pytest.mark.parametrize(
    ("auc", "auc_oracle", "name"),
    [
        (0.9 + NOISE, 0.55 - NOISE, "partly"),  # still known
        (0.1 + NOISE, 0.55 - NOISE, "partly"),  # shunned
        (0.58 + NOISE, 0.55 + NOISE, "forgets"),  # .03 do not matter, however sure
        (0.5 + 10 * NOISE, 0.55 - 10 * NOISE, "forgets"),  # the oracles reach as far
        (0.5 + 0.2 * HALF, 0.55 + NOISE, "undecided"),  # three in five can be told
        (torch.full((5,), math.nan), 0.55 + NOISE, "forgets"),  # not measured
    ],
)
def test_who_forgets_the_pattern_may_still_know_the_examples(auc, auc_oracle, name):
    """Of twenty networks; of five that can be told or not, it is undecided whether most can."""
    got = repeated(4, after=ORACLE, membership_auc=(auc, auc_oracle))
    assert got.name == name
    told = [count for count in got.counts if count.measure == "membership_auc"]
    assert len(told) == (0 if auc.isnan().any() else 1)
    distances = ["distance to the oracles", "distance on marked examples"]
    assert got.not_measured == (["membership AUC"] * (not told) + distances if name == "forgets" else [])
    assert judge(BEFORE, membership_auc=(auc, auc_oracle)).name == "does not forget"
    few = judge(ORACLE, membership_auc=(auc, auc_oracle)).name
    assert few == ("no leftover seen" if name == "forgets" else name)


def test_what_differs_among_the_oracles_tells_nothing():
    """.1 beyond the highest of oracles that are .3 apart; of such that are all at the highest it is far."""
    apart = torch.tensor([0.3, 0.4, 0.5, 0.55, 0.6])
    assert judge(ORACLE, membership_auc=(torch.full((5,), 0.7), apart)).told == Share(0, 5)
    assert judge(ORACLE, membership_auc=(torch.full((5,), 0.91), apart)).told == Share(5, 5)
    assert judge(ORACLE, membership_auc=(torch.full((5,), 0.7), torch.full((5,), 0.6))).told == Share(5, 5)
    assert judge(ORACLE, membership_auc=(torch.full((5,), 0.1), apart)).told == Share(0, 5)


@pytest.mark.parametrize(("told", "name"), [(4, "no leftover seen"), (5, "undecided"), (7, "partly")])
def test_half_of_the_networks_may_be_told(told, name):
    eight = {"oracle": torch.zeros(8), "before": torch.full((8,), 0.8), "accuracy": torch.full((8,), 0.9)}
    far = 9.0 * (torch.arange(8) < told)
    assert judge(torch.zeros(8), **eight, oracle_distance=(far, torch.zeros(8))).name == name


def test_a_score_that_was_low_need_not_fall_far():
    """From .08 to .045, which none of the networks keeps then; that they are told is shown, and so it is partly."""
    five = {"oracle": torch.zeros(5), "before": torch.full((5,), 0.08), "accuracy": torch.full((5,), 0.9)}
    got = judge(torch.full((5,), 0.045), **five, oracle_distance=(torch.full((5,), 9.0), torch.zeros(5)))
    assert (got.name, got.reason) == ("partly", "told apart")


def test_a_network_is_told_by_one_measure_or_another():
    """Two of five by one measure and three by another are five of five; the same two by both are two, shown or not."""
    first, others = torch.tensor([1.0, 1, 0, 0, 0]), torch.tensor([0.0, 0, 1, 1, 1])
    told = judge(ORACLE, membership_auc=(0.5 + 0.4 * first, 0.5 + NOISE), oracle_distance=(9 * others, NOISE))
    assert (told.reason, told.told, told.name) == ("told apart", Share(5, 5), "partly")
    assert "5 of 5 networks can be told from the oracles: 2 of 5 by membership AUC" in told.finding
    again = judge(ORACLE, membership_auc=(0.5 + 0.4 * first, 0.5 + NOISE), oracle_distance=(9 * first, NOISE))
    assert (again.told, again.name) == (Share(2, 5), "no leftover seen")
    assert "; 2 of 5 networks can be told from them: 2 of 5 by membership AUC" in again.finding
    assert judge(ORACLE, oracle_distance=(9 * others, NOISE)).name == "undecided"


@pytest.mark.parametrize("kind", ["oracle_distance", "oracle_distance_marked"])
def test_who_is_far_from_the_oracles_is_no_oracle(kind):
    """A network that is hardly sure of anything has no score, and all its accuracy: 5 log-odds away it is no oracle."""
    assert judge(ORACLE, **{kind: (0.9 + NOISE, NOISE)}).name == "no leftover seen"
    far = judge(ORACLE, **{kind: (5 + NOISE, NOISE)})
    assert (far.name, far.reason) == ("partly", "told apart")
    (count,) = (count for count in far.counts if count.measure == kind)
    assert (count.after, count.oracle) == pytest.approx((4.998, -0.002))


def test_what_can_be_told_is_no_oracle_whoever_keeps_it():
    """Two of five keep a third of it, which alone would be undecided; all have outputs of their own."""
    after = ORACLE + torch.tensor([0.0, 0.3, 0.0, 0.3, 0.0])
    assert judge(after).name == "undecided"
    assert judge(after, oracle_distance_marked=(5 + NOISE, NOISE)).reason == "told apart"
    assert judge(BEFORE - 0.01, oracle_distance_marked=(5 + NOISE, NOISE)).name == "does not forget"


def test_a_fall_below_the_margin_is_no_partial_success():
    """.03 is certain, but does not matter: it does not forget; nor does a fall of .05 to the last bit."""
    assert judge(BEFORE - 0.03 + NOISE / 10).name == "does not forget"
    assert judge(BEFORE - 0.05).name == "does not forget"
    assert judge(BEFORE - 0.05 + NOISE).name == "undecided"
    assert judge(BEFORE - 0.08 + NOISE / 10).name == "partly"


def test_four_networks_are_too_few():
    assert judge(*[BEFORE[:4]] * 5) == Verdict("few networks", 4)
    assert judge(*[BEFORE[:4]] * 5).name == "undecided"
    assert judge(*[BEFORE[:1]] * 5).networks == 1
    with pytest.raises(ValueError, match=r"one number per network, but they have \[5, 4, 5, 5, 5\]"):
        judge(ORACLE[:4])


@pytest.mark.parametrize("networks", [5, 8, 20])
def test_doing_nothing_never_passes_for_forgetting(networks):
    """Scores of all kinds: where `after` is `before`, no oracle makes it one of those that forget."""
    rng = rng_for(0, "test")
    accuracy = torch.full((networks,), 0.9)
    for size, spread in itertools.product((0.0, 0.03, 0.05, 0.08, 0.3), (0.001, 0.02, 0.1)):
        for _ in range(20):
            oracle = 0.3 + spread * torch.randn(networks, generator=rng)
            before = oracle + size + spread * torch.randn(networks, generator=rng)
            got = judge(before, before, oracle, accuracy).name
            assert got in {"nothing to forget", "undecided", "does not forget"}


def test_what_is_kept_by_few_passes_as_seldom_as_stated():
    """15 % of all networks keep it: 20 without a leftover are .85 ** 20 = .039 of all studies.

    Of 2,000 that is 78 with a standard deviation of 8.6; this asks for less than five of them (fails for one seed in
    about two million; ours is fixed).
    """
    rng = rng_for(0, "test")
    many = {"before": BEFORE.repeat(4), "oracle": ORACLE.repeat(4), "accuracy": ACCURACY.repeat(4)}
    passed = sum(judge(0.5 * (torch.rand(20, generator=rng) < 0.15), **many).name == "forgets" for _ in range(2000))
    assert abs(passed - 2000 * 0.85**20) < 5 * 8.6
    assert 0.85**20 < 0.05
