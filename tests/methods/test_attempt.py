"""One attempt of a method that may do anything."""

import asyncio
import time

import pytest
import torch
from torch import nn

from spurlab.methods import Attempt, NotFiniteError, isolated, stored_as_not_finite


def tried(problem, method, **settings):
    given = {"like": problem.data, "classes": 3, "seed": 0} | settings
    return isolated(method, problem.model, lambda: (problem.data[:],), **given)


def test_what_comes_back_is_a_copy_in_evaluation_mode(problem):
    """The method may keep its network and go on with it, in whatever mode."""
    kept = []

    def method(model, data):
        kept.append(model.train())
        return model

    attempt = tried(problem, method)
    network = attempt.result
    assert (attempt.failed, attempt.end) == ("", "result")
    assert attempt.seconds >= 0
    assert kept[0].training
    assert not network.training
    with torch.no_grad():
        kept[0][0].weight.zero_()
    assert network[0].weight.equal(problem.model[0].weight)


def test_weights_that_are_not_finite_are_told_by_a_field(problem):
    """Also where the method raises it by itself; another error of arithmetic is a failure like any other."""

    def hot(model, data):
        with torch.no_grad():
            model[0].weight[0, 0] = torch.inf
        return model

    def raises(error):
        def method(model, data):
            raise error

        return method

    attempt = tried(problem, hot, purpose="prevention")
    assert attempt.result is None
    assert attempt.end == "not finite"
    assert attempt.failed.startswith("NotFiniteError: after prevention the weights '0.weight' are not finite")
    assert tried(problem, raises(NotFiniteError("too hot"))).end == "not finite"
    other = tried(problem, raises(FloatingPointError("NotFiniteError: no")))
    assert other.end == "failed"
    assert [stored_as_not_finite(each.failed) for each in (attempt, other)] == [True, False]
    assert problem.model[0].weight.isfinite().all()


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (SystemExit(3), "SystemExit: 3"),
        (asyncio.CancelledError(), "CancelledError"),
        (MemoryError("no room"), "MemoryError: no room"),
    ],
)
def test_a_failure_is_a_reason(end, words, problem):
    def method(model, data):
        raise end

    attempt = tried(problem, method)
    assert attempt.result is None
    assert words in attempt.failed
    assert attempt.end == "failed"


class Stop(BaseException):
    """How the command line ends a program."""


@pytest.mark.parametrize("stop", [KeyboardInterrupt, Stop])
def test_a_stop_is_no_failure(stop, problem):
    def method(model, data):
        raise stop

    with pytest.raises(stop):
        tried(problem, method)


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (None, "must return a network, an nn.Module, but it returned NoneType"),
        (nn.Linear(2, 2), "one logit for each class"),
        (nn.Linear(5, 3), "RuntimeError"),
    ],
)
def test_what_is_no_network_for_these_data_is_a_failure(result, words, problem):
    assert words in tried(problem, lambda model, data: result).failed


def test_what_a_method_draws_depends_on_the_seed_alone(problem):
    def noisy(model, data):
        with torch.no_grad():
            model[0].weight.add_(torch.randn(8, 2))
        return model

    weights = []
    for seed in (0, 0, 1):
        before = torch.rand(1), torch.random.get_rng_state()  # the global generator stands elsewhere each time
        weights.append(tried(problem, noisy, seed=seed).result[0].weight)
        assert torch.random.get_rng_state().equal(before[1])
    assert weights[0].equal(weights[1])
    assert not weights[0].equal(weights[2])


def test_the_call_alone_is_timed(problem, monkeypatch):
    """A clock that ticks in the call and while its data are made."""
    now = [0.0]
    monkeypatch.setattr(time, "process_time", lambda: now[0])

    def ticking(seconds, value):
        now[0] += seconds
        return value

    attempt = isolated(
        lambda model, data: ticking(2.0, model),
        problem.model,
        lambda: ticking(5.0, (problem.data,)),
        like=problem.data,
        classes=3,
        seed=0,
    )
    assert attempt.seconds == 2.0


@pytest.mark.parametrize("end", [SystemExit(3), ValueError("no")])
def test_a_network_that_fails_when_it_is_measured(end):
    """Of the user's code it is the method's failure, of ours a fault that is raised; a stop is always one."""

    def measure(network):
        raise end

    attempt = Attempt(nn.Linear(2, 2), 1.5)
    assert attempt.measured(lambda network: network.in_features, foreign=True).result == 2
    failed = attempt.measured(measure, foreign=True)
    assert (failed.result, failed.seconds, failed.end) == (None, 1.5, "failed")
    assert failed.failed == f"{type(end).__name__}: {end}"
    assert failed.measured(measure, foreign=False).failed == failed.failed, "there is nothing to measure"
    with pytest.raises(type(end)):
        attempt.measured(measure, foreign=False)
    end = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        attempt.measured(measure, foreign=True)
