"""Complementary halves: what they are made of, and what leaving the complement in would give away."""

import math

import pytest
import torch
from margin_toys import drawn

from spurlab.errors import InputError
from spurlab.metrics import membership_auc
from spurlab.privacy import Margins, halves, scores_of


@pytest.mark.parametrize("n", [10, 11])
def test_each_example_is_in_half_of_the_networks(n):
    design = halves(n, 6, 0)
    assert design.members.sum(0).tolist() == [3] * n
    assert design.members.sum(1).tolist() == [n // 2, n - n // 2] * 3
    assert not design.members[0].equal(design.members[2])
    for network, complement in enumerate(design.pair.tolist()):
        assert design.members[network].equal(~design.members[complement])
    assert design.without(4).tolist() == [0, 1, 2, 3]


def test_groups_are_in_or_out_together():
    groups = torch.tensor([-1, 4, 4, -1, 9, 9, 9, -1])
    members = halves(8, 20, 0, groups).members
    assert members[:, 1].equal(members[:, 2])
    assert members[:, 4].equal(members[:, 5])
    assert members[:, 4].equal(members[:, 6])
    assert members.sum(0).tolist() == [10] * 8
    assert not members[:, 1].equal(members[:, 4])
    assert not members[:, 0].equal(members[:, 3])


def test_no_groups_are_single_examples():
    assert halves(9, 4, 3, torch.full((9,), -1)).members.equal(halves(9, 4, 3).members)


def out_of_how_many(target, shadows):
    return (~shadows.members).sum(0).double()


def aucs(margins, attack):
    scores = scores_of(margins, {"it": attack} if callable(attack) else [attack])["it" if callable(attack) else attack]
    return torch.stack([
        membership_auc(-own[inside], -own[~inside]) for own, inside in zip(scores, margins.members, strict=True)
    ])  # fmt: skip


def test_the_complement_gives_membership_away():
    """Of margins that know nothing: counts alone tell all with the complement among the shadows, and nothing without.

    LiRA, which takes spreads of so few, goes by the counts too.
    """
    margins = drawn(1000, 6)
    with_complement = Margins(margins.phi, margins.members)
    assert aucs(with_complement, out_of_how_many).tolist() == [1.0] * 6
    assert aucs(margins, out_of_how_many).tolist() == [0.5] * 6
    sd = math.sqrt(1001 / (12 * 500 * 500))
    assert float((aucs(with_complement, "lira") - 0.5).abs().min()) > 8 * sd
    # fails for one seed in about 16,000, for each of six networks; ours is fixed
    assert float((aucs(margins, "lira") - 0.5).abs().max()) < 4 * sd


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: halves(10, 3, 0), "an even number of networks"),
        (lambda: halves(10, 0, 0), "an even number of networks"),
        (lambda: halves(1, 2, 0), "two examples or groups"),
        (lambda: halves(3, 2, 0, torch.tensor([5, 5, 5])), "there are 1"),
        (lambda: halves(3, 2, 0, torch.tensor([5, 5])), "number of its group"),
        (lambda: halves(3, 2, 0).without(2), "networks 0 to 1"),
    ],
)
def test_what_cannot_be_halved_is_told(make, words):
    with pytest.raises(InputError, match=words):
        make()
