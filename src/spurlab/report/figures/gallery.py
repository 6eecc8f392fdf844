"""The patterns on test images, with their empirical norms (Figure 1 and Table 1 of arXiv:2202.05189)."""

from collections.abc import Mapping, Sequence

from jaxtyping import Float32
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from spurlab.data import DataError, load
from spurlab.patterns import make_pattern
from spurlab.report.figures.notes import dataset_title, small_print
from spurlab.report.figures.style import describe, sentence, sheet, styled
from spurlab.report.summary import estimate, per_network
from spurlab.stats import Estimate
from spurlab.studies import StudyResult


def draw(result: StudyResult) -> Figure:
    """Some test images of each dataset, clean and under each pattern; the mean empirical norm below."""
    title, rows = result.study.title, result.rows[result.rows["measure"] == "empirical_norm"]
    if rows.empty:
        return sentence(title, "No empirical norm has been measured.")
    datasets, patterns = list(dict.fromkeys(rows["dataset"])), list(dict.fromkeys(rows["pattern"]))
    norms = {
        (dataset, pattern): estimate(per_network(rows, "empirical_norm", dataset=dataset, pattern=pattern))
        for dataset in datasets
        for pattern in patterns
    }
    images = {dataset: _images(dataset, patterns, int(rows["seed"].min())) for dataset in datasets}
    shown = {dataset: strips for dataset, strips in images.items() if strips}
    each = 3 if len(datasets) == 1 else 2
    cell = 0.86
    note = "Below each column: mean empirical norm, the l2 distance between marked and clean test images. "
    if missing := [dataset_title(dataset) for dataset in datasets if dataset not in shown]:
        note += f"The images of {', '.join(missing)} are not here. "
    heights = [each * cell + 0.8 if dataset in shown else 0.8 for dataset in datasets]
    figure, body = sheet(title, sum(heights), note + small_print(result, intervals=False))
    blocks = body.subfigures(len(datasets), 1, height_ratios=heights, squeeze=False)[:, 0]
    for dataset, block in zip(datasets, blocks, strict=True):
        block.suptitle(dataset_title(dataset), x=0.1 / 9, ha="left", fontsize=10.5)
        columns = ["clean", *patterns]
        grid = block.add_gridspec(each if dataset in shown else 1, len(columns))
        for j, name in enumerate(columns):
            strip = shown[dataset][name] if dataset in shown else ()
            for i in range(max(1, len(strip[:each]))):
                axes = block.add_subplot(grid[i, j])
                _bare(axes)
                if i == 0:
                    axes.set_title(name, loc="center", fontsize=10)
                if len(strip):
                    _show(axes, strip[i])
                else:
                    axes.set_box_aspect(0.01)
                    axes.spines[:].set_visible(False)
            if name != "clean":
                axes.set_xlabel(_norm(norms[dataset, name]), fontsize=10)
    words = [
        f"{dataset_title(dataset)}: {', '.join(f'{name} {norms[dataset, name].value:.2f}' for name in patterns)}."
        for dataset in datasets
    ]
    return describe(figure, f"Test images under each pattern. Mean empirical norm, {' '.join(words)}")


@styled
def pattern_gallery(strips: Mapping[str, Float32[Tensor, "n c h w"]], title: str) -> Figure:
    """The same images under each pattern, a row for each pattern (Figure 1 of arXiv:2202.05189)."""
    columns = max(len(strip) for strip in strips.values())
    figure, body = sheet(title, 0.9 * len(strips), width=max(0.9 * columns + 0.6, 4.0))
    cells = body.add_gridspec(len(strips), columns)
    draw_strips([[body.add_subplot(cells[i, j]) for j in range(columns)] for i in range(len(strips))], strips)
    return describe(figure, f"{title}: images, clean or under the patterns, in the rows {', '.join(strips)}.")


def draw_strips(grid: Sequence[Sequence[Axes]], strips: Mapping[str, Float32[Tensor, "n c h w"]]) -> None:
    """A row of images for each strip, with its name on the left."""
    for row, (name, images) in zip(grid, strips.items(), strict=True):
        for axes in row:
            _bare(axes)
        for axes, image in zip(row, images, strict=False):
            _show(axes, image)
        for axes in row[len(images) :]:
            axes.set_visible(False)
        row[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=11)


def _images(dataset: str, patterns: Sequence[str], seed: int) -> dict[str, Float32[Tensor, "n c h w"]]:
    """The first test images, clean and under each pattern; empty where the dataset is not here."""
    try:
        data = load(dataset, offline=True)
        made = [make_pattern(name, data.shape, seed, clip=data.input_range) for name in patterns]
    except (DataError, ValueError):
        return {}
    clean = data.test.inputs[:3].clone()
    return {"clean": clean} | {name: pattern(clean) for name, pattern in zip(patterns, made, strict=True)}


def _norm(norm: Estimate) -> str:
    """The mean; with half its interval where the seeds differ."""
    half = (norm.high - norm.low) / 2
    return f"{norm.value:.2f} ± {half:.2f}" if half >= 0.005 else f"{norm.value:.2f}"


def _bare(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(True)
    axes.spines[:].set_linewidth(0.4)


def _show(axes: Axes, image: Float32[Tensor, "c h w"]) -> None:
    axes.imshow(image.permute(1, 2, 0).squeeze(-1).numpy(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
