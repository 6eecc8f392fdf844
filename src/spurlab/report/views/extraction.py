"""How much of the pattern can be read from a network alone? What extractions find, against n."""

from collections.abc import Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spurlab.measures.extraction import measure_of
from spurlab.privacy.extraction import EXTRACTIONS
from spurlab.report.groups import ByN, Group, by_n, groups, means_by_n
from spurlab.report.sheet import Sheet, count_cell, mean_cell, place_cells, share_of_networks, slim, target_cell
from spurlab.report.style import draw_counts, looks_of, mark_legend, panelled, share_axis
from spurlab.report.view import About, NotDrawnError, View
from spurlab.stats import Share
from spurlab.studies import StudyResult

LEVEL = 0.05  # at which what is read of one network is more like the pattern than null patterns are
PLANTED = "the planted pattern"
CORRELATION, SCORE = "correlation with the pattern", "score of what was read"
NEEDED = "Nothing was extracted. Measure e.g. `extracted_inversion` or `extracted_first_layer`."


@dataclass(frozen=True, eq=False)
class Reading:
    """What one extraction reads of networks with one pattern and target, by n; n = 0 never saw the pattern.

    Args:
        name: what people call it.
        correlation: with the pattern, means over networks.
        alike: of how many networks it is more like the pattern than 95 % of null patterns.
        score: of the extracted image on test images.
    """

    name: str
    correlation: ByN
    alike: Mapping[int, Share]
    score: ByN


@dataclass(frozen=True, eq=False)
class Extracted:
    """The networks of one pattern and target.

    Args:
        group: their settings.
        pattern: its name.
        target: its class.
        readings: what each extraction reads.
        planted: the score of the pattern itself, where it was measured.
    """

    group: Group
    pattern: str
    target: int
    readings: tuple[Reading, ...]
    planted: ByN

    @property
    def place(self) -> str:
        """Where, in words."""
        return f"{self.group.title}, {self.pattern}, target {self.target}"


def shape(result: StudyResult) -> list[Extracted]:
    """By settings, pattern and target."""
    every = []
    for group in groups(result.rows):
        parts: list[Any] = list(group.rows.groupby(["pattern", "target"], sort=False))
        every += [
            Extracted(group, str(pattern), int(target), _readings(part), means_by_n(part, "spurious_score"))
            for (pattern, target), part in parts
        ]
    return [one for one in every if one.readings]


def _readings(rows: pd.DataFrame) -> tuple[Reading, ...]:
    found = []
    for name in EXTRACTIONS:
        measure = measure_of(name)
        if correlation := means_by_n(rows, f"{measure}_correlation", bounds=(-1.0, 1.0)):
            ranks = {n: own["value"].dropna() for n, own in by_n(rows, f"{measure}_p")}
            alike = {n: Share(int((p <= LEVEL).sum()), len(p)) for n, p in ranks.items() if len(p)}
            found.append(Reading(EXTRACTIONS.title_of(name), correlation, alike, means_by_n(rows, f"{measure}_score")))
    return tuple(found)


def sheets(every: list[Extracted]) -> list[Sheet]:
    lines = [
        (
            *(*place_cells(one.group), one.pattern, target_cell(one.group.dataset, one.target), reading.name),
            *(count_cell(n), mean_cell(mean), share_of_networks(reading.alike.get(n))),
            *(mean_cell(reading.score.get(n)), mean_cell(one.planted.get(n))),
        )
        for one in every
        for reading in one.readings
        for n, mean in reading.correlation.items()
    ]
    headings = (
        *("dataset", "networks", "pattern", "target", "extraction", "n", CORRELATION),
        *("more like it than 95 % of null patterns", SCORE, "score of the pattern"),
    )
    note = (
        "means over networks [95 % interval], and of how many networks p <= .05 among 99 null patterns; n = 0 never "
        "saw the pattern. What was read has the pattern's norm when it is put on test images"
    )
    return [slim("What can be read from the network alone?", headings, lines, note)]


def answer(every: list[Extracted]) -> list[str]:
    """Of each extraction, by n of how many networks it reads the pattern, and the correlation."""
    return [f"{one.place}, {reading.name}: {_told(reading)}." for one in every for reading in one.readings] or [NEEDED]


def _told(reading: Reading) -> str:
    return ", ".join(
        f"{mean.value:.2f} at n = {n} ({alike.count} of {alike.models})"
        if (alike := reading.alike.get(n))
        else f"{mean.value:.2f} at n = {n}"
        for n, mean in reading.correlation.items()
    )


def brief(every: list[Extracted]) -> str:
    """Of each pattern the extraction with the largest correlation, at which n, and what it reads at n = 0."""
    words = []
    for one in every:
        best = [
            (mean.value, n, reading) for reading in one.readings for n, mean in reading.correlation.items() if n > 0
        ]
        if not best:
            continue
        value, n, reading = max(best, key=itemgetter(0))
        alike, none = reading.alike.get(n), reading.correlation.get(0)
        words.append(
            f"{one.place}: {reading.name} comes nearest to the pattern, with a correlation of {value:.2f} at n = {n}"
            + (f" (p <= .05 in {alike.of})" if alike else "")
            + (f"; {none.value:.2f} where networks never saw it" if none else "")
        )
    return f"{'. '.join(words)}." if words else ""


def figure(every: list[Extracted], about: About) -> Figure:
    """For each pattern two panels: the correlation, and the score of what was read, beside that of the pattern."""
    if not every:
        raise NotDrawnError(NEEDED)
    looks = looks_of([*(reading.name for reading in one.readings), PLANTED] for one in every)
    several = len(every) > 1
    panels = [
        (f"{one.place}: {kind}" if several else kind, (kind, one)) for one in every for kind in (CORRELATION, SCORE)
    ]

    def draw(axes: Axes, panel: tuple[str, Extracted]) -> None:
        kind, one = panel
        draw_counts(axes, _lines(kind, one), looks, step=0.08)
        share_axis(axes, "Pearson's correlation" if kind == CORRELATION else "spurious score")
        if kind == CORRELATION:
            lowest = min((mean.value for reading in one.readings for mean in reading.correlation.values()), default=0.0)
            axes.set_ylim(min(-0.03, lowest - 0.05), 1.03)

    note = (
        "An extraction has the network alone: no images. n = 0: networks that never saw the pattern. What was read is "
        "put on test images with the norm of the pattern. "
    )
    legend = mark_legend(looks, line="-")
    return panelled(about, panels, 3.2, draw, legend, lambda panel: _words(*panel), "Means over networks.", note)


def _lines(kind: str, one: Extracted) -> dict[str, ByN]:
    if kind == CORRELATION:
        return {reading.name: reading.correlation for reading in one.readings}
    return {reading.name: reading.score for reading in one.readings} | {PLANTED: one.planted}


def _words(kind: str, one: Extracted) -> str:
    return "; ".join(
        f"{name} " + ", ".join(f"{mean.value:.2f} at n = {n}" for n, mean in line.items())
        for name, line in _lines(kind, one).items()
        if line
    )


VIEW: View[list[Extracted]] = View(
    "extraction",
    "How much of the pattern can be read from the network alone?",
    shape,
    figure,
    sheets,
    answer,
    brief=brief,
)
