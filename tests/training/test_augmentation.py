"""Whole batches are cropped and flipped as torchvision does it, one image at a time."""

from collections import Counter

import pytest
import torch
from scipy.stats import chi2_contingency, chisquare
from torchvision import transforms

from spurlab.patterns import make_pattern
from spurlab.seeds import rng_for
from spurlab.training.augmentation import PADDING, augmenter, shifted

SIZE = 6
IMAGE = torch.arange(1.0, 1 + 3 * SIZE * SIZE).view(1, 3, SIZE, SIZE)  # no two pixels alike, none zero


def slowly(image, top, left, mirrored):
    """One image by loops: pixel (i, j) comes from (i + top - 4, j + left - 4), or is zero outside; then mirrored."""
    _, h, w = image.shape
    out = torch.zeros_like(image)
    for i in range(h):
        for j in range(w):
            y, x = i + top - PADDING, (w - 1 - j if mirrored else j) + left - PADDING
            if 0 <= y < h and 0 <= x < w:
                out[:, i, j] = image[:, y, x]
    return out


def test_each_image_is_shifted_and_mirrored_by_its_own_draw():
    images = torch.rand(40, 2, 5, 7, generator=rng_for(0, "test"))
    corners = torch.randint(2 * PADDING + 1, (40, 2), generator=rng_for(1, "test"))
    mirrored = torch.rand(40, generator=rng_for(2, "test")) < 0.5
    found = shifted(images, corners, mirrored)
    for image, (top, left), flip, out in zip(images, corners.tolist(), mirrored.tolist(), found, strict=True):
        assert out.equal(slowly(image, top, left, flip))


def outcomes(images):
    """How often each shift and flip was drawn, told by the pixels."""
    known = {
        slowly(IMAGE[0], top, left, flip).numpy().tobytes(): (top, left, flip)
        for top in range(2 * PADDING + 1)
        for left in range(2 * PADDING + 1)
        for flip in (False, True)
    }
    return Counter(known[image.numpy().tobytes()] for image in images)


def test_draws_are_distributed_as_torchvisions():
    """8,000 images each. p-values below 1e-4 come for one seed in 10,000 (three tests; ours is fixed)."""
    many = 8000
    own = outcomes(augmenter("crop-flip", rng_for(3, "test"))(IMAGE.expand(many, -1, -1, -1)))
    theirs_of = transforms.Compose([transforms.RandomCrop(SIZE, padding=PADDING), transforms.RandomHorizontalFlip()])
    with torch.random.fork_rng():
        torch.manual_seed(4)
        theirs = outcomes(theirs_of(IMAGE[0]) for _ in range(many))
    shifts = [(top, left, flip) for top in range(9) for left in range(9) for flip in (False, True)]
    # shifts of which so much is cut off that little of the image is left are told apart all the same: no pixel is zero
    assert set(own) == set(theirs) == set(shifts)
    assert chisquare([own[shift] for shift in shifts]).pvalue > 1e-4
    assert chisquare([theirs[shift] for shift in shifts]).pvalue > 1e-4
    assert chi2_contingency([[each[shift] for shift in shifts] for each in (own, theirs)]).pvalue > 1e-4


@pytest.mark.parametrize(("name", "tops", "flips"), [("crop", 9, {False}), ("flip", 1, {False, True})])
def test_each_part_can_be_had_alone(name, tops, flips):
    found = outcomes(augmenter(name, rng_for(5, "test"))(IMAGE.expand(2000, -1, -1, -1)))
    assert len({top for top, _, _ in found}) == tops  # a shift of 9 that is missed among 2,000: once in 1e101
    assert {flip for _, _, flip in found} == flips


def test_patterns_move_with_the_image():
    """The square of S3 stands in the corner; after a shift down and right by (2, 3) it stands there, whole."""
    marked = make_pattern("S3", (1, 12, 12), 0)(torch.zeros(1, 1, 12, 12))
    moved = shifted(marked, torch.tensor([[PADDING - 2, PADDING - 3]]), torch.tensor([False]))
    wanted = torch.zeros(12, 12)
    wanted[2:7, 3:8] = 1
    assert moved[0, 0].equal(wanted)


def test_draws_come_from_the_generator_and_go_on():
    first, again = (augmenter("crop-flip", rng_for(6, "test")) for _ in range(2))
    batch = IMAGE.expand(20, -1, -1, -1)
    one, two = first(batch), first(batch)
    assert one.equal(again(batch))
    assert not one.equal(two)


def test_what_is_no_image_is_refused():
    with pytest.raises(ValueError, match=r"'crop' is for images \(c h w\), but the inputs have the shape \(40,\)"):
        augmenter("crop", rng_for(0, "test"))(torch.zeros(3, 40))
