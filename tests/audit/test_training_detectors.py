"""Who teaches a mark, by networks that are trained for it: few of them, again one by one."""

import pytest
import torch
from torch import nn

from spurlab.audit.detect import TRAINING_DETECTORS
from spurlab.audit.detect.aum import aum
from spurlab.audit.detect.memorisation import memorisation
from spurlab.data import Examples
from spurlab.errors import InputError
from spurlab.models import build
from spurlab.patterns import Planted
from spurlab.privacy import halves
from spurlab.seeds import rng_for, seed_for
from spurlab.training import Member, Recipe, train_one

CLASSES, N, D = 3, 60, 8
RECIPE = Recipe(epochs=3, milestones=(), batch_size=16)


def _examples(noise):
    """Three classes, of which the label of the first example is wrong."""
    labels = torch.arange(N) % CLASSES
    means = 3 * torch.eye(CLASSES, D)
    inputs = means[labels] + noise * torch.randn(N, D, generator=rng_for(0, "test"))
    return Examples(inputs, labels.index_fill(0, torch.tensor([0]), 1))


TRAIN = _examples(0.3)


def small():
    return nn.Sequential(nn.Linear(D, 16), nn.ReLU(), nn.Linear(16, CLASSES))


def test_areas_are_those_of_a_recorded_training():
    """The same training for one, two and three epochs; margins by loops."""
    area = torch.zeros(N)
    for epochs in (1, 2, 3):
        network = build("mlp", (D,), CLASSES, 5)
        train_one(network, Member(Planted.none(TRAIN), 5), RECIPE.but(epochs=epochs))
        with torch.no_grad():
            for row, (answer, label) in enumerate(zip(network.eval()(TRAIN.inputs), TRAIN.labels, strict=True)):
                others = [float(one) for place, one in enumerate(answer) if place != int(label)]
                area[row] += (float(answer[label]) - max(others)) / 3
    assert torch.allclose(aum(TRAIN, "mlp", RECIPE, classes=CLASSES, seed=5), -area, rtol=1e-4, atol=1e-4)


def test_memorisation_by_networks_one_by_one():
    """Four of them, counted by loops; classes that overlap."""
    train, learnt, networks = _examples(2.0), halves(N, 4, 0).members, 4
    right = torch.zeros(networks, N, dtype=torch.bool)
    for i in range(networks):
        seed = seed_for(0, "memorisation", i)
        network, _ = train_one(build("mlp", (D,), CLASSES, seed), Member(Planted.none(train[learnt[i]]), seed), RECIPE)
        with torch.no_grad():
            right[i] = network.eval()(train.inputs).argmax(1) == train.labels
    expected = []
    for row in range(N):
        share = {own: [float(right[i, row]) for i in range(networks) if bool(learnt[i, row]) is own]
                 for own in (True, False)}  # fmt: skip
        expected.append(sum(share[True]) / 2 - sum(share[False]) / 2)
    got = memorisation(train, "mlp", RECIPE, classes=CLASSES, networks=networks, workers=0)
    assert got.tolist() == expected
    assert len(set(expected)) > 1, "else nothing is shown"


@pytest.mark.parametrize("name", TRAINING_DETECTORS)
def test_a_wrong_label_comes_first(name):
    """Of both it is what they were made for; 40 networks of the user's own. Twenty epochs learn it by heart."""
    recipe, kept = RECIPE.but(epochs=20), TRAIN.inputs.clone()
    scores = TRAINING_DETECTORS[name].score(TRAIN, small, recipe, classes=CLASSES)
    assert scores.shape == (N,)
    assert int(scores.argmax()) == 0
    assert TRAIN.inputs.equal(kept)


@pytest.mark.parametrize("networks", [0, 3])
def test_an_odd_number_of_networks_is_refused(networks):
    with pytest.raises(InputError, match="even number of networks"):
        memorisation(TRAIN, small, RECIPE, classes=CLASSES, networks=networks)
