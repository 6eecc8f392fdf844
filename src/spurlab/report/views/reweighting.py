"""Why does reweighting the last layer help or not? What its weights see, and what comes of them at each setting."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spurlab.prevention import title_of
from spurlab.report.groups import told
from spurlab.report.sheet import OVER_NETWORKS, Sheet, mean_cell, share_cell, short
from spurlab.report.style import axes_grid, blank, describe, draw_means, look, mark_legend, share_axis
from spurlab.report.titles import panel_title
from spurlab.report.treated import AS_TRAINED, Place, Repaired
from spurlab.report.view import About, NotDrawnError, View
from spurlab.report.views import repairs as of_methods
from spurlab.report.views.repairs import LOOKS, Line, at_shares, best, draw_along, draw_lines, shape
from spurlab.studies.axes import PLAIN

SEEN = {"minority_weight": "of the training examples", "fresh_minority_weight": "of new examples"}
SOURCES = {"afr-train": "weights from training examples", "afr": "weights from a held-out part"}
LEVELS = {PLAIN: (AS_TRAINED, "--"), "dfr-plain": ("refit on clean examples (DFR)", ":")}
GREY = "#555555"
_MOST = 6  # curves along the share


def sheets(repairs: list[Repaired]) -> list[Sheet]:
    """What AFR's weights are made of, in front of what comes of them."""
    measures = [
        *("minority_weight", "true_probability_001", "true_probability_01", "true_probability_10"),
        *("fresh_minority_weight", "fresh_probability_001", "fresh_probability_01", "fresh_probability_10"),
    ]
    lines = [
        (place.feature, share_cell(place.share), *(mean_cell(repaired.mean(name)) for name in measures))
        for repaired in repairs
        for place in [repaired.place]
        if repaired.method == PLAIN and place.share > 0
    ]
    headings = [f"{what}, {where}" for where in ("training", "new") for what in ("weight", "p .1 %", "p 1 %", "p 10 %")]
    note = (
        f"{OVER_NETWORKS} as they were trained; weight: the part of AFR's weights (gamma = 4) that "
        "falls on examples without the feature; p: quantiles of the probability of the true class, of the training "
        "examples and of new ones, which are the test examples with the feature on as many"
    )
    seen = short("What reweighting sees", ("feature", "have it", *headings), lines, note)
    return [seen, *of_methods.sheets(repairs)]


def figure(repairs: list[Repaired], about: About) -> Figure:
    """Four panels of curves, and one with the methods that look at the worst group.

    The weight on examples without the feature, and the worst group, along the share that has it; then, at the share
    with most methods, the worst group along AFR's gamma, a line for each penalty.
    """
    repairs = [repaired for repaired in repairs if repaired.place.share > 0]
    if not repairs:
        raise NotDrawnError("Nothing has been measured yet.")
    place = main_place(repairs)
    here = [repaired for repaired in repairs if repaired.place == place]
    swept = {
        base: alike
        for base in SOURCES
        if (alike := [repaired for repaired in here if _point(repaired, base) is not None])
    }
    others = [repaired for repaired in here if not any(repaired in alike for alike in swept.values())]
    where = f"{place.share:.0%} have it"
    titles = ["AFR's weight on examples without the feature", "The worst group"]
    titles += [f"AFR, {SOURCES[base]}, {where}" for base in swept]
    heights = [3.6] * math.ceil(len(titles) / 2) + [0.32 * len(others) + 1.2]
    note = (
        f"{panel_title(place.group.dataset, place.group.label, place.feature)}. New examples: the test examples, with "
        "the feature on as many. "
    )
    drawn, body = blank(about.title, sum(heights), note + about.note)
    parts: Any = body.subfigures(2, 1, height_ratios=(sum(heights[:-1]), heights[-1]))
    curves, bars = parts
    first, *below_it = curves.subfigures(math.ceil(len(titles) / 2), 1, squeeze=False)[:, 0]
    seen, along = axes_grid(first, titles[:2], 2)
    rest = axes_grid(below_it[0], titles[2:], 2) if below_it else []
    [below] = axes_grid(bars, [f"Other methods, {where}"], 1)
    words = [_weights(seen, repairs, place), _shares(along, repairs, place)]
    for axes, (base, alike) in zip(rest, swept.items(), strict=True):
        words.append(f"{SOURCES[base]}: " + _gammas(axes, alike, base, here))
    draw_lines(below, others, [repaired.title for repaired in others])
    for axes in (seen, along):
        _key(axes, axes.get_legend_handles_labels())
    for axes in rest:
        _key(axes, axes.get_legend_handles_labels(), 2)
    _key(below, zip(*mark_legend(LOOKS), strict=True), 2)
    words += [f"{repaired.title} {repaired.accuracies}" for repaired in others]
    return describe(drawn, f"At {place.share:.0%}: {'. '.join(words)}.")


def brief(repairs: list[Repaired]) -> str:
    """What the weights see at the main place."""
    if not (repairs := [repaired for repaired in repairs if repaired.place.share > 0]):
        return ""
    place = main_place(repairs)
    plain = next((each for each in repairs if each.place == place and each.method == PLAIN), None)
    weights = [plain.mean(measure).value for measure in SEEN] if plain else []
    if not weights or not math.isfinite(sum(weights)):
        return of_methods.brief(repairs)
    return (
        f"AFR puts {weights[0]:.3f} of its weight on the training examples without the feature, which are "
        f"{1 - place.share:.3f} of all; on new examples it would put {weights[1]:.3f} there."
    )


def main_place(repairs: Sequence[Repaired]) -> Place:
    """Where most methods were tried; of several the first."""
    places = [repaired.place for repaired in repairs]
    return max(dict.fromkeys(places), key=places.count)


def _weights(axes: Axes, repairs: Sequence[Repaired], place: Place) -> str:
    """The weight on the minority, along the share that has the feature."""
    plain = {
        repaired.place.share: repaired
        for repaired in repairs
        if repaired.method == PLAIN and _alike(repaired.place, place)
    }
    lines = {name: {at: plain[at].mean(measure) for at in plain} for measure, name in SEEN.items()}
    words = _along(axes, lines, "share of the weight", "weight on examples without the feature, ")
    at = sorted(plain)
    unweighted = [1 - share for share in at]
    axes.plot([100 * share for share in at], unweighted, ":", color=GREY, linewidth=1.2, label="of unweighted examples")
    return words


def _shares(axes: Axes, repairs: Sequence[Repaired], place: Place) -> str:
    """The worst group along the share, of the methods that were tried at each."""
    curves: dict[str, Line] = {}
    for repaired in repairs:
        if _alike(repaired.place, place):
            title = AS_TRAINED if repaired.method == PLAIN else title_of(repaired.method)
            curves.setdefault(title, {})[repaired.place.share] = repaired.mean("worst_group")
    most = max(len(curve) for curve in curves.values())
    kept = [(title, curve) for title, curve in curves.items() if len(curve) == most]
    return _along(axes, dict(kept[:_MOST]), "worst-group accuracy", "worst group, ")


def _key(axes: Axes, handles_and_labels: Iterable[Any], columns: int = 1) -> None:
    """The legend of a panel below its horizontal axis, where it hides nothing."""
    handles, labels = handles_and_labels
    place: Any = {"loc": "upper center", "bbox_to_anchor": (0.5, 0), "borderaxespad": 5}  # in letters, below the axis
    axes.legend(handles, labels, ncols=columns, fontsize=8, columnspacing=1.2, **place)


def _along(axes: Axes, lines: dict[str, Line], what: str, told: str) -> str:
    for i, (title, line) in enumerate(lines.items()):
        draw_along(axes, line, look(i), title)
    share_axis(axes, what)
    axes.set_xlabel(of_methods.AXES["share"])
    return "; ".join(f"{told}{title}: {at_shares(line)}" for title, line in lines.items())


def _gammas(axes: Axes, alike: Sequence[Repaired], base: str, here: Sequence[Repaired]) -> str:
    """The worst group along gamma, a line for each penalty; what networks have without AFR lies across."""
    points = {_point(repaired, base): repaired.mean("worst_group") for repaired in alike}
    gammas, penalties = (sorted({point[i] for point in points if point is not None}) for i in range(2))
    words = []
    for i, penalty in enumerate(penalties):
        line = {gamma: points[gamma, penalty] for gamma in gammas if (gamma, penalty) in points}
        draw_means(axes, list(line), list(line.values()), look(i), f"\N{GREEK SMALL LETTER LAMDA} = {penalty:g}")
        words.append(f"penalty {penalty:g}: " + ", ".join(f"{told(mean)} at {g:g}" for g, mean in line.items()))
    for method, (title, style) in LEVELS.items():
        for repaired in here:
            if repaired.method == method:
                axes.axhline(
                    repaired.mean("worst_group").value, color=GREY, linestyle=style, linewidth=1.2, label=title
                )
    share_axis(axes, "worst-group accuracy")
    axes.set_xlabel("\N{GREEK SMALL LETTER GAMMA}, how much bad predictions count")
    return "worst group along gamma, " + "; ".join(words)


def _point(repaired: Repaired, base: str) -> tuple[float, float] | None:
    """Gamma and penalty of a method of this name, where it has these two settings alone and both are numbers."""
    name, *words = repaired.method.split()
    settings = dict(word.split("=") for word in words)
    if name != base or settings.keys() != {"gamma", "penalty"} or "none" in settings.values():
        return None
    return float(settings["gamma"]), float(settings["penalty"])


def _alike(one: Place, other: Place) -> bool:
    """Whether only the share differs."""
    return (one.group.settings, one.feature, one.clean) == (other.group.settings, other.feature, other.clean)


MEASURES = ("worst_group", "minority_weight", "fresh_minority_weight")
VIEW: View[list[Repaired]] = View(
    "reweighting", "Why does reweighting help, or not?", shape, figure, sheets, best, MEASURES, brief=brief
)
