"""Is it the draw of the pattern, or the network? Scores of the same seeds under several draws."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from jaxtyping import Float64
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from spurlab.notebook import short
from spurlab.report.groups import SHARE, Group, averaged, groups, over_networks
from spurlab.report.sheet import Number, Sheet, count_cell, number_cell, place_cells, slim, target_cell
from spurlab.report.style import bands, draw_means, panelled, pattern_look, share_axis
from spurlab.report.view import About, NotDrawnError, View
from spurlab.stats import Components, variance_components
from spurlab.studies import StudyResult

NEEDED = (
    "The share of the draw in the variance between networks needs two draws of a pattern or more, each with the same "
    "two seeds or more; networks with the draw of their own seed say nothing of it."
)


@dataclass(frozen=True, eq=False)
class Crossed:
    """The networks of one pattern, target and n.

    Args:
        group: of all draws together.
        draws: their numbers.
        scores: a row for each draw, a column for each seed that has a score with every draw.
        components: of their variance.
    """

    group: Group
    pattern: str
    target: int
    n: int
    draws: tuple[int, ...]
    scores: Float64[Tensor, "draws seeds"]
    components: Components

    __repr__ = short


def shape(result: StudyResult) -> list[Crossed]:
    """Where two draws or more have two seeds or more in common, see `NEEDED`.

    A seed of which a network diverged, or is not trained yet, is left out of every draw.
    """
    rows = result.rows[result.rows["measure"] == "spurious_score"]
    if "draw" not in rows:
        return []
    together = rows[rows["draw"].notna()].rename(columns={"draw": "of_draw"})  # no longer a setting of its own
    return [crossed for group in groups(together) for crossed in _crossed(group)]


def _crossed(group: Group) -> Iterator[Crossed]:
    cells: dict[Any, pd.DataFrame] = dict(list(group.rows.groupby(["pattern", "target", "n"], sort=False)))
    for (pattern, target, n), part in cells.items():
        table = averaged(part, ["of_draw", "seed"]).unstack("seed").sort_index().dropna(axis="columns")
        scores = torch.tensor(table.to_numpy(dtype=float, copy=True))
        if min(scores.shape) > 1:
            draws = tuple(table.index.astype(int).tolist())
            yield Crossed(group, str(pattern), int(target), int(n), draws, scores, variance_components(scores))


def sheets(parts: list[Crossed]) -> list[Sheet]:
    lines = [
        (
            *(*place_cells(part.group), part.pattern, target_cell(part.group.dataset, part.target)),
            *(count_cell(part.n), f"{of.draws} x {of.seeds}"),
            *(number_cell(part.scores.mean().item(), ".3f"), number_cell(of.draw, ".5f")),
            *(number_cell(of.network, ".5f"), number_cell(of.seed, ".5f"), Number(str(of), of.share)),
        )
        for part in parts
        for of in [part.components]
    ]
    headings = (
        *("dataset", "networks", "pattern", "target", "n", "draws x seeds", "mean score", "variance: draw"),
        *("network", "of it seed", "share of the draw"),
    )
    note = (
        "network: between networks of one draw, of it what a seed is by itself; share: of both variances together "
        "[95 % interval, assumes normal effects]"
    )
    return [slim("The draw and the network", headings, lines, note)]


def answer(parts: list[Crossed]) -> list[str]:
    return [
        f"{_place(part)}: of the variance between networks, {of.draw + of.network:.5f}, the draw of the pattern has "
        f"the share {of}; {of.draws} draws of {of.seeds} seeds each."
        for part in parts
        for of in [part.components]
    ] or [NEEDED]


def brief(parts: list[Crossed]) -> str:
    """Which of both it is for the most part, and the share of the draw for each n."""
    marked = [part for part in parts if part.n]
    if not marked:
        return ""
    of_network = sum(part.components.share < 0.5 for part in marked)
    mostly = "the network" if of_network == len(marked) else "the draw" if not of_network else "now one, now the other"
    several = len({part.group.title for part in marked}) > 1
    words = ", ".join(
        f"{part.components} at n = {part.n}{f' on {part.group.title}' if several else ''}" for part in marked
    )
    return f"Mostly {mostly}: of the variance between networks the draw of the pattern has the share {words}."


def figure(parts: list[Crossed], about: About) -> Figure:
    """A panel for each n, a column for each draw."""
    if not parts:
        raise NotDrawnError(NEEDED)
    note = (
        "A column is one draw of the pattern, with the same seeds as every other. Above: the share of the draw in the "
        "variance between networks [95 % interval]. "
    )
    several = len({(part.group.title, part.pattern, part.target) for part in parts}) > 1
    panels = [
        (f"{_place(part) if several else f'{part.pattern}, n = {part.n}'}: {part.components}", part) for part in parts
    ]
    return panelled(about, panels, 2.9, _draw, words=_words, meaning="Mean spurious score of each draw.", note=note)


def _place(part: Crossed) -> str:
    return f"{part.group.title}, {part.pattern}, target {part.target}, n = {part.n}"


def _draw(axes: Axes, part: Crossed) -> None:
    bands(axes, len(part.draws))
    places = [float(place) for place in range(len(part.draws))]
    means = [over_networks(scores, SHARE) for scores in part.scores]
    draw_means(axes, places, means, pattern_look(part.pattern), line="", hollow=part.n == 0)
    axes.set_xticks(places, [str(draw) for draw in part.draws])
    axes.set_xlim(-0.5, len(places) - 0.5)
    axes.set_xlabel("draw of the pattern")
    share_axis(axes, "spurious score")


def _words(part: Crossed) -> str:
    return ", ".join(
        f"{scores.mean().item():.3f} of draw {draw}" for draw, scores in zip(part.draws, part.scores, strict=True)
    )


VIEW: View[list[Crossed]] = View(
    "draws",
    "Is it the draw of the pattern, or the network?",
    shape,
    figure,
    sheets,
    answer,
    ("spurious_score",),
    brief=brief,
)
