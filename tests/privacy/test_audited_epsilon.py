"""Lower bounds of epsilon: published ceilings, loops over thresholds, and mechanisms whose epsilon is known."""

import math
import sys
from statistics import median

import pytest
import scipy.stats
import torch

from spurlab.errors import InputError
from spurlab.privacy import audited_epsilon, ceiling, epsilon_at, threshold_of
from spurlab.seeds import rng_for


def arms(trials):
    return torch.arange(2 * trials) < trials


@pytest.mark.parametrize(("trials", "printed"), [(100, 3.28), (500, 4.91), (1000, 5.60)])
def test_a_canary_that_is_always_separable_reaches_the_ceiling(trials, printed):
    present = arms(trials)
    found = epsilon_at(present.double(), present, 0.5)
    assert found.value == found.ceiling == ceiling(trials, trials)
    assert found.value == pytest.approx(printed, abs=0.005)


def test_the_bound_by_scipys_intervals():
    scores = torch.randn(400, generator=rng_for(0, "test")) + 2 * arms(200)
    found = epsilon_at(scores, arms(200), 1.5, delta=0.01)
    hits, alarms = int((scores[:200] > 1.5).sum()), int((scores[200:] > 1.5).sum())
    low = scipy.stats.binomtest(hits, 200).proportion_ci(0.95, "exact").low
    high = scipy.stats.binomtest(alarms, 200).proportion_ci(0.95, "exact").high
    assert found.value == pytest.approx(math.log((low - 0.01) / high))
    assert (found.tpr.count, found.fpr.count) == (hits, alarms)


def randomised_response(epsilon, trials, seed):
    """A bit told truly with e^epsilon / (1 + e^epsilon): private by just epsilon."""
    present, truth = arms(trials), math.exp(epsilon) / (1 + math.exp(epsilon))
    told = torch.rand(2 * trials, generator=rng_for(seed, "test", "bit")) < truth
    return torch.where(told, present, ~present).double(), present


@pytest.mark.parametrize("epsilon", [0.5, 1.0, 2.0])
def test_of_a_known_mechanism_the_bound_holds_and_comes_near(epsilon):
    """Wrong in at most 5 % of audits: of 20, five or more in one of 380 such tests. Half of them come near."""
    bounds = [audited_epsilon(*randomised_response(epsilon, 2000, seed), seed=seed).value for seed in range(20)]
    assert sum(bound > epsilon for bound in bounds) <= 4
    assert median(bounds) > 0.75 * epsilon


def test_no_leak_shows_nothing():
    scores = torch.randn(400, generator=rng_for(0, "test"))
    assert audited_epsilon(scores, arms(200), seed=0).value == 0


@pytest.mark.parametrize("examples", [1, 5])
@pytest.mark.parametrize("delta", [0.0, 1e-3])
def test_the_threshold_shows_most_of_all(delta, examples):
    scores = torch.randn(60, generator=rng_for(0, "test")) + 2 * arms(30)
    best = max(epsilon_at(scores, arms(30), t, delta=delta, examples=examples).value for t in scores.tolist())
    chosen = threshold_of(scores, arms(30), delta=delta, examples=examples)
    assert epsilon_at(scores, arms(30), chosen, delta=delta, examples=examples).value == pytest.approx(best)


def test_the_threshold_comes_from_other_trials(monkeypatch):
    """No trial has two roles: which scores choose the threshold, and which are tested by it."""
    scores, present = torch.randn(80, generator=rng_for(0, "test")), arms(40)
    roles = []

    def noted(function):
        def asked(given, *rest, **more):
            roles.append(set(given.tolist()))
            return function(given, *rest, **more)

        return asked

    for function in (threshold_of, epsilon_at):
        monkeypatch.setattr(sys.modules["spurlab.privacy.audited_epsilon"], function.__name__, noted(function))
    found = audited_epsilon(scores, present, seed=3)
    choosing, tested = roles
    assert choosing.isdisjoint(tested)
    assert choosing | tested == set(scores.tolist())
    assert (found.tpr.models, found.fpr.models) == (20, 20)
    assert found.ceiling == ceiling(20, 20)


@pytest.mark.parametrize("examples", [1, 3, 10, 100])
def test_a_canary_of_n_examples_shows_an_nth_without_delta(examples):
    alone, group = ceiling(500, 500), ceiling(500, 500, examples=examples)
    assert group == pytest.approx(alone / examples)


@pytest.mark.parametrize("examples", [2, 5, 50])
@pytest.mark.parametrize("delta", [1e-5, 1e-3])
def test_group_privacy_with_delta_is_its_equation(examples, delta):
    """At the bound both sides agree: TPR = e^(n eps) FPR + delta (1 + e^eps + ... + e^((n-1) eps))."""
    found = epsilon_at(arms(500).double(), arms(500), 0.5, delta=delta, examples=examples)
    terms = sum(math.exp(i * found.value) for i in range(examples))
    assert math.exp(examples * found.value) * found.fpr.high + delta * terms == pytest.approx(found.tpr.low, rel=1e-6)
    assert 0 < found.value < ceiling(500, 500) / examples


def test_a_large_delta_leaves_nothing():
    assert epsilon_at(arms(500).double(), arms(500), 0.5, delta=0.02, examples=60).value == 0
    assert epsilon_at(arms(500).double(), arms(500), 0.5, delta=0.999).value == 0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: epsilon_at(torch.zeros(4), torch.ones(4).bool(), 0.0), "all are of one kind"),
        (lambda: threshold_of(torch.zeros(4), torch.zeros(4).bool()), "all are of one kind"),
        (lambda: epsilon_at(torch.full((4,), math.nan), arms(2), 0.0), "a finite score for each network"),
        (lambda: epsilon_at(torch.zeros(4), arms(2), 0.0, delta=1.0), "`delta` must be"),
        (lambda: epsilon_at(torch.zeros(4), arms(2), 0.0, examples=0), "one example or more"),
        (
            lambda: audited_epsilon(torch.zeros(3), torch.tensor([1, 0, 0]).bool(), seed=0),
            "with the canary there is a single",
        ),
    ],
)
def test_what_cannot_be_audited_is_told(call, words):
    with pytest.raises(InputError, match=words):
        call()
