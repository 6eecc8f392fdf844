"""Claim 12, by rows of attacked networks: as the public code counts it holds, and counted right it need not."""

import pandas as pd
import pytest
from claim_rows import QUICK, again, frame

from spurlab.claims import decide
from spurlab.claims.published import published

PAPER = {"dataset": "mnist@35000", "architecture": "large-mlp", "attack": "sorted-logits", "halves": 0}


def attacked(code=(0.9, 0.5), right=(0.5, 0.5), n=(3, 20), **settings):
    """Five pairs of networks whose accuracies on marked examples and on all are these."""
    names = ("code_marked_accuracy", "code_accuracy", "attack_marked_accuracy", "attack_accuracy")
    return pd.concat(
        frame({("R3", 0, count): [value] * 10 for count in n}, measure, **PAPER | settings)
        for measure, value in zip(names, (*code, *right), strict=True)
    )


def decided(rows):
    [verdict] = decide(rows, [12])
    return verdict, {part.where.split(" (")[0]: part for part in verdict.parts if part.models}


@pytest.mark.parametrize("recipe", [{}, QUICK])
@pytest.mark.parametrize(("code", "outcome"), [((0.9, 0.5), "reproduced"), ((0.5, 0.5), "not reproduced")])
def test_the_papers_part_counts_as_its_code_does(code, outcome, recipe):
    verdict, parts = decided(attacked(code, **recipe))
    part = parts["mnist@35000, as the public code counts"]
    assert (part.outcome, part.of_paper) == (outcome, True)
    assert verdict.outcome == ("reproduced where tested" if outcome == "reproduced" else outcome)
    assert part.question.values["n = 3"] == pytest.approx(code[0] - code[1])
    assert part.question.published["n = 20"] == published("membership")["mnist"]["20"]


@pytest.mark.parametrize(("right", "outcome"), [((0.9, 0.5), "reproduced"), ((0.5, 0.5), "not reproduced")])
def test_counted_right_it_stands_beside(right, outcome):
    _, parts = decided(again(attacked(right=right)))
    part = parts["mnist@35000, marked non-members counted too"]
    assert (part.outcome, part.of_paper) == (outcome, False)


def test_other_data_and_n_0_do_not_count():
    verdict, parts = decided(pd.concat([attacked(dataset="fashion-mini"), attacked(n=(0,))]))
    assert verdict.outcome == "not tested as published"
    assert set(parts) == {
        f"fashion-mini, {way}" for way in ("as the public code counts", "marked non-members counted too")
    }


def test_other_claims_do_not_take_its_networks_for_the_papers():
    rows = frame({("R3", 0, n): [0.1 + n / 5] * 5 for n in (0, 3)}, dataset="mnist", halves=0)
    [verdict] = decide(rows, [1])
    assert verdict.outcome == "not tested as published"


def test_networks_of_complements_count_as_one():
    """Of each of five pairs one network rises by .4 and the other falls by .2: by networks that is 5 of 10."""
    marked, every = [0.9, 0.3] * 5, [0.5] * 10
    names = ("code_marked_accuracy", "code_accuracy", "attack_marked_accuracy", "attack_accuracy")
    rows = pd.concat(
        frame({("R3", 0, 3): values}, name, **PAPER)
        for name, values in zip(names, (every, every, marked, every), strict=True)
    )
    right = decided(rows)[1]["mnist@35000, marked non-members counted too"]
    assert (right.question.share.count, right.question.share.models) == (5, 5)
    assert right.question.values["n = 3"] == pytest.approx(0.1)
    assert (right.outcome, right.models) == ("reproduced", 10)
    alone = decided(rows.query("seed < 9"))[1]["mnist@35000, marked non-members counted too"]
    assert (alone.question.kind, alone.outcome) == (
        "few seeds",
        "undecided",
    )  # four pairs; of the fifth one is not there
