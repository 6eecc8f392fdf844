"""Rows that do not go together: all networks diverged, or arms of a comparison with other seeds."""

import math
import re
from dataclasses import replace

import pandas as pd
import pytest

from spurlab.claims import decide
from spurlab.report import VIEWS, study_figure
from spurlab.report.curves import curves, verdict_of
from spurlab.report.style import spoken
from spurlab.report.treated import deletions_of, repairs_of
from spurlab.report.views import answer, brief, glance, study_sheets, tally


def said(result):
    """All sentences about a study, which must be there and have no number that is none."""
    sentences = [*answer(result), brief(result), spoken(study_figure(result)), spoken(glance(result))]
    assert all(sentences)
    assert not [sentence for sentence in sentences if re.search(r"\b(nan|inf|None)\b", sentence)]
    assert all(study_sheets(result, terminal=at) is not None for at in (True, False))
    assert all(count > 0 for count in tally(result).values())
    return sentences


def moved(result, column, value, by):
    """The result with other seeds in one arm, so many of them that none is the same or that some are."""
    rows = result.rows
    return replace(result, rows=rows.assign(seed=rows["seed"].where(rows[column] != value, rows["seed"] + by)))


@pytest.mark.slow
@pytest.mark.parametrize("kind", VIEWS)
def test_where_every_network_has_diverged_no_number_is_said(kind, results):
    result = results.make(kind, large=False)
    lost = replace(result, rows=result.rows.assign(value=math.nan))
    said(lost)
    assert not {verdict.outcome for verdict in decide(lost.rows)} & {"reproduced", "not reproduced"}


@pytest.mark.parametrize(("by", "left", "why"), [
    (2, 3, "undecided: 3 networks; at 5 % it takes 5 (without the unfinished seeds 0, 1, 5, 6)"),
    (5, 0, "undecided: the networks of no seed are complete"),
])  # fmt: skip
def test_a_curve_is_of_the_seeds_that_all_its_points_have(by, left, why, results):
    rows = results.rows(datasets=("mnist",), patterns=("R3",), counts=(0, 3))
    result = moved(results.of(rows, "scores"), "n", 0, by)
    said(result)
    [curve] = curves(result.rows)
    assert (curve.points[0].score.models, verdict_of(curve)) == (left, why)
    assert all(part.question.share.models < 5 for verdict in decide(result.rows) for part in verdict.parts)


@pytest.mark.parametrize(("by", "left"), [(2, 3), (5, 0)])
@pytest.mark.parametrize("arm", ["none", "oracle", "influence"])
def test_a_deletion_is_judged_by_the_seeds_that_its_networks_and_oracles_share(by, left, arm, results):
    rows = results.deletion_rows(("mnist",), (20,), ("influence",))
    result = moved(results.of(rows, "deletion"), "deletion", arm, by)
    said(result)
    [deleted] = deletions_of(result.rows)
    assert (deleted.verdict.reason, deleted.verdict.networks) == ("few networks", left)
    assert decide(result.rows)


@pytest.mark.parametrize(("by", "left"), [(2, 3), (5, 0)])
def test_a_repair_gains_over_the_networks_of_its_seeds(by, left, results):
    result = moved(results.make("repairs"), "prevention", "erm", by)
    said(result)
    repaired = next(each for each in repairs_of(result.rows) if each.method == "dfr")
    assert repaired.gain("worst_group").models == repaired.gained("worst_group").models == left
    assert "no method is shown to gain" in brief(result)


def test_of_a_deletion_whose_accuracy_was_not_measured_nothing_is_said(results):
    """A network that has collapsed has no score either: without its accuracy that would pass for forgetting."""
    rows = results.deletion_rows(("mnist",), (20,), ("influence",))
    result = results.of(rows[rows["measure"] != "accuracy"].reset_index(drop=True), "deletion")
    assert deletions_of(result.rows) == []
    assert said(result)[0] == "The rows do not answer this."


def test_rows_of_no_network_are_none(results):
    assert said(results.of(pd.DataFrame(), "scores"))[0] == "Nothing has been measured yet."
