"""The weights and the biased loss, by hand."""

import pytest
import torch
from torch.testing import assert_close

from spurlab.prevention.lff import RunningLosses, generalized_cross_entropy, relative_difficulty
from spurlab.seeds import rng_for


def test_the_gradient_of_the_biased_loss_is_that_of_the_cross_entropy_times_a_power():
    """d/dz (1 - p^q) / q = -p^(q - 1) dp/dz = p^q d(-log p)/dz; and of -log p it is softmax minus one-hot."""
    logits = torch.randn(5, 3, generator=rng_for(0, "test"), dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([0, 1, 2, 1, 0])
    (slope,) = torch.autograd.grad(generalized_cross_entropy(logits, labels, 0.7).sum(), logits)
    p = logits.detach().exp() / logits.detach().exp().sum(1, keepdim=True)
    own = p[torch.arange(5), labels].unsqueeze(1)
    assert_close(slope, own**0.7 * (p - torch.eye(3, dtype=torch.float64)[labels]))


def test_the_biased_loss_by_hand():
    """p = 1/4: (1 - (1/4)^(1/2)) / (1/2) = 1; for q = 1 it is 3/4."""
    assert generalized_cross_entropy(torch.zeros(1, 4), torch.tensor([0]), 0.5).item() == pytest.approx(1)
    assert generalized_cross_entropy(torch.zeros(1, 4), torch.tensor([0]), 1.0).item() == pytest.approx(0.75)


def test_running_losses_by_hand():
    """The first loss in full, then 3/4 of the past and 1/4 of the new; divided by the largest of the class."""
    running = RunningLosses(torch.tensor([0, 0, 1]), memory=0.75)
    assert running.update(torch.tensor([0, 2]), torch.tensor([4.0, 3.0])).tolist() == [1.0, 1.0]
    assert running.update(torch.tensor([1]), torch.tensor([1.0])).tolist() == [0.25]
    assert running.update(torch.tensor([0]), torch.tensor([0.0])).tolist() == [1.0]  # 3 is the largest still
    assert running.update(torch.tensor([1]), torch.tensor([9.0])).tolist() == [1.0]  # 3/4 + 9/4 = 3


def test_weights_are_large_where_only_the_biased_network_fails():
    weights = relative_difficulty(torch.tensor([1.0, 1.0, 0.0, 0.0]), torch.tensor([0.0, 1.0, 1.0, 0.0]))
    assert_close(weights, torch.tensor([1.0, 0.5, 0.0, 0.0]))
