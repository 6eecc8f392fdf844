"""Which way to train learns marks more? Scores beside each other (Figures 3, 7 and 8 of arXiv:2202.05189)."""

from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spurlab.report.groups import DIFFERENCE, SHARE, Group, averaged, estimate, groups, paired
from spurlab.report.sheet import OVER_NETWORKS, Cell, Sheet, count_cell, mean_cell, slim, target_cell
from spurlab.report.style import at_counts, dodged, draw_counts, looks_of, mark_legend, panelled, share_axis
from spurlab.report.titles import dataset_title, panel_title, target_title
from spurlab.report.view import About, NotDrawnError, View
from spurlab.stats import Estimate
from spurlab.studies import StudyResult

Place = tuple[str, int, int]  # pattern, target and n
Scores = dict[int, list[float]]  # of each network, by n
Panel = dict[str, tuple[dict[int, Estimate], Scores]]  # by way to train; with their means
BESIDE = 0.7, 0.18  # room for all marks of one n, and the most between two
_MOST = 10  # networks that are shown one by one


@dataclass(frozen=True)
class Way:
    """One way to train on one dataset.

    Args:
        group: its networks.
        scores: by pattern and target, the score of each network at each n; those that diverged are left out.
        means: of the score over networks.
        changes: how much more that is than with the first way on this dataset, paired by seed; empty for the first.
        mean: over patterns, targets and n > 0.
    """

    group: Group
    scores: dict[tuple[str, int], Scores]
    means: dict[Place, Estimate]
    changes: dict[Place, Estimate]
    mean: Estimate


def shape(result: StudyResult) -> list[Way]:
    ways, first = [], dict[str, pd.DataFrame]()
    for group in groups(result.rows[result.rows["measure"] == "spurious_score"]):
        columns = [group.rows[name] for name in ("pattern", "target", "n")]
        table = averaged(group.rows, ["pattern", "target", "n", "seed"]).unstack(["pattern", "target", "n"])
        base = first.setdefault(group.dataset, table)
        places = [(str(pattern), int(target), int(n)) for pattern, target, n in zip(*columns, strict=True)]
        means = {place: mean for place in dict.fromkeys(places) if (mean := estimate(table[place], SHARE)).models}
        others = [place for place in means if table is not base and place in base]
        changes = {place: paired(table[place], base[place], DIFFERENCE) for place in others}
        scores: dict[tuple[str, int], Scores] = {}
        for pattern, target, n in sorted(means):
            scores.setdefault((pattern, target), {})[n] = table[pattern, target, n].dropna().tolist()
        over_all = estimate(averaged(group.rows[group.rows["n"] > 0], ["seed"]), SHARE)
        ways.append(Way(group, scores, means, changes, over_all))
    return ways


def sheets(ways: list[Way]) -> list[Sheet]:
    """The score of each way, and how it differs from that of the first."""
    lines: list[tuple[Cell, ...]] = [
        (
            *(dataset_title(way.group.dataset), pattern, target_cell(way.group.dataset, target), count_cell(n)),
            *(way.group.label, mean_cell(mean), mean_cell(way.changes.get((pattern, target, n)))),
        )
        for way in ways
        for (pattern, target, n), mean in way.means.items()
    ]
    first = (ways[0].group.label if ways else "") or "the first"
    headings = ("dataset", "pattern", "target", "n", "networks", "spurious score", f"difference to {first}")
    return [slim("Scores compared", headings, lines, f"{OVER_NETWORKS}; differences are paired by seed")]


def answer(ways: list[Way]) -> list[str]:
    return [
        f"{way.group.title}: mean score {way.mean:.2f} over patterns, targets and n > 0; "
        f"{way.mean.models} seed{'' if way.mean.models == 1 else 's'}."
        for way in ways
        if way.mean.models
    ]


def figure(ways: list[Way], about: About) -> Figure:
    """A panel for each dataset, pattern and target; at each n a mark for each way to train."""
    panels: dict[tuple[str, str, int], Panel] = {}
    for way in ways:
        for (pattern, target), scores in way.scores.items():
            means = {n: way.means[pattern, target, n] for n in scores}
            panels.setdefault((way.group.dataset, pattern, target), {})[way.group.label] = means, scores
    if not panels:
        raise NotDrawnError("No spurious score has been measured.")
    looks = looks_of(panels.values())
    aside = {label: dodged(place, len(looks), *BESIDE) + 0.05 for place, label in enumerate(looks)}

    def draw(axes: Axes, panel: Panel) -> None:
        lines = {label: means for label, (means, _) in panel.items()}
        places = draw_counts(axes, lines, looks, *BESIDE, line="", markersize=6.0)
        for label, (_, line) in panel.items():
            for n, scores in line.items():
                if 1 < len(scores) <= _MOST:
                    at = [places[n] + aside[label]] * len(scores)
                    axes.plot(at, scores, ".", color=looks[label][0], markersize=3.5, alpha=0.6)
        share_axis(axes, "spurious score")

    note = "n = 0 is the control: networks that saw no mark. "
    if any(1 < len(scores) <= _MOST for way in ways for line in way.scores.values() for scores in line.values()):
        note += "Small dots: single networks. "
    several = len({target for _, _, target in panels}) > 1
    titled = [
        (panel_title(dataset, pattern, target_title(dataset, target) if several else ""), panel)
        for (dataset, pattern, target), panel in panels.items()
    ]
    legend = mark_legend({label or "all networks": mark for label, mark in looks.items()})
    return panelled(about, titled, 2.9, draw, legend, _words, "Mean spurious scores.", note)


def _words(panel: Panel) -> str:
    return "; ".join(f"{label} {at_counts(means)}".strip() for label, (means, _) in panel.items())


VIEW: View[list[Way]] = View(
    "bars", "Which way to train learns the marks more?", shape, figure, sheets, answer, ("spurious_score",)
)
