"""The sizes of the networks (Table 2 of arXiv:2202.05189)."""

import math

from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from spurlab.models import architecture_title
from spurlab.report.figures.notes import dataset_title
from spurlab.report.figures.style import COLOURS, MARKERS, describe, sentence, sheet
from spurlab.studies import StudyResult


def draw(result: StudyResult) -> Figure:
    """A mark for each architecture and dataset on a logarithmic axis, with the number beside it."""
    title, rows = result.study.title, result.rows[result.rows["measure"] == "parameters"]
    counts = {
        (str(architecture), str(dataset)): int(value)
        for architecture, dataset, value in zip(rows["architecture"], rows["dataset"], rows["value"], strict=True)
        if math.isfinite(value)
    }
    if not counts:
        return sentence(title, "No parameters have been counted.")
    datasets = list(dict.fromkeys(dataset for _, dataset in counts))
    lines = sorted(counts, key=lambda key: (-_largest(counts, key[0]), datasets.index(key[1])))
    several = len(datasets) > 1
    figure, body = sheet(title, 0.6 + 0.28 * len(lines))
    axes = body.add_subplot()
    names = [architecture_title(name) + (f", {dataset_title(dataset)}" if several else "") for name, dataset in lines]
    values = [counts[line] for line in lines]
    low, high = min(values) / 1.6, max(values) * 2.6
    for place, (line, value) in enumerate(zip(lines, values, strict=True)):
        i = datasets.index(line[1])
        axes.plot([low, value], [place, place], color="#BBBBBB", linewidth=1, zorder=1)
        axes.plot(value, place, MARKERS[i % len(MARKERS)], color=COLOURS[i % len(COLOURS)], markersize=6)
        axes.annotate(f"{value:,}", (value, place), (8, 0), textcoords="offset points", va="center")
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    digits = (1,) if high > 500 * low else (1, 3)
    ticks = [digit * 10**power for power in range(12) for digit in digits if low <= digit * 10**power < high / 1.5]
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_yticks(range(len(lines)), names)
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("trainable parameters (logarithmic axis)")
    words = "; ".join(f"{name} {value:,}" for name, value in zip(names, values, strict=True))
    return describe(figure, f"Trainable parameters: {words}.")


def _largest(counts: dict[tuple[str, str], int], architecture: str) -> int:
    return max(value for (name, _), value in counts.items() if name == architecture)
