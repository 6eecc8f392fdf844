"""Which way to train learns marks more? Scores beside each other (Figures 3, 7 and 8 of arXiv:2202.05189)."""

from dataclasses import dataclass
from typing import cast

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spurlab.report.groups import DIFFERENCE, SHARE, Group, averaged, estimate, estimates, groups, paired, per_network
from spurlab.report.notes import About
from spurlab.report.sheet import OVER_NETWORKS, Cell, Sheet, count_cell, mean_cell, slim, target_cell
from spurlab.report.style import count_axis, describe, dodged, draw_estimates, look, mark_legend, panelled, share_axis
from spurlab.report.titles import dataset_title, panel_title, target_title
from spurlab.report.view import NotDrawnError, View
from spurlab.stats import Estimate
from spurlab.studies import StudyResult

Bars = dict[str, dict[int, list[float]]]  # by way to train and n, the score of each network
Place = tuple[str, int, int]  # pattern, target and n
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
    scores: dict[tuple[str, int], dict[int, list[float]]]
    means: dict[Place, Estimate]
    changes: dict[Place, Estimate]
    mean: Estimate


def shape(result: StudyResult) -> list[Way]:
    """The scores of each way to train."""
    ways, first = [], dict[str, Group]()
    for group in groups(result.rows[result.rows["measure"] == "spurious_score"]):
        base = first.setdefault(group.dataset, group)
        means, changes = dict[Place, Estimate](), dict[Place, Estimate]()
        for (pattern, target, n), mean in estimates(group.rows, ["pattern", "target", "n"], SHARE).items():
            place = {"pattern": pattern, "target": target, "n": n}
            means[str(pattern), int(target), int(n)] = mean
            if group is not base:
                one, other = (per_network(part.rows, "spurious_score", **place) for part in (group, base))
                changes[str(pattern), int(target), int(n)] = paired(one, other, DIFFERENCE)
        over_all = estimate(averaged(group.rows[group.rows["n"] > 0], ["seed"]), SHARE)
        ways.append(Way(group, scores_of(group), means, changes, over_all))
    return ways


def scores_of(group: Group) -> dict[tuple[str, int], dict[int, list[float]]]:
    """By pattern and target, the score of each network at each n; those that diverged are left out."""
    table: dict[tuple[str, int], dict[int, list[float]]] = {}
    per_seed = averaged(group.rows, ["pattern", "target", "n", "seed"]).dropna()
    for key, scores in per_seed.groupby(["pattern", "target", "n"]):
        pattern, target, n = cast("tuple[str, int, int]", key)
        table.setdefault((pattern, int(target)), {})[int(n)] = scores.tolist()
    return table


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
    """The mean score of each way to train."""
    return [
        f"{way.group.title}: mean score {way.mean:.2f} over patterns, targets and n > 0; "
        f"{way.mean.models} seed{'' if way.mean.models == 1 else 's'}."
        for way in ways
        if way.mean.models
    ]


def figure(ways: list[Way], about: About) -> Figure:
    """A panel for each dataset, pattern and target; at each n a mark for each way to train."""
    panels: dict[tuple[str, str, int], Bars] = {}
    for way in ways:
        for (pattern, target), line in way.scores.items():
            panels.setdefault((way.group.dataset, pattern, target), {})[way.group.label] = line
    if not panels:
        raise NotDrawnError("No spurious score has been measured.")
    labels = list(dict.fromkeys(label for panel in panels.values() for label in panel))
    looks = {label: look(place) for place, label in enumerate(labels)}

    def draw(axes: Axes, panel: Bars) -> None:
        places = count_axis(axes, sorted({n for line in panel.values() for n in line}))
        for label, line in panel.items():
            at = [places[n] + dodged(labels.index(label), len(labels), 0.7, 0.18) for n in line]
            draw_estimates(axes, at, [_mean(line[n]) for n in line], looks[label], label, line="", markersize=6.0)
            for place, scores in zip(at, line.values(), strict=True):
                if 1 < len(scores) <= _MOST:
                    beside = [place + 0.05] * len(scores)
                    axes.plot(beside, scores, ".", color=looks[label][0], markersize=3.5, alpha=0.6)
        share_axis(axes, "spurious score")

    note = "n = 0 is the control: networks that saw no mark. "
    cells = [scores for panel in panels.values() for line in panel.values() for scores in line.values()]
    if any(1 < len(scores) <= _MOST for scores in cells):
        note += "Small dots: single networks. "
    several = len({target for _, _, target in panels}) > 1
    titled = [
        (panel_title(dataset, pattern, target_title(dataset, target) if several else ""), panel)
        for (dataset, pattern, target), panel in panels.items()
    ]
    legend = mark_legend({label or "all networks": mark for label, mark in looks.items()})
    drawn, _ = panelled(about.title, titled, 2.9, draw, note + about.note, legend)
    words = [f"{name}: " + "; ".join(_words(label, line) for label, line in panel.items()) for name, panel in titled]
    return describe(drawn, f"Mean spurious scores. {'. '.join(words)}.")


def _mean(scores: list[float]) -> Estimate:
    return Estimate.across_models(torch.tensor(scores, dtype=torch.float64), SHARE)


def _words(label: str, line: dict[int, list[float]]) -> str:
    numbers = ", ".join(f"{sum(scores) / len(scores):.2f} at n = {n}" for n, scores in line.items())
    return f"{label} {numbers}".strip()


VIEW = View("bars", "Which way to train learns the marks more?", shape, figure, sheets, answer, ("spurious_score",))
