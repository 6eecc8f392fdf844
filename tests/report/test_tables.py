"""Tables say the numbers of the rows, in the terminal and on the page alike."""

import io
import itertools
import math

import pandas as pd
import pytest
from rich.console import Console

from spurlab.claims import decide
from spurlab.report import VIEWS, claims_table, curve_table, curves, study_tables, verdict_of
from spurlab.report.sheet import Number, settings_sheet
from spurlab.report.views import answer, brief, study_sheets


def printed(table, width=160):
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(table)
    return console.export_text()


def lines_of(sheet):
    """Lines by heading; a number by its value."""
    return [
        {h: cell.value if isinstance(cell, Number) else cell for h, cell in zip(sheet.headings, line, strict=True)}
        for line in sheet.lines
    ]


def test_every_view_has_tables_and_an_answer():
    """Of its own, or those of the view that tells the numbers for it."""
    for view in VIEWS.values():
        assert (view.numbers or view).sheets
        assert (view.numbers or view).answer


@pytest.mark.parametrize("kind", VIEWS)
def test_tables_and_answers_of_the_smallest_grid(kind, results):
    result = results.make(kind, large=False)
    assert study_tables(result)
    assert all(sentence.endswith(".") for sentence in answer(result))
    gone = results.of(result.rows.iloc[:0], kind)
    assert study_tables(gone) == []
    assert answer(gone) == ["Nothing has been measured yet."]
    lost = results.of(result.rows.assign(value=math.nan), kind)
    assert all(printed(table) for table in study_tables(lost))
    assert answer(lost)


def test_a_curve_is_printed_with_its_verdict(results):
    (curve,) = curves(results.rows(patterns=("R3",)))
    text = printed(curve_table(curve, "T-shirt"))
    assert "R3, planted in class 0 (T-shirt): n* <= 3 (95 %)" in text
    assert f"{curve.points[-1].score:.3f}" in text
    assert "over 5 networks" in text


def test_scores_have_one_table_for_each_curve_and_the_verdicts_last(results):
    result = results.of(results.rows(targets=(0, 1)), "scores")
    *each, last = study_tables(result)
    assert len(each) == 4
    assert "When is the pattern learnt?" in printed(last)
    verdicts, points = study_sheets(result)
    assert len(verdicts.lines) == 4
    assert len(points.lines) == 16
    assert "networks" not in points.headings  # nothing tells these apart


def test_each_score_stands_at_its_own_largest_n(results):
    """R3 was measured up to n = 3, S3 up to n = 30; S1 has its control alone, as in a study that is not finished."""
    grids = {"R3": (0, 3), "S3": (0, 30), "S1": (0,)}
    rows = pd.concat([results.rows(patterns=(name,), counts=counts) for name, counts in grids.items()])
    result = results.of(rows, "scores")
    lines = {line["pattern"]: line for line in lines_of(study_sheets(result)[0])}
    for name, counts in grids.items():
        mine = rows[(rows["pattern"] == name) & (rows["n"] == counts[-1]) & (rows["measure"] == "spurious_score")]
        assert lines[name]["largest n"] == counts[-1]
        assert lines[name]["score at the largest n"] == pytest.approx(mine["value"].mean())
    alone = next(curve for curve in curves(rows) if curve.pattern == "S1")
    assert verdict_of(alone) == "undecided: no n above 0 has been measured"
    score = curves(rows[rows["pattern"] == "S3"])[0].points[-1].score.value
    assert f"S3 ({score:.3f})" in answer(result)[0]


def test_small_scores_keep_their_digits_and_networks_are_counted(results):
    """Two digits would make 0.00 of 0.001; a rise of .001 is none that counts."""
    rows = results.rows(("spurious_score",), patterns=("R3",), counts=(0, 3, 10))
    for n, values in (
        (0, [0.0] * 5),
        (3, [0.001, 0.00105, 0.00095, 0.001, 0.00102]),
        (10, [0.4, 0, 0, 0.3, 0.2]),
    ):
        rows.loc[rows["n"] == n, "value"] = values
    _, points = study_sheets(results.of(rows, "scores"))
    zero, three, ten = ([cell.text if isinstance(cell, Number) else cell for cell in line] for line in points.lines)
    at = points.headings.index("spurious score")
    assert [zero[at], three[at]] == ["0.000 [0.000, 0.634]", "0.001 [0.000, 0.635]"]
    learnt = points.headings.index("learnt")
    assert [three[learnt], ten[learnt]] == ["0 of 5", "3 of 5"]


def test_many_curves_are_one_table_in_the_terminal(results):
    (table,) = study_tables(results.of(results.rows(patterns=("S1", "S2", "S3", "R1", "R2")), "scores"))
    assert "When is the pattern learnt?" in printed(table)


def test_the_combinations_of_settings_are_those_that_were_run(results):
    """Clipping by norm and by value, never both: from the union of each one could not tell."""
    rows = results.rows(patterns=("R3",), counts=(0, 3), variants=[{}, {"clip_norm": 0.1}, {"clip_value": 0.2}])
    sheet = settings_sheet(rows)
    assert sheet.headings == ("clip norm", "clip value", "networks")
    shown = [tuple(cell.text for cell in line) for line in sheet.lines]
    assert shown == [("none", "none", "10"), ("0.1", "none", "10"), ("none", "0.2", "10")]
    assert settings_sheet(results.rows(patterns=("R3",), variants=[{}, {"clip_norm": 0.1}])) is None


def test_norms_stand_beside_those_of_the_paper(results):
    (sheet,) = study_sheets(results.make("gallery"))
    lines = lines_of(sheet)
    r3 = next(line for line in lines if (line["dataset"], line["pattern"]) == ("Fashion-MNIST", "R3"))
    assert r3["paper"] == 13.65
    assert r3["mean empirical norm"] == pytest.approx(13.65, abs=0.2)


def test_optimizers_are_compared_seed_by_seed(results):
    rows = results.rows(("spurious_score",), patterns=("R3",), variants=[{"optimizer": "adam"}, {"optimizer": "sgd"}])
    (sheet,) = study_sheets(results.of(rows, "bars"))
    sgd = next(line for line in lines_of(sheet) if line["networks"] == "SGD" and line["n"] == 10)
    at = rows[rows["n"] == 10].set_index(["optimizer", "seed"])["value"]
    assert sgd["difference to Adam"] == pytest.approx((at["sgd"] - at["adam"]).mean())


@pytest.mark.parametrize(
    ("first", "note", "said"),
    [
        (0, "; differences are paired by seed", "lower in 0 of 5 seeds"),
        (3, "; differences are paired by seed, over those that both have: 2", "lower in 0 of 2 seeds"),
        (5, "; no seed is in both, so that there is no difference", "no seed in common"),
    ],
)
def test_arms_with_other_seeds_are_compared_by_those_that_both_have(results, first, note, said):
    rows = results.rows(("spurious_score",), patterns=("R3",), variants=[{"optimizer": "adam"}, {"optimizer": "sgd"}])
    sgd = rows["optimizer"] == "sgd"
    rows.loc[sgd, "value"] = 0.9
    rows.loc[~sgd, "value"] = 0.2
    rows.loc[sgd, "seed"] += first
    result = results.of(rows, "bars")
    (sheet,) = study_sheets(result)
    assert sheet.note.endswith(note)
    assert brief(result).endswith(f"Adam 0.200, SGD 0.900 ({said}).")
    (line,) = (line for line in lines_of(sheet) if line["networks"] == "SGD" and line["n"] == 10)
    assert line.get("difference to Adam", "") == ("" if first == 5 else pytest.approx(0.7))


def test_accuracies_differ_from_their_own_control(results):
    rows = results.rows(("accuracy",), patterns=("R3",), targets=(0, 1))
    (sheet,) = study_sheets(results.of(rows, "accuracy"))
    line = next(line for line in lines_of(sheet) if line["n"] == 100)
    means = rows.groupby("n")["value"].mean()
    assert line["difference to n = 0"] == pytest.approx(means[100] - means[0])


def test_regularization_lists_every_level(results):
    sheets = study_sheets(results.make("regularization"))
    assert [len(sheet.lines) for sheet in sheets] == [14 * 7, 14 * 8, 14 * 7]
    assert sheets[2].lines[0][2] == Number("none", math.inf)


def test_claims_are_printed_without_folding_their_numbers(results):
    verdicts = decide(results.make("scores").rows, [1, 3])
    text = printed(claims_table(verdicts))
    assert all(verdict.outcome in text for verdict in verdicts)
    assert all(len(line.rstrip()) <= 160 for line in text.splitlines())


def test_words_in_brackets_are_no_markup(results):
    rows = results.rows(patterns=("R3",), counts=(0, 3)).assign(pattern="[bold]R3[/nonsense]")
    assert "[bold]R3[/nonsense]" in printed(study_tables(results.of(rows, "scores"))[0])


def test_a_table_without_room_loses_its_intervals_and_no_word(results):
    """At 100 columns each case of a study of deletion is a table, at 400 all of them are one."""
    result = results.of(results.deletion_rows(), "deletion")
    (whole,), cases = study_tables(result, 400)[:1], study_tables(result, 100)
    sheet, behind = study_sheets(result)
    assert behind.place == sheet.place
    assert len(cases) == 2 * len({line[: sheet.place] for line in sheet.lines}) > 2
    text = " ".join("\n".join(printed(table, 100) for table in cases).split())  # wherever lines end
    assert "\u2026" not in text
    assert "does not forget" in text
    assert "MNIST, n 20" in text
    assert "without intervals" in text
    wide = printed(whole, 400)
    assert "without intervals" not in wide
    assert "[" in wide.splitlines()[5]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_narrow_terminal_gets_every_number(results, width):
    """Cells take several lines then; no column is cut off."""
    result = results.of(results.deletion_rows(), "deletion")
    sheet, _ = study_sheets(result)
    table = study_tables(result, width)[0]
    lines = printed(table, width).splitlines()
    assert all(len(line) <= width for line in lines)
    letters = "".join("".join(lines).split())
    assert "steps" in letters
    for cell in sheet.lines[1][sheet.place + 1 :]:
        if isinstance(cell, Number) and width > 60:  # at 60 its digits stand on several lines
            assert cell.text.split(" [")[0] in letters


def test_the_sentence_tells_of_the_n_from_which_a_pattern_is_learnt(results):
    """R3 is learnt from 100 on and S3 never: so it is R3 at 100, not at the smallest n, where few networks learn it."""
    rows = results.rows(patterns=("R3", "S3"))
    learnt = (rows["pattern"] == "R3") & (rows["n"] == rows["n"].max())
    scores = rows["measure"] == "spurious_score"
    rows["value"] = rows["value"].where(~scores, 0.1).where(~(scores & learnt), 0.9)
    said = brief(results.of(rows, "scores"))
    most = rows["n"].max()
    assert f"{most:,} training examples marked with R3 pull 90.0 %" in said
    between = sorted(rows["n"].unique())[-2]
    assert f"(none: 10.0 %), and 5 of 5 networks learn it: {between} < n* <= {most} (95 %)" in said
    assert said.endswith(f"{most:,} with S3 10.0 %, and 0 of 5 networks learn it: n* > {most} (95 %).")


def test_the_sentence_says_what_is_undecided(results):
    """One network shows nothing, however high its score; where all have diverged, that is said."""
    rows = results.rows(patterns=("R3",), counts=(0, 3), seeds=range(1))
    assert "undecided: 1 network; at 5 % it takes 5." in brief(results.of(rows, "scores"))
    rows.loc[rows["n"] == 3, "value"] = math.nan
    words = "R3 undecided: no network is left, since one of every seed diverged."
    assert brief(results.of(rows, "scores")).endswith(words)


@pytest.mark.parametrize(
    ("later", "same", "excluded"),
    [
        ({3: 0.1, 10: 0.9}, 2, "none contradicts another"),
        ({3: 0.9, 10: 0.9}, 1, "one contradicts another"),
        ({3: (0.9, 0.9, 0.9, 0.9, 0.1), 10: 0.9}, 1, "none contradicts another"),
    ],
)
def test_the_sentence_compares_settings(results, later, same, excluded):
    """R3 is learnt in (3, 10] with 10 epochs; S3 is so with both. Of R3 with 70 epochs: the same, (0, 3], (0, 10]."""
    rows = results.rows(patterns=("R3", "S3"), counts=(0, 3, 10), variants=({"epochs": 10}, {"epochs": 70}))
    base = {0: 0.1, 3: 0.1, 10: 0.9}
    for n, seed in itertools.product(base, range(5)):
        for epochs, pattern in itertools.product((10, 70), ("R3", "S3")):
            score = (base | later)[n] if (epochs, pattern) == (70, "R3") else base[n]
            chosen = (rows["n"] == n) & (rows["seed"] == seed) & (rows["pattern"] == pattern)
            chosen &= (rows["epochs"] == epochs) & (rows["measure"] == "spurious_score")
            rows.loc[chosen, "value"] = score[seed] if isinstance(score, tuple) else score
    said = brief(results.of(rows, "scores"))
    words = f"With 10 epochs and 70 epochs the n from which a pattern is learnt (n*) comes out alike for {same} of 2"
    assert said.startswith(f"{words} curves; {excluded}. On Fashion-MNIST, ")
    assert "comes out alike" not in brief(results.of(rows[rows["epochs"] == 70], "scores"))


def test_of_curves_of_which_nothing_is_shown_none_is_alike(results):
    """Three of five networks learn each, whatever the epochs."""
    rows = results.rows(patterns=("R3", "S3"), counts=(0, 3), variants=({"epochs": 10}, {"epochs": 70}))
    learnt = (rows["n"] == 3) & rows["seed"].isin([0, 1, 2])
    rows.loc[rows["measure"] == "spurious_score", "value"] = 0.1
    rows.loc[learnt & (rows["measure"] == "spurious_score"), "value"] = 0.9
    words = "comes out alike for 0 of 2 curves, for 2 nothing is shown; none contradicts another. "
    assert words in brief(results.of(rows, "scores"))
