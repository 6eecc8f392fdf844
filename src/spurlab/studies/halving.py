"""Halves of one training set, in complementary pairs: what the networks of membership inference learn from.

The training set of a data seed has twice as many marked examples as each network learns from, in two groups of n. Of
two networks that are complements one learns from the first group and from a half of all other examples, the other from
the rest. So each network has n marked members, and n marked examples that it never saw.
"""

import torch
from jaxtyping import Bool
from torch import Tensor

from spurlab.patterns import Planted
from spurlab.privacy import half
from spurlab.seeds import rng_for


def members_of(pool: Planted, data_seed: int, network: int) -> Bool[Tensor, " n"]:
    """Which examples of the whole training set a network learns from.

    Args:
        pool: the training set, with two groups of marked examples, one after the other in the order of `pool.rows`.
        data_seed: of the design.
        network: its seed; an odd one is the complement of that before it.
    """
    members = torch.zeros(len(pool), dtype=torch.bool)
    others = (~pool.mask.cpu()).nonzero().squeeze(1)
    members[others] = half(len(others), network, data_seed)
    group = int(torch.randint(2, (), generator=rng_for(data_seed, "marked half", network // 2)))
    members[pool.positions.cpu().view(2, -1)[(group + network) % 2]] = True
    return members


def half_of(pool: Planted, data_seed: int, network: int) -> Planted:
    """What a network learns from; arguments as of `members_of`."""
    return pool.without(~members_of(pool, data_seed, network))
