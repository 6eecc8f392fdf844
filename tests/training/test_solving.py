"""Minima by L-BFGS against closed forms, scikit-learn and first principles."""

import logging

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from spurlab.data import Examples
from spurlab.methods.attempt import retraining_seconds
from spurlab.models import mlp, seeded
from spurlab.patterns import Planted
from spurlab.seeds import rng_for
from spurlab.training import Member, Recipe, fit, train_group
from spurlab.training.losses import LOSSES
from spurlab.training.solving import solve

N, D, K = 120, 7, 3
RECIPE = Recipe(optimizer="lbfgs", epochs=20, milestones=(), weight_decay=0.01)


@pytest.fixture(scope="module")
def examples():
    rng = rng_for(0, "test", "solving")
    labels = torch.randint(K, (N,), generator=rng)
    return Examples(torch.randn(N, D, generator=rng) + 0.5 * nn.functional.one_hot(labels, D).float(), labels)


def linear(hidden=(), seed=0):
    return seeded(lambda: mlp((D,), K, hidden), seed)


def solved(examples, recipe, model=None):
    model = linear() if model is None else model
    losses = solve(model, examples, recipe, "cpu", lambda: None)
    return model, losses


def with_ones(examples):
    return torch.cat([examples.inputs.double(), torch.ones(len(examples), 1, dtype=torch.float64)], 1)


def test_squared_error_gives_ridge_regression(examples):
    """(2 / N k) X'(X W - Y) + decay W = 0, with the bias among the weights: a linear system."""
    model, losses = solved(examples, RECIPE.but(loss="mse"))
    x, y = with_ones(examples), nn.functional.one_hot(examples.labels, K).double()
    wanted = torch.linalg.solve(
        x.T @ x * 2 / (N * K) + 0.01 * torch.eye(D + 1, dtype=torch.float64), x.T @ y * 2 / (N * K)
    )
    assert_close(torch.cat([model[1].weight.T, model[1].bias.unsqueeze(0)]).double(), wanted, rtol=1e-6, atol=1e-6)
    assert losses[-1].item() == pytest.approx((x @ wanted - y).square().mean().item(), abs=1e-6)


def test_cross_entropy_gives_the_weights_of_scikit_learn(examples):
    """Its C is 1 / (N decay), of a loss that is summed; the bias comes as a feature, since it penalizes none."""
    from sklearn.linear_model import LogisticRegression

    model, _ = solved(examples, RECIPE)
    theirs = LogisticRegression(C=1 / (N * 0.01), fit_intercept=False, tol=1e-12, max_iter=100_000)
    theirs.fit(with_ones(examples).numpy(), examples.labels.numpy())
    ours = torch.cat([model[1].weight, model[1].bias.unsqueeze(1)], 1)
    assert_close(ours.double(), torch.from_numpy(theirs.coef_), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("loss", ["ce", "mse", "kld"])
def test_the_gradient_vanishes_and_every_start_ends_there(loss, examples):
    """By autograd on the rounded weights: to float32, in which they are given back."""
    ends = []
    for seed in range(2):
        model, _ = solved(examples, RECIPE.but(loss=loss), linear(seed=seed))
        ends.append(torch.cat([weight.detach().flatten() for weight in model.parameters()]))
        penalty = sum(weight.square().sum() for weight in model.parameters())
        (LOSSES[loss](model(examples.inputs), examples.labels).mean() + 0.005 * penalty).backward()
        assert max(weight.grad.norm().item() for weight in model.parameters()) < 1e-6
    assert_close(ends[0], ends[1], rtol=1e-5, atol=1e-6)


def test_what_is_not_solved_is_said(examples, caplog):
    """Columns of scales from 1 to 10^6 and hardly any penalty take more than one epoch of iterations."""
    steep = Examples(examples.inputs * 10 ** torch.linspace(0, 6, D), examples.labels)
    with caplog.at_level(logging.WARNING):
        solved(steep, RECIPE.but(weight_decay=1e-12, epochs=1))
    assert "not solved: the gradient has the norm" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        solved(examples, RECIPE)
    assert not caplog.text


def test_without_decay_least_squares_moves_the_start_no_further_than_it_must():
    """Fewer examples than inputs: the residual vanishes, and what no input shows stays as it was."""
    few = Examples(torch.eye(3, D), torch.tensor([0, 1, 2]))
    model, losses = solved(few, RECIPE.but(weight_decay=0.0, loss="mse"))
    assert losses[-1].item() < 1e-12
    assert model[1].weight[:, 3:].equal(linear()[1].weight[:, 3:])


@pytest.mark.parametrize(
    "model",
    [linear((4,)), nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(D, K)), nn.Linear(D, K)],
    ids=["two layers", "dropout", "no flatten"],
)
def test_other_networks_are_refused(model, examples):
    with pytest.raises(ValueError, match="'lbfgs' solves for the weights of one linear layer"):
        solved(examples, RECIPE, model)


@pytest.mark.parametrize(
    "changes", [{"augmentation": "flip"}, {"input_noise": 0.1}, {"clip_norm": 1.0}, {"precision": "bfloat16"}]
)
def test_what_it_cannot_do_is_refused(changes):
    with pytest.raises(ValueError, match="'lbfgs' takes all examples at once"):
        RECIPE.but(**changes)


def test_retraining_is_timed_as_a_whole(examples):
    seconds = retraining_seconds(linear(), Member(Planted.none(examples), 0), RECIPE)
    assert 0 < seconds < 60


def test_fit_trains_members_one_at_a_time_whatever_it_is_asked(examples):
    """Each on its own marked examples; lockstep is refused."""
    rows = torch.arange(5)
    members = [Member(Planted.none(examples), 0), Member(Planted(examples, rows, examples.inputs[rows] + 3), 1)]
    ensemble = fit("logistic", members, RECIPE, classes=K, workers=0)
    for i, member in enumerate(members):
        model, losses = solved(member.data.materialize(), RECIPE)
        assert_close(ensemble.member(i)[1].weight, model[1].weight, rtol=1e-5, atol=1e-6)
        assert ensemble.trained.losses[i, -1].item() == pytest.approx(losses[-1].item(), abs=1e-6)
    with pytest.raises(ValueError, match="take the engine 'plain' or 'auto'"):
        fit("logistic", members, RECIPE, classes=K, workers=0, engine="lockstep")
    with pytest.raises(ValueError, match="'lbfgs' solves for the weights of one linear layer"):
        fit("small-mlp", members, RECIPE, classes=K, workers=1)  # before any worker starts
    with pytest.raises(ValueError, match="'lbfgs' makes no steps of batches"):
        train_group(lambda _: linear(), members, RECIPE)
