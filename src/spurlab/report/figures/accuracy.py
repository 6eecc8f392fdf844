"""Accuracy on clean test images against the number of marked examples (section 3.3 of arXiv:2202.05189)."""

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from spurlab.claims.accuracy import PUBLISHED
from spurlab.claims.judge import ACCURACY_MARGIN
from spurlab.report.figures.notes import panel_title, small_print
from spurlab.report.figures.style import (
    axes_grid,
    count_axis,
    describe,
    dodged,
    draw_estimates,
    outer_labels,
    pattern_look,
    sentence,
    sheet,
)
from spurlab.report.summary import DIFFERENCE, SHARE, Group, averaged, estimate, estimates, groups
from spurlab.stats import Estimate
from spurlab.studies import StudyResult

MARGIN = "#DCE6EF"


def draw(result: StudyResult) -> Figure:
    """A panel for each dataset; by pattern, how far the accuracy at each n is from that of the same seed at n = 0.

    The networks of one seed start alike and see the same batches, so their difference says more than two means do.
    """
    panels = [
        (group, lines)
        for group in groups(result.rows[result.rows["measure"] == "accuracy"])
        if (lines := accuracies(group))
    ]
    title = result.study.title
    if not panels:
        return sentence(title, "No accuracy has been measured.")
    patterns = list(dict.fromkeys(pattern for _, lines in panels for pattern in lines))
    looks = {pattern: pattern_look(pattern, place) for place, pattern in enumerate(patterns)}
    legend: list[tuple[Line2D | Patch, str]] = [
        (Line2D([], [], color=colour, marker=marker, markersize=5, linestyle="none"), pattern)
        for pattern, (colour, marker) in looks.items()
    ]
    legend.append((Patch(color=MARGIN), f"within {ACCURACY_MARGIN:g}: hardly a change (claim 3)"))
    columns = min(2, len(panels))
    note = "A mark is the mean difference to the network of the same seed without marks"
    note += ", over the targets. " if result.rows["target"].nunique() > 1 else ". "
    if any(group.dataset in PUBLISHED for group, _ in panels):
        note += "Paper: lowest to highest accuracy of the networks of its Figure 2. "
    figure, body = sheet(title, 3.1 * -(-len(panels) // columns), note + small_print(result), legend)
    grid = axes_grid(body, [_title(group) for group, _ in panels], columns)
    for axes, (group, _) in zip(grid, panels, strict=True):
        _draw(axes, changes(group), looks)
    for axes in grid[1:]:
        axes.sharey(grid[0])
    reach = max(max(map(abs, axes.get_ylim())) for axes in grid)
    grid[0].set_ylim(-reach, reach)
    outer_labels(grid, columns)
    return describe(figure, " ".join(_words(group, lines) for group, lines in panels))


def accuracies(group: Group) -> dict[str, dict[int, Estimate]]:
    """By pattern and n, the accuracy over networks."""
    table: dict[str, dict[int, Estimate]] = {}
    for (pattern, n), mean in estimates(group.rows, ["pattern", "n"], SHARE).items():
        table.setdefault(str(pattern), {})[int(n)] = mean
    return table


def base(group: Group) -> tuple[int, Estimate]:
    """The smallest n, which should be 0, and the accuracy there."""
    least = int(group.rows["n"].min())
    return least, estimate(averaged(group.rows[group.rows["n"] == least], ["seed"]), SHARE)


def changes(group: Group) -> dict[str, dict[int, Estimate]]:
    """By pattern and n, the accuracy less that of the same seed and pattern at the smallest n."""
    least, _ = base(group)
    found: dict[str, dict[int, Estimate]] = {}
    for pattern, rows in group.rows.groupby("pattern", sort=False):
        table = averaged(rows, ["n", "seed"]).unstack("n")
        for n in sorted(set(table.columns) - {least}) if least in table else ():
            change = estimate(table[n] - table[least], DIFFERENCE)
            if change.models:
                found.setdefault(str(pattern), {})[int(n)] = change
    return found


def _title(group: Group) -> str:
    n, mean = base(group)
    title = f"{panel_title(group.dataset, group.label)}: {mean:.3f} at n = {n}"
    if group.dataset in PUBLISHED:
        low, high, _, _ = PUBLISHED[group.dataset]
        title += f" (paper: {low:.3f} to {high:.3f})"
    return title


def _draw(axes: Axes, lines: dict[str, dict[int, Estimate]], looks: dict[str, tuple[str, str]]) -> None:
    places = count_axis(axes, sorted({n for line in lines.values() for n in line}))
    axes.axhspan(-ACCURACY_MARGIN, ACCURACY_MARGIN, color=MARGIN, linewidth=0)
    axes.axhline(0, color="#777777", linewidth=0.8)
    names = list(looks)
    for pattern, line in lines.items():
        at = [places[n] + dodged(names.index(pattern), len(names)) for n in line]
        draw_estimates(axes, at, list(line.values()), looks[pattern], pattern, line="", markersize=4.5)
    ends = [end for line in lines.values() for e in line.values() for end in (e.low, e.high, e.value)]
    reach = 1.15 * max([ACCURACY_MARGIN, *(abs(end) for end in ends if math.isfinite(end))])
    axes.set_ylim(-reach, reach)
    axes.set_ylabel("change of the test accuracy")
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:+.3f}" if abs(y) > 1e-9 else "0"))
    axes.grid(axis="y", alpha=0.3, linewidth=0.7)


def _words(group: Group, lines: dict[str, dict[int, Estimate]]) -> str:
    ends = [
        f"{pattern} {line[min(line)].value:.3f} at n = {min(line)}, {line[max(line)].value:.3f} at n = {max(line)}"
        for pattern, line in lines.items()
    ]
    return f"{panel_title(group.dataset, group.label)}: mean test accuracy, {'; '.join(ends)}."
