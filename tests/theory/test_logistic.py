"""The law of weight decay against minimized losses, in the full space with the mark as a coordinate of its own."""

import math
from itertools import pairwise

import numpy as np
import pytest
import scipy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spurlab.seeds import rng_for
from spurlab.theory import (
    count_at,
    decay_at,
    kappa,
    kappa_of_shift,
    shift_logistic,
    shift_logistic_limit,
    shift_softmax,
)
from spurlab.training import Recipe

pytestmark = pytest.mark.usefixtures("one_thread")

N, D = 60, 4
COUNT, NORM, DECAY = 5, 2.0, 0.03


def problem(count=COUNT, classes=2, seed=0):
    """Features, labels 0, 1, ..., and the rows of class 1 that are marked."""
    rng = rng_for(seed, "test", "logistic")
    features = torch.randn(N, D, generator=rng, dtype=torch.float64)
    labels = (features[:, 0] + torch.randn(N, generator=rng, dtype=torch.float64) > 0).long()
    if classes > 2:
        labels = torch.randint(classes, (N,), generator=rng)
    marked = torch.zeros(N, dtype=torch.bool)
    marked[(labels == 1).nonzero().flatten()[:count]] = True
    return features, labels, marked


def with_mark(features, marked, norm=NORM):
    return torch.cat([features, norm * marked.double().unsqueeze(1)], dim=1)


def logits_of(weights, inputs):
    """Of one column, the log-odds of class 1; of several, the logits of as many classes."""
    logits = inputs @ weights
    return torch.cat([torch.zeros_like(logits), logits], dim=1) if weights.shape[1] == 1 else logits


def minimized(inputs, labels, outputs=1, decay=DECAY):
    """Weights where the gradient of the mean loss with the penalty is 1e-10 or less, by Newton's method of SciPy."""
    x, truth = inputs.numpy(), np.eye(max(outputs, 2))[labels.numpy()]
    free = slice(-outputs, None)  # of one output, the logit of class 0 is none

    def logits(flat):
        return logits_of(torch.from_numpy(flat).view(-1, outputs), inputs).numpy()

    def loss(flat):
        each = scipy.special.logsumexp(logits(flat), axis=1) - (logits(flat) * truth).sum(axis=1)
        return each.mean() + decay / 2 * (flat**2).sum()

    def gradient(flat):
        errors = scipy.special.softmax(logits(flat), axis=1) - truth
        return (x.T @ errors[:, free] / len(x)).ravel() + decay * flat

    def hessian(flat):
        p = scipy.special.softmax(logits(flat), axis=1)[:, free]
        between = p[:, :, None] * (np.eye(p.shape[1]) - p[:, None, :])
        return np.einsum("nd,ne,nab->daeb", x, x, between).reshape(flat.size, -1) / len(x) + decay * np.eye(flat.size)

    flat = np.zeros(inputs.shape[1] * outputs)
    flat = scipy.optimize.minimize(loss, flat, jac=gradient, hess=hessian, method="trust-exact").x
    for _ in range(3):
        flat = flat - np.linalg.solve(hessian(flat), gradient(flat))
    assert np.linalg.norm(gradient(flat)) < 1e-10
    return torch.from_numpy(flat).view(-1, outputs)


def core_margins(weights, features, marked):
    """Log-odds of class 1 of marked examples, as they are without the mark."""
    logits = logits_of(weights[:D], features[marked])
    return logits[:, 1] - logits[:, 0]


@pytest.mark.parametrize("count", [1, 5, 20])
def test_the_full_problem_obeys_the_law_with_the_margins_of_its_own_core(count):
    """All weights are free: the core adapts to the mark, and enters through the margins at the joint minimum."""
    features, labels, marked = problem(count)
    weights = minimized(with_mark(features, marked), labels)
    shift = shift_logistic(kappa(count, NORM, N, DECAY), core_margins(weights, features, marked))
    assert shift == pytest.approx(NORM * weights[-1].item(), rel=1e-8)
    assert shift > 0.2


def test_a_core_that_is_held_obeys_the_law_with_the_margins_of_the_clean_model():
    """One free weight: the mark's. The rest stands where the loss without the mark is least."""
    features, labels, marked = problem()
    margins = core_margins(minimized(features, labels), features, marked)

    def loss(weight):
        return float(torch.log1p(torch.exp(-margins - NORM * weight)).sum() / N) + DECAY / 2 * weight**2

    fitted = scipy.optimize.minimize_scalar(loss, bounds=(0, 10), method="bounded", options={"xatol": 1e-9}).x
    slope = DECAY * fitted - NORM / N * torch.sigmoid(-margins - NORM * fitted).sum().item()
    curvature = DECAY + NORM**2 / N / 4
    fitted -= slope / curvature  # a minimum is found to half the digits, its derivative's zero to more
    got = shift_logistic(kappa(COUNT, NORM, N, DECAY), margins)
    assert got == pytest.approx(NORM * fitted, rel=1e-7)
    assert abs(DECAY * got / NORM - NORM / N * torch.sigmoid(-margins - got).sum().item()) < 1e-14


@pytest.mark.parametrize("seed", range(5))
def test_the_margin_of_the_clean_model_gives_a_lower_bound_for_one_marked_example(seed):
    features, labels, marked = problem(1, seed=seed)
    clean = minimized(features, labels)
    weights = minimized(with_mark(features, marked), labels)
    bound = shift_logistic(kappa(1, NORM, N, DECAY), core_margins(clean, features, marked))
    truth = NORM * weights[-1].item()
    assert bound < truth < 1.5 * bound


def test_the_clean_margins_are_the_better_the_rarer_the_mark_is():
    """Copies of all examples but one mark: the error falls as n / N does."""
    features, labels, marked = problem(1)
    clean = minimized(features, labels)
    errors = []
    for copies in (1, 10, 100):
        inputs = with_mark(features.repeat(copies, 1), torch.cat([marked, torch.zeros(N * (copies - 1)).bool()]))
        inputs[:, -1] *= math.sqrt(copies)  # the same kappa
        weights = minimized(inputs, labels.repeat(copies))
        truth = NORM * math.sqrt(copies) * weights[-1].item()
        errors.append(truth - shift_logistic(kappa(1, NORM, N, DECAY), core_margins(clean, features, marked)))
    assert errors[0] > 5 * errors[1] > 25 * errors[2] > 0


def test_decay_is_that_of_recipes():
    """PyTorch's own steps, until nothing moves: in this convention of the penalty, and no other, the law holds."""
    features, labels, marked = problem()
    inputs = with_mark(features, marked)
    weights = torch.zeros(D + 1, 1, dtype=torch.float64, requires_grad=True)
    recipe = Recipe(optimizer="sgd", learning_rate=2.0, momentum=0.8, weight_decay=DECAY)
    optimizer = recipe.optimizer_for([weights])
    for _ in range(300):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(logits_of(weights, inputs), labels).backward()
        optimizer.step()
    weights = weights.detach()
    margins = core_margins(weights, features, marked)
    for factor, right in ((1.0, True), (2.0, False), (0.5, False)):
        got = shift_logistic(kappa(COUNT, NORM, N, factor * recipe.weight_decay), margins)
        assert (got == pytest.approx(NORM * weights[-1].item(), rel=1e-6)) is right


def test_two_outputs_are_one_with_twice_the_kappa():
    features, labels, marked = problem()
    weights = minimized(with_mark(features, marked), labels, outputs=2)
    shift = NORM * (weights[-1, 1] - weights[-1, 0]).item()
    margins = core_margins(weights, features, marked)
    assert shift_logistic(kappa(COUNT, NORM, N, DECAY, classes=2), margins) == pytest.approx(shift, rel=1e-8)
    assert shift_logistic(kappa(COUNT, NORM, N, DECAY), margins) < 0.9 * shift


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_softmax_obeys_the_law_for_each_logit(classes):
    features, labels, marked = problem(classes=classes)
    weights = minimized(with_mark(features, marked), labels, outputs=classes)
    shift = shift_softmax(kappa(COUNT, NORM, N, DECAY), features[marked] @ weights[:D], target=1)
    torch.testing.assert_close(shift, NORM * weights[-1], rtol=1e-8, atol=1e-10)
    assert shift[1] > 0.3
    assert abs(shift.sum()) < 1e-12


@given(st.floats(-30, 30), st.integers(2, 6), st.floats(-20, 20))
@settings(deadline=None, max_examples=50)
def test_softmax_whose_other_classes_are_alike_has_the_shift_of_one_output(log_kappa, classes, margin):
    strength = math.exp(log_kappa)
    logits = torch.zeros(1, classes, dtype=torch.float64)
    logits[0, 0] = margin + math.log(classes - 1)
    shift = shift_softmax(strength, logits, target=0)
    wanted = shift_logistic(strength * classes / (classes - 1), torch.tensor([margin], dtype=torch.float64))
    assert (shift[0] - shift[1]).item() == pytest.approx(wanted, rel=1e-9)


@given(st.floats(-10, 25), st.integers(0, 10**6))
@settings(deadline=None, max_examples=50)
def test_softmax_solves_its_equation_at_any_kappa(log_kappa, seed):
    """In the form v / kappa, where both sides are probabilities; logits far apart and of either sign."""
    strength = math.exp(log_kappa)
    logits = 8 * torch.randn(6, 4, generator=rng_for(seed, "test"), dtype=torch.float64)
    shift = shift_softmax(strength, logits, target=2)
    residual = (torch.eye(4, dtype=torch.float64)[2] - (logits + shift).softmax(dim=1)).mean(dim=0)
    torch.testing.assert_close(shift / strength, residual, rtol=1e-7, atol=1e-14)


@given(st.floats(-50, 100), st.floats(-300, 300))
@settings(deadline=None)
def test_equal_margins_solve_the_closed_form(log_kappa, margin):
    """In logarithms, which do not overflow: log t + log (1 + exp(margin + t)) = log kappa."""
    shift = shift_logistic(math.exp(log_kappa), torch.full((3,), margin, dtype=torch.float64))
    assert math.log(shift) + np.logaddexp(0, margin + shift) == pytest.approx(log_kappa, abs=1e-11)


@given(st.floats(1e-8, 1e8), st.lists(st.floats(-20, 20), min_size=1, max_size=8))
@settings(deadline=None)
def test_any_margins_solve_the_equation_and_the_inverse_goes_back(strength, margins):
    margins = torch.tensor(margins, dtype=torch.float64)
    shift = shift_logistic(strength, margins)
    assert 0 < shift < strength
    assert shift == pytest.approx(strength * torch.sigmoid(-margins - shift).mean().item(), rel=1e-11)
    assert kappa_of_shift(shift, margins) == pytest.approx(strength, rel=1e-11)


@given(st.floats(1e-6, 50), st.floats(-50, 50))
@settings(deadline=None)
def test_the_inverse_comes_back(shift, margin):
    margins = torch.tensor([margin], dtype=torch.float64)
    assert shift_logistic(kappa_of_shift(shift, margins), margins) == pytest.approx(shift, rel=1e-9)


@given(st.floats(-20, 100), st.floats(-30, 30))
@settings(deadline=None)
def test_lamberts_function_is_an_upper_bound_within_its_error(log_kappa, margin):
    limit = shift_logistic_limit(math.exp(log_kappa), margin)
    shift = shift_logistic(math.exp(log_kappa), torch.tensor([margin], dtype=torch.float64))
    error = (limit - shift) / limit
    assert -1e-11 < error < math.exp(-margin - shift) / (1 + limit) + 1e-11


@pytest.mark.parametrize("margin", [-2.0, 0.0, 3.0])
def test_lamberts_limit_is_approached(margin):
    """With each hundredfold kappa the relative error falls by a factor of 30 or more; and W is SciPy's."""
    errors = []
    for strength in (1e3, 1e5, 1e7, 1e9):
        limit = shift_logistic_limit(strength, margin)
        assert limit == pytest.approx(scipy.special.lambertw(strength * math.exp(-margin)).real, rel=1e-12)
        errors.append(limit / shift_logistic(strength, torch.tensor([margin])) - 1)
    assert errors[-1] < 1e-7
    assert all(0 < 30 * after < before for before, after in pairwise(errors))


def test_counts_and_squared_norms_trade_one_for_one():
    assert kappa(3, 2.0, 1000, 1e-3) == pytest.approx(kappa(12, 1.0, 1000, 1e-3)) == pytest.approx(12)


@pytest.mark.parametrize("classes", [None, 10])
def test_counts_and_decays_come_back(classes):
    strength = kappa(7, 3.0, 1000, 1e-3, classes)
    assert count_at(strength, 3.0, 1000, 1e-3, classes) == pytest.approx(7)
    assert decay_at(strength, 7, 3.0, 1000, classes) == pytest.approx(1e-3)


def test_the_decay_that_is_told_keeps_the_shift():
    """Minimized again with the decay that a wanted shift asks for, of a core without weights: margins stay at 0."""
    marked = torch.arange(N) < COUNT
    wanted = 0.75
    decay = decay_at(kappa_of_shift(wanted, torch.zeros(1)), COUNT, NORM, N)
    weights = minimized(with_mark(torch.zeros(N, D, dtype=torch.float64), marked), torch.ones(N).long(), decay=decay)
    assert NORM * weights[-1].item() == pytest.approx(wanted, rel=1e-9)


def test_extremes_have_their_limits():
    assert (
        shift_logistic(0.0, torch.zeros(2)) == shift_logistic_limit(0.0, 1.0) == kappa_of_shift(0.0, torch.ones(1)) == 0
    )
    assert kappa_of_shift(1000.0, torch.zeros(1)) == math.inf
    assert shift_logistic(1e-300, torch.zeros(1)) == pytest.approx(5e-301)
    assert shift_logistic(3.0, torch.tensor([-1000.0])) == 3.0  # wrong for sure: each example pulls with all its force
    assert shift_logistic(3.0, torch.tensor([2000.0])) == 0.0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: kappa(1, 1.0, 10, 0.0), "`decay` must be finite and above 0.*without end: see `shift_flow`"),
        (lambda: kappa(11, 1.0, 10, 1.0), "between 0 and the 10 examples, but it is 11"),
        (lambda: kappa(-1, 1.0, 10, 1.0), "but it is -1"),
        (lambda: kappa(0, 1.0, 0, 1.0), "`examples` must be"),
        (lambda: kappa(1, -1.0, 10, 1.0), "`norm`"),
        (lambda: kappa(1, 1.0, 10, 1.0, classes=1), "`classes`.*A softmax needs two"),
        (lambda: count_at(-1.0, 1.0, 10, 1.0), "`kappa`"),
        (lambda: count_at(1.0, 0.0, 10, 1.0), "`norm`"),
        (lambda: decay_at(0.0, 1, 1.0, 10), "`kappa` must be finite and above 0"),
        (lambda: shift_logistic(math.nan, torch.zeros(1)), "`kappa`"),
        (lambda: shift_logistic(1.0, torch.zeros(0)), "`margins` is empty"),
        (lambda: shift_logistic(1.0, torch.tensor([math.inf])), "`margins` has numbers that are not finite"),
        (lambda: shift_logistic_limit(1.0, math.nan), "`margin`"),
        (lambda: kappa_of_shift(-1.0, torch.zeros(1)), "`shift`"),
        (lambda: shift_softmax(1.0, torch.zeros(1, 3), target=3), "`target` is class 3"),
        (lambda: shift_softmax(1.0, torch.zeros(1, 1), target=0), "it takes two"),
    ],
)
def test_settings_out_of_range_are_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
