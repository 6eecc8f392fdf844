"""The view of the law: what kappa explains, by hand, and who is said to follow it."""

import math

import numpy as np
import pandas as pd
import pytest

from spurlab.report.views.law import VIEW, Curve, _over_all


def curve(kappas, scores, predicted=None):
    points = {"kappa": kappas, "spurious_score": scores, "predicted_score": scores if predicted is None else predicted}
    return Curve(pd.DataFrame(points).assign(pattern="S1", target=0, n=range(len(kappas)), seed=0))


def test_what_a_rising_curve_explains():
    """0 1 3 2 is best met by 0 1 2.5 2.5: .5 of the variance's 5 is left."""
    assert curve([1, 2, 3, 4], [0.0, 0.1, 0.2, 0.3]).explained == pytest.approx(1)
    assert curve([1, 2, 3, 4], [0.0, 0.1, 0.3, 0.2]).explained == pytest.approx(0.9)
    assert curve([4, 3, 2, 1], [0.2, 0.3, 0.1, 0.0]).explained == pytest.approx(0.9)
    assert curve([1, 2, 3], [0.3, 0.2, 0.1]).explained == pytest.approx(0, abs=1e-12)


def test_a_rival_and_all_decays_together():
    """Two decays whose curves lie apart: each rises in kappa; of one curve for both half is left, by hand.

    The scores 0 .2 and .2 .4 at kappas 1 2 and 1 2, each kappa's mean .1 and .3: .04 is left of .08.
    """
    low, high = curve([4, 1, 0.1], [0.3, 0.2, 0.1]), curve([1, 2], [0.2, 0.4])
    assert low.explained == pytest.approx(1)
    assert curve([4, 1, 0.1], [0.0, 0.2, 0.1]).unsquared == pytest.approx(1)  # n kappa: 0, 1, .2
    assert curve([1, 2, 3, 4], [0.0, 0.1, 0.3, 0.2]).unsquared == pytest.approx(0.9)  # n kappa rises too
    assert _over_all({0.1: curve([1, 2], [0.0, 0.2]), 0.01: high}) == pytest.approx(0.5)
    assert math.isnan(_over_all({0.1: low}))


def test_seeds_are_averaged_first():
    """Of two networks at each n, one above the curve and one as far below."""
    one, other = (curve([1, 2, 3], scores).points for scores in ([0.0, 0.1, 0.4], [0.2, 0.3, 0.6]))
    both = Curve(pd.concat([one, other.assign(seed=1)]))
    assert both.explained == pytest.approx(1)
    assert both.means["spurious_score"].tolist() == pytest.approx([0.1, 0.2, 0.5])


@pytest.mark.parametrize("scores", [[0.2, 0.2, 0.2], [0.1, 0.2]])
def test_where_nothing_varies_nothing_is_explained(scores):
    assert math.isnan(curve(range(len(scores)), scores).explained)


def test_networks_that_follow_are_told_from_those_that_do_not(results):
    """Those of L-BFGS lie on the law. Those of Adam lie on a curve, a tenth below it; noise takes that away."""
    shaped = VIEW.shape(results.make("law"))
    solved, trained = shaped
    assert "solved to the minimum" in solved
    assert "trained by Adam" in trained
    assert {decay: len(each.points) for decay, each in shaped[solved].items()} == {1e-3: 30, 1e-1: 30}
    said = VIEW.answer(shaped)
    assert said[0].startswith(f"{solved}: collapses on kappa at each weight decay (one rising curve explains ")
    assert "; over all decays together one in kappa explains 1.000); " in said[0]  # of one curve, whatever the decay
    assert "scores lie as theory says: 0.000 off on average" in said[0]
    assert "collapses on kappa" in said[1]
    assert "scores lie not where theory has them" in said[1]
    rows = results.law_rows()
    noise = np.random.default_rng(0).random(len(rows))
    noisy = (rows["measure"] == "spurious_score") & (rows["optimizer"] == "adam")
    shaped = VIEW.shape(results.of(rows.assign(value=rows["value"].where(~noisy, noise)), "law"))
    assert "does not collapse" in VIEW.answer(shaped)[1]
    assert VIEW.brief(shaped) == f"{solved} follows one curve in kappa, but {trained} does not."


def test_networks_of_another_setting_are_a_panel_of_their_own_and_treated_ones_are_none(results):
    """Another learning rate, whose scores are all zero, and a deletion that leaves nothing."""
    rows = results.law_rows().assign(deletion=None)
    flat = rows.assign(learning_rate=0.5, value=rows["value"].where(rows["measure"] != "spurious_score", 0.0))
    deleted = flat.assign(learning_rate=0.01, deletion="influence")
    alone, several = (VIEW.shape(results.of(each, "law")) for each in (rows, pd.concat([rows, flat, deleted])))
    assert len(several) == 2 * len(alone) == 4
    found = [curves[1e-1].points["spurious_score"].sum() for curves in several.values()]
    assert found[:2] == [curves[1e-1].points["spurious_score"].sum() for curves in alone.values()]
    assert found[2:] == [0.0, 0.0]
    assert len(VIEW.answer(several)) == 2
    assert "learning rate 0.5" not in VIEW.brief(several)
    assert VIEW.brief({name: several[name] for name in list(several)[2:]}) == ""


def test_networks_without_a_prediction_are_left_out(results):
    """A weight decay of zero has no kappa: NaN."""
    rows = results.law_rows()
    lost = (rows["measure"] != "spurious_score") & (rows["weight_decay"] == 1e-3)
    shaped = VIEW.shape(results.of(rows.assign(value=rows["value"].mask(lost)), "law"))
    assert all(list(curves) == [1e-1] for curves in shaped.values())
