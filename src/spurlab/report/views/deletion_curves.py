"""How much of a mark is left after deletion, whatever n was (Figure 6 of arXiv:2202.05189)?"""

from dataclasses import replace

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spurlab.report.groups import Mean
from spurlab.report.style import at_counts, draw_counts, look, looks_of, mark_legend, panelled, share_axis
from spurlab.report.treated import Deleted
from spurlab.report.view import About, NotDrawnError, View
from spurlab.report.views import deletion
from spurlab.report.views.deletion import BEFORE, GREY, ORACLE, panel_of

Lines = dict[str, dict[int, Mean]]  # by method and n, the score that is left


def figure(methods: list[Deleted], about: About) -> Figure:
    """A panel for each dataset, pattern and share that is known; at each n a mark for each method."""
    if not methods:
        raise NotDrawnError("Nothing has been deleted yet.")
    panels: dict[str, Lines] = {}
    for deleted in methods:
        lines = panels.setdefault(panel_of(deleted.case, methods, with_n=False), {BEFORE: {}, ORACLE: {}})
        n = deleted.case.n
        lines[BEFORE][n], lines[ORACLE][n] = deleted.score_before, deleted.score_of_oracles
        lines.setdefault(deleted.title, {})[n] = deleted.score
    looks = looks_of(panels.values(), _look)

    def draw(axes: Axes, lines: Lines) -> None:
        draw_counts(axes, lines, looks, 0.7, 0.12, hollow=(BEFORE, ORACLE), line="")
        share_axis(axes, "spurious score")

    def words(lines: Lines) -> str:
        return "; ".join(f"{way} {at_counts(line)}" for way, line in lines.items())

    legend = mark_legend(looks, hollow=(BEFORE, ORACLE))
    return panelled(about, list(panels.items()), 3.2, draw, legend, words, "Mean spurious scores.")


def _look(way: str, place: int) -> tuple[str, str]:
    return {BEFORE: ("#000000", "o"), ORACLE: (GREY, "o")}.get(way, look(place - 2))


# the same numbers in another figure, of which a part for one case would say nothing
VIEW: View[list[Deleted]] = replace(
    deletion.VIEW,
    name="deletion-curves",
    title="How much of the mark is left, whatever n was?",
    figure=figure,
    glance=None,
)
