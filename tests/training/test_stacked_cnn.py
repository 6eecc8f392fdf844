"""The chain of convolutions over signals against autograd, and which networks it knows."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from spurlab.data import Examples
from spurlab.models import build, seeded, signal_cnn, skeleton
from spurlab.patterns import Planted
from spurlab.seeds import rng_for
from spurlab.training import (
    Member,
    Recipe,
    StackedCNN,
    Trained,
    can_stack_cnn,
    faster_engine,
    fit,
    train_each,
    train_group,
)
from spurlab.training.engines import stack_states


def cnn(*geometry, length=11, classes=4, channels=5):
    """Convolutions by kernel, stride and padding; channels grow by one with each."""
    layers, before = [nn.Flatten(), nn.Unflatten(1, (1, length))], 1
    for place, (kernel, stride, padding) in enumerate(geometry):
        layers += [nn.Conv1d(before, channels + place, kernel, stride, padding), nn.ReLU()]
        before, length = channels + place, (length + 2 * padding - kernel) // stride + 1
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(before * length, classes))


GEOMETRIES = [
    ((5, 2, 1), (3, 2, 1), (3, 2, 1)),  # that of MNIST-1D
    ((3, 1, 1),),
    ((2, 3, 0), (2, 1, 0)),  # a kernel shorter than its stride leaves features out
    ((1, 4, 2), (4, 1, 3)),  # padding wider than the kernel
    ((4, 2, 0), (3, 3, 2)),
]


def models_and_stack(geometry, dtype, m=3):
    models = [seeded(lambda: cnn(*geometry), seed).to(dtype) for seed in range(m)]
    return models, StackedCNN(models[0], stack_states(models), dtype)


def draw(*shape, purpose):
    """Float32 numbers, exact in float64 too."""
    return torch.randn(*shape, generator=rng_for(0, "test", purpose))


def gradients_by_name(stack, models):
    """What the stack has for each member, in the members' own layout: a step of minus one shows it."""
    before = {name: tensor.clone() for name, tensor in stack.state().items()}
    with torch.no_grad():
        stack.weights -= stack.weights.grad
        after = {name: tensor.clone() for name, tensor in stack.state().items()}
        stack.weights += stack.weights.grad
    return {name: before[name] - after[name] for name in before}


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-11), (torch.float32, 2e-5)])
def test_gradients_equal_autograd(geometry, dtype, tolerance):
    """For a loss that is linear in the logits, their gradient is known and exact, so float64 shows the chain alone.

    Batches of changing size, no zero_grad between them: memory is used again, and gradients must not add up.
    """
    models, stack = models_and_stack(geometry, dtype)
    for n in (5, 2, 7, 5):
        inputs, upstream = draw(3, n, 11, purpose=n).to(dtype), draw(3, n, 4, purpose=-n)
        logits = stack(inputs)
        (logits * upstream).sum().backward()
        found = gradients_by_name(stack, models)
        for i, model in enumerate(models):
            model.zero_grad()
            wanted = model(inputs[i])
            (wanted * upstream[i].to(dtype)).sum().backward()
            assert_close(logits[i], wanted.float(), rtol=1e-5, atol=1e-6)
            for name, parameter in model.named_parameters():
                assert_close(found[name][i], parameter.grad, rtol=tolerance, atol=tolerance)


def test_signals_with_a_channel_are_the_same_signals():
    _, stack = models_and_stack(GEOMETRIES[0], torch.float32)
    inputs = draw(3, 5, 11, purpose="x")
    assert stack(inputs.unsqueeze(2)).equal(stack(inputs))


def test_logits_outlive_the_next_call():
    _, stack = models_and_stack(GEOMETRIES[0], torch.float32)
    with torch.no_grad():
        logits = stack(draw(3, 5, 11, purpose="x"))
        before = logits.clone()
        stack(draw(3, 5, 11, purpose="y"))
    assert logits.equal(before)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_the_state_is_the_members_weights_by_name(geometry):
    """In PyTorch's order and layout, whatever order they are held in, and in whatever order they came."""
    models, _ = models_and_stack(geometry, torch.float32)
    states = stack_states(models)
    shuffled = dict(sorted(states.items(), key=lambda item: item[0][::-1]))
    for given in (states, shuffled):
        stack = StackedCNN(models[0], given)
        assert list(stack.state()) == list(given)
        for name, tensor in stack.state().items():
            assert tensor.equal(states[name])
            assert tensor.is_contiguous()


def test_bfloat16_products_are_those_of_autocast():
    """Sums are rounded to 8 bits after each layer, here and there: a number at an edge moves by 2^-8."""
    models = [build("mnist1d-cnn-25", (40,), 10, seed) for seed in range(2)]
    stack = StackedCNN(models[0], stack_states(models), torch.bfloat16)
    inputs = draw(2, 20, 40, purpose="x")
    logits = stack(inputs)
    assert logits.dtype == torch.float32
    assert logits.equal(logits.bfloat16().float())
    logits.square().sum().backward()
    found = gradients_by_name(stack, models)
    assert all(tensor.dtype == torch.float32 for p in stack.parameters() for tensor in (p, p.grad))
    for i, model in enumerate(models):
        with torch.autocast("cpu", torch.bfloat16):
            wanted = model(inputs[i])
        wanted.float().square().sum().backward()
        assert_close(logits[i], wanted.float(), rtol=2**-6, atol=2**-8)
        for name, parameter in model.named_parameters():
            off = (found[name][i] - parameter.grad).norm() / parameter.grad.norm()
            assert off < 0.02, name  # exact float32 gradients are as far off


@pytest.fixture(scope="module")
def members():
    """Three members with 150 signals and different marks, so that the last batch is smaller."""
    base = Examples(draw(150, 12, purpose="signals"), torch.randint(4, (150,), generator=rng_for(1, "test")))
    rows = [torch.arange(10 * seed) for seed in range(3)]
    return [Member(Planted(base, own, base.inputs[own] + 2.0), seed) for seed, own in enumerate(rows)]


def small(seed):
    return seeded(lambda: signal_cnn((12,), 4, channels=6), seed)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"input_noise": 0.1, "loss": "mse"},
        {"loss": "kld", "optimizer": "rmsprop"},
        {"optimizer": "adagrad", "weight_decay": 1e-2},
        {"optimizer": "sgd", "weight_decay": 1e-3, "clip_norm": 0.1, "clip_value": 0.01},
    ],
    ids=str,
)
def test_members_learn_what_they_learn_alone(members, changes):
    """The same batches: what is left is rounding, which adaptive optimizers amplify."""
    recipe = Recipe(epochs=3, milestones=(2,), batch_size=64, learning_rate=1e-3).but(**changes)
    together, alone = train_group(small, members, recipe), train_each(small, members, recipe)
    assert_close(together.losses, alone.losses, rtol=1e-4, atol=1e-6)
    assert together.state.keys() == alone.state.keys()
    for name, tensor in alone.state.items():
        assert_close(together.state[name], tensor, rtol=1e-3, atol=2e-4)
        assert together.state[name].is_contiguous()
    assert not together.state["2.weight"][0].equal(together.state["2.weight"][1])


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_company_changes_a_member_by_rounding_alone(members, precision):
    """One, two or three at once. A number that rounds the other way moves by 2^-24, in bfloat16 products by 2^-8."""
    recipe = Recipe(epochs=2, milestones=(), batch_size=64, learning_rate=1e-3, precision=precision)
    each = Trained.joined([train_group(small, [member], recipe) for member in members])
    for m in (2, 3):
        other = Trained.joined([train_group(small, members[i : i + m], recipe) for i in range(0, 3, m)])
        assert_close(other.losses, each.losses, rtol=1e-5 if precision == "float32" else 0.01, atol=0)


def test_a_member_that_diverges_leaves_the_others_alone(members):
    wild = Member(Planted(members[0].data.base, torch.arange(5), torch.full((5, 12), 1e30)), 7)
    recipe = Recipe(optimizer="sgd", epochs=2, milestones=(), batch_size=64)
    trained = train_group(small, [members[0], wild, members[2]], recipe)
    assert trained.diverged.tolist() == [False, True, False]
    calm = train_group(small, members, recipe)
    for i in (0, 2):
        assert_close(trained.losses[i], calm.losses[i])


@pytest.mark.parametrize("name", ["mnist1d-cnn", "mnist1d-cnn-25"])
def test_fit_trains_the_cnns_of_the_zoo_in_lockstep(name):
    network = skeleton(name, (40,), 10)
    assert can_stack_cnn(network)
    engine, why = faster_engine(network, (40,), torch.device("cpu"))
    assert engine == "lockstep"
    assert "convolutions of signals" in why


def test_an_ensemble_predicts_as_each_member_does(members):
    recipe = Recipe(epochs=1, milestones=())
    ensemble = fit("mnist1d-cnn-25", members, recipe, classes=4, workers=0, engine="lockstep")
    inputs = members[0].data.base.inputs[:9]
    for i, together in enumerate(ensemble.predict(inputs)):
        with torch.no_grad():
            assert_close(together, ensemble.member(i)(inputs).softmax(-1))


class Doubled(nn.Conv1d):
    def forward(self, x):
        return 2 * super().forward(x)


def changed(place, layer):
    def make():
        network = signal_cnn((12,), 4, channels=6)
        network[place] = layer()
        return network

    return make


def frozen():
    network = signal_cnn((12,), 4, channels=6)
    network[2].bias.requires_grad_(False)
    return network


def tied():
    network = signal_cnn((12,), 4, channels=6)
    network[6] = network[4]
    return network


STRANGERS = {
    "a perceptron": lambda: build("logistic", (12,), 4, 0),
    "images": lambda: build("cnn", (1, 28, 28), 10, 0),
    "no sequence": lambda: nn.Linear(4, 3),
    "nothing": nn.Sequential,
    "another activation": changed(3, nn.Tanh),
    "no bias": changed(4, partial(nn.Conv1d, 6, 6, 3, 2, 1, bias=False)),
    "holes in the kernel": changed(4, partial(nn.Conv1d, 6, 6, 3, 2, 1, dilation=2)),
    "groups": changed(4, partial(nn.Conv1d, 6, 6, 3, 2, 1, groups=2)),
    "padding by a word": changed(4, partial(nn.Conv1d, 6, 6, 3, padding="same")),
    "padding round about": changed(4, partial(nn.Conv1d, 6, 6, 3, 2, 1, padding_mode="circular")),
    "two channels": changed(1, partial(nn.Unflatten, 1, (2, 6))),
    "a last layer without bias": changed(9, partial(nn.Linear, 12, 4, bias=False)),
    "a convolution of the user's": changed(4, partial(Doubled, 6, 6, 3, 2, 1)),
    "a frozen layer": frozen,
    "a layer that comes twice": tied,
}


@pytest.mark.parametrize("which", STRANGERS)
def test_what_the_chain_does_not_know_is_refused(which):
    assert not can_stack_cnn(STRANGERS[which]())
