"""Which way to train learns marks more? Scores beside each other (Figures 3, 7 and 8 of arXiv:2202.05189)."""

from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spurlab.report.groups import DIFFERENCE, SHARE, Group, Mean, averaged, estimate, groups, higher, paired
from spurlab.report.sheet import OVER_NETWORKS, Cell, Sheet, count_cell, mean_cell, slim, target_cell
from spurlab.report.style import at_counts, draw_counts, looks_of, mark_legend, panelled, share_axis
from spurlab.report.titles import dataset_title, panel_title, target_title
from spurlab.report.view import About, NotDrawnError, View
from spurlab.stats import Share
from spurlab.studies import StudyResult

Place = tuple[str, int, int]  # pattern, target and n
Panel = dict[str, dict[int, Mean]]  # by way to train and n
BESIDE = 0.7, 0.18  # room for all marks of one n, and the most between two


@dataclass(frozen=True)
class Way:
    """One way to train on one dataset.

    Args:
        group: its networks.
        means: of the score over networks; those that diverged are left out.
        changes: how much more that is than with the first way on this dataset, paired by seed; empty for the first.
        mean: over patterns, targets and n > 0.
        lower: in how many seeds that mean is lower than with the first way, of those that both have; None: the first.
    """

    group: Group
    means: dict[Place, Mean]
    changes: dict[Place, Mean]
    mean: Mean
    lower: Share | None


def shape(result: StudyResult) -> list[Way]:
    ways, first, means_of = [], dict[str, pd.DataFrame](), dict[str, "pd.Series[float]"]()
    for group in groups(result.rows[result.rows["measure"] == "spurious_score"]):
        columns = [group.rows[name] for name in ("pattern", "target", "n")]
        table = averaged(group.rows, ["pattern", "target", "n", "seed"]).unstack(["pattern", "target", "n"])
        base = first.setdefault(group.dataset, table)
        places = [(str(pattern), int(target), int(n)) for pattern, target, n in zip(*columns, strict=True)]
        means = {place: mean for place in dict.fromkeys(places) if (mean := estimate(table[place], SHARE)).models}
        others = [place for place in means if table is not base and place in base]
        changes = {place: paired(table[place], base[place], DIFFERENCE) for place in others}
        by_seed = averaged(group.rows[group.rows["n"] > 0], ["seed"])
        of_first = means_of.setdefault(group.dataset, by_seed)
        lower = None if by_seed is of_first else higher(of_first, by_seed)
        ways.append(Way(group, means, changes, estimate(by_seed, SHARE), lower))
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
    others = [way for way in ways if way.lower is not None]
    pairs = sorted({way.changes[place].models if place in way.changes else 0 for way in others for place in way.means})
    note = "; differences are paired by seed"
    if pairs == [0]:
        note = "; no seed is in both, so that there is no difference"
    elif pairs != sorted({mean.models for way in others for mean in way.means.values()}):
        note += f", over those that both have: {' or '.join(map(str, pairs))}"
    return [slim("Scores compared", headings, lines, f"{OVER_NETWORKS}{note}")]


def answer(ways: list[Way]) -> list[str]:
    return [
        f"{way.group.title}: mean score {way.mean.value:.3f} over patterns, targets and n > 0; "
        f"{way.mean.models} seed{'' if way.mean.models == 1 else 's'}."
        for way in ways
        if way.mean.models
    ]


def brief(ways: list[Way]) -> str:
    """For each data set the mean score of each way, and in how many seeds it is lower than that of the first."""
    places: dict[str, list[str]] = {}
    for way in ways:
        if way.mean.models:
            label = f"{way.group.label} {way.mean.value:.3f}".strip()
            if way.lower is not None:
                seeds = f"lower in {way.lower.count} of {way.lower.models} seeds"
                label += f" ({seeds if way.lower.models else 'no seed in common'})"
            places.setdefault(dataset_title(way.group.dataset), []).append(label)
    words = "; ".join(f"{place}: {', '.join(labels)}" for place, labels in places.items())
    return f"Mean score over patterns and n > 0, {words}." if places else ""


def figure(ways: list[Way], about: About) -> Figure:
    """A panel for each dataset, pattern and target; at each n a mark for each way to train."""
    panels: dict[tuple[str, str, int], Panel] = {}
    for way in ways:
        for (pattern, target, n), mean in sorted(way.means.items()):
            lines = panels.setdefault((way.group.dataset, pattern, target), {})
            lines.setdefault(way.group.label, {})[n] = mean
    if not panels:
        raise NotDrawnError("No spurious score has been measured.")
    looks = looks_of(panels.values())

    def draw(axes: Axes, panel: Panel) -> None:
        draw_counts(axes, panel, looks, *BESIDE, line="", markersize=6.0)
        share_axis(axes, "spurious score")

    note = "n = 0 is the control: networks that saw no mark. "
    several = len({target for _, _, target in panels}) > 1
    titled = [
        (panel_title(dataset, pattern, target_title(dataset, target) if several else ""), panel)
        for (dataset, pattern, target), panel in panels.items()
    ]
    legend = mark_legend({label or "all networks": mark for label, mark in looks.items()})
    return panelled(about, titled, 2.9, draw, legend, _words, "Mean spurious scores.", note)


def _words(panel: Panel) -> str:
    return "; ".join(f"{label} {at_counts(means)}".strip() for label, means in panel.items())


VIEW: View[list[Way]] = View(
    "bars",
    "Which way to train learns the marks more?",
    shape,
    figure,
    sheets,
    answer,
    ("spurious_score",),
    brief=brief,
)
