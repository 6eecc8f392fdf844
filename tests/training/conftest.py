"""A training set of 7 x 7 pixels and networks so small that fifty steps take a blink."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from spurlab.data import Examples
from spurlab.models import mlp, seeded
from spurlab.patterns import Planted, make_pattern, plant
from spurlab.training import Member
from spurlab.training.rounding import placement_moves_bits


@pytest.fixture(autouse=True, scope="module")
def _one_thread(one_thread):
    pass


@pytest.fixture(scope="session")
def small(mini):
    """200 training images, averaged down to 1 x 7 x 7."""
    return Examples(F.avg_pool2d(mini.train.inputs[:200], 4), mini.train.labels[:200])


@pytest.fixture(scope="session")
def net(small):
    """() -> a new network with two hidden layers, under PyTorch's global generator."""
    return lambda: mlp(small.shape, 10, hidden=(16, 12))


@pytest.fixture(scope="session")
def make(net):
    """seed -> a new network with the initial weights of this seed, as the engines want it."""
    return lambda seed: seeded(net, seed)


@pytest.fixture(scope="session")
def members_of(small):
    """(counts, how) -> one member for each count, with its own seed and its own planted examples."""

    def members(counts, how="replace"):
        pattern = make_pattern("R3", small.shape)
        return [Member(plant(small, pattern, 0, n, seed=7 + n, how=how), seed) for seed, n in enumerate(counts)]

    return members


@pytest.fixture(scope="session")
def flooded():
    """(member, value) -> the member with `value` in every planted pixel."""
    return lambda member, value: replace(
        member,
        data=Planted(member.data.base, member.data.rows, torch.full_like(member.data.inputs, value), member.data.how),
    )


@pytest.fixture(scope="session")
def same_in_any_company():
    """(one, other) -> whether tensors of a member in two groups agree: to the bit where this process promises it.

    Elsewhere to rounding, as the twins do: training makes a difference in the last bit larger.
    """
    if placement_moves_bits():
        return lambda one, other: one.allclose(other, rtol=1e-3, atol=1e-4)
    return torch.Tensor.equal
