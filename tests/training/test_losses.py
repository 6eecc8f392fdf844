"""The losses against PyTorch's own and against their formulas."""

import pytest
import torch
from scipy.stats import entropy
from torch import nn

from spurlab.training.losses import LOSSES, SMOOTHING

LOGITS = 3 * torch.randn(2, 7, 5, generator=torch.Generator().manual_seed(0))
LABELS = torch.randint(5, (2, 7), generator=torch.Generator().manual_seed(1))


def test_cross_entropy_is_pytorchs():
    for logits, labels, found in zip(LOGITS, LABELS, LOSSES["ce"](LOGITS, LABELS), strict=True):
        torch.testing.assert_close(found, nn.CrossEntropyLoss(reduction="none")(logits, labels))


def test_squared_error_is_pytorchs_over_one_hot_labels():
    wanted = nn.MSELoss(reduction="none")(LOGITS, torch.eye(5)[LABELS]).mean(-1)
    torch.testing.assert_close(LOSSES["mse"](LOGITS, LABELS), wanted)


def test_divergence_is_scipys():
    target = torch.full((2, 7, 5), SMOOTHING, dtype=torch.float64)
    for row, label in zip(target.view(-1, 5), LABELS.flatten(), strict=True):
        row[label] = 1 - 4 * SMOOTHING
    wanted = entropy(target.numpy(), LOGITS.double().softmax(-1).numpy(), axis=-1)
    torch.testing.assert_close(LOSSES["kld"](LOGITS, LABELS).double(), torch.tensor(wanted), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_a_group_has_the_losses_of_its_members(name):
    together = LOSSES[name](LOGITS, LABELS)
    assert together.shape == (2, 7)
    torch.testing.assert_close(together[1], LOSSES[name](LOGITS[1], LABELS[1]))
