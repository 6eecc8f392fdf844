"""Rare marks on signals: planted, learnt, deleted, kept out and searched for, as on images."""

import pytest
import torch

from spurlab.data import load
from spurlab.metrics import spurious_score
from spurlab.models import build
from spurlab.patterns import make_named, plant
from spurlab.studies import StudyError, load_study, run, work_of
from spurlab.training import Member, train_each

CHANGES = [
    "dataset=mnist1d", "architecture=mnist1d-mlp", "target=6", "n=[0, 100]", "seed=[0, 1]", "claims=[]",
    "recipe.epochs=8", "recipe.learning_rate=0.003", "pattern=[{ spike = 20 }, { sine = 6 }, { offset = 6 }]",
]  # fmt: skip
NAMES = ["spike, height=20.0", "sine, height=6.0, period=8.0", "offset, height=6.0"]


def study_of(*changes):
    return load_study("quickstart", changes=[*CHANGES, *changes])


def scores(rows, **where):
    """By seed, of the rows where these columns have these values; None: where they have none."""
    rows = rows[rows["measure"] == "spurious_score"]
    for column, value in where.items():
        rows = rows[rows[column].isna() if value is None else rows[column] == value]
    return rows.set_index("seed")["value"]


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    return run(study_of(), tmp_path_factory.mktemp("signals"), workers=0).rows


@pytest.mark.parametrize("name", NAMES)
def test_a_large_mark_on_a_fourth_of_a_class_is_learnt(rows, name):
    """100 of about 400 signals of the class, with a norm four times that of a signal: networks that met it go by it."""
    without, learnt = (scores(rows, pattern=name, n=n) for n in (0, 100))
    assert len(without) == len(learnt) == 2
    assert (learnt > without + 0.3).all()


def test_the_score_is_that_of_the_same_steps_by_hand(rows):
    """One network alone: the spike drawn by its seed, planted, trained by the slow twin, put on the test signals."""
    data, mark = load("mnist1d"), make_named(NAMES[0], (40,), 1, None)
    network = build("mnist1d-mlp", data.shape, 10, 1)
    train_each(lambda seed: network, [Member(plant(data.train, mark, 6, 100, 1), 1)], study_of().grids[0]["recipe"][0])
    with torch.no_grad():
        clean, after = (network.eval()(inputs).softmax(-1) for inputs in (data.test.inputs, mark(data.test.inputs)))
    expected = spurious_score(clean, after, 6).item()
    assert scores(rows, pattern=NAMES[0], n=100)[1] == pytest.approx(expected, abs=0.01)  # ten may stand at the margin


def test_a_spike_is_drawn_by_the_seed_and_the_others_are_not(rows):
    """Draws are an axis of marks that differ by seed alone."""
    assert study_of("pattern=[{ spike = 20 }]", "draw=[0, 1]").grids[0]["draw"] == (0, 1)
    places = {make_named(NAMES[0], (40,), seed, None).offset.argmax().item() for seed in range(6)}
    assert len(places) > 1
    with pytest.raises(StudyError, match="draw"):
        study_of("pattern=[{ sine = 6 }]", "draw=[0, 1]")


def test_deleting_and_preventing_work_on_marked_signals(rows, tmp_path):
    """Trained again without the marked signals, a network is as one that never saw them; the mark is gone."""
    deleted = run(study_of('deletion=["retrain"]', 'figure="deletion"'), tmp_path / "deleted", workers=0).rows
    for name in NAMES:
        learnt = scores(rows, pattern=name, n=100)
        oracle, retrained = (scores(deleted, pattern=name, deletion=method) for method in ("oracle", "retrain"))
        assert (oracle < learnt - 0.3).all()
        assert (retrained < learnt - 0.3).all()
    assert deleted["failed"].isna().all()
    kept_out = run(study_of('prevention=["mixup"]', "n=[100]"), tmp_path / "kept", workers=0).rows
    assert kept_out["failed"].isna().all()
    assert {"mixup"} == set(kept_out["prevention"].dropna()) - {"erm"}


@pytest.mark.parametrize(
    ("pattern", "dataset", "words"),
    [
        ("{ spike = 3, at = 40 }", "mnist1d", "needs signals of at least 41 features, but these have 40"),
        ("'spike'", "fashion-mini", "'spike' is for signals, but the inputs are of shape"),
        ("'S3'", "mnist1d", "'S3' is for images, but the inputs are vectors of 40 numbers.*spike, sine, offset"),
        ("{ offset = 1e-30 }", "mnist1d", "changes none of 500 examples of mnist1d"),
    ],
)
def test_a_mark_that_does_not_fit_is_refused_before_training(pattern, dataset, words, small):
    data = {"mnist1d": load("mnist1d"), "fashion-mini": small}
    with pytest.raises(StudyError, match=words):
        work_of(study_of(f"pattern=[{pattern}]", f"dataset={dataset}", "architecture=small-mlp", "target=1"), data)
