"""The hand-written chains against autograd, and which networks they know: perceptrons, and convolutions of signals."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from spurlab.data import Examples
from spurlab.models import build, mlp, seeded, signal_cnn, skeleton
from spurlab.patterns import Planted
from spurlab.seeds import rng_for
from spurlab.training import (
    Member,
    Recipe,
    StackedCNN,
    StackedMLP,
    Trained,
    can_stack,
    can_stack_cnn,
    faster_engine,
    fit,
    layout_for,
    predicted_at_once,
    train_each,
    train_group,
)
from spurlab.training.engines import stack_states


def perceptrons(hidden, dtype, m=3):
    models = [seeded(lambda: mlp((1, 2, 3), 4, hidden), seed).to(dtype) for seed in range(m)]
    return models, StackedMLP(stack_states(models), dtype)


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


def signal_cnns(geometry, dtype, m=3):
    models = [seeded(lambda: cnn(*geometry), seed).to(dtype) for seed in range(m)]
    return models, StackedCNN(models[0], stack_states(models), dtype)


def draw(*shape, purpose):
    """Float32 numbers, exact in float64 too."""
    return torch.randn(*shape, generator=rng_for(0, "test", purpose))


def gradients(stack):
    """What the stack has for each member by name, in the members' own layout: a step of minus one shows it."""
    if isinstance(stack, StackedMLP):  # which holds them in that layout
        return dict(zip(stack.state(), (parameter.grad for parameter in stack.parameters()), strict=True))
    before = {name: tensor.clone() for name, tensor in stack.state().items()}
    with torch.no_grad():
        stack.weights -= stack.weights.grad
        after = {name: tensor.clone() for name, tensor in stack.state().items()}
        stack.weights += stack.weights.grad
    return {name: before[name] - after[name] for name in before}


STACKS = [
    *(
        (perceptrons, hidden, (1, 2, 3), {torch.float64: 1e-12, torch.float32: 1e-5})
        for hidden in ((), (5,), (5, 7, 6))
    ),
    *((signal_cnns, geometry, (11,), {torch.float64: 1e-11, torch.float32: 2e-5}) for geometry in GEOMETRIES),
]


@pytest.mark.parametrize(("stacked", "layers", "shape", "tolerance"), STACKS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_gradients_equal_autograd(stacked, layers, shape, tolerance, dtype):
    """For a loss that is linear in the logits, their gradient is known and exact, so float64 shows the chain alone.

    Batches of changing size, no zero_grad between them: memory is used again, and gradients must not add up.
    """
    models, stack = stacked(layers, dtype)
    for n in (5, 2, 7, 5):
        inputs, upstream = draw(3, n, *shape, purpose=n).to(dtype), draw(3, n, 4, purpose=-n)
        logits = stack(inputs)
        (logits * upstream).sum().backward()
        found = gradients(stack)
        assert len(found) == len(list(models[0].parameters()))
        for i, model in enumerate(models):
            model.zero_grad()
            wanted = model(inputs[i])
            (wanted * upstream[i].to(dtype)).sum().backward()
            assert_close(logits[i], wanted.float(), rtol=1e-5, atol=1e-6)
            for name, parameter in model.named_parameters():
                assert_close(found[name][i], parameter.grad, rtol=tolerance[dtype], atol=tolerance[dtype])


@pytest.mark.parametrize(("stacked", "layers", "shape", "_"), [STACKS[1], STACKS[3]])
def test_logits_outlive_the_next_call(stacked, layers, shape, _):
    """Memory is used again inside, but what was handed out belongs to the caller."""
    stack = stacked(layers, torch.float32)[1]
    with torch.no_grad():
        logits = stack(draw(3, 5, *shape, purpose="x"))
        before = logits.clone()
        stack(draw(3, 5, *shape, purpose="y"))
    assert logits.equal(before)


def test_gradients_equal_finite_differences():
    """An answer without autograd: move each weight a little and see what the loss does."""
    _, stack = perceptrons((5,), torch.float64, m=2)
    inputs, upstream = draw(2, 6, 1, 2, 3, purpose="x").double(), draw(2, 6, 4, purpose="up")

    def loss():
        return (stack(inputs).double() * upstream).sum()

    loss().backward()
    step = 2.0**-7  # logits are float32 with 7 digits; the loss is linear in each weight but for kinks of the ReLU
    worst = []
    for parameter in stack.parameters():
        gradient = parameter.grad.clone()
        for place in range(parameter.numel()):
            values = parameter.data.view(-1)
            before = values[place].item()
            sides = []
            for side in (1, -1):
                values[place] = before + side * step
                with torch.no_grad():
                    sides.append(loss().item())
            values[place] = before
            worst.append(abs((sides[0] - sides[1]) / (2 * step) - gradient.view(-1)[place].item()))
    exact = sum(error < 1e-3 for error in worst)
    assert exact > 0.9 * len(worst)  # within the step few of 2 x 6 x 5 units cross their kink
    assert max(worst) < 1


def test_the_gradient_at_the_kink_is_zero_as_autograd_has_it():
    """A black image and zero biases: every hidden unit stands at exactly 0."""
    models, stack = perceptrons((5,), torch.float32)
    for i, model in enumerate(models):
        model[1].bias.data.zero_()
        stack.state()["1.bias"][i] = 0
    stack(torch.zeros(3, 2, 1, 2, 3)).sum().backward()
    gradients = dict(zip(stack.state(), (p.grad for p in stack.parameters()), strict=True))
    assert gradients["1.bias"].abs().max() == 0
    assert gradients["3.bias"].min() == 2  # one for each image


def test_bfloat16_products_give_bfloat16_numbers_and_float32_weights():
    models = [seeded(lambda: mlp((1, 2, 3), 4, (5,)), seed) for seed in range(3)]
    stack = StackedMLP(stack_states(models), torch.bfloat16)
    logits = stack(draw(3, 5, 1, 2, 3, purpose="x"))
    assert logits.dtype == torch.float32
    assert logits.equal(logits.bfloat16().float())
    logits.square().sum().backward()
    assert all(tensor.dtype == torch.float32 for p in stack.parameters() for tensor in (p, p.grad))


def test_the_state_of_perceptrons_is_the_members_weights_by_name():
    models, stack = perceptrons((5,), torch.float32)
    for name, tensor in stack.state().items():
        for i, model in enumerate(models):
            assert tensor[i].equal(model.state_dict()[name])
    assert list(stack.state()) == list(models[0].state_dict())


def test_all_weights_stand_in_one_vector_of_whole_registers():
    """Moving the vector moves the weights, and their gradients are its gradient; the rest is zero and stays so.

    3 members, 6 inputs, 5 units, 4 classes: 90 + 15 + 60 + 12 numbers, in pieces of 96 + 16 + 64 + 16.
    """
    _, stack = perceptrons((5,), torch.float32)
    assert len(stack.weights) == len(stack.weights.grad) == 96 + 16 + 64 + 16
    stack(draw(3, 2, 1, 2, 3, purpose="x")).square().sum().backward()
    wanted = [parameter - 0.5 * parameter.grad for parameter in stack.parameters()]
    stack.weights -= 0.5 * stack.weights.grad
    pieces = stack.weights.split([90, 6, 15, 1, 60, 4, 12, 4])
    for piece, parameter, want in zip(pieces[0::2], stack.parameters(), wanted, strict=True):
        assert parameter.grad.abs().min() < parameter.grad.abs().max()
        assert parameter.equal(want)
        assert piece.equal(want.flatten())
    assert all(rest.abs().max() == 0 for rest in pieces[1::2])


@pytest.mark.parametrize("name", ["small-mlp", "mlp", "large-mlp"])
def test_the_perceptrons_of_the_zoo_can_be_stacked(name):
    assert can_stack(build(name, (1, 4, 4), 3, seed=0))


def test_a_single_linear_layer_can_be_stacked():
    assert can_stack(mlp((1, 4, 4), 3, hidden=()))


def test_signals_with_a_channel_are_the_same_signals():
    _, stack = signal_cnns(GEOMETRIES[0], torch.float32)
    inputs = draw(3, 5, 11, purpose="x")
    assert stack(inputs.unsqueeze(2)).equal(stack(inputs))


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_the_state_is_the_members_weights_by_name(geometry):
    """In PyTorch's order and layout, whatever order they are held in, and in whatever order they came."""
    models, _ = signal_cnns(geometry, torch.float32)
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
    found = gradients(stack)
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


class DoubledLinear(nn.Linear):
    def forward(self, x):
        return 2 * super().forward(x)


class Perceptron(nn.Sequential):
    def forward(self, x):
        return super().forward(x).tanh()


def tied_perceptron():
    layer = nn.Linear(4, 4)
    return nn.Sequential(nn.Flatten(), layer, nn.ReLU(), layer)


def frozen_perceptron():
    model = mlp((4,), 3, hidden=(5,))
    model[1].requires_grad_(False)
    return model


class DoubledConv(nn.Conv1d):
    def forward(self, x):
        return 2 * super().forward(x)


def changed(place, layer):
    def make():
        network = signal_cnn((12,), 4, channels=6)
        network[place] = layer()
        return network

    return make


def frozen_cnn():
    network = signal_cnn((12,), 4, channels=6)
    network[2].bias.requires_grad_(False)
    return network


def tied_cnn():
    network = signal_cnn((12,), 4, channels=6)
    network[6] = network[4]
    return network


STRANGE_PERCEPTRONS = {
    "dropout": lambda: nn.Sequential(nn.Flatten(), nn.Linear(4, 4), nn.Dropout(), nn.Linear(4, 3)),
    "dropout after ReLU": lambda: nn.Sequential(nn.Flatten(), nn.Linear(4, 4), nn.ReLU(), nn.Dropout()),
    "convolution": lambda: nn.Sequential(nn.Conv2d(1, 2, 1), nn.Flatten(), nn.Linear(8, 3)),
    "convolution after flatten": lambda: nn.Sequential(nn.Flatten(), nn.Conv1d(1, 2, 1)),
    "batch norm": lambda: nn.Sequential(nn.Flatten(), nn.Linear(4, 4), nn.BatchNorm1d(4), nn.ReLU()),
    "a missing bias": lambda: nn.Sequential(nn.Flatten(), nn.Linear(4, 4, bias=False), nn.ReLU(), nn.Linear(4, 3)),
    "another nonlinearity": lambda: nn.Sequential(nn.Flatten(), nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 3)),
    "ReLU at the end": lambda: nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU()),
    "no flatten": lambda: nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 3)),
    "flatten alone": lambda: nn.Sequential(nn.Flatten()),
    "nothing": nn.Sequential,
    "not a sequence": lambda: nn.Linear(4, 3),
    "nested": lambda: nn.Sequential(nn.Flatten(), nn.Sequential(nn.Linear(4, 3))),
    "a linear layer of the user's": lambda: nn.Sequential(nn.Flatten(), DoubledLinear(4, 3)),
    "a sequence of the user's": lambda: Perceptron(nn.Flatten(), nn.Linear(4, 3)),
    "a layer that comes twice": tied_perceptron,
    "a frozen layer": frozen_perceptron,
}
STRANGE_CNNS = {
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
    "a convolution of the user's": changed(4, partial(DoubledConv, 6, 6, 3, 2, 1)),
    "a frozen layer": frozen_cnn,
    "a layer that comes twice": tied_cnn,
}


STRANGERS = [(can_stack, make) for make in STRANGE_PERCEPTRONS.values()]
STRANGERS += [(can_stack_cnn, make) for make in STRANGE_CNNS.values()]


@pytest.mark.parametrize(
    ("known", "make"), STRANGERS, ids=[*STRANGE_PERCEPTRONS, *(f"{key}, cnn" for key in STRANGE_CNNS)]
)
def test_what_a_chain_does_not_know_is_refused(known, make):
    assert not known(make())


@pytest.mark.parametrize(
    ("network", "layout", "rows"),
    [
        (lambda: build("cnn", (1, 28, 28), 10, 0), torch.channels_last, 250),
        (lambda: nn.Sequential(nn.Sequential(nn.Conv2d(1, 2, 1))), torch.channels_last, 250),
        (lambda: build("mlp", (1, 28, 28), 10, 0), torch.contiguous_format, 2_000),
        (lambda: nn.Conv1d(1, 2, 1), torch.contiguous_format, 2_000),  # its inputs have no such layout
    ],
)
def test_images_lie_channels_last_for_convolutions_and_go_through_in_small_batches(network, layout, rows):
    assert layout_for(network()) is layout
    assert predicted_at_once(network()) == rows
