"""Who is exposed: what the view makes of rows."""

import pandas as pd
import pytest
import torch

from spurlab.privacy import presence
from spurlab.report.groups import networks
from spurlab.report.views import answer, brief, study_figure, study_sheets
from spurlab.report.views.exposure import NEEDED, _found, shape


@pytest.fixture(scope="module")
def result(results):
    return results.of(results.exposure_rows(("mnist",)), "exposure")


def test_rates_are_means_over_attacked_networks(result):
    [exposure] = shape(result)
    assert [attack.name for attack in exposure.attacks] == ["loss", "LiRA, fixed variance"]
    rows = result.rows[(result.rows["attack"] == "lira-fixed") & (result.rows["n"] == 3)]
    tpr = exposure.attacks[1].tpr[3]
    assert tpr.value == pytest.approx(rows.loc[rows["measure"] == "marked_tpr", "value"].mean())
    assert tpr.models == 8
    assert list(exposure.attacks[0].roc) == [0.01, 0.1, 0.5]
    assert 0 in exposure.attacks[0].auc
    assert 0 not in exposure.attacks[0].tpr


def test_each_seed_stands_on_one_side_and_complements_on_the_same(result):
    [exposure] = shape(result)
    rows = result.rows[result.rows["measure"] == "pattern_answer"]
    planted, control = (rows[rows["n"] == n].set_index("seed")["value"].sort_index().tolist() for n in (3, 0))
    wanted = presence(torch.tensor(planted[:4]).double(), torch.tensor(control[4:]).double())
    assert exposure.pattern_found[3] == wanted
    assert wanted.trials == 4


def test_an_attack_is_no_network(result):
    assert networks(result.rows) == 24  # eight at each n


def test_it_is_told(result, results):
    words = (
        "LiRA, fixed variance with shadows that left the pattern out calls of marked members and non-members 0.70 and "
    )
    assert f"{words}0.70 at n = 3" in brief(result)
    assert any("n = 20, loss: at 1% false positives it finds" in words for words in answer(result))
    examples, pattern = study_sheets(result)
    assert len(examples.lines) == 6
    assert len(pattern.lines) == 2
    nobody = results.of(results.rows(("accuracy",)), "exposure")
    assert answer(nobody) == [NEEDED]
    assert NEEDED in study_figure(nobody).get_label()


def test_of_an_odd_number_of_pairs_complements_stay_together():
    """Ten seeds are five pairs: four networks with marks and six controls, of the same n where there are any."""
    rows = [("group_planted", 3, seed, 10.0 + seed) for seed in range(10)]
    rows += [("group_control", 3, seed, float(seed)) for seed in range(10)]
    found = _found(pd.DataFrame(rows, columns=["measure", "n", "seed", "value"]), "group_planted", "group_control")
    assert found[3] == presence(torch.arange(10.0, 14).double(), torch.arange(4.0, 10).double())
    assert found[3].trials == 4
