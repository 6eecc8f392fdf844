"""How much do networks rest on few pixels? Their certainty while pixels go (Figure 4 of arXiv:2202.05189)."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from spurlab.measures import PERCENTS
from spurlab.models import architecture_title
from spurlab.report.groups import SHARE, Mean, estimates, further, in_words
from spurlab.report.sheet import OVER_NETWORKS, Sheet, mean_cell, slim
from spurlab.report.style import look, looks_of, panelled, share_axis
from spurlab.report.titles import dataset_title
from spurlab.report.view import About, NotDrawnError, View
from spurlab.studies import StudyResult

SHOWN = (0, 20, 50, 80, 100)  # percent, in the table
STROKES = ("-", "--", "-.", ":")
Lines = dict[str, dict[int, Mean]]  # by network and percent


def shape(result: StudyResult) -> dict[str, Lines]:
    """By dataset, network and percent of pixels set to zero, the mean over networks."""
    rows = result.rows[result.rows["measure"].isin(list(PERCENTS))]
    extras = further(rows)
    panels: dict[str, Lines] = {}
    by = ["dataset", "architecture", *extras, "measure"]
    for (dataset, name, *values, measure), mean in estimates(rows, by, SHARE).items():
        network = ", ".join([architecture_title(str(name)), *in_words(dict(zip(extras, values, strict=True)))])
        panels.setdefault(dataset_title(str(dataset)), {}).setdefault(network, {})[PERCENTS[measure]] = mean
    return {
        title: {name: dict(sorted(line.items())) for name, line in lines.items()} for title, lines in panels.items()
    }


def sheets(panels: dict[str, Lines]) -> list[Sheet]:
    """The probability at some shares."""
    lines = [
        (title, name, *(mean_cell(line.get(percent)) for percent in SHOWN))
        for title, lines in panels.items()
        for name, line in lines.items()
    ]
    headings = ("dataset", "architecture", *(f"{percent} %" for percent in SHOWN))
    note = f"{OVER_NETWORKS}, with this share of the non-zero pixels set to zero"
    return [slim("Probability of the true class", headings, lines, note)]


def answer(panels: dict[str, Lines]) -> list[str]:
    """For each network, the probability with half of the pixels and with all."""
    return [
        f"{title}, {name}: {line[50].value:.3f} with half of the pixels, {line[0].value:.3f} with all."
        for title, lines in panels.items()
        for name, line in lines.items()
        if 0 in line and 50 in line
    ]


def brief(panels: dict[str, Lines]) -> str:
    """For each kind of network, how sure it is with half of the pixels."""
    words = "; ".join(
        f"{title}: {', '.join(f'{name} {line[50].value:.3f}' for name, line in lines.items() if 50 in line)}"
        for title, lines in panels.items()
    )
    return f"Probability of the true class with half of the pixels, {words}." if panels else ""


def figure(panels: dict[str, Lines], about: About) -> Figure:
    """A panel for each dataset, a line for each kind of network; thin: single ones."""
    if not panels:
        raise NotDrawnError("No sensitivity has been measured.")
    names = enumerate(looks_of(panels.values()))
    looks: dict[str, tuple[str, Any]] = {name: (look(place)[0], STROKES[place % 4]) for place, name in names}

    def draw(axes: Axes, lines: Lines) -> None:
        for name, line in lines.items():
            colour, stroke = looks[name]
            axes.plot(list(line), [mean.value for mean in line.values()], color=colour, linestyle=stroke, linewidth=1.8)
            [count, *others] = {mean.models for mean in line.values()}
            if count > 1 and not others:  # all shares are of the same networks
                axes.plot(list(line), [mean.each for mean in line.values()], color=colour, linewidth=0.6, alpha=0.35)
        share_axis(axes, "probability of the true class")
        axes.set_xlim(0, 100)
        axes.set_xlabel("share of non-zero pixels set to zero, %")

    note = "Mean over 500 training examples; pixels are chosen at random, those of a smaller share stay zero. "
    meaning = "Mean probability of the true class."
    legend = [(Line2D([], [], color=c, linestyle=stroke, linewidth=1.8), name) for name, (c, stroke) in looks.items()]
    return panelled(about, list(panels.items()), 3.4, draw, legend, _words, meaning, note)


def _words(lines: Lines) -> str:
    """The ends of each line and its middle."""
    return "; ".join(
        f"{name} " + ", ".join(f"{line[share].value:.3f} at {share} %" for share in (0, 50, 100) if share in line)
        for name, line in lines.items()
    )


NEEDED = ("sensitivity_000", "sensitivity_050", "sensitivity_100")
VIEW: View[dict[str, Lines]] = View(
    "sensitivity", "How much of the image is needed?", shape, figure, sheets, answer, NEEDED, brief=brief
)
