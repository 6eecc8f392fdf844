"""Which examples each network learns from: halves and their complements, groups in or out together."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from spurlab.errors import InputError
from spurlab.notebook import short
from spurlab.seeds import rng_for


@dataclass(frozen=True, eq=False)
class Halves:
    """A design of m networks on n examples, in which networks stand in complementary pairs.

    Each example is in exactly half of the networks. So the counts of those left tell of one network whether an example
    is in it, unless its complement is left out as well: `without`.

    Args:
        members: True where a network learns from an example.
        pair: the complement of each network, which learns from all other examples.
    """

    members: Bool[Tensor, "m n"]
    pair: Int64[Tensor, " m"]

    __repr__ = short

    def without(self, target: int) -> Int64[Tensor, " s"]:
        """The shadow networks of one that is attacked, see `shadows_of`."""
        return shadows_of(target, len(self.members), self.pair)


def halves(n: int, networks: int, seed: int, groups: Int64[Tensor, " n"] | None = None) -> Halves:
    """A half drawn at random, then the other half, and so on.

    Args:
        n: how many examples, two or more.
        networks: m, an even number.
        seed: of the draws.
        groups: the number of each example's group, -1 for one on its own: examples of a group are in or out together,
            so that networks without an example have never seen its group (leave the group out). Halves are then of
            groups and single examples, and may differ in size.

    Raises:
        ValueError: an odd number of networks, or none; less than two examples or groups.

    Source: Carlini et al. (2022), Membership inference attacks from first principles, arXiv:2112.03570, section IV
    (each example in half of the networks).

    >>> design = halves(4, 2, 0)
    >>> design.members.sum(1).tolist(), design.members.sum(0).tolist()
    ([2, 2], [1, 1, 1, 1])
    """
    if networks < 2 or networks % 2:
        raise InputError(f"halves and their complements take an even number of networks, two or more, not {networks}.")
    unit = torch.arange(n) if groups is None else _units(groups, n)
    count = int(unit.max()) + 1 if n else 0
    if count < 2:
        raise InputError(f"halves are drawn from two examples or groups of them, or more, but there are {count}.")
    chosen = torch.stack([half(count, network, seed) for network in range(networks)])
    return Halves(chosen[:, unit], torch.arange(networks) ^ 1)


def half(n: int, network: int, seed: int) -> Bool[Tensor, " n"]:
    """The half of one network in a design without groups: its row of `Halves.members`.

    Args:
        n: how many examples.
        network: its number, from 0; an odd one is the complement of that before it.
        seed: of the draws.

    >>> half(4, 1, 0).equal(halves(4, 2, 0).members[1])
    True
    """
    chosen = torch.full((n,), network % 2 == 1)
    chosen[torch.randperm(n, generator=rng_for(seed, "halves", network // 2))[: n // 2]] ^= True
    return chosen


def shadows_of(target: int, networks: int, pair: Int64[Tensor, " m"] | None) -> Int64[Tensor, " s"]:
    """All networks but the one that is attacked and its complement, those that follow it first.

    Args:
        target: the number of the attacked network.
        networks: m.
        pair: the complement of each; -1, or None at all: it has none.

    Raises:
        ValueError: there is no such network.

    >>> shadows_of(3, 6, torch.tensor([1, 0, 3, 2, 5, 4])).tolist()
    [4, 5, 0, 1]
    """
    if not 0 <= target < networks:
        raise InputError(f"network {target} cannot be attacked: there are the networks 0 to {networks - 1}.")
    others = (torch.arange(1, networks) + target) % networks
    return others if pair is None else others[others != pair[target]]


def _units(groups: Int64[Tensor, " n"], n: int) -> Int64[Tensor, " n"]:
    """Numbers from 0 for what is drawn: single examples and groups."""
    if len(groups) != n:
        raise InputError(f"each of the {n} examples needs the number of its group, but there are {len(groups)}.")
    alone = groups < 0
    own = torch.where(alone, groups.max().clamp(min=-1) + 1 + torch.arange(n), groups)
    units: Tensor = own.unique(return_inverse=True)[1]
    return units
