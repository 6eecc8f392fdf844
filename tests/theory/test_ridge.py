"""Kernel ridge against weights that were solved for in a space with the mark in it."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spurlab.seeds import rng_for
from spurlab.theory import predict_ridge, shift_ridge

pytestmark = pytest.mark.usefixtures("one_thread")


def problem(n, d, count, outputs=(), seed=0):
    """Features, labels, and which of the n examples are marked."""
    rng = rng_for(seed, "test", "ridge")
    features, labels = (torch.randn(n, *shape, generator=rng, dtype=torch.float64) for shape in ((d,), outputs))
    return features, labels, torch.randperm(n, generator=rng) < count


def solved_twice(features, labels, marked, norm, ridge, at):
    """Predictions at `at` with and without the mark, from the weights: the mark is one more coordinate."""
    n, d = features.shape
    seen = torch.cat([features, norm * marked.double().unsqueeze(1)], dim=1)
    if ridge > 0:
        weights = torch.linalg.solve(
            seen.T @ seen / n + ridge * torch.eye(d + 1, dtype=torch.float64), seen.T @ labels / n
        )
    else:
        weights = torch.linalg.pinv(seen, rtol=1e-11) @ labels  # the least squares solution of least norm
    clean, pulled = (torch.cat([at, torch.full((len(at), 1), each, dtype=torch.float64)], dim=1) for each in (0, norm))
    return clean @ weights, pulled @ weights


@pytest.mark.parametrize("ridge", [1e-3, 0.1, 10.0])
@pytest.mark.parametrize("outputs", [(), (3,), (2, 2)])
@pytest.mark.parametrize("count", [1, 4])
def test_shift_equals_ridge_solved_for_its_weights(count, outputs, ridge):
    features, labels, marked = problem(30, 5, count, outputs)
    clean, pulled = solved_twice(features, labels.flatten(1) if outputs else labels, marked, 1.7, ridge, features[:3])
    got = shift_ridge(features @ features.T, labels, marked, norm=1.7, ridge=ridge)
    assert got.shape == outputs
    for row in pulled - clean:  # one shift for all inputs
        torch.testing.assert_close(got.flatten(), row.flatten(), rtol=1e-10, atol=1e-12)
    assert got.abs().max() > 1e-3  # there is something to compare


@given(st.integers(0, 10**6), st.floats(0.01, 100), st.floats(1e-3, 100), st.integers(1, 12))
@settings(deadline=None, max_examples=50)
def test_shift_equals_ridge_solved_for_its_weights_at_any_setting(seed, norm, ridge, count):
    features, labels, marked = problem(12, 4, count, seed=seed)
    clean, pulled = solved_twice(features, labels, marked, norm, ridge, features[:1])
    got = shift_ridge(features @ features.T, labels, marked, norm, ridge)
    torch.testing.assert_close(got, (pulled - clean)[0], rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize(
    ("n", "d", "what"), [(12, 20, "K is invertible"), (30, 5, "the core leaves something unexplained")]
)
def test_without_ridge_it_is_the_solution_of_least_norm(n, d, what):
    features, labels, marked = problem(n, d, 3, (2,))
    clean, pulled = solved_twice(features, labels, marked, 1.3, 0.0, features[:2])
    got = shift_ridge(features @ features.T, labels, marked, norm=1.3)
    torch.testing.assert_close(got.expand(2, 2), pulled - clean, rtol=1e-9, atol=1e-10)
    assert (got.abs() > 1e-3).all()


def test_without_ridge_and_marked_examples_in_the_range_of_a_singular_kernel():
    """The last example is its own dimension, two others are twins: K is singular, but maps to 1_S."""
    features, labels, _ = problem(4, 5, 0)
    features[:, -1], features[-1], features[1] = 0, torch.tensor([0.0, 0, 0, 0, 2]), features[0]
    marked = torch.tensor([False, False, False, True])
    clean, pulled = solved_twice(features, labels, marked, 1.3, 0.0, features[:1])
    got = shift_ridge(features @ features.T, labels, marked, norm=1.3)
    assert got.item() == pytest.approx((pulled - clean).item(), rel=1e-10)
    assert got.item() == pytest.approx(1.3**2 * labels[3].item() / (4 + 1.3**2), rel=1e-10)  # by hand


def test_the_limit_of_small_ridge_is_continuous():
    """The error is of the order of the ridge: a tenth of the ridge, a tenth of the error."""
    features, labels, marked = problem(30, 5, 3)
    kernel, limit = features @ features.T, None
    limit = shift_ridge(kernel, labels, marked, norm=1.3)
    errors = [abs(shift_ridge(kernel, labels, marked, 1.3, ridge) - limit).item() for ridge in (1e-4, 1e-5, 1e-6)]
    assert 0 < errors[2] < 1e-5
    assert [errors[0] / errors[1], errors[1] / errors[2]] == pytest.approx([10, 10], rel=0.01)


@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_nobody_marked_moves_nothing(ridge):
    features, labels, marked = problem(12, 20, 0)
    assert shift_ridge(features @ features.T, labels, marked, norm=2.0, ridge=ridge).item() == 0


@pytest.mark.parametrize(("n", "d", "ridge"), [(30, 5, 0.2), (12, 20, 0.0), (30, 5, 0.0)])
def test_predictions_equal_those_of_the_weights(n, d, ridge):
    features, labels, marked = problem(n, d, 0, (2,))
    at = problem(4, d, 0, seed=1)[0]
    wanted, _ = solved_twice(features, labels, marked, 1.0, ridge, at)
    got = predict_ridge(features @ features.T, labels, at @ features.T, ridge)
    torch.testing.assert_close(got, wanted, rtol=1e-9, atol=1e-10)


def test_float32_kernels_are_solved_in_float64():
    features, labels, marked = (each.float() if each.is_floating_point() else each for each in problem(30, 5, 3))
    kernel = features @ features.T
    kernel = (kernel + kernel.T) / 2
    got = shift_ridge(kernel, labels, marked, 1.3, 0.1)
    assert got.dtype == torch.float64
    assert got.item() == shift_ridge(kernel.double(), labels.double(), marked, 1.3, 0.1).item()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"norm": 0.0}, "`norm` must be finite and above 0"),
        ({"norm": float("nan")}, "`norm`"),
        ({"ridge": -0.1}, "`ridge` must be finite and 0 or more"),
        ({"kernel": torch.tensor([[1.0, 0.0], [0.5, 1.0]])}, "symmetric"),
        ({"kernel": -torch.eye(2)}, "negative eigenvalue"),
        ({"kernel": torch.diag(torch.tensor([1.0, -1.0])), "ridge": 0.1}, "negative eigenvalue"),
        ({"kernel": torch.full((2, 2), float("inf"))}, "`kernel` has numbers that are not finite"),
        ({"labels": torch.tensor([1.0, float("nan")])}, "`labels` has numbers that are not finite"),
    ],
)
def test_what_has_no_solution_is_refused(changes, words):
    good = {"kernel": torch.eye(2), "labels": torch.ones(2), "marked": torch.tensor([True, False]), "norm": 1.0}
    with pytest.raises(ValueError, match=words):
        shift_ridge(**{**good, **changes})
