"""A view is one file and one line of a table; a study asks for it by its name."""

import base64
import logging
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from spurlab.cli import main
from spurlab.report import VIEWS, check, study_figure, study_tables, write_report
from spurlab.report.sheet import Sheet
from spurlab.report.style import describe
from spurlab.report.view import View
from spurlab.report.views import answer, docs_table
from spurlab.studies import Grid, Study, StudyError, load_study

DOCS = Path(__file__).parents[2] / "docs" / "studies.md"


def test_the_table_in_the_documentation_is_made_from_the_views():
    assert docs_table() in DOCS.read_text("utf-8")


@pytest.fixture
def rows_view(monkeypatch):
    """A new view: how many rows there are."""

    def figure(count, about):
        return describe(Figure(), f"{about.title} {count} rows.")

    view = View(
        "rows",
        "How many rows are there?",
        lambda result: len(result.rows),
        figure,
        lambda count: [Sheet("Rows", ("rows",), ((str(count),),))],
        lambda count: [f"{count} rows."],
        ("accuracy",),
    )
    monkeypatch.setitem(VIEWS, "rows", view)
    return view


def test_a_new_view_arrives_everywhere(rows_view, results, tmp_path):
    """In figures, tables, answers, the page, the check of studies and the documentation, by its line alone."""
    result = results.of(results.rows(("accuracy",)), "rows")
    count = len(result.rows)
    assert study_figure(result).get_label() == f"{result.study.title} {count} rows."
    assert [table.title.plain for table in study_tables(result)] == ["Rows"]
    assert answer(result) == [f"{count} rows."]
    page, *drawn = write_report([result], [], tmp_path)
    assert f"{count} rows." in page.read_text("utf-8")
    assert [path.name for path in drawn] == ["rows.png", "rows.pdf", "rows.svg"]
    assert check(result.study) == result.study
    with pytest.raises(StudyError, match="'rows' shows the measure 'accuracy', which is not in 'measure'"):
        check(load_study("quickstart", changes=["figure=rows", "measure=spurious_score"]))
    assert "| `rows` | How many rows are there? | `accuracy` |" in docs_table()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("figure=score", r"study 'quickstart': key 'figure': must be 'gallery', .* or 'saliency', but it is 'score'\. "
         r"Did you mean 'scores'\?$"),
        ("figure=['scores', 'scatter']", r"key 'figure': must be .* but it is 'scatter'\.$"),
        ("figure=['scores', 'importance']", r"'importance' shows the measure 'pattern_importance'"),
        ("measure=accuracy", r"'scores' shows the measure 'spurious_score', which is not in 'measure'"),
    ],
)  # fmt: skip
def test_a_study_that_cannot_be_drawn_is_refused_before_it_is_run(change, words, tmp_path, capsys):
    with pytest.raises(StudyError, match=words):
        check(load_study("quickstart", changes=[change]))
    for command in ("run", "plan"):
        with pytest.raises(SystemExit) as end:
            main([command, "quickstart", "--set", change, "--out", str(tmp_path / "out")])
        assert end.value.code == 2
        assert "key 'figure'" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("axis", "figure"), [("deletion", "deletion"), ("prevention", "repairs")])
def test_a_study_whose_figure_leaves_out_what_was_done_is_told_which_has_it(axis, figure, caplog):
    method = {"deletion": "retrain", "prevention": "dfr"}[axis]
    changes = [f"{axis}={method}", "n=3"]
    check(load_study("quickstart", changes=changes))
    assert f"the figure 'scores' leaves out the key '{axis}'; --set figure={figure} shows it" in caplog.text
    caplog.clear()
    check(load_study("quickstart"))
    assert caplog.text == ""


def test_the_page_passes_over_a_figure_of_another_version(results, tmp_path, caplog):
    good = results.make("scores", large=False)
    other = results.make("accuracy", large=False)
    study = other.study.model_copy(update={"figure": ("hologram",)})
    object.__setattr__(other, "study", study)
    with caplog.at_level(logging.WARNING):
        page, *drawn = write_report([other, good], [], tmp_path)
    assert "passed over, study 'accuracy': key 'figure': must be" in caplog.text
    assert [path.name for path in drawn] == ["scores.png", "scores.pdf", "scores.svg"]
    assert "hologram" not in page.read_text("utf-8")
    with pytest.raises(StudyError, match="hologram"):
        write_report([other], [], tmp_path)


@pytest.mark.parametrize("axis", [{"architecture": ("my.networks:small",)}, {"dataset": ("npz:signals.npz",)}])
def test_a_figure_that_only_a_run_can_draw_is_not_replaced(axis, results, tmp_path, caplog):
    """Read from a folder, nothing of the user's own is run or opened; what `run` drew stays, and the page says so."""
    own = results.make("saliency", large=False)
    grids = tuple(Grid(**{**grid.axes, **axis}) for grid in own.study.grids)
    study = Study.model_validate_json(own.study.model_copy(update={"grids": grids}).model_dump_json())
    object.__setattr__(own, "study", study)
    with caplog.at_level(logging.WARNING):
        page, *drawn = write_report([own], [], tmp_path / "new")
    assert [path.name for path in drawn] == ["saliency.png", "saliency.pdf", "saliency.svg"]
    assert "What `spurlab run` drew stays" not in caplog.text
    (tmp_path / "saliency.png").write_bytes(b"drawn by a run")
    with caplog.at_level(logging.WARNING):
        page, *drawn = write_report([own], [], tmp_path)
    assert drawn == []
    assert (tmp_path / "saliency.png").read_bytes() == b"drawn by a run"
    assert not (tmp_path / "saliency.svg").exists()
    for text in (page.read_text("utf-8"), caplog.text):
        assert "What `spurlab run` drew stays: saliency.png." in text
    assert 'href="saliency.png"' in page.read_text("utf-8")
    kept = base64.b64encode(b"drawn by a run").decode()
    assert f'<img src="data:image/png;base64,{kept}"' in page.read_text("utf-8")
