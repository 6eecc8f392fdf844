"""The wording: what the sentences make of the numbers, which the other tests of claims are about."""

import math

import pandas as pd
import pytest
from claim_answers import part, verdict
from claim_rows import FLAT, LEARNT, LOW, QUICK, accuracies, figure2, frame, quinn, six

from spurlab.claims import decide, words
from spurlab.claims.evidence import LeftOut
from spurlab.claims.question import Question
from spurlab.stats import Estimate

RISE, WIDE = Estimate(0.3, 0.02, 0.24, 0.36, 5), Estimate(0.1, 0.15, -0.3164, 0.5164, 5)
SIDES, BAR = {"higher": 0.6, "lower": 0.3}, "S3, n = 3"
TOLD = "+0.300 [+0.240, +0.360] over 5 seeds"
CORRELATION = {"estimate": Estimate(0.86, math.nan, 0.3, 0.98, 7), "published": {"r": 0.5}}
SEVEN = "seven patterns leave a wide interval; more patterns, not more seeds, would narrow it"


@pytest.mark.parametrize(
    ("kind", "outcome", "p", "numbers", "sentence"),
    [
        ("absent", "undecided", math.nan, {"about": "no scores", "wanted": "fig2-mnist", "holds": math.nan},
         "no scores: run fig2-mnist"),
        ("few seeds", "undecided", math.nan, {"seeds": 1, "holds": math.nan},
         "1 complete seed, at least 3 are needed: run more seeds"),
        ("difference", "reproduced", 0.0123, {"values": SIDES | {"mlp": 0.99, "cnn": 0.9}, "note": "all pixels",
         "left_out": frozenset([LeftOut((1, 2), (4,))])},
         f"rise {TOLD} (0.600 against 0.300); with all pixels mlp 0.990, cnn 0.900; left out: seeds 1, 2 diverged, "
         "seed 4 incomplete; p = 0.012 (Holm over 6 parts)"),
        ("difference", "undecided", 0.0123, {"values": SIDES | {"pairs": 7}, "n": (3, 10), "note": "pairs",
         "fails": 0.01},
         f"rise {TOLD} (0.600 against 0.300); R above S in 7 of 9 pairs; n = 3, 10; p = 0.012 (Holm over 6 parts); "
         "surely there, but too small to matter"),
        ("change", "not reproduced", 0.5, {"alike": True, "beyond": BAR, "estimates": {BAR: WIDE}},
         f"rise: change {TOLD}, margin +-0.05; S3, n = 3: +0.100 [-0.316, +0.516] is beyond it"),
        ("change", "undecided", 0.5, {"alike": True, "one_sided": True, "note": "bars", "values": {BAR: 0.1},
         "idle": (BAR,), "targets": (0, 1), "estimate": WIDE},
         "rise: change +0.100 [-0.316, +0.516] over 5 seeds, margin -0.05; S3, n = 3: +0.100; not learnt or full on "
         "both sides: S3, n = 3; target 0 and 1; about 180 seeds would narrow it to +-0.05"),
        ("correlation", "undecided", 0.2, CORRELATION | {"values": {"two-sided p": 0.013, "least": 0.84, "most": 0.88}},
         "r = 0.86 [0.30, 0.98], two-sided p = 0.013 over 7 patterns (three are one noise), published 0.50; single "
         f"seeds 0.84 to 0.88; 5 seeds; p = 0.2 (Holm over 6 parts); {SEVEN}"),
        ("sizes", "undecided", 0.2, {"estimates": {"x": RISE}, "values": {"lower": 1, "higher": 0, "with room": 1}},
         f"rise: {TOLD}; 1 comparisons, lower in 1 (Holm), higher in 0 of the 1 with room; p = 0.2 (Holm over 6 "
         "parts); run more seeds"),
        ("levels", "undecided", 0.2, {"estimates": {"0.01": RISE}, "idle": ("0.1",), "n": (3, 10), "one_way": True,
         "threshold": 0.01, "values": {"without": 0.6, "p at n = 3": 0.2, "p at n = 10": 0.01}},
         "mildest that lowers: rise, by 0.300 [0.240, 0.360] from 0.600 over 5 seeds, 1 levels; alone at n = 10 of 3, "
         "10; left out, fewer than 3 seeds: 0.1; p = 0.2 (Holm over 6 parts); run levels up to 0.01"),
        ("rises", "undecided", math.nan, {"estimates": {"perceptrons": RISE, "cnn": WIDE}, "values": {"mlp": 0.3},
         "idle": ("mlp",), "untestable": "no room to rise", "holds": math.nan},
         "rise over n = 0 over 5 seeds: perceptrons +0.300 [+0.240, +0.360], cnn +0.100 [-0.316, +0.516]; mlp +0.300; "
         "no room to rise: mlp"),
    ],
)  # fmt: skip
def test_a_finding_is_made_of_its_numbers(kind, outcome, p, numbers, sentence):
    asked = {"about": "rise", "estimate": RISE, "seeds": 5, "margin": 0.05, "holds": 0.1, "fails": 1.0} | numbers
    assert words.finding(Question("mnist", kind, **asked), outcome, p, 6) == sentence


@pytest.mark.parametrize(
    ("number", "where", "rows", "told"),
    [
        (2, "Co on mnist, target 0", figure2(lambda p, n: 0.1), "not shown to be learnt up to n = 5000"),
        (3, "mnist", accuracies(), "min, max, mean, sd 0.897 0.903 0.900 0.002, published 0.976 0.983 0.980 0.001"),
        (3, "mnist", accuracies(base=0.45), "nothing to lose: 0.450 at n = 0"),
        (3, "mnist", accuracies(spread=0.0, seeds=4), "equal differences count by sign: run more seeds"),
    ],
)
def test_the_claims_own_words(number, where, rows, told):
    assert told in part(verdict(number, *rows), where).finding


def test_a_summary_has_a_sentence_for_each_outcome():
    answer = verdict(1, *six({("mnist", 1): (LOW, FLAT)})[:4], frame(LEARNT, dataset="x"))
    assert answer.finding == (
        "Reproduced in 3 of 6 parts: mnist, target 0 +0.500; fashion-mnist, target 0 +0.500; fashion-mnist, target 1 "
        "+0.500. Not reproduced in 1 of 6 parts: mnist, target 1 +0.000. Undecided without networks for cifar10, "
        "target 0; cifar10, target 1: run fig2-cifar10 with the profile paper. Beside the paper's: x, target 0: "
        "reproduced +0.500."
    )
    for answer in decide(pd.DataFrame()):
        assert ": run " in answer.finding
        assert all(": run " in part.finding for part in answer.parts)


def test_what_is_not_the_papers_is_said_once():
    quick = QUICK | {"precision": "bfloat16"}
    answer = verdict(1, *six(**quick))
    assert answer.finding.count("10 epochs") == 1
    assert answer.finding.endswith("These with 10 epochs, precision bfloat16, unlike the paper's.")
    assert answer.parts[-1].where == "cifar10, target 1 (10 epochs, precision bfloat16)"
    mixed = verdict(1, *six()[:2], *six(**quick)[2:])
    assert mixed.finding.count("(10 epochs, precision bfloat16)") == 4
    assert "unlike" not in verdict(1, *six()).finding


def test_which_reading_is_nearest_to_the_published_numbers():
    """.66 and .45 against .65 and .44: .01; .60 and .45: .05 and .01, in the mean .03."""
    near, far = quinn(), quinn({"spurious": 0.60}, reading="blocks-signal")
    assert verdict(13, near, far).finding.endswith("drawn for: for each class 0.010, for each signal 0.030.")
    assert "Mean distance" not in verdict(13, near).finding
