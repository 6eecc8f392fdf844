"""The figures in docs/results are those that the code draws today from the rows beside them."""

from pathlib import Path

import pytest
from PIL import Image

from spurlab.report import file_names, save_figure, study_figure
from spurlab.report.fingerprint import FINGERPRINT, fingerprint
from spurlab.report.view import OnlyReadError
from spurlab.report.views import drawn, figure_endings
from spurlab.studies import results_in

FOLDERS = sorted(path.parent for path in (Path(__file__).parents[2] / "docs" / "results").glob("*/results.sqlite"))
PICTURED = {"mnist", "fashion-mnist", "cifar10"}  # sets that figures show images of
ROUGH = {"embeddings"}  # t-SNE ends elsewhere on another machine


def stale(folder, results):
    """Why each figure of a folder is not what would be drawn; those that only a run can draw are left out."""
    found = {}
    for result, name in zip(results, file_names([result.study for result in results]), strict=True):
        for ending, kind in zip(figure_endings(result.study), result.study.figure, strict=True):
            path = folder / f"{name}{ending}.png"
            if not path.is_file():
                found[path.name] = "is not there"
            elif kind not in ROUGH:
                with Image.open(path) as image:
                    kept = image.info.get(FINGERPRINT)
                try:
                    figure = drawn(result, kind)
                except OnlyReadError:
                    continue
                if kept != fingerprint(figure):
                    found[path.name] = "is of another version" if kept else "says nothing of how it was drawn"
    return found


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_committed_figures_are_drawn_by_the_committed_code(folder, full_dataset):
    results = results_in(folder)
    shown = {name.partition("@")[0] for result in results for name in result.study.axis("dataset")}
    for name in sorted(shown & PICTURED):
        full_dataset(name)  # without which a figure has no pictures: skipped then
    found = stale(folder, results)
    assert not found, "`make results` draws again: " + "; ".join(f"{name} {why}" for name, why in found.items())


def test_a_fingerprint_changes_with_what_is_drawn_and_with_nothing_else(results, tmp_path):
    """One network moved by .05 is another figure, and so is another title; drawn and saved again it is the same one."""
    rows = results.rows(patterns=("R3",))
    one, again = (study_figure(results.of(rows, "scores")) for _ in range(2))
    first = fingerprint(one)
    with Image.open(save_figure(again, tmp_path / "again")[0]) as image:
        assert image.info[FINGERPRINT] == first
    moved = rows.assign(value=rows["value"].where(rows.index != rows.index[-2], rows["value"] - 0.05))
    assert fingerprint(study_figure(results.of(moved, "scores"))) != first
    assert fingerprint(study_figure(results.of(rows, "scores", title="Another?"))) != first
