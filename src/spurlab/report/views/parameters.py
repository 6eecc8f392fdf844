"""How large are the networks? Their trainable parameters (Table 2 of arXiv:2202.05189)."""

import math

from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from spurlab.claims.published import published
from spurlab.models import architecture_title
from spurlab.report.sheet import Sheet, number_cell, slim
from spurlab.report.style import COLOURS, MARKERS, blank, describe
from spurlab.report.titles import dataset_title
from spurlab.report.view import About, NotDrawnError, View
from spurlab.studies import StudyResult

PAPER = published("parameters")
Counts = dict[tuple[str, str], int]  # by architecture and dataset


def shape(result: StudyResult) -> Counts:
    rows = result.rows[result.rows["measure"] == "parameters"]
    return {
        (str(architecture), str(dataset)): int(value)
        for architecture, dataset, value in zip(rows["architecture"], rows["dataset"], rows["value"], strict=True)
        if math.isfinite(value)
    }


def sheets(counts: Counts) -> list[Sheet]:
    lines = [
        (
            *(architecture_title(name), dataset_title(dataset)),
            *(number_cell(count, ",.0f"), number_cell(PAPER.get(name), ",.0f")),
        )
        for (name, dataset), count in counts.items()
    ]
    headings = ("architecture", "dataset", "parameters", "paper")
    note = "paper: ten classes; MLPs and CNN on grey images of 28 x 28, the others on colour images of 32 x 32"
    return [slim("Trainable parameters (Table 2)", headings, lines, note)]


def answer(counts: Counts) -> list[str]:
    if not counts:
        return []
    few, many = f"{min(counts.values()):,}", f"{max(counts.values()):,}"
    return [f"From {few} to {many} trainable parameters." if few != many else f"{few} trainable parameters."]


def figure(counts: Counts, about: About) -> Figure:
    """A mark for each architecture and dataset on a logarithmic axis, with the number beside it."""
    if not counts:
        raise NotDrawnError("No parameters have been counted.")
    datasets = list(dict.fromkeys(dataset for _, dataset in counts))
    lines = sorted(counts, key=lambda key: (-_largest(counts, key[0]), datasets.index(key[1])))
    several = len(datasets) > 1
    drawn, body = blank(about.title, 0.6 + 0.28 * len(lines))
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
    return describe(drawn, f"Trainable parameters: {words}.")


def _largest(counts: dict[tuple[str, str], int], architecture: str) -> int:
    return max(value for (name, _), value in counts.items() if name == architecture)


VIEW: View[Counts] = View("parameters", "How large are the networks?", shape, figure, sheets, answer, ("parameters",))
