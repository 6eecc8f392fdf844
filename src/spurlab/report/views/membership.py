"""Are marked examples easier to tell? The accuracies of the paper's attack, as its public code counts and right."""

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spurlab.report.groups import SHARE, Mean, estimate, groups
from spurlab.report.sheet import OVER_NETWORKS, Sheet, count_cell, mean_cell, slim
from spurlab.report.style import at_counts, draw_counts, looks_of, mark_legend, panelled, share_axis
from spurlab.report.view import About, NotDrawnError, View
from spurlab.studies import StudyResult

MARKED, ALL = "marked examples", "all examples"
WAYS = {
    "as the paper's code counts": {MARKED: "code_marked_accuracy", ALL: "code_accuracy"},
    "right": {MARKED: "attack_marked_accuracy", ALL: "attack_accuracy"},
}
Lines = dict[str, Mapping[int, Mean]]  # by which examples, and n


def shape(result: StudyResult) -> dict[str, Lines]:
    """By settings, pattern and target, and by the way to count, the mean over attacked networks."""
    rows = result.rows[result.rows["measure"].isin([name for way in WAYS.values() for name in way.values()])]
    return {
        f"{group.title}, {pattern}, target {target}: {words}": {
            which: _along(part[part["measure"] == measure].groupby("n"), measure) for which, measure in way.items()
        }
        for group in groups(rows)
        for (pattern, target), part in group.rows.groupby(["pattern", "target"], sort=False)
        for words, way in WAYS.items()
    }


def _along(cells: Any, measure: str) -> dict[int, Mean]:
    means = {int(n): estimate(part.set_index("seed")["value"], SHARE, measure) for n, part in cells}
    return {n: mean for n, mean in means.items() if mean.models}


def sheets(panels: dict[str, Lines]) -> list[Sheet]:
    lines = [
        (title, count_cell(n), mean_cell(panel[MARKED].get(n)), mean_cell(panel[ALL].get(n)))
        for title, panel in panels.items()
        for n in panel[ALL]
    ]
    return [slim("Accuracy of the paper's attack", ("counted", "n", MARKED, ALL), lines, OVER_NETWORKS)]


def answer(panels: dict[str, Lines]) -> list[str]:
    return [f"{title}: {_words(panel)}." for title, panel in panels.items()]


def figure(panels: dict[str, Lines], about: About) -> Figure:
    """A panel for each way to count."""
    if not any(line for panel in panels.values() for line in panel.values()):
        raise NotDrawnError("The paper's attack was not measured: `sorted-logits` with `attack_accuracies`.")
    looks = looks_of(panels.values())
    note = (
        "As the paper's code counts, marked examples are members alone, and non-members have the members' logits. "
        "Right: half of the marked examples, as of all, are non-members; 0.5 is guessing. "
    )

    def draw(axes: Axes, panel: Lines) -> None:
        draw_counts(axes, panel, looks)
        axes.axhline(0.5, color="#888888", linestyle="--", linewidth=0.8)
        share_axis(axes, "accuracy")

    return panelled(
        about, list(panels.items()), 3.2, draw, mark_legend(looks, line="-"), _words, "Mean accuracy.", note
    )


def _words(panel: Lines) -> str:
    return "; ".join(f"{which} {at_counts(line)}" for which, line in panel.items())


VIEW: View[dict[str, Lines]] = View(
    "membership",
    "Are marked examples easier to tell from others?",
    shape,
    figure,
    sheets,
    answer,
    tuple(name for way in WAYS.values() for name in way.values()),
)
