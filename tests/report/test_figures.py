"""Every figure shows the numbers of its rows, and can be made whatever is missing."""

import math
from itertools import combinations, pairwise

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.axes import Axes
from scipy.stats import pearsonr
from torch.testing import assert_close

from spurlab.claims import decide
from spurlab.data import load
from spurlab.report import (
    VIEWS,
    curves,
    groups,
    pattern_gallery,
    saliency_figure,
    save_figure,
    score_figure,
    study_figure,
)
from spurlab.report.groups import over_networks
from spurlab.report.style import spoken
from spurlab.report.views.importance import lines_of as maps_of
from spurlab.report.views.norm import norms_and_scores
from spurlab.report.views.regularization import sweeps
from spurlab.seeds import rng_for
from spurlab.studies.weights import weights_file, write_weights


def all_axes(figure):
    """Panels, without colour bars and images."""
    return [axes for axes in figure.axes if lines_of(axes)]


def lines_of(axes):
    """By label, what is drawn: the means."""
    return {
        line.get_label(): np.asarray(line.get_ydata(), float)
        for line in axes.get_lines()
        if not line.get_label().startswith("_")
    }


def dots_of(axes):
    """Single networks, from the left to the right and from below."""
    dots = [line.get_xydata() for line in axes.get_lines() if line.get_label() == "_networks"]
    return sorted(tuple(point) for points in dots for point in points)


@pytest.fixture(scope="module")
def drawn(results):
    """kind -> the figure of a small but whole result."""
    made = {}

    def figure_of(kind):
        if kind not in made:
            made[kind] = study_figure(results.make(kind, large=False))
        return made[kind]

    return figure_of


@pytest.mark.parametrize("kind", VIEWS)
def test_the_smallest_grid_makes_a_figure_with_words(kind, drawn, figures, tmp_path):
    """One value on each axis, one seed, no weights."""
    figures.check_saved(drawn(kind), tmp_path)


@pytest.mark.parametrize("kind", VIEWS)
def test_nothing_measured_is_a_sentence(kind, results):
    whole = results.make(kind, large=False)
    assert "Nothing has been measured" in spoken(study_figure(results.of(whole.rows.iloc[:0], kind)))
    other = whole.rows.assign(measure="something else")
    assert len(spoken(study_figure(results.of(other, kind)))) > 20


@pytest.mark.parametrize("kind", ["scores", "accuracy", "norm", "importance", "bars", "regularization"])
def test_networks_that_all_diverged_are_said(kind, results):
    """No warning of numpy's or matplotlib's, which would fail the test."""
    rows = results.make(kind, large=False).rows
    figure = study_figure(results.of(rows.assign(value=math.nan), kind))
    figure.draw_without_rendering()


def test_the_score_figure_shows_the_numbers_of_the_curves(results):
    """The drawn line passes through the means, and each network is a dot."""
    rows = results.rows(patterns=("R3",))

    def scores_at(n):
        return rows[(rows["measure"] == "spurious_score") & (rows["n"] == n)]["value"]

    (curve,) = curves(rows)
    axes = score_figure([curve], {"R3": torch.rand(1, 1, 4, 4)}, "t").axes[0]
    assert lines_of(axes)["R3"] == pytest.approx([point.score.value for point in curve.points])
    networks = [(place, score) for place, n in enumerate((0, 3, 10, 100)) for score in sorted(scores_at(n))]
    assert dots_of(axes) == [pytest.approx(each) for each in networks]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "3", "10", "100"]


def test_scores_have_a_panel_for_each_dataset_and_target(results):
    rows = results.rows(datasets=("mnist", "fashion-mnist"), targets=(0, 1))
    figure = study_figure(results.of(rows, "scores"))
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles[:2] == ["MNIST, target 0", "MNIST, target 1"]
    assert titles[2:] == ["Fashion-MNIST, target 0 (T-shirt/top)", "Fashion-MNIST, target 1 (Trouser)"]
    mine = rows[(rows["dataset"] == "mnist") & (rows["target"] == 1)]
    for curve in curves(mine):
        means = lines_of(figure.axes[1])[curve.pattern]
        assert means == pytest.approx([point.score.value for point in curve.points])


def test_the_quickstart_stands_beside_marked_images(results, mini):
    figure = study_figure(results.of(results.rows(datasets=("fashion-mini",)), "scores"))
    images = [axes.get_images()[0].get_array() for axes in figure.axes if axes.get_images()]
    assert len(images) == 6  # three of each of two patterns
    assert images[3][:5, :5].min() == 1.0  # the square of S3


def test_accuracy_is_a_difference_within_each_seed_over_the_targets(results):
    rows = results.rows(("accuracy",), datasets=("mnist",), patterns=("R3",), targets=(0, 1))
    axes = all_axes(study_figure(results.of(rows, "accuracy")))[0]
    table = rows.groupby(["seed", "n"])["value"].mean().unstack()
    for place, (mean, n) in enumerate(zip(lines_of(axes)["R3"], (3, 10, 100), strict=True)):
        assert mean == pytest.approx(table[n].mean() - table[0].mean())
        singles = [y for x, y in dots_of(axes) if x == place]
        assert singles == pytest.approx(sorted(table[n] - table[0]))
    (margin,) = (patch for patch in axes.patches if patch.get_height() != 1)
    assert (margin.get_y(), margin.get_height()) == pytest.approx((-0.01, 0.02))
    assert f"{table[0].mean():.3f} [" in axes.get_title(loc="left")
    assert "paper: 0.976 to 0.983" in axes.get_title(loc="left").replace("\n", " ")


def test_norm_titles_say_the_correlation_over_patterns(results):
    rows = results.rows(("spurious_score", "empirical_norm"), patterns=("S1", "S2", "S3", "R3"), targets=(0, 1))
    axes = study_figure(results.of(rows, "norm")).axes[0]
    norms = rows[rows["measure"] == "empirical_norm"].groupby("pattern")["value"].mean()
    scores = rows[(rows["measure"] == "spurious_score") & (rows["n"] > 0)].groupby("pattern")["value"].mean()
    found = pearsonr(norms, scores.loc[norms.index])
    low, high = found.confidence_interval(0.95)
    said = f"r = {found.statistic:.2f} [{low:.2f}, {high:.2f}], p = {found.pvalue:.3f}"
    assert said in axes.get_title(loc="left").replace("\n", " ")
    points = {line.get_label(): line.get_xydata()[0] for line in axes.get_lines()}
    for pattern in norms.index:
        assert points[pattern] == pytest.approx([norms[pattern], scores[pattern]])


NORMS_AND_SCORES = {  # on MNIST, in docs/results/rare-spurious
    "S1": (1.0, (0.003, 0.003, 0.001, 0.003, 0.002)),
    "S2": (3.0, (0.020, 0.026, 0.011, 0.015, 0.008)),
    "S3": (5.0, (0.167, 0.071, 0.047, 0.040, 0.061)),
    "R1": (3.84, (0.478, 0.320, 0.086, 0.384, 0.260)),
    "R2": (7.61, (0.725, 0.667, 0.708, 0.831, 0.740)),
    "R3": (14.99, (0.903, 0.782, 0.902, 0.903, 0.903)),
    "Co": (5.98, (0.080, 0.044, 0.026, 0.042, 0.013)),
}


def test_names_of_patterns_stand_beside_each_other(results):
    """No name covers another, and none lies on the axis."""
    rows = results.rows(("spurious_score", "empirical_norm"), ("mnist", "fashion-mnist"), tuple(NORMS_AND_SCORES))
    for pattern, (norm, scores) in NORMS_AND_SCORES.items():
        rows.loc[(rows["pattern"] == pattern) & (rows["measure"] == "empirical_norm"), "value"] = norm
        for seed, score in enumerate(scores):
            chosen = (rows["pattern"] == pattern) & (rows["seed"] == seed) & (rows["measure"] == "spurious_score")
            rows.loc[chosen, "value"] = score
    figure = study_figure(results.of(rows, "norm"))
    figure.draw_without_rendering()
    axes = figure.axes[0]
    boxes = [text.get_window_extent() for text in axes.texts]
    assert len(boxes) == len(NORMS_AND_SCORES)
    assert not [1 for one, other in combinations(boxes, 2) if one.overlaps(other)]
    assert all(box.y0 > axes.get_window_extent().y0 for box in boxes)


def test_norm_and_claim_leave_out_the_same_seeds(results):
    """Seed 4 diverged once, at n = 0: its scores, turned round, would lower r."""
    patterns = ("S1", "S2", "S3", "R1", "R2", "R3", "Co")
    rows = results.rows(("spurious_score", "empirical_norm"), ("mnist",), patterns, (0, 1))
    fifth = rows[(rows["seed"] == 0) & (rows["measure"] == "spurious_score")]
    rows = pd.concat([rows, fifth.assign(seed=5, training=fifth["training"] + "5")], ignore_index=True)
    scored, lost = rows["measure"] == "spurious_score", rows["seed"] == 4
    rows.loc[scored & lost, "value"] = 1 - rows.loc[scored & lost, "value"]
    rows.loc[scored & lost & (rows["n"] == 0), "value"] = math.nan
    norms = rows[~scored].groupby("pattern")["value"].mean()
    scores = rows[scored & ~lost & (rows["n"] > 0)].groupby("pattern")["value"].mean()
    found = norms_and_scores(groups(rows)[0]).correlation
    assert (found.r, found.p) == pytest.approx(tuple(pearsonr(norms, scores)))
    (verdict,) = decide(rows, [4])
    assert any(f"r = {found.r:.2f} " in part.finding for part in verdict.parts)


def test_importance_maps_are_those_of_one_seed(results, tmp_path):
    """The network of seed 0 diverged at n = 10. All weights are the number of the seed: the maps must be ones."""
    rows = results.rows(("pattern_importance",), datasets=("mnist",), patterns=("S3",), counts=(0, 10, 2000))
    rows.loc[(rows["n"] == 10) & (rows["seed"] == 0), "value"] = math.nan
    for seed, key in zip(rows["seed"], rows["training"], strict=True):
        write_weights(weights_file(tmp_path, key), {"1.weight": torch.full((4, 784), float(seed))}, diverged=False)
    result = results.of(rows, "importance", weights=True, folder=tmp_path)
    (line,) = maps_of(result, groups(rows)[0])
    assert {n: pixels.unique().tolist() for n, pixels in line.maps.items()} == {0: [1.0], 10: [1.0], 2000: [1.0]}


def test_importance_maps_share_one_scale_and_outline_the_pattern(results, tmp_path):
    rows = results.rows(("pattern_importance",), datasets=("mnist",), patterns=("S3",), counts=(0, 10, 2000))
    figure = study_figure(results.keep_weights(results.of(rows, "importance", weights=True, folder=tmp_path)))
    maps = [axes for axes in figure.axes if axes.get_images()]
    assert [axes.get_title() for axes in maps] == ["n = 0", "n = 10", "n = 2,000"]
    assert len({axes.get_images()[0].get_clim() for axes in maps}) == 1
    corners = [axes.get_images()[0].get_array()[:5, :5].mean() for axes in maps]
    assert corners == sorted(corners)
    assert corners[2] > 2 * corners[0]
    outline = maps[0].patches[0]
    assert (outline.get_xy(), outline.get_width(), outline.get_height()) == ((-0.5, -0.5), 5, 5)
    mean = rows[rows["n"] == 10]["value"].mean()
    assert f"{mean:.3f} [" in maps[1].get_xlabel()


def test_maps_of_weights_that_are_not_kept_are_left_to_a_run(results, tmp_path):
    """A study that keeps none is drawn without maps; one whose weights have gone is not drawn anew."""
    rows = results.rows(("pattern_importance",), datasets=("mnist",), patterns=("S3",), counts=(0, 10))
    assert "0.0" in spoken(study_figure(results.of(rows, "importance", folder=tmp_path)))
    lost = study_figure(results.of(rows, "importance", weights=True, folder=tmp_path))
    assert spoken(lost) == "The maps are of weights, which are not kept in this folder."


def test_bars_put_the_optimizers_side_by_side(results):
    rows = results.rows(
        ("spurious_score",), patterns=("S3",), counts=(0, 3, 10), variants=[{"optimizer": "adam"}, {"optimizer": "sgd"}]
    )
    axes = all_axes(study_figure(results.of(rows, "bars")))[0]
    for label, name in (("Adam", "adam"), ("SGD", "sgd")):
        means = lines_of(axes)[label]
        wanted = rows[rows["optimizer"] == name].groupby("n")["value"].mean()
        assert means == pytest.approx(wanted.to_list())
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "3", "10"]
    assert sorted(y for _, y in dots_of(axes)) == pytest.approx(sorted(rows["value"]))  # each network once


def test_long_panel_titles_stay_beside_each_other(results):
    """Several settings of the recipe tell the panels apart: every title ends before the next panel begins."""
    variants = [
        {"optimizer": name, "input_noise": 0.25, "clip_norm": clip, "epochs": epochs}
        for name in ("adam", "sgd")
        for clip, epochs in ((0.125, 100), (None, 250))
    ]
    rows = results.rows(patterns=("R3",), targets=(0,), variants=variants)
    figure = study_figure(results.of(rows, "scores"))
    figure.draw_without_rendering()
    titles = [axes._left_title.get_window_extent() for axes in figure.axes]
    assert len(titles) == 4
    for first, second in pairwise(titles):
        assert not first.overlaps(second)
    assert max(title.x1 for title in titles) <= figure.bbox.x1


def test_sensitivity_draws_a_line_for_each_network(results):
    whole = results.make("sensitivity")
    for axes, dataset in zip(study_figure(whole).axes, ("mnist", "fashion-mnist"), strict=True):
        mine = whole.rows[whole.rows["dataset"] == dataset]
        means = [line for line in axes.get_lines() if line.get_linewidth() > 1]
        assert len(axes.get_lines()) == 4 * (1 + 5)  # and a thin one for each network
        for line, name in zip(means, ("small-mlp", "mlp", "large-mlp", "cnn"), strict=True):
            wanted = mine[mine["architecture"] == name].groupby("measure")["value"].mean()
            assert line.get_xdata().tolist() == list(range(0, 101, 2))
            assert line.get_ydata().tolist() == pytest.approx(wanted.sort_index().to_list())


def test_sweeps_part_settings_and_order_levels_by_strength(results):
    """Each sweep holds the rows whose other settings stand at none; no clipping is the weakest clipping."""
    variants = [{}, {"weight_decay": 1e-3}, {"weight_decay": 0.1}, {"clip_norm": 1e-5}, {"clip_norm": 1.0}]
    rows = results.rows(("spurious_score",), patterns=("R3",), counts=(0, 3), variants=variants)
    found = sweeps(rows)
    assert {name: sweep.levels for name, sweep in found.items()} == {
        "weight_decay": (0.0, 1e-3, 0.1),
        "clip_norm": (math.inf, 1.0, 1e-5),
    }
    mean = found["weight_decay"].lines["spurious_score", "R3", 3][0.1]
    values = rows[(rows["weight_decay"] == 0.1) & (rows["n"] == 3)]["value"]
    assert mean == over_networks(torch.tensor(values.to_numpy()), (0.0, 1.0))


def test_diverged_networks_and_the_profile_stand_in_the_small_print(results, figures):
    rows = results.rows(patterns=("R3",))
    rows.loc[rows["training"] == rows["training"].iloc[-1], "value"] = math.nan
    figure = study_figure(results.of(rows, "scores"))
    small = figures.small_print(figure)
    assert "1 diverged network is left out" in small
    assert "20 networks in all, 10 epochs, profile quick" in small
    assert "60,000 of Fashion-MNIST" in small


def test_a_title_is_never_mathematics(results, tmp_path):
    """A lone $ would be a broken formula, and matplotlib would raise or draw something else."""
    rows = results.rows(patterns=("R3",), counts=(0, 3), seeds=(0, 1))
    figure = study_figure(results.of(rows, "scores", title="costs 5$ & <b>x</b> $x_1$ \x00 $\\frac{"))
    *_, svg = save_figure(figure, tmp_path / "odd")
    assert "<b>" not in svg.read_text("utf-8")
    assert "\x00" not in svg.read_text("utf-8")


def test_figures_are_always_the_same_bytes_whatever_the_users_style(results, tmp_path):
    result = results.make("scores", large=False)
    one = save_figure(study_figure(result), tmp_path / "one")
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "black", "text.parse_math": True}):
        two = save_figure(study_figure(result), tmp_path / "two")
    assert [path.suffix for path in one] == [".png", ".pdf", ".svg"]
    for first, second in zip(one, two, strict=True):
        assert first.read_bytes() == second.read_bytes()


def test_the_gallery_of_the_command_line(tmp_path):
    strips = {"R3": torch.rand(3, 1, 28, 28), "Co": torch.rand(2, 3, 32, 32)}
    save_figure(pattern_gallery(strips, "g"), tmp_path / "gallery")
    assert (tmp_path / "gallery.png").stat().st_size > 10_000


def test_signals_are_drawn_as_lines_in_one_scale():
    """Two signals under each of two marks: each line holds the values of its signal, all axes end alike."""
    strips = {name: torch.randn(2, 40, generator=rng_for(0, "test", name)) * 3 for name in ("clean", "spike")}
    figure = pattern_gallery(strips, "g")
    assert len(figure.findobj(Axes)) == 4
    lines = [axes.lines[-1].get_ydata().tolist() for axes in figure.findobj(Axes)]
    assert lines == [pytest.approx(signal.tolist()) for strip in strips.values() for signal in strip]
    [(low, high)] = {axes.get_ylim() for axes in figure.findobj(Axes)}
    assert -low == high > max(strip.abs().max().item() for strip in strips.values())
    assert spoken(figure) == "g: signals, clean or under the patterns, in the rows clean, spike."


def test_the_gallery_of_a_study_of_signals(results):
    """Three test signals clean and under each mark: those of the data set, the offset one higher."""
    rows = results.rows(("empirical_norm",), ("mnist1d",), ("S1",), counts=(0,)).assign(pattern="offset")
    figure = study_figure(results.of(rows, "gallery"))
    assert spoken(figure).startswith("Test signals under each pattern. Mean empirical norm, MNIST-1D: offset")
    panels = figure.findobj(Axes)
    assert len(panels) == 6
    drawn = torch.tensor(np.array([axes.lines[-1].get_ydata() for axes in panels])).reshape(2, 3, 40)
    clean = load("mnist1d").test.inputs[:3].double()
    assert_close(drawn, torch.stack([clean, clean + 1]), rtol=0, atol=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_saliency_maps_stand_beside_their_images_in_one_scale_for_each_method(channels, tmp_path):
    """Channels are summed; the largest number of either sign sets both ends, also for images where maps are small."""
    images = torch.linspace(0, 1, 2 * channels * 4).reshape(2, channels, 2, 2)
    gradient = torch.zeros_like(images)
    gradient[1, :, 0, 1] = -2.0
    gradient[0, :, 0, 0] = 0.5
    maps = {"gradient": gradient, "integrated-gradients": torch.zeros_like(images)}
    figure = saliency_figure(images, maps, "Where?", ["clean", "marked\np = 0.9"])
    shown = [axes for axes in figure.axes if axes.images]
    assert len(shown) == 2 * 3
    assert [axes.get_title() for axes in shown if axes.get_title()] == ["image", "gradient", "integrated\ngradients"]
    assert [axes.get_ylabel() for axes in shown if axes.get_ylabel()] == ["clean", "marked\np = 0.9"]
    limits = [axes.images[0].get_clim() for axes in shown[2:]]
    assert limits == [(-2.0 * channels, 2.0 * channels)] * 2 + [(-1.0, 1.0)] * 2  # a map of zeros has a scale too
    assert shown[3].images[0].get_array().tolist() == [[0, -2 * channels], [0, 0]]
    assert "gradient up to" in spoken(figure)
    save_figure(figure, tmp_path / "saliency")
    for image, *others in (shown[::2], shown[1::2]):  # in line with each other
        assert all(abs(image.get_position().y0 - axes.get_position().y0) < 0.01 for axes in others)


@pytest.mark.parametrize(
    ("count", "maps", "names", "message"),
    [
        (0, {"gradient": torch.zeros(0, 1, 2, 2)}, (), "but there are 0 and 1"),
        (2, {}, (), "but there are 2 and 0"),
        (2, {"gradient": torch.zeros(1, 1, 2, 2)}, (), r"another: \{'gradient': \(1, 1, 2, 2\)\}"),
        (2, {"gradient": torch.zeros(2, 1, 2, 2)}, ("clean",), "2 images and 1 names"),
    ],
)
def test_saliency_maps_of_other_images_are_refused(count, maps, names, message):
    with pytest.raises(ValueError, match=message):
        saliency_figure(torch.zeros(count, 1, 2, 2), maps, "Where?", names)


def test_an_unknown_figure_is_named(results):
    result = results.make("scores", large=False)
    object.__setattr__(result, "study", result.study.model_copy(update={"figure": ("pie",)}))
    with pytest.raises(
        ValueError, match=r"study 'scores': key 'figure': must be 'gallery', .* or 'saliency', but it is 'pie'\."
    ):
        study_figure(result)
    with pytest.raises(ValueError, match=r"no figure 'pie'\. There are: gallery"):
        study_figure(result, "pie")
