"""One setting after the other: who is called a member, and how far members and others are apart."""

import pytest

from spurlab.report.views import answer, study_figure, study_sheets
from spurlab.report.views.exposure_factors import shape


def test_each_setting_stands_beside_the_first(results):
    result = results.make("exposure-factors")
    plain, forgotten, small = shape(result)
    assert [one.words for one in (plain, forgotten, small)] == ["MLP", "MLP, after NegGrad+", "small MLP"]
    rows = result.rows[(result.rows["n"] == 3) & (result.rows["architecture"] == "small-mlp")]
    by_seed = rows.pivot_table(index="seed", columns="measure", values="value")
    assert small.members.value == pytest.approx(by_seed["left_out_tpr"].mean())
    assert small.others.value == pytest.approx(by_seed["left_out_fpr"].mean())
    pairs = [by_seed.loc[[seed, seed + 1]].mean() for seed in (0, 2, 4, 6)]
    apart = [pair["left_out_tpr"] - pair["left_out_fpr"] for pair in pairs]
    assert small.apart.each == pytest.approx(apart)
    assert small.apart.models == 4
    assert (plain.apart.value, small.apart.value) == pytest.approx((0.0, 0.2))
    assert (forgotten.members.value, forgotten.auc.models) == (0.0, 0)


def test_table_figure_and_answer_have_a_line_for_each(results):
    result = results.make("exposure-factors")
    [sheet] = study_sheets(result)
    assert [line[1] for line in sheet.lines] == ["MLP", "MLP, after NegGrad+", "small MLP"]
    said = answer(result)
    assert len(said) == 3
    assert "small MLP: 0." in said[2]
    assert "small MLP" in study_figure(result).get_label()
