"""A search gives what the whole grid would where curves rise, and counts what it trained where they do not."""

from itertools import combinations_with_replacement, product

import pytest
import torch

from spurlab.errors import InputError
from spurlab.stats import Share, asked_next, learnt_at

LEARNT, NOT, UNKNOWN = 0.8, 0.1, torch.nan


def curves_of(places, grid):
    """Scores by n of networks of which each learns from some place of the grid on."""
    return {n: torch.tensor([LEARNT if i >= place else NOT for place in places]) for i, n in enumerate(grid)}


def searched(whole, most=None):
    """The scores after the search, and how many networks were trained beside the controls."""
    baseline = torch.full_like(next(iter(whole.values())), NOT)
    scores, trained = {n: torch.full_like(values, UNKNOWN) for n, values in whole.items()}, 0
    while asked := asked_next(scores, baseline, most=most):
        for n, networks in asked.items():
            assert networks, "nothing is asked for"
            assert scores[n][networks].isnan().all(), "a network is trained twice"
            scores[n][networks] = whole[n][networks]
            trained += len(networks)
    return scores, baseline, trained


def same_answer(places, grid, most):
    """As the whole grid at the level of a search: a quarter."""
    whole = curves_of(places, grid)
    scores, baseline, _ = searched(whole, most)
    found, known = learnt_at(scores, baseline, most=most, rising=True), learnt_at(whole, baseline, 0.05 / 4, most)
    assert (found.n, found.above) == (known.n, known.above), places


def test_the_answer_is_that_of_the_whole_grid():
    """Seven networks that each learn from one n on, or never, in every combination."""
    for places in product(range(2), repeat=7):
        same_answer(places, [3], None)


@pytest.mark.parametrize(("networks", "most"), [(7, None), (8, 20)])
def test_so_on_a_longer_grid(networks, most):
    """Begun with the network that learns first, and with the one that learns last."""
    for places in combinations_with_replacement(range(4), networks):
        same_answer(places, [1, 3, 10], most)
        same_answer(places[::-1], [1, 3, 10], most)


def test_it_is_cheap_where_networks_are_alike():
    """Four to bracket the first of them, and two of each other."""
    grid = [1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100]
    for place in range(13):
        assert searched(curves_of([place] * 7, grid))[2] <= 4 + 2 * 6


def test_curves_that_fall_are_searched_to_the_end():
    """120 times seven networks of which each learns from each n with a chance of .8, .5 or .1, whatever others do."""
    generator, grid, baseline = torch.Generator().manual_seed(0), [1, 3, 10, 30], torch.full((7,), NOT)
    ends = set()
    for trial in range(120):
        learns = torch.rand(4, 7, generator=generator) < (0.8, 0.5, 0.1)[trial % 3]
        whole = {n: torch.where(learns[i], LEARNT, NOT) for i, n in enumerate(grid)}
        scores, _, _ = searched(whole)
        learnt = learnt_at(scores, baseline, rising=True)
        for i, n in enumerate(grid):
            trained = ~scores[n].isnan()
            assert learnt.shares[n] == Share.of_mask(learns[i][trained])
        assert learnt.n is None or learnt.shares[learnt.n] == Share(7, 7)
        assert learnt.above is None or learnt.shares[learnt.above] == Share(0, 7)
        ends.add((learnt.n is None, learnt.above is None))
    assert len(ends) == 3, "some were shown to be learnt, some not to be, some neither"


def test_a_larger_n_that_refutes_it_ends_the_sequence():
    """All seven learn from 3; from 10 six do, which was measured; so nothing is said, whatever 30 gives."""
    scores = {3: torch.full((7,), LEARNT), 10: torch.tensor([LEARNT] * 6 + [NOT]), 30: torch.full((7,), UNKNOWN)}
    assert learnt_at(scores, torch.full((7,), NOT), rising=True).n is None
    scores[10][6] = UNKNOWN
    assert learnt_at(scores, torch.full((7,), NOT), rising=True).n == 3


def test_sixteen_n_cannot_be_halved_four_times():
    with pytest.raises(InputError, match="among 15 n at most, but here are 16"):
        asked_next({n: torch.zeros(7) for n in range(1, 17)}, torch.zeros(7))


def test_without_the_assumption_a_gap_is_no_score():
    scores = {3: torch.tensor([LEARNT] * 4 + [UNKNOWN])}
    assert learnt_at(scores, torch.full((5,), NOT)).why == "some scores are NaN"
    assert "at 1.2 % it takes 7" in learnt_at(scores, torch.full((5,), NOT), rising=True).why
    several = {3: torch.full((7,), LEARNT)}
    assert not learnt_at(several, torch.tensor([NOT] * 6 + [UNKNOWN]), rising=True).decided
