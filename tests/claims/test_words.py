"""The wording: what the sentences make of the numbers, which the other tests of claims are about."""

import math

import pandas as pd
import pytest
from claim_answers import part, verdict
from claim_rows import FLAT, LEARNT, LOW, QUICK, accuracies, figure2, frame, quinn, six

from spurlab.claims import decide, words
from spurlab.claims.evidence import LeftOut
from spurlab.claims.question import Question
from spurlab.stats import Estimate, Looks, Share

RISE, WIDE = Estimate(0.3, 0.02, 0.24, 0.36, 5), Estimate(0.1, 0.15, -0.3164, 0.5164, 5)
SIDES, BAR = {"higher": 0.6, "lower": 0.3}, "S3, n = 3"
TOLD = "+0.300"
CORRELATION = {"estimate": Estimate(0.86, math.nan, 0.3, 0.98, 7), "published": {"r": 0.5}}
SEVEN = "seven patterns leave a wide interval; more patterns, not more seeds, would narrow it"


@pytest.mark.parametrize(
    ("kind", "outcome", "numbers", "sentence"),
    [
        ("absent", "not tested", {"about": "no scores", "wanted": "fig2-mnist", "holds": math.nan},
         "no scores: run fig2-mnist"),
        ("few seeds", "undecided", {"seeds": 1, "holds": math.nan},
         "1 complete seed, at least 5 are needed: run more seeds"),
        ("difference", "reproduced", {"values": SIDES | {"mlp": 0.99, "cnn": 0.9}, "note": "all pixels",
         "left_out": frozenset([LeftOut((1, 2), (4,))])},
         f"rise above 0.05 in 5 of 5 seeds, mean {TOLD} (0.600 against 0.300); with all pixels mlp 0.990, cnn 0.900; "
         "left out: seeds 1, 2 diverged, seed 4 incomplete"),
        ("difference", "undecided", {"values": SIDES | {"pairs": 7}, "n": (3, 10), "note": "pairs",
         "share": Share(0, 5), "small": True, "fails": 1 / 32, "by": "a tenth"},
         f"rise above a tenth in 0 of 5 seeds, mean {TOLD} (0.600 against 0.300); R above S in 7 of 9 pairs; n = 3, "
         "10; surely there, but too small to matter"),
        ("difference", "undecided", {"values": SIDES, "share": Share(4, 5)},
         f"rise above 0.05 in 4 of 5 seeds, mean {TOLD} (0.600 against 0.300); about 11 seeds would decide it if they "
         "went on like this"),
        ("change", "not reproduced", {"alike": True, "beyond": BAR, "estimates": {BAR: WIDE}},
         f"rise: within +-0.05 in 5 of 5 seeds, mean change {TOLD}; S3, n = 3: +0.100 is beyond it"),
        ("change", "undecided", {"alike": True, "one_sided": True, "note": "bars", "values": {BAR: 0.1}, "idle": (BAR,),
         "targets": (0, 1), "estimate": WIDE, "share": Share(1, 5)},
         "rise: not below -0.05 in 1 of 5 seeds, mean change +0.100; S3, n = 3: +0.100; not learnt or "
         "full on both sides: S3, n = 3; target 0 and 1; run more seeds"),
        ("correlation", "undecided", CORRELATION | {"values": {"two-sided p": 0.013, "least": 0.84, "most": 0.88}},
         "r = 0.86 [0.30, 0.98], two-sided p = 0.013 over 7 patterns (three are one noise), published 0.50; single "
         f"seeds 0.84 to 0.88; 5 seeds; {SEVEN}"),
        ("sizes", "undecided", {"estimates": {"x": RISE}, "values": {"lower": 1, "higher": 0, "with room": 1},
         "share": Share(7, 10)},
         f"rise: below -0.05 in 7 of 10 seeds, mean {TOLD}; 1 comparisons, each by itself lower in 1, higher in 0 of "
         "the 1 with room; about 18 seeds would decide it if they went on like this"),
        ("levels", "undecided", {"estimates": {"0.01": RISE}, "idle": ("0.1",), "n": (3, 10), "one_way": True,
         "threshold": 0.01, "values": {"without": 0.6, "seeds at n = 3": 2, "seeds at n = 10": 5}},
         "mildest that lowers: rise, by more than 0.05 in 5 of 5 seeds, mean 0.300 from 0.600, 1 "
         "levels; alone at n = 3 in 2, n = 10 in 5; left out, fewer than 5 seeds: 0.1; run levels up to 0.01"),
        ("rises", "undecided", {"estimates": {"perceptrons": RISE, "cnn": WIDE}, "values": {"mlp": 0.3},
         "idle": ("mlp",), "untestable": "no room to rise", "share": Share(3, 5)},
         "so in 3 of 5 seeds; mean rise over n = 0: perceptrons +0.300, cnn +0.100; "
         "mlp +0.300; no room to rise: mlp"),
        ("no level", "undecided", {}, "no level is shown to lower the score by more than 0.05; run more seeds"),
    ],
)  # fmt: skip
def test_a_finding_is_made_of_its_numbers(kind, outcome, numbers, sentence):
    asked = {"about": "rise", "estimate": RISE, "seeds": 5, "margin": 0.05, "holds": 0.1, "fails": 1.0}
    asked |= {"share": Share(5, 5)} | numbers
    assert words.finding(Question("mnist", kind, **asked), outcome) == sentence


@pytest.mark.parametrize(
    ("count", "models", "alike", "needed"),
    [
        (4, 5, False, 11),
        (1, 5, False, 11),
        (1, 5, True, None),
        (3, 5, False, None),
        (6, 8, True, 13),
        (3, 5, True, None),
    ],
)
def test_how_many_seeds_would_decide_it(count, models, alike, needed):
    """4 of 5 go on to 9 of 11 (p = .033), where 8 of 10 (.055) are not enough; 3 of 5 would take more than 40."""
    told = words.more_seeds(Share(count, models), only_more=alike)
    assert told == (f"about {needed} seeds would decide it if they went on like this" if needed else "run more seeds")


def test_how_many_seeds_would_decide_it_at_one_of_the_looks():
    """4 of 5 go on to 6 of 8 and 10 of 12, where 8 and 11 are needed, and to 13 of 16; 3 of 5 never get there."""
    plan = Looks(20)
    assert words.more_seeds(Share(4, 5), plan) == "about 16 seeds would decide it if they went on like this"
    assert words.more_seeds(Share(3, 5), plan) == words.more_seeds(Share(14, 20), plan) == "run more seeds"


@pytest.mark.parametrize(
    ("number", "where", "rows", "told"),
    [
        (
            2,
            "Co on mnist, target 0",
            figure2(lambda p, n: 0.1),
            "n* > 5000 (95 %); difference at n = 5000 above 0.05 in 0 of 5",
        ),
        (3, "mnist", accuracies(), "min, max, mean, sd 0.897 0.903 0.900 0.002, published 0.976 0.983 0.980 0.001"),
        (3, "mnist", accuracies(base=0.45), "nothing to lose: 0.450 at n = 0"),
        (3, "mnist", accuracies(seeds=4), "4 complete seeds, at least 5 are needed: run more seeds"),
    ],
)
def test_the_claims_own_words(number, where, rows, told):
    assert told in part(verdict(number, *rows), where).finding


def test_a_summary_has_a_sentence_for_each_outcome():
    answer = verdict(1, *six({("mnist", 1): (LOW, FLAT)})[:4], frame(LEARNT, dataset="x"))
    assert answer.finding == (
        "Reproduced in 3 of 6 parts: mnist, target 0 +0.500 (5 of 5); fashion-mnist, target 0 +0.500 (5 of 5); "
        "fashion-mnist, target 1 +0.500 (5 of 5). Not reproduced in 1 of 6 parts, which is not shown for all of them "
        "together (Holm): mnist, target 1 +0.000 (0 of 5). Not tested on cifar10, target 0; cifar10, target 1: run "
        "fig2-cifar10 with the profile paper. Beside the paper's: x, target 0: reproduced +0.500 (5 of 5)."
    )
    for answer in decide(pd.DataFrame()):
        assert answer.finding.startswith("Not tested on any part: run ")
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


def test_a_setting_that_is_off_is_called_so():
    """Rows have infinity where nothing is clipped, and None for what they do not say."""
    off = {"clip_norm": 0.1, "milestones": "6 8", "augmentation": "crop"}, {"milestones": "", "weight_decay": 0.0}
    told = [words.departures(Question("", "absent", departures=each)) for each in off]
    assert told == ["clip norm 0.1, milestones 6 and 8, augmentation crop", "no milestones, no weight decay"]
    assert words.departures(Question("", "absent", departures={"clip_norm": math.inf, "epochs": None})) == (
        "no clip norm, epochs unknown"
    )


def test_which_reading_is_nearest_to_the_published_numbers():
    """.66 and .45 against .65 and .44: .01; .60 and .45: .05 and .01, in the mean .03."""
    near, far = quinn(), quinn({"spurious": 0.60}, reading="blocks-signal")
    assert verdict(13, near, far).finding.endswith("drawn for: for each class 0.010, for each signal 0.030.")
    assert "Mean distance" not in verdict(13, near).finding
