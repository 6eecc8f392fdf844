"""Both engines against arithmetic, against each other, and a member against itself in company."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from spurlab.data import Examples
from spurlab.models import mlp, seeded
from spurlab.patterns import Planted
from spurlab.seeds import rng_for
from spurlab.training import Member, Recipe, Trained, clip, flush_denormals, order_of, train_each, train_group
from spurlab.training.engines import decay

ENGINES = {"lockstep": train_group, "plain": train_each}


def by_hand(model, member, recipe):
    """Softmax regression in float64 from the formulas; losses by epoch, and how often each clipping changed a gradient.

    The gradient of the cross-entropy is (p - y) x, averaged over the batch; Adam, Adagrad and momentum as in their
    papers, RMSprop with PyTorch's 0.99, the penalty added to the gradient after clipping. Noise comes as the docstring
    of `Recipe` says.
    """
    data = member.data.materialize()
    x = F.pad(data.inputs.flatten(1).double(), (0, 1), value=1.0)  # the last column carries the bias
    y = F.one_hot(data.labels, 10).double()
    theta = torch.cat([model[1].weight, model[1].bias.unsqueeze(1)], 1).detach().double()
    first, second = torch.zeros_like(theta), torch.zeros_like(theta)
    losses, bites, step = [], {"norm": 0, "value": 0}, 0
    for epoch in range(recipe.epochs):
        rate = recipe.learning_rate * recipe.decay ** sum(epoch >= milestone for milestone in recipe.milestones)
        total = 0.0
        order, noise = order_of(member, epoch).tolist(), rng_for(member.seed, "noise", epoch)
        for start in range(0, len(order), recipe.batch_size):
            rows = order[start : start + recipe.batch_size]
            seen = x[rows].clone()
            if recipe.input_noise:
                draws = torch.randn(len(rows), *data.shape, generator=noise).flatten(1)
                seen[:, :-1] += recipe.input_noise * draws
            p = (seen @ theta.T).softmax(1)
            total -= (p * y[rows]).sum(1).log().sum().item()
            gradient = (p - y[rows]).T @ seen / len(rows)
            if recipe.clip_norm is not None and gradient.norm() > recipe.clip_norm:
                gradient *= recipe.clip_norm / gradient.norm()
                bites["norm"] += 1
            if recipe.clip_value is not None and gradient.abs().max() > recipe.clip_value:
                gradient = gradient.clamp(-recipe.clip_value, recipe.clip_value)
                bites["value"] += 1
            gradient = gradient + recipe.weight_decay * theta
            step += 1
            if recipe.optimizer == "adam":
                first = 0.9 * first + 0.1 * gradient
                second = 0.999 * second + 0.001 * gradient**2
                theta = theta - rate * (first / (1 - 0.9**step)) / ((second / (1 - 0.999**step)).sqrt() + 1e-8)
            elif recipe.optimizer == "adagrad":
                second = second + gradient**2
                theta = theta - rate * gradient / (second.sqrt() + 1e-10)
            elif recipe.optimizer == "rmsprop":
                second = 0.99 * second + 0.01 * gradient**2
                theta = theta - rate * gradient / (second.sqrt() + 1e-8)
            else:
                first = recipe.momentum * first + gradient
                theta = theta - rate * first
        losses.append(total / len(order))
    return theta, losses, bites, step


SGD = {"optimizer": "sgd", "learning_rate": 0.1}
SETTINGS = {
    "sgd": SGD | {"momentum": 0.0},
    "sgd, milestones": SGD | {"momentum": 0.0, "milestones": (1, 3), "decay": 0.3},
    "sgd, momentum, weight decay": SGD | {"momentum": 0.8, "weight_decay": 0.05},
    "sgd, clipped by norm": SGD | {"clip_norm": 0.25},
    "sgd, clipped by value": SGD | {"clip_value": 0.02},
    "sgd, clipped by both": SGD | {"clip_norm": 0.25, "clip_value": 0.02},
    "adam": {},
    "adam, milestones, weight decay": {"milestones": (2,), "weight_decay": 0.05},
    "adam, clipped by both": {"clip_norm": 0.25, "clip_value": 0.02},
    "sgd, noise": SGD | {"input_noise": 0.3},
    "adam, noise": {"input_noise": 0.3},
    "adagrad": {"optimizer": "adagrad"},
    "adagrad, milestones, weight decay": {"optimizer": "adagrad", "milestones": (2,), "weight_decay": 0.05},
    "rmsprop": {"optimizer": "rmsprop"},
    "rmsprop, milestones, weight decay": {"optimizer": "rmsprop", "milestones": (2,), "weight_decay": 0.05},
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("which", SETTINGS)
def test_softmax_regression_equals_arithmetic(which, engine, small, members_of):
    """200 = 2 x 80 + 40: the smaller last batch counts as one step, and by its examples in the loss of the epoch."""
    recipe = Recipe(epochs=4, batch_size=80, **{"milestones": ()} | SETTINGS[which])
    for bites in compare_with_arithmetic(engine, small, members_of([0, 20]), [recipe] * 2):
        for kind in ("norm", "value"):
            assert (bites[kind] > 0) == (f"clipped by {kind}" in which or "clipped by both" in which)


def compare_with_arithmetic(engine, small, members, recipes):
    """Train by the engine and by hand, four epochs of three steps. Returns how often clipping changed a gradient."""

    def make(seed):
        return seeded(lambda: mlp(small.shape, 10, hidden=()), seed)

    trained, all_bites = ENGINES[engine](make, members, recipes), []
    for i, (member, recipe) in enumerate(zip(members, recipes, strict=True)):
        theta, losses, bites, steps = by_hand(make(member.seed), member, recipe)
        assert steps == 12
        assert_close(trained.losses[i].tolist(), losses, rtol=1e-5, atol=0)
        assert_close(trained.state["1.weight"][i].double(), theta[:, :-1], rtol=1e-4, atol=1e-5)
        assert_close(trained.state["1.bias"][i].double(), theta[:, -1], rtol=1e-4, atol=1e-5)
        all_bites.append(bites)
    return all_bites


OWN = [
    {},
    {"weight_decay": 0.05},
    {"weight_decay": 0.3},
    {"input_noise": 0.3},
    {"clip_norm": 0.25},
    {"clip_value": 0.02},
    {"weight_decay": 0.05, "input_noise": 0.1, "clip_norm": 0.3, "clip_value": 0.05},
]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("shared", [SGD, {}], ids=["sgd", "adam"])
def test_each_member_has_its_own_settings(shared, engine, small, members_of):
    """All members have the same data and seed, so only their settings make them differ."""
    (member,) = members_of([20])
    recipes = [Recipe(epochs=4, batch_size=80, milestones=(), **shared, **own) for own in OWN]
    bites = compare_with_arithmetic(engine, small, [member] * len(OWN), recipes)
    assert [each["norm"] > 0 for each in bites] == ["clip_norm" in own for own in OWN]
    assert [each["value"] > 0 for each in bites] == ["clip_value" in own for own in OWN]


@pytest.mark.parametrize("engine", ENGINES)
def test_recipes_that_cannot_share_a_group_are_refused(engine, make, members_of):
    members = members_of([0, 3])
    with pytest.raises(ValueError, match="may differ only in weight_decay, input_noise, clip_norm, clip_value"):
        ENGINES[engine](make, members, [Recipe(epochs=1), Recipe(epochs=1, optimizer="sgd")])
    with pytest.raises(ValueError, match="there are 1 recipes for 2 members"):
        ENGINES[engine](make, members, [Recipe(epochs=1)])


def losses_of(engine, make, members, recipe):
    """The loss of each member at each step, ``m steps``."""
    losses = []
    trained = ENGINES[engine](make, members, recipe, after_step=lambda loss: losses.append(loss.clone()))
    by_step = torch.stack(losses, 1) if engine == "lockstep" else torch.cat(losses).view(len(members), -1)
    return by_step, trained


@pytest.fixture
def watched(monkeypatch):
    """How large the slow twin's gradients were before they were clipped, step by step: `norm` and `value`."""
    seen = {"norm": [], "value": []}
    by_norm, by_value = nn.utils.clip_grad_norm_, nn.utils.clip_grad_value_

    def norm(parameters, bound):
        seen["norm"].append(float(total := by_norm(parameters, bound)))
        return total

    def value(parameters, bound):
        seen["value"].append(max(float(parameter.grad.abs().max()) for parameter in parameters))
        by_value(parameters, bound)

    monkeypatch.setattr(nn.utils, "clip_grad_norm_", norm)
    monkeypatch.setattr(nn.utils, "clip_grad_value_", value)
    return seen


OVERLAYS = {"replace": [0, 3, 20], "append": [20, 20, 20]}
TWINS = {
    "adam": {},
    "adam, weight decay": {"weight_decay": 0.01},
    "adam, noise": {"input_noise": 0.2},
    "sgd, noise": {"optimizer": "sgd", "learning_rate": 0.1, "input_noise": 0.2},
    "adam, clipped by norm": {"clip_norm": 0.3},
    "adam, clipped by value": {"clip_value": 0.08},
    "adam, clipped by both": {"clip_norm": 0.3, "clip_value": 0.08},
    "sgd": {"optimizer": "sgd", "learning_rate": 0.1},
    "sgd, weight decay": {"optimizer": "sgd", "learning_rate": 0.1, "weight_decay": 0.01},
    "sgd, clipped by norm": {"optimizer": "sgd", "learning_rate": 0.1, "clip_norm": 0.3},
    "sgd, clipped by value": {"optimizer": "sgd", "learning_rate": 0.1, "clip_value": 0.08},
    "sgd, clipped by both": {"optimizer": "sgd", "learning_rate": 0.1, "clip_norm": 0.3, "clip_value": 0.08},
}


@pytest.mark.parametrize("how", OVERLAYS)
@pytest.mark.parametrize("which", TWINS)
def test_lockstep_equals_its_slow_twin(which, how, make, members_of, watched):
    """The same sums in another order: a few units of 6e-8 in each loss. Fifty steps may multiply it, not a hundredfold.

    Thresholds are chosen so that clipping changes some steps and leaves others, and by norm not in all members alike.
    """
    members = members_of(OVERLAYS[how], how)
    recipe = Recipe(epochs=8, batch_size=32, milestones=(3, 6), **TWINS[which])
    (fast, group), (slow, each) = (losses_of(engine, make, members, recipe) for engine in ENGINES)
    assert fast.shape == slow.shape == (3, 56)  # 200 = 6 x 32 + 8, 220 = 6 x 32 + 28: seven batches
    assert_close(fast[:, :50], slow[:, :50], rtol=1e-5, atol=0)
    assert_close(group.losses, each.losses, rtol=1e-5, atol=0)
    for name, weights in group.state.items():
        assert_close(weights, each.state[name], rtol=1e-3, atol=1e-4)
    assert not group.diverged.any()
    assert slow[:, -7:].mean() < slow[:, :7].mean() - 0.1  # it learnt something, so fifty steps went somewhere
    for kind, bound in (("norm", recipe.clip_norm), ("value", recipe.clip_value)):
        if bound is not None:
            bitten = (torch.tensor(watched[kind]).view(3, -1)[:, :50] > bound).double()
            assert 0.1 < bitten.mean() < 0.95, bitten.mean()


@pytest.mark.parametrize("how", ["replace", "append"])
def test_lockstep_equals_its_slow_twin_where_examples_are_left_out(how, make, members_of):
    """Each member leaves out its own: its planted examples, and half of them with some clean ones beside."""
    members = []
    for member in members_of([20, 20, 20], how):
        places = torch.arange(len(member.data))[member.data.mask]
        gone = (
            places
            if member.seed < 2
            else torch.cat([places[:10], torch.arange(len(member.data))[~member.data.mask][:10]])
        )
        forget = torch.zeros(len(member.data), dtype=torch.bool)
        forget[gone] = True
        members.append(Member(member.data.without(forget), member.seed))
    recipe = Recipe(epochs=4, batch_size=32, milestones=(3,))
    (fast, group), (slow, each) = (losses_of(engine, make, members, recipe) for engine in ENGINES)
    assert fast.shape == (3, 24 if how == "replace" else 28)  # 180 = 5 x 32 + 20, 200 = 6 x 32 + 8
    assert_close(fast, slow, rtol=1e-5, atol=0)
    for name, weights in group.state.items():
        assert_close(weights, each.state[name], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_bfloat16_equals_the_autocast_twin(optimizer, make, members_of):
    """A number in bfloat16 has 8 bits, so one that rounds the other way moves by up to 2^-8 = 0.4 %.

    Both sum in float32 before they round, and differ only where a sum stands at the edge between two numbers. No edge
    is met in the first step; in ten few are, so the engines agree far better than either with float32; in fifty the
    paths may part, by no more than a few roundings.
    """
    members = members_of([0, 3, 20])
    recipe = Recipe(optimizer=optimizer, learning_rate=0.003, epochs=8, batch_size=32, precision="bfloat16")
    fast, group = losses_of("lockstep", make, members, recipe)
    slow, _ = losses_of("plain", make, members, recipe)
    exact, _ = losses_of("plain", make, members, recipe.but(precision="float32"))
    assert_close(fast[:, 0], slow[:, 0], rtol=1e-6, atol=0)
    assert (fast / slow - 1)[:, :10].abs().mean() < (exact / slow - 1)[:, :10].abs().mean() / 5
    assert_close(fast[:, :50], slow[:, :50], rtol=0.01, atol=0)
    assert all(weights.dtype == torch.float32 for weights in group.state.values())


@pytest.mark.parametrize("engine", ENGINES)
def test_no_epochs_leave_the_initial_weights(engine, make, members_of):
    members = members_of([0, 3, 20])
    trained = ENGINES[engine](make, members, Recipe(epochs=0))
    assert trained.losses.shape == (3, 0)
    assert not trained.diverged.any()
    for i, member in enumerate(members):
        for name, tensor in make(member.seed).state_dict().items():
            assert trained.state[name][i].equal(tensor)


COMPANY = {
    "adam": [{}],
    "sgd": [{"optimizer": "sgd", "learning_rate": 0.1}],
    "adam, weight decay": [{"weight_decay": 0.01}],
    "sgd, weight decay": [{"optimizer": "sgd", "learning_rate": 0.1, "weight_decay": 0.01}],
    "adam, clipped by both": [{"clip_norm": 0.3, "clip_value": 0.08}],
    "adam, noise": [{"input_noise": 0.2}],
    "adam, each its own": OWN,
    "sgd, each its own": [{"optimizer": "sgd", "learning_rate": 0.1} | own for own in OWN],
    "bfloat16, each its own": [{"precision": "bfloat16"} | own for own in OWN],
}


@pytest.mark.parametrize(
    ("hidden", "batch_size"), [((16, 12), 32), ((17, 13), 37), ((256, 256, 256), 128)], ids=["even", "odd", "large"]
)
@pytest.mark.parametrize("which", COMPANY)
def test_a_member_is_the_same_in_any_company(which, hidden, batch_size, small, members_of, same_in_any_company):
    """Ten members at once, by fives, threes, twos and ones; the last group and the last batch are smaller.

    Layers of odd sizes fill no vector register, so members share registers, and what is left over is computed by
    another loop: where a member stands in memory must not matter.
    """

    def make(seed):
        return seeded(lambda: mlp(small.shape, 10, hidden=hidden), seed)

    members = members_of([0, 3, 20, 3, 1, 0, 5, 20, 2, 3])
    settings = {"epochs": 2, "batch_size": batch_size, "milestones": (1,)}
    recipes = [Recipe(**settings, **COMPANY[which][i % len(COMPANY[which])]) for i in range(10)]
    ways = [
        Trained.joined([train_group(make, members[i : i + m], recipes[i : i + m]) for i in range(0, 10, m)])
        for m in ((10, 5, 3, 2, 1) if batch_size < 128 else (10, 3, 1))
    ]
    for other in ways[1:]:
        assert same_in_any_company(other.losses, ways[0].losses)
        for name, weights in ways[0].state.items():
            assert same_in_any_company(other.state[name], weights), name
    apart = torch.pdist(torch.cat([weights.flatten(1) for weights in ways[0].state.values()], 1))
    assert apart.min() > 0.1  # no two of the ten would pass for each other


def test_a_lone_member_tells_of_itself_alone(make, members_of):
    """It has a twin beside it that nobody should see."""
    losses, trained = losses_of("lockstep", make, members_of([20]), Recipe(epochs=2))
    assert losses.shape == (1, 4)
    assert trained.losses.shape == (1, 2)
    assert all(len(weights) == 1 for weights in trained.state.values())


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("how", ["replace", "append"])
def test_training_on_the_overlay_is_training_on_its_copy(how, engine, make, members_of):
    """The copy has the same rows in the same places, so each batch and each number must be the same, bit for bit."""
    (member,) = members_of([20], how)
    copied = Member(Planted.none(member.data.materialize()), member.seed)
    recipe = Recipe(epochs=2, batch_size=32)
    overlay, copy = (ENGINES[engine](make, [one], recipe) for one in (member, copied))
    assert overlay.losses.equal(copy.losses)
    assert all(weights.equal(copy.state[name]) for name, weights in overlay.state.items())


@pytest.mark.parametrize("engine", ENGINES)
def test_training_reads_the_data_and_the_global_generator_but_changes_neither(engine, make, members_of):
    members = members_of([3, 20])
    tensors = [members[0].data.base.inputs, members[0].data.base.labels, *(member.data.inputs for member in members)]
    before, generator = [tensor.clone() for tensor in tensors], torch.get_rng_state()
    ENGINES[engine](make, members, Recipe(epochs=1))
    assert all(old.equal(new) for old, new in zip(before, tensors, strict=True))
    assert torch.get_rng_state().equal(generator)


def test_callbacks_come_after_each_epoch_and_each_step(make, members_of):
    """3 members, 2 epochs, 200 = 128 + 72: lockstep tells of all members at once, the twin of one after the other."""
    told = {}
    for name, engine in ENGINES.items():
        told[name] = []
        engine(
            make,
            members_of([0, 3, 20]),
            Recipe(epochs=2),
            after_epoch=lambda name=name: told[name].append("epoch"),
            after_step=lambda losses, name=name: told[name].append(len(losses)),
        )
    assert told == {"lockstep": [3, 3, "epoch"] * 2, "plain": [1, 1, "epoch"] * 6}


@pytest.mark.parametrize(
    "settings",
    [{"clip_norm": 1.0}, {"clip_value": 0.3}, {"clip_norm": 1.0, "clip_value": 0.3}, {"clip_norm": math.inf}, {}],
)
def test_clip_equals_torch_for_each_member(settings):
    """``torch.nn.utils`` on one member's gradients at a time, by norm first; members from far below to far above."""
    sizes = torch.tensor([0.0, 0.01, 0.1, 1.0, 10.0, 1e4])
    parameters = [torch.zeros(6, *shape) for shape in ((4, 3), (4,), (2, 4), (2,))]
    for k, parameter in enumerate(parameters):
        draws = torch.randn(parameter.shape, generator=rng_for(0, "test", k))
        parameter.grad = draws * sizes.view(-1, *[1] * (parameter.ndim - 1))
    wanted, changed = [], []
    for i in range(6):
        own = [parameter[i].clone() for parameter in parameters]
        for one, parameter in zip(own, parameters, strict=True):
            one.grad = parameter.grad[i].clone()
        if "clip_norm" in settings:
            nn.utils.clip_grad_norm_(own, settings["clip_norm"])
        if "clip_value" in settings:
            nn.utils.clip_grad_value_(own, settings["clip_value"])
        wanted.append([one.grad for one in own])
        pairs = zip(own, parameters, strict=True)
        changed.append(any(not one.grad.allclose(parameter.grad[i]) for one, parameter in pairs))
    clip(parameters, Recipe(**settings))
    for parameter, grads in zip(parameters, zip(*wanted, strict=True), strict=True):
        assert_close(parameter.grad, torch.stack(grads), rtol=1e-5, atol=0)
    bounded = "clip_value" in settings or settings.get("clip_norm") == 1.0
    assert changed == [False, False, False, bounded, bounded, bounded]


def test_clip_keeps_a_broken_gradient_to_its_member():
    weight = torch.zeros(3, 2)
    weight.grad = torch.tensor([[3.0, 4.0], [math.nan, 1.0], [30.0, 40.0]])
    clip([weight], Recipe(clip_norm=5.0))
    assert weight.grad[1].isnan().all()
    assert_close(weight.grad[[0, 2]], torch.tensor([[3.0, 4.0], [3.0, 4.0]]))


def test_decay_adds_each_members_own_share_of_its_weights():
    """By hand; where there is no decay not even an infinite weight is looked at."""
    weight, bias = torch.tensor([[1.0, -2.0], [3.0, 4.0], [math.inf, 1.0]]), torch.tensor([[10.0], [20.0], [30.0]])
    weight.grad, bias.grad = torch.full_like(weight, 0.5), torch.full_like(bias, 0.5)
    decay([weight, bias], [Recipe(weight_decay=0.1), Recipe(weight_decay=2.0), Recipe()])
    assert_close(weight.grad, torch.tensor([[0.6, 0.3], [6.5, 8.5], [0.5, 0.5]]))
    assert_close(bias.grad, torch.tensor([[1.5], [40.5], [0.5]]))


def test_diverged_means_a_loss_or_a_weight_that_is_not_finite():
    state = {"weight": torch.zeros(4, 2, 2), "bias": torch.zeros(4, 2)}
    state["weight"][1, 0, 1] = math.inf
    losses = torch.zeros(4, 3)
    losses[2, 2] = math.nan
    assert Trained(state, losses).diverged.tolist() == [False, True, True, False]
    assert Trained.joined([Trained(state, losses)] * 2).diverged.tolist() == [False, True, True, False] * 2


@pytest.mark.parametrize("engine", ENGINES)
def test_a_member_that_diverges_leaves_the_others_alone(engine, make, members_of, flooded):
    """Every product and every step belongs to one member: not a bit of the others may change."""
    members = members_of([3, 20, 0])
    recipe = Recipe(optimizer="sgd", epochs=2, batch_size=32)
    calm, wild = (
        ENGINES[engine](make, [members[0], flooded(members[1], value), members[2]], recipe) for value in (0.5, 1e30)
    )
    assert not calm.diverged.any()
    assert wild.diverged.tolist() == [False, True, False]
    for others in (0, 2):
        assert wild.losses[others].equal(calm.losses[others])
        assert all(weights[others].equal(calm.state[name][others]) for name, weights in wild.state.items())


def flushes():
    """Whether this thread rounds the smallest numbers to zero."""
    return bool((torch.tensor(1e-40) * 1 == 0).item())


@pytest.fixture
def keep_flush():
    before = flushes()
    yield
    torch.set_flush_denormal(before)


@pytest.mark.parametrize("before", [False, True])
def test_flush_denormals_restores_the_earlier_state(before, keep_flush):
    if not torch.set_flush_denormal(before):
        pytest.skip("this processor cannot flush denormals")
    assert flushes() == before
    with flush_denormals():
        assert flushes()
        with flush_denormals():
            assert flushes()
        assert flushes()
    assert flushes() == before
    with pytest.raises(ZeroDivisionError), flush_denormals():
        raise ZeroDivisionError
    assert flushes() == before


@pytest.mark.parametrize("engine", ENGINES)
def test_training_flushes_denormals_and_stops_when_it_ends(engine, make, members_of, keep_flush):
    """Its second call too: a context manager that decorates must be fresh each time."""
    if not torch.set_flush_denormal(False):
        pytest.skip("this processor cannot flush denormals")
    seen = []
    for _ in range(2):
        ENGINES[engine](make, members_of([0]), Recipe(epochs=1), after_epoch=lambda: seen.append(flushes()))
        assert not flushes()
    assert seen == [True, True]


def test_the_twin_trains_what_lockstep_cannot(members_of):
    """Dropout, batch norm and a convolution, with a buffer that has no axis of its own (the batches counted)."""

    def network(seed):
        layers = (nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Dropout(), nn.Linear(75, 10))
        return seeded(lambda: nn.Sequential(*layers), seed)

    trained = train_each(network, members_of([0, 20]), Recipe(epochs=2, batch_size=50))
    assert trained.state["1.num_batches_tracked"].tolist() == [8, 8]
    assert trained.diverged.tolist() == [False, False]


def test_one_example_is_enough(make, small):
    tiny = Examples(small.inputs[:1], small.labels[:1])
    for engine in ENGINES.values():
        trained = engine(make, [Member(Planted.none(tiny), 0)], Recipe(epochs=20, batch_size=7))
        assert trained.losses[0, -1] < trained.losses[0, 0]
