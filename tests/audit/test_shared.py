"""What few examples share: data of which it is known who shares what."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import nn

from spurlab.audit.detect import centred
from spurlab.audit.detect.components import class_components, residuals
from spurlab.audit.detect.shared import GAP, shared, shared_components
from spurlab.audit.detect.transplant import transplant
from spurlab.data import Examples
from spurlab.models import seeded
from spurlab.seeds import rng_for

D, LABELS = 60, torch.arange(450) % 3


def normal(seed=0):
    """Classes with means of their own, a few directions that all share, and noise."""
    rng = rng_for(seed, "shared components")
    means, directions = 2 * torch.randn(3, D, generator=rng), torch.randn(4, D, generator=rng)
    latent, noise = torch.randn(450, 4, generator=rng), torch.randn(450, D, generator=rng)
    return Examples(means[LABELS] + latent @ directions + noise, LABELS)


def with_rows(data, rows, change):
    return Examples(data.inputs.index_add(0, rows, change), data.labels)


MARK = torch.zeros(D).index_fill_(0, torch.tensor([7, 8]), 18.0)


@pytest.mark.parametrize("many", [3, 10, 30])
def test_those_that_share_a_component_are_found_and_no_others(many):
    """A shift of 25 standard deviations of the noise; a gap of 10 is unusual, and noise alone stays below 4."""
    rows = (LABELS == 1).nonzero().squeeze(1)[torch.randperm(150, generator=rng_for(0, "rows"))[:many]]
    first = shared_components(with_rows(normal(), rows, MARK.expand(many, -1)))[0]
    assert (first.label, set(first.rows), first.verdict, first.twins) == (1, set(rows.tolist()), "shared by few", ())
    assert float(torch.cosine_similarity(first.component, MARK, dim=0)) > 0.85
    scores = shared(nn.Identity(), with_rows(normal(), rows, MARK.expand(many, -1)), normal(1))
    assert set(scores.topk(many).indices.tolist()) == set(rows.tolist())
    assert scores.max() == pytest.approx(first.gap)


def test_several_components_of_a_class_have_no_example_in_common():
    """Two shifts in different directions, of five examples each: the first two of the class."""
    rows = (LABELS == 1).nonzero().squeeze(1)[:10]
    other = torch.zeros(D).index_fill_(0, torch.tensor([30, 31]), 18.0)
    data = with_rows(normal(), rows, torch.cat([MARK.expand(5, -1), other.expand(5, -1)]))
    found = shared_components(data, each=3)
    assert {frozenset(one.rows) for one in found[:2]} == {frozenset(rows[:5].tolist()), frozenset(rows[5:].tolist())}
    own = [row for one in found if one.label == 1 for row in one.rows]
    assert len(own) == len(set(own))
    assert all(sum(one.label == label for one in found) <= 3 for label in range(3))
    assert found[0].rows == shared_components(data)[0].rows


def test_normal_data_share_nothing():
    """Ten data sets of three classes. The widest of 150 x 35 gaps would have to be 10 standard deviations wide."""
    found = [one for seed in range(10) for one in shared_components(normal(seed))]
    assert {one.verdict for one in found} == {"nothing unusual"}
    assert len(found) == 30
    assert max(one.gap for one in found) < GAP / 2


def test_what_varies_from_one_to_the_next_is_no_mark():
    """Fifty examples with up to 60 standard deviations of it, evenly: between neighbours there is no gap."""
    rows = (LABELS == 1).nonzero().squeeze(1)[:50]
    change = torch.linspace(0, 5, 50)[:, None] * MARK
    assert shared_components(with_rows(normal(), rows, change))[0].verdict == "nothing unusual"


def test_near_identical_examples_are_named():
    """Five copies of one odd example, but for a hundredth of the noise."""
    data, rng = normal(), rng_for(0, "twins")
    rows = (LABELS == 1).nonzero().squeeze(1)[:5]
    odd = data.inputs[rows[0]] + 4 * torch.randn(D, generator=rng)
    twins = odd + 0.01 * torch.randn(5, D, generator=rng)
    first = shared_components(with_rows(data, rows, twins - data.inputs[rows]))[0]
    assert (set(first.rows), first.gap > GAP, first.verdict) == (set(rows.tolist()), True, "near-identical examples")
    assert first.twins == first.rows[1:]


def test_the_gap_by_hand():
    """By scikit-learn and loops, for those that were found."""
    rows = (LABELS == 2).nonzero().squeeze(1)[:6]
    data = with_rows(normal(), rows, MARK.expand(6, -1))
    first = shared_components(data)[0]
    inputs, labels = data.inputs.double().numpy(), LABELS.numpy()
    pca = PCA(15, svd_solver="full").fit(inputs[labels != 2])
    rest = inputs - pca.inverse_transform(pca.transform(inputs))
    rest -= rest[labels == 2].mean(0)
    members, unit = list(first.rows), lambda vector: vector / np.linalg.norm(vector)
    within = [rest[row] @ unit(rest[[other for other in members if other != row]].mean(0)) for row in members]
    others = [rest[row] @ unit(rest[members].mean(0)) for row in np.flatnonzero(labels == 2) if row not in members]
    assert first.gap == pytest.approx((min(within) - max(others)) / np.std(others), rel=1e-3)
    assert within == sorted(within, reverse=True), "the strongest comes first"


def test_small_classes_are_left_out():
    data = normal()
    few = data[torch.cat([(LABELS == 0).nonzero().squeeze(1), (LABELS == 1).nonzero().squeeze(1)[:11]])]
    assert [one.label for one in shared_components(few)] == [0]
    assert bool(shared(nn.Identity(), few, data).isfinite().all())


@pytest.mark.parametrize("wide", [4000, 50], ids=["scatter matrix", "Gram matrix"])
def test_residuals_of_classes_are_those_of_each(wide, monkeypatch):
    """The covariance of others, as a difference, or the Gram matrix of all; and that of the others themselves."""
    data = normal()
    data = data[torch.arange(450) < 40] if wide == 50 else data  # fewer examples than numbers of each
    monkeypatch.setattr(centred, "WIDE", wide)
    monkeypatch.setattr(centred, "AT_ONCE", 7 * D)
    for one in class_components(data, 5):
        own = data.labels == one.label
        assert one.rows.equal(own.nonzero().squeeze(1))
        known = PCA(5, svd_solver="full").fit(data.inputs[~own].double().numpy())
        inputs = data.inputs[own].double().numpy()
        expected = torch.from_numpy(inputs - known.inverse_transform(known.transform(inputs))).float()
        basis = one.basis(5)
        rest = one.residuals(one.rows, basis)
        assert torch.allclose(rest, expected, atol=1e-4)
        assert torch.allclose(rest, residuals(data.inputs[own], data.inputs[~own], 5), atol=1e-3)
        less, short = rest - rest.mean(0), one.coordinates(basis)
        assert torch.allclose(short @ short.T, less @ less.T, atol=1e-3)
        assert short.shape[1] == (D if wide == 4000 else len(one.rows))
        assert torch.allclose(one.component(one.rows[:3], basis), less[:3].mean(0), atol=1e-4)
        assert torch.allclose(one.basis(2) @ one.basis(2).T, basis[:, :2] @ basis[:, :2].T, atol=1e-4)


def test_beside_one_class_there_are_no_others():
    data = normal()
    (one,) = class_components(data[LABELS == 1], 5)
    assert (one.label, one.residuals(one.rows, one.basis(5)).equal(data.inputs[LABELS == 1])) == (1, True)


def test_of_many_wide_examples_some_are_decomposed(monkeypatch):
    """Noise of a hundredth on four directions that all share: those of 60 of 450 examples explain the others' too."""
    rng = rng_for(0, "many wide")
    inputs = torch.randn(450, 4, generator=rng) @ torch.randn(4, D, generator=rng)
    data = Examples(inputs + 0.01 * torch.randn(450, D, generator=rng), LABELS)
    monkeypatch.setattr(centred, "WIDE", 50)
    for one in class_components(data, 4):
        assert len(one.taken) < 50
        assert not bool((LABELS[one.taken] == one.label).any())
        assert one.residuals(one.rows, one.basis(4)).std() == pytest.approx(0.01, rel=0.2)


def test_rankings_that_share_the_decomposition_are_the_same():
    """Made once with 150 components, or by each for itself; and progress ends with all."""
    data, network, told = normal(), seeded(lambda: nn.Linear(D, 3), 0), []
    classes = class_components(data, progress=lambda *now: told.append(now))
    assert told == [(0, 3), (1, 3), (2, 3)]
    for alone, both in zip(shared_components(data), shared_components(data, classes), strict=True):
        assert (alone.rows, alone.label) == (both.rows, both.label)
        assert alone.gap == pytest.approx(both.gap, rel=1e-3)
    together = transplant(network, data, normal(1), classes=classes, progress=lambda *now: told.append(now))
    assert torch.allclose(together, transplant(network, data, normal(1)), atol=1e-3)
    assert told[-1] == (450, 450)
