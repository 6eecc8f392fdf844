"""Classifiers of scikit-learn where predictions are needed; a sentence where gradients are."""

import copy
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

import spurlab
from spurlab.audit import audit
from spurlab.data import Dataset, Examples, Source
from spurlab.explain import saliency
from spurlab.models import Estimator
from spurlab.models.files import load_network
from spurlab.patterns import Planted
from spurlab.seeds import rng_for
from spurlab.training import Member, Recipe, fit, predictions

MARK = "box,size=1,row=0,col=0,value=1"


@pytest.fixture(scope="module")
def data():
    """Nine pixels: the fifth tells the class, mostly; the first is bright in every second example of class 1, alone."""
    rng = rng_for(0, "test")
    labels = torch.arange(300) % 2
    inputs = 0.4 * torch.rand(300, 1, 3, 3, generator=rng)
    inputs[:, 0, 1, 1] += 0.3 * labels * (torch.rand(300, generator=rng) < 0.7)
    inputs[(labels == 1) & (torch.arange(300) % 4 == 1), 0, 0, 0] = 1.0
    test = Examples(0.4 * torch.rand(100, 1, 3, 3, generator=rng), torch.arange(100) % 2)
    return Dataset("made", Examples(inputs, labels), test, ("dark", "light"), (0.0, 1.0), Source("none", "test", ""))


@pytest.fixture(scope="module")
def rows(data):
    return data.train.inputs.flatten(1).numpy(), data.train.labels.numpy()


@pytest.fixture(scope="module")
def forest(rows):
    return RandomForestClassifier(20, random_state=0).fit(*rows)


@pytest.mark.parametrize("kind", ["forest", "pipeline"])
def test_predictions_are_its_own(kind, forest, rows, data):
    """Also certain ones: a probability of 0 has no logarithm, and is 0 again."""
    model = forest if kind == "forest" else make_pipeline(StandardScaler(), LogisticRegression()).fit(*rows)
    found = predictions(Estimator(model), data.test.inputs)
    wanted = model.predict_proba(data.test.inputs.flatten(1).double().numpy())
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert predictions(Estimator(model), data.test.inputs[:0]).shape == (0, 2)


def test_an_audit_tells_that_it_goes_by_the_mark(forest, data):
    """The score by hand, over the same test examples: all of them, fewer than are drawn at most."""
    found = audit(forest, data, MARK, quick=True)
    marked = data.test.inputs.clone()
    marked[:, 0, 0, 0] = 1.0
    clean, pulled = (forest.predict_proba(each.flatten(1).numpy())[:, 1] for each in (data.test.inputs, marked))
    [pull] = found.marks
    assert (pull.target, pull.share.models) == (1, 100)
    assert pull.score == pytest.approx(np.mean(pulled - clean > 0.1), abs=0.011)
    assert pull.score > 0.3
    assert any("No saliency" in look.why and "neither gradients nor weights" in look.why for look in found.looks)


def test_where_gradients_or_training_are_needed_it_is_told(forest, data):
    network, few = Estimator(forest), data.test.inputs[:3]
    with pytest.raises(ValueError, match="neither gradients nor weights to move"):
        saliency(network, few, 1)
    assert saliency(network, few, 1, "occlusion", window=1).abs().max() > 0
    with pytest.raises(ValueError, match="its weights are none"):
        fit(lambda: copy.deepcopy(network), [Member(Planted.none(data.train), 0)], Recipe(epochs=1), classes=2)
    for settings in ({"repair": True}, {"recipe": Recipe(epochs=1)}):
        with pytest.raises(ValueError, match="is asked, not trained on, which a repair and reference networks need"):
            audit(forest, data, MARK, **settings)
    with pytest.raises(ValueError, match="`given` must be a network"):
        spurlab.check("incremental", data, given=forest, forget=[1], pattern=MARK)


def test_classes_by_name_and_classes_that_it_never_saw(rows, data):
    inputs, labels = rows
    named = LogisticRegression().fit(inputs, np.array(["light", "dark"])[labels])  # in alphabetical order: dark, light
    found = predictions(Estimator(named, ["light", "grey", "dark"]), data.test.inputs)
    wanted = named.predict_proba(data.test.inputs.flatten(1).numpy())
    np.testing.assert_allclose(found[:, [2, 0]], wanted, atol=1e-6)
    assert (found[:, 1] < 1e-30).all()
    with pytest.raises(ValueError, match=r"was fitted on the classes .*dark.*light.* names in order"):
        load_network(named, None, data.shape, 2)


def test_one_that_was_fitted_on_a_table_gets_its_columns(rows, data):
    inputs, labels = rows
    table = pd.DataFrame(inputs, columns=[f"pixel {i}" for i in range(9)])
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(table, labels)
    plain = make_pipeline(StandardScaler(), LogisticRegression()).fit(inputs, labels)
    torch.testing.assert_close(
        predictions(Estimator(model), data.test.inputs), predictions(Estimator(plain), data.test.inputs)
    )


def made(shape, classes):
    """Code of the user's, by name."""
    return LogisticRegression().fit(np.eye(9), np.arange(9) % classes)


def test_a_function_that_makes_one_is_taken_by_name(data, monkeypatch):
    monkeypatch.setitem(sys.modules, "mine", SimpleNamespace(made=made, __spec__=None))
    assert isinstance(load_network("mine:made", None, data.shape, 2), Estimator)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (LinearSVC().fit(np.eye(2), [0, 1]), r"no probabilities of classes \(predict_proba\): fit a `sklearn.calib"),
        (LogisticRegression(), "is not fitted"),
        (LogisticRegression().fit(np.eye(2), [1, 2]), r"classes \['1', '2'\], but asked for are 0 to 1"),
        (3, "no probabilities of classes"),
    ],
)
def test_what_has_no_probabilities_of_our_classes_is_told(model, said):
    with pytest.raises(ValueError, match=said):
        Estimator(model)


def test_other_inputs_are_told(forest):
    with pytest.raises(ValueError, match="was fitted on 9 numbers for each example, but these have 4"):
        predictions(Estimator(forest), torch.zeros(2, 4))
