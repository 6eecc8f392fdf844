"""Newton's step against the exact minimum, and its dense Hessian against automatic differentiation."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close
from toys import same, seeded, theta_of

from spurlab.deletion import LastLayerNewton, last_layer_newton
from spurlab.deletion.last_layer_newton import last_layer_hessian
from spurlab.seeds import rng_for
from spurlab.training.losses import LOSSES


def newton(problem):
    return LastLayerNewton(problem.recipe, dampings=(0.0,), sample=None)


@pytest.mark.parametrize("count", [1, 24, 150])
@pytest.mark.parametrize("dense", [True, False])
def test_it_is_exact_for_ridge_however_many_go(ridge, count, dense, monkeypatch):
    """The loss is quadratic, so Newton's step from the minimum over all lands on the minimum over the rest."""
    if not dense:
        monkeypatch.setattr(last_layer_newton, "DENSE", 0)
    before = ridge.error(lambda model, *_: model, count)
    assert ridge.error(newton(ridge), count) < (1e-12 if dense else 1e-3 * before)


def test_its_error_falls_with_the_square_of_the_share(logistic):
    errors = [logistic.error(newton(logistic), count) for count in (2, 4, 8)]
    assert errors[2] / errors[1] == pytest.approx(4, rel=0.3)
    assert errors[1] / errors[0] == pytest.approx(4, rel=0.15)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("bias", [True, False])
def test_the_hessian_is_that_of_automatic_differentiation(loss, bias):
    head = seeded(lambda: nn.Linear(4, 3, bias=bias, dtype=torch.float64))
    x = torch.randn(6, 4, generator=rng_for(0, "test", "newton"), dtype=torch.float64)
    labels = torch.tensor([0, 1, 2, 0, 1, 1])

    def objective(theta):
        shift = theta[12:] if bias else 0
        return LOSSES[loss](x @ theta[:12].view(3, 4).T + shift, labels).mean()

    wanted = torch.func.jacrev(torch.func.jacrev(objective))(theta_of(head))
    assert_close(last_layer_hessian(head, x, labels, LOSSES[loss]), wanted)


def test_the_last_layer_alone_moves(model, data, forget, recipe):
    after = LastLayerNewton(recipe)(model, data, forget)
    assert same(after[0], model[0])
    assert not after[2].weight.equal(model[2].weight)


def test_it_raises_the_loss_on_what_is_forgotten(model, data, forget, recipe):
    after = LastLayerNewton(recipe)(model, data, forget)
    losses = [LOSSES["ce"](net(data.inputs[forget]), data.labels[forget]).mean() for net in (model, after)]
    assert losses[1] > losses[0]


def test_it_wants_a_linear_layer_at_the_end(data, forget, recipe):
    with pytest.raises(ValueError, match=r"must be an nn\.Linear"):
        LastLayerNewton(recipe)(nn.Sequential(nn.Linear(2, 3), nn.ReLU()), data, forget)


def test_a_hessian_that_is_not_positive_is_an_error(ridge):
    with pytest.raises(FloatingPointError, match="damping -10 is not positive"):
        LastLayerNewton(ridge.recipe, dampings=(-10.05,))(ridge.model, ridge.data, ridge.forget(3))
