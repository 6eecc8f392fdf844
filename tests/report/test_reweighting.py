"""What is drawn and said of reweighting: the right networks in each panel, by numbers chosen by hand."""

from pathlib import Path

import pandas as pd
import pytest

from spurlab.report import study_figure
from spurlab.report.style import spoken
from spurlab.report.views import study_sheets
from spurlab.studies import StudyResult, load_study

WEIGHTS = {
    0.5: (0.52, 0.80),
    0.9: (0.11, 0.70),
}  # by share: AFR's weight on the minority, of training and of new signals
WORST = {
    "erm": 0.20, "dfr-plain": 0.40, "afr-train gamma=0 penalty=0.1": 0.21, "afr-train gamma=4 penalty=0.1": 0.22,
    "afr gamma=0 penalty=0": 0.23, "afr gamma=4 penalty=0.1": 0.24, "group-dro": 0.35,
    "afr gamma=none penalty=none": 0.3,
}  # fmt: skip


@pytest.fixture
def result(results):
    def lines(share, prevention, numbers):
        of_seeds = {seed: {name: value + seed / 100 for name, value in numbers.items()} for seed in (-1, 1)}
        return results.treated(of_seeds, share, prevention)

    rows = lines(0.0, "erm", {"accuracy": 0.9, "worst_group": 0.8})
    for share, (train, new) in WEIGHTS.items():
        for method, worst in WORST.items():
            if share == 0.9 or method in ("erm", "dfr-plain", "afr gamma=4 penalty=0.1"):
                seen = {"minority_weight": train, "fresh_minority_weight": new} if method == "erm" else {}
                numbers = {"accuracy": worst + 0.3, "worst_group": worst + (0.1 if share < 0.9 else 0.0)}
                rows += lines(share, method, numbers | seen)
    return StudyResult(load_study("quinn-afr"), pd.DataFrame(rows), Path())


def test_each_panel_has_its_numbers(result):
    figure = study_figure(result)
    weights, along, train, held_out, others = figure.get_axes()
    assert _curves(weights) == [[0.52, 0.11], [0.80, 0.70]]
    assert _curves(along) == [[0.3, 0.2], [0.5, 0.4], [0.34, 0.24]]  # those at both shares
    assert _curves(train) == [[0.21, 0.22]]
    assert _curves(held_out) == [[0.23], [0.24]]  # a line for each penalty
    assert [label.get_text() for label in others.get_yticklabels()] == [
        "as trained (ERM)", "DFR, one plain refit", "GroupDRO", "AFR, gamma chosen, penalty chosen",
    ]  # fmt: skip
    words = spoken(figure)
    assert words.startswith("At 90%")
    assert "of new examples: 0.800 at 50%, 0.700 at 90%" in words
    assert "penalty 0: 0.230 at 0; penalty 0.1: 0.240 at 4" in words
    assert "GroupDRO 0.650 and 0.350" in words


def test_legends_cover_nothing(result):
    """Each stands below its own panel and above the next, and the title of none is under it."""
    figure = study_figure(result)
    figure.draw_without_rendering()
    panels = figure.get_axes()
    for axes in panels:
        legend = axes.get_legend().get_window_extent()
        assert legend.y1 <= axes.xaxis.label.get_window_extent().y0
        others = [part.get_window_extent() for each in panels for part in (each, each._left_title)]
        assert not [box for box in others if box.overlaps(legend)]


def test_the_table_says_what_the_weights_see(result):
    seen, accuracy = study_sheets(result)
    assert seen.title.startswith("What reweighting sees")
    numbers = [[cell.value for cell in line[-2:]] for line in seen.lines]
    assert numbers == [[pytest.approx(0.52), pytest.approx(0.80)], [pytest.approx(0.11), pytest.approx(0.70)]]
    assert len(accuracy.lines) == 1 + len(WORST) + 3


def _curves(axes):
    """Heights of the lines with marks."""
    return [[round(y, 6) for y in line.get_ydata()] for line in axes.get_lines() if line.get_marker() in "os^DvPX"]
