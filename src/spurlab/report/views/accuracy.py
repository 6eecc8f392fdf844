"""Does the mark cost accuracy? That on clean test images against n (section 3.3 of arXiv:2202.05189)."""

import math
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from spurlab.claims.judge import ACCURACY_MARGIN
from spurlab.claims.published import published
from spurlab.report.groups import SHARE, Group, Mean, along_n, averaged, estimate, groups, told
from spurlab.report.sheet import OVER_NETWORKS, Sheet, count_cell, mean_cell, place_cells, slim
from spurlab.report.style import Looks, describe, draw_counts, looks_of, mark_legend, panelled, pattern_look
from spurlab.report.view import About, NotDrawnError, View
from spurlab.studies import StudyResult

PAPER = published("accuracy")
MARGIN = "#DCE6EF"
Lines = dict[str, dict[int, Mean]]  # by pattern and n


@dataclass(frozen=True)
class Accuracies:
    """The accuracies of one group.

    Args:
        group: which networks.
        least: the smallest n, which should be 0.
        base: the accuracy there.
        means: the accuracy over networks.
        changes: the accuracy less that of the same seed and pattern at the smallest n.
    """

    group: Group
    least: int
    base: Mean
    means: Lines
    changes: Lines


def shape(result: StudyResult) -> list[Accuracies]:
    return [_accuracies(group) for group in groups(result.rows[result.rows["measure"] == "accuracy"])]


def _accuracies(group: Group) -> Accuracies:
    least = int(group.rows["n"].min())
    base = estimate(averaged(group.rows[group.rows["n"] == least], ["seed"]), SHARE, "accuracy")
    by_pattern = group.rows.groupby("pattern", sort=False)
    lines = {str(pattern): along_n(rows, least, "accuracy") for pattern, rows in by_pattern}
    means, changes = ({name: line[which] for name, line in lines.items() if line[which]} for which in (0, 1))
    return Accuracies(group, least, base, means, changes)


def sheets(accuracies: list[Accuracies]) -> list[Sheet]:
    lines = [
        (
            *(*place_cells(part.group), pattern, count_cell(n), mean_cell(mean)),
            mean_cell(part.changes.get(pattern, {}).get(n)),
        )
        for part in accuracies
        for pattern, line in part.means.items()
        for n, mean in line.items()
    ]
    headings = ("dataset", "networks", "pattern", "n", "test accuracy", "difference to n = 0")
    return [slim("Accuracy on clean test examples", headings, lines, f"{OVER_NETWORKS}, targets averaged")]


def answer(accuracies: list[Accuracies]) -> list[str]:
    """For each group, the accuracy without marks and the largest change."""
    sentences = []
    for part in accuracies:
        changes = {f"{name}, n = {n:,}": mean for name, line in part.changes.items() for n, mean in line.items()}
        words = f"{part.group.title}: {told(part.base, interval=True)} at n = {part.least:,}"
        if changes:
            largest = max(changes, key=lambda key: abs(changes[key].value))
            words += f"; the largest mean change among {len(changes)}: {changes[largest]:+.3f} ({largest})"
        sentences.append(f"{words}.")
    return sentences


def brief(accuracies: list[Accuracies]) -> str:
    """The largest change of all."""
    changes = [mean for part in accuracies for line in part.changes.values() for mean in line.values()]
    if not changes:
        return ""
    largest = max((mean.value for mean in changes), key=abs)
    return f"Of {len(changes)} mean changes of the accuracy on clean examples, the largest is {largest:+.3f}."


def figure(accuracies: list[Accuracies], about: About) -> Figure:
    """A panel for each dataset; by pattern, how far the accuracy at each n is from that of the same seed at n = 0."""
    panels = [(_title(part), part) for part in accuracies if part.means]
    if not panels:
        raise NotDrawnError("No accuracy has been measured.")
    looks = looks_of((part.means for _, part in panels), pattern_look)
    margin = (Patch(color=MARGIN), f"within {ACCURACY_MARGIN:g}: hardly a change (claim 3)")
    note = "A mark is the mean difference to the network of the same seed without marks"
    note += ", over the targets. " if about.targets > 1 else ". "
    if any(part.group.dataset in PAPER for _, part in panels):
        note += "Paper: lowest to highest accuracy of the networks of its Figure 2. "
    legend = [*mark_legend(looks, 5.0), margin]
    drawn = panelled(about, panels, 3.1, lambda axes, part: _draw(axes, part.changes, looks), legend, note=note)
    first, *others = drawn.axes
    for axes in others:
        axes.sharey(first)
    reach = max(max(map(abs, axes.get_ylim())) for axes in drawn.axes)
    first.set_ylim(-reach, reach)
    return describe(drawn, " ".join(_words(part) for _, part in panels))


def _title(part: Accuracies) -> str:
    title = f"{part.group.title}: {told(part.base, interval=True)} at n = {part.least}"
    if part.group.dataset in PAPER:
        title += " (paper: {min:.3f} to {max:.3f})".format(**PAPER[part.group.dataset])
    return title


def _draw(axes: Axes, lines: Lines, looks: Looks) -> None:
    axes.axhspan(-ACCURACY_MARGIN, ACCURACY_MARGIN, color=MARGIN, linewidth=0)
    axes.axhline(0, color="#777777", linewidth=0.8)
    draw_counts(axes, lines, looks, line="", markersize=4.5)
    ends = [end for line in lines.values() for mean in line.values() for end in (mean.value, *mean.each)]
    reach = 1.15 * max([ACCURACY_MARGIN, *(abs(end) for end in ends if math.isfinite(end))])
    axes.set_ylim(-reach, reach)
    axes.set_ylabel("change of the test accuracy")
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:+.3f}" if abs(y) > 1e-9 else "0"))
    axes.grid(axis="y", alpha=0.3, linewidth=0.7)


def _words(part: Accuracies) -> str:
    ends = [
        f"{pattern} {line[min(line)].value:.3f} at n = {min(line)}, {line[max(line)].value:.3f} at n = {max(line)}"
        for pattern, line in part.means.items()
    ]
    return f"{part.group.title}: mean test accuracy, {'; '.join(ends)}."


VIEW: View[list[Accuracies]] = View(
    "accuracy",
    "Does the mark cost accuracy on clean examples?",
    shape,
    figure,
    sheets,
    answer,
    ("accuracy",),
    brief=brief,
)
