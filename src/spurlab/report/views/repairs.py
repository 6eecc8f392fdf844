"""What takes a common feature out again? Accuracy, and that of the worst group (Figures 5, 6 of Quinn's report)."""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import replace

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spurlab.data import known
from spurlab.measures import is_number_of
from spurlab.report import style
from spurlab.report.groups import Mean, higher, told
from spurlab.report.sheet import (
    OVER_NETWORKS,
    Cell,
    Sheet,
    mean_cell,
    number_cell,
    place_cells,
    share_cell,
    share_of_networks,
    short,
    slim,
)
from spurlab.report.titles import panel_title
from spurlab.report.treated import AS_TRAINED, Place, Repaired, repairs_of
from spurlab.report.view import About, NotDrawnError, View
from spurlab.stats import Looks
from spurlab.studies import StudyResult
from spurlab.studies.axes import PLAIN

KINDS = {"accuracy": ("all test examples", "o"), "worst_group": ("the worst group", "s")}
COLOURS = {"accuracy": "#0072B2", "worst_group": "#D55E00"}
LOOKS = {title: (COLOURS[kind], marker) for kind, (title, marker) in KINDS.items()}
AXES = {
    "share": "training examples that have the feature, %",
    "clean": "training examples that the method has clean, %",
}
HEADINGS = ("dataset", "networks", "feature", "have it", "clean", "method")
Line = dict[float, Mean]  # by share
Panel = dict[str, Line]  # by method


def shape(result: StudyResult) -> list[Repaired]:
    return repairs_of(result.rows)


def sheets(repairs: list[Repaired]) -> list[Sheet]:
    """The accuracies of each method, those by group, and what failed."""
    lines: list[tuple[Cell, ...]] = []
    failed: list[tuple[Cell, ...]] = []
    both = ("accuracy", "worst_group")
    for repaired in repairs:
        where = _place_cells(repaired)
        gains = [repaired.gain(name) if repaired.method != PLAIN else None for name in both]
        means = [repaired.mean(name) for name in ("train_weighted_accuracy", "train_accuracy", "block_saliency")]
        gained = repaired.gained("worst_group") if repaired.method != PLAIN else None
        cells = (*map(mean_cell, (*(repaired.mean(name) for name in both), *gains)), share_of_networks(gained))
        lines.append((*where, *cells, *map(mean_cell, means), number_cell(repaired.seconds, ".2f")))
        failed += [(*where, reason) for reason in repaired.failures]
    numbers = ("accuracy", "worst group", "gain", "gain, worst group", "gaining, worst group")
    others = ("weighted by training groups", "in training", "saliency on the block", "seconds")
    note = (
        f"{OVER_NETWORKS}; gain: over the networks as they were trained, paired by seed; gaining: how many do; "
        "accuracy over test examples, and (weighted) the mean of group accuracies by the groups' shares in training"
    )
    return [
        short("Accuracy by method", (*HEADINGS, *numbers, *others), lines, note),
        *_by_group(repairs),
        slim("What failed", (*HEADINGS, "reason"), failed, ""),
    ]


def _place_cells(repaired: Repaired) -> tuple[Cell, ...]:
    """Dataset, networks, feature, the shares that have the feature and that are clean, and the method."""
    place = repaired.place
    shares = ("" if math.isnan(share) else share_cell(share) for share in (place.share, place.clean))
    return *place_cells(place.group), place.feature, *shares, repaired.title


def _by_group(repairs: list[Repaired]) -> list[Sheet]:
    """For each dataset, the accuracy on each group of its test examples."""
    tables = []
    for dataset in dict.fromkeys(repaired.place.group.dataset for repaired in repairs):
        alike = [repaired for repaired in repairs if repaired.place.group.dataset == dataset]
        taken = {str(name) for repaired in alike for name in repaired.rows.columns}
        of_groups = [name for name in taken if is_number_of(name, "group_accuracy")]
        numbered = sorted((int(name.rpartition("_")[2]), name) for name in of_groups)
        measured = [(i, name) for i, name in numbered if any(repaired.mean(name).models for repaired in alike)]
        names = getattr(known(dataset), "group_names", None) or ()
        lines = [
            (*_place_cells(repaired), *(mean_cell(repaired.mean(name)) for _, name in measured))
            for repaired in alike
            if measured
        ]
        of = (names[i] if i < len(names) else f"group {i}" for i, _ in measured)
        tables.append(short("Accuracy by group", (*HEADINGS, *of), lines, OVER_NETWORKS))
    return [table for table in tables if table.lines]


def answer(repairs: list[Repaired]) -> list[str]:
    """Along several shares, for each method its accuracies at each; else what gains most in each place."""
    along = varied(repairs)
    return _along(repairs, along) if along else best(repairs)


def varied(repairs: list[Repaired]) -> str:
    """Along what the places differ: ``share``, ``clean`` or "" for neither."""
    places = [repaired.place for repaired in repairs]
    if len({place.share for place in places if not math.isnan(place.share)}) > 2:
        return "share"
    return "clean" if len({place.clean for place in places if not math.isnan(place.clean)}) > 1 else ""


def at_shares(line: Line) -> str:
    return ", ".join(f"{told(line[at])} at {at:.0%}" for at in sorted(line))


def draw_along(axes: Axes, line: Line, look: tuple[str, str], label: str) -> None:
    """Means along a share, which the axis has in percent."""
    at = sorted(line)
    style.draw_means(axes, [100 * share for share in at], [line[share] for share in at], look, label)


def best(repairs: list[Repaired]) -> list[str]:
    """For each place the two accuracies as trained, and what gains most for the worst group."""
    sentences = []
    for place in dict.fromkeys(repaired.place for repaired in repairs):
        methods = {repaired.method: repaired for repaired in repairs if repaired.place == place}
        if (plain := methods.pop(PLAIN, None)) is None:
            continue
        words = f"{_in_words(place)}: {plain.title} {told(plain.mean('accuracy'))}, "
        words += f"worst group {told(plain.mean('worst_group'))}"
        words += f"; most for the worst group: {_most(list(methods.values()))}" if methods else ""
        sentences.append(f"{words}.")
    return list(dict.fromkeys(sentences))


def winners(methods: list[Repaired]) -> list[Repaired]:
    """Those that gain most for the worst group, and those that cannot be told from the one that does; maybe none.

    Shown at 5 %: that more than half of all networks gain over themselves as they were trained; and, of another that is
    told from the first, that more than half have more with the first.
    """
    gaining = [each for each in methods if Looks().more(each.gained("worst_group"))]
    if not gaining:
        return []
    first = max(gaining, key=lambda each: each.gain("worst_group").value)
    scores = first.rows["worst_group"]
    others = [each for each in gaining if not Looks().more(higher(scores, each.rows["worst_group"]))]
    return sorted(others, key=lambda each: each is not first)


def _most(methods: list[Repaired]) -> str:
    """The winners and their gains, in words."""
    if not (found := winners(methods)):
        return "no method is shown to gain"
    gains = [f"{each.gain('worst_group').value:+.3f}" for each in found]
    if len(found) == 1:
        return f"{found[0].title} ({gains[0]})"
    if len(found) == 2:
        return f"{found[0].title} ({gains[0]}) or {found[1].title} ({gains[1]})"
    return f"{found[0].title} ({gains[0]}), not told from {len(found) - 1} others"


def brief(repairs: list[Repaired]) -> str:
    """What gains most for the worst group, by place; or how far it falls along the shares."""
    if along := varied(repairs):
        return _ends(repairs, along)
    places: dict[str, list[Repaired]] = {}
    for repaired in repairs:
        if repaired.method != PLAIN:
            places.setdefault(_panel(repaired, repairs), []).append(repaired)
    if not places:
        return next(iter(best(repairs)), "")
    words = "; ".join(f"{_most(methods)}{f' on {place}' * (len(places) > 1)}" for place, methods in places.items())
    return f"What gains most for the worst group: {words}."


def _ends(repairs: list[Repaired], along: str) -> str:
    """The worst group at the lowest and the highest share, as trained and by the method that is best at the latter."""
    lines: dict[str, Line] = {}
    for repaired in repairs:
        at, mean = getattr(repaired.place, along), repaired.mean("worst_group")
        if repaired.place.share != 0 and math.isfinite(at) and mean.models:
            lines.setdefault(AS_TRAINED if repaired.method == PLAIN else repaired.title, {})[at] = mean
    longest = max(map(len, lines.values()), default=0)
    if longest < 2:
        return ""
    last = max(at for line in lines.values() for at in line)
    chosen = max((name for name in lines if len(lines[name]) == longest and name != AS_TRAINED and last in lines[name]),
                 key=lambda name: lines[name][last].value, default=AS_TRAINED)  # fmt: skip
    words = []
    for name in dict.fromkeys(name for name in (AS_TRAINED, chosen) if name in lines):
        line = lines[name]
        ends = [f"{line[at].value:.3f} at {at:.0%}" for at in dict.fromkeys((min(line), max(line)))]
        words.append(f"{name} {' to '.join(ends) if len(line) > 1 else ends[0].partition(' at')[0]}")
    what = {"share": "that have the feature", "clean": "that are clean"}[along]
    return f"The worst group, by the share of training examples {what}: {'; '.join(words)}."


def _in_words(place: Place) -> str:
    """Where: without the feature it does not matter which one, nor what is clean."""
    parts = [place.group.label]
    if place.share != 0:
        parts += [place.feature, f"{place.share:.0%} have it" if place.share > 0 else ""]
        parts += [f"{place.clean:.0%} clean"] if not math.isnan(place.clean) else []
    return panel_title(place.group.dataset, *parts)


def _along(repairs: list[Repaired], along: str) -> list[str]:
    """A sentence for each method, with its two accuracies at each share."""
    lines: dict[tuple[str, str], list[Repaired]] = {}
    for repaired in repairs:
        place, is_plain = repaired.place, repaired.method == PLAIN
        fixed = replace(
            place,
            share=math.nan if along == "share" else place.share,
            clean=math.nan if along == "clean" or is_plain else place.clean,
        )
        title = AS_TRAINED if is_plain and (along == "share" or place.share > 0) else repaired.title
        lines.setdefault((_in_words(fixed), title), []).append(repaired)
    sentences = []
    for (where, title), line in lines.items():
        words = []
        for measure, name in (("accuracy", "accuracy"), ("worst_group", "worst group")):
            means = {getattr(repaired.place, along): repaired.mean(measure) for repaired in line}
            words.append(f"{name} {at_shares(means) if len(line) > 1 else told(line[0].mean(measure))}")
        what = {"share": "have it", "clean": "clean"}[along]
        sentences.append(f"{where}, {title}{f' (% {what})' if len(line) > 1 else ''}: {'; '.join(words)}.")
    return sentences


def figure(repairs: list[Repaired], about: About) -> Figure:
    """A panel for each dataset and feature; a line for each method with its two accuracies, or along several shares."""
    if not repairs:
        raise NotDrawnError("Nothing has been measured yet.")
    if along := varied(repairs):
        return _curves(repairs, along, about)
    panels: dict[str, list[Repaired]] = {}
    for repaired in repairs:
        panels.setdefault(_panel(repaired, repairs), []).append(repaired)
    for lines in panels.values():  # networks without the feature first
        lines.sort(key=lambda repaired: (repaired.place.share != 0, repaired.method != PLAIN))
    titles = list(dict.fromkeys(repaired.title for lines in panels.values() for repaired in lines))
    note = "The worst group is the one with the lowest accuracy in each network. "
    drawn, body = style.blank(about.title, 0.32 * len(titles) + 1.1, note + about.note, style.mark_legend(LOOKS))
    every = body.subplots(1, len(panels), sharey=True, squeeze=False)[0]  # the methods' names stand once
    for axes, (name, lines) in zip(every, panels.items(), strict=True):
        axes.set_title("\n".join(textwrap.wrap(style.printable(name), 72 // len(panels), break_on_hyphens=False)))
        draw_lines(axes, lines, titles)
        if axes is not every[len(every) // 2]:
            axes.set_xlabel("")
    words = [
        f"{name}: " + "; ".join(f"{repaired.title} {repaired.accuracies}" for repaired in lines)
        for name, lines in panels.items()
    ]
    return style.describe(drawn, f"Mean test accuracy of all, and of the worst group. {'. '.join(words)}.")


def draw_lines(axes: Axes, lines: list[Repaired], titles: Sequence[str], size: float = 5.5) -> None:
    """A line for each title, with the mean of both accuracies and single networks."""
    for place, title in enumerate(titles):
        if place % 2:
            axes.axhspan(place - 0.5, place + 0.5, color=style.BAND, linewidth=0, zorder=0)
        for repaired in (each for each in lines if each.title == title):
            for kind, (_, marker) in KINDS.items():
                mean, at = repaired.mean(kind), place + (-0.14 if kind == "accuracy" else 0.14)
                if mean.models:
                    style.draw_networks(axes, mean.each, [at] * mean.models, COLOURS[kind])
                    axes.plot([mean.value], [at], marker, color=COLOURS[kind], markersize=size)
    axes.set_yticks(range(len(titles)), [style.printable(title) for title in titles])
    axes.set_ylim(len(titles) - 0.5, -0.5)
    axes.set_xlim(-0.03, 1.03)
    axes.set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1], ["0", "0.2", "0.4", "0.6", "0.8", "1"])
    axes.set_xlabel("test accuracy")
    axes.grid(axis="x", alpha=0.3, linewidth=0.7)


def glance(repairs: list[Repaired], about: About) -> Figure:
    """The first place with most methods, as wide as a phone."""
    panels: dict[str, list[Repaired]] = {}
    for repaired in repairs:
        panels.setdefault(_panel(repaired, repairs), []).append(repaired)
    if not panels:
        raise NotDrawnError("Nothing has been measured yet.")
    if varied(repairs):
        return figure(repairs, about)
    name, lines = max(panels.items(), key=lambda item: len(item[1]))
    lines.sort(key=lambda repaired: (repaired.place.share != 0, repaired.method != PLAIN))
    titles = list(dict.fromkeys(repaired.title for repaired in lines))
    drawn, body = style.blank(name, 0.17 * len(titles) + 0.6, "", style.mark_legend(LOOKS), width=4.2)
    axes = body.add_subplot()
    draw_lines(axes, lines, titles, 4.5)
    axes.tick_params(labelsize=8.5)
    words = "; ".join(f"{repaired.title} {repaired.accuracies}" for repaired in lines)
    return style.describe(drawn, f"{name}: mean test accuracy of all, and of the worst group. {words}.")


def _curves(repairs: list[Repaired], along: str, about: About) -> Figure:
    """A panel for each dataset, feature and kind of accuracy; a line for each method along the shares."""
    panels: dict[tuple[str, str], Panel] = {}
    for repaired in repairs:
        at = getattr(repaired.place, along)
        if math.isnan(at) or (along == "clean" and repaired.place.share == 0):
            continue
        title = AS_TRAINED if repaired.method == PLAIN else repaired.title
        for kind in KINDS:
            panel = panels.setdefault((_panel(repaired, repairs, without=along), kind), {})
            panel.setdefault(title, {})[at] = repaired.mean(kind)
    looks = style.looks_of(panels.values())
    titled = [(", ".join(filter(None, (name, KINDS[kind][0]))), panel) for (name, kind), panel in panels.items()]

    def draw(axes: Axes, panel: Panel) -> None:
        _draw_curves(axes, panel, along, looks)

    def words(panel: Panel) -> str:
        return "; ".join(f"{way} {at_shares(line)}" for way, line in panel.items())

    meaning = f"Mean test accuracy along the share of {AXES[along]}"
    return style.panelled(about, titled, 3.0, draw, style.mark_legend(looks, line="-"), words, meaning)


def _draw_curves(axes: Axes, panel: Panel, along: str, looks: style.Looks) -> None:
    for way, line in panel.items():
        if len(line) == 1 and along == "clean":  # the same network, whatever is clean
            [mean], colour = line.values(), looks[way][0]
            axes.axhline(mean.value, color=colour, linewidth=1.5, linestyle="--")
        else:
            draw_along(axes, line, looks[way], way)
    style.share_axis(axes, "test accuracy")
    if along == "clean":
        axes.set_xscale("log")
        ticks = sorted({100 * share for line in panel.values() for share in line})
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks], minor=False)
        axes.minorticks_off()
    axes.set_xlabel(AXES[along])


def _panel(repaired: Repaired, among: list[Repaired], without: str = "") -> str:
    place = repaired.place
    features = {other.place.feature for other in among}
    shares = {other.place.share for other in among if other.place.share > 0}
    return panel_title(
        place.group.dataset,
        place.group.label,
        place.feature if len(features) > 1 else "",
        f"{place.share:.0%} have it" if len(shares) > 1 and place.share > 0 and without != "share" else "",
    )


VIEW: View[list[Repaired]] = View(
    "repairs",
    "What takes a common feature out again?",
    shape,
    figure,
    sheets,
    answer,
    ("accuracy", "worst_group"),
    brief=brief,
    glance=glance,
    leads=True,
)
BEST = replace(VIEW, answer=best)  # beside figures that have no numbers of their own
