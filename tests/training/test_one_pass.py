"""Adam in one pass against PyTorch's three: the same numbers to the bit, and who takes which."""

import math

import pytest
import torch

from spurlab.data import Examples
from spurlab.models import build, seeded, signal_cnn
from spurlab.patterns import Planted
from spurlab.seeds import rng_for
from spurlab.training import Member, Recipe, StackedMLP, train_group
from spurlab.training import one_pass as room
from spurlab.training.engines import flush_denormals, stack_states

pytest.importorskip("numba", reason="the pass is compiled by numba (the extra `fast`)")
pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.skipif(not room.usable(), reason="here numba's pass does not give PyTorch's bits, and is not taken"),
]
RECIPE = Recipe(epochs=3, milestones=(2,), batch_size=32, precision="bfloat16")


@pytest.fixture
def members():
    base = Examples(torch.rand(100, 1, 5, 5, generator=rng_for(0, "test")), torch.arange(100) % 3)
    return [Member(Planted.none(base), seed) for seed in range(3)]


@pytest.fixture(autouse=True)
def asked_anew():
    room.usable.cache_clear()
    yield
    room.usable.cache_clear()


@pytest.fixture
def passes(monkeypatch):
    """How often the pass is made, in each training one after the other."""
    counted, step = [], room.OnePassAdam.step

    def counting(self, closure=None):
        counted.append(1)
        return step(self, closure)

    monkeypatch.setattr(room.OnePassAdam, "step", counting)
    return counted


def without_numba():
    raise ImportError("no module named numba")


def perceptron(seed):
    return build("small-mlp", (1, 5, 5), 3, seed)


def convolutions(seed):
    return seeded(lambda: signal_cnn((25,), 3, channels=6), seed)


@pytest.mark.parametrize("make", [perceptron, convolutions])
@pytest.mark.parametrize("changes", [{}, {"input_noise": 0.1}, {"schedule": "one-cycle", "milestones": ()}])
def test_one_pass_trains_the_networks_of_three_passes_to_the_bit(make, changes, members, passes, monkeypatch):
    recipe = RECIPE.but(**changes)
    one = train_group(make, members, recipe)
    assert len(passes) == 3 * math.ceil(100 / 32)
    room.usable.cache_clear()
    monkeypatch.setattr(room, "kernel", without_numba)
    three = train_group(make, members, recipe)
    assert len(passes) == 3 * math.ceil(100 / 32)
    assert one.losses.equal(three.losses)
    assert all(one.state[name].equal(tensor) for name, tensor in three.state.items())
    assert (one.losses[:, -1] < one.losses[:, 0]).all()


def test_five_thousand_steps_give_pytorch_s_bits():
    """The powers of the corrections and all sizes of gradients, with steps that are zero."""
    rng, m = rng_for(1, "test"), 320
    theirs = torch.randn(m, generator=rng).requires_grad_()
    ours = [theirs.detach().clone(), torch.zeros(m), torch.zeros(m)]
    rounded, optimizer = torch.zeros(m, dtype=torch.bfloat16), torch.optim.Adam([theirs], lr=0.003, fused=True)
    with flush_denormals():
        for step in range(1, 5001):
            gradient = (torch.randn(m, generator=rng) * 10 ** (-30 * torch.rand(m, generator=rng))).bfloat16()
            gradient[:10] = 0
            theirs.grad = gradient.float()
            optimizer.step()
            arrays = room.as_arrays(gradient, *ours, rounded)
            room.kernel()(*arrays, *room.constants(step, 0.003, 0.9, 0.999, 1e-8))
    state = optimizer.state[theirs]
    assert ours[0].equal(theirs)
    assert ours[1].equal(state["exp_avg"])
    assert ours[2].equal(state["exp_avg_sq"])
    assert rounded.equal(theirs.bfloat16())


def test_rounding_is_pytorch_s_also_where_it_is_hard():
    """Halfway between, next to it, the largest, infinite, and no number at all: a gradient of zero moves none."""
    bits = [0x3F808000, 0x3F818000, 0x3F808001, 0x3F807FFF, 0x7F7FFFFF, 0x7F800000, 0xFF800000, 0x7FFFFFFF, 0x80000000]
    weights = torch.tensor([each - (each >> 31 << 32) for each in bits], dtype=torch.int32).view(torch.float32)
    wanted, zeros = weights.bfloat16(), torch.zeros(len(bits))
    rounded, gradient = torch.ones(len(bits), dtype=torch.bfloat16), torch.zeros(len(bits), dtype=torch.bfloat16)
    arrays = room.as_arrays(gradient, weights, zeros, zeros.clone(), rounded)
    room.kernel()(*arrays, *room.constants(1, 0.1, 0.9, 0.999, 1e-8))
    assert torch.equal(rounded.isnan(), wanted.isnan())
    assert rounded.nan_to_num(7.0).equal(wanted.nan_to_num(7.0))


def test_a_member_that_diverges_leaves_the_others_alone(members):
    base = members[0].data.base
    rows = torch.arange(2)
    wild = Member(Planted(base, rows, torch.full((2, 1, 5, 5), math.inf)), 7)
    trained = train_group(perceptron, [members[0], wild, members[2]], RECIPE)
    calm = train_group(perceptron, members, RECIPE)
    assert trained.diverged.tolist() == [False, True, False]
    for name, tensor in calm.state.items():
        assert trained.state[name][0].equal(tensor[0])


@pytest.mark.parametrize(
    "changes",
    [{"clip_norm": 1.0}, {"clip_value": 0.1}, {"weight_decay": 0.1}, {"optimizer": "sgd"}, {"precision": "float32"}],
)
def test_what_changes_the_gradient_or_the_optimizer_is_pytorch_s(changes, members, passes):
    train_group(perceptron, members, [RECIPE.but(**({"weight_decay": 0.0} | changes))] * 3)
    assert not passes


def test_on_several_threads_pytorch_s_is_taken(members, passes):
    torch.set_num_threads(2)
    try:
        train_group(perceptron, members, RECIPE)
    finally:
        torch.set_num_threads(1)
    assert not passes


def test_one_member_with_weight_decay_is_enough(members, passes):
    train_group(perceptron, members, [RECIPE, RECIPE.but(weight_decay=0.1), RECIPE])
    assert not passes


def test_a_pass_with_other_bits_is_not_taken(members, passes, monkeypatch):
    """A step of zero size instead."""
    real = room.kernel()
    monkeypatch.setattr(room, "kernel", lambda: lambda *arguments: real(*arguments[:-1], arguments[-1] * 0))
    assert not room.usable()
    train_group(perceptron, members, RECIPE)
    assert not passes


def test_rounded_weights_outside_a_training_follow_the_weights():
    """Who steps them otherwise need not know: `Stacked.converts` stays on."""
    models = [perceptron(seed) for seed in range(2)]
    stack, inputs = (
        StackedMLP(stack_states(models), torch.bfloat16),
        torch.rand(2, 4, 1, 5, 5, generator=rng_for(2, "t")),
    )
    before = stack(inputs).clone()
    stack.weights.mul_(2)
    assert not stack(inputs).equal(before)
