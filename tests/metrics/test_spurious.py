"""The score and the norm against loops, exact arithmetic and the paper's Table 1."""

import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spurlab.metrics import empirical_norm, spurious_score
from spurlab.patterns import make_pattern
from spurlab.seeds import rng_for


def probabilities(*shape, purpose="clean", dtype=torch.float32):
    return torch.rand(*shape, generator=rng_for(0, "test", purpose), dtype=dtype).softmax(dim=-1)


def two_classes(target, dtype=torch.float64):
    """Probabilities of two classes, from those of class 1."""
    p = torch.tensor(target, dtype=dtype)
    return torch.stack([1 - p, p], dim=-1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("lead", [(), (4,), (2, 3)])
def test_score_equals_the_loop(lead, dtype):
    clean, marked = (8 * torch.rand(*lead, 50, 3, generator=rng_for(0, "test", i), dtype=dtype) for i in range(2))
    clean, marked = clean.softmax(dim=-1), marked.softmax(dim=-1)
    for target in range(3):
        wanted = []
        for before, after in zip(clean.view(-1, 50, 3).tolist(), marked.view(-1, 50, 3).tolist(), strict=True):
            rises = [new[target] - old[target] > 0.1 for old, new in zip(before, after, strict=True)]
            wanted.append(sum(rises) / 50)
        got = spurious_score(clean, marked, target)
        assert got.shape == lead
        assert got.flatten().tolist() == pytest.approx(wanted)
        assert 0.05 < got.mean() < 0.95  # neither nobody nor all, or the loop would prove little


def test_score_by_hand():
    """Rises of 0.5, 0.05, -0.5 and 0.11: two of four exceed 0.1."""
    clean, marked = two_classes([0.2, 0.2, 0.7, 0.0]), two_classes([0.7, 0.25, 0.2, 0.11])
    assert spurious_score(clean, marked, target=1).item() == 0.5
    assert spurious_score(clean, marked, target=0).item() == 0.25
    assert spurious_score(clean, marked, target=1, margin=0.3).item() == 0.25


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_rise_of_exactly_the_margin_does_not_count(dtype):
    """1/8 is a binary number: 3/8 - 1/4 is exactly the margin, and 2^-20 more is above it."""
    clean = two_classes([0.25, 0.25, 0.25], dtype)
    marked = two_classes([0.375, 0.375 + 2**-20, 0.375 - 2**-20], dtype)
    assert spurious_score(clean, marked, target=1, margin=0.125).item() == pytest.approx(1 / 3)


@given(st.integers(0, 899), st.sampled_from([torch.float32, torch.float64]))
@settings(deadline=None)
def test_a_rise_of_a_tenth_does_not_count_however_it_is_rounded(thousandths, dtype):
    """0.1, p and p + 0.1 are no binary numbers; in float32 the rounded difference is above 0.1 for half of all p."""
    clean, marked = (two_classes([(thousandths + rise) / 1000], dtype) for rise in (0, 100))
    assert spurious_score(clean, marked, target=1).item() == 0
    marked = two_classes([(thousandths + 100) / 1000 + 1e-6], dtype)
    assert spurious_score(clean, marked, target=1).item() == 1


@given(st.lists(st.tuples(st.floats(0, 1, width=32), st.floats(0, 1, width=32)), min_size=1, max_size=20))
@settings(deadline=None)
def test_score_equals_exact_arithmetic(pairs):
    """Fractions do not round: the rise exceeds margin + epsilon of float32, or it does not."""
    clean, marked = (two_classes(list(side), torch.float32) for side in zip(*pairs, strict=True))
    bound = Fraction(0.1 + 2**-23)
    rises = [Fraction(after) - Fraction(before) > bound for before, after in pairs]
    assert spurious_score(clean, marked, target=1).item() == pytest.approx(sum(rises) / len(rises))


@pytest.mark.parametrize("lead", [(), (3,)])
def test_score_of_no_examples_is_nan(lead):
    assert spurious_score(torch.zeros(*lead, 0, 2), torch.zeros(*lead, 0, 2), target=0).isnan().all()


@pytest.mark.parametrize("side", ["clean", "marked"])
def test_a_diverged_model_scores_nan_and_the_others_as_before(side):
    """NaN > 0.1 is false: counted naively, a model of NaN would score a reassuring 0."""
    sides = {"clean": probabilities(3, 20, 4), "marked": probabilities(3, 20, 4, purpose="marked")}
    wanted = spurious_score(**sides, target=2)
    sides[side][1, 7, 0] = math.nan  # a single one, and not even of the target class
    got = spurious_score(**sides, target=2)
    assert got[1].isnan()
    assert got[[0, 2]].equal(wanted[[0, 2]])


def test_logits_and_classes_that_are_not_there_are_refused():
    good = probabilities(5, 3)
    with pytest.raises(ValueError, match="softmax"):
        spurious_score(good, 10 * good, target=0)
    with pytest.raises(ValueError, match="softmax"):
        spurious_score(good - 1, good, target=0)
    for target in (-1, 3):
        with pytest.raises(ValueError, match=f"class {target}, .* 0 to 2"):
            spurious_score(good, good, target)


def test_score_leaves_its_inputs():
    clean, marked = probabilities(2, 5, 3), probabilities(2, 5, 3, purpose="marked")
    before = clean.clone(), marked.clone()
    spurious_score(clean, marked, target=0)
    assert clean.equal(before[0])
    assert marked.equal(before[1])


def test_norm_equals_the_loop():
    clean, marked = (torch.rand(4, 2, 3, 5, generator=rng_for(0, "test", i)) for i in range(2))
    wanted = []
    for before, after in zip(clean, marked, strict=True):
        squares = [(b - a) ** 2 for a, b in zip(before.flatten().tolist(), after.flatten().tolist(), strict=True)]
        wanted.append(math.sqrt(math.fsum(squares)))
    assert empirical_norm(clean, marked).tolist() == pytest.approx(wanted, rel=1e-6)
    assert empirical_norm(clean[:0], marked[:0]).shape == (0,)
    assert empirical_norm(clean.flatten(1), marked.flatten(1)).tolist() == pytest.approx(wanted, rel=1e-6)


def test_norm_on_black_and_white_images_is_known():
    """On black a box of s x s moves the image by sqrt(s * s) = s, on white not at all."""
    for name, distance in {"S1": 1, "S2": 3, "S3": 5, "Co": math.sqrt(22 * 3)}.items():
        pattern = make_pattern(name, (1, 28, 28))
        inputs = torch.stack([torch.zeros(1, 28, 28), torch.ones(1, 28, 28)])
        assert empirical_norm(inputs, pattern(inputs)).tolist() == pytest.approx([distance, 0])


TABLE_1 = {
    "mnist": {"S1": 1.00, "S2": 3.00, "S3": 5.00, "R1": 3.88, "R2": 7.70, "R3": 15.19, "Co": 5.98},
    "fashion-mnist": {"S1": 1.00, "S2": 3.00, "S3": 4.98, "R1": 3.90, "R2": 7.40, "R3": 13.65, "Co": 4.44},
    "cifar10": {"S1": 0.84, "S2": 2.57, "S3": 4.34, "R1": 7.72, "R2": 14.54, "R3": 23.20, "Co": 8.00},
}
NOISE = {"R1": 0.25, "R2": 0.5, "R3": 1.0}


def table_entry(inputs, pattern):
    """Mean norm over the inputs, in parts to spare memory."""
    return torch.cat([empirical_norm(part, pattern(part)) for part in inputs.split(2000)]).mean().item()


def expected_norm(inputs, scale):
    """The entry of a random pattern when u is averaged over, by calculus and without any draw.

    A pixel with room d = 1 - x moves by min(r u, d), so its mean square is r^2 / 3 when d >= r, and otherwise
    d^3 / (3 r) + d^2 (1 - d / r). (The root of the mean instead of the mean root: a difference of 1 in 10,000.)
    """
    room = 1 - inputs
    squares = torch.where(room >= scale, scale**2 / 3, room**3 / (3 * scale) + room**2 * (1 - room / scale))
    return squares.flatten(1).sum(dim=1, dtype=torch.float64).sqrt().mean().item()


@pytest.mark.data
@pytest.mark.parametrize("name", TABLE_1)
def test_table_1_of_the_paper(name, full_dataset):
    """S and Co have nothing random and agree to the printed digit.

    The norm of u on d pixels and channels varies from draw to draw with a relative standard deviation of sqrt(1 / 5 d):
    1.6 % on MNIST and Fashion, 0.8 % on CIFAR-10. The paper printed one draw, which R1, R2 and R3 share; a single draw
    of ours can miss it by more than 2 % (R3 on Fashion: one in three does). So 40 draws are averaged, each over its own
    250 test images. This mean varies by 0.25 % and 0.13 %; it is measured 0.4 to 1.4 % below what is printed. It stays
    within 2 % of the print for all but one choice of seeds in 250 (R3 on Fashion, the farthest; ours are fixed), and
    must lie within four standard errors of the calculus.
    """
    inputs = full_dataset(name).test.inputs
    shape = tuple(inputs.shape[1:])
    for pattern, printed in TABLE_1[name].items():
        if pattern in NOISE:
            expected = sum(expected_norm(part, NOISE[pattern]) for part in inputs.split(2000)) / (len(inputs) / 2000)
            parts = enumerate(inputs.split(len(inputs) // 40))
            drawn = sum(table_entry(part, make_pattern(pattern, shape, seed)) for seed, part in parts) / 40
            assert abs(drawn / printed - 1) < 0.02, (pattern, drawn)
            assert abs(drawn / expected - 1) < 4 * math.sqrt(1 / 5 / math.prod(shape) / 40), (pattern, drawn, expected)
        else:
            norm = table_entry(inputs, make_pattern(pattern, shape))
            assert abs(norm - printed) <= 0.005 + 1e-9, (pattern, norm)
