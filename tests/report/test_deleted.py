"""What is said of deletion: the numbers of the rows, by hand, and the verdict that they give."""

import math
from types import SimpleNamespace
from typing import get_args

import pytest
from matplotlib.colors import to_hex

from spurlab.deletion.verdict import VerdictName, verdict
from spurlab.measures.relearning import RELEARN_MOST
from spurlab.report import study_figure
from spurlab.report.sheet import Number
from spurlab.report.style import spoken
from spurlab.report.treated import Deleted, deletions_of
from spurlab.report.verdicts import VERDICTS
from spurlab.report.views import answer, brief, glance, study_sheets, tally
from spurlab.stats import gap_closed

FEWER = " To say that a method forgets takes 19 networks or more; there are fewer."


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
        assert f"{each.score.value:.3f}" in words
    assert lines[-1][sheet.headings.index("relearn steps")].text == f"> {RELEARN_MOST}"
    for line, score in ((sheet.lines[0], found[0].score_before), (sheet.lines[4], found[0].score_of_oracles)):
        assert line[column].value == pytest.approx(score.value)
    assert len(answer(result)) == 2


def with_verdicts(monkeypatch, names):
    """Deletions get these verdicts, by method and n, whatever the rows say."""
    of = {"influence": "group influence", "scrub": "SCRUB", "retrain": "retrained"}
    named = property(
        lambda self: SimpleNamespace(networks=5, name=names.get((self.method, self.case.n), "undecided"), finding="")
    )
    monkeypatch.setattr(Deleted, "verdict", named)
    return of


def test_the_matrix_has_a_letter_a_colour_and_the_score_in_each_cell(results, monkeypatch):
    """Retraining forgets twice, SCRUB once and once partly, influence never: so they stand below each other."""
    of = with_verdicts(monkeypatch, {
        ("retrain", 3): "forgets", ("retrain", 20): "forgets", ("scrub", 20): "forgets", ("scrub", 3): "partly",
        ("influence", 3): "does not forget", ("influence", 100): "breaks the model",
    })  # fmt: skip
    rows = results.deletion_rows(datasets=("mnist",))
    worse = (rows["deletion"] == "influence") & (rows["measure"] == "accuracy") & (rows["n"] == 100)
    rows.loc[worse, "value"] -= 0.25
    result = results.of(rows, "deletion")
    [axes] = study_figure(result).axes
    lines = [label.get_text() for label in axes.get_yticklabels()]
    assert lines == ["before deletion", "never saw them", "retrained", "SCRUB", "group influence"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["3\n5", "20\n5", "100\n5"]  # n and networks
    written, colours = {}, {}
    for text in axes.texts:
        x, y = text.get_position()
        written.setdefault((round(x), round(y)), []).append(text.get_text())
    for patch in axes.patches:
        colours[round(patch.get_x() + 0.5), round(patch.get_y() + 0.5)] = to_hex(patch.get_facecolor()).upper()
    for each in deletions_of(rows):
        cell = (3, 20, 100).index(each.case.n), lines.index(of[each.method])
        look = VERDICTS[each.verdict.name]
        assert colours[cell] == look.colour
        letter, score, *cost = written[cell]
        assert (letter, f"0{score}") == (look.letter, f"{each.score.value:.3f}")
        lost = each.accuracy_lost.value
        assert cost == ([f"accuracy \N{MINUS SIGN}{lost:.3f}".replace("0.", ".")] if lost > 0.01 else [])
    assert sum(len(each) == 3 for each in written.values()) == 1 + 3  # influence once, SCRUB always: it costs .02
    first = "\N{LEFT DOUBLE QUOTATION MARK}retrained\N{RIGHT DOUBLE QUOTATION MARK}"
    assert brief(result) == f"Of 3 methods {first} forgets most often, in 2 of 3 cases; 1 never does.{FEWER}"
    assert tally(result) == {
        "forgets": 3, "partly": 1, "undecided": 3, "does not forget": 1, "breaks the model": 1,
    }  # fmt: skip


def test_the_second_best_verdict_is_said_where_nothing_forgets(results, monkeypatch):
    rows = results.deletion_rows(datasets=("mnist",))
    with_verdicts(monkeypatch, {})
    assert brief(results.of(rows, "deletion")) == f"None of 3 methods is shown to forget in any of 3 cases.{FEWER}"
    first = "\N{LEFT DOUBLE QUOTATION MARK}retrained\N{RIGHT DOUBLE QUOTATION MARK}"
    scrub = "\N{LEFT DOUBLE QUOTATION MARK}SCRUB\N{RIGHT DOUBLE QUOTATION MARK}"
    few, seen = "by too few networks to say more", "no leftover seen"
    for verdicts, said in (
        (
            {("retrain", 3): seen},
            f"{first} leaves nothing that was seen most often, in 1 of 3 cases, {few}; 2 never do",
        ),
        (
            {("retrain", 3): seen, ("retrain", 20): "forgets"},
            f"{first} forgets most often, in 1 of 3 cases; 2 never do",
        ),
        (  # what was shown stands before what was only not seen
            {("scrub", 3): "forgets", ("retrain", 3): seen, ("retrain", 20): seen},
            f"{scrub} forgets most often, in 1 of 3 cases; {first} leaves nothing that was seen most often, in 2 of 3 "
            f"cases, {few}; 1 never does",
        ),
        (  # a tie of verdicts that are not the same
            {("scrub", 3): "forgets", ("scrub", 20): "forgets", ("retrain", 3): seen, ("retrain", 20): seen},
            f"{scrub} forgets most often, in 2 of 3 cases; {first} leaves nothing that was seen most often, in 2 of 3 "
            f"cases, {few}; 1 never does",
        ),
    ):
        with_verdicts(monkeypatch, verdicts)
        assert brief(results.of(rows, "deletion")) == f"Of 3 methods {said}.{FEWER}"


def test_where_there_are_networks_enough_to_say_that_it_forgets_is_said(results):
    """Twenty networks for two methods of three at n = 20, five elsewhere: in sentence, figure and table."""
    rows = results.deletion_rows(datasets=("mnist",), seeds=range(20))
    few = rows[(rows["seed"] < 5) | ((rows["n"] == 20) & (rows["deletion"] != "scrub"))]
    result = results.of(few, "deletion")
    takes = "To say that a method forgets takes 19 networks or more"
    assert brief(result).endswith(f"{takes}; there are as many in 1 of 3 cases, for 2 of 3 methods.")
    assert "takes" not in brief(results.of(rows, "deletion"))
    [axes] = study_figure(result).axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["3\n5", "20\n5 to 20", "100\n5"]
    sheet = study_sheets(result)[0]
    columns = [sheet.headings.index(name) for name in ("n", "method", "tried on")]
    shown = {tuple(line[i].text if isinstance(line[i], Number) else line[i] for i in columns) for line in sheet.lines}
    assert {("20", "SCRUB", "5"), ("20", "retrained", "20"), ("3", "retrained", "5")} <= shown


def test_the_small_figure_shows_every_network_of_one_case(results):
    """Of n = 3, 20 and 100 with five networks each the last; a seed less there, and it is n = 20."""
    rows = results.deletion_rows(datasets=("mnist",))
    for shown, n in ((rows, 100), (rows[(rows["n"] != 100) | (rows["seed"] != 4)], 20)):
        figure = glance(results.of(shown, "deletion"))
        [axes] = figure.axes
        lines = [label.get_text() for label in axes.get_yticklabels()]
        dots = [line for line in axes.get_lines() if line.get_label() == "_networks"]
        methods = {"before deletion": "none", "never saw them": "oracle", "retrained": "retrain", "SCRUB": "scrub"}
        for title, method in methods.items():
            [line] = [dot for dot in dots if dot.get_ydata()[0] == lines.index(title)]
            assert sorted(line.get_xdata()) == pytest.approx(sorted(series(rows, method, "spurious_score", n=n)))
        assert spoken(figure).startswith(f"MNIST, n = {n}: ")


def test_every_verdict_has_a_letter_and_a_colour_of_its_own():
    assert set(get_args(VerdictName)) <= set(VERDICTS)
    for name in ("letter", "colour"):
        assert len({getattr(each, name) for each in VERDICTS.values()}) == len(VERDICTS)


def test_failures_have_a_table_of_their_own(results):
    rows = results.deletion_rows()
    rows.loc[rows["deletion"] == "scrub", ["value", "failed"]] = (math.nan, "RuntimeError: no memory")
    result = results.of(rows, "deletion")
    _, _, failed = study_sheets(result)
    assert {each.verdict.name for each in deletions_of(rows) if each.method == "scrub"} == {"failed"}
    assert failed.title == "What failed"
    assert len(failed.lines) == 6
    assert failed.lines[0][-1] == "RuntimeError: no memory"
