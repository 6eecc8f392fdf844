"""Mean spurious score against mean empirical norm of each pattern (section 3.3.1 of arXiv:2202.05189)."""

import math
from dataclasses import dataclass
from itertools import product

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spurlab.report.figures.notes import panel_title, small_print
from spurlab.report.figures.style import (
    axes_grid,
    describe,
    draw_estimates,
    pattern_look,
    printable,
    sentence,
    share_axis,
    sheet,
)
from spurlab.report.summary import SHARE, Group, averaged, estimate, groups, per_network
from spurlab.stats import Correlation, Estimate, pearson
from spurlab.studies import StudyResult


@dataclass(frozen=True)
class NormsAndScores:
    """The patterns of one group.

    Args:
        patterns: by name, mean norm and mean score over n > 0 and targets.
        correlation: Pearson's, over the patterns; NaN below three.
    """

    patterns: dict[str, tuple[Estimate, Estimate]]
    correlation: Correlation


def draw(result: StudyResult) -> Figure:
    """A panel for each dataset; the title says the correlation."""
    panels = [(group, found) for group in groups(result.rows) if (found := norms_and_scores(group)).patterns]
    title = result.study.title
    if not panels:
        return sentence(title, "The figure needs both the empirical norm and the spurious score of each pattern.")
    columns = min(2, len(panels))
    note = "A point is the mean of one pattern over n > 0, targets and networks; r is Pearson's, over patterns. "
    figure, body = sheet(title, 3.4 * -(-len(panels) // columns), note + small_print(result))
    titles = [f"{panel_title(group.dataset, group.label)}: {_outcome(found)}" for group, found in panels]
    grid = axes_grid(body, titles, columns)
    for i, (axes, (_, found)) in enumerate(zip(grid, panels, strict=True)):
        _draw(axes, found)
        axes.set_ylabel("" if i % columns else "mean spurious score")
    words = [
        f"{title}; "
        + ", ".join(f"{name} norm {x.value:.2f} score {y.value:.2f}" for name, (x, y) in found.patterns.items())
        for title, (_, found) in zip(titles, panels, strict=True)
    ]
    return describe(figure, f"Mean spurious score against mean empirical norm. {'. '.join(words)}.")


def norms_and_scores(group: Group) -> NormsAndScores:
    """Mean norm and mean score of each pattern, and how the two go together, as claim 4 has it.

    Scores are over the n that all patterns and targets have, and over the seeds that have them all, control included.
    """
    scores = group.rows[group.rows["measure"] == "spurious_score"]
    marked = scores[scores["n"] > 0]
    if marked.empty:
        return NormsAndScores({}, pearson(torch.empty(0), torch.empty(0)))
    patterns, targets = (list(dict.fromkeys(marked[name].dropna())) for name in ("pattern", "target"))
    table = averaged(scores, ["pattern", "target", "n", "seed"]).unstack(["pattern", "target", "n"])
    counts = [n for n in scores["n"].unique() if all((*cell, n) in table for cell in product(patterns, targets))]
    whole = table[list(product(patterns, targets, counts))].dropna()
    found = {}
    for name in patterns:
        norm = estimate(per_network(group.rows, "empirical_norm", pattern=name))
        cells = [(name, target, n) for target, n in product(targets, counts) if n > 0]
        score = estimate(whole[cells].mean(axis=1), SHARE)
        if norm.models and score.models:
            found[str(name)] = (norm, score)
    x, y = (torch.tensor([pair[side].value for pair in found.values()], dtype=torch.float64) for side in (0, 1))
    return NormsAndScores(found, pearson(x, y))


def _outcome(found: NormsAndScores) -> str:
    r = found.correlation
    if math.isnan(r.r):
        return "no correlation can be said"
    return f"r = {r}, p {'< 0.001' if r.p < 0.001 else f'= {r.p:.3f}'}"


def _draw(axes: Axes, found: NormsAndScores) -> None:
    norms = [norm.value for norm, _ in found.patterns.values()]
    axes.set_xlim(0, 1.15 * max(*norms, 1.0))
    for i, (name, (norm, score)) in enumerate(found.patterns.items()):
        draw_estimates(axes, [norm.value], [score], pattern_look(name, i), name, line="", markersize=6.5)
    share_axis(axes, "mean spurious score")
    axes.set_xlabel("mean empirical norm")
    _label(axes, found)


def _label(axes: Axes, found: NormsAndScores) -> None:
    """A name beside each point, on the side where it is farthest from other points, bars and names."""
    low, high = axes.get_xlim()
    wide, tall = 3.6 / (high - low), 2.6 / 1.06  # inches for a unit, near enough
    taken = [
        (norm.value * wide, y * tall)
        for norm, score in found.patterns.values()
        for y in (score.value, *([score.low, score.high] if math.isfinite(score.low) else []))
    ]
    for name, (norm, score) in found.patterns.items():
        here = (norm.value * wide, score.value * tall)
        sides = [(0.2, 0.0), (-0.2, 0.0), (0.17, 0.14), (-0.17, 0.14), (0.17, -0.14), (-0.17, -0.14)]
        free = [
            min(((here[0] + dx - x) / 1.3) ** 2 + (here[1] + dy - y) ** 2 for x, y in taken) - 0.0001 * i
            for i, (dx, dy) in enumerate(sides)
        ]
        inside = [here[0] + dx > low * wide + 0.15 and here[1] + dy > 0.08 for dx, dy in sides]
        dx, dy = sides[max(range(len(sides)), key=lambda i: (inside[i], free[i]))]
        taken.append((here[0] + dx, here[1] + dy))
        at, aside = (norm.value, score.value), (dx * 72, dy * 72)
        axes.annotate(printable(name), at, aside, textcoords="offset points", ha="center", va="center")
