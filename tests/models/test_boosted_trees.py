"""Boosted trees as a network, against scikit-learn's own answers, and by hand."""

from functools import partial

import numpy as np
import pytest
import torch
from sklearn.ensemble import HistGradientBoostingClassifier
from torch.testing import assert_close

from spurlab.data import Column, Columns, Dataset, Examples, Source
from spurlab.deletion import DELETIONS
from spurlab.errors import FailureError
from spurlab.methods import Attempt, isolated, retraining_seconds
from spurlab.models import BoostedTrees, boosted_trees, build, is_grown, skeleton
from spurlab.patterns import Planted
from spurlab.prevention import PREVENTIONS
from spurlab.seeds import rng_for
from spurlab.studies import StudyError, load_study, work_of
from spurlab.training import Ensemble, Member, Recipe, fit, predictions

RECIPE = Recipe(epochs=2, milestones=())
COLUMNS = Columns(  # of the rows below
    (*(Column(name) for name in ("age", "hours", "pay", "tax")), Column("job", tuple("abcd"), (100,) * 4))
)


def rows(n=400, classes=2, seed=0):
    """Rows as of a table: numbers with many ties, one that is real, one-hot categories."""
    rng = rng_for(seed, "test", "rows")
    whole = torch.randint(0, 12, (n, 2), generator=rng).float() / 3  # thirds: no float32 is one, and middles are ties
    real = torch.randn(n, 2, generator=rng)
    category = torch.nn.functional.one_hot(torch.randint(0, 4, (n,), generator=rng), 4).float()
    inputs = torch.cat([whole, real, category], 1)
    worth = inputs[:, 0] + real[:, 0] - 2 * category[:, 1] + 0.5 * torch.randn(n, generator=rng)
    labels = torch.bucketize(worth, worth.quantile(torch.arange(1, classes) / classes))
    return Examples(inputs, labels)


def grown(data, classes, **settings):
    model = BoostedTrees(data.shape, classes, **{"trees": 12, **settings})
    return model, model.grow(data.inputs, data.labels, seed=0)


@pytest.mark.parametrize(("classes", "leaf"), [(2, 20), (2, 1), (3, 20), (5, 1)])
def test_logits_are_those_of_scikit_learn(classes, leaf):
    """Of rows that it has seen, of others, and of numbers that lie on a threshold or a step of float32 beside it."""
    data, fresh = rows(classes=classes), rows(100, classes, seed=1).inputs
    model, loss = grown(data, classes, rows_of_leaf=leaf)
    theirs = HistGradientBoostingClassifier(max_iter=12, min_samples_leaf=leaf, early_stopping=False)
    theirs.fit(data.inputs.double().numpy(), data.labels.numpy())
    ties = fresh.repeat(3, 1)
    inner = (model.left != torch.arange(model.left.shape[1])).nonzero()
    for row, (tree, node) in zip(ties, inner[torch.arange(len(ties)) % len(inner)].tolist(), strict=True):
        row[model.feature[tree, node]] = model.threshold[tree, node]
    up, down = (torch.from_numpy(np.nextafter(ties.numpy(), np.float32(to))) for to in (9, -9))
    inputs = torch.cat([data.inputs, fresh, ties, up, down])
    wanted = torch.from_numpy(theirs.decision_function(inputs.double().numpy()))
    logits = model(inputs).double()
    assert_close(logits[:, 1] - logits[:, 0] if classes == 2 else logits, wanted, rtol=1e-5, atol=1e-5)
    log_p = theirs.predict_proba(data.inputs.double().numpy())[np.arange(len(data)), data.labels.numpy()]
    assert loss == pytest.approx(-np.log(log_p).mean(), rel=1e-5)


def test_a_tree_by_hand():
    """x <= 1/2 goes left; a leaf of -1 or 2, and a baseline of 1/4."""
    model = BoostedTrees((2,), 2, trees=1, leaves=2)
    model.feature[0, 0], model.threshold[0, 0], model.left[0, 0], model.right[0, 0] = 1, 0.5, 1, 2
    model.value[0], model.baseline[0] = torch.tensor([0.0, -1.0, 2.0]), 0.25
    inputs = torch.tensor([[9.0, 0.4], [-9.0, 0.5], [9.0, 0.6]])
    assert model(inputs).tolist() == [[0, -0.75], [0, -0.75], [0, 2.25]]
    assert model(inputs[:0]).shape == (0, 2)


@pytest.mark.parametrize("classes", [3, 4])
def test_a_class_without_examples_is_never_the_answer(classes):
    """Of three classes two are there, of four three: the others' logits are as scikit-learn has them."""
    data = rows(classes=classes - 1)
    labels = torch.where(data.labels > 0, data.labels + 1, 0)  # none of class 1
    model, _ = grown(Examples(data.inputs, labels), classes)
    probabilities = model(data.inputs).softmax(1)
    theirs = HistGradientBoostingClassifier(max_iter=12, early_stopping=False)
    theirs.fit(data.inputs.double().numpy(), labels.numpy())
    wanted = torch.from_numpy(theirs.predict_proba(data.inputs.double().numpy())).float()
    assert_close(probabilities[:, [k for k in range(classes) if k != 1]], wanted, rtol=1e-4, atol=1e-6)
    assert probabilities[:, 1].max() == 0


def test_no_leaf_is_smaller_than_allowed():
    """Nineteen rows whose value decides the class are told apart by leaves of one row, not by those of twenty: so the
    usual trees cannot learn a mark on fewer rows by itself.
    """
    inputs = torch.zeros(400, 1)
    inputs[:19] = 1
    data = Examples(inputs, (torch.arange(400) < 19).long())
    marked = torch.ones(1, 1)
    assert (grown(data, 2)[0](marked) == grown(data, 2)[0](0 * marked)).all()
    fine = grown(data, 2, rows_of_leaf=1)[0]
    assert fine(marked)[0, 1] > 0 > fine(0 * marked)[0, 1]


def test_training_again_replaces_the_trees_and_no_epochs_leave_none():
    """Each growing is from the examples alone; the same examples give the same bits, whatever was there before."""
    data, other = rows(), rows(seed=1)
    model, _ = grown(other, 2)
    model.grow(data.inputs, data.labels, seed=0)
    assert all(a.equal(b) for a, b in zip(model.buffers(), grown(data, 2)[0].buffers(), strict=True))
    untrained = fit(
        "boosted-trees", [Member(Planted.none(data), 0)], RECIPE.but(epochs=0), classes=2, workers=0
    ).member(0)
    assert not untrained(data.inputs).any()


def test_it_is_trained_stored_and_asked_as_networks_are(tmp_path, caplog):
    """Two members on other rows; the file gives the same answers; the log says what of the recipe counts."""
    caplog.set_level("INFO")
    data, steps = rows(), []
    some = Planted.none(data)
    members = [Member(some, 0), Member(some.without(torch.arange(400) % 3 == 0), 1)]
    ensemble = fit("boosted-trees", members, RECIPE, classes=2, workers=0, progress=steps.append)
    assert [step.done for step in steps] == [0, 1, 2, 3, 4]
    assert "plain: scikit-learn grows its trees; of the recipe only 0 epochs" in caplog.text
    assert not ensemble.diverged.any()
    assert (ensemble.trained.losses[:, 0] == ensemble.trained.losses[:, 1]).all()
    inputs = rows(50, seed=2).inputs
    alone = torch.stack([predictions(ensemble.member(i), inputs) for i in range(2)])
    assert ensemble.predict(inputs).equal(alone)
    ensemble.save(tmp_path / "trees")
    assert Ensemble.load(tmp_path / "trees").predict(inputs).equal(alone)


@pytest.mark.parametrize("changes", [{"loss": "mse"}, {"weight_decay": 0.1}, {"input_noise": 1.0}, {"clip_norm": 1.0}])
def test_recipes_that_ask_for_more_are_refused(changes):
    with pytest.raises(ValueError, match="boosted trees are grown by log loss alone, and the recipe asks for"):
        fit("boosted-trees", [Member(Planted.none(rows()), 0)], RECIPE.but(**changes), classes=2, workers=0)


def test_what_cannot_be_is_told(monkeypatch):
    data = rows()
    member = Member(Planted.none(data), 0)
    with pytest.raises(ValueError, match="trees are grown one network at a time"):
        fit("boosted-trees", [member], RECIPE, classes=2, workers=0, engine="lockstep")
    with pytest.raises(ValueError, match="need examples of two classes, but all 400 are of one"):
        grown(Examples(data.inputs, 0 * data.labels), 2)
    with pytest.raises(ValueError, match="documents are names of words"):
        build("boosted-trees", (20, 100), 2, seed=0)
    model, inputs = grown(data, 2)[0], data.inputs[:3].clone().requires_grad_()
    with pytest.raises(ValueError, match="neither gradients nor weights to move"):
        model(inputs).sum().backward()
    monkeypatch.setattr(BoostedTrees, "_take_tree", lambda *_: None)  # as if its trees had another form
    with pytest.raises(FailureError, match=r"boosted trees of scikit-learn .*logits differ by up to"):
        grown(data, 2)
    monkeypatch.setattr(boosted_trees.BoostedTrees, "_take", lambda *_: {}["nodes"])
    with pytest.raises(FailureError, match="its trees cannot be read"):
        grown(data, 2)


@pytest.mark.parametrize(("table", "name"), [(table, name) for table in (DELETIONS, PREVENTIONS) for name in table])
def test_methods_train_trees_anew_or_refuse_them_in_one_sentence(table, name):
    """Those that go by gradients say that trees have none; the others give trees again."""
    data, clean = rows(200), rows(60, seed=1)
    groups = Examples(data.inputs, data.labels, data.labels)
    make = partial(BoostedTrees, (8,), 2, trees=3)
    model = make()
    model.grow(data.inputs, data.labels, 0)
    method = table.named(name, RECIPE, 0, lambda seed: make())
    other = torch.arange(200) < 5 if table is DELETIONS else Examples(clean.inputs, clean.labels, clean.labels)
    attempt: Attempt = isolated(method, model, lambda: (groups, other), like=data, classes=2, seed=0)
    if table.anew(name):
        assert attempt.result is not None, attempt.failed
        assert any(isinstance(module, BoostedTrees) for module in attempt.result.modules())
    else:
        assert "neither gradients nor weights to move" in attempt.failed


def test_retraining_is_growing_on_what_is_left():
    """Without a seed in what is grown, it is the same trees to the bit; and its time is that of one growing."""
    data, forget = rows(), torch.arange(400) % 7 == 0
    model = grown(data, 2, trees=100)[0]
    after = DELETIONS.named("retrain", RECIPE, 0)(model, data, forget)
    wanted = grown(data[~forget], 2, trees=100)[0]
    assert all(a.equal(b) for a, b in zip(after.buffers(), wanted.buffers(), strict=True))
    assert 0 < retraining_seconds(BoostedTrees((8,), 2), Member(Planted.none(data), 0), RECIPE) < 600


def test_a_skeleton_can_be_looked_at():
    assert is_grown("boosted-trees")
    assert not is_grown("mlp")
    assert not skeleton("boosted-trees", (8,), 2)(torch.zeros(2, 8)).any()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('deletion = "salun"', "'salun' goes by gradients, and boosted trees have none.*with retrain or sisa"),
        ('prevention = "dfr"', "'dfr' goes by gradients, and boosted trees have none.*with erm or clean-only or jtt"),
        ('measure = ["relearn_steps"]\ndeletion = "retrain"', "neither gradients nor weights to move"),
    ],
)
def test_a_study_refuses_them_before_anything_is_trained(tmp_path, line, words):
    measure = "" if "measure" in line else 'measure = "spurious_score"\n'
    measure = 'measure = "accuracy"\n' if "prevention" in line else measure
    (tmp_path / "mine.toml").write_text(
        f'title = "Mine"\ndataset = "adult"\narchitecture = "boosted-trees"\npattern = "column:age=99"\ntarget = 1\n'
        f'n = 10\nseed = 0\nrecipe = {{ name = "quick" }}\n{measure}{line}\n'
    )
    data = rows()
    table = Dataset("adult", data, data, ("no", "yes"), None, Source("none", "drawn", ""), None, COLUMNS)
    with pytest.raises(StudyError, match=words):
        work_of(load_study(tmp_path / "mine.toml"), {"adult": table})
