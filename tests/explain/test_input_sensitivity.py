"""The sensitivity against exact arithmetic, pixel lists and answers that can be worked out by hand."""

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from spurlab.data import Examples
from spurlab.explain import SHARES, input_sensitivity, removal_ranks, sensitivity_examples, zeroed
from spurlab.models import build
from spurlab.seeds import rng_for
from spurlab.training import Ensemble, Trained

SHAPES = [(40,), (1, 40), (1, 7, 6), (3, 7, 6)]


def sparse(n, *shape):
    """Images of which about a third of the values are zero, and the last image wholly."""
    values = torch.rand(n, *shape, generator=rng_for(0, "test", "values"))
    images = torch.where(values < 0.35, 0.0, values)
    images[-1] = 0
    return images


def brightness(images):
    """Two classes; the probability of class 1 is the mean value."""
    p = images.flatten(1).double().mean(1)
    return torch.stack([1 - p, p], dim=-1)


def ensemble(shape, seeds=(3, 4, 5)):
    states = [build("small-mlp", shape, 10, seed).state_dict() for seed in seeds]
    state = {name: torch.stack([each[name] for each in states]) for name in states[0]}
    return Ensemble("small-mlp", shape, 10, seeds, Trained(state, torch.zeros(len(seeds), 1)))


def zeroed_by_loop(images, percent, ranks):
    """One pixel after the other, with the share as a fraction; slow and obvious."""
    result = images.clone()
    for image, order in zip(result, ranks.tolist(), strict=True):
        channels = image.reshape(1, -1) if image.ndim == 1 else image.reshape(len(image), -1)  # views
        lit = [place for place in range(channels.shape[1]) if any(channels[:, place] != 0)]
        count = math.floor(Fraction(percent, 100) * len(lit) + Fraction(1, 2))
        for place in sorted(lit, key=order.__getitem__)[:count]:
            channels[:, place] = 0
    return result


@pytest.mark.parametrize("shape", SHAPES)
def test_zeroed_equals_the_loop(shape):
    images = sparse(6, *shape)
    ranks = removal_ranks(images, seed=1)
    for percent in (0, 1, 2, 37, 50, 98, 100):
        got = zeroed(images, percent / 100, ranks)
        assert_close(got, zeroed_by_loop(images, percent, ranks), rtol=0, atol=0)
    assert images.equal(sparse(6, *shape))  # the images themselves are as they were


def test_each_image_can_have_its_own_share():
    images = sparse(4, 1, 7, 6)
    ranks = removal_ranks(images, seed=1)
    shares = torch.tensor([0.0, 0.3, 1.0, 0.5], dtype=torch.float64)
    wanted = torch.cat([zeroed(images[[i]], shares[i].item(), ranks[[i]]) for i in range(4)])
    assert_close(zeroed(images, shares, ranks), wanted, rtol=0, atol=0)


@given(st.integers(0, 1100), st.integers(0, 100))
@settings(deadline=None)
def test_as_many_pixels_go_as_fractions_say(lit, percent):
    """0.58 of 25 is 14.5, a half that counts up; its binary neighbour would lose one pixel."""
    image = torch.ones(1, 1100)
    image[:, lit:] = 0
    removed = lit - int((zeroed(image, percent / 100, removal_ranks(image, 0)) != 0).sum())
    assert removed == math.floor(Fraction(percent * lit, 100) + Fraction(1, 2))


def test_every_half_counts_up():
    """All numbers of pixels and percentages whose product is a whole number and a half, up to 200 pixels."""
    images = torch.ones(200, 200).tril()  # image i has i + 1 pixels
    ranks = removal_ranks(images, 0)
    for percent in range(101):
        left = (zeroed(images, percent / 100, ranks) != 0).sum(1).tolist()
        assert left == [lit - math.floor(Fraction(percent * lit, 100) + Fraction(1, 2)) for lit in range(1, 201)]


def test_larger_shares_contain_smaller_ones():
    images = sparse(20, 3, 7, 6)
    ranks = removal_ranks(images, seed=2)
    before = images
    for share in SHARES:
        after = zeroed(images, share, ranks)
        assert ((after == 0) | (after == before)).all()
        before = after
    assert (before == 0).all()


def test_a_pixel_is_a_position_over_all_channels():
    """Lit in one channel alone it is non-zero, and it goes from all channels at once."""
    images = torch.zeros(1, 3, 2, 2)
    images[0, 0, 0, 0], images[0, 2, 0, 1] = 0.5, -0.5
    images[0, :, 1, 1] = torch.tensor([-1.0, math.inf, 1e-30])  # non-zero is not "bright"
    ranks = removal_ranks(images, 0)
    for share, left in ((0.0, 3), (0.34, 2), (0.5, 1), (1.0, 0)):  # 1.02 and 1.5 become 1 and 2
        after = zeroed(images, share, ranks)
        assert (after != 0).any(1).sum() == left
        assert ((after == images).all(1) | (after == 0).all(1)).all()


@pytest.mark.parametrize("shape", [(4,), (1, 4), (2, 4)])
def test_negative_values_are_non_zero_too(shape):
    images = -torch.ones(1, *shape)
    assert (zeroed(images, 0.5, removal_ranks(images, 0)) != 0).sum() == images.numel() / 2


def test_ranks_are_an_order_of_the_non_zero_pixels():
    images = sparse(30, 3, 7, 6)
    lit = (images != 0).any(1).flatten(1)
    ranks = removal_ranks(images, seed=5)
    for of_image, is_lit in zip(ranks, lit, strict=True):
        assert sorted(of_image.tolist()) == list(range(42))
        assert sorted(of_image[is_lit].tolist()) == list(range(int(is_lit.sum())))
    assert ranks.equal(removal_ranks(images, seed=5))
    assert not ranks.equal(removal_ranks(images, seed=6))
    assert ranks[:7].equal(removal_ranks(images[:7], seed=5))  # whatever else is measured


def test_every_non_zero_pixel_goes_equally_often():
    """One image 4,000 times, half of its 10 pixels removed: each goes in half of the copies, sd sqrt(1/4 / 4000).

    Four sd: one of 10 pixels misses for one seed in about 1 600; ours is fixed.
    """
    images = torch.zeros(4000, 1, 5, 5)
    images.view(4000, 25)[:, 3:13] = 1
    left = zeroed(images, 0.5, removal_ranks(images, seed=0)).flatten(1)[:, 3:13].mean(0)
    assert (left - 0.5).abs().max() < 4 * math.sqrt(0.25 / 4000)


@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_curve_of_a_model_that_sees_brightness_alone(rows):
    """Images of 1 on all of their 50 pixels: the probability of class 1 is the share that is left."""
    images, labels = torch.ones(4, 1, 5, 10), torch.tensor([1, 1, 1, 1])
    wanted = torch.tensor([1 - percent / 100 for percent in range(0, 101, 2)], dtype=torch.float64)
    got = input_sensitivity(brightness, images, labels, seed=0, rows=rows)
    assert_close(got, wanted)
    assert_close(input_sensitivity(brightness, images, 1 - labels, seed=0, rows=rows), 1 - wanted)
    assert got[SHARES.index(0.5)] == 0.5


@pytest.mark.parametrize("rows", [13, 10_000])
def test_batches_equal_one_share_after_the_other(rows):
    images, labels = sparse(9, 1, 7, 6), torch.arange(9)
    models = ensemble((1, 7, 6))
    ranks = removal_ranks(images, seed=4)
    wanted = []
    for share in SHARES:
        p = models.predict(zeroed(images, share, ranks))
        wanted.append(torch.stack([p[:, i, label] for i, label in enumerate(labels.tolist())]).double().mean(0))
    got = input_sensitivity(models.predict, images, labels, seed=4, rows=rows)
    assert got.shape == (3, 51)
    assert got.dtype == torch.float64
    assert_close(got, torch.stack(wanted, dim=-1), rtol=0, atol=1e-6)
    assert got.std(dim=1).min() > 1e-3  # curves that move, or the comparison would prove little


def test_a_module_and_its_member_of_an_ensemble_agree():
    images, labels = sparse(9, 1, 7, 6), torch.arange(9)
    models = ensemble((1, 7, 6))
    together = input_sensitivity(models.predict, images, labels, seed=4)
    for i in range(3):
        assert_close(input_sensitivity(models.member(i), images, labels, seed=4), together[i], rtol=0, atol=1e-6)


def test_a_module_is_asked_in_evaluation_mode_and_left_as_it_was():
    """With dropout in training mode two answers would differ, and batch norm would move its running mean."""
    model = nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Dropout(0.5), nn.Linear(42, 3)).train()
    model[3].eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    images, labels = sparse(9, 1, 7, 6), torch.arange(9) % 3
    first, second = (input_sensitivity(model, images, labels, seed=0) for _ in range(2))
    assert first.equal(second)
    assert [module.training for module in model.modules()] == [True, True, True, True, False]
    assert all(parameter.grad is None for parameter in model.parameters())
    assert_close(model.state_dict(), before, rtol=0, atol=0)


def test_a_share_does_not_depend_on_the_others():
    images, labels = sparse(9, 1, 7, 6), torch.arange(9)
    models = ensemble((1, 7, 6))
    curves = input_sensitivity(models.predict, images, labels, seed=4)
    few = input_sensitivity(models.predict, images, labels, seed=4, shares=(0.5, 0.02))
    assert_close(few, curves[:, [25, 1]], rtol=0, atol=1e-6)


def test_no_images_no_number_and_a_diverged_model_neither():
    none = torch.zeros(0, dtype=torch.int64)
    assert input_sensitivity(brightness, torch.zeros(0, 1, 2, 2), none, seed=0).isnan().all()
    images, labels = sparse(9, 1, 7, 6), torch.arange(9)
    models = ensemble((1, 7, 6))
    wanted = input_sensitivity(models.predict, images, labels, seed=0)
    next(iter(models.trained.state.values()))[1] = math.nan
    got = input_sensitivity(models.predict, images, labels, seed=0)
    assert got[1].isnan().all()
    assert_close(got[[0, 2]], wanted[[0, 2]], rtol=0, atol=1e-6)


def test_a_nan_of_another_class_counts_too():
    def broken(images):
        p = brightness(images)
        p[:, 0] = torch.where(images.flatten(1).any(1), p[:, 0], math.nan)  # black images only
        return p

    got = input_sensitivity(broken, torch.ones(2, 1, 2, 2), torch.ones(2, dtype=torch.int64), seed=0)
    assert got.isnan().nonzero().squeeze(1).tolist() == [44, 45, 46, 47, 48, 49, 50]  # from 88 % on, 3.5 of 4 pixels


def test_examples_are_chosen_once_and_nested():
    data = Examples(torch.arange(100.0).view(100, 1, 1, 1), torch.arange(100))
    chosen = sensitivity_examples(data, seed=0, count=30)
    assert len(set(chosen.labels.tolist())) == 30
    assert chosen.inputs.flatten().tolist() == chosen.labels.tolist()
    assert sensitivity_examples(data, seed=0, count=7).labels.equal(chosen.labels[:7])
    assert not sensitivity_examples(data, seed=1, count=30).labels.equal(chosen.labels)
    for count in (0, 101):
        with pytest.raises(ValueError, match=f"choose {count} of 100"):
            sensitivity_examples(data, seed=0, count=count)


def test_the_papers_shares():
    assert tuple(percent / 100 for percent in range(0, 101, 2)) == SHARES
    assert len(SHARES) == 51


IMAGES, LABELS = sparse(4, 1, 7, 6), torch.tensor([0, 1, 0, 1])
RANKS = removal_ranks(IMAGES, 0)
NOT_MEASURED = [
    (lambda: input_sensitivity(brightness, IMAGES, LABELS, 0, shares=(0.0, 2.0)), r"not: \[2\.0\]"),
    (lambda: input_sensitivity.__wrapped__(brightness, IMAGES, LABELS[:3], 0), "4 images and 3 labels"),
    (lambda: input_sensitivity(brightness, IMAGES, LABELS, 0, rows=0), "`rows`"),
    (lambda: input_sensitivity(brightness, IMAGES, LABELS + 1, 0), "classes 0 to 1"),
    (lambda: input_sensitivity(lambda x: 10 * brightness(x), IMAGES, LABELS, 0), "softmax"),
    (lambda: input_sensitivity(lambda x: brightness(x)[:, 0], IMAGES, LABELS, 0), r"has the shape \(204,\)"),
    *((lambda share=share: zeroed(IMAGES, share, RANKS), r"\[0, 1\]") for share in (-0.1, 1.1, math.nan)),
    (lambda: zeroed(IMAGES, 0.5, RANKS[:, :-1]), "same images"),
    (lambda: removal_ranks(torch.ones(4), 0), r"shape \(4,\)"),
    (
        lambda: input_sensitivity(nn.Sequential(nn.Flatten(), nn.Linear(42, 3), nn.Softmax(1)), IMAGES, LABELS, 0),
        "probabilities already",
    ),
]


@pytest.mark.parametrize(("call", "words"), NOT_MEASURED)
def test_what_cannot_be_measured_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
