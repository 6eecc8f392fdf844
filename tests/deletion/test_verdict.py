"""Each verdict from numbers that leave no doubt, the borders between them, and how often they err."""

import itertools
import math

import pytest
import torch

from spurlab.deletion.verdict import Verdict, verdict
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


@pytest.mark.parametrize(
    ("after", "name", "finding"),
    [
        (ORACLE + NOISE.abs(), "forgets", "0.016 after deletion, within 0.05 of the oracles' 0.006"),
        (ORACLE, "forgets", "0.006 after deletion, within 0.05 of the oracles' 0.006 (p = .031)"),
        (BEFORE, "does not forget", "less than 0.05 below 0.818 before (p = .031); the oracles have 0.006 (p < .001)"),
        (BEFORE - 0.001, "does not forget", "less than 0.05 below 0.818 before"),
        (
            BEFORE + 0.1 - NOISE,
            "does not forget",
            "0.920 after deletion, above 0.818 before; a fall of 0.05 is excluded (p < .001)",
        ),
        (BEFORE + 10 * NOISE, "undecided", "neither shown to be more than 0.05 below 0.818 before"),
        (torch.tensor([0.8, 0.2, 0.9, 0.3, 0.75]), "undecided", "take more networks"),
        (
            BEFORE / 2,
            "partly",
            "0.409 after deletion, more than 0.05 below 0.818 before (p < .001); the oracles have 0.006 (p < .001)",
        ),
        (torch.tensor([0.0, 0.4, 0.0, 0.1, 0.0]), "undecided", "take more networks"),
    ],
)
def test_a_verdict_and_its_sentence(after, name, finding):
    got = judge(after)
    assert got.name == name
    assert finding in got.finding
    assert str(got) == f"{name}: {got.finding}"


def test_a_fall_of_accuracy_breaks_the_model():
    """.10 lost is more than .05, .04 is not."""
    assert judge(ORACLE, accuracy_after=ACCURACY - 0.10 - NOISE / 10).name == "breaks the model"
    assert judge(ORACLE, accuracy_after=ACCURACY - 0.04 - NOISE / 10).name == "forgets"


def test_a_collapse_of_some_networks_is_no_forgetting():
    """Their score is the oracles', since they answer the same to all images."""
    some = judge(ORACLE, accuracy_after=ACCURACY * torch.tensor([1.0, 1.0, 1.0, 0.1, 0.1]))
    assert some.name == "undecided"
    assert "test accuracy falls by 0.31, not shown to be less than 0.05" in some.finding
    assert judge(ORACLE, accuracy_after=ACCURACY - torch.tensor([0.03, 0.07, 0.05, 0.06, 0.06])).name == "undecided"


def test_an_accuracy_that_rises_in_the_mean_does_not_fall():
    """Four networks gain .1 and one loses .2: a fall of .05 is not excluded, but what happened is a rise."""
    got = judge(ORACLE, accuracy_after=ACCURACY + torch.tensor([0.1, 0.1, -0.2, 0.1, 0.1]))
    assert "test accuracy rises by 0.04, but a fall of 0.05 is not excluded" in got.finding


def test_what_is_not_finite_breaks_the_model():
    for broken in (math.nan, math.inf):
        after = ORACLE.clone()
        after[2] = broken
        assert judge(after) == Verdict("breaks the model", "1 of 5 networks are not finite after deletion")
        assert judge(ORACLE, accuracy_after=after).name == "breaks the model"
        for where in ("before", "oracle", "accuracy"):
            got = judge(ORACLE, **{where: after})
            assert got.name == "undecided", "a network that had diverged before was laid to the method"
            assert got.finding.startswith("4 networks; a verdict needs 5; 1 of 5 networks left out")


def test_one_that_had_diverged_before_is_left_out_and_the_others_judged():
    """Six networks, one without an oracle: the verdict is that of the other five, and says so."""
    numbers = {"spurious_score": ORACLE.repeat(2)[:6].clone(), "accuracy": ACCURACY.repeat(2)[:6]}
    before = numbers | {"spurious_score": BEFORE.repeat(2)[:6]}
    oracle = numbers | {"spurious_score": numbers["spurious_score"].clone()}
    oracle["spurious_score"][5] = math.nan
    got = verdict(before, numbers, oracle)
    alone = verdict(*({name: column[:5] for name, column in each.items()} for each in (before, numbers, oracle)))
    assert got.name == alone.name == "forgets"
    assert got.finding.startswith(alone.finding)
    assert "1 of 6 networks left out" in got.finding


def test_without_spread_the_sign_test_answers():
    """Doing nothing to five networks: each difference is exactly 0, which five could be by chance, 1 in 32."""
    got = judge(BEFORE)
    assert got.name == "does not forget"
    assert "before (p = .031)" in got.finding


def test_a_pattern_that_was_hardly_learnt_cannot_be_forgotten():
    """.04 above the oracles is certain, but within what counts as forgotten: doing nothing must not pass."""
    got = judge(ORACLE + 0.04, before=ORACLE + 0.04 + NOISE / 10)
    assert got.name == "nothing to forget"
    assert "not shown to be more than 0.05 above them" in got.finding


def test_below_the_oracles_is_not_like_the_oracles():
    """A network that shuns the pattern can be told from one that never saw it."""
    got = judge(torch.zeros(5), oracle=0.2 + NOISE)
    assert got.name == "undecided"
    assert "the oracles have 0.198" in got.finding


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
    assert ("it can be told from them: membership AUC" in got.finding) == (name == "partly")
    assert ("not measured: membership AUC, distance" in got.finding) == bool(auc.isnan().any())
    assert judge(BEFORE, aucs=(auc, auc_oracle)).name == "does not forget"


@pytest.mark.parametrize("kind", ["oracle_distance", "oracle_distance_marked"])
def test_who_is_far_from_the_oracles_is_no_oracle(kind):
    """A network that is hardly sure of anything has no score, and all its accuracy: 5 log-odds away it is no oracle."""
    assert judge(ORACLE, **{kind: (0.9 + NOISE, NOISE)}).name == "forgets"
    far = judge(ORACLE, **{kind: (5 + NOISE, NOISE)})
    assert far.name == "partly"
    assert "distance" in far.finding
    assert "4.998, the oracles' -0.002 (p < .001)" in far.finding


def test_a_fall_below_the_margin_is_no_partial_success():
    """.03 is certain, but does not matter: it does not forget; of .05 in truth neither is shown."""
    assert judge(BEFORE - 0.03 + NOISE / 10).name == "does not forget"
    assert judge(BEFORE - 0.05 + NOISE).name == "undecided"
    assert judge(BEFORE - 0.08 + NOISE / 10).name == "partly"


def test_how_many_networks_it_takes_is_said():
    """Differences 0, .4, 0, .1, 0 have a standard error of .077, so (2 * .077 / .05)^2 * 5 = 48."""
    got = judge(ORACLE + torch.tensor([0.0, 0.4, 0.0, 0.1, 0.0]))
    assert "take more networks (about 48 narrow it to +-0.05)" in got.finding


def test_four_networks_are_too_few():
    assert judge(*[BEFORE[:4]] * 5) == Verdict("undecided", "4 networks; a verdict needs 5")
    assert judge(*[BEFORE[:1]] * 5).finding.startswith("1 network;")
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
