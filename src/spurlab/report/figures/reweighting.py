"""Why reweighting the last layer helps or does not: what its weights see, and what comes of them at each setting."""

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from spurlab.prevention import title_of
from spurlab.report.figures.notes import panel_title, small_print
from spurlab.report.figures.repairs import COLOURS as ACCURACY_COLOURS
from spurlab.report.figures.repairs import KINDS, draw_lines, said
from spurlab.report.figures.style import axes_grid, describe, draw_estimates, look, sentence, share_axis, sheet
from spurlab.report.repaired import AS_TRAINED, Place, Repaired, at_shares, repairs_of
from spurlab.stats import Estimate
from spurlab.studies import StudyResult
from spurlab.studies.axes import PLAIN

SEEN = {"minority_weight": "of the training examples", "fresh_minority_weight": "of new examples"}
SOURCES = {"afr-train": "weights from training examples", "afr": "weights from a held-out part"}
LEVELS = {PLAIN: (AS_TRAINED, "--"), "dfr-plain": ("refit on clean examples (DFR)", ":")}
GREY = "#555555"
_MOST = 6  # curves along the share


def draw(result: StudyResult) -> Figure:
    """Four panels of curves, and one with the methods that look at the worst group.

    The weight on examples without the feature, and the worst group, along the share that has it; then, at the share
    with most methods, the worst group along AFR's gamma, a line for each penalty.
    """
    found = [each for each in repairs_of(result.rows) if each.place.share > 0]
    if not found:
        return sentence(result.study.title, "Nothing has been measured yet.")
    place = main_place(found)
    here = [each for each in found if each.place == place]
    swept = {base: mine for base in SOURCES if (mine := [each for each in here if _point(each, base) is not None])}
    others = [each for each in here if not any(each in mine for mine in swept.values())]
    where = f"{place.share:.0%} have it"
    titles = ["AFR's weight on examples without the feature", "The worst group"]
    titles += [f"AFR, {SOURCES[base]}, {where}" for base in swept]
    heights = [2.9] * math.ceil(len(titles) / 2) + [0.32 * len(others) + 0.9]
    legend = [
        (Line2D([], [], color=ACCURACY_COLOURS[kind], marker=marker, markersize=6, linestyle="none"), f"below: {title}")
        for kind, (title, marker) in KINDS.items()
    ]
    note = (
        f"{panel_title(place.group.dataset, place.group.label, place.feature)}. Above on the left: the dotted line is "
        "what unweighted examples would have. New examples: the test examples, with the feature on as many. "
    )
    figure, body = sheet(result.study.title, sum(heights), note + small_print(result), legend)
    parts: Any = body.subfigures(2, 1, height_ratios=(sum(heights[:-1]), heights[-1]))
    curves, bars = parts
    seen, along, *rest = axes_grid(curves, titles, 2)
    [below] = axes_grid(bars, [f"Other methods, {where}"], 1)
    words = [_weights(seen, found, place), _shares(along, found, place)]
    for axes, (base, mine) in zip(rest, swept.items(), strict=True):
        words.append(f"{SOURCES[base]}: " + _gammas(axes, mine, base, here))
    draw_lines(below, others)
    words += [f"{each.title} {said(each)}" for each in others]
    return describe(figure, f"At {place.share:.0%}: {'. '.join(words)}.")


def main_place(found: Sequence[Repaired]) -> Place:
    """Where most methods were tried; of several the first."""
    places = [each.place for each in found]
    return max(dict.fromkeys(places), key=places.count)


def _weights(axes: Axes, found: Sequence[Repaired], place: Place) -> str:
    """The weight on the minority, along the share that has the feature."""
    plain = {each.place.share: each for each in found if each.method == PLAIN and _alike(each.place, place)}
    at = sorted(plain)
    words = []
    for i, (measure, name) in enumerate(SEEN.items()):
        means = {share: plain[share].mean(measure) for share in at}
        draw_estimates(axes, [100 * share for share in at], list(means.values()), look(i), name)
        words.append(f"weight on examples without the feature, {name}: {at_shares(means)}")
    axes.plot([100 * share for share in at], [1 - share for share in at], ":", color=GREY, linewidth=1.2)
    share_axis(axes, "share of the weight")
    axes.set_xlabel("training examples that have the feature, %")
    axes.legend(loc="best")
    return "; ".join(words)


def _shares(axes: Axes, found: Sequence[Repaired], place: Place) -> str:
    """The worst group along the share, of the methods that were tried at each."""
    curves: dict[str, dict[float, Estimate]] = {}
    for each in found:
        if _alike(each.place, place):
            title = AS_TRAINED if each.method == PLAIN else title_of(each.method)
            curves.setdefault(title, {})[each.place.share] = each.mean("worst_group")
    most = max(len(curve) for curve in curves.values())
    kept = {title: curve for title, curve in curves.items() if len(curve) == most}
    words = []
    for i, (title, curve) in enumerate(list(kept.items())[:_MOST]):
        at = sorted(curve)
        draw_estimates(axes, [100 * share for share in at], [curve[share] for share in at], look(i), title)
        words.append(f"worst group, {title}: {at_shares(curve)}")
    share_axis(axes, "worst-group accuracy")
    axes.set_xlabel("training examples that have the feature, %")
    axes.legend(loc="best", fontsize=8)
    return "; ".join(words)


def _gammas(axes: Axes, mine: Sequence[Repaired], base: str, here: Sequence[Repaired]) -> str:
    """The worst group along gamma, a line for each penalty; what networks have without AFR lies across."""
    points = {_point(each, base): each.mean("worst_group") for each in mine}
    gammas, penalties = (sorted({point[i] for point in points if point is not None}) for i in range(2))
    words = []
    for i, penalty in enumerate(penalties):
        line = {gamma: points[gamma, penalty] for gamma in gammas if (gamma, penalty) in points}
        draw_estimates(axes, list(line), list(line.values()), look(i), f"\N{GREEK SMALL LETTER LAMDA} = {penalty:g}")
        words.append(f"penalty {penalty:g}: " + ", ".join(f"{each.value:.2f} at {g:g}" for g, each in line.items()))
    for method, (title, style) in LEVELS.items():
        for each in here:
            if each.method == method:
                axes.axhline(each.mean("worst_group").value, color=GREY, linestyle=style, linewidth=1.2, label=title)
    share_axis(axes, "worst-group accuracy")
    axes.set_xlabel("\N{GREEK SMALL LETTER GAMMA}, how much bad predictions count")
    axes.legend(loc="best", fontsize=8)
    return "worst group along gamma, " + "; ".join(words)


def _point(each: Repaired, base: str) -> tuple[float, float] | None:
    """Gamma and penalty of a method of this name, where it has these two settings alone and both are numbers."""
    name, *words = each.method.split()
    given = dict(word.split("=") for word in words)
    if name != base or given.keys() != {"gamma", "penalty"} or "none" in given.values():
        return None
    return float(given["gamma"]), float(given["penalty"])


def _alike(one: Place, other: Place) -> bool:
    """Whether only the share differs."""
    return (one.group.settings, one.feature, one.clean) == (other.group.settings, other.feature, other.clean)
