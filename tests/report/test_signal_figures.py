"""The figures of signals: what is drawn are the given numbers, at their features."""

import math

import pytest
import torch
from scipy.spatial.distance import cdist
from torch.testing import assert_close

from spurlab.explain import share_on
from spurlab.report import embedding_figure, signals_figure, strips_figure
from spurlab.report.style import spoken
from spurlab.report.views.embeddings import from_the_middle, number_places
from spurlab.seeds import rng_for

NAMES = [str(c) for c in range(10)]


def rng(*purpose):
    return rng_for(0, "test", "signal figures", *purpose)


@pytest.fixture(scope="module")
def signals():
    """Ten clean signals, the marked ones and their blocks; the last block is cut off at the end."""
    blocks = torch.zeros(10, 40, dtype=torch.bool)
    for c in range(10):
        blocks[c, 4 * c : 4 * c + 5] = True
    clean = torch.randn(10, 40, generator=rng("signals"))
    return clean, clean + 2.0 * blocks, blocks


def values_of(line, along="y"):
    numbers = line.get_xdata() if along == "y" else line.get_ydata()
    features = line.get_ydata() if along == "y" else line.get_xdata()
    assert list(features) == list(range(len(features)))
    return torch.tensor(numbers, dtype=torch.float32)


def test_every_class_has_its_signals_and_its_block(figures, signals, tmp_path):
    """Features run downwards: the axis is upside down, and the shade covers whole features."""
    clean, marked, blocks = signals
    figure = signals_figure(clean, marked, blocks, NAMES, "Signals")
    panels = figures.panels(figure)
    assert [axes.get_title() for axes in panels] == NAMES
    for c, axes in enumerate(panels):
        dashed, solid = axes.lines
        assert_close(values_of(dashed), clean[c])
        assert_close(values_of(solid), marked[c])
        assert dashed.is_dashed()
        assert not solid.is_dashed()
        bottom, top = axes.get_ylim()
        assert (bottom, top) == (39.5, -0.5)
        (shade,) = axes.patches
        assert (shade.get_y(), shade.get_y() + shade.get_height()) == (4 * c - 0.5, min(4 * c + 5, 40) - 0.5)
        assert axes.get_xlim() == panels[0].get_xlim()
        assert axes.get_xlim()[0] < torch.stack([clean, marked]).min()
        assert axes.get_xlim()[1] > torch.stack([clean, marked]).max()
    assert [text.get_text() for legend in figure.findobj(is_legend) for text in legend.get_texts()] == [
        "marked",
        "clean",
        "block of the class",
    ]
    assert "9 36-39" in spoken(figure)
    assert "rise in sum by 10.00" in spoken(figure)  # 2 on five features
    figures.check_saved(figure, tmp_path)


def is_legend(artist):
    return type(artist).__name__ == "Legend"


def test_clean_signals_alone_are_solid_and_stand_without_a_legend(figures, signals, tmp_path):
    clean, _, _ = signals
    figure = signals_figure(clean[:3], None, None, ["a $", "b", "c"], "Signals")
    for c, axes in enumerate(figures.panels(figure)):
        (line,) = axes.lines
        assert_close(values_of(line), clean[c])
        assert not line.is_dashed()
        assert not axes.patches
    assert not figure.findobj(is_legend)
    figures.check_saved(figure, tmp_path, 1000)


def test_more_than_ten_classes_go_on_in_the_next_row(figures, signals):
    clean, _, _ = signals
    figure = signals_figure(clean.repeat(2, 1)[:12], None, None, [*NAMES, "10", "11"], "Signals")
    figure.draw_without_rendering()
    panels = figures.panels(figure)
    assert len({round(axes.get_position().y0, 3) for axes in panels[:10]}) == 1
    assert panels[10].get_position().y1 < panels[0].get_position().y0


def test_signals_that_do_not_fit_are_refused(figures, signals):
    clean, marked, blocks = signals
    draw = figures.unchecked(signals_figure)
    with pytest.raises(ValueError, match=r"shape \(10, 40\), but these have another: \{'`marked`': \(9, 40\)\}"):
        draw(clean, marked[:9], blocks, NAMES, "Signals")
    with pytest.raises(ValueError, match=r"'`blocks`': \(10, 39\)"):
        draw(clean, marked, blocks[:, 1:], NAMES, "Signals")
    with pytest.raises(ValueError, match="names 9"):
        draw(clean, marked, blocks, NAMES[:9], "Signals")
    with pytest.raises(ValueError, match=r"\(0, 40\)"):
        draw(clean[:0], None, None, [], "Signals")


@pytest.fixture(scope="module")
def maps(signals):
    """Signed maps of two networks: one looks everywhere by lot, the other at the block alone."""
    _, _, blocks = signals
    lot = torch.randn(10, 40, generator=rng("maps"))
    return {"base": lot, "spurious": -3.0 * lot * blocks}


@pytest.mark.parametrize("upright", [False, True])
def test_strips_show_each_features_share_behind_the_signal(figures, signals, maps, upright, tmp_path):
    """Each shade stands at its feature, whatever the network's scale; the number above is that of `share_on`."""
    clean, marked, blocks = signals
    rows = [3, 7]
    two = {network: each[rows] for network, each in maps.items()}
    figure = strips_figure(marked[rows], two, blocks[rows], ["three", "seven"], "Where?", clean[rows], upright)
    panels = figures.panels(figure)
    assert len(panels) == 4
    assert [axes.get_ylabel() for axes in panels] == ["base", "", "spurious", ""]
    everything = torch.cat([each / each.abs().sum(1, keepdim=True) for each in two.values()]).abs().double()
    for place, axes in enumerate(panels):
        network, column = list(two)[place // 2], place % 2
        dashed, solid = axes.lines
        along = "y" if upright else "x"
        assert_close(values_of(dashed, along), clean[rows[column]])
        assert_close(values_of(solid, along), marked[rows[column]])
        (image,) = axes.images
        shades = torch.tensor(image.get_array().filled()).flatten()
        wanted = two[network][column].double().abs()
        assert_close(shades, wanted / wanted.sum())
        assert image.get_clim() == pytest.approx((0.0, everything.flatten().quantile(0.99).item()))
        left, right, bottom, top = image.get_extent()
        assert (top, bottom) if upright else (left, right) == (-0.5, 39.5)
        start = 4 * rows[column] - 0.5
        (outline,) = axes.patches
        assert (outline.get_y() if upright else outline.get_x()) == start
        assert (outline.get_height() if upright else outline.get_width()) == 5
        share = share_on(two[network], blocks[rows])[column].item()
        number = axes.get_title("center") if upright else axes.get_title("right")
        assert f"{share:.2f}" in number
    assert "three (block 12-16, chance 0.125): base 0." in spoken(figure)
    assert spoken(figure).endswith("spurious 1.00.")
    figures.check_saved(figure, tmp_path)


def test_a_network_that_looks_nowhere_has_white_strips_and_no_number(figures, signals, tmp_path):
    _, marked, blocks = signals
    nowhere = {"dead": torch.zeros(1, 40), "diverged": torch.full((1, 40), math.nan)}
    figure = strips_figure(marked[:1], nowhere, blocks[:1], ["zero"], "Where?")
    for axes in figures.panels(figure):
        assert axes.images[0].get_array().mask.all()
        assert axes.get_title("right") == "- on the block"
        assert len(axes.lines) == 1
    figures.check_saved(figure, tmp_path)


def test_strips_of_other_signals_are_refused(figures, signals, maps):
    clean, marked, blocks = signals
    draw = figures.unchecked(strips_figure)
    with pytest.raises(ValueError, match=r"'base': \(9, 40\)"):
        draw(marked, {"base": maps["base"][:9]}, blocks, NAMES, "Where?")
    with pytest.raises(ValueError, match=r"'`blocks`': \(2, 40\), '`clean`': \(1, 40\)"):
        draw(marked, maps, blocks[:2], NAMES, "Where?", clean[:1])
    with pytest.raises(ValueError, match=r"10 names and 0 networks"):
        draw(marked, {}, blocks, NAMES, "Where?")
    with pytest.raises(ValueError, match=r"1 names and 2 networks"):
        draw(marked, maps, blocks, ["one"], "Where?")


@pytest.fixture(scope="module")
def embeddings():
    """The classes mixed, and on a circle far from each other."""
    labels = torch.arange(200) % 10
    angles = 2 * math.pi * labels / 10
    mixed, apart = (torch.randn(200, 2, generator=rng(name)) for name in ("mixed", "apart"))
    return {"MNIST-1D": mixed, "spurious": apart + 20 * torch.stack([angles.cos(), angles.sin()], 1)}, labels


def test_every_point_is_drawn_once_as_the_number_of_its_class(figures, embeddings, tmp_path):
    """Each class has a colour and a numeral of its own.

    The number in a circle stands at the medoid of classes that are apart, found here by scipy over all pairs; where
    they are mixed it stands at a point of its class, and no two are near each other.
    """
    points, labels = embeddings
    figure = embedding_figure(points, labels, NAMES, "Where?", {"spurious": "purity 0.9"})
    panels = figures.panels(figure)
    assert [axes.get_title(loc="left") for axes in panels] == list(points)
    assert [axes.get_xlabel() for axes in panels] == ["", "purity 0.9"]
    for axes, (name, where) in zip(panels, points.items(), strict=True):
        assert len(axes.lines) == 10
        assert len({line.get_color() for line in axes.lines}) == 10
        assert len({line.get_marker().vertices.tobytes() for line in axes.lines}) == 10
        assert [text.get_text() for text in axes.texts] == NAMES
        numbers = torch.tensor([text.get_position() for text in axes.texts], dtype=torch.float32)
        for c, line in enumerate(axes.lines):
            mine = where[labels == c]
            assert_close(torch.tensor(line.get_xydata(), dtype=torch.float32), mine)
            assert (mine == numbers[c]).all(1).any()
            if name == "spurious" or c == 0:
                assert numbers[c].equal(mine[cdist(mine, mine).sum(1).argmin()])
        extent = (where.amax(0) - where.amin(0)).max()
        assert torch.pdist(numbers).min() >= 0.07 * extent
    assert not figure.findobj(is_legend)  # the names are the numbers
    assert "spurious: purity 0.9." in spoken(figure)
    figures.check_saved(figure, tmp_path)


def test_a_number_that_finds_no_room_stands_at_the_medoid():
    parts = {0: torch.zeros(3, 2), 1: torch.tensor([[0.0, 0.0], [0.0, 0.1], [0.0, 0.3]]), 2: torch.zeros(0, 2)}
    assert number_places(parts, gap=5.0) == {0: (0.0, 0.0), 1: (0.0, pytest.approx(0.1))}


def test_points_that_are_not_finite_and_classes_without_points_are_left_out(figures, tmp_path):
    points = torch.tensor([[0.0, 0.0], [1.0, 1.0], [math.nan, 0.0], [0.0, math.inf]])
    figure = embedding_figure({"one": points}, torch.tensor([0, 0, 2, 0]), ["a", "b", "c"], "Where?")
    (axes,) = figures.panels(figure)
    assert [len(line.get_xydata()) for line in axes.lines] == [2, 0]
    assert [text.get_text() for text in axes.texts] == ["0"]
    (legend,) = figure.findobj(is_legend)
    assert [text.get_text() for text in legend.get_texts()] == ["a", "c"]
    figures.check_saved(figure, tmp_path)


def test_the_order_of_many_points_is_that_of_all_pairs():
    """2,500 points, in three parts; scipy takes all pairs at once."""
    points = torch.randn(2500, 2, generator=rng("medoid"), dtype=torch.float64)
    assert from_the_middle(points).tolist() == cdist(points, points).sum(1).argsort().tolist()
    assert from_the_middle(points[:0]).tolist() == []


def test_embeddings_that_cannot_be_drawn_are_refused(figures, embeddings):
    points, labels = embeddings
    with pytest.raises(ValueError, match="0 panels"):
        embedding_figure({}, labels, NAMES, "Where?")
    draw = figures.unchecked(embedding_figure)
    with pytest.raises(ValueError, match=r"199 labels .* another shape: \{'MNIST-1D': \(200, 2\)"):
        draw(points, labels[1:], NAMES, "Where?")
    with pytest.raises(ValueError, match="0 to 9, but there are 9 names"):
        embedding_figure(points, labels, NAMES[:9], "Where?")
    with pytest.raises(ValueError, match="panels that are not there: base"):
        embedding_figure(points, labels, NAMES, "Where?", {"base": "purity"})
