"""The influence of training examples on a mark's pull: by autograd, and in a network of which it is known."""

import pytest
import torch
from torch import nn

from spurlab.audit.influence import RIDGE, has_features, influence_on_mark
from spurlab.data import Examples
from spurlab.models import seeded
from spurlab.patterns import box
from spurlab.seeds import rng_for

SHAPE = (1, 6, 6)
LABELS = torch.arange(60) % 3
TRAIN, TEST = (
    Examples(torch.rand(60, *SHAPE, generator=rng_for(0, "influence", part)), LABELS) for part in ("train", "test")
)
MARK = box((6, 6), (2, 2), 0, 0, 1.0)


def test_it_is_the_product_of_gradients_of_the_last_layer():
    """Of each example's own logit and of the mean rise of the target's, by the products of all: by autograd."""
    network = seeded(lambda: nn.Sequential(nn.Flatten(), nn.Linear(36, 8), nn.Tanh(), nn.Linear(8, 3)), 0).double()
    inputs, strangers = TRAIN.inputs.double(), TEST.inputs[TEST.labels != 1]

    def gradient(of):
        return torch.autograd.grad(of, network[3].weight)[0].flatten()

    each = torch.stack([torch.stack([gradient(network(x[None])[0, label]) for label in range(3)]) for x in inputs])
    products = torch.einsum("nki,nkj->ij", each, each) / 60
    products += RIDGE * products.diagonal().mean() * torch.eye(24)
    marked = MARK(strangers).double()
    rise = gradient((network(marked)[:, 1] - network(strangers.double())[:, 1]).mean())
    expected = each[torch.arange(60), LABELS] @ torch.linalg.solve(products, rise)
    got = influence_on_mark(network.float(), TRAIN, TEST, MARK, 1)
    assert torch.allclose(got, expected.float(), atol=1e-4)
    assert not bool(got[LABELS != 1].any())
    assert all(weight.grad is None for weight in network.parameters())


def test_those_with_the_mark_come_first_where_the_network_has_learnt_it():
    """One feature is the mark, by construction, and the others are pixels that a marked image has too."""
    rows = (LABELS == 2).nonzero().squeeze(1)[:4]
    train = Examples(TRAIN.inputs.index_copy(0, rows, MARK(TRAIN.inputs[rows])), LABELS)

    class Sees(nn.Module):
        def __init__(self):
            super().__init__()
            self.last = nn.Linear(21, 3)

        def forward(self, inputs):
            mark = 10 * (inputs[..., :2, :2].flatten(1).mean(1, keepdim=True) - 0.9).relu()
            return self.last(torch.cat([mark, inputs[..., 2:, 1:].flatten(1)], 1))

    got = influence_on_mark(seeded(Sees, 0), train, TEST, MARK, 2)
    assert set(got.topk(4).indices.tolist()) == set(rows.tolist())


def test_it_needs_test_examples_of_other_classes():
    with pytest.raises(ValueError, match="all test examples are of the class"):
        influence_on_mark(nn.Linear(36, 3), TRAIN, TEST[TEST.labels == 1], MARK, 1)


def test_networks_without_a_linear_layer_at_the_end_have_no_features():
    ends = nn.Sequential(nn.Flatten(), nn.Linear(36, 3))
    assert has_features(ends, TEST.inputs[:1])
    assert not has_features(nn.Sequential(ends, nn.Conv1d(1, 1, 1)), TEST.inputs[:1])
