"""Several questions of one audit together, against the rank by hand and Holm's correction."""

import math

import pytest
import torch

from spurlab.audit import Pull, Unknown
from spurlab.audit.together import together
from spurlab.stats import Share, holm


def mark(p, standardised=(), against="marks like it", draws=999, available=None):
    """A mark of which p is known; the statistic of the network is the first."""
    numbers = torch.tensor(standardised, dtype=torch.float64)
    nulls, apart = torch.zeros(draws, dtype=torch.float64), torch.ones(draws, dtype=torch.bool)
    scores, available = torch.tensor([0.5]).double(), available or draws
    return Pull("m", 0, scores, Share(5, 10), nulls, apart, p, available, against, numbers, p)


def search(p, standardised):
    none, numbers = torch.empty(0), torch.tensor(standardised, dtype=torch.float64)
    return Unknown("least mask", 0, 1.0, 1.0, p, none, none, (), standardised=numbers, p_alone=p)


def test_marks_among_marks_like_them_are_holms():
    pulls, _ = together([mark(0.001), mark(math.nan), mark(0.03)], [])
    adjusted = holm([0.001, 0.03])
    assert (pulls[0].p, pulls[2].p) == tuple(adjusted)
    assert math.isnan(pulls[1].p)
    assert [one.p_alone for one in pulls][::2] == [0.001, 0.03]
    assert [one.verdict for one in pulls] == ["goes by it", "not tested", "goes by it"]


def test_what_reference_networks_tell_is_ranked_by_the_largest_over_marks_and_searches():
    """Of 19 networks none has a statistic of 3 anywhere; the search is below the mark's of two networks."""
    one = mark(0.05, [3.0, 2.0, 2.0, *[0.0] * 17], "reference networks")
    two = search(0.05, [1.5, 1.0, *[0.0] * 18])
    (pull,), (unknown,) = together([one], [two])
    assert pull.p == pytest.approx(1 / 20)
    assert unknown.p == pytest.approx(1 / 20), "alone after the first has fallen: no network has 1.5 there"
    (pull,), (unknown,) = together([mark(0.05, [1.4, 2.0, *[0.0] * 18], "reference networks")], [two])
    assert (pull.p, unknown.p) == (pytest.approx(2 / 20), pytest.approx(2 / 20))
    assert (pull.verdict, unknown.verdict) == (
        "not shown to exceed reference networks",
        "no less than references need",
    )


def test_two_kinds_of_tests_share_the_level():
    """Of 39 networks and marks like it: p is 1/40 twice."""
    by_networks = mark(0.025, [3.0, *[0.0] * 39], "reference networks")
    pulls, _ = together([by_networks, mark(0.001), mark(0.9)], [])
    assert [one.p for one in pulls] == pytest.approx([0.05, 0.004, 1.0])
    assert pulls[0].verdict == "goes by it"


def test_beside_19_networks_marks_among_marks_like_them_are_not_tested():
    """Else no p of the networks could be .05, which tell marks and searches better."""
    by_networks = mark(0.05, [3.0, *[0.0] * 19], "reference networks")
    pulls, _ = together([by_networks, mark(0.001)], [])
    assert [one.verdict for one in pulls] == ["goes by it", "not tested"]
    assert pulls[1].needed == 39


def test_marks_that_could_not_be_shown_beside_the_others_are_not_tested():
    """25 marks like it are enough alone, but of two 39 are needed: the one with the fewest is left out, whatever p."""
    few, many = mark(1 / 26, draws=25), mark(0.03)
    assert [one.p for one in together([few], [])[0]] == [1 / 26]
    pulls, _ = together([few, many], [])
    assert math.isnan(pulls[0].p)
    assert (pulls[0].needed, pulls[1].p) == (39, 0.03)
    stopped = mark(0.5, draws=99, available=999)
    pulls, _ = together([stopped] * 5 + [mark(0.001)], [])
    assert pulls[-1].p == pytest.approx(0.006), "99 were enough to stop, of 999"
    few = [mark(0.5, draws=99, available=110) for _ in range(6)]
    told = [not math.isnan(one.p) for one in together([*few, mark(0.001)], [])[0]]
    assert (sum(told), told[-1]) == (5, True), "seven questions need 139, six 119, five 99"


def test_what_was_not_asked_changes_nothing():
    (unknown,) = together([], [search(math.nan, [])])[1]
    assert math.isnan(unknown.p)
    assert together([], []) == ([], [])
