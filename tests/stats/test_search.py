"""A search gives what the whole grid would: all combinations of where networks begin to learn, and what contradicts."""

from itertools import combinations_with_replacement, product

import pytest
import torch

from spurlab.stats import asked_next, learnt_at

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
    whole = curves_of(places, grid)
    scores, baseline, _ = searched(whole, most)
    found, known = learnt_at(scores, baseline, most=most, rising=True), learnt_at(whole, baseline, most=most)
    assert (found.n, found.above) == (known.n, known.above), places


def test_the_answer_is_that_of_the_whole_grid():
    """Five networks that each learn from one of two n on, or never, in every combination."""
    for places in product(range(3), repeat=5):
        same_answer(places, [3, 10], None)


@pytest.mark.parametrize(("networks", "most"), [(5, None), (5, 20), (8, 8)])
def test_so_on_a_longer_grid(networks, most):
    """Begun with the network that learns first, and with the one that learns last."""
    for places in combinations_with_replacement(range(5), networks):
        same_answer(places, [1, 3, 10, 30], most)
        same_answer(places[::-1], [1, 3, 10, 30], most)


def test_it_is_cheap_where_networks_are_alike():
    """Four to bracket the first of them, and two of each other."""
    grid = [1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100]
    for place in range(13):
        assert searched(curves_of([place] * 5, grid))[2] <= 4 + 2 * 4


def test_curves_that_fall_are_searched_to_the_end():
    """Whatever networks do at each n, all 2^10 of five networks and two n: a search ends and counts what it trained."""
    grid, baseline = [3, 10], torch.full((5,), NOT)
    for learns in product((LEARNT, NOT), repeat=10):
        whole = {n: torch.tensor(learns[5 * i : 5 * i + 5]) for i, n in enumerate(grid)}
        scores, _, _ = searched(whole)
        learnt = learnt_at(scores, baseline, rising=True)
        for n in grid:
            trained = ~scores[n].isnan()
            assert (learnt.shares[n].count, learnt.shares[n].models) == (
                int((whole[n][trained] == LEARNT).sum()), int(trained.sum()),
            )  # fmt: skip
        assert learnt.n is None or learnt.shares[learnt.n].count == 5
        assert learnt.above is None or (learnt.shares[learnt.above].count, learnt.shares[learnt.above].models) == (0, 5)


def test_a_larger_n_that_refutes_it_ends_the_sequence():
    """All five learn from 3; from 10 four do, which was measured; so nothing is said, whatever 30 gives."""
    scores = {3: torch.full((5,), LEARNT), 10: torch.tensor([LEARNT] * 4 + [NOT]), 30: torch.full((5,), UNKNOWN)}
    assert learnt_at(scores, torch.full((5,), NOT), rising=True).n is None
    scores[10][4] = UNKNOWN
    assert learnt_at(scores, torch.full((5,), NOT), rising=True).n == 3


def test_without_the_assumption_a_gap_is_no_score():
    scores = {3: torch.tensor([LEARNT] * 4 + [UNKNOWN])}
    assert learnt_at(scores, torch.full((5,), NOT)).why == "some scores are NaN"
    assert not learnt_at(scores, torch.tensor([NOT] * 4 + [UNKNOWN]), rising=True).decided
