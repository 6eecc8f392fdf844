"""The rule behind every verdict, on claim 1 (R3 at n = 3 against n = 0, six parts), and exactly by enumeration."""

import itertools
import json
import math

import numpy as np
import pytest
import scipy.stats
import torch
from claim_answers import interval, outcomes, part, verdict
from claim_rows import FLAT, HIGH, LOW, SIX, SPREAD, again, frame, six

from spurlab.claims import by_chance, decide
from spurlab.claims.evidence import LeftOut, Seeds
from spurlab.claims.judge import above, any_of, beyond, directional, settle, unchanged
from spurlab.claims.question import FEWEST, Question
from spurlab.stats import Estimate, Looks, Share

NO_ROWS = frozenset({"a"})


def first(high, low=LOW):
    """The part of MNIST with target 0 alone."""
    return part(verdict(1, frame({("R3", 0, 0): low, ("R3", 0, 3): high})), "mnist, target 0")


def rising(count, seeds, by=0.5):
    """So many seeds rise by .5, and the others not at all."""
    low = np.linspace(0.1, 0.2, seeds)
    return first(low + by * (np.arange(seeds) < count), low)


# -- A part --


def test_three_examples_are_enough_in_six_cases():
    answer = verdict(1, *six())
    assert answer.outcome == "reproduced"
    assert len(answer.parts) == 6
    assert answer.models == 3 * (5 + 10)  # n = 0 is one network for both targets
    one = part(answer, "fashion-mnist, target 1")
    assert (one.question.share, one.question.holds) == (Share(5, 5), 1 / 32)
    assert (one.models, one.question.seeds, one.question.margin) == (10, 5, 0.05)
    assert one.question.estimate.value == pytest.approx(0.5)
    described = Estimate.across_models(torch.tensor(HIGH - LOW), (-1.0, 1.0))
    assert interval(one.question) == pytest.approx((described.low, described.high), abs=1e-6)


@pytest.mark.parametrize(
    ("count", "seeds", "outcome"),
    [
        *(
            (5, 5, "reproduced"),
            (4, 5, "undecided"),
            (3, 5, "undecided"),
            (1, 5, "undecided"),
            (0, 5, "not reproduced"),
        ),
        *((7, 8, "reproduced"), (6, 8, "undecided"), (2, 8, "undecided"), (1, 8, "not reproduced")),
        *((15, 20, "reproduced"), (14, 20, "undecided"), (6, 20, "undecided"), (5, 20, "not reproduced")),
    ],
)
def test_a_part_is_decided_by_how_many_seeds_show_it(count, seeds, outcome):
    """The sign test by scipy, in both directions: .031 .19; .035 .14; .021 .058."""
    one = rising(count, seeds)
    for alternative, p in (("greater", one.question.holds), ("less", one.question.fails)):
        assert p == pytest.approx(scipy.stats.binomtest(count, seeds, alternative=alternative).pvalue)
    assert (one.outcome, one.question.share) == (outcome, Share(count, seeds))
    assert f"above 0.05 in {count} of {seeds} seeds, mean +{0.5 * count / seeds:.3f}" in one.finding


@pytest.mark.parametrize(
    ("rise", "outcome"),
    [
        (np.full(5, 0.02), "undecided"),  # all rise, and none by .05
        (np.array([0.02, 0.02, 0.02, 0.02, 0.0]), "not reproduced"),  # four of five do not show a rise
        (np.full(5, 0.05), "undecided"),  # the margin is no more than the margin, whatever the last bits say
        (np.full(5, 1e-9), "not reproduced"),  # nor are they a rise
        (np.full(5, 0.0501), "reproduced"),
    ],
)
def test_a_rise_that_is_surely_there_and_too_small_to_matter_is_undecided(rise, outcome):
    one = first(LOW + rise)
    assert one.outcome == outcome
    assert ("surely there, but too small to matter" in one.finding) == (outcome == "undecided")


@pytest.mark.parametrize("seeds", [1, 2, 4, 5])
def test_fewer_than_five_seeds_are_undecided(seeds):
    """Four of four come once in sixteen where half of all networks do so."""
    assert FEWEST == 5
    one = first(HIGH[:seeds], LOW[:seeds])
    told = ("reproduced", "difference") if seeds == 5 else ("undecided", "few seeds")
    assert (one.outcome, one.question.kind, one.question.seeds) == (*told, seeds)


TABLE = Seeds({}, tuple(range(5)), LeftOut(), NO_ROWS)


def tensor(numbers):
    return torch.tensor(numbers, dtype=torch.float64)


def alike(numbers, one_sided=False, cells=()):
    whole, single = {"mean": tensor(numbers)}, {f"cell {i}": tensor(cell) for i, cell in enumerate(cells)}
    [one] = settle([unchanged("", TABLE, whole, single or whole, 0.05, one_sided=one_sided)])
    return one


@pytest.mark.parametrize(
    ("numbers", "two_sided", "one_sided"),
    [
        ([0.04, -0.04, 0.01, 0.0, 0.03], "reproduced", "reproduced"),
        ([0.05, -0.05, 0.05, 0.3 - 0.25, 0.25 - 0.3], "reproduced", "reproduced"),  # up to the last bits
        ([0.2, 0.1, 0.3, 0.06, 0.2], "not reproduced", "reproduced"),
        ([-0.2, -0.1, -0.3, -0.06, -0.2], "not reproduced", "not reproduced"),
        ([-0.2, -0.1, -0.3, 0.1, 0.2], "undecided", "undecided"),  # beyond on both sides: where to?
        ([0.0, 0.0, 0.0, 0.0, 0.2], "undecided", "reproduced"),
    ],
)
def test_what_is_alike_stays_within_the_margin_in_most_networks(numbers, two_sided, one_sided):
    assert (alike(numbers).outcome, alike(numbers, one_sided=True).outcome) == (two_sided, one_sided)


def test_a_cell_contradicts_by_itself_and_then_as_one_of_several():
    """5 of 5 are p = 1/32 for one cell, and as one of two among the rest of the level .18: neither alike nor not."""
    cell, flat = [-0.3] * 5, [0.0] * 5
    one = alike(flat, cells=[cell, flat])
    assert (one.outcome, one.question.alone, one.question.beyond) == ("undecided", "cell 0", "")
    assert one.question.fails == pytest.approx(2 / 32 / 0.35)
    assert "cell 0: -0.300" in one.finding
    assert "by itself, and not as one of 3 (Holm)" in one.finding
    mean = alike(cell, cells=[flat, flat])
    assert (mean.outcome, mean.question.beyond) == ("not reproduced", "mean")
    assert mean.question.fails == pytest.approx(1 / 32 / 0.65)
    assert alike(cell, cells=[cell]).question.fails == 1 / 32  # a single cell is the mean itself


# -- How often the rule errs, exactly --


def test_a_part_errs_as_rarely_as_it_says():
    """Half of all networks rise: of the 32 ways that five seeds fall, one is called more and one fewer than half."""
    ways = list(itertools.product((0.0, 0.5), repeat=5))
    told = [settle([above("", TABLE, tensor(way), tensor([0.0] * 5))])[0].outcome for way in ways]
    assert (told.count("reproduced"), told.count("not reproduced"), told.count("undecided")) == (1, 1, 30)


def part_of(count, seeds, **beside):
    """A directional part in which so many seeds rise, by much or not at all."""
    share = Share(count, seeds)
    return directional(Question("", "difference", seeds=seeds, networks=NO_ROWS, **beside), share, share)


@pytest.mark.parametrize(("seeds", "parts"), [(5, 2), (8, 2), (8, 3), (10, 3)])
def test_a_claim_errs_as_rarely_as_its_parts(seeds, parts):
    """By the chance of every combination of counts.

    True of exactly half of all networks in every part, the claim is refuted in at most 5 % of studies for all parts
    together. Where it is so in all parts but one, it is reproduced in as many as that one passes by itself.
    """
    chances = scipy.stats.binom.pmf(range(seeds + 1), seeds, 0.5)
    refuted = alone = 0.0
    for counts in itertools.product(range(seeds + 1), repeat=parts):
        answers = settle([part_of(count, seeds) for count in counts])
        chance = math.prod(chances[count] for count in counts)
        refuted += chance * any(one.outcome == "not reproduced" and one.together <= 0.05 for one in answers)
        alone += chance * any(one.outcome == "not reproduced" for one in answers)
    assert refuted <= min(0.05, alone)
    passed = sum(
        chances[count]
        for count in range(seeds + 1)
        if all(
            one.outcome == "reproduced"
            for one in settle([part_of(seeds, seeds)] * (parts - 1) + [part_of(count, seeds)])
        )
    )
    assert passed == pytest.approx(sum(chances[c] for c in range(seeds + 1) if Share(c, seeds).more_than() <= 0.05))
    assert 0.01 < passed <= 0.05


@pytest.mark.parametrize("seeds", [5, 8, 12])
def test_one_of_several_alternatives_is_shown_as_rarely_as_it_says(seeds):
    """Three that half of all networks show, independent of each other: by the chance of every combination of counts."""
    chances = scipy.stats.binom.pmf(range(seeds + 1), seeds, 0.5)
    p = [Share(count, seeds).more_than() for count in range(seeds + 1)]
    wrong = sum(
        math.prod(chances[count] for count in counts)
        for counts in itertools.product(range(seeds + 1), repeat=3)
        if any_of(dict(zip("abc", (p[count] for count in counts), strict=True)))[0] <= 0.05
    )
    assert 0.01 < wrong <= 0.05


# -- Where seeds were added --


def at_every_look(numbers, looks, parts):
    """The chance of each outcome at some look, where just half of all networks do what each part says.

    Along the way, by the chance of every combination of counts: of the first part, and that the claim is refuted.
    """
    chances, before = {((0,) * parts, frozenset()): 1.0}, 0
    for models in numbers:
        added = scipy.stats.binom.pmf(range(models - before + 1), models - before, 0.5)
        grown = {}
        for (counts, told), chance in chances.items():
            for more in itertools.product(range(models - before + 1), repeat=parts):
                now = tuple(count + new for count, new in zip(counts, more, strict=True))
                answers = settle([part_of(count, models, looks=looks) for count in now])
                refuted = {"refuted" for one in answers if one.outcome == "not reproduced" and one.together <= 0.05}
                key = now, told | {answers[0].outcome} | refuted
                grown[key] = grown.get(key, 0.0) + chance * math.prod(added[new] for new in more)
        chances, before = grown, models
    outcomes = ("reproduced", "not reproduced", "refuted")
    return [sum(chance for (_, told), chance in chances.items() if what in told) for what in outcomes]


@pytest.mark.parametrize(("most", "parts"), [(12, 1), (20, 1), (8, 2)])
def test_a_claim_keeps_its_level_at_whatever_look_one_stops(most, parts):
    """Tested each time as if one looked once, one part of up to 20 seeds would be wrong in .079 of studies."""
    plan = Looks(most)
    reproduced, not_reproduced, refuted = at_every_look(plan.numbers, plan, parts)
    assert reproduced == pytest.approx(not_reproduced)
    assert 0.01 < not_reproduced <= 0.05
    assert refuted <= 0.05
    if most == 20:
        assert at_every_look(plan.numbers, Looks(), 1)[0] == pytest.approx(0.0787, abs=1e-4)


def risen_in(count, seeds, most=None):
    rows = frame({("R3", 0, 0): np.zeros(seeds), ("R3", 0, 3): 0.5 * (np.arange(seeds) < count)})
    return rows if most is None else rows.assign(most=most)


@pytest.mark.parametrize(
    ("count", "seeds", "once", "several"),
    [
        (5, 5, "reproduced", "reproduced"),
        (7, 8, "reproduced", "undecided"),
        (8, 8, "reproduced", "reproduced"),
        (1, 8, "not reproduced", "undecided"),
        (10, 12, "reproduced", "undecided"),
        (15, 20, "reproduced", "reproduced"),
    ],
)
def test_rows_say_how_often_one_looks(count, seeds, once, several):
    """What 5, 8, 12, 16 and 20 networks need: all, all, 11, 13 and 15."""
    for most, outcome in ((None, once), (20, several)):
        one = part(verdict(1, risen_in(count, seeds, most)), "mnist, target 0")
        assert (one.outcome, one.record()["seeds_at_most"]) == (outcome, most)
        assert ("seeds are added up to 20, and the level is spent over the looks" in one.finding) == bool(most)


def test_of_several_studies_the_one_with_most_networks_counts():
    """15 of 20 are enough of 20, and not of 100; the rest of the folder has its seeds fixed."""
    rows = [risen_in(15, 20), risen_in(15, 20, 100), risen_in(15, 20, 20), *six()[1:]]
    answer = verdict(1, *rows)
    one = part(answer, "mnist, target 0")
    assert (one.outcome, one.question.looks) == ("undecided", Looks(100))
    assert part(answer, "mnist, target 1").question.looks == Looks()
    assert "Seeds are added up to 100: the level is spent over the looks after 5, 8, 12, 16, 20, 30" in answer.finding
    assert "Seeds are added" not in verdict(1, *six()).finding


def test_alternatives_by_hand():
    """As the first, with 65 % of the level, 1/32 passes; as one of two others 1/64 (.089) does not, 1/256 does."""
    assert any_of({"a": 1 / 32, "b": 1.0}) == (pytest.approx(1 / 32 / 0.65), "a")
    assert any_of({"a": 1.0, "b": 1 / 64, "c": 1.0}) == (pytest.approx(2 / 64 / 0.35), "b")
    assert any_of({"a": 1 / 32, "b": 1 / 256, "c": 1.0}) == (pytest.approx(2 / 256 / 0.35), "b")
    assert any_of({"a": 0.04}) == (0.04, "a")
    assert any_of({"a": 0.9, "b": 0.8})[0] == 1.0


# -- The whole claim --


def test_one_part_without_the_effect_is_seen_at_five_seeds_and_refutes_the_claim_at_more():
    """1/32 is no evidence against one of six parts (6/32), and 1/1024 is."""
    rows = six({("mnist", 1): (LOW, FLAT)})
    every = {f"{dataset}, target {target}": "reproduced" for dataset, target in SIX}
    few, more = verdict(1, *rows), verdict(1, *map(again, rows))
    for answer, outcome, p in ((few, "undecided", 1 / 32), (more, "not reproduced", 1 / 1024)):
        one = part(answer, "mnist, target 1")
        assert outcomes(answer) == every | {"mnist, target 1": "not reproduced"}
        assert (one.question.fails, one.together, one.family) == (p, 6 * p, 6)
        assert answer.outcome == outcome
    told = "Not reproduced in 1 of 6 parts"
    assert (
        f"{told}, which is not shown for all of them together (Holm): mnist, target 1 +0.000 (0 of 5)." in few.finding
    )
    assert f"{told}: mnist, target 1 +0.000 (0 of 10)." in more.finding


def test_a_claim_is_reproduced_where_tested_and_its_other_parts_are_named():
    answer = verdict(1, *six()[:4])
    assert answer.outcome == "reproduced where tested"
    absent = [(p.where, p.question.wanted) for p in answer.parts if p.outcome == "not tested"]
    assert absent == [(f"cifar10, target {t}", "fig2-cifar10 with the profile paper") for t in (0, 1)]
    assert "Not tested on cifar10, target 0; cifar10, target 1: run fig2-cifar10" in answer.finding
    undecided = verdict(1, *six({("mnist", 1): (LOW, LOW + 0.3 * (SPREAD > 0))})[:4])
    assert undecided.outcome == "undecided"


def test_a_claim_without_networks_is_not_tested_and_with_other_networks_not_as_published():
    [nothing] = decide(frame({}), [1])
    assert (nothing.outcome, outcomes(nothing)) == ("not tested", {f"{d}, target {t}": "not tested" for d, t in SIX})
    other = verdict(1, *six(epochs=3))
    assert (other.outcome, other.models) == ("not tested as published", 45)
    assert set(outcomes(other).values()) == {"not tested"}
    assert "Not as published, but with 3 epochs: mnist, target 0: reproduced +0.500 (5 of 5)" in other.finding


def test_what_cannot_speak_against_a_claim_is_no_alternative():
    """A part whose grid is too short, and one that is not the paper's."""
    short, other = part_of(0, 8, one_way=True), part_of(0, 8, of_paper=False)
    answers = settle([part_of(0, 8), part_of(8, 8), short, other])
    assert [one.outcome for one in answers] == ["not reproduced", "reproduced", "undecided", "not reproduced"]
    assert [one.family for one in answers] == [2, 2, 0, 0]
    assert answers[0].together == 2 / 2**8


def test_what_is_expected_by_chance_is_said_of_all_parts():
    verdicts = [verdict(1, *six()[:4])]
    assert by_chance(verdicts) == (
        "Of 4 parts that were tested, each by itself at 5 %, up to 0.2 are expected to be judged wrongly by chance."
    )
    assert by_chance(decide(frame({}))) == ""


def test_the_last_bits_are_no_difference():
    noise = torch.tensor([117, 304, 93, 251, 1990]).double() / 2000
    assert beyond((noise + 0.05) - noise, 0.05) == Share(0, 5)
    assert beyond((noise + 1 / 2000 + 0.05) - noise, 0.05) == Share(5, 5)


def test_the_record_carries_the_numbers_beside_the_sentence():
    answer = verdict(1, *six())
    record = answer.record()
    json.dumps(record)
    assert record["networks"] == 45
    for one in record["parts"]:
        assert one["interval"][0] < one["estimate"] < one["interval"][1]
        assert (one["seeds_for"], one["of"], one["p"], one["p_against"], one["p_against_holm"]) == (5, 5, 1 / 32, 1, 1)
        assert (one["family"], one["margin"], one["networks"], one["seeds"]) == (6, 0.05, 10, 5)
        assert one["values"] == {"higher": pytest.approx(0.6), "lower": pytest.approx(0.1)}
    absent = verdict(1, *six()[:4]).parts[-1].record()
    assert (absent["of"], absent["family"], absent["outcome"]) == (0, 0, "not tested")
    assert all(math.isnan(absent[name]) for name in ("p", "p_against", "p_against_holm", "estimate"))
