"""What is said of deletion: the numbers of the rows, by hand, and the verdict that they give."""

import math

import pytest

from spurlab.deletion.verdict import verdict
from spurlab.measures.relearning import RELEARN_MOST
from spurlab.report import study_figure
from spurlab.report.sheet import Number
from spurlab.report.style import spoken
from spurlab.report.treated import deletions_of
from spurlab.report.views import answer, study_sheets
from spurlab.stats import gap_closed


def series(rows, method, measure, n=20, dataset="mnist"):
    chosen = (rows["deletion"] == method) & (rows["measure"] == measure) & (rows["n"] == n)
    return rows[chosen & (rows["dataset"] == dataset)].sort_values("seed")["value"].tolist()


@pytest.fixture(scope="module")
def rows(results):
    return results.deletion_rows()


def test_each_method_stands_beside_the_networks_before_and_the_oracles(rows):
    found = deletions_of(rows)
    assert [(each.case.group.dataset, each.case.n, each.method) for each in found] == [
        (dataset, n, method)
        for dataset in ("mnist", "fashion-mnist")
        for n in (3, 20, 100)
        for method in ("influence", "scrub", "retrain")
    ]
    one = next(each for each in found if (each.case.n, each.method) == (20, "scrub"))
    before, after, oracle = (series(rows, method, "spurious_score") for method in ("none", "scrub", "oracle"))
    assert one.score.value == pytest.approx(sum(after) / 5)
    assert one.score_before.value == pytest.approx(sum(before) / 5)
    assert one.score_of_oracles.value == pytest.approx(sum(oracle) / 5)
    costs = [a - b for a, b in zip(series(rows, "none", "accuracy"), series(rows, "scrub", "accuracy"), strict=True)]
    assert one.accuracy_lost.value == pytest.approx(sum(costs) / 5)
    by_hand = (sum(before) - sum(after)) / (sum(before) - sum(oracle))
    assert one.judged.closed.value == pytest.approx(by_hand)


def test_seeds_are_paired_whatever_the_order_of_rows(rows):
    import torch

    shuffled = rows.sample(frac=1, random_state=0)
    for each in deletions_of(shuffled):
        place = {"n": each.case.n, "dataset": each.case.group.dataset}
        columns = [
            {
                measure: torch.tensor(series(rows, method, measure, **place), dtype=torch.float64)
                for measure in ("spurious_score", "accuracy", "membership_auc")
            }
            for method in ("none", each.method, "oracle")
        ]
        assert each.verdict == verdict(*columns)
        closed = gap_closed(*(column["spurious_score"] for column in columns))
        assert each.judged.closed.low == pytest.approx(closed.low)


@pytest.mark.parametrize(
    ("reason", "outcome", "left"),
    [("NotFiniteError: not finite", "breaks the model", 5), ("RuntimeError: no memory", "failed", 0)],
)
def test_a_failed_deletion_says_why(rows, reason, outcome, left):
    """What is not finite is broken; a method that raised an error has no result that could be judged."""
    broken = rows.copy()
    broken.loc[broken["deletion"] == "scrub", ["value", "failed"]] = (math.nan, reason)
    found = [each for each in deletions_of(broken) if each.method == "scrub"]
    assert {each.verdict.name for each in found} == {outcome}
    assert {each.failures for each in found} == {(reason,)}
    assert {len(each.rows) for each in found} == {left}


def test_nothing_is_said_without_networks_to_compare_with(rows):
    assert deletions_of(rows[rows["deletion"] != "oracle"]) == []
    assert deletions_of(rows.drop(columns="deletion")) == []


@pytest.mark.parametrize("figure", ["deletion", "deletion-curves"])
def test_figure_table_and_answer_show_the_numbers(results, figure):
    result = results.make(figure)
    found = deletions_of(result.rows)
    words = spoken(study_figure(result))
    sheet, behind = study_sheets(result)
    assert [line[-1] for line in behind.lines] == [each.verdict.finding for each in found]
    assert len(found) == 18
    assert len(sheet.lines) == 18 + 2 * 6  # and the two that they stand between
    column, method = sheet.headings.index("spurious score"), sheet.headings.index("method")
    lines = [line for line in sheet.lines if line[method] not in ("before deletion", "never saw them")]
    for each, line in zip(found, lines, strict=True):
        assert isinstance(line[column], Number)
        assert line[column].value == pytest.approx(each.score.value)
        assert f"{each.score.value:.2f}" in words
    assert lines[-1][sheet.headings.index("relearn steps")].text == f"> {RELEARN_MOST}"
    for line, score in ((sheet.lines[0], found[0].score_before), (sheet.lines[4], found[0].score_of_oracles)):
        assert line[column].value == pytest.approx(score.value)
    sentences = answer(result)
    assert len(sentences) == 2
    assert "SCRUB (" in sentences[0]


def test_failures_have_a_table_of_their_own(results):
    rows = results.deletion_rows()
    rows.loc[rows["deletion"] == "scrub", ["value", "failed"]] = (math.nan, "RuntimeError: no memory")
    result = results.of(rows, "deletion")
    _, _, failed = study_sheets(result)
    assert {each.verdict.name for each in deletions_of(rows) if each.method == "scrub"} == {"failed"}
    assert failed.title == "What failed"
    assert len(failed.lines) == 6
    assert failed.lines[0][-1] == "RuntimeError: no memory"
