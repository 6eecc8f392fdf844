"""Three examples for other data: parts worked out by hand; see `claim_rows`."""

import pandas as pd
import pytest
from claim_answers import verdict
from claim_rows import HIGH, LOW, QUICK, SPREAD, again, frame

MARKS = ("column:age=99", "column:job=nun")


def rows(scores, architecture="table-mlp", dataset="adult@5000", **settings):
    """By mark, n and seed."""
    cells = {(mark, 1, n): values for (mark, n), values in scores.items()}
    return frame(cells, dataset=dataset, architecture=architecture, **QUICK, **settings)


LEARNT = {(MARKS[0], 0): LOW, (MARKS[0], 3): HIGH, (MARKS[0], 10): HIGH}
LATE = {(MARKS[0], 0): LOW, (MARKS[0], 3): LOW, (MARKS[0], 10): HIGH}


@pytest.mark.parametrize(
    ("number", "dataset", "architecture"),
    [
        (17, "adult@5000", "logistic"),
        (18, "adult", "boosted-trees"),
        (19, "topics", "bag-mean"),
        (20, "mnist1d", "mnist1d-mlp"),
    ],
)
def test_each_kind_of_data_has_its_claim(number, dataset, architecture):
    """Five of five networks rise by .5: reproduced, in this claim alone; and late ones are not."""
    learnt = rows(LEARNT, architecture, dataset)
    for each in (17, 18, 19, 20):
        assert verdict(each, learnt).outcome == ("reproduced" if each == number else "not tested")
    late = verdict(number, rows(LATE, architecture, dataset))
    assert late.outcome == "not reproduced"
    assert (
        "Of all 1 curve, one for each mark and network, 0 are learnt from three or fewer, 1 from more" in late.finding
    )


def test_the_clearest_mark_is_that_of_the_largest_n():
    """The second mark rises at n = 3, but less than the first at n = 10, which is not learnt from three."""
    other = {(MARKS[1], 0): LOW, (MARKS[1], 3): LOW + 0.2, (MARKS[1], 10): LOW + 0.2}
    answer = verdict(17, rows(LATE | other))
    assert (answer.outcome, len(answer.parts)) == ("not reproduced", 1)
    assert MARKS[0] in answer.parts[0].where
    assert "Of all 2 curves, one for each mark and network, 1 are learnt from three or fewer, 1 from" in answer.finding
    first = {place: values for place, values in LATE.items() if place[1] != 3}
    assert MARKS[1] in verdict(17, rows(first | other)).parts[0].where  # of the first n = 3 is not there


def test_one_part_for_each_network_and_all_must_rise():
    both = pd.concat([rows(LEARNT, "boosted-trees-fine"), rows(LATE, "boosted-trees")])
    answer = verdict(18, both)
    assert sorted(part.outcome for part in answer.parts) == ["not reproduced", "reproduced"]
    assert answer.outcome == "undecided"  # as one of two parts, none of five is 1/16 (Holm)
    assert verdict(18, again(both)).outcome == "not reproduced"


def test_what_lacks_is_not_tested_and_few_seeds_are_undecided():
    without = rows({place: values for place, values in LEARNT.items() if place[1] != 0})
    assert verdict(17, without).outcome == "not tested"
    few = rows({place: values[:4] for place, values in LEARNT.items()})
    assert verdict(17, few).outcome == "undecided"
    one_off = rows(LEARNT | {(MARKS[0], 3): LOW + 0.05 + SPREAD / 10})
    assert verdict(17, one_off).outcome == "undecided"


def test_images_are_of_none_of_these():
    images = frame({("R3", 0, 0): LOW, ("R3", 0, 3): HIGH})
    assert all(verdict(number, images).outcome == "not tested" for number in (17, 18, 19, 20))


def test_a_mark_is_not_chosen_by_the_networks_that_it_is_judged_by():
    """With no n above three the clearest mark at the largest n would be that at n = 3: nothing is tested."""
    scores = {place: values for place, values in LEARNT.items() if place[1] <= 3}
    assert verdict(17, rows(scores)).outcome == "not tested"
