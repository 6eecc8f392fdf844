"""AFR's weights by hand, its optimum against other solvers."""

import logging
import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression
from torch.testing import assert_close
from toys import linear

from spurlab.data import Examples
from spurlab.methods import Linear, last_linear
from spurlab.models import features
from spurlab.prevention import Afr, afr_weights
from spurlab.prevention.last_layer import WeightedLoss
from spurlab.seeds import rng_for


@pytest.fixture
def problem():
    """40 examples of 3 features in 3 classes that overlap, positive weights, and a layer to start from."""
    rng = rng_for(0, "test", "afr")
    phi = torch.randn(40, 3, generator=rng, dtype=torch.float64)
    labels, weights = torch.randint(3, (40,), generator=rng), torch.rand(40, generator=rng, dtype=torch.float64)
    start = Linear(torch.randn(3, 3, generator=rng, dtype=torch.float64), torch.randn(3, generator=rng).double())
    return phi, labels, weights / weights.sum(), start


def objective(theta, phi, labels, weights, start, penalty):
    """Written out one example at a time."""
    total = 0.0
    theta = theta.reshape(3, 4)
    for x, label, weight in zip(phi.numpy(), labels.tolist(), weights.tolist(), strict=True):
        logits = theta[:, :3] @ x + theta[:, 3]
        total += weight * (math.log(np.exp(logits).sum()) - logits[label])
    return total + penalty * ((theta - columns(start).numpy()) ** 2).sum()


def columns(layer):
    """The weights, and the biases as a last column."""
    return torch.cat([layer.weight, layer.bias.unsqueeze(1)], 1)


def test_the_weights_by_hand():
    """Logits (log 3, 0) say 3/4 of class 0; classes of one, and of two examples."""
    data = Examples(torch.tensor([[1.0], [1.0], [0.0]]), torch.tensor([0, 1, 1]))
    p, weights = afr_weights(linear([[math.log(3)], [0.0]], [0.0, 0.0]), data, gamma=2.0)
    assert p.tolist() == pytest.approx([0.75, 0.25, 0.5])
    raw = [math.exp(-1.5), math.exp(-0.5) / 2, math.exp(-1.0) / 2]
    assert weights.tolist() == pytest.approx([weight / sum(raw) for weight in raw])


def test_the_optimum_is_that_of_another_solver(problem):
    """scipy's BFGS, with the derivative by differences, on the objective written out."""
    ours = WeightedLoss(*problem, 0.05).optimum(tolerance=1e-9)
    other = minimize(objective, np.zeros(12), (*problem, 0.05), method="BFGS", options={"gtol": 1e-7})
    assert_close(columns(ours).numpy().ravel(), other.x, atol=1e-5, rtol=0)


def test_without_a_centre_it_is_scikit_learns_weighted_regression(problem):
    """Its penalty of half the squared weights, over C, is ours with 1 / (2 C); it has none for the bias, so there is a
    fixed feature in its place."""
    phi, labels, weights, _ = problem
    zero = Linear(torch.zeros(3, 3).double(), torch.zeros(3).double())
    ours = WeightedLoss(phi, labels, weights, zero, 0.02).optimum(tolerance=1e-9)
    fit = LogisticRegression(C=25.0, fit_intercept=False, tol=1e-10, max_iter=10_000)
    fit.fit(torch.cat([phi, torch.ones(40, 1)], 1).numpy(), labels.numpy(), sample_weight=weights.numpy())
    assert_close(columns(ours).numpy(), fit.coef_, atol=1e-4, rtol=0)


def test_the_gradient_is_that_of_automatic_differentiation_and_zero_at_the_optimum(problem):
    loss, start = WeightedLoss(*problem, 0.05), columns(problem[3])
    shift = torch.randn(3, 4, generator=rng_for(1, "test"), dtype=torch.float64)
    assert_close(loss(shift)[1], torch.func.grad(lambda theta: loss(theta)[0])(shift))
    assert loss(shift)[0].item() == pytest.approx(objective((shift + start).numpy(), *problem, 0.05))
    assert loss(columns(loss.optimum(tolerance=1e-9)) - start)[1].abs().max() < 1e-9


def test_descent_goes_to_the_same_optimum(problem):
    loss, start = WeightedLoss(*problem, 0.1), problem[3]
    *_, last = loss.descent(2000, rate=0.5)
    assert_close(last, loss.optimum(tolerance=1e-9), atol=1e-6, rtol=0)
    first, second = loss.descent(1, rate=0.5)
    assert_close(first, start)
    assert_close(second.weight, start.weight - 0.5 * loss(torch.zeros(3, 4).double())[1][:, :3])


def test_a_search_that_does_not_end_is_logged(problem, caplog):
    with caplog.at_level(logging.WARNING):
        WeightedLoss(*problem, 0.05).optimum(iterations=1)
    assert "not fitted to its end" in caplog.text


def test_the_method_is_its_weights_and_its_optimum(model, data, clean, recipe):
    """On the training data: nothing is trained, the last layer alone moves."""
    after = Afr(recipe, gamma=2.0, penalty=0.05, weights="train")(model, data, clean)
    mu = afr_weights(model, data, 2.0).weights
    wanted = WeightedLoss(features(model, data.inputs), data.labels, mu, last_linear(model), 0.05)
    assert_close(last_linear(after), wanted.optimum(), atol=1e-6, rtol=0)
    assert_close(after[0].state_dict(), model[0].state_dict(), atol=0, rtol=0)


def test_a_large_penalty_leaves_the_first_stage(model, data, clean, recipe):
    after = Afr(recipe, penalty=1e6, weights="train")(model, data, clean)
    assert_close(after(data.inputs), model(data.inputs), atol=1e-4, rtol=0)


def test_a_fifth_is_held_out_and_the_first_stage_does_not_see_it(model, data, clean, recipe):
    """Spoilt inputs of what is held out change the refit, and not the first stage."""
    method = Afr(recipe, 5)
    held = method.held_out(data)
    assert held.sum() == 24
    assert held.equal(Afr(recipe, 5, gamma=1.0).held_out(data))
    assert not held.equal(Afr(recipe, 6).held_out(data))
    spoilt = Examples(torch.where(held.unsqueeze(1), 100.0, data.inputs), data.labels)
    one, other = (method.first_stage(model, examples) for examples in (data, spoilt))
    assert one.model(data.inputs).equal(other.model(data.inputs))
    assert one.refit.inputs.equal(data.inputs[held])
    phi, mu = features(one.model, one.refit.inputs), afr_weights(one.model, one.refit, 4.0).weights
    wanted = WeightedLoss(phi, one.refit.labels, mu, last_linear(one.model), 0.1).optimum()
    assert_close(last_linear(method(model, data, clean)), wanted, atol=1e-6, rtol=0)


def test_nothing_is_held_out_of_the_training_data(model, data, recipe):
    method = Afr(recipe, weights="train")
    assert not method.held_out(data).any()
    assert method.first_stage(model, data).refit is data


def test_a_share_that_leaves_nothing_is_refused(model, data, clean, recipe):
    with pytest.raises(ValueError, match=r"a share of 0\.001 of 120 training examples leaves one part empty"):
        Afr(recipe, share=0.001)(model, data, clean)


@pytest.mark.parametrize("settings", [{"gamma": None}, {"penalty": None}, {"stop_early": True}])
def test_choosing_needs_clean_groups(model, data, clean, recipe, settings):
    method = Afr(recipe, weights="train", **settings)
    with pytest.raises(ValueError, match="AFR needs the group of each clean example"):
        method(model, data, Examples(clean.inputs, clean.labels))
    with pytest.raises(ValueError, match="AFR needs clean examples"):
        method(model, data, clean[:0])
