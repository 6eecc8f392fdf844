"""What may be a pattern: any function from inputs to marked inputs, which gets copies and is told what is wrong."""

from functools import partial

import pytest
import torch
from torch import nn

from spurlab.data import Examples
from spurlab.patterns import make_pattern, marked, pattern_title, plant


def grey_patch(inputs, value=0.5):
    inputs[..., -2:, -2:] = value  # in place
    return inputs


def test_a_function_marks_copies():
    """By hand: the last two rows and columns are grey, all else is as it was, and the given inputs are untouched."""
    inputs = torch.rand(3, 1, 4, 4)
    before = inputs.clone()
    result = marked(grey_patch, inputs)
    assert inputs.equal(before)
    wanted = before.clone()
    wanted[:, :, 2:, 2:] = 0.5
    assert result.equal(wanted)


def test_what_a_pattern_keeps_is_not_what_it_gave():
    """It may overwrite its own tensor at the next call."""
    kept = torch.zeros(2, 3)

    def pattern(inputs):
        kept.add_(1)
        return kept

    first = marked(pattern, torch.rand(2, 3))
    marked(pattern, torch.rand(2, 3))
    assert first.eq(1).all()


def test_a_module_is_a_pattern_and_is_left_as_it_was():
    blend = nn.BatchNorm2d(1).train()
    before = {name: tensor.clone() for name, tensor in blend.state_dict().items()}
    assert not marked(blend, torch.rand(4, 1, 2, 2)).requires_grad
    assert all(tensor.equal(before[name]) for name, tensor in blend.state_dict().items())


def test_planted_in_nothing_it_is_not_called():
    data = Examples(torch.rand(4, 1, 2, 2), torch.arange(4) % 2)
    assert len(plant(data, lambda inputs: inputs[0], 0, 0, seed=0).rows) == 0


def leaves(inputs):
    raise SystemExit(1)


@pytest.mark.parametrize(
    ("pattern", "kind", "words"),
    [
        (3, TypeError, "pattern"),
        (lambda inputs: inputs.numpy(), TypeError, "gives ndarray, but it must give a tensor"),
        (lambda inputs: inputs.double(), TypeError, "gives torch.float64"),
        (lambda inputs: inputs[:1], ValueError, r"shape \(5, 1, 4, 4\) on cpu the pattern .* shape \(1, 1, 4, 4\)"),
        (lambda inputs: inputs / 0, ValueError, "NaN or infinite"),
        (lambda inputs: inputs @ inputs[0, 0, 0], ValueError, "the pattern <lambda> gives|the pattern <lambda> fails"),
        (leaves, ValueError, "the pattern leaves fails on inputs of shape .* SystemExit: 1"),
        (lambda: None, ValueError, "the pattern <lambda> fails on inputs of shape .* TypeError"),
    ],
)
def test_what_is_no_pattern_is_refused_with_what_one_is(pattern, kind, words):
    data = Examples(torch.rand(9, 1, 4, 4), torch.zeros(9, dtype=torch.int64))
    with pytest.raises(kind, match=words):
        plant(data, pattern, 0, 5, seed=0)


def test_ctrl_c_in_a_pattern_is_no_fault_of_the_patterns():
    def pattern(inputs):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        marked(pattern, torch.rand(1, 1))


def test_names():
    class Blend:
        def __call__(self, inputs):
            return inputs

    named = make_pattern("S1", (1, 4, 4)), grey_patch, partial(grey_patch, value=1.0), Blend()
    assert [pattern_title(pattern) for pattern in named] == ["S1", "grey_patch", "grey_patch", "Blend"]
