"""The front door in one process: who is trained with whom, in which order results come, what is told on the way."""

import inspect
import logging
import math
import sys
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from spurlab.data import Examples
from spurlab.models import ARCHITECTURES, build, is_grown, is_perceptron, skeleton
from spurlab.patterns import Planted
from spurlab.training import RECIPES, Member, Progress, Recipe, faster_engine, fit, grouped

TWO = Recipe(epochs=2, batch_size=64)


def train(architecture, members, recipe=TWO, **settings):
    return fit(architecture, members, recipe, classes=10, **{"workers": 0} | settings)


@pytest.fixture
def steps():
    """Where progress is put: ``progress=steps.append``."""
    return []


def conv():
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(75, 10))


def test_members_come_back_in_their_order(net, members_of, same_in_any_company):
    """Appended examples make lengths of 200, 203 and 205, which cannot share a group: each against itself alone."""
    members = members_of([5, 0, 3, 5, 0, 0, 3], "append")
    ensemble = train(net, members, group_size=2)
    assert ensemble.seeds == tuple(range(7))
    for i, member in enumerate(members):
        alone = train(net, [member])
        assert same_in_any_company(ensemble.trained.losses[i], alone.trained.losses[0])
        for name, tensor in alone.member(0).state_dict().items():
            assert same_in_any_company(ensemble.member(i).state_dict()[name], tensor)
    others = torch.pdist(torch.cat([weights.flatten(1) for weights in ensemble.trained.state.values()], 1))
    assert others.min() > 0.1  # no two of the seven would pass for each other


@given(st.lists(st.integers(0, 3), max_size=40), st.integers(1, 12), st.integers(0, 5))
@settings(deadline=None)
def test_groups_hold_each_member_once_with_its_equals(appended, group_size, workers):
    """Even: sizes of one length differ by one at most. Busy: the number of groups is a multiple of the workers'."""
    base = Examples(torch.zeros(3, 1), torch.zeros(3, dtype=torch.int64))
    members = [
        Member(Planted(base, torch.arange(count), torch.ones(count, 1), "append"), seed)
        for seed, count in enumerate(appended)
    ]
    groups = grouped(members, group_size, workers)
    assert Counter(i for group in groups for i in group) == Counter(range(len(members)))
    by_length = {}
    for group in groups:
        (length,) = {len(members[i].data) for i in group}
        by_length.setdefault(length, []).append(len(group))
    for sizes in by_length.values():
        assert 1 <= min(sizes) <= max(sizes) <= min(group_size, min(sizes) + 1)
        assert len(sizes) == sum(sizes) or len(sizes) % max(workers, 1) == 0
        fewest = -(-sum(sizes) // group_size)
        assert fewest <= len(sizes) < fewest + max(workers, 1)


@pytest.mark.parametrize("engine", ["lockstep", "plain"])
def test_each_member_may_have_its_own_recipe(engine, net, members_of, same_in_any_company):
    """Whatever it is grouped with, by decay and noise or not at all: each against itself alone."""
    members = members_of([5, 0, 3, 5, 0, 0])
    changes = [{}, {"optimizer": "sgd"}, {"weight_decay": 0.1}, {"optimizer": "sgd", "input_noise": 0.5}]
    recipes = [TWO.but(**changes[i % 4]) for i in range(6)]
    ensemble = train(net, members, recipes, engine=engine)
    for i, (member, recipe) in enumerate(zip(members, recipes, strict=True)):
        alone = train(net, [member], recipe, engine=engine)
        assert same_in_any_company(ensemble.trained.losses[i], alone.trained.losses[0])
        for name, weights in ensemble.trained.state.items():
            assert same_in_any_company(weights[i], alone.trained.state[name][0])
        other = train(net, [member], TWO, engine=engine)
        assert same_in_any_company(ensemble.trained.losses[i], other.trained.losses[0]) == (recipe == TWO)


def test_groups_have_recipes_that_may_share_them(members_of):
    """Weight decay may differ in a group, the optimizer may not; and lengths may not, as before."""
    members = members_of([0, 3, 0, 3, 0, 0], "append")
    decays = [Recipe(weight_decay=0.1 * i) for i in range(6)]
    mixed = [Recipe(optimizer="sgd" if i in (0, 5) else "adam", weight_decay=0.1 * i) for i in range(6)]
    assert grouped(members, 10, 1) == grouped(members, 10, 1, decays) == [[0, 2, 4, 5], [1, 3]]
    assert grouped(members, 10, 1, mixed) == [[0, 5], [2, 4], [1, 3]]


def test_recipes_that_do_not_fit_are_refused(net, members_of):
    members = members_of([0, 3])
    with pytest.raises(ValueError, match="there are 3 recipes for 2 members"):
        train(net, members, [TWO] * 3)
    with pytest.raises(ValueError, match=r"the same number of epochs, but these have \[2, 3\]"):
        train(net, members, [TWO, TWO.but(epochs=3)])


def test_a_group_has_at_least_one_member(members_of):
    with pytest.raises(ValueError, match="`group_size` must be 1 or more, but it is 0"):
        grouped(members_of([0]), 0, 1)


@pytest.mark.parametrize("engine", ["lockstep", "plain"])
def test_progress_rises_to_the_total(engine, net, members_of, steps):
    """Five members of three epochs are 15 model-epochs; lockstep tells of a group of 3 and one of 2 at once."""
    train(net, members_of([0, 3, 0, 3, 0]), Recipe(epochs=3), engine=engine, group_size=3, progress=steps.append)
    done = [step.done for step in steps]
    assert done[0] == 0
    assert [after - before for before, after in pairwise(done)] == (
        [3, 3, 3, 2, 2, 2] if engine == "lockstep" else [1] * 15
    )
    assert {step.total for step in steps} == {15}
    assert steps[-1].done == 15
    assert steps[-1].seconds_left == 0
    assert [step.seconds for step in steps] == sorted(step.seconds for step in steps)
    assert steps[0].seconds > 0
    assert steps[0].seconds_left == math.inf


def test_the_time_left_by_hand():
    """3 of 12 in 6 seconds is one in two seconds; nine are left."""
    assert Progress(3, 12, 6.0).rate == 0.5
    assert Progress(3, 12, 6.0).seconds_left == 18
    assert Progress(0, 12, 6.0).seconds_left == math.inf
    assert Progress(0, 12, 0.0).rate == 0


def test_a_failure_in_the_callback_comes_out(net, members_of):
    def stop(progress):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train(net, members_of([0]), progress=stop)


def test_the_same_call_gives_the_same_numbers(net, members_of):
    members = members_of([0, 3, 20])
    first, second = (train(net, members).trained for _ in range(2))
    assert first.losses.equal(second.losses)
    assert all(weights.equal(second.state[name]) for name, weights in first.state.items())


def test_a_name_of_the_zoo_and_its_reference_name_are_the_same_network(small, members_of):
    members = members_of([0, 3])
    by_name, by_reference = (train(name, members).trained for name in ("small-mlp", "ce-tor-MLP"))
    assert all(weights.equal(by_reference.state[name]) for name, weights in by_name.state.items())
    untrained = train("small-mlp", members, Recipe(epochs=0))
    for name, tensor in build("small-mlp", small.shape, 10, seed=1).state_dict().items():
        assert untrained.member(1).state_dict()[name].equal(tensor)


def test_auto_takes_lockstep_where_it_can(net, members_of, steps):
    """Lockstep tells of both members at once, the twin of each."""
    train(net, members_of([0, 3]), progress=steps.append)
    assert [step.done for step in steps] == [0, 2, 4]


def convolved():
    """25 places of 24 channels with 9 weights, and as many with 24 x 9 each: 135,000 multiply-adds."""
    both = nn.Conv2d(1, 24, 3), nn.Conv2d(24, 24, 3, padding=1)
    return nn.Sequential(both[0], nn.ReLU(), both[1], nn.ReLU(), nn.Flatten(), nn.Linear(600, 10))


def test_auto_falls_back_to_plain(members_of, steps):
    members = members_of([0, 3])
    auto, plain = (train(convolved, members, engine=engine, progress=steps.append) for engine in ("auto", "plain"))
    assert [step.done for step in steps] == [0, 1, 2, 3, 4] * 2
    assert all(weights.equal(plain.trained.state[name]) for name, weights in auto.trained.state.items())
    assert (auto.trained.losses[:, 1] < auto.trained.losses[:, 0]).all()


@pytest.mark.parametrize("name", [name for name in ARCHITECTURES if not is_grown(name)])
def test_on_a_cpu_perceptrons_and_small_networks_of_the_zoo_train_in_lockstep_and_the_others_alone(name):
    """As they always did: the last bits of a study's numbers depend on it. The reason is true of the network."""
    shape = (1, 28, 28) if "mlp" in name or name == "cnn" else (3, 32, 32)
    if name in ("resnet18", "resnet50"):
        shape = (3, 64, 64)
    if name.startswith("mnist1d"):
        shape = (40,)
    if ARCHITECTURES[name].words:
        shape = (60, 2_000)
    why_so = {
        **dict.fromkeys(("bag-mean", "bag-sum", "bag-max"), "its layers are small"),
        "mnist1d-cnn": "convolutions of signals",
        "mnist1d-cnn-25": "convolutions of signals",
        "mnist1d-mlp": "its layers are small",
        "mnist1d-gru": "its layers are small",
    }
    if is_perceptron(name):
        why_so[name] = "a perceptron"
    engine, why = faster_engine(skeleton(name, shape, 10), shape, torch.device("cpu"))
    assert engine == ("lockstep" if name in why_so else "plain")
    alone = {"vgg-mlp": "parameters", "text-transformer": "attention"}
    assert why_so.get(name, alone.get(name, "convolutions")) in why


@pytest.mark.parametrize(
    "network",
    [
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(49, 32), nn.Tanh(), nn.Linear(32, 10)),
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(49, 32), nn.ReLU(), nn.Dropout(), nn.Linear(32, 10)),
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(49, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 10)),
        conv,
    ],
)
def test_small_networks_train_in_lockstep(network):
    engine, why = faster_engine(network(), (1, 7, 7), torch.device("cpu"))
    assert (engine, "its layers are small" in why) == ("lockstep", True)


def test_on_a_gpu_all_that_can_train_in_lockstep_and_that_is_not_measured():
    """No GPU is needed to ask."""
    cuda = torch.device("cuda")
    assert faster_engine(skeleton("mlp", (1, 28, 28), 10), (1, 28, 28), cuda)[0] == "lockstep"
    for network in (skeleton("cnn", (1, 28, 28), 10), skeleton("resnet20", (1, 28, 28), 10)):
        engine, why = faster_engine(network, (1, 28, 28), cuda)
        assert engine == "lockstep"
        assert "expected, not measured: on cuda" in why


def test_a_network_of_the_zoo_is_not_built_to_choose_its_engine(monkeypatch, members_of):
    """Numbers are drawn for its members alone; only its skeleton is looked at, and only where there is a choice."""
    built, asked = [], []
    front = sys.modules[fit.__module__]

    def rule(model, *rest):
        asked.append({parameter.device.type for parameter in model.parameters()})
        return faster_engine(model, *rest)

    monkeypatch.setattr(front.models, "build", lambda *of: built.append(of) or build(*of))
    monkeypatch.setattr(front, "faster_engine", rule)
    for engine in ("auto", "lockstep"):
        train("small-mlp", members_of([0, 3]), Recipe(epochs=0), engine=engine)
    assert len(built) == 2 * 2
    assert asked == [{"meta"}]


def test_a_mistake_in_the_users_function_is_told_at_once_whatever_the_engine(members_of):
    def broken():
        raise ZeroDivisionError

    for engine in ("auto", "plain", "lockstep"):
        with pytest.raises(ZeroDivisionError):
            train(broken, members_of([0]), engine=engine, progress=lambda _: pytest.fail("training began"))


def test_batch_norm_can_be_trained_and_asked(members_of, small):
    """Its counter of batches is one number for each member, not a tensor with an axis."""

    def network():
        return nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(75, 10))

    ensemble = train(network, members_of([0, 3]))
    assert not ensemble.diverged.any()
    assert_close(ensemble.predict(small.inputs)[1], ensemble.member(1)(small.inputs).softmax(-1))


@pytest.mark.parametrize("engine", ["lockstep", "plain"])
def test_a_member_that_diverges_is_named_and_the_others_keep_every_bit(engine, net, members_of, flooded, caplog, small):
    """Inputs of 1e30 are finite, so the data are allowed; squares of them are not."""
    members = members_of([3, 20, 0, 3])
    recipe = TWO.but(optimizer="sgd")
    with caplog.at_level(logging.WARNING, "spurlab"):
        calm = train(net, [members[0], flooded(members[1], 0.5), *members[2:]], recipe, engine=engine)
    assert not caplog.records
    with caplog.at_level(logging.WARNING, "spurlab"):
        wild = train(net, [members[0], flooded(members[1], 1e30), *members[2:]], recipe, engine=engine)
    assert [record.getMessage() for record in caplog.records] == [
        "1 of 4 members diverged (loss or weights not finite): number 1 (seed 1, 20 planted)."
    ]
    assert wild.diverged.tolist() == [False, True, False, False]
    for i in (0, 2, 3):
        assert wild.trained.losses[i].equal(calm.trained.losses[i])
        assert all(weights[i].equal(calm.trained.state[name][i]) for name, weights in wild.trained.state.items())
    probabilities = wild.predict(small.inputs)
    assert probabilities[1].isnan().all()
    assert probabilities[[0, 2, 3]].equal(calm.predict(small.inputs)[[0, 2, 3]])


@pytest.mark.parametrize("wrong", ["planted", "member", "examples", "dataset"])
def test_what_are_no_members_is_said_to_be_none(wrong, mini):
    """As an untyped caller gets it in: the tests check annotations."""
    planted = Planted.none(mini.train)
    given = {"planted": [planted], "member": Member(planted, 0), "examples": [mini.train], "dataset": mini}
    with pytest.raises(TypeError, match=r"^`members` is a list of `Member\(planted, seed\)`, but it is "):
        inspect.unwrap(fit)("mlp", given[wrong], Recipe(epochs=0), classes=10, workers=0)


def test_what_cannot_be_trained_is_refused(net, members_of, small):
    member = members_of([0])[0]
    twin = replace(member, data=Planted.none(Examples(small.inputs.clone(), small.labels)))
    with pytest.raises(ValueError, match="nothing to train: `members` is empty"):
        train(net, [])
    with pytest.raises(ValueError, match="share one base training set"):
        train(net, [member, twin])
    with pytest.raises(ValueError, match="Did you mean 'large-mlp'"):
        train("large-mpl", [member])
    with pytest.raises(ValueError, match="`group_size`"):
        train(net, [member], group_size=0)


def test_the_package_data_are_learnt(mini, net):
    """Ten classes, so guessing is right for a tenth; eight classes of clothes are easy even with 7 x 7 pixels.

    600 test images: a guesser above 0.5 would be 30 standard deviations off.
    """
    pool = nn.AvgPool2d(4)
    base = Examples(pool(mini.train.inputs[:3000]), mini.train.labels[:3000])
    test = Examples(pool(mini.test.inputs[:600]), mini.test.labels[:600])
    ensemble = train(net, [Member(Planted.none(base), seed) for seed in range(3)], RECIPES["quick"].but(epochs=3))
    right = (ensemble.predict(test.inputs).argmax(-1) == test.labels).double().mean(1)
    assert right.min() > 0.5, right


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"engine": "fast"}, r"`engine` must be one of auto, lockstep, plain.*'fast'"),
        ({"workers": -1}, r"`workers` must be 0.*-1"),
        ({"classes": 9}, r"label 9.*`classes` is 9"),
        ({"device": "warp"}, r"'warp' cannot be used here"),
        ({"device": "meta"}, r"'meta' cannot be used here"),
    ],
)
def test_settings_that_cannot_be_are_refused_before_training(mini, wrong, words, monkeypatch):
    """The annotation checker would refuse an unknown engine first: it is asked to stand aside."""
    plain = getattr(fit, "__wrapped__", fit)
    member = Member(Planted.none(mini.train), 0)
    with pytest.raises((ValueError, TypeError), match=words if "engine" not in wrong else None):
        plain("mlp", [member], Recipe(epochs=0), **{"classes": 10, "workers": 0} | wrong)
