"""Group influence against the exact minimum without the group; the public code against what it comes to."""

import dataclasses

import pytest
import torch
from torch import nn
from torch.testing import assert_close
from toys import seeded, theta_of

from spurlab.data import Examples
from spurlab.deletion import ByConjugateGradient, ByLissa, GroupInfluence, ReferenceInfluence, SecondOrderInfluence
from spurlab.deletion.problem import Problem
from spurlab.training import RECIPES, Recipe

EXACT = ByConjugateGradient(sample=None, steps=100, tolerance=1e-13)


def alike(count, gone):
    """A network, inputs that are all alike, and which are forgotten.

    The Hessian of cross-entropy does not see the labels, so each example has the same.
    """
    data = Examples(torch.tensor([[1.0, 2.0]]).repeat(count, 1), torch.arange(count) % 2)
    return seeded(lambda: nn.Linear(2, 2)), data, torch.arange(count) < gone


def exactly(method, problem, curvature="gauss-newton"):
    return method(problem.recipe, dampings=(0.0,), inverse=EXACT, curvature=curvature)


@pytest.mark.parametrize("name", ["ridge", "logistic"])
@pytest.mark.parametrize("curvature", ["gauss-newton", "hessian"])
def test_the_error_falls_with_the_square_of_the_share(name, curvature, request):
    """What is left is of second order in the share: half the copies, a quarter of the error."""
    problem = request.getfixturevalue(name)
    method = exactly(GroupInfluence, problem, curvature)
    errors = [problem.error(method, count) for count in (6, 12, 24)]
    nothing_done = [problem.error(lambda model, *_: model, count) for count in (6, 12, 24)]
    assert errors[2] / errors[1] == pytest.approx(4, rel=0.25)
    assert errors[1] / errors[0] == pytest.approx(4, rel=0.15)
    assert all(error < 0.2 * before for error, before in zip(errors, nothing_done, strict=True))


def test_second_order_leaves_an_error_of_third_order(ridge):
    """On a quadratic loss nothing else is left out."""
    errors = [ridge.error(exactly(SecondOrderInfluence, ridge), count) for count in (6, 12, 24)]
    assert errors[2] / errors[1] == pytest.approx(8, rel=0.25)
    assert errors[1] / errors[0] == pytest.approx(8, rel=0.15)
    assert errors[2] < 0.3 * ridge.error(exactly(GroupInfluence, ridge), 24)


def test_the_equation_of_second_order(logistic):
    """Theorem 1 of Basu et al. with dense matrices, with damping."""
    forget, damping = logistic.forget(24), 0.3
    theta = theta_of(logistic.model)
    eye, p, n = torch.eye(len(theta), dtype=torch.float64), 24 / 300, 300
    h_all, h_group = (logistic.dense(theta, rows) + damping * eye for rows in (forget | True, forget))
    first = -torch.linalg.solve(h_all, 24 * logistic.slope(theta, forget)) / n / (1 - p)
    second = p / (1 - p) * (eye - torch.linalg.solve(h_all, h_group)) @ first
    method = dataclasses.replace(exactly(SecondOrderInfluence, logistic), dampings=(damping,))
    after = theta_of(method(logistic.model, logistic.data, forget))
    assert_close(after, theta - first + second, rtol=0, atol=1e-10)


@pytest.mark.parametrize("sample", [None, 5])
def test_a_sample_stands_for_the_retained_and_the_group_is_whole(sample):
    """Retained inputs that are all alike: five of them say what all 80 say, if the group keeps its true share. (The
    curvature of cross-entropy does not see the labels, which differ.) The step is that of dense matrices."""
    inputs = torch.cat([torch.tensor([[1.0, 2.0]]).expand(80, 2), torch.tensor([[3.0, -1.0]]).expand(20, 2)])
    data, forget = Examples(inputs, torch.arange(100) % 2), torch.arange(100) >= 80
    model = seeded(lambda: nn.Linear(2, 2))
    theta = theta_of(model)

    def loss(theta, rows):
        logits = inputs[rows] @ theta[:4].view(2, 2).T + theta[4:]
        return nn.functional.cross_entropy(logits, data.labels[rows]) + 0.05 * theta.square().sum()

    dense = torch.func.jacrev(torch.func.jacrev(loss))(theta, forget | True)
    step = torch.linalg.solve(dense, 0.2 * torch.func.jacrev(loss)(theta, forget))
    method = GroupInfluence(Recipe(weight_decay=0.1), dampings=(0.0,), inverse=ByConjugateGradient(sample, 50, 1e-7))
    assert_close(theta_of(method(model, data, forget)) - theta, step, rtol=1e-4, atol=1e-5)


def test_lissa_arrives_where_conjugate_gradient_does():
    """Inputs that are all alike give each batch the same curvature: no noise is left, so both solve one system."""
    ways = ByConjugateGradient(tolerance=1e-7), ByLissa(batch_size=4, depth=200)
    by_cg, by_lissa = (
        GroupInfluence(Recipe(weight_decay=0.2), dampings=(0.1,), inverse=inverse)(*alike(60, 5)) for inverse in ways
    )
    assert_close(by_lissa.state_dict(), by_cg.state_dict())


def test_the_smallest_damping_that_retained_data_can_bear_is_taken(model, data, forget, recipe):
    """Few examples hardly move the network: the last is taken. With half of a class it costs the rest .07 nats."""

    def after(dampings, forget):
        return theta_of(GroupInfluence(recipe, dampings=dampings)(model, data, forget))

    few, half = forget, (data.labels == 0) & (torch.arange(90) < 45)
    assert after((10.0, 1.0, 0.1), few).equal(after((0.1,), few))
    assert not after((10.0,), few).equal(after((0.1,), few))
    assert after((10.0, 0.001), half).equal(after((10.0,), half))
    assert not after((0.001,), half).equal(after((10.0,), half))


def test_lissa_of_no_gradient_is_no_step(model, data, forget, recipe):
    """Examples that are fitted to the last bit: there is no direction in which to look for the scale."""
    problem = Problem(model, data[~forget], data[forget], recipe, "gauss-newton", 0)
    nothing = torch.zeros(2 * 8 + 8 + 8 * 3 + 3)
    assert ByLissa()(problem, nothing, 0.01).equal(nothing)


def test_lissa_of_a_gradient_whose_square_underflows_is_as_small(model, data, forget, recipe):
    """It is linear in the gradient, and a power of two rounds nothing: the same step, 2 ** -100 times."""
    problem = Problem(model, data[~forget], data[forget], recipe, "gauss-newton", 0)
    gradient = problem.gradient
    few = ByLissa(depth=20)
    assert few(problem, gradient * 2.0**-100, 0.1).equal(few(problem, gradient, 0.1) * 2.0**-100)


def test_a_recursion_that_diverges_is_an_error(model, data, forget, recipe):
    hot = GroupInfluence(recipe, dampings=(0.01,), inverse=ByLissa(scale=1e-3, depth=200))
    with pytest.raises(FloatingPointError, match=r"LiSSA at scale 0\.001 did not converge.*raise it"):
        hot(model, data, forget)


@pytest.mark.parametrize(("scale", "factor"), [(25.0, 2.5), (100.0, 10.0)])
def test_the_public_codes_step_is_wrong_by_scale_over_repetitions(scale, factor):
    """Against the right one at the damping that it has in effect, scale times 0.01; its 1 / (1 - p) is no error."""
    model, data, forget = alike(40, 4)
    wrong = ReferenceInfluence(scale=scale, depth=1_000)(model, data, forget)
    damping, solver = 0.01 * scale, ByConjugateGradient(tolerance=1e-7)
    right = GroupInfluence(RECIPES["paper"], dampings=(damping,), inverse=solver)(model, data, forget)
    step = (theta_of(right) - theta_of(model)) / (1 - 4 / 40)
    assert_close(theta_of(wrong) - theta_of(model), factor * step, rtol=1e-3, atol=1e-5)


def test_draws_for_each_change_the_noise_alone():
    """And here there is none."""
    one, other = (ReferenceInfluence(depth=50, draws=draws)(*alike(40, 4)) for draws in ("shared", "each"))
    assert_close(other.state_dict(), one.state_dict())


def test_the_public_codes_recursion_by_hand():
    """One product: h_1 = v + 0.99 v - H v / 25, over 10, 36 retained, with H written out."""
    model, data, forget = alike(40, 4)
    after = ReferenceInfluence(scale=25.0, depth=1)(model, data, forget)
    phi = torch.tensor([1.0, 2.0, 1.0])
    p = model(data.inputs[0]).softmax(0).detach()
    v = torch.outer(4 * p - torch.tensor([2.0, 2.0]), phi)  # two of each class are forgotten
    curved = torch.outer((p.diag() - p.outer(p)) @ (v @ phi), phi)
    step = (1.99 * v - curved / 25) / 10 / 36
    assert_close(after.weight, model.weight + step[:, :2])
    assert_close(after.bias, model.bias + step[:, 2])
