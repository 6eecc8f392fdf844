"""A new axis is one value in one table, and arrives everywhere.

Here: files, --only, keys, JSON, cells, rows. Tables and figures: `tests/report/test_summary.py`; claims:
`tests/claims/test_evidence.py`.
"""

import json
from pathlib import Path

import pytest
import torch

from spurlab.studies import Study, StudyError, cells_of, narrowed, results_in, run, trainings_of
from spurlab.studies import axes as axes_room
from spurlab.studies.axes import OF_TRAINING, Axis, docs_table
from spurlab.studies.graph import from_json
from spurlab.studies.training_sets import planted


def left_out(whole, share, seed):
    """The training set without a share of its examples, the last ones."""
    if share > 0.9:
        raise ValueError("too few are left")
    return whole.without(torch.arange(len(whole)) >= round((1 - share) * len(whole)))


@pytest.fixture
def axis(monkeypatch):
    new = Axis("left_out", "the share of the training examples that is left out", float, (0.0,), change=left_out)
    monkeypatch.setattr(axes_room, "OF_TRAINING", OF_TRAINING)
    monkeypatch.setitem(OF_TRAINING, "left_out", new)
    return new


def test_a_new_axis_arrives_everywhere(axis, small, study_of, tmp_path):
    plain = study_of("pattern=R3", "n=0", "seed=3", "recipe.epochs=1")
    study = study_of("pattern=R3", "n=0", "seed=3", "recipe.epochs=1", "left_out=[0.0, 0.5]")
    assert study.grids[0]["left_out"] == (0.0, 0.5)
    cells = cells_of(study)
    assert len(cells) == 2 * len(cells_of(plain))
    without, changed = trainings_of(cells)
    assert [without] == trainings_of(cells_of(plain))  # what is off has the key of before
    assert without.key("data") != changed.key("data")
    for training in (without, changed):
        assert from_json(json.loads(json.dumps(training.as_json()))) == training
    assert changed.as_json()["left_out"] == 0.5
    assert len(planted(small, changed)) == len(small.train) // 2
    rows = run(study, tmp_path, workers=0, load=lambda name: small).rows
    assert sorted(set(rows["left_out"])) == [0.0, 0.5]
    accuracies = rows[rows["measure"] == "accuracy"].groupby("left_out")["value"].first()
    assert accuracies[0.0] != accuracies[0.5]
    [again] = results_in(tmp_path)
    assert again.rows.equals(rows)
    assert again.study.grids == study.grids
    half = narrowed(study, ["left_out=0.5"])
    assert {training.extras for training in trainings_of(cells_of(half))} == {(("left_out", 0.5),)}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("left_out=many", "left_out.*must be a number.*'many'"),
        ("left_oot=0.5", "unknown key 'left_oot'. Did you mean 'left_out'"),
    ],
)
def test_a_wrong_value_or_name_is_told_as_of_other_axes(axis, study_of, change, words):
    with pytest.raises(StudyError, match=words):
        study_of("pattern=R3", change)


def test_what_does_not_fit_the_data_is_told_before_anything_is_trained(axis, small, study_of, tmp_path):
    with pytest.raises(StudyError, match=r"fashion-mini, left_out 0\.95: too few are left"):
        run(study_of("pattern=R3", "left_out=[0.95]"), tmp_path, workers=0, load=lambda name: small)
    assert not list(tmp_path.iterdir())


def test_documentation_has_a_row_for_each_axis(axis):
    """The page has those that there are; a new one comes with its own."""
    page = (Path(__file__).parents[2] / "docs" / "studies.md").read_text("utf-8")
    *rows, new = docs_table().splitlines()
    assert "\n".join(rows) in page
    assert new == "| `left_out` | the share of the training examples that is left out | 0.0 |"


def test_without_it_a_recorded_study_says_so(axis, study_of, monkeypatch):
    text = study_of("pattern=R3", "left_out=0.5").model_dump_json()
    assert "left_out" in json.loads(text)["grids"][0]
    monkeypatch.delitem(OF_TRAINING, "left_out")
    with pytest.raises(ValueError, match="left_out"):
        Study.model_validate_json(text)
