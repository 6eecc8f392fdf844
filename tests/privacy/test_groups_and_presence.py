"""The other two questions: groups of examples, and the pattern itself."""

import math

import pytest
import scipy.stats
import torch

from spurlab.errors import InputError
from spurlab.privacy import Margins, answers, auc, group_members, group_scores, halves, presence, scores_of, tpr_at
from spurlab.seeds import rng_for

GROUPS = torch.tensor([3, -1, 3, 0, -1, 0, 0])


def test_scores_of_a_group_add_up():
    scores = torch.randn(4, 7, generator=rng_for(0, "test"), dtype=torch.float64)
    total, mean = group_scores(scores, GROUPS), group_scores(scores, GROUPS, "mean")
    for row in range(4):
        own = scores[row].tolist()
        assert total[row].tolist() == pytest.approx([own[3] + own[5] + own[6], own[0] + own[2]])
        assert mean[row].tolist() == pytest.approx([(own[3] + own[5] + own[6]) / 3, (own[0] + own[2]) / 2])
    assert group_scores(scores[0], GROUPS).equal(total[0])


def test_groups_are_members_as_a_whole():
    members = halves(7, 6, 0, GROUPS).members
    found = group_members(members, GROUPS)
    assert found.equal(members[:, [3, 0]])
    members[2, 3] = ~members[2, 3]
    with pytest.raises(InputError, match=r"group 0 .* of its 3 examples"):
        group_members(members, GROUPS)
    with pytest.raises(InputError, match="there is no group"):
        group_scores(torch.zeros(7), torch.full((7,), -1))


def test_siblings_hide_an_example_and_not_its_group():
    """Margins of a group rise alike whoever of it is in: as where few marked examples teach one pattern.

    With halves of examples a marked one is as sure without itself as with itself, since a sibling is in; with halves
    of groups the group is told.
    """
    rng = rng_for(0, "test")
    groups = torch.arange(120) // 6  # 20 groups of six

    def area(design, whole):
        share = torch.stack([design.members[:, groups == g].double().mean(1) for g in range(20)], 1)
        taught = (share > 0).double()[:, groups]
        phi = taught + torch.randn(40, 120, generator=rng, dtype=torch.float64)
        scores = scores_of(Margins(phi, design.members, design.pair), ["lira-fixed"])["lira-fixed"]
        if whole:
            return auc(group_scores(scores, groups), group_members(design.members, groups))
        return auc(scores, design.members)

    alone = area(halves(120, 40, 0), whole=False)
    together = area(halves(120, 40, 0, groups), whole=True)
    assert alone.high < 0.6
    # the log-ratio of six margins, each a standard deviation apart, would tell .96 with known means
    assert 0.9 < together.low < together.value < scipy.stats.norm.cdf(math.sqrt(6 / 2)) + 0.02


def test_answers_are_the_rise_of_the_log_odds():
    rng = rng_for(0, "test")
    clean, marked = (torch.randn(2, 5, 3, generator=rng) for _ in range(2))
    for network, found in enumerate(answers(clean, marked, 2)):
        rises = []
        for before, after in zip(clean[network].double(), marked[network].double(), strict=True):
            p, q = before.softmax(0)[2], after.softmax(0)[2]
            rises.append(float((q / (1 - q)).log() - (p / (1 - p)).log()))
        assert float(found) == pytest.approx(sum(rises) / 5)
    with pytest.raises(InputError, match="there is none"):
        answers(clean[:, :0], marked[:, :0], 2)
    with pytest.raises(InputError, match="the labels run from 3"):
        answers(clean, marked, 3)


def tensor(*numbers):
    return torch.tensor(numbers, dtype=torch.float64)


def test_presence_is_the_share_of_pairs_with_an_exact_interval():
    """Pairs in order: won, lost, tied, won."""
    found = presence(tensor(3.0, 1.0, 2.0, 5.0), tensor(0.0, 2.0, 2.0, 4.0, 9.0))
    wins = [sum((p > c) + (p == c) / 2 for c in (0.0, 2.0, 2.0, 4.0, 9.0)) for p in (3.0, 1.0, 2.0, 5.0)]
    assert found.auc == pytest.approx(sum(wins) / 20)
    assert found.trials == 4
    assert found.low == pytest.approx(scipy.stats.binomtest(2, 4).proportion_ci(0.95, "exact").low)
    assert found.high == pytest.approx(scipy.stats.binomtest(3, 4).proportion_ci(0.95, "exact").high)


def test_presence_needs_networks_of_both_kinds():
    with pytest.raises(InputError, match="2 with the pattern and 0 without"):
        presence(tensor(1.0, 2.0), tensor())
    with pytest.raises(InputError, match="have diverged"):
        presence(tensor(1.0, math.nan), tensor(0.0))


def test_many_groups_in_each_network_are_clustered_by_network():
    """Ten groups in each of 30 networks: a rate at 10 % false positives, of 150 groups that are out; 1 in 20 fails."""
    rng = rng_for(0, "test")
    groups = torch.arange(40) // 4
    members = group_members(halves(40, 30, 0, groups).members, groups)
    scores = torch.randn(30, 10, generator=rng, dtype=torch.float64) + 2 * members
    at = tpr_at(scores, members, 0.1, normal=False)
    assert (at.tpr.networks, at.tpr.of) == (30, 150)
    assert at.tpr.low < scipy.stats.norm.cdf(scipy.stats.norm.ppf(0.1) + 2) < at.tpr.high
