"""What the methods that fine-tune share."""

import math

import pytest
import torch
from torch import nn
from torch.testing import assert_close
from toys import assert_moved, same, seeded

from spurlab.data import Examples
from spurlab.deletion import Incremental, deletion_named
from spurlab.deletion.steps import divergence, fine_tuning, teacher_from
from spurlab.methods import Descent


@pytest.fixture
def normed():
    """A network with batch norm."""
    layers = lambda: nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))  # noqa: E731
    return seeded(layers, 1).eval()


@pytest.mark.parametrize(
    ("name", "down", "up"),
    [
        ("incremental rate=0.1", 1, 0),
        ("cf-k k=1 epochs=1 rate=0.1", 1, 0),
        ("neggrad+ beta=0.95 epochs=1 rate=0.1", 0.95, 0.05),
        ("neggrad+ beta=0.6 epochs=1 rate=0.1", 0.6, 0.4),
    ],
)
def test_a_step_is_down_for_the_retained_and_up_for_the_forgotten(
    name, down, up, model, data, forget, whole, gradients
):
    """CF-1 takes the last layer's part of it."""
    after = deletion_named(name, whole.but(epochs=1), 0)(model, data, forget)
    retain, others = (gradients(model, part) for part in (data[~forget], data[forget]))
    steps = [-0.1 * (down * one - up * other) for one, other in zip(retain, others, strict=True)]
    assert_moved(after, model, [0, 0, *steps[2:]] if "cf-k" in name else steps)


def test_a_rate_of_its_own_is_one_rate_throughout(model, data, forget, recipe):
    """Incremental retraining goes on as by a recipe with that rate and no milestone."""
    other = recipe.but(learning_rate=0.02, milestones=())
    one, again = (method(model, data, forget) for method in (Incremental(recipe, rate=0.02), Incremental(other)))
    assert same(one, again)


@pytest.mark.parametrize(("name", "share"), [("neggrad+ beta=0.5", 0.5), ("random-labels", 1)])
def test_nothing_to_forget_is_fine_tuning(name, share, model, data, forget, whole, gradients):
    after = deletion_named(f"{name} epochs=1 rate=0.1", whole, 0)(model, data, forget & False)
    assert_moved(after, model, [-0.1 * share * gradient for gradient in gradients(model, data)])


@pytest.mark.parametrize(
    ("name", "trained_on"),
    [
        *((name, 84) for name in ("retrain", "incremental", "neggrad+", "scrub", "prune", "l1-sparse", "eu-k")),
        *((name, 90) for name in ("random-labels", "salun")),
        ("bad-teacher", 6 + 26),  # 30 % of 84 is 25.2
    ],
)
def test_a_last_batch_of_one_is_explained_to_batch_norm(name, trained_on, normed, data, forget, recipe):
    """Examples that a method trains on, less one, is the batch size that leaves one over; with one more none is."""
    drawn = torch.random.get_rng_state()
    with pytest.raises(ValueError, match=r"batch norm cannot be trained on a batch of one .* another `batch_size`"):
        deletion_named(name, recipe.but(batch_size=trained_on - 1), 0)(normed, data, forget)
    assert torch.random.get_rng_state().equal(drawn)
    after = deletion_named(name, recipe.but(batch_size=trained_on), 0)(normed, data, forget)
    assert after(data.inputs).isfinite().all()


@pytest.mark.parametrize("name", ["gradient-ascent", "neggrad+", "scrub"])
def test_one_example_to_forget_is_explained_to_batch_norm(name, normed, data, recipe):
    with pytest.raises(ValueError, match="or forget more examples at once"):
        deletion_named(name, recipe, 0)(normed, data, torch.arange(90) == 7)


def test_other_errors_are_passed_on(data, forget, recipe):
    """Images that are none cannot be augmented: the error of that stands."""
    with pytest.raises(ValueError, match="augmentation 'flip' is for images"):
        deletion_named("prune", recipe.but(augmentation="flip"), 0)(nn.Linear(2, 3), data, forget)


def test_the_divergence_by_hand():
    """p = (1/2, 1/2), q = (1/4, 3/4): 1/2 log 2 + 1/2 log(2/3) = 1/2 log(4/3); of equals: none."""
    student = torch.tensor([[0.0, math.log(3)], [1.0, 1.0]])
    assert_close(divergence(torch.zeros(2, 2), student), torch.tensor([0.5 * math.log(4 / 3), 0.0]))


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "adagrad", "rmsprop"])
def test_masked_weights_stay_to_the_bit(optimizer, model, data, recipe):
    """Neither momentum nor weight decay moves them; the others move."""
    masks = {"0.weight": torch.arange(16).view(8, 2) % 3 == 0}
    before = model[0].weight.detach().clone()
    own = recipe.but(optimizer=optimizer, weight_decay=0.1, epochs=2, milestones=())
    Descent(model, own, 0, "test", masks).train_on(data)
    assert model[0].weight.ne(before).equal(masks["0.weight"])


def test_what_does_not_move_does_not_count_in_clipping(data, recipe):
    """One SGD step at rate 1 with the gradient's norm clipped to 1e-3 moves the movable weights by that norm."""
    network = nn.Linear(2, 3)
    masks = {"weight": torch.tensor([[True, False]] * 3), "bias": torch.zeros(3, dtype=torch.bool)}
    before = network.weight.detach().clone()
    own = recipe.but(optimizer="sgd", momentum=0.0, learning_rate=1.0, clip_norm=1e-3, batch_size=90, epochs=1)
    Descent(network, own.but(milestones=()), 0, "test", masks).train_on(data)
    assert (network.weight - before).norm().item() == pytest.approx(1e-3, rel=1e-2)


def test_frozen_batch_norm_rests_and_the_rest_trains(normed, data, recipe):
    normed[1].requires_grad_(False)
    before = {name: buffer.clone() for name, buffer in normed[1].named_buffers()}
    descent = Descent(normed, recipe, 0, "test")
    with descent.epoch(0):
        assert [module.training for module in normed] == [True, False, True, True]
        for batch in descent.batches(data, 0):
            descent.step(descent.loss(batch))
    assert all(buffer.equal(before[name]) for name, buffer in normed[1].named_buffers())
    assert not any(module.training for module in normed)


def test_an_epoch_meets_each_example_once_in_an_order_of_its_own(model, data, recipe):
    descent = Descent(model, recipe, 0, "test")
    first, again, second, other = (
        torch.cat([batch.rows for batch in descent.batches(data, epoch, part)])
        for epoch, part in ((0, "retain"), (0, "retain"), (1, "retain"), (0, "forget"))
    )
    assert first.sort().values.equal(torch.arange(90))
    assert first.equal(again)
    assert not first.equal(second)
    assert not first.equal(other)
    batch = next(descent.batches(data, 0))
    assert batch.inputs.equal(data.inputs[batch.rows])
    assert batch.labels.equal(data.labels[batch.rows])
    assert list(descent.batches(data[:0], 0)) == []


def test_the_schedule_goes_on_after_each_epoch(model, data, recipe):
    """Plain SGD: steps of 1, then of 0.1, of a loss whose gradient is 1 everywhere."""
    own = recipe.but(optimizer="sgd", momentum=0.0, learning_rate=1.0, epochs=2, milestones=(1,))
    network = nn.Linear(1, 1, bias=False)
    start = network.weight.item()
    descent = Descent(network, own, 0, "test")
    for epoch, ends in enumerate((start - 1, start - 1.1)):
        with descent.epoch(epoch):
            descent.step(network.weight.sum())
        assert network.weight.item() == pytest.approx(ends)


def test_noise_and_augmentation_are_those_of_the_recipe(recipe):
    """Standard deviation 0.5 over 90 000 numbers: the sample's lies within 4 / sqrt(180 000) of it, relatively, for all
    but one seed in 16 000. A mirrored image is the image or its mirror, and half of them are (1 000: 4 sd = 63)."""
    images = torch.zeros(1000, 1, 9, 10)
    images[..., 0] = 1.0
    examples = Examples(images, torch.zeros(1000, dtype=torch.int64))
    network = nn.Sequential(nn.Flatten(), nn.Linear(90, 2))
    (batch,) = Descent(network, recipe.but(batch_size=1000, input_noise=0.5), 0, "test").batches(examples, 0)
    assert (batch.inputs - images).std().item() == pytest.approx(0.5, rel=4 / math.sqrt(180_000))
    (batch,) = Descent(network, recipe.but(batch_size=1000, augmentation="flip"), 0, "test").batches(examples, 0)
    mirrored = batch.inputs[:, 0, 0, 9] == 1
    assert abs(int(mirrored.sum()) - 500) < 63
    assert torch.where(mirrored.view(-1, 1, 1, 1), batch.inputs.flip(3), batch.inputs).equal(images)


def test_a_teacher_stays_as_it_is(model, data, recipe):
    teacher = teacher_from(model)
    Descent(model, recipe, 0, "test").train_on(data)
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    assert not teacher[0].weight.equal(model[0].weight)


def test_fine_tuning_is_at_one_rate(recipe):
    assert fine_tuning(recipe, 3, 0.5) == recipe.but(epochs=3, learning_rate=0.5, milestones=())
