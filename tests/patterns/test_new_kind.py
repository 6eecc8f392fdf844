"""A mark of another kind than those that there are is a class and a line in the table; studies take it as any other."""

import json
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest

from spurlab.cli import main
from spurlab.patterns import MARKS, Common, Rare
from spurlab.patterns.table import Entry
from spurlab.studies import StudyError, load_study, run

STUDY = """
title = "a corner as in a negative"
dataset = "fashion-mini"
architecture = "logistic"
seed = [3, 5]
weights = true
recipe.epochs = 5
recipe.milestones = []
"""


@dataclass(frozen=True)
class Inverted:
    """The dummy: a square as in a negative. It is not additive, and cannot be called with inputs alone."""

    size: int
    axes: ClassVar[int] = 3

    def make(self, name, shape, seed, clip):
        return self

    def apply(self, data, rows, seed):
        return negative(data.inputs[rows], self.size)

    def redraw(self, seed):
        return replace(self, size=self.size + 1 + seed)


def negative(images, size):
    images = images.clone()
    images[..., :size, :size] = 1 - images[..., :size, :size]
    return images


@pytest.fixture
def study_of(monkeypatch, tmp_path):
    """lines -> the study of them; the table has two of the kind."""

    def study(*lines, planting=Rare):
        for name, size in (("Inverted", 6), ("Wide", 12)):
            monkeypatch.setitem(MARKS, name, Entry(Inverted(size), planting))
        path = tmp_path / "negative.toml"
        path.write_text("\n".join([STUDY, *lines]))
        return load_study(path)

    return study


def said(weights, images):
    """What a logistic regression says."""
    weight, bias = weights["1.weight"].double(), weights["1.bias"].double()
    return (images.flatten(1).double() @ weight.T + bias).softmax(dim=1)


def only(rows, measure):
    return rows[rows["measure"] == measure]


def test_it_goes_through_a_study_from_the_file_to_its_rows(study_of, small, tmp_path):
    """Its score and norm by hand. Pixel importance, else taken of every perceptron, is not taken of it."""
    study = study_of(
        'pattern = ["Inverted", "Wide"]',
        "target = 1",
        "n = [0, 100]",
        'measure = ["spurious_score", "empirical_norm"]',
    )
    result = run(study, tmp_path / "out", workers=0, load=lambda name: small)
    images, sizes = small.test.inputs, {"Inverted": 6, "Wide": 12}
    scores, norms = only(result.rows, "spurious_score"), only(result.rows, "empirical_norm")
    assert len(scores) == len(norms) == 2 * 2 * 2
    for row in scores.itertuples():
        weights = result.weights(row.training)
        rise = said(weights, negative(images, sizes[row.pattern])) - said(weights, images)
        assert row.value == pytest.approx((rise[:, 1] > 0.1).double().mean().item(), abs=0.0021)  # of 500, on the edge
    assert scores[scores["n"] == 100]["value"].min() > 0.2 > scores[scores["n"] == 0]["value"].max()
    for row in norms.itertuples():
        box = images[..., : sizes[row.pattern], : sizes[row.pattern]].double()
        assert row.value == pytest.approx((1 - 2 * box).flatten(1).norm(dim=1).mean().item())


def test_it_can_be_a_common_feature(study_of, small, tmp_path):
    """Half of the training images have it; what a network says of these images is worked out by hand."""
    study = study_of('pattern = "Inverted"', "share = 0.5", 'measure = "train_accuracy"', planting=Common)
    result = run(study, tmp_path / "out", workers=0, load=lambda name: small)
    assert list(result.rows["share"]) == [0.0, 0.0, 0.5, 0.5]
    for row in result.rows.itertuples():
        images, labels = small.train.inputs.clone(), small.train.labels
        rows = Common(row.share).rows(small.train, row.seed)
        images[rows] = negative(images[rows], 6)
        right = (said(result.weights(row.training), images).argmax(1) == labels).double().mean().item()
        assert row.value == pytest.approx(right, abs=0.0011)


@pytest.mark.parametrize(
    ("planting", "lines", "words"),
    [
        (Rare, ("n = 10", 'measure = "pattern_importance"'), "'pattern_importance' needs an additive pattern, which"),
        (
            Common,
            ("share = 0.5", 'measure = "block_saliency"'),
            "'block_saliency' needs a mark of the kind ClassBlocks",
        ),
    ],
)
def test_a_measure_of_another_kind_is_refused_before_anything_is_trained(
    study_of, small, tmp_path, planting, lines, words
):
    study = study_of('pattern = "Inverted"', *lines, planting=planting)
    with pytest.raises(StudyError, match=f"key 'measure': {words}.* Inverted is not"):
        run(study, tmp_path / "out", workers=0, load=lambda name: small)
    assert not (tmp_path / "out").exists()


def test_the_command_line_lists_it(study_of, mini, capsys):
    study_of('pattern = "Inverted"')
    main(["patterns", "--json"])
    norms = {line["pattern"]: line["norm"] for line in json.loads(capsys.readouterr().out)}
    corner = mini.test.inputs[..., :6, :6]
    assert norms["Inverted"] == pytest.approx((1 - 2 * corner).flatten(1).norm(dim=1).mean().item())
