"""The l1 penalty against steps by hand."""

import copy
from dataclasses import replace

import torch
from torch.testing import assert_close

from spurlab.deletion import L1Sparse


def test_the_penalty_pulls_every_weight_and_fades(model, data, forget, whole, gradients):
    """Two steps: theta - 0.1 g, then 0.1 gamma towards zero, with gamma = 0.3, then half of it."""
    after = L1Sparse(whole, penalties=(0.3,), epochs=2, rate=0.1)(model, data, forget)
    by_hand = copy.deepcopy(model)
    for gamma in (0.3, 0.15):
        for parameter, gradient in zip(by_hand.parameters(), gradients(by_hand, data[~forget]), strict=True):
            parameter.data -= 0.1 * gradient
            size = (parameter.data.abs() - 0.1 * gamma).clamp(min=0)
            parameter.data = parameter.data.sign() * size
    assert_close(after.state_dict(), by_hand.state_dict())


def test_adam_does_not_inflate_the_penalty(model, data, forget, whole):
    """Ten steps of 0.001 with gamma = 0.5 at first shrink what has no gradient by 0.001 * 0.5 * (1 + .9 + ... + .1).

    Through Adam they would take ten times 0.001 from it.
    """
    data = replace(data, inputs=data.inputs.clone())
    data.inputs[:, 0] = 0.0  # the weights of this input have no gradient
    model[0].weight.data[:, 0] = 0.5
    after = L1Sparse(whole.but(optimizer="adam"), penalties=(0.5,), epochs=10, rate=0.001)(model, data, forget)
    assert_close(after[0].weight[:, 0], torch.full((8,), 0.5 - 0.001 * 0.5 * 5.5))
