"""Does regularization help? Score and accuracy against decay, noise and clipping (the notebook of the paper's code)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FormatStrFormatter, MaxNLocator

from spurlab.report.groups import SHARE, Mean, estimates, further, in_words
from spurlab.report.sheet import OVER_NETWORKS, Number, Sheet, count_cell, mean_cell, slim
from spurlab.report.style import MARKERS, bands, blank, describe, dodged, draw_means, pattern_look, share_axis
from spurlab.report.titles import panel_title
from spurlab.report.view import About, NotDrawnError, View
from spurlab.studies import StudyResult

SWEPT = {
    "weight_decay": "weight decay",
    "input_noise": "input noise",
    "clip_norm": "clipped by norm at",
    "clip_value": "clipped by value at",
}
MEASURES = {"spurious_score": "spurious score", "accuracy": "accuracy, clean", "marked_accuracy": "accuracy, marked"}
# by pattern, beside its colour; n has the markers
_STROKES = ("-", "--", ":", "-.")
Looks = dict[tuple[str, int], tuple[str, str, Any]]  # by pattern and n: colour, marker and stroke
_MOST = 4  # n drawn
_LABELS = 5  # at most, below one axis
_POWERS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

Swept = dict[str, dict[str, "Sweep"]]  # by dataset, with what else tells networks apart, and setting


@dataclass(frozen=True)
class Sweep:
    """What happens along one setting while the others stand at their base.

    Args:
        levels: from none (0, or clipping at infinity) to the strongest.
        lines: by measure, pattern and n, the mean at each level that was measured.
        means: by measure and level, the mean over patterns and n > 0.
    """

    levels: tuple[float, ...]
    lines: Mapping[tuple[str, str, int], Mapping[float, Mean]]
    means: Mapping[tuple[str, float], Mean]


def shape(result: StudyResult) -> Swept:
    """By dataset and setting that varies, what happens along it."""
    rows = result.rows[result.rows["measure"].isin(list(MEASURES))]
    extras = further(rows)
    return {
        panel_title(str(dataset), *in_words(dict(zip(extras, values, strict=True)))): swept
        for (dataset, *values), part in rows.groupby(["dataset", *extras], sort=False)
        if (swept := sweeps(part))
    }


def sweeps(rows: pd.DataFrame) -> dict[str, Sweep]:
    """By setting that varies, the rows in which the others stand at their base: none, or else the commonest level."""
    levels = {name: _levels(name, rows[name]) for name in SWEPT if name in rows.columns}
    levels = {name: column for name, column in levels.items() if column.nunique() > 1}
    base = {name: _base(name, column) for name, column in levels.items()}
    swept = {}
    for name, column in levels.items():
        chosen = pd.Series(data=True, index=rows.index)
        for other, its_column in levels.items():
            if other != name:
                chosen &= its_column == base[other]
        lines: dict[tuple[str, str, int], dict[float, Mean]] = {}
        part = rows[chosen].assign(level=column[chosen])
        for (measure, pattern, n, level), mean in estimates(part, ["measure", "pattern", "n", "level"], SHARE).items():
            lines.setdefault((str(measure), str(pattern), int(n)), {})[float(level)] = mean
        if lines and part["level"].nunique() > 1:
            order = sorted({float(level) for level in part["level"]}, key=partial(_strength, name))
            means = estimates(part[part["n"] > 0], ["measure", "level"], SHARE)
            swept[name] = Sweep(
                tuple(order), lines, {(str(what), float(level)): mean for (what, level), mean in means.items()}
            )
    return swept


def _levels(name: str, column: "pd.Series[float]") -> "pd.Series[float]":
    """The levels as numbers: no clipping is clipping at infinity."""
    return column.astype(float).fillna(math.inf if name.startswith("clip_") else 0.0)


def _strength(name: str, level: float) -> float:
    """The stronger, the larger, from none on: a large decay, a low clip."""
    return -level if name.startswith("clip_") else level


def _base(name: str, column: "pd.Series[float]") -> float:
    none = math.inf if name.startswith("clip_") else 0.0
    return none if (column == none).any() else float(column.mode().iloc[0])


def sheets(panels: Swept) -> list[Sheet]:
    """For each setting, every measure at every level."""
    tables = []
    for where, swept in panels.items():
        for setting, sweep in swept.items():
            lines = [
                (
                    *(pattern, count_cell(n), Number(level_label(level), level)),
                    *(mean_cell(sweep.lines.get((measure, pattern, n), {}).get(level)) for measure in MEASURES),
                )
                for pattern, n in dict.fromkeys((pattern, n) for _, pattern, n in sweep.lines)
                for level in sweep.levels
            ]
            headings = ("pattern", "n", SWEPT[setting], *MEASURES.values())
            title = f"{where}: {SWEPT[setting].removesuffix(' at')}"
            tables.append(slim(title, headings, lines, OVER_NETWORKS))
    return tables


def answer(panels: Swept) -> list[str]:
    """For each setting, score and accuracy without it and at its strongest."""
    sentences = []
    for where, swept in panels.items():
        for setting, sweep in swept.items():
            ends = sweep.levels[0], sweep.levels[-1]
            words = []
            for measure, name in (("spurious_score", "score"), ("accuracy", "accuracy")):
                first, last = (sweep.means.get((measure, end)) for end in ends)
                if first and last:
                    words.append(f"{name} {first.value:.3f} to {last.value:.3f}")
            if words:
                levels = " to ".join(level_label(end) for end in ends)
                along = f"{where}, {SWEPT[setting].removesuffix(' at')}, {levels}"
                sentences.append(f"{along}: mean {', '.join(words)}.")
    return sentences


def brief(panels: Swept) -> str:
    """The setting that lowers the score most at its strongest, and what it costs."""
    found = []
    for where, swept in panels.items():
        for setting, sweep in swept.items():
            ends = sweep.levels[0], sweep.levels[-1]
            scores, costs = ([sweep.means.get((name, end)) for end in ends] for name in ("spurious_score", "accuracy"))
            if all(scores):
                found.append(
                    (f"{where}, {SWEPT[setting].removesuffix(' at')} up to {level_label(ends[1])}", scores, costs)
                )
    if not found:
        return ""
    what, scores, costs = min(found, key=lambda each: _value(each[1][1]) - _value(each[1][0]))
    words = f"{what} takes the mean score from {_value(scores[0]):.3f} to {_value(scores[1]):.3f}"
    return words + (f", the accuracy from {_value(costs[0]):.3f} to {_value(costs[1]):.3f}." if all(costs) else ".")


def _value(mean: Mean | None) -> float:
    return mean.value if mean else math.nan


def figure(panels: Swept, about: About) -> Figure:
    """A column for each setting that varies, a row for each measure; colours are patterns, strokes are n."""
    if not panels:
        raise NotDrawnError("Neither weight decay nor noise nor clipping varies in what has been measured.")
    keys = dict.fromkeys(key for swept in panels.values() for sweep in swept.values() for key in sweep.lines)
    measures = [measure for measure in MEASURES if any(key[0] == measure for key in keys)]
    patterns = list(dict.fromkeys(key[1] for key in keys))
    every = sorted({key[2] for key in keys})
    counts = _some(every)
    note = "To the right: stronger, not to scale; far left: none. The axes of accuracy show a part of 0 to 1. "
    if len(every) > len(counts):
        note += f"Measured at n = {', '.join(str(n) for n in every)}; the table has all. "
    if about.targets > 1:
        note += "Mean over the targets. "
    looks = _looks(patterns, counts)
    legend = [
        (Line2D([], [], color=colour, linestyle=stroke, marker=marker, markersize=4.5,
                markerfacecolor=colour if n else "white"), f"{pattern}, n = {n}")
        for (pattern, n), (colour, marker, stroke) in looks.items()
    ]  # fmt: skip
    height = (1.75 * len(measures) + 0.7) * len(panels)
    drawn, body = blank(about.title, height, note + about.note, legend)
    blocks = body.subfigures(len(panels), 1, squeeze=False)[:, 0]
    for (where, swept), block in zip(panels.items(), blocks, strict=True):
        grid = block.add_gridspec(len(measures), len(swept))
        for j, (setting, sweep) in enumerate(swept.items()):
            for i, measure in enumerate(measures):
                axes = block.add_subplot(grid[i, j])
                _draw(axes, sweep, measure, looks)
                share_axis(axes, "" if j else MEASURES[measure])
                if measure == "spurious_score":
                    axes.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
                else:
                    axes.set_ylim(*_span(swept, measure, counts))
                    axes.yaxis.set_major_locator(MaxNLocator(4))
                    axes.yaxis.set_major_formatter(FormatStrFormatter("%.2g"))
                axes.tick_params(labelleft=j == 0)
                if i == 0 and j == 0 and len(panels) > 1:
                    axes.set_title(where)
                if i == len(measures) - 1:
                    axes.set_xlabel(SWEPT[setting])
                else:
                    axes.set_xticklabels([])
    return describe(drawn, " ".join(f"{where}: {_words(swept, counts)}." for where, swept in panels.items()))


def _some(counts: Sequence[int]) -> list[int]:
    if len(counts) <= _MOST:
        return list(counts)
    return [counts[round(i * (len(counts) - 1) / (_MOST - 1))] for i in range(_MOST)]


def _looks(patterns: Sequence[str], counts: Sequence[int]) -> Looks:
    return {
        (pattern, n): (pattern_look(pattern, place)[0], MARKERS[k], _STROKES[place % len(_STROKES)])
        for place, pattern in enumerate(patterns)
        for k, n in enumerate(counts)
    }


def _draw(axes: Axes, sweep: Sweep, measure: str, looks: Looks) -> None:
    places = _level_axis(axes, sweep.levels)
    for i, ((pattern, n), (colour, marker, stroke)) in enumerate(looks.items()):
        line = sweep.lines.get((measure, pattern, n), {})
        shown = [level for level in sweep.levels if level in line]
        at = [places[level] + dodged(i, len(looks)) for level in shown]
        means, how = [line[level] for level in shown], {"line": stroke, "markersize": 4.5, "hollow": n == 0}
        draw_means(axes, at, means, (colour, marker), f"{pattern}, n = {n}", **how)


def _span(swept: Mapping[str, Sweep], measure: str, counts: Sequence[int]) -> tuple[float, float]:
    ends = [
        end
        for sweep in swept.values()
        for (what, _, n), line in sweep.lines.items()
        if what == measure and n in counts
        for mean in line.values()
        for end in (mean.value, *mean.each)
        if math.isfinite(end)
    ]
    if not ends:
        return 0.0, 1.0
    room = max(0.06 * (max(ends) - min(ends)), 0.01)
    return min(ends) - room, max(ends) + room


def _level_axis(axes: Axes, levels: Sequence[float]) -> dict[float, float]:
    """A place for each level, evenly spaced, since none has no place on a logarithmic axis; labels for some of many."""
    places = {level: float(place) for place, level in enumerate(levels)}
    bands(axes, len(levels))
    step = -(-len(levels) // _LABELS)
    labelled = levels[::step]
    axes.set_xticks([places[level] for level in labelled], level_labels(labelled))
    axes.set_xticks(list(places.values()), minor=True)
    axes.set_xlim(-0.5, len(levels) - 0.5)
    return places


def level_labels(levels: Sequence[float]) -> list[str]:
    """The levels as they stand at an axis, all in one style: "0", "none" (clipping at infinity), "0.05" or "5·10⁻²".

    >>> level_labels([0.0, 0.1, 0.5]), level_labels([float("inf"), 0.05, 0.0001])
    (['0', '0.1', '0.5'], ['none', '5·10⁻²', '10⁻⁴'])
    """
    powers = any(level != 0 and not math.isinf(level) and abs(math.log10(level)) > 2.5 for level in levels)
    return [level_label(level, powers=powers) for level in levels]


def level_label(level: float, *, powers: bool | None = None) -> str:
    """One level; as a power of ten where that is shorter, unless it is said."""
    if level == 0 or math.isinf(level):
        return "0" if level == 0 else "none"
    if powers is None:
        powers = abs(math.log10(level)) > 2.5
    if powers:
        digits, exponent = f"{level:.0e}".split("e")
        return f"{'' if digits == '1' else digits + '·'}10{str(int(exponent)).translate(_POWERS)}"
    return f"{level:g}"


def _words(swept: Mapping[str, Sweep], counts: Sequence[int]) -> str:
    parts = []
    for setting, sweep in swept.items():
        for (measure, pattern, n), line in sweep.lines.items():
            shown = [level for level in sweep.levels if level in line]
            if n != counts[-1] or not shown:
                continue
            ends = " to ".join(f"{line[level].value:.3f} at {level_label(level)}" for level in (shown[0], shown[-1]))
            parts.append(f"{SWEPT[setting]}, {pattern}, n = {n}, {MEASURES[measure]} {ends}")
    return "; ".join(parts)


QUESTION = "Do weight decay, noise and clipping keep the mark out?"
VIEW: View[Swept] = View("regularization", QUESTION, shape, figure, sheets, answer, ("spurious_score",), brief=brief)
