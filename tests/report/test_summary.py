"""Rows to curves, with numbers small enough to work out by hand; figures that can be opened."""

import math

import pytest
import torch
from PIL import Image

from spurlab.report import curve_table, curves, pattern_gallery, save_figure, score_figure
from spurlab.stats import holm, paired_test
from spurlab.studies import Row

SCORES = {0: [0.0, 0.1, 0.0], 1: [0.1, 0.1, 0.0], 10: [0.5, 0.7, 0.6]}


def rows_of(scores, pattern="R3", target=0):
    return [
        Row(measure, value if measure == "spurious_score" else 0.9, pattern, target, n, seed, {})
        for n, values in scores.items()
        for seed, value in enumerate(values)
        for measure in ("spurious_score", "accuracy")
    ]


def test_a_curve_pairs_seeds_with_their_own_control():
    (curve,) = curves(rows_of(SCORES))
    zero, one, ten = curve.points
    assert (zero.n, zero.difference, zero.p) == (0, None, None)
    assert ten.score.value == pytest.approx(0.6)
    assert ten.difference.value == pytest.approx((0.5 + 0.6 + 0.6) / 3)
    raw = [paired_test(torch.tensor(SCORES[n]), torch.tensor(SCORES[0])) for n in (1, 10)]
    assert [one.p, ten.p] == pytest.approx(holm(raw))
    assert curve.verdict.n == 10
    assert ten.accuracy.value == pytest.approx(0.9)


def test_the_order_of_rows_does_not_matter():
    """Seeds are paired by their number, not by their place among the rows."""
    assert curves(rows_of(SCORES)[::-1]) == curves(rows_of(SCORES))


def test_one_curve_for_each_pattern_and_target():
    rows = rows_of(SCORES) + rows_of(SCORES, "S3") + rows_of(SCORES, "S3", 1)
    assert [(curve.pattern, curve.target) for curve in curves(rows)] == [("R3", 0), ("S3", 0), ("S3", 1)]


def test_a_diverged_seed_is_left_out_everywhere_and_named():
    scores = {n: [*values, math.nan if n == 10 else 0.9] for n, values in SCORES.items()}
    (curve,) = curves(rows_of(scores))
    (without,) = curves(rows_of(SCORES))
    assert curve.points == without.points
    assert curve.diverged == (3,)
    assert "diverged seeds 3" in str(curve_table(curve, "T-shirt").title)


def test_no_network_left_is_said_in_words():
    (curve,) = curves(rows_of({n: [math.nan] * 3 for n in SCORES}))
    assert "no network is left" in str(curve_table(curve, "T-shirt").title)


def test_a_single_network_gives_no_verdict():
    (curve,) = curves(rows_of({n: values[:1] for n, values in SCORES.items()}))
    assert "undecided" in str(curve_table(curve, "T-shirt").title)
    assert math.isnan(curve.points[-1].p)


def test_figures_are_written_as_png_and_pdf_and_always_the_same(tmp_path):
    strips = {"R3": torch.rand(3, 1, 28, 28), "Co": torch.rand(2, 3, 32, 32)}
    drawn = curves(rows_of(SCORES) + rows_of(SCORES, "Co"))
    made = [save_figure(score_figure(drawn, strips, "t"), tmp_path / name) for name in ("one", "two")]
    for one, two in zip(*made, strict=True):
        assert one.read_bytes() == two.read_bytes()
    png, pdf = made[0]
    with Image.open(png) as image:
        assert image.size == (1800, 800)
    assert pdf.read_bytes().startswith(b"%PDF")
    save_figure(pattern_gallery(strips, "g"), tmp_path / "gallery")
    assert (tmp_path / "gallery.png").stat().st_size > 10_000


def test_the_figure_shows_the_numbers_of_the_curves():
    """The drawn line passes through the means, and its bars end where the intervals end."""
    (curve,) = curves(rows_of(SCORES))
    axes = score_figure([curve], {"R3": torch.rand(1, 1, 4, 4)}, "t").axes[0]
    line, _, (bars,) = axes.containers[0]
    assert line.get_ydata() == pytest.approx([point.score.value for point in curve.points])
    ends = [end for segment in bars.get_segments() for end in segment[:, 1]]
    assert ends == pytest.approx([end for point in curve.points for end in (point.score.low, point.score.high)])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "1", "10"]
