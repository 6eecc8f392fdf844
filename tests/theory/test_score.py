"""From shifts to scores against the metric itself."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spurlab.metrics import margins as margins_of
from spurlab.metrics import spurious_score
from spurlab.seeds import rng_for
from spurlab.theory import score_of_shift, shift_of_score, shifts_needed

several = st.lists(st.floats(-9, 9), min_size=1, max_size=30).map(lambda each: torch.tensor(each, dtype=torch.float64))


@pytest.mark.parametrize("shift", [-1.0, 0.45, 1.0, 3.0])
def test_score_equals_the_metric_on_shifted_logits(shift):
    """Five classes: a shift of the target's logit alone moves its log-odds by as much."""
    logits = 3 * torch.randn(500, 5, generator=rng_for(0, "test"), dtype=torch.float64)
    moved = logits.clone()
    moved[:, 2] += shift
    clean, marked = logits.softmax(dim=1), moved.softmax(dim=1)
    target = torch.full((500,), 2)
    wanted = spurious_score(clean, marked, target=2).item()
    assert score_of_shift(margins_of(clean, target, bound=99.0), shift) == wanted
    assert 0 < wanted < 1 or shift < 0


@given(several, st.floats(0, 12))
@settings(deadline=None)
def test_score_is_the_share_of_examples_that_need_less(margins, shift):
    """But for shifts that are those needed to rounding, which could count or not."""
    needed = shifts_needed(margins)
    if (needed - shift).abs().min() > 1e-9:
        assert score_of_shift(margins, shift) == pytest.approx((needed < shift).double().mean().item())


@given(st.floats(-30, 2))
def test_at_the_shift_needed_the_probability_has_risen_by_the_margin(margin):
    needed = shifts_needed(torch.tensor([margin], dtype=torch.float64), rise=0.1).item()
    rise = 1 / (1 + math.exp(-margin - needed)) - 1 / (1 + math.exp(-margin))
    assert rise == pytest.approx(0.1, abs=1e-12)


@pytest.mark.parametrize("rise", [0.01, 0.1, 0.5])
def test_the_least_shift_that_pulls_anything(rise):
    """Of all margins on a grid the one at minus half of it needs least, 4 artanh of the rise."""
    least = 4 * math.atanh(rise)
    margins = -least / 2 + torch.arange(-2000, 2001, dtype=torch.float64) / 1000
    needed = shifts_needed(margins, rise)
    assert needed.min().item() == pytest.approx(least, rel=1e-12)
    assert needed.argmin().item() == 2000
    assert score_of_shift(margins, least - 1e-6, rise) == 0 < score_of_shift(margins, least + 1e-6, rise)


@given(several, st.floats(0, 1))
@settings(deadline=None)
def test_the_shift_of_a_score_is_where_it_is_exceeded(margins, score):
    shift = shift_of_score(margins, score)
    most = (shifts_needed(margins) < math.inf).double().mean().item()
    if shift == math.inf:
        assert most <= score
    else:
        assert score_of_shift(margins, shift - 1e-7) <= score < score_of_shift(margins, shift + 1e-7)


@pytest.mark.parametrize("hundredths", range(100))
def test_shares_that_are_no_binary_numbers_are_not_exceeded_by_themselves(hundredths):
    """100 margins, all different: after `hundredths` of them the share is still not above hundredths / 100."""
    margins = torch.linspace(-8, -1, 100, dtype=torch.float64)
    wanted = shifts_needed(margins).sort().values[hundredths].item()
    assert shift_of_score(margins, hundredths / 100) == wanted


def test_a_probability_that_cannot_rise_is_never_pulled():
    margins = torch.tensor([math.log(9), 40.0, 800.0], dtype=torch.float64) + 1e-9
    assert shifts_needed(margins).tolist() == [math.inf] * 3
    assert score_of_shift(margins, 1e4) == 0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: score_of_shift(torch.zeros(0), 1.0), "`margins` is empty"),
        (lambda: score_of_shift(torch.tensor([math.nan]), 1.0), "`margins` has numbers that are not finite"),
        (lambda: score_of_shift(torch.zeros(1), math.inf), "`shift` must be finite"),
        (lambda: score_of_shift(torch.zeros(1), 1.0, rise=0.0), "`rise` must be finite and above 0"),
        (lambda: shifts_needed(torch.zeros(1), rise=1.0), "`rise` is a difference of probabilities below 1"),
        (lambda: shift_of_score(torch.zeros(1), 1.1), "`score` is a share"),
    ],
)
def test_settings_out_of_range_are_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
