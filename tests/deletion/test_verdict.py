"""Each verdict from numbers that leave no doubt, the borders between them, and how often they err."""

import itertools
import math
from typing import get_args

import pytest
import torch
from scipy import stats

from spurlab.deletion.verdict import Reason, Verdict, verdict
from spurlab.seeds import rng_for

BEFORE = torch.tensor([0.81, 0.75, 0.90, 0.84, 0.79])
ORACLE = torch.tensor([0.00, 0.01, 0.00, 0.02, 0.00])
ACCURACY = torch.tensor([0.87, 0.88, 0.87, 0.88, 0.87])
NOISE = torch.tensor([0.01, -0.01, 0.00, 0.01, -0.02])


def judge(after, before=BEFORE, oracle=ORACLE, accuracy=ACCURACY, accuracy_after=ACCURACY, aucs=(), **distances):
    columns = [
        {"spurious_score": score, "accuracy": right}
        for score, right in ((before, accuracy), (after, accuracy_after), (oracle, accuracy))
    ]
    for place, auc in zip((1, 2), aucs, strict=False):
        columns[place]["membership_auc"] = auc
    for name, both in distances.items():
        columns[1][name], columns[2][name] = both
    return verdict(*columns)


CASES = {
    "few networks": dict.fromkeys(("after", "before", "oracle", "accuracy", "accuracy_after"), BEFORE[:4]),
    "not finite": {"after": torch.tensor([0.0, math.nan, 0.1, 0.0, math.inf])},
    "accuracy lost": {"after": ORACLE, "accuracy_after": ACCURACY - 0.10 - NOISE / 10},
    "not learnt": {"after": ORACLE + 0.04, "before": ORACLE + 0.04 + NOISE / 10},
    "rose": {"after": BEFORE + 0.1 - NOISE},
    "hardly fell": {"after": BEFORE - 0.03 + NOISE / 10},
    "accuracy may rise": {"after": ORACLE, "accuracy_after": ACCURACY + torch.tensor([0.1, 0.1, -0.2, 0.1, 0.1])},
    "accuracy may fall": {"after": ORACLE, "accuracy_after": ACCURACY * torch.tensor([1.0, 1.0, 1.0, 0.1, 0.1])},
    "told apart": {"after": ORACLE + NOISE / 10, "aucs": (0.9 + NOISE, 0.55 - NOISE)},
    "like the oracles": {"after": ORACLE + NOISE.abs(), "oracle_distance": (0.9 + NOISE, NOISE)},
    "fell": {"after": BEFORE / 2},
    "perhaps fell": {"after": BEFORE + 10 * NOISE},
    "below the oracles": {"after": torch.zeros(5), "oracle": 0.2 + NOISE},
    "unsure": {"after": ORACLE + torch.tensor([0.0, 0.4, 0.0, 0.1, 0.0])},
}
SENTENCES = {
    "few networks": "undecided: 4 networks; a verdict needs 5",
    "not finite": "breaks the model: 2 of 5 networks are not finite after deletion",
    "accuracy lost": "breaks the model: test accuracy falls by 0.10, more than 0.05 (p < .001)",
    "not learnt": (
        "nothing to forget: 0.046 before deletion, the oracles have 0.006: not shown to be more than 0.05 "
        "above them (p = 1)"
    ),
    "rose": (
        "does not forget: 0.920 after deletion, above 0.818 before; a fall of 0.05 is excluded (p < .001); "
        "the oracles have 0.006 (p < .001)"
    ),
    "hardly fell": (
        "does not forget: 0.788 after deletion, less than 0.05 below 0.818 before (p < .001); the oracles "
        "have 0.006 (p < .001)"
    ),
    "accuracy may rise": (
        "undecided: test accuracy rises by 0.04, but a fall of 0.05 is not excluded (p = .104): a network "
        "that has collapsed has no score either"
    ),
    "accuracy may fall": (
        "undecided: test accuracy falls by 0.31, not shown to be less than 0.05 (p = .879): a network that "
        "has collapsed has no score either"
    ),
    "told apart": (
        "partly: 0.006 after deletion, within 0.05 of the oracles' 0.006 (p < .001), but it can be told from "
        "them: membership AUC 0.898, the oracles' 0.552 (p < .001)"
    ),
    "like the oracles": (
        "forgets: 0.016 after deletion, within 0.05 of the oracles' 0.006 (p < .001); not measured: "
        "membership AUC, distance on marked images"
    ),
    "fell": (
        "partly: 0.409 after deletion, more than 0.05 below 0.818 before (p < .001); the oracles have 0.006 (p < .001)"
    ),
    "perhaps fell": (
        "undecided: 0.798 after deletion, above the oracles' 0.006 (p < .001), and neither shown to be more "
        "than 0.05 below 0.818 before (p = .683) nor near it; take more networks (about 28 narrow it to "
        "+-0.05)"
    ),
    "below the oracles": (
        "undecided: 0.000 after deletion, but the oracles have 0.198 (p < .001): lower than that of a network"
        " that never saw it"
    ),
    "unsure": (
        "undecided: 0.106 after deletion, the oracles have 0.006: neither shown to be above it (p = .133) nor"
        " within 0.05 of it (p = .723); take more networks (about 48 narrow it to +-0.05)"
    ),
}


def test_each_reason_has_its_sentence():
    """Word for word, also what is said of networks that are not among those judged."""
    assert {"method failed", *CASES} == {"method failed", *SENTENCES} == set(get_args(Reason))
    for reason, case in CASES.items():
        got = judge(**case)
        assert got.reason == reason
        assert str(got) == SENTENCES[reason]
    assert str(Verdict("method failed", failed=5, why="no luck")) == "failed: on every network: no luck"
    rest = {"left_out": 1, "failed": 2, "why": "no luck"}
    assert Verdict("few networks", 1, **rest).finding == (
        "1 network; a verdict needs 5; 1 of 2 networks left out: these or their oracles had diverged before the "
        "deletion. It failed on 2 of 4 networks: no luck"
    )
    assert Verdict("not finite", 5, not_finite=1, why="too hot").finding == (
        "1 of 5 networks are not finite after deletion. too hot"
    )


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_numbers_behind_a_verdict_are_those_of_scipy(case):
    """Means, mean difference, 95 % interval and p-value of each test, from the columns that it says it compares."""
    columns = {
        ("before", "spurious_score"): case.get("before", BEFORE),
        ("after", "spurious_score"): case["after"],
        ("oracle", "spurious_score"): case.get("oracle", ORACLE),
        ("before", "accuracy"): case.get("accuracy", ACCURACY),
        ("after", "accuracy"): case.get("accuracy_after", ACCURACY),
    }
    for name, both in (("membership_auc", case.get("aucs")), ("oracle_distance", case.get("oracle_distance"))):
        columns |= {} if both is None else {("after", name): both[0], ("oracle", name): both[1]}
    got = judge(**case)
    assert got.networks == len(case["after"])
    for test in got.tests:
        one, other = (columns[when, test.measure].double() for when in (test.one, test.other))
        differences = one - other
        assert test.means == pytest.approx((one.mean().item(), other.mean().item()))
        assert (test.difference.value, test.difference.models) == (pytest.approx(differences.mean().item()), 5)
        if len(differences.unique()) == 1:
            continue  # the sign test answers, see `test_without_spread_the_sign_test_answers`
        margin = test.margin
        above, under, below, over = (
            stats.ttest_1samp(differences, limit, alternative=side).pvalue
            for limit, side in ((margin, "greater"), (margin, "less"), (-margin, "less"), (-margin, "greater"))
        )
        p = {"above": above, "not below": over, "within": max(under, over), "beyond": min(1, 2 * above, 2 * below)}
        assert test.p == pytest.approx(p[test.side], rel=1e-4)
        interval = stats.ttest_1samp(differences, 0).confidence_interval()
        assert (test.difference.low, test.difference.high) == pytest.approx(tuple(interval), rel=1e-4)


@pytest.mark.parametrize(
    ("after", "name", "reason", "means", "shown"),
    [
        (ORACLE + NOISE.abs(), "forgets", "like the oracles", [(0.016, 0.006)], [True]),
        (ORACLE, "forgets", "like the oracles", [(0.006, 0.006)], [True]),
        (BEFORE, "does not forget", "hardly fell", [(0.818, 0.818), (0.818, 0.006)], [True, True]),
        (BEFORE - 0.001, "does not forget", "hardly fell", [(0.817, 0.818), (0.817, 0.006)], [True, True]),
        (BEFORE + 0.1 - NOISE, "does not forget", "rose", [(0.92, 0.818), (0.92, 0.006)], [True, True]),
        (BEFORE + 10 * NOISE, "undecided", "perhaps fell", [(0.818, 0.798), (0.798, 0.006)], [False, True]),
        (
            torch.tensor([0.8, 0.2, 0.9, 0.3, 0.75]),
            *("undecided", "perhaps fell", [(0.818, 0.59), (0.59, 0.006)], [False, True]),
        ),
        (BEFORE / 2, "partly", "fell", [(0.818, 0.409), (0.409, 0.006)], [True, True]),
        (
            torch.tensor([0.0, 0.4, 0.0, 0.1, 0.0]),
            *("undecided", "unsure", [(0.1, 0.006), (0.1, 0.006)], [False, False]),
        ),
    ],
)
def test_a_verdict_and_its_numbers(after, name, reason, means, shown):
    got = judge(after)
    assert (got.name, got.reason, got.networks) == (name, reason, 5)
    assert [test.means for test in got.tests] == [pytest.approx(pair) for pair in means]
    assert [test.shown for test in got.tests] == shown


def test_a_fall_of_accuracy_breaks_the_model():
    """.10 lost is more than .05, .04 is not."""
    assert judge(ORACLE, accuracy_after=ACCURACY - 0.10 - NOISE / 10).name == "breaks the model"
    assert judge(ORACLE, accuracy_after=ACCURACY - 0.04 - NOISE / 10).name == "forgets"


def test_a_collapse_of_some_networks_is_no_forgetting():
    """Their score is the oracles', since they answer the same to all images."""
    some = judge(ORACLE, accuracy_after=ACCURACY * torch.tensor([1.0, 1.0, 1.0, 0.1, 0.1]))
    assert (some.name, some.reason) == ("undecided", "accuracy may fall")
    kept, lost = some.tests
    assert (kept.measure, kept.margin, kept.shown) == ("accuracy", 0.05, False)
    assert lost.difference.value == -kept.difference.value == pytest.approx(0.9 * (0.88 + 0.87) / 5)
    assert judge(ORACLE, accuracy_after=ACCURACY - torch.tensor([0.03, 0.07, 0.05, 0.06, 0.06])).name == "undecided"


def test_an_accuracy_that_rises_in_the_mean_does_not_fall():
    """Four networks gain .1 and one loses .2: a fall of .05 is not excluded, but what happened is a rise."""
    got = judge(ORACLE, accuracy_after=ACCURACY + torch.tensor([0.1, 0.1, -0.2, 0.1, 0.1]))
    assert got.reason == "accuracy may rise"
    assert got.tests[0].difference.value == pytest.approx(0.04)


def test_what_is_not_finite_breaks_the_model():
    for broken in (math.nan, math.inf):
        after = ORACLE.clone()
        after[2] = broken
        assert judge(after) == Verdict("not finite", 5, not_finite=1)
        assert judge(after).name == "breaks the model"
        assert judge(ORACLE, accuracy_after=after).name == "breaks the model"
        for where in ("before", "oracle", "accuracy"):
            got = judge(ORACLE, **{where: after})
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
    assert got.name == alone.name == "forgets"
    assert (got.tests, got.networks, got.left_out) == (alone.tests, 5, 1)
    assert alone.left_out == 0


def test_without_spread_the_sign_test_answers():
    """Doing nothing to five networks: each difference is exactly 0, which five could be by chance, 1 in 32."""
    got = judge(BEFORE)
    assert got.name == "does not forget"
    assert got.tests[0].p == 2**-5
    assert judge(ORACLE).tests[0].p == 2**-5


def test_a_pattern_that_was_hardly_learnt_cannot_be_forgotten():
    """.04 above the oracles is certain, but within what counts as forgotten: doing nothing must not pass."""
    got = judge(ORACLE + 0.04, before=ORACLE + 0.04 + NOISE / 10)
    assert got.name == "nothing to forget"
    (learnt,) = got.tests
    assert (learnt.difference.value, learnt.margin) == (pytest.approx(0.04, abs=0.001), 0.05)
    assert learnt.difference.low > 0.03


def test_below_the_oracles_is_not_like_the_oracles():
    """A network that shuns the pattern can be told from one that never saw it."""
    got = judge(torch.zeros(5), oracle=0.2 + NOISE)
    assert (got.name, got.reason) == ("undecided", "below the oracles")
    (below,) = got.tests
    assert (below.one, below.other, below.shown) == ("oracle", "after", True)
    assert below.means == pytest.approx((0.198, 0.0))


@pytest.mark.parametrize(
    ("auc", "auc_oracle", "name"),
    [
        (0.9 + NOISE, 0.55 - NOISE, "partly"),  # still known
        (0.1 + NOISE, 0.55 - NOISE, "partly"),  # shunned
        (0.58 + NOISE, 0.55 + NOISE, "forgets"),  # .03 do not matter, however sure
        (0.9 + 10 * NOISE, 0.75 - 10 * NOISE, "forgets"),  # not shown
        (torch.full((5,), math.nan), 0.55 + NOISE, "forgets"),  # not measured
    ],
)
def test_who_forgets_the_pattern_may_still_know_the_examples(auc, auc_oracle, name):
    got = judge(ORACLE, aucs=(auc, auc_oracle))
    assert got.name == name
    told = [test for test in got.tests if test.measure == "membership_auc"]
    assert [test.shown for test in told] == ([] if auc.isnan().any() else [name == "partly"])
    distances = ["distance to the oracles", "distance on marked images"]
    assert got.not_measured == (["membership AUC"] * (not told) + distances if name == "forgets" else [])
    assert judge(BEFORE, aucs=(auc, auc_oracle)).name == "does not forget"


@pytest.mark.parametrize("kind", ["oracle_distance", "oracle_distance_marked"])
def test_who_is_far_from_the_oracles_is_no_oracle(kind):
    """A network that is hardly sure of anything has no score, and all its accuracy: 5 log-odds away it is no oracle."""
    assert judge(ORACLE, **{kind: (0.9 + NOISE, NOISE)}).name == "forgets"
    far = judge(ORACLE, **{kind: (5 + NOISE, NOISE)})
    assert (far.name, far.reason) == ("partly", "told apart")
    assert (far.tests[1].measure, far.tests[1].margin) == (kind, 1.0)
    assert far.tests[1].means == pytest.approx((4.998, -0.002))
    assert far.tests[1].p < 0.001


def test_a_fall_below_the_margin_is_no_partial_success():
    """.03 is certain, but does not matter: it does not forget; of .05 in truth neither is shown."""
    assert judge(BEFORE - 0.03 + NOISE / 10).name == "does not forget"
    assert judge(BEFORE - 0.05 + NOISE).name == "undecided"
    assert judge(BEFORE - 0.08 + NOISE / 10).name == "partly"


def test_how_many_networks_it_takes_is_said():
    """Differences 0, .4, 0, .1, 0 have a standard error of .077, so (2 * .077 / .05)^2 * 5 = 48."""
    got = judge(ORACLE + torch.tensor([0.0, 0.4, 0.0, 0.1, 0.0]))
    like = got.tests[1]
    assert like.difference.stderr == pytest.approx(0.0775, abs=1e-4)
    assert like.advice == "take more networks (about 48 narrow it to +-0.05)"


def test_four_networks_are_too_few():
    assert judge(*[BEFORE[:4]] * 5) == Verdict("few networks", 4)
    assert judge(*[BEFORE[:4]] * 5).name == "undecided"
    assert judge(*[BEFORE[:1]] * 5).networks == 1
    with pytest.raises(ValueError, match=r"one number per network, but they have \[5, 4, 5, 5, 5\]"):
        judge(ORACLE[:4])


def test_doing_nothing_never_passes_for_forgetting():
    """Scores of all kinds: where `after` is `before`, no oracle makes it `forgets` or `partly`."""
    rng = rng_for(0, "test")
    for size, spread in itertools.product((0.0, 0.03, 0.05, 0.08, 0.3), (0.001, 0.02, 0.1)):
        for _ in range(20):
            oracle = 0.3 + spread * torch.randn(5, generator=rng)
            before = oracle + size + spread * torch.randn(5, generator=rng)
            assert judge(before, before=before, oracle=oracle).name in {"nothing to forget", "does not forget"}


def test_a_method_at_the_border_passes_as_seldom_as_stated():
    """After is .05 above the oracles in truth: called `forgets` in 5 % of 1,000; four standard deviations are 28.

    (Fails for one seed in about 16,000; ours is fixed.)
    """
    rng = rng_for(0, "test")
    passed = 0
    for noise in 0.01 * torch.randn(1000, 5, generator=rng):
        passed += judge(ORACLE + 0.05 + noise).name == "forgets"
    assert abs(passed - 50) < 4 * math.sqrt(1000 * 0.05 * 0.95)
