"""Where data are rows of a table or documents, nothing speaks of images, and no pictures are looked for."""

import pandas as pd
import pytest
import torch

from spurlab.audit import words
from spurlab.data import Column, Columns, Dataset, Examples, Source, described
from spurlab.report import study_figure
from spurlab.report.glossary import glossary
from spurlab.report.view import about
from spurlab.report.views import gallery, scores
from spurlab.studies import Grid

MARK = "column:age=99"
NONE = Source("none", "drawn", "")


RECIPE = {"optimizer": "adam", "learning_rate": 0.01, "batch_size": 128, "epochs": 10, "milestones": "6 8"}


def rows_of_study(dataset="adult@5000"):
    lines = [
        {"measure": measure, "value": 0.1 + n / 20 + seed / 100, "dataset": dataset, "architecture": "boosted-trees"}
        | {"pattern": MARK, "target": 1, "n": n, "seed": seed, "how": "replace", "training": f"{n} {seed}", **RECIPE}
        for measure in ("spurious_score", "accuracy")
        for n in (0, 3, 10)
        for seed in range(5)
    ]
    return pd.DataFrame(lines)


def table_of(shape=(2,), names=None, **more):
    examples = Examples(torch.zeros(6, *shape), torch.arange(6) % 2, **more)
    return Dataset("adult@5000", examples, examples, ("no", "yes"), None, NONE, None, names)


COLUMNS = Columns((Column("age", mean=40.0, sd=10.0), Column("pay")))


@pytest.fixture
def result(results):
    grid = Grid(dataset="adult@5000", architecture="boosted-trees", pattern=MARK, target=1)
    return results.of(rows_of_study(), "scores", grids=(grid,))


def test_what_stands_below_a_figure_counts_rows(result):
    assert "Training rows: 5,000 of 32,561 of Adult." in about(result).note
    assert described("adult@5000").title == "Adult (5,000 rows)"
    assert (described("adult").unit, described("mnist1d").unit, described("mnist").unit) == (
        "rows",
        "examples",
        "images",
    )
    assert "image" not in about(result).note


def test_the_figure_of_one_curve_shows_no_pictures_of_rows(result, monkeypatch):
    """The data are here, and are no images: there is one panel, and no strip beside it."""
    monkeypatch.setattr(scores, "load", lambda *_, **__: table_of(names=COLUMNS))
    monkeypatch.setattr(gallery, "load", lambda *_, **__: table_of(names=COLUMNS))
    figure = study_figure(result)
    assert sum(len(axes.images) for axes in figure.findobj(lambda part: hasattr(part, "images"))) == 0
    assert gallery._images("adult@5000", [MARK], 0) == {}


@pytest.mark.parametrize(
    ("data", "unit"),
    [
        (table_of(names=COLUMNS), "rows"),
        (table_of(), "rows"),
        (table_of((1, 4, 4)), "images"),
    ],
)
def test_an_audit_calls_examples_what_they_are(data, unit):
    assert words.unit(data) == unit


def test_an_audit_of_documents_speaks_of_documents():
    documents = Examples(torch.zeros(6, 5, dtype=torch.int64), torch.arange(6) % 2, words=9)
    assert words.unit(Dataset("mine", documents, documents, ("no", "yes"), None, NONE)) == "documents"


def test_the_words_that_go_with_rows_name_no_images():
    rows = rows_of_study().assign(deletion="retrain", known=1.0, prevention=None)
    assert all("image" not in term.meaning for term in glossary(rows))
