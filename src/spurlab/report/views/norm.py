"""Are larger patterns learnt more? Mean score against mean norm of each (section 3.3.1 of arXiv:2202.05189)."""

import math
from dataclasses import dataclass
from itertools import product

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spurlab.claims.published import published
from spurlab.report.groups import SHARE, Group, Mean, averaged, estimate, groups, per_network
from spurlab.report.sheet import OVER_NETWORKS, Number, Sheet, mean_cell, number_cell, p_cell, place_cells, slim
from spurlab.report.style import describe, draw_means, panelled, pattern_look, printable, share_axis
from spurlab.report.view import About, NotDrawnError, View
from spurlab.stats import Correlation, pearson
from spurlab.studies import StudyResult

PAPER = published("correlation")


@dataclass(frozen=True)
class NormsAndScores:
    """The patterns of one group.

    Args:
        group: which networks.
        patterns: by name, mean norm and mean score over n > 0 and targets.
        correlation: Pearson's, over the patterns; NaN below three.
    """

    group: Group
    patterns: dict[str, tuple[Mean, Mean]]
    correlation: Correlation


def shape(result: StudyResult) -> list[NormsAndScores]:
    return [part for group in groups(result.rows) if (part := norms_and_scores(group)).patterns]


def norms_and_scores(group: Group) -> NormsAndScores:
    """Mean norm and mean score of each pattern, and how the two go together, as claim 4 has it.

    Scores are over the n that all patterns and targets have, and over the seeds that have them all, control included.
    """
    scores = group.rows[group.rows["measure"] == "spurious_score"]
    marked = scores[scores["n"] > 0]
    if marked.empty:
        return NormsAndScores(group, {}, pearson(torch.empty(0), torch.empty(0)))
    patterns, targets = (list(dict.fromkeys(marked[name].dropna())) for name in ("pattern", "target"))
    table = averaged(scores, ["pattern", "target", "n", "seed"]).unstack(["pattern", "target", "n"])
    counts = [n for n in scores["n"].unique() if all((*cell, n) in table for cell in product(patterns, targets))]
    complete = table[list(product(patterns, targets, counts))].dropna()
    pairs = {}
    for name in patterns:
        norm = estimate(per_network(group.rows, "empirical_norm", pattern=name))
        cells = [(name, target, n) for target, n in product(targets, counts) if n > 0]
        score = estimate(complete[cells].mean(axis=1), SHARE)
        if norm.models and score.models:
            pairs[str(name)] = (norm, score)
    x, y = (torch.tensor([pair[side].value for pair in pairs.values()], dtype=torch.float64) for side in (0, 1))
    return NormsAndScores(group, pairs, pearson(x, y))


def sheets(parts: list[NormsAndScores]) -> list[Sheet]:
    """The correlation of each group, and the two numbers of each pattern."""
    summary = [
        (
            *(*place_cells(part.group), "" if math.isnan(r.r) else Number(str(r), r.r)),
            *(p_cell(r.p), number_cell(PAPER.get(part.group.dataset), ".2f")),
        )
        for part in parts
        for r in [part.correlation]
    ]
    lines = [
        (*place_cells(part.group), pattern, mean_cell(norm, ".2f"), mean_cell(score))
        for part in parts
        for pattern, (norm, score) in part.patterns.items()
    ]
    place = ("dataset", "networks")
    note = "Pearson's r over patterns [Fisher's 95 % interval], two-sided p"
    of_each = f"{OVER_NETWORKS}; scores averaged over n > 0 and targets"
    return [
        slim("Correlation of norm and score", (*place, "r", "p", "r in the paper"), summary, note),
        slim("Norm and score of each pattern", (*place, "pattern", "mean norm", "mean score"), lines, of_each),
    ]


def answer(parts: list[NormsAndScores]) -> list[str]:
    return [
        f"{part.group.title}: r = {r} over {r.points} patterns (p = {r.p:.2g})."
        for part in parts
        for r in [part.correlation]
        if not math.isnan(r.r)
    ]


def brief(parts: list[NormsAndScores]) -> str:
    known = [part for part in parts if not math.isnan(part.correlation.r)]
    words = ", ".join(f"{part.correlation.r:.2f} on {part.group.title}" for part in known)
    return f"The correlation of a pattern's norm and its score is {words}." if known else ""


def figure(parts: list[NormsAndScores], about: About) -> Figure:
    """A panel for each dataset; the title says the correlation."""
    if not parts:
        raise NotDrawnError("The figure needs both the empirical norm and the spurious score of each pattern.")
    note = "A point is the mean of one pattern over n > 0, targets and networks; r is Pearson's, over patterns. "
    panels = [(f"{part.group.title}: {_outcome(part)}", part) for part in parts]
    drawn = panelled(about, panels, 3.4, _draw, note=note)
    for axes in drawn.axes:  # norms differ between data sets: each panel has its axis
        axes.set_xlabel("mean empirical norm")
    words = [
        f"{title}; "
        + ", ".join(f"{name} norm {x.value:.2f} score {y.value:.3f}" for name, (x, y) in part.patterns.items())
        for title, part in panels
    ]
    return describe(drawn, f"Mean spurious score against mean empirical norm. {'. '.join(words)}.")


def _outcome(part: NormsAndScores) -> str:
    r = part.correlation
    if math.isnan(r.r):
        return "no correlation can be said"
    return f"r = {r}, p {'< 0.001' if r.p < 0.001 else f'= {r.p:.3f}'}"


def _draw(axes: Axes, part: NormsAndScores) -> None:
    norms = [norm.value for norm, _ in part.patterns.values()]
    axes.set_xlim(0, 1.15 * max(*norms, 1.0))
    for i, (name, (norm, score)) in enumerate(part.patterns.items()):
        draw_means(axes, [norm.value], [score], pattern_look(name, i), name, line="", markersize=6.5)
    share_axis(axes, "mean spurious score")
    _label(axes, part)


def _label(axes: Axes, part: NormsAndScores) -> None:
    """A name beside each point, on the side where it is farthest from other points, dots and names."""
    low, high = axes.get_xlim()
    wide, tall = 3.6 / (high - low), 2.6 / 1.06  # inches for a unit, near enough
    taken = [
        (norm.value * wide, y * tall) for norm, score in part.patterns.values() for y in (score.value, *score.each)
    ]
    for name, (norm, score) in part.patterns.items():
        here = (norm.value * wide, score.value * tall)
        sides = [(0.2, 0.0), (-0.2, 0.0), (0.17, 0.14), (-0.17, 0.14), (0.17, -0.14), (-0.17, -0.14), (0.0, 0.2)]
        free = [
            min(((here[0] + dx - x) / 1.3) ** 2 + (here[1] + dy - y) ** 2 for x, y in taken) - 0.0001 * i
            for i, (dx, dy) in enumerate(sides)
        ]
        inside = [here[0] + dx > low * wide + 0.15 and here[1] + dy > 0 for dx, dy in sides]
        dx, dy = sides[max(range(len(sides)), key=lambda i: (inside[i], free[i]))]
        taken.append((here[0] + dx, here[1] + dy))
        at, aside = (norm.value, score.value), (dx * 72, dy * 72)
        axes.annotate(printable(name), at, aside, textcoords="offset points", ha="center", va="center")


MEASURES = ("spurious_score", "empirical_norm")
VIEW: View[list[NormsAndScores]] = View(
    "norm", "Are patterns of a larger norm learnt more?", shape, figure, sheets, answer, MEASURES, brief=brief
)
