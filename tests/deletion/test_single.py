"""The verdict on one given network: margins of which each is known, and ranks by brute force."""

import math
from itertools import product

import pytest
import torch

from spurlab.deletion import verdict_on_one
from spurlab.deletion.single import rank_among
from spurlab.deletion.verdict import TELLING
from spurlab.seeds import rng_for

LOW = torch.tensor([0.02, 0.04, 0.06, 0.08, 0.10], dtype=torch.float64)
BEFORE = {"spurious_score": 0.7, "accuracy": 0.87}
ORACLE = {
    "spurious_score": LOW,
    "accuracy": torch.full((5,), 0.87),
    "membership_auc": LOW + 0.45,
    "oracle_distance": LOW,
    "oracle_distance_marked": LOW,
}
LIKE = {name: float(numbers[2]) for name, numbers in ORACLE.items()}


@pytest.mark.parametrize(
    ("changes", "name", "words"),
    [
        ({}, "no leftover seen", "score 0.060, before 0.700; 5 oracles reach 0.100; p = 1 among them"),
        ({"spurious_score": 0.149}, "no leftover seen", ""),
        ({"spurious_score": 0.151}, "partly", "it keeps some; score 0.151"),
        ({"spurious_score": 0.649}, "partly", "it keeps some"),
        ({"spurious_score": 0.651}, "does not forget", "it keeps it; score 0.651, before 0.700"),
        ({"spurious_score": 0.9}, "does not forget", "p = 0.17 among them"),
        ({"accuracy": 0.821}, "no leftover seen", ""),
        ({"accuracy": 0.819}, "breaks the model", "it loses more than 0.05 of test accuracy: 0.819, before 0.870"),
        ({"accuracy": math.nan}, "breaks the model", "its accuracy is not finite"),
        # beyond what they reach (.55, .47) by as much as they lie apart (.08)
        (
            {"membership_auc": 0.64},
            "partly",
            "told apart from networks that never saw them, by membership AUC (0.640, ",
        ),
        ({"membership_auc": 0.62}, "no leftover seen", ""),
        ({"membership_auc": 0.38}, "partly", "by membership AUC"),
        ({"oracle_distance": 1.11}, "partly", "by distance to the oracles (1.110, theirs 0.060)"),
        ({"oracle_distance": -3.0}, "no leftover seen", ""),
        ({"oracle_distance_marked": 1.11}, "partly", "by distance on marked examples"),
        ({"oracle_distance": math.nan}, "no leftover seen", "not measured: distance to the oracles"),
    ],
)
def test_each_line_by_its_margin(changes, name, words):
    found = verdict_on_one(BEFORE, LIKE | changes, ORACLE)
    assert found.name == name
    assert words in found.finding
    if name not in ("breaks the model",):
        assert found.oracles == 5
        assert found.p >= 1 / 6
        assert "among them" in found.finding


def test_without_oracles_or_with_few_nothing_is_said_of_forgetting():
    for none in (None, {}, {name: numbers[:0] for name, numbers in ORACLE.items()}):
        assert str(verdict_on_one(BEFORE, LIKE, none)) == "no oracle: score before and after: 0.700 and 0.060"
    four = verdict_on_one(BEFORE, LIKE, {name: numbers[:4] for name, numbers in ORACLE.items()})
    assert (four.name, four.oracles) == ("undecided", 4)
    assert "4 oracles, of which 5 are needed" in four.finding
    assert verdict_on_one(BEFORE, LIKE | {"accuracy": 0.2}).name == "breaks the model"


def test_what_was_not_learnt_cannot_be_forgotten():
    found = verdict_on_one(BEFORE | {"spurious_score": 0.149}, LIKE, ORACLE)
    assert (found.name, "hardly more than the oracle" in found.finding) == ("nothing to forget", True)


def test_without_a_mark_what_else_is_measured_decides():
    unmarked = {"accuracy": ORACLE["accuracy"], "membership_auc": ORACLE["membership_auc"]}
    before, after = {"accuracy": 0.87}, {"accuracy": 0.87, "membership_auc": 0.5}
    assert verdict_on_one(before, after, unmarked).name == "no leftover seen"
    assert verdict_on_one(before, after | {"membership_auc": 0.9}, unmarked).name == "partly"
    assert verdict_on_one(before, after).finding == "no mark was named"


def test_ranks_of_networks_that_can_be_exchanged_are_all_there_once():
    """Each of 20 networks in turn stands among the others: 1/20, 2/20, ... 1, in some order."""
    numbers = {name: torch.randn(20, generator=rng_for(0, "test", name)).double() for name in TELLING}
    found = []
    for i in range(20):
        others = torch.arange(20) != i
        found.append(rank_among({name: float(column[i]) for name, column in numbers.items()},
                                {name: column[others] for name, column in numbers.items()}))  # fmt: skip
    assert sorted(found) == pytest.approx([k / 20 for k in range(1, 21)])


def test_a_rank_is_never_below_one_of_all():
    for name, far in product(TELLING, (50.0, -50.0)):
        if far > 0 or TELLING[name].below:
            assert rank_among(LIKE | {name: far}, ORACLE) == pytest.approx(1 / 6)
    assert rank_among(LIKE | {"oracle_distance": -50.0}, ORACLE) == 1, "nearer than they are to each other"
    assert math.isnan(rank_among({"accuracy": 0.5}, ORACLE))
