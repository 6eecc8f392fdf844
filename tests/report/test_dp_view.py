"""Epsilon, promised and shown by canaries, beside score and accuracy."""

import math

import pandas as pd
import pytest

from spurlab.privacy import ceiling
from spurlab.report.views import answer, brief, study_figure, study_sheets

DP = "dp-sgd noise=2"


def test_separable_canaries_show_all_that_so_many_networks_can(results):
    """40 seeds: 20 choose the threshold, 20 test it. Of networks without the canary in them nothing is shown."""
    result = results.make("dp", large=True)
    plain, private = answer(result)
    most = f"{ceiling(20, 20):.2f}"
    shown = f"at least {most} by canaries of n = 1 (20 networks with them, 20 without, could show {most})"
    assert f"no privacy: nothing promised, {shown}" in plain
    assert "DP-SGD, noise 2: epsilon 3.00, at least 0.00 by canaries of n = 1" in private
    assert brief(result).startswith(private.removesuffix("."))
    scores, audits = study_sheets(result)
    found = {line[-2].value for line in audits.lines if line[audits.headings.index("n")].value == 1}
    assert 1.0 in found
    assert {line[scores.headings.index("epsilon")].value for line in scores.lines} == {math.inf, 3.0}
    assert "the score of the pattern" in study_figure(result).get_label()


def test_of_ten_examples_group_privacy_shows_a_tenth(results):
    plain, _ = answer(results.make("dp", large=True))
    assert f"at least {ceiling(20, 20, examples=10):.2f} by canaries of n = 10" in plain
    assert ceiling(20, 20, examples=10) == pytest.approx(ceiling(20, 20) / 10)


@pytest.mark.parametrize("seeds", [1, 3])
def test_of_too_few_networks_no_bound_is_told(seeds, results):
    rows = results.make("dp", large=True).rows
    few = results.of(rows[rows["seed"] < seeds].reset_index(drop=True), "dp")
    assert "canaries" not in answer(few)[0]
    assert "could show" not in answer(few)[0]


def test_without_controls_no_bound_is_told(results):
    rows = results.make("dp", large=True).rows
    assert "canaries" not in answer(results.of(rows[rows["n"] > 0].reset_index(drop=True), "dp"))[0]


def test_marked_examples_in_the_place_of_others_make_sets_differ_by_twice_as_many(results):
    rows = results.make("dp", large=True).rows
    plain, _ = answer(results.of(rows.assign(how="replace"), "dp"))
    assert f"at least {ceiling(20, 20) / 2:.2f} by canaries of n = 1 (" in plain


def test_what_is_clean_makes_no_further_network(results):
    """Two shares that are clean are the same numbers twice, as DP-SGD does not look at them."""
    result = results.make("dp", large=True)
    twice = pd.concat([result.rows, result.rows.assign(clean=0.5)], ignore_index=True)
    assert answer(results.of(twice, "dp")) == answer(result)
