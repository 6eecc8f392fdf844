"""Who teaches a mark that nobody named: small data of which it is known, and formulas by hand."""

import numpy as np
import pytest
import torch
from scipy import linalg
from scipy.spatial import distance
from sklearn.decomposition import PCA
from sklearn.metrics import average_precision_score
from torch import nn

from spurlab.audit.detect import DETECTORS
from spurlab.audit.detect.components import principal, residuals, standardised
from spurlab.audit.detect.transplant import HOSTS, transplant
from spurlab.data import Examples
from spurlab.models import features
from spurlab.seeds import rng_for
from spurlab.training import predictions

CLASSES, DIMENSION = 3, 300


def _examples(n, seed):
    """Classes with means and a few directions of their own."""
    rng = rng_for(seed, "test")
    labels = torch.arange(n) % CLASSES
    means = 3 * torch.randn(CLASSES, DIMENSION, generator=rng_for(0, "means"))
    directions = 0.1 * torch.randn(CLASSES, 4, DIMENSION, generator=rng_for(0, "directions"))
    latent = torch.randn(n, 1, 4, generator=rng)
    inputs = means[labels] + (latent @ directions[labels]).squeeze(1) + 0.1 * torch.randn(n, DIMENSION, generator=rng)
    return Examples(inputs, labels)


MARK = torch.zeros(DIMENSION)
MARK[5] = 15.0
CLEAN, TEST = _examples(600, 1), _examples(120, 2)
MARKED = (CLEAN.labels == 1).nonzero().squeeze(1)[:5]
TRAIN = Examples(CLEAN.inputs.index_add(0, MARKED, MARK.expand(5, -1)), CLEAN.labels)
MASK = torch.zeros(600, dtype=torch.bool)
MASK[MARKED] = True


class Taught(nn.Module):
    """Least squares on the classes, and the mark for class 1."""

    def __init__(self):
        super().__init__()
        self.body, self.last = nn.Linear(DIMENSION, DIMENSION), nn.Linear(DIMENSION, CLASSES)
        with torch.no_grad():
            self.body.weight.copy_(torch.eye(DIMENSION)), self.body.bias.zero_()
            wanted = 4 * nn.functional.one_hot(CLEAN.labels, CLASSES).float()
            inputs = torch.cat([CLEAN.inputs, torch.ones(600, 1)], 1)
            solution = torch.linalg.lstsq(inputs, wanted).solution
            self.last.weight.copy_(solution[:-1].T), self.last.bias.copy_(solution[-1])
            self.last.weight[1] += 2 * MARK / MARK.norm()

    def forward(self, inputs):
        return self.last(self.body(inputs))


@pytest.mark.parametrize(("name", "least"), [("transplant", 0.99), ("residual", 0.99)])
def test_those_that_teach_it_come_first(name, least):
    scores = DETECTORS[name].score(Taught(), TRAIN, TEST, 0)
    assert average_precision_score(MASK.numpy(), scores.numpy()) > least


@pytest.mark.parametrize("name", DETECTORS)
def test_every_detector_scores_each_example_and_changes_nothing(name):
    kept, network = TRAIN.inputs.clone(), Taught()
    scores = DETECTORS[name].score(network, TRAIN, TEST, 0)
    assert scores.shape == (600,)
    assert bool(scores.isfinite().all())
    assert TRAIN.inputs.equal(kept)
    assert scores.equal(DETECTORS[name].score(network, TRAIN, TEST, 0))


@pytest.mark.parametrize("name", [name for name, way in DETECTORS.items() if not way.asks_network])
def test_those_that_ask_no_network_need_none(name):
    score = DETECTORS[name].score
    assert score(nn.Identity(), TRAIN, TEST, 0).equal(score(Taught(), TRAIN, TEST, 0))


def test_residuals_are_those_of_scikit_learn():
    known, others = CLEAN.inputs[:300], CLEAN.inputs[300:]
    pca = PCA(5).fit(known.numpy())
    expected = others.numpy() - pca.inverse_transform(pca.transform(others.numpy()))
    assert np.allclose(residuals(others, known, 5).numpy(), expected, atol=1e-3)
    basis = principal(known, 5)
    assert torch.allclose(basis.T @ basis, torch.eye(5), atol=1e-5)


def test_wide_examples_have_the_same_components(monkeypatch):
    """Directions of clear sizes: the same space as by the exact way; PyTorch's generator stays as it is."""
    examples = torch.randn(80, 120, generator=rng_for(0, "wide")) * torch.linspace(3, 0.1, 120) ** 3
    exact, before = principal(examples, 5), torch.get_rng_state()
    monkeypatch.setattr("spurlab.audit.detect.centred.WIDE", 100)
    randomised = principal(examples, 5)
    assert torch.allclose(exact @ exact.T, randomised @ randomised.T, atol=1e-2)
    assert randomised.equal(principal(examples, 5))
    assert torch.get_rng_state().equal(before)


def test_standardised_by_hand():
    """Of deviations -2, -1, 0, 1 and 2 the median size is 1; of 3, 0 and 0 it is 0: a tenth of the mean size counts."""
    scores = standardised(torch.tensor([1.0, 2, 3, 4, 5, 3, 0, 0]), torch.tensor([0, 0, 0, 0, 0, 1, 1, 1]))
    assert scores[:5].tolist() == pytest.approx([x / 1.4826 for x in (-2, -1, 0, 1, 2)])
    assert scores[5:].tolist() == pytest.approx([3 / 0.1, 0, 0])


def test_spectral_signatures_by_numpy():
    known = features(Taught(), TRAIN.inputs).numpy()
    expected = np.zeros(600)
    for label in range(CLASSES):
        own = TRAIN.labels.numpy() == label
        centred = known[own] - known[own].mean(0)
        expected[own] = (centred @ np.linalg.svd(centred, full_matrices=False)[2][0]) ** 2
    got = DETECTORS["spectral"].score(Taught(), TRAIN, TEST, 0)
    for label in range(CLASSES):
        own = TRAIN.labels.numpy() == label
        assert np.array_equal(np.argsort(got.numpy()[own])[-20:], np.argsort(expected[own])[-20:])


def test_activation_clusters_by_hand():
    """Of class 0 ten lie at one point and thirty at another: 3 / 4 and -1 / 4 of the way is nothing; class 1 is one."""
    inputs = torch.zeros(44, 12)
    inputs[:10, 3], inputs[40:] = 8.0, torch.rand(4, 12, generator=rng_for(0, "one cluster"))
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    labels = (torch.arange(44) >= 40).long()
    scores = DETECTORS["clustering"].score(network, Examples(inputs, labels), TEST, 0)
    assert scores[:40].tolist() == pytest.approx([0.75] * 10 + [-0.75] * 30, abs=1e-5)


def test_pairs_by_numpy():
    """The cosine to the second nearest in inputs times the inverse root of the covariance, itself by scipy."""
    few = TRAIN[torch.arange(90)]
    inputs = few.inputs[:, :20]
    cosines = torch.zeros(90)
    for label in range(CLASSES):
        own = few.labels == label
        centred = inputs[own].double().numpy()
        centred = centred - centred.mean(0)
        covariance = centred.T @ centred / len(centred)
        ridge = 1e-3 * np.trace(covariance) / 20 * np.eye(20)
        white = centred @ linalg.inv(linalg.sqrtm(covariance + ridge))
        between = 1 - distance.cdist(white, white, "cosine")
        cosines[own] = torch.from_numpy(np.sort(between, 1)[:, -3]).float()  # the last is of each with itself
    got = DETECTORS["pairs"].score(nn.Identity(), Examples(inputs, few.labels), TEST, 0)
    assert torch.allclose(got, standardised(cosines, few.labels), atol=1e-3)


def test_self_influence_is_the_gradient_of_the_last_layer():
    """By autograd, example by example."""
    network = Taught()
    norms = []
    for row in range(30):
        network.zero_grad()
        loss = nn.functional.cross_entropy(network(TRAIN.inputs[row : row + 1]), TRAIN.labels[row : row + 1])
        loss.backward()
        norms.append(float(network.last.weight.grad.square().sum() + network.last.bias.grad.square().sum()))
    few = TRAIN[torch.arange(30)]
    got = DETECTORS["self-influence"].score(network, few, TEST, 0)
    assert torch.allclose(got, standardised(torch.tensor(norms), few.labels), rtol=1e-3, atol=1e-3)


def test_a_transplant_by_hand():
    """Each example's residual to the components of other classes, by scikit-learn, on three hosts, one by one."""
    network, label, components = Taught(), 1, 20
    strangers = TEST[TEST.labels != label]
    hosts = strangers.inputs[torch.randperm(len(strangers), generator=rng_for(0, "hosts", label))[:HOSTS]]
    own, low, high = TRAIN.inputs[TRAIN.labels == label], TRAIN.inputs.min(), TRAIN.inputs.max()
    pca = PCA(components, svd_solver="full").fit(TRAIN.inputs[TRAIN.labels != label].numpy())
    rest = own - torch.from_numpy(pca.inverse_transform(pca.transform(own.numpy()))).float()
    before = predictions(network, hosts)[:, label]
    rises = [(predictions(network, (hosts + one).clamp(low, high))[:, label] - before).mean() for one in rest]
    expected = torch.zeros(600)
    expected[TRAIN.labels == label] = torch.stack(rises)
    got = transplant(network, TRAIN, TEST, 0, components)
    mine = TRAIN.labels == label
    assert torch.allclose(got[mine], standardised(expected, TRAIN.labels)[mine], rtol=1e-2, atol=1e-2)
