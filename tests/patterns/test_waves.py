"""Spikes, sines and offsets on signals: against loops, closed forms of their norms, and counts of redrawn places."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from spurlab.data import Examples
from spurlab.metrics import empirical_norm
from spurlab.patterns import (
    Offset,
    Pattern,
    Rare,
    Sine,
    Spike,
    drawn_anew,
    make_named,
    make_pattern,
    mark_named,
    own_mark,
    plant,
)
from spurlab.seeds import rng_for


def signals(n, features=40):
    return torch.randn(n, features, generator=rng_for(0, "test"))


@given(
    *(st.integers(1, 50), st.integers(0, 49), st.floats(-9, 9, allow_subnormal=False).filter(lambda h: abs(h) > 0.01)),
    *(st.floats(2.1, 90), st.floats(-7, 7)),
)
@settings(max_examples=60, deadline=None)
def test_each_adds_what_its_formula_says_feature_by_feature(features, at, height, period, phase):
    """The loops are the formulas of the docstrings; a spike beyond the signal is refused."""
    by_loop = {
        Sine(height, period, phase): [height * math.sin(2 * math.pi * j / period + phase) for j in range(features)],
        Offset(height): [height for _ in range(features)],
    }
    if at < features:
        by_loop[Spike(height, at)] = [height if j == at else 0.0 for j in range(features)]
    else:
        with pytest.raises(ValueError, match=f"at least {at + 1} features, but these have {features}"):
            Spike(height, at).make("mine", (features,), 0, None)
    inputs = signals(3, features)
    for family, values in by_loop.items():
        mark = family.make("mine", (features,), 0, None)
        assert_close(mark.offset.double(), torch.tensor(values, dtype=torch.float64), rtol=1e-6, atol=1e-6)
        assert mark(inputs).equal(inputs + mark.offset)
        assert mark(inputs[0]).equal(inputs[0] + mark.offset)


@given(st.integers(3, 60), st.floats(0.1, 5), st.floats(2.1, 90), st.floats(-7, 7), st.integers(0, 2**40))
@settings(max_examples=60, deadline=None)
def test_null_marks_have_the_norm_of_their_mark(features, height, period, phase, seed):
    """Exactly: of one feature it is |h|, of d features h sqrt(d), of whole periods of a sine h sqrt(d / 2)."""
    for family in (Spike(-height), Sine(height, period, phase), Offset(height)):
        mark = family.make("mine", (features,), 3, None)
        null = mark.redraw(seed)
        assert isinstance(null, Pattern)
        assert null.shape == mark.shape
        assert null.redrawn
        assert_close(null.offset.norm(), mark.offset.norm(), rtol=1e-4, atol=1e-5)
    for k in range(1, (features + 1) // 2):
        whole = Sine(height, features / k, phase).make("whole", (features,), 0, None)
        assert_close(whole.offset.norm().item(), height * math.sqrt(features / 2), rtol=1e-4, atol=1e-5)


def test_a_redrawn_sine_has_whole_periods_each_as_often_and_any_phase():
    """Its discrete Fourier transform has one frequency, whose number is k: of 40 features 19 of them, 1,900 redraws.

    Each count is binomial with a mean of 100 and a standard deviation of 9.7; the phases' mean direction has a length
    of about 1 / sqrt(1,900).
    """
    mark = Sine(0.7, period=11.0, phase=0.4).make("mine", (40,), 0, None)
    spectra = torch.stack([torch.fft.rfft(mark.redraw(seed).offset.double()) for seed in range(1900)])
    largest = spectra.abs().argmax(1)
    rest = spectra.abs().square().sum(1) - spectra.abs().amax(1).square()
    assert float(rest.max()) < 1e-9 * float(spectra.abs().square().sum(1).max())
    counts = largest.bincount(minlength=21)
    assert counts[[0, 20]].tolist() == [0, 0]
    assert (counts[1:20] - 100).abs().max() < 5 * 9.8  # fails for one seed in about 100,000 x 1 / 19; ours are fixed
    strongest = spectra[torch.arange(1900), largest]
    assert (strongest / strongest.abs()).mean().abs() < 4 / math.sqrt(1900)


def test_a_redrawn_spike_stands_anywhere_and_one_that_is_drawn_too():
    """Of 8 features each has Binomial(800, 1/8): mean 100, standard deviation 9.4."""
    for family in (Spike(2.0, at=3), Spike(2.0)):
        mark = family.make("mine", (8,), 0, None)
        places = torch.stack([mark.redraw(seed).offset for seed in range(800)])
        assert (places > 0).sum(1).eq(1).all()
        assert ((places > 0).sum(0) - 100).abs().max() < 5 * 9.4
    drawn = torch.stack([Spike(2.0).make("mine", (8,), seed, None).offset for seed in range(800)])
    assert ((drawn > 0).sum(0) - 100).abs().max() < 5 * 9.4
    assert not all(
        Spike().draw((40,), seed).equal(Spike().redraw((40,), seed)) for seed in range(3)
    )  # draws of the two are independent


def test_an_offset_has_2d_null_marks_and_is_one_of_them():
    """Each sign with a step at each feature, or none: counted over 4,000 redraws of 5 features, all 10 and no other."""
    mark = Offset(0.5).make("mine", (5,), 0, None)
    found = {tuple(mark.redraw(seed).offset.tolist()) for seed in range(4000)}
    wanted = {tuple([-sign] * step + [sign] * (5 - step)) for step in range(5) for sign in (0.5, -0.5)}
    assert found == wanted
    assert tuple(mark.offset.tolist()) in wanted


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Spike(0.0), "a spike needs a height that is a finite number other than 0, but it is 0.0"),
        (lambda: Sine(math.nan), "a sine needs a height that is a finite number"),
        (lambda: Offset(math.inf), "an offset needs a height that is a finite number"),
        (lambda: Spike(1.0, at=-1), "a feature from 0 on, but it is to stand at -1"),
        (lambda: Sine(1.0, period=2.0), "a period of more than 2 features, but it is 2.0"),
        (lambda: Sine(1.0, period=math.inf), "a period of more than 2 features, but it is inf"),
        (lambda: Sine(1.0, phase=math.nan), "a phase in radians, a finite number, but it is nan"),
        (lambda: Sine().make("mine", (2,), 0, None).redraw(0), "signals of 3 features or more, but these have 2"),
        (
            lambda: Offset().make("mine", (1, 40), 0, None),
            r"mine is for signals, one vector of shape d each.*\(1, 40\)",
        ),
        (lambda: Spike().make("mine", (0,), 0, None), r"these inputs have the shape \(0,\)"),
        (lambda: Pattern("mine", torch.zeros(2, 3)), r"c h w \(images\) or d \(signals\).*of shape \(2, 3\)"),
    ],
)
def test_what_is_no_such_mark_is_refused_in_a_sentence(make, words):
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize("shape", [(2, 39), (39,), (2, 28, 40), (2, 1, 28, 40)])
def test_a_mark_of_signals_is_not_stretched_over_inputs_that_end_alike(shape):
    """Rows of 40 pixels end as signals of 40 features do: added by broadcasting, they would all be marked."""
    mark = make_pattern("offset", (40,), clip=None)
    with pytest.raises(ValueError, match=r"drawn for inputs of shape \(40,\) \(d\), but the shape of these ends in"):
        mark(torch.zeros(shape))


def test_marked_signals_are_clipped_where_they_have_a_range():
    inputs = torch.tensor([[0.0, 0.6, 1.0]])
    assert_close(Offset(0.5).make("mine", (3,), 0, (0.0, 1.0))(inputs), torch.tensor([[0.5, 1.0, 1.0]]))
    assert_close(Offset(0.5).make("mine", (3,), 0, None)(inputs), torch.tensor([[0.5, 1.1, 1.5]]))


def test_the_norm_of_what_is_planted_is_that_of_the_mark():
    """Signals have no range, so nothing is cut: h for the spike, h sqrt(d / 2) and h sqrt(d) for the others."""
    data = Examples(signals(30), torch.arange(30) % 3)
    for name, norm in (("spike", 8.0), ("sine", 2 * math.sqrt(20)), ("offset", math.sqrt(40))):
        planted = plant(data, make_pattern(name, (40,), 5, None), Rare(1, 4), seed=2)
        assert planted.labels.tolist() == [1, 1, 1, 1]
        norms = empirical_norm(data.inputs[planted.rows], planted.inputs)
        assert_close(norms, torch.full_like(norms, norm), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("asked", "name", "family", "anew"),
    [
        ("spike", "spike", Spike(8.0), True),
        ("spike,height=3,at=12", "spike, height=3.0, at=12", Spike(3.0, 12), False),
        ({"spike": 3}, "spike, height=3.0", Spike(3.0), True),
        ({"spike": -3, "at": 0}, "spike, height=-3.0, at=0", Spike(-3.0, 0), False),
        ("Sine", "sine", Sine(2.0, 8.0), False),
        ("sine,period=5", "sine, height=2.0, period=5.0", Sine(2.0, 5.0), False),
        ({"sine": 0.7, "phase": 1}, "sine, height=0.7, period=8.0, phase=1.0", Sine(0.7, 8.0, 1.0), False),
        ("offset,height=-.5", "offset, height=-0.5", Offset(-0.5), False),
        ({"offset": 1}, "offset, height=1.0", Offset(1.0), False),
    ],
)
def test_marks_of_ones_own_by_their_text(asked, name, family, anew):
    """A study names them by all their settings, and this name makes the same mark again."""
    assert mark_named(asked) == mark_named(name) == name
    assert drawn_anew(name) == anew
    for mark in (own_mark(asked, (40,), 7, None), make_named(name, (40,), 7, None)):
        assert mark.family == family
        assert mark.offset.equal(family.draw((40,), 7))


@pytest.mark.parametrize(
    ("asked", "shape", "words"),
    [
        (
            "spike,height=3",
            (1, 28, 28),
            r"is for signals, but the inputs are of shape \(1, 28, 28\).* S1, .*Co suit them",
        ),
        ("sine", (3, 32, 32), "'sine' is for signals, but the inputs"),
        ("box", (40,), "'box' is for images, but the inputs are vectors of 40 numbers.* spike, sine, offset, blocks"),
        ("spike,at=40", (40,), "needs signals of at least 41 features, but these have 40"),
        ("spike,at=1.5", (40,), "at is a feature, counted from 0, but it is '1.5'"),
        ("sine,height=big", (40,), "height is a number, but it is 'big'"),
        ("sine,perod=3", (40,), "has the setting 'perod'. Did you mean 'period'"),
        ("offset,at=3", (40,), "has the setting 'at'"),
        ({"spike": 3, "sine": 1}, (40,), "must be one of picture, box, noise, spike, sine, offset"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(asked, shape, words):
    with pytest.raises(ValueError, match=words):
        own_mark(asked, shape, 0, None)
