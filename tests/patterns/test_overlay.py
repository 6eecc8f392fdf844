"""Marks of one's own: a picture with its opacity, a box of any value, and their texts."""

import numpy as np
import pytest
import torch
from PIL import Image

from spurlab.data import DataError, Examples
from spurlab.patterns import Overlay, box, make_named, mark_named, marked, own_mark, picture
from spurlab.seeds import rng_for

IMAGES = torch.rand(3, 3, 12, 10, generator=rng_for(0, "test"))


@pytest.fixture
def logo(tmp_path):
    """4 x 2 pixels: red that is opaque above, green of which half shows below."""
    pixels = np.zeros((4, 2, 4), np.uint8)
    pixels[:2], pixels[2:] = (255, 0, 0, 255), (0, 255, 0, 51)
    Image.fromarray(pixels, "RGBA").save(tmp_path / "logo.png")
    return tmp_path / "logo.png"


@pytest.mark.parametrize(
    ("how", "above", "below"),
    [
        ("blend", lambda x: (x * 0 + 1, x * 0), lambda x: (0.8 * x, 0.8 * x + 0.2)),
        ("add", lambda x: ((x + 1).clamp(0, 1), x), lambda x: (x, (x + 0.2).clamp(0, 1))),
        ("replace", lambda x: (x * 0 + 1, x * 0), lambda x: (x, x)),
    ],
)
def test_a_picture_is_laid_on_by_its_opacity(logo, how, above, below):
    """By hand, at the bottom right; nothing else changes, and what was given stays as it was."""
    kept = IMAGES.clone()
    mark = picture(logo, (3, 12, 10), "bottom-right", how=how)
    got = mark(IMAGES)
    assert IMAGES.equal(kept)
    for rows, expected in ((slice(8, 10), above), (slice(10, 12), below)):
        for channel in (0, 1):
            under = kept[:, channel, rows, 8:]
            assert torch.allclose(got[:, channel, rows, 8:], expected(under)[channel], atol=1e-6)
    got[:, :, 8:, 8:] = kept[:, :, 8:, 8:]
    assert got.equal(kept)


def test_the_same_mark_by_its_text(logo):
    mark = picture(logo, (3, 12, 10), (3, 4), 2, "replace")
    again = own_mark(f"{logo},row=3,col=4,size=2,how=replace", (3, 12, 10))
    assert marked(again, IMAGES).equal(marked(mark, IMAGES))
    assert mark.opacity.shape == (2, 1)  # the longer side
    grey = own_mark("box,row=2,col=1,size=3x2,value=.5", (3, 12, 10))(IMAGES)
    assert bool((grey[:, :, 2:5, 1:3] == 0.5).all())
    assert (grey != IMAGES).sum() == 3 * 3 * 6
    noise = own_mark("noise,r=.25", (3, 12, 10), seed=3)
    assert 0.2 < float(noise.offset.max()) < 0.25
    assert own_mark("S3", (3, 12, 10)).name == "S3"


def test_another_of_its_family_lies_anywhere_and_is_as_large():
    """All 40 places where it fits come: a place, lying or upright, is missed by 1,000 draws once in 2e9 runs."""
    mark = box((6, 6), (2, 3), 0, 0, 1.0)
    places = set()
    for seed in range(1000):
        other = mark.redraw(seed)
        height, width = other.opacity.shape
        assert {height, width} == {2, 3}
        assert other.opacity.sum() == 6
        places.add((other.top, other.left, height))
    lying = {(top, left, 2) for top in range(5) for left in range(4)}
    upright = {(top, left, 3) for top in range(4) for left in range(5)}
    assert places == lying | upright
    assert mark.redraw(3).opacity.shape == mark.redraw(3).opacity.shape
    whole = box((6, 6), (6, 6), 0, 0, 1.0)
    assert (whole.redraw(0).top, whole.redraw(0).left) == (0, 0)


def test_a_mark_of_ones_own_is_put_on_rows():
    data = Examples(IMAGES, torch.tensor([0, 1, 0]))
    mark = box((12, 10), (5, 5), 0, 0, 0.5)
    assert mark.apply(data, torch.tensor([2, 0]), 0).equal(mark(IMAGES[[2, 0]]))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("box,size=13", "13 x 13 pixels .* do not lie within images of 12 x 10"),
        ("box,row=9,size=5", "from row 9 and column 0 on"),
        ("box,row=-1", "row is a number of pixels, but it is '-1'"),
        ("box,size=0", "size is pixels, e.g. 5, or 5x8"),
        ("box,value=bright", "value is a number, but it is 'bright'"),
        ("box,how=mix", "how is one of blend, add, replace, but it is 'mix'"),
        ("box,colum=3", r"has the setting 'colum'. Did you mean 'col'\?"),
        ("logo.png,at=top,row=3", "has `at` beside `row` or `col`"),
        ("S3,row=1", "has settings, but 'S3' is none of picture files, box, noise, spike, sine, offset"),
        ("S4", r"there is no pattern 'S4'. Did you mean 'S1'\?|there is no pattern 'S4'"),
        ("nowhere.png", "there is no file nowhere.png"),
    ],
)
def test_what_is_no_mark_is_refused_in_a_sentence(text, words):
    with pytest.raises((ValueError, DataError), match=words):
        own_mark(text, (3, 12, 10))


def test_what_is_no_picture_or_place_is_refused(logo, tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(DataError, match="is no whole image"):
        own_mark(str(tmp_path / "text.png"), (3, 12, 10))
    with pytest.raises(ValueError, match=r"there is no place 'top-rigth'. Did you mean 'top-right'\?"):
        picture(logo, (3, 12, 10), "top-rigth")
    with pytest.raises(ValueError, match="is for images, but the inputs are vectors of 40 numbers"):
        own_mark("box", (40,))
    with pytest.raises(ValueError, match=r"is for images of shape \(1, 12, 10\)"):
        box((12, 10), (2, 2), 0, 0, 1.0)(torch.zeros(1, 3, 11, 10))
    with pytest.raises(ValueError, match="needs colours that are finite, and opacities from 0 to 1"):
        Overlay("x", torch.zeros(1, 2, 2), torch.full((2, 2), 1.5), (4, 4))


def test_a_grey_image_gets_a_grey_picture(logo):
    assert picture(logo, (1, 12, 10)).picture.shape == (1, 4, 2)


def test_a_box_is_added_on_the_scale_of_the_inputs():
    dark = torch.full((1, 1, 6, 6), -0.8)
    mark = own_mark("box,size=2,value=.5,how=add", (1, 6, 6), clip=(-1.0, 1.0))
    assert marked(mark, dark)[0, 0, 0, 0] == pytest.approx(-0.3)


@pytest.mark.parametrize("how", ["blend", "add", "replace"])
def test_a_picture_has_the_range_of_the_inputs(logo, how):
    """On inputs mapped to [-1, 1] or [0, 255] it is the mapped mark; of unbounded ones nothing is cut off."""
    usual = picture(logo, (3, 12, 10), "bottom", how=how)(IMAGES)
    for low, high in ((-1.0, 1.0), (0.0, 255.0)):
        span = high - low
        mark = own_mark(f"{logo},at=bottom,how={how}", (3, 12, 10), clip=(low, high))
        assert torch.allclose(marked(mark, low + span * IMAGES), low + span * usual, atol=1e-6 * span)
    far = IMAGES * 0 + 7.0
    free = own_mark(f"{logo},at=bottom,how={how}", (3, 12, 10), clip=None)(far)
    assert float(free.max()) == pytest.approx(8.0 if how == "add" else 7.0)


def test_in_studies_and_audits_a_grey_picture_is_the_same(tmp_path):
    """Resized in colour, then greyed: by its file, and by the name that a study has for it."""
    pixels = torch.randint(0, 256, (9, 9, 4), generator=rng_for(0, "picture"), dtype=torch.uint8).numpy()
    Image.fromarray(pixels, "RGBA").save(tmp_path / "noisy.png")
    text = f"{tmp_path / 'noisy.png'},size=4,row=1,col=2"
    by_file = own_mark(text, (1, 12, 10), clip=(-1.0, 1.0))
    by_name = make_named(mark_named(text), (1, 12, 10), clip=(-1.0, 1.0))
    assert marked(by_name, IMAGES[:, :1]).equal(marked(by_file, IMAGES[:, :1]))
