"""Gradient ascent against steps by hand."""

import copy

from torch.testing import assert_close

from spurlab.deletion import GradientAscent
from spurlab.deletion.search import mean_loss


def test_steps_lead_up_the_loss_of_the_forgotten_examples(model, data, forget, whole, gradients):
    """Two epochs of one batch: theta + 0.1 g(theta), twice."""
    after = GradientAscent(whole, epochs=2, rates=(0.1,))(model, data, forget)
    by_hand = copy.deepcopy(model)
    for _ in range(2):
        for parameter, gradient in zip(by_hand.parameters(), gradients(by_hand, data[forget]), strict=True):
            parameter.data += 0.1 * gradient
    assert_close(after.state_dict(), by_hand.state_dict())
    assert mean_loss(after, data[forget]) > mean_loss(model, data[forget])
