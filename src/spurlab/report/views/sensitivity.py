"""How much do networks rest on few pixels? Their certainty while pixels go (Figure 4 of arXiv:2202.05189)."""

from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from spurlab.models import architecture_title
from spurlab.report.groups import SHARE, estimates
from spurlab.report.notes import About
from spurlab.report.sheet import OVER_NETWORKS, Sheet, mean_cell, slim
from spurlab.report.style import describe, look, panelled, share_axis
from spurlab.report.titles import dataset_title
from spurlab.report.view import NotDrawnError, View
from spurlab.stats import Estimate
from spurlab.studies import StudyResult
from spurlab.studies.measures import SENSITIVITY

SHOWN = (0, 20, 50, 80, 100)  # percent, in the table
Stroke = Literal["-", "--", "-.", ":"]
STROKES: tuple[Stroke, ...] = ("-", "--", "-.", ":")
Lines = dict[str, dict[int, Estimate]]  # by architecture and percent


def shape(result: StudyResult) -> dict[str, Lines]:
    """By dataset, architecture and percent of pixels set to zero, the mean over networks."""
    rows = result.rows[result.rows["measure"].isin(list(SENSITIVITY))]
    panels: dict[str, Lines] = {}
    for (dataset, name, measure), mean in estimates(rows, ["dataset", "architecture", "measure"], SHARE).items():
        panels.setdefault(str(dataset), {}).setdefault(str(name), {})[SENSITIVITY[measure]] = mean
    return {
        dataset: {name: dict(sorted(line.items())) for name, line in lines.items()} for dataset, lines in panels.items()
    }


def sheets(panels: dict[str, Lines]) -> list[Sheet]:
    """The probability at some shares."""
    lines = [
        (dataset_title(dataset), architecture_title(name), *(mean_cell(line.get(percent)) for percent in SHOWN))
        for dataset, lines in panels.items()
        for name, line in lines.items()
    ]
    headings = ("dataset", "architecture", *(f"{percent} %" for percent in SHOWN))
    note = f"{OVER_NETWORKS}, with this share of the non-zero pixels set to zero"
    return [slim("Probability of the true class", headings, lines, note)]


def answer(panels: dict[str, Lines]) -> list[str]:
    """For each architecture, the probability with half of the pixels and with all."""
    return [
        f"{dataset_title(dataset)}, {architecture_title(name)}: {line[50]:.2f} with half of the pixels, "
        f"{line[0]:.2f} with all."
        for dataset, lines in panels.items()
        for name, line in lines.items()
        if 0 in line and 50 in line
    ]


def figure(panels: dict[str, Lines], about: About) -> Figure:
    """A panel for each dataset, a line with its band for each architecture."""
    if not panels:
        raise NotDrawnError("No sensitivity has been measured.")
    names = list(dict.fromkeys(name for lines in panels.values() for name in lines))
    looks = {name: (look(place)[0], STROKES[place % 4]) for place, name in enumerate(names)}
    legend = [
        (Line2D([], [], color=colour, linestyle=stroke, linewidth=1.8), architecture_title(name))
        for name, (colour, stroke) in looks.items()
    ]

    def draw(axes: Axes, lines: Lines) -> None:
        for name, line in lines.items():
            _draw(axes, line, *looks[name])
        share_axis(axes, "probability of the true class")
        axes.set_xlim(0, 100)
        axes.set_xlabel("share of non-zero pixels set to zero, %")

    note = "Mean over 500 training examples; pixels are chosen at random, those of a smaller share stay zero. "
    titled = [(dataset_title(dataset), lines) for dataset, lines in panels.items()]
    drawn, _ = panelled(about.title, titled, 3.4, draw, note + about.note, legend)
    words = [
        f"{title}: " + "; ".join(f"{architecture_title(name)} {_words(line)}" for name, line in lines.items())
        for title, lines in titled
    ]
    return describe(drawn, f"Mean probability of the true class. {'. '.join(words)}.")


def _words(line: dict[int, Estimate]) -> str:
    """The ends of a line and its middle, in words."""
    return ", ".join(f"{line[percent].value:.2f} at {percent} %" for percent in (0, 50, 100) if percent in line)


def _draw(axes: Axes, line: dict[int, Estimate], colour: str, stroke: Stroke) -> None:
    at = list(line)
    axes.plot(at, [line[percent].value for percent in at], color=colour, linestyle=stroke, linewidth=1.8)
    low, high = ([getattr(line[percent], end) for percent in at] for end in ("low", "high"))
    axes.fill_between(at, low, high, color=colour, alpha=0.18, linewidth=0)


VIEW = View(
    "sensitivity",
    "How much of the image is needed?",
    shape,
    figure,
    sheets,
    answer,
    ("sensitivity_000", "sensitivity_050", "sensitivity_100"),
)
