"""The draw and the network, from rows to words; networks of several draws are never taken for independent ones."""

import math

import pandas as pd
import pytest
import torch

from spurlab.report import study_figure
from spurlab.report.groups import groups
from spurlab.report.style import spoken
from spurlab.report.views import answer, brief, study_sheets
from spurlab.report.views.draws import shape
from spurlab.report.views.gallery import shape as norms_of
from spurlab.stats import variance_components

SCORES = [[0.2, 0.3, 0.2], [0.8, 0.9, 0.7], [0.5, 0.4, 0.5]]  # of draws 0, 4 and 9


@pytest.fixture
def frame(results):
    """(scores, n) -> rows of them, a draw after another, in an order of their own."""

    def rows(scores=SCORES, n=3):
        parts = []
        for draw, values in zip((0, 4, 9), scores, strict=True):
            made = results.rows(("spurious_score",), patterns=("R3",), counts=(n,), seeds=range(len(values)))
            parts.append(made.assign(value=values, draw=draw, training=made["training"] + str(draw)))
        return pd.concat(parts[::-1], ignore_index=True)

    return rows


def test_the_table_has_a_row_for_each_draw_and_a_column_for_each_seed(results, frame):
    rows = frame()
    own = frame().assign(draw=None, value=0.0)  # networks with the draw of their own seed, in the same folder
    [part] = shape(results.of(pd.concat([rows, own], ignore_index=True), "draws"))
    assert part.draws == (0, 4, 9)
    assert part.scores.tolist() == SCORES
    assert part.components == variance_components(torch.tensor(SCORES, dtype=torch.float64))
    assert (part.group.label, part.pattern, part.target, part.n) == ("", "R3", 0, 3)


def test_a_seed_that_lacks_a_draw_or_diverged_in_one_is_left_out_of_all(results, frame):
    [part] = shape(results.of(frame([[0.2, 0.3, 0.2], [0.8, math.nan, 0.7], [0.5, 0.4, 0.5]]), "draws"))
    assert part.scores.tolist() == [[0.2, 0.2], [0.8, 0.7], [0.5, 0.5]]
    rows = frame()
    [part] = shape(results.of(rows[(rows["draw"] != 4) | (rows["seed"] != 0)], "draws"))
    assert part.scores.tolist() == [[0.3, 0.2], [0.9, 0.7], [0.4, 0.5]]


def test_it_is_told_in_a_figure_a_sheet_and_a_sentence(results, frame):
    result = results.of(pd.concat([frame(n=0), frame()], ignore_index=True), "draws")
    of = variance_components(torch.tensor(SCORES, dtype=torch.float64))
    [sheet] = study_sheets(result)
    cells = [getattr(cell, "text", cell) for cell in sheet.lines[1]]
    told = [f"{of.draw:.5f}", f"{of.network:.5f}", f"{of.seed:.5f}", "0.92 [0.60, 1.00]"]
    assert cells[-6:] == ["3 x 3", "0.500", *told]
    assert answer(result)[1] == (
        f"Fashion-MNIST, R3, target 0, n = 3: of the variance between networks, {of.draw + of.network:.5f}, the draw "
        "of the pattern has the share 0.92 [0.60, 1.00]; 3 draws of 3 seeds each."
    )
    assert brief(result) == (
        "Mostly the draw: of the variance between networks the draw of the pattern has the share 0.92 [0.60, 1.00] at "
        "n = 3."
    )
    assert "R3, n = 3: 0.92 [0.60, 1.00]: 0.233 of draw 0, 0.800 of draw 4" in spoken(study_figure(result))


@pytest.mark.parametrize("scores", [[[0.2], [0.8], [0.5]], [[0.2, math.nan], [math.nan, 0.7], [0.5, 0.4]]])
def test_where_nothing_can_be_told_apart_the_figure_says_so(scores, results, frame):
    result = results.of(frame(scores), "draws")
    assert study_sheets(result) == []
    assert "two draws of a pattern or more, each with the same two seeds" in spoken(study_figure(result))
    assert brief(result) == spoken(study_figure(result))
    plain = results.of(results.rows(("spurious_score",)), "draws")  # rows of before there was this axis
    assert shape(plain) == []


def test_elsewhere_each_draw_is_a_setting_of_its_own(frame):
    """So no mean has more networks than there are seeds, as if those of one seed were independent."""
    rows = pd.concat([frame(), frame().assign(draw=None)], ignore_index=True)
    found = groups(rows)
    assert [group.label for group in found] == ["draw 9", "draw 4", "draw 0", "draw own"]
    assert [len(group.rows) for group in found] == [3, 3, 3, 9]


def test_norms_are_over_draws_and_not_over_the_seeds_that_share_one(frame, results):
    """Three draws of three seeds each are three norms; without a draw each seed has its own."""
    rows = frame([[11.0] * 3, [13.0] * 3, [12.0] * 3]).assign(measure="empirical_norm")
    norms = norms_of(results.of(rows, "gallery"))
    mean = norms.means["fashion-mnist"]["R3"]
    assert (mean.each, mean.value, norms.seed) == ((12.0, 13.0, 11.0), 12.0, 0)
    own = norms_of(results.of(rows[rows["draw"] == 4].drop(columns="draw"), "gallery"))
    assert own.means["fashion-mnist"]["R3"].models == 3
