"""The patterns against loops over pixels, written from the paper's table of patterns."""

import importlib.util
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from spurlab.patterns import Noise, Pattern, additive, make_pattern
from spurlab.seeds import rng_for

PAPER = ["S1", "S2", "S3", "R1", "R2", "R3", "Co"]
SHAPES = [(1, 28, 28), (3, 32, 32)]
FIXED = ["S1", "S2", "S3", "Co"]
RANDOM = {"R1": 0.25, "R2": 0.5, "R3": 1.0}
ROWS_AND_COLUMNS = {"S1": (0, 0, 0, 0), "S2": (0, 2, 0, 2), "S3": (0, 4, 0, 4), "Co": (3, 24, 13, 15)}  # first, last


def images(kind, shape, count=2):
    rng = rng_for(0, "test", "images")
    as_bytes = torch.randint(256, (count, *shape), generator=rng).to(torch.uint8)
    return as_bytes if kind == "uint8" else as_bytes.float() / 255


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", PAPER)
def test_offset_is_the_definition_pixel_by_pixel(name, shape):
    offset = make_pattern(name, shape, seed=3).offset
    u = torch.rand(shape[1], shape[2], shape[0], generator=rng_for(3, "pattern"))
    for channel, row, column in torch.cartesian_prod(*(torch.arange(size) for size in shape)).tolist():
        if name in RANDOM:
            wanted = RANDOM[name] * u[row, column, channel].item()
        else:
            top, bottom, left, right = ROWS_AND_COLUMNS[name]
            wanted = 1.0 if top <= row <= bottom and left <= column <= right else 0.0
        assert math.isclose(offset[channel, row, column].item(), wanted, abs_tol=1e-7)


@pytest.mark.parametrize("kind", ["uint8", "float32"])
@pytest.mark.parametrize("name", PAPER)
def test_marked_inputs_equal_the_loop_over_pixels(name, kind):
    """Add, then clip to [0, 1], one pixel at a time; a byte b is read as b / 255."""
    shape = (2, 28, 31)  # not square, so that rows and columns cannot be exchanged unseen
    inputs, pattern = images(kind, shape), make_pattern(name, shape, seed=1)
    wanted = torch.empty(inputs.shape)
    for i, channel, row, column in torch.cartesian_prod(*(torch.arange(size) for size in inputs.shape)).tolist():
        x = inputs[i, channel, row, column].item() / (255 if kind == "uint8" else 1)
        wanted[i, channel, row, column] = min(max(x + pattern.offset[channel, row, column].item(), 0.0), 1.0)
    before, offset = inputs.clone(), pattern.offset.clone()
    marked = pattern(inputs)
    assert_close(marked, wanted, rtol=0, atol=1e-6)
    assert 0 <= marked.min() <= marked.max() <= 1
    marked.zero_()  # they are new tensors
    assert inputs.equal(before)
    assert pattern.offset.equal(offset)


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_patterns_darken_nothing(name):
    """x_sp >= 0."""
    inputs = images("float32", (3, 32, 32))
    assert (make_pattern(name, (3, 32, 32))(inputs) >= inputs).all()


def test_unbounded_pattern_that_adds_nothing_still_returns_new_tensors():
    inputs = images("float32", (1, 4, 4))
    before = inputs.clone()
    Pattern("nothing", torch.zeros(1, 4, 4), low=None, high=None)(inputs).fill_(7.0)
    assert inputs.equal(before)


@pytest.mark.parametrize("name", FIXED)
def test_marking_twice_with_a_box_is_marking_once(name):
    """Inside the box x + 1 is clipped to 1, whatever x in [0, 1]; outside nothing happens."""
    pattern = make_pattern(name, (1, 28, 28))
    once = pattern(images("float32", (1, 28, 28)))
    assert pattern(once).equal(once)


@pytest.mark.parametrize("lead", [(), (1,), (0,), (2, 3)])
def test_any_number_of_leading_axes(lead):
    pattern = make_pattern("R3", (1, 3, 4))
    inputs = torch.rand(*lead, 1, 3, 4, generator=rng_for(0, "test"))
    assert_close(pattern(inputs), (inputs + pattern.offset).clip(0, 1), rtol=0, atol=0)


def test_clipping_follows_the_given_range():
    """By hand: -0.9 + 0.5 = -0.4, 0.8 + 0.5 = 1.3."""
    inputs, half = torch.tensor([[[-0.9, 0.8]]]), torch.full((1, 1, 2), 0.5)
    for low, high, wanted in [(0.0, 1.0, [0.0, 1.0]), (-1.0, 1.0, [-0.4, 1.0]), (None, 1.0, [-0.4, 1.0])]:
        assert_close(Pattern("half", half, low, high)(inputs).flatten(), torch.tensor(wanted))
    assert_close(Pattern("half", half, None, None)(inputs).flatten(), torch.tensor([-0.4, 1.3]))
    assert make_pattern("R1", (1, 1, 2), clip=None).high is None
    assert make_pattern("R1", (1, 1, 2), clip=(-1.0, 2.0)).low == -1.0


def test_random_patterns_of_one_seed_share_their_noise():
    r1, r2, r3 = (make_pattern(name, (3, 8, 8), seed=4).offset for name in RANDOM)
    assert r2.equal(2 * r1)
    assert r3.equal(4 * r1)  # powers of two: exact
    assert not r3.equal(make_pattern("R3", (3, 8, 8), seed=5).offset)


def test_noise_is_uniform():
    """Mean 1/2 with the standard error of 30,000 uniform numbers; spread 1/sqrt(12)."""
    u = Noise(1.0).draw((3, 100, 100), 0)
    assert 0 <= u.min() <= u.max() < 1
    assert abs(u.mean().item() - 0.5) < 4 * math.sqrt(1 / 12 / 30_000)  # fails for one seed in about 16,000
    assert abs(u.var().item() - 1 / 12) < 4 * math.sqrt(1 / 180 / 30_000)  # var of (u - 1/2)^2 is 1/180; same odds


@given(st.sampled_from(list(RANDOM)), st.tuples(*[st.integers(1, 6)] * 3), st.integers(0, 99))
@settings(max_examples=50)
def test_random_patterns_are_drawn_for_any_image_shape(name, shape, seed):
    pattern = make_pattern(name, shape, seed)
    assert pattern.shape == shape
    assert pattern.redraw(seed).shape == shape
    assert 0 <= pattern.offset.min() <= pattern.offset.max() < RANDOM[name]


@pytest.mark.parametrize("name", RANDOM)
def test_redrawn_noise_is_new_and_reproducible(name):
    """The null patterns of seeds 0 to 9 must not hold the planted pattern of one of these seeds."""
    planted = [make_pattern(name, (1, 5, 5), seed).offset for seed in range(10)]
    null = [make_pattern(name, (1, 5, 5)).redraw(seed) for seed in range(10)]
    assert len({tuple(offset.flatten().tolist()) for offset in planted + [pattern.offset for pattern in null]}) == 20
    assert null[3].offset.equal(make_pattern(name, (1, 5, 5), seed=8).redraw(3).offset)
    assert all(0 <= pattern.offset.min() <= pattern.offset.max() < RANDOM[name] for pattern in null)
    assert (null[3].name, null[3].seed, null[3].redrawn) == (name, 3, True)


def test_redrawn_box_falls_on_every_place_equally_often():
    """A 3 x 3 box in a 4 x 5 image has 2 x 3 places: 600 redraws put Binomial(600, 1/6) on each."""
    pattern = make_pattern("S2", (2, 4, 5))
    counts = {}
    for seed in range(600):
        offset = pattern.redraw(seed).offset
        rows, columns = (offset[0].any(dim=axis).nonzero().flatten().tolist() for axis in (1, 0))
        assert offset.sum() == 2 * 9
        assert len(rows) == len(columns) == 3
        counts[rows[0], columns[0]] = counts.get((rows[0], columns[0]), 0) + 1
    assert set(counts) == {(top, left) for top in range(2) for left in range(3)}
    sd = math.sqrt(600 * 1 / 6 * 5 / 6)
    assert all(abs(count - 100) < 4 * sd for count in counts.values())  # fails for about one choice of seeds in 2,600


def test_redrawn_core_keeps_its_size():
    offset = make_pattern("Co", (1, 28, 28)).redraw(0).offset[0]
    assert offset.any(dim=1).sum() == 22
    assert offset.any(dim=0).sum() == 3
    assert offset.sum() == 66


def test_a_pattern_without_a_family_cannot_be_redrawn():
    with pytest.raises(ValueError, match="has no family"):
        Pattern("mine", torch.zeros(1, 1, 1)).redraw(0)


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("Co", (1, 24, 28), "Co .* at least 25 x 16 .* 24 x 28"),
        ("Co", (1, 28, 15), "Co .* at least 25 x 16 .* 28 x 15"),
        ("S3", (1, 4, 4), "S3 .* at least 5 x 5 .* 4 x 4"),
        ("R1", (40,), r"shape c h w, .* \(40,\)"),
        ("R1", (1, 40), r"shape c h w, .* \(1, 40\)"),
        ("R1", (1, 0, 4), "shape c h w"),
    ],
)
def test_a_pattern_that_does_not_fit_the_inputs_is_refused(name, shape, message):
    with pytest.raises(ValueError, match=message):
        make_pattern(name, shape)


def test_the_smallest_image_that_holds_the_core_is_accepted():
    assert make_pattern("Co", (1, 25, 16)).offset.sum() == 66


def test_inputs_with_other_channels_are_refused():
    pattern = make_pattern("S1", (3, 28, 28))
    with pytest.raises(ValueError, match=r"for inputs of shape \(3, 28, 28\) .* ends in \(1, 28, 28\)"):
        pattern(torch.zeros(2, 1, 28, 28))  # broadcasting would have made three channels of one


@pytest.mark.parametrize("dtype", [torch.float64, torch.int64])
def test_inputs_of_another_type_are_refused(dtype):
    """By the module as users have it: the annotation checks of the test suite would refuse them before it does."""
    spec = importlib.util.spec_from_file_location("plain_additive", additive.__file__)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with pytest.raises(TypeError, match=f"pattern S1 marks inputs of float32 or uint8, but these are {dtype}"):
        module.Pattern("S1", torch.zeros(1, 2, 2))(torch.zeros(3, 1, 2, 2, dtype=dtype))


@pytest.mark.parametrize(
    ("offset", "low", "high"),
    [(torch.tensor([[[math.nan]]]), 0.0, 1.0), (torch.zeros(1, 1, 1), 1.0, 0.0), (torch.zeros(1, 1, 1), 1.0, 1.0)],
)
def test_a_pattern_checks_itself_at_birth(offset, low, high):
    with pytest.raises(ValueError, match="pattern bad"):
        Pattern("bad", offset, low, high)
