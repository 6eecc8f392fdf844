"""Networks with convolutions, batch norm and dropout in lockstep, against their slow twin."""

import re
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from spurlab.data import Examples
from spurlab.models import seeded
from spurlab.patterns import make_pattern, plant
from spurlab.seeds import rng_for
from spurlab.training import RECIPES, Member, fit, train_each, train_group
from spurlab.training.fit import LOCKSTEP_CONVOLUTIONS
from spurlab.training.vectorized import VectorizedNet, vectorizing_fails

RECIPE = RECIPES["quick"].but(epochs=3, milestones=(2,), batch_size=64, learning_rate=1e-3)


def small(dropout=0.5):
    """No bias before batch norm: its gradient is rounding alone, which Adam would blow up."""
    return nn.Sequential(
        *(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(dropout / 2)),
        *(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8 * 16, 16), nn.ReLU(), nn.Dropout(dropout), nn.Linear(16, 5)),
    )


@pytest.fixture(scope="module")
def members():
    """Three members with 150 images, so that the last batch is smaller, and different marks."""
    images = torch.rand(150, 3, 8, 8, generator=rng_for(0, "test"))
    base = Examples(images, torch.randint(5, (150,), generator=rng_for(1, "test")))
    pattern = make_pattern("R3", (3, 8, 8), 0)
    return [Member(plant(base, pattern, 0, n, seed), seed) for n, seed in ((0, 3), (5, 4), (10, 5))]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"augmentation": "crop-flip", "input_noise": 0.1},
        {"loss": "mse"},
        {"loss": "kld", "optimizer": "rmsprop"},
        {"optimizer": "adagrad", "weight_decay": 1e-2},
        {"optimizer": "sgd", "weight_decay": 1e-3, "clip_norm": 0.1, "clip_value": 0.01},
    ],
    ids=str,
)
def test_members_learn_what_they_learn_alone(members, changes):
    """The same batches, masks and statistics: what is left is rounding, which adaptive optimizers amplify."""
    make, recipe = partial(seeded, small), RECIPE.but(**changes)
    together, alone = train_group(make, members, recipe), train_each(make, members, recipe)
    torch.testing.assert_close(together.losses, alone.losses, rtol=1e-4, atol=1e-6)
    assert together.state.keys() == alone.state.keys()
    for name, tensor in alone.state.items():
        torch.testing.assert_close(together.state[name], tensor, rtol=1e-3, atol=2e-4)
    assert not together.state["6.weight"][0].equal(together.state["6.weight"][1])


def test_batch_norm_keeps_each_members_own_statistics(members):
    """After one batch of everything: the running mean is a tenth of the batch's, by hand."""
    recipe = RECIPE.but(epochs=1, milestones=(), batch_size=150)
    make = partial(seeded, partial(small, 0.0))
    state = train_group(make, members, recipe).state
    for i, member in enumerate(members):
        first = make(member.seed)[0]
        mean = first(member.data.materialize().inputs).mean(dim=(0, 2, 3))
        torch.testing.assert_close(state["1.running_mean"][i], 0.1 * mean)
        assert state["1.num_batches_tracked"][i] == 1


def test_dropout_differs_by_member_epoch_and_step_and_keeps_its_share(members):
    """Of 3 x 2 masks of 64 x 128 places a quarter is dropped: 12,288 expected, sd 96; ours within 6 sd."""
    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.25))
    network = VectorizedNet(model, {"x": torch.zeros(3)}, [3, 4, 5])
    inputs = torch.ones(3, 64, 128)
    seen = []
    for epoch in (0, 1):
        network.begin(epoch)
        seen += [network(inputs), network(inputs)]
    for i, one in enumerate(seen):
        assert all(not one.equal(other) for other in seen[:i])
        assert not one[0].equal(one[1])
    dropped = sum(int((masks == 0).sum()) for masks in seen[:2])
    assert abs(dropped - 12_288) < 6 * 96
    torch.testing.assert_close(seen[0].unique(), torch.tensor([0, 1 / 0.75]))


def test_training_leaves_the_global_generator_alone(members):
    before = torch.random.get_rng_state()
    for train in (train_each, train_group):
        train(partial(seeded, small), members, RECIPE.but(epochs=1, milestones=()))
        assert torch.random.get_rng_state().equal(before)


def tied():
    first = nn.Linear(192, 192)
    return nn.Sequential(nn.Flatten(), first, nn.ReLU(), first, nn.Linear(192, 5))


class DrawsItself(nn.Module):
    """Draws where lockstep does not see it."""

    def __init__(self):
        super().__init__()
        self.last = nn.Linear(192, 5)

    def forward(self, inputs):
        return self.last(F.dropout(inputs.flatten(1), 0.5, self.training))


class DropsTwice(DrawsItself):
    """One dropout, used twice."""

    def __init__(self):
        super().__init__()
        self.drop = nn.Dropout()

    def forward(self, inputs):
        return self.last(self.drop(self.drop(inputs.flatten(1))))


@pytest.mark.parametrize("network", [DrawsItself, DropsTwice, tied])
def test_what_lockstep_cannot_do_is_said_and_plain_does_it(members, network):
    recipe = RECIPE.but(epochs=1, milestones=())
    with pytest.raises(ValueError, match="Train it with the engine 'plain'"):
        fit(network, members, recipe, classes=5, engine="lockstep")
    assert not fit(network, members, recipe, classes=5, engine="plain").diverged.any()


def test_outputs_that_are_no_logits_are_refused(members):
    with pytest.raises(ValueError, match=r"outputs of shape \(3, 8, 5\)"):
        train_group(lambda seed: nn.Linear(8, 5), members, RECIPE)


def wide():
    """8 x 8 places, 16 channels of 3 x 9 weights and 32 of 16 x 9: 322,560 multiply-adds."""
    return nn.Sequential(
        *(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(32 * 64, 5)),
    )


@pytest.mark.parametrize(
    ("network", "engine", "why"),
    [
        (small, "lockstep", "its layers are small"),
        (wide, "plain", f"take 322,560 multiply-adds.*slower from about {LOCKSTEP_CONVOLUTIONS:,} on"),
        (tied, "plain", "some of its layers share weights"),
        (DrawsItself, "plain", "DrawsItself cannot be trained in lockstep"),
        (DropsTwice, "plain", "the dropout 'drop' is used twice"),
    ],
)
def test_auto_takes_the_faster_engine_that_can_and_says_why(members, caplog, network, engine, why):
    recipe = RECIPE.but(epochs=1, milestones=())
    with caplog.at_level("INFO", logger="spurlab"):
        auto = fit(network, members, recipe, classes=5)
    assert re.search(f"{engine}: .*{why}", caplog.text)
    told = fit(network, members, recipe, classes=5, engine=engine)
    assert all(tensor.equal(told.trained.state[name]) for name, tensor in auto.trained.state.items())


def test_trying_lockstep_leaves_no_trace():
    model, drawing = small(), DrawsItself()
    generator = torch.get_rng_state()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert vectorizing_fails(model, (3, 8, 8)) == ""
    assert vectorizing_fails(drawing, (3, 8, 8))
    assert all(tensor.equal(before[name]) for name, tensor in model.state_dict().items())
    assert any(isinstance(module, nn.Dropout) for module in model)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.get_rng_state().equal(generator)


def test_bfloat16_members_learn_what_they_learn_alone(members):
    """A number that rounds the other way moves by 2^-8; in nine steps few are met, and float32 is farther off."""
    make, recipe = partial(seeded, small), RECIPE.but(precision="bfloat16")
    together, alone = train_group(make, members, recipe), train_each(make, members, recipe)
    torch.testing.assert_close(together.losses, alone.losses, rtol=0.02, atol=0)


@pytest.mark.parametrize(
    "layers",
    [lambda: (nn.Conv2d(3, 5, 8, bias=False), nn.Flatten()), lambda: (nn.Flatten(), nn.Linear(192, 5, bias=False))],
    ids=["convolution", "linear"],
)
def test_bfloat16_products_are_those_of_autocast(members, layers):
    """One product, so that each number has 8 bits, and at an edge may round the other way: by 2^-8, then once more."""
    model, images = nn.Sequential(*layers()), members[0].data.base.inputs[:20]
    state = {name: torch.stack([tensor] * 2) for name, tensor in model.state_dict().items()}
    with torch.autocast("cpu", torch.bfloat16):
        wanted = model(images).float()
    network = VectorizedNet(model, state, [0, 1], torch.bfloat16)
    logits = network(torch.stack([images] * 2))
    assert logits.dtype == torch.float32
    assert logits.equal(logits.bfloat16().float())
    torch.testing.assert_close(logits[0], wanted, rtol=2**-7, atol=1e-4)
    logits.square().sum().backward()
    assert all(tensor.dtype == torch.float32 for p in network.parameters() for tensor in (p, p.grad))


class Shifts(nn.Module):
    """With a buffer that no state names."""

    shift: torch.Tensor

    def __init__(self):
        super().__init__()
        self.last = nn.Linear(192, 5)
        self.register_buffer("shift", torch.ones(192), persistent=False)

    def forward(self, inputs):
        return self.last(inputs.flatten(1) + self.shift)


def test_what_is_not_in_the_state_follows_it_to_its_device():
    """The meta device stands for a GPU: a template left behind would be on the CPU."""
    template = Shifts()
    VectorizedNet(
        template, {name: torch.zeros(2, *t.shape, device="meta") for name, t in template.named_parameters()}, [0, 1]
    )
    assert template.shift.device.type == "meta"


def test_an_ensemble_of_such_networks_predicts_as_each_member_does(members):
    ensemble = fit(small, members, RECIPE.but(epochs=1, milestones=()), classes=5, engine="lockstep")
    images = members[0].data.materialize().inputs
    together = ensemble.predict(images)
    for i in range(3):
        with torch.no_grad():
            torch.testing.assert_close(together[i], ensemble.member(i)(images).softmax(-1))
