"""How large are the patterns? Test examples under each, with their norms (Figure 1, Table 1 of arXiv:2202.05189)."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float32
from matplotlib.figure import Figure, SubFigure
from matplotlib.gridspec import GridSpecBase
from torch import Tensor

from spurlab.claims.published import published
from spurlab.data import DataError, load
from spurlab.patterns import make_named, marked_all
from spurlab.report.groups import Mean, data_seeds, estimates
from spurlab.report.sheet import Sheet, mean_cell, number_cell, slim
from spurlab.report.style import bare, blank, describe, show_example, style, widest
from spurlab.report.titles import dataset_title
from spurlab.report.view import About, NotDrawnError, View
from spurlab.studies import StudyResult

PAPER = published("norm")


@dataclass(frozen=True)
class Norms:
    """The mean empirical norm over draws of each pattern.

    Args:
        means: by dataset, then by pattern.
        seed: of the patterns that are shown.
    """

    means: dict[str, dict[str, Mean]]
    seed: int


def shape(result: StudyResult) -> Norms:
    rows = result.rows[result.rows["measure"] == "empirical_norm"]
    rows = rows.assign(seed=data_seeds(rows))
    means: dict[str, dict[str, Mean]] = {}
    for (dataset, pattern), mean in estimates(rows, ["dataset", "pattern"]).items():
        means.setdefault(str(dataset), {})[str(pattern)] = mean
    return Norms(means, 0 if rows.empty else int(rows["seed"].min()))


def sheets(norms: Norms) -> list[Sheet]:
    lines = [
        (
            *(dataset_title(dataset), pattern, mean_cell(mean, ".2f")),
            number_cell(PAPER.get(dataset, {}).get(pattern), ".2f"),
        )
        for dataset, means in norms.means.items()
        for pattern, mean in means.items()
    ]
    headings = ("dataset", "pattern", "mean empirical norm", "paper")
    return [slim("Mean empirical norm (Table 1)", headings, lines, "mean [95 % interval] over draws of the pattern")]


def answer(norms: Norms) -> list[str]:
    sentences = []
    for dataset, means in norms.means.items():
        values = {pattern: mean.value for pattern, mean in means.items()}
        low, high = min(values, key=values.__getitem__), max(values, key=values.__getitem__)
        ends = f"from {values[low]:.2f} ({low}) to {values[high]:.2f} ({high})"
        sentences.append(f"{dataset_title(dataset)}: mean empirical norms {ends}.")
    return sentences


def figure(norms: Norms, about: About) -> Figure:
    """Some test examples of each dataset, clean and under each pattern; the mean empirical norm below."""
    if not norms.means:
        raise NotDrawnError("No empirical norm has been measured.")
    images = {dataset: _images(dataset, list(means), norms.seed) for dataset, means in norms.means.items()}
    most, side = 3 if len(images) == 1 else 2, 0.86
    signals = all(strips and strips["clean"].ndim == 2 for strips in images.values())
    units = "signals" if signals else "images"
    note = f"Below each column: mean empirical norm, the l2 distance between marked and clean test {units}. "
    if missing := [dataset_title(dataset) for dataset, strips in images.items() if not strips]:
        note += f"The images of {', '.join(missing)} are not here. "
    heights = [most * side + 0.8 if strips else 0.8 for strips in images.values()]
    drawn, body = blank(about.title, sum(heights), note + about.networks)
    blocks = body.subfigures(len(images), 1, height_ratios=heights, squeeze=False)[:, 0]
    for (dataset, strips), block in zip(images.items(), blocks, strict=True):
        block.suptitle(dataset_title(dataset), x=0.1 / 9, ha="left", fontsize=10.5)
        columns = ["clean", *norms.means[dataset]]
        grid, limit = block.add_gridspec(most if strips else 1, len(columns)), widest(strips)
        for j, name in enumerate(columns):
            strip = strips[name] if strips else ()
            for i in range(max(1, len(strip[:most]))):
                axes = bare(block.add_subplot(grid[i, j]))
                if i == 0:
                    label = "\n".join(textwrap.wrap(name, max(10, 80 // len(columns))))
                    axes.set_title(label, loc="center", fontsize=10)
                if len(strip):
                    show_example(axes, strip[i], limit)
                else:
                    axes.set_box_aspect(0.01)
                    axes.spines[:].set_visible(False)
            if name != "clean":
                axes.set_xlabel(_norm(norms.means[dataset][name]), fontsize=10)
    words = [
        f"{dataset_title(dataset)}: {', '.join(f'{name} {mean.value:.2f}' for name, mean in means.items())}."
        for dataset, means in norms.means.items()
    ]
    return describe(drawn, f"Test {units} under each pattern. Mean empirical norm, {' '.join(words)}")


@style()
def pattern_gallery(strips: Mapping[str, Float32[Tensor, "n *shape"]], title: str) -> Figure:
    """The same images or signals under each pattern, a row for each pattern (Figure 1 of arXiv:2202.05189).

    >>> import torch
    >>> from spurlab import make_pattern
    >>> images = torch.rand(3, 1, 28, 28)
    >>> strips = {name: make_pattern(name, (1, 28, 28))(images) for name in ("S3", "R3")}
    >>> len(pattern_gallery(strips, "Two patterns on three images").axes)
    6
    """
    columns = max(len(strip) for strip in strips.values())
    figure, body = blank(title, 0.9 * len(strips), width=max(0.9 * columns + 0.6, 4.0))
    draw_strips(body, body.add_gridspec(len(strips), columns), strips)
    units = "signals" if all(strip.ndim == 2 for strip in strips.values()) else "images"
    return describe(figure, f"{title}: {units}, clean or under the patterns, in the rows {', '.join(strips)}.")


def draw_strips(body: SubFigure, grid: GridSpecBase, strips: Mapping[str, Float32[Tensor, "n *shape"]]) -> None:
    """A row of images or signals for each strip, with its name on the left."""
    limit = widest(strips)
    for i, (name, examples) in enumerate(strips.items()):
        row = [bare(body.add_subplot(grid[i, j])) for j in range(grid.ncols)]
        for axes, example in zip(row, examples, strict=False):
            show_example(axes, example, limit)
        for axes in row[len(examples) :]:
            axes.set_visible(False)
        label, size = (name, 11) if len(name) <= 16 else ("\n".join(textwrap.wrap(name, 16)), 8)
        row[0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=size)


def _images(dataset: str, patterns: Sequence[str], seed: int) -> dict[str, Float32[Tensor, "n *shape"]]:
    """The first test examples, clean and under each pattern; empty where the dataset is not here."""
    try:
        data = load(dataset, offline=True)
        if data.kind not in ("images", "examples"):  # of rows and documents there are no pictures
            return {}
        made = [make_named(name, data.shape, seed, clip=data.input_range, names=data.names) for name in patterns]
    except (DataError, ValueError):
        return {}
    shown = data.test[torch.arange(min(3, len(data.test)))]
    return {"clean": shown.inputs} | {
        name: marked_all(mark, shown, seed) for name, mark in zip(patterns, made, strict=True)
    }


def _norm(norm: Mean) -> str:
    """The mean; with half its interval where the seeds differ."""
    half = (norm.high - norm.low) / 2
    return f"{norm.value:.2f} ± {half:.2f}" if half >= 0.005 else f"{norm.value:.2f}"


VIEW: View[Norms] = View(
    "gallery", "What do the patterns look like, how large are they?", shape, figure, sheets, answer, ("empirical_norm",)
)
