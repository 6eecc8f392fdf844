"""The probability of the true class while more and more pixels are set to zero (Figure 4 of arXiv:2202.05189)."""

from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from spurlab.models import architecture_title
from spurlab.report.figures.notes import panel_title, small_print
from spurlab.report.figures.style import axes_grid, describe, look, outer_labels, sentence, share_axis, sheet
from spurlab.report.summary import SHARE, estimates
from spurlab.stats import Estimate
from spurlab.studies import StudyResult
from spurlab.studies.measures import SENSITIVITY

STROKES: tuple[Literal["-", "--", "-.", ":"], ...] = ("-", "--", "-.", ":")
Lines = dict[str, dict[int, Estimate]]  # by architecture and percent


def draw(result: StudyResult) -> Figure:
    """A panel for each dataset, a line with its band for each architecture."""
    panels = sensitivities(result)
    title = result.study.title
    if not panels:
        return sentence(title, "No sensitivity has been measured.")
    names = list(dict.fromkeys(name for lines in panels.values() for name in lines))
    looks = {name: look(place)[0] for place, name in enumerate(names)}
    legend = [
        (Line2D([], [], color=looks[name], linestyle=STROKES[i % 4], linewidth=1.8), architecture_title(name))
        for i, name in enumerate(names)
    ]
    columns = min(2, len(panels))
    note = "Mean over 500 training examples; pixels are chosen at random, those of a smaller share stay zero. "
    figure, body = sheet(title, 3.4 * -(-len(panels) // columns), note + small_print(result), legend)
    grid = axes_grid(body, [panel_title(dataset) for dataset in panels], columns)
    for axes, lines in zip(grid, panels.values(), strict=True):
        for name, line in lines.items():
            _draw(axes, line, looks[name], STROKES[names.index(name) % 4])
        share_axis(axes, "probability of the true class")
        axes.set_xlim(0, 100)
        axes.set_xlabel("share of non-zero pixels set to zero, %")
    outer_labels(grid, columns)
    words = [
        f"{panel_title(dataset)}: "
        + "; ".join(f"{architecture_title(name)} {said(line)}" for name, line in lines.items())
        for dataset, lines in panels.items()
    ]
    return describe(figure, f"Mean probability of the true class. {'. '.join(words)}.")


def sensitivities(result: StudyResult) -> dict[str, Lines]:
    """By dataset, architecture and percent of pixels set to zero, the mean over networks."""
    rows = result.rows[result.rows["measure"].isin(list(SENSITIVITY))]
    found: dict[str, Lines] = {}
    for (dataset, name, measure), mean in estimates(rows, ["dataset", "architecture", "measure"], SHARE).items():
        found.setdefault(str(dataset), {}).setdefault(str(name), {})[SENSITIVITY[measure]] = mean
    return {
        dataset: {name: dict(sorted(line.items())) for name, line in lines.items()} for dataset, lines in found.items()
    }


def said(line: dict[int, Estimate]) -> str:
    """The ends of a line and its middle, in words."""
    return ", ".join(f"{line[percent].value:.2f} at {percent} %" for percent in (0, 50, 100) if percent in line)


def _draw(axes: Axes, line: dict[int, Estimate], colour: str, stroke: Literal["-", "--", "-.", ":"]) -> None:
    at = list(line)
    axes.plot(at, [line[percent].value for percent in at], color=colour, linestyle=stroke, linewidth=1.8)
    low, high = ([getattr(line[percent], end) for percent in at] for end in ("low", "high"))
    axes.fill_between(at, low, high, color=colour, alpha=0.18, linewidth=0)
