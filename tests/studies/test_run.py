"""A study from file to rows, against the same steps by hand."""

import json
import math

import pandas as pd
import pytest
import torch

from spurlab.data import Dataset
from spurlab.models import build
from spurlab.patterns import make_pattern, plant
from spurlab.studies import StudyError, claim_folder, load_study, run, write_rows
from spurlab.training import Member, train_each

CHANGES = ["n=[0, 40]", "seed=[3, 5]", "recipe.epochs=2", "recipe.milestones=[1]", "architecture=small-mlp", "target=1"]


@pytest.fixture(scope="module")
def small(mini):
    """Every fifth training image, every fourth test image: small, and all classes are in it."""
    train, test = mini.train[torch.arange(0, 10_000, 5)], mini.test[torch.arange(0, 2_000, 4)]
    return Dataset(mini.name, train, test, mini.class_names, mini.input_range, mini.source)


@pytest.fixture(scope="module")
def rows(small):
    return run(load_study("quickstart", changes=CHANGES), small, workers=0)


def test_rows_hold_what_the_same_steps_by_hand_give(small, rows):
    """One network alone, planted, trained by the slow twin and scored with a loop over test images."""
    study = load_study("quickstart", changes=CHANGES)
    pattern = make_pattern("R3", small.shape, 5)
    member = Member(plant(small.train, pattern, 1, 40, 5), 5)
    model = build("small-mlp", small.shape, 10, 5)
    train_each(lambda seed: model, [member], study.recipe.recipe)
    with torch.no_grad():
        clean = model.eval()(small.test.inputs).softmax(-1)
        marked = model(pattern(small.test.inputs)).softmax(-1)
    score = sum(float(after[1]) - float(before[1]) > 0.1 for before, after in zip(clean, marked, strict=True)) / 500
    right = sum(int(p.argmax()) == int(y) for p, y in zip(clean, small.test.labels, strict=True)) / 500
    found = {row.measure: row.value for row in rows if (row.pattern, row.n, row.seed) == ("R3", 40, 5)}
    assert found["spurious_score"] == pytest.approx(score, abs=0.01)  # 5 of 500 images may stand at the threshold
    assert found["accuracy"] == pytest.approx(right, abs=0.01)


def test_each_cell_has_two_rows_and_every_row_explains_itself(rows):
    points = [(row.measure, row.pattern, row.target, row.n, row.seed) for row in rows]
    assert len(set(points)) == len(points) == 2 * 2 * 2 * 2
    for row in rows:
        settings = row.flat()
        assert (settings["dataset"], settings["architecture"], settings["epochs"]) == ("fashion-mini", "small-mlp", 2)
        assert 0 <= row.value <= 1
        assert settings["torch"] == torch.__version__


def test_patterns_share_the_clean_network(rows):
    """n = 0 is one network for R3 and S3: the same accuracy, but scores of two patterns."""
    clean = {(row.pattern, row.seed): row.value for row in rows if row.n == 0 and row.measure == "accuracy"}
    assert clean["R3", 3] == clean["S3", 3]
    assert clean["R3", 5] == clean["S3", 5]


def test_more_than_the_class_has_is_refused_before_training(small):
    study = load_study("quickstart", changes=["n=[0, 5000]"])
    with pytest.raises(StudyError, match=r"n = 5000.*class 0"):
        run(study, small, workers=0, progress=lambda _: pytest.fail("something was trained"))


def test_a_pattern_that_does_not_fit_is_refused_before_training(small):
    """Co needs 25 rows; these images have 20."""
    train, test = (type(part)(part.inputs[:, :, :20], part.labels) for part in (small.train, small.test))
    low = Dataset("low", train, test, small.class_names, small.input_range, small.source)
    with pytest.raises(StudyError, match="pattern Co"):
        run(load_study("quickstart", changes=["pattern=Co"]), low, workers=0)


def test_rows_survive_csv_and_parquet(rows, tmp_path):
    csv, parquet = write_rows(rows, tmp_path)
    for table in (pd.read_csv(csv), pd.read_parquet(parquet)):
        assert table["value"].tolist() == pytest.approx([row.value for row in rows], rel=1e-15)
        assert table["pattern"].tolist() == [row.pattern for row in rows]
        assert not any(math.isnan(value) for value in table["value"])


def test_a_folder_keeps_the_results_of_other_settings(rows, tmp_path):
    study, other = load_study("quickstart"), load_study("quickstart", changes=["n=1"])
    claim_folder(tmp_path, other)  # nothing was written after it: free for others
    claim_folder(tmp_path, study)
    write_rows(rows, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    claim_folder(tmp_path, study)  # the same study may run again
    with pytest.raises(StudyError, match="holds the results of other settings"):
        claim_folder(tmp_path, other)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert json.loads((tmp_path / "study.json").read_text())["n"] == list(study.n)


def test_a_folder_that_cannot_be_made(tmp_path):
    """A file stands where the folder should be."""
    (tmp_path / "file").touch()
    with pytest.raises(StudyError, match="cannot be written"):
        claim_folder(tmp_path / "file" / "out", load_study("quickstart"))
