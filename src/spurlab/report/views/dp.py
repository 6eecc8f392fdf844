"""What does differentially private training keep out, and at what cost? Epsilon, score and accuracy."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spurlab.models import is_user_name
from spurlab.plugins import base_name
from spurlab.prevention import PREVENTIONS, DpSgd, prevention_named, title_of
from spurlab.privacy import AuditedEpsilon, epsilon_at, threshold_of
from spurlab.report.groups import ByN, Group, Mean, by_n, by_seed, estimate, groups, means_by_n
from spurlab.report.sheet import Cell, Number, Sheet, count_cell, mean_cell, number_cell, place_cells, slim, target_cell
from spurlab.report.style import bands, draw_counts, look, looks_of, mark_legend, panelled, share_axis
from spurlab.report.view import About, NotDrawnError, View
from spurlab.studies import StudyResult
from spurlab.studies.axes import PLAIN
from spurlab.training import Recipe

AS_TRAINED = "no privacy"
PROMISED, AUDITED, MOST = "promised", "shown by canaries", "the most that could be shown"
FEWEST = 4  # seeds: two that choose the threshold, two that test it


@dataclass(frozen=True, eq=False)
class Private:
    """Networks of one pattern and target that one method trained.

    Args:
        group: their settings.
        pattern: its name.
        target: its class.
        method: its name.
        epsilon: that was promised of one example, the largest of the networks; infinite for none.
        audited: by n, what canaries show of it.
        score: by n.
        accuracy: at the smallest n.
    """

    group: Group
    pattern: str
    target: int
    method: str
    epsilon: float
    audited: Mapping[int, AuditedEpsilon]
    score: ByN
    accuracy: Mean

    @cached_property
    def title(self) -> str:
        """What people call the method."""
        return AS_TRAINED if self.method == PLAIN else title_of(self.method)

    @property
    def place(self) -> str:
        """Where, in words."""
        return f"{self.group.title}, {self.pattern}, target {self.target}"


def shape(result: StudyResult) -> list[Private]:
    """By settings, pattern, target and method."""
    rows = result.rows
    if "prevention" not in rows:
        return []
    every = []
    for group in groups(rows[rows["prevention"].notna()]):
        parts: list[Any] = list(group.rows.groupby(["pattern", "target", "prevention"], sort=False))
        every += [_private(group, place, part) for place, part in parts]
    return [one for one in every if one.accuracy.models or one.audited]


def _private(group: Group, place: tuple[str, int, str], rows: pd.DataFrame) -> Private:
    pattern, target, method = place
    promised = rows.loc[rows["measure"] == "epsilon", "value"].dropna()
    accuracies = means_by_n(rows, "accuracy")
    return Private(
        group,
        pattern,
        int(target),
        method,
        float(promised.max()) if len(promised) else math.nan,
        _audited(rows, delta_of(method), 1 if group.settings.get("how") == "append" else 2),
        means_by_n(rows, "spurious_score"),
        accuracies[min(accuracies)] if accuracies else estimate(pd.Series(dtype=float)),
    )


def delta_of(method: str) -> float:
    """At which a method's epsilon is promised; 0 where it promises nothing."""
    if base_name(method) not in PREVENTIONS.own or is_user_name(method):
        return 0.0
    made = prevention_named(method, Recipe(), 0)
    return made.delta if isinstance(made, DpSgd) else 0.0


def _audited(rows: pd.DataFrame, delta: float, changed: int) -> dict[int, AuditedEpsilon]:
    """The first half of the seeds chooses the threshold, the other half tests it, each network a trial.

    Networks of one seed with the canary and without it may depend on each other: each end of the bound is of trials of
    one kind, which do not. With fewer than four seeds nothing is audited.

    Args:
        rows: of one method.
        delta: at which its epsilon is promised.
        changed: by how many examples one that is marked makes training sets differ: 1 where it was added, 2 where it
            took the place of another.
    """
    answers = {n: by_seed(own) for n, own in by_n(rows, "canary_answer")}
    found = {}
    for n in sorted(answers.keys() - {0}):
        if 0 not in answers or len(seeds := answers[n].index.intersection(answers[0].index)) < FEWEST:
            continue
        chosen, tested = seeds[: len(seeds) // 2], seeds[len(seeds) // 2 :]
        examples = changed * n
        threshold = threshold_of(*_trials(answers, n, chosen), delta=delta, examples=examples)
        found[n] = epsilon_at(*_trials(answers, n, tested), threshold, delta=delta, examples=examples)
    return found


def _trials(answers: Mapping[int, Any], n: int, seeds: Any) -> tuple[torch.Tensor, torch.Tensor]:
    arms = [torch.tensor(answers[count][seeds].to_numpy(copy=True), dtype=torch.float64) for count in (n, 0)]
    return torch.cat(arms), torch.arange(2 * len(seeds)) < len(seeds)


def sheets(every: list[Private]) -> list[Sheet]:
    counts = sorted({n for one in every for n in one.score})
    lines = [
        (
            *_place(one),
            *(number_cell(one.epsilon, ".2f"), mean_cell(one.accuracy)),
            *(mean_cell(one.score.get(n)) for n in counts),
        )
        for one in every
    ]
    audits = [
        (*_place(one), count_cell(n), number_cell(one.epsilon, ".2f"), *_audit_cells(audit))
        for one in every
        for n, audit in one.audited.items()
    ]
    place = ("dataset", "networks", "pattern", "target", "method")
    note = "means over networks [95 % interval]; epsilon of one example, inf: none promised; accuracy at the least n"
    rule = (
        "canaries: half of the networks choose the threshold, the other half test it; found: of networks with the "
        "canary, false: of those without it; of n examples by group privacy (2 n where they take the place of others); "
        "lower bound at 95 %, exact; from four seeds on"
    )
    headings = (*place, "epsilon", "accuracy", *(f"score, n = {n:,}" for n in counts))
    audited = (*place, "n", "epsilon", "at least", "could show", "found", "false")
    return [
        slim("Score and accuracy", headings, lines, note),
        slim("What canaries show of epsilon", audited, audits, rule),
    ]


def _place(one: Private) -> tuple[Cell, ...]:
    return *place_cells(one.group), one.pattern, target_cell(one.group.dataset, one.target), one.title


def _audit_cells(audit: AuditedEpsilon) -> tuple[Cell, ...]:
    shares = (
        Number(f"{share.count} of {share.models}", share.count / share.models) for share in (audit.tpr, audit.fpr)
    )
    return number_cell(audit.value, ".2f"), number_cell(audit.ceiling, ".2f"), *shares


def answer(every: list[Private]) -> list[str]:
    """Of each method what is promised and shown, the score at the largest n, and the accuracy."""
    return [f"{one.place}, {one.title}: {_told(one)}." for one in every] or ["No network was trained by a prevention."]


def _told(one: Private) -> str:
    words = [f"epsilon {one.epsilon:.2f}" if math.isfinite(one.epsilon) else "nothing promised"]
    words += [
        f"at least {audit.value:.2f} by canaries of n = {n} ({audit.tpr.models} networks with them, {audit.fpr.models} "
        f"without, could show {audit.ceiling:.2f})"
        for n, audit in one.audited.items()
    ]
    if one.score:
        n, score = max(one.score.items())
        words.append(f"score {score.value:.2f} at n = {n}")
    return ", ".join([*words, *([f"accuracy {one.accuracy.value:.3f}"] if one.accuracy.models else [])])


def brief(every: list[Private]) -> str:
    """The most private method beside training without privacy."""
    private = [one for one in every if math.isfinite(one.epsilon)]
    if not private:
        return ""
    best = min(private, key=lambda one: one.epsilon)
    place = (best.place, best.group)
    plain = next((one for one in every if one.method == PLAIN and (one.place, one.group) == place), None)
    words = f"{best.place}, {best.title}: {_told(best)}"
    return f"{words}; without privacy {_told(plain)}." if plain else f"{words}."


def figure(every: list[Private], about: About) -> Figure:
    """For each pattern: epsilon by method, promised and shown; the score against n; accuracy by method."""
    if not every:
        raise NotDrawnError('No network was trained by a prevention. Give e.g. `prevention = ["dp-sgd noise=1"]`.')
    places = {(one.place, id(one.group)): None for one in every}
    parts = [[one for one in every if (one.place, id(one.group)) == place] for place in places]
    looks = looks_of([one.title for one in part] for part in parts)
    several = len(parts) > 1
    panels = [
        (f"{part[0].place}: {kind}" if several else kind, (kind, part))
        for part in parts
        for kind in DRAWN
        if kind != EPSILON or any(one.audited or math.isfinite(one.epsilon) for one in part)
    ]

    def draw(axes: Axes, panel: tuple[str, list[Private]]) -> None:
        kind, part = panel
        if kind == SCORE:
            draw_counts(axes, {one.title: one.score for one in part}, looks, step=0.08)
            share_axis(axes, "spurious score")
        elif kind == ACCURACY:
            _draw_accuracy(axes, part, looks)
        else:
            _draw_epsilon(axes, part)

    note = (
        "Promised: of one example more or less, for the settings. Shown: the lower bound (95 %) of canaries, at the "
        "smallest n; and the most that so many networks could show. "
    )
    legend = mark_legend(looks, line="-") + mark_legend(EPSILONS, hollow=[MOST])
    return panelled(about, panels, 3.2, draw, legend, lambda panel: _words(*panel), "Means over networks.", note)


EPSILON, SCORE, ACCURACY = "epsilon", "the score of the pattern", "accuracy on test examples"
DRAWN = (EPSILON, SCORE, ACCURACY)
EPSILONS = {name: look(place + 5) for place, name in enumerate((PROMISED, AUDITED, MOST))}


def _draw_epsilon(axes: Axes, part: list[Private]) -> None:
    bands(axes, len(part))
    for place, one in enumerate(part):
        shown = {PROMISED: one.epsilon}
        if one.audited:
            audit = one.audited[min(one.audited)]
            shown |= {AUDITED: audit.value, MOST: audit.ceiling}
        for name, value in shown.items():
            if math.isfinite(value):
                colour, marker = EPSILONS[name]
                face = "white" if name == MOST else colour
                axes.plot([place], [value], marker=marker, color=colour, markerfacecolor=face, linestyle="none")
    axes.set_yscale("symlog", linthresh=1)
    largest = max([1.0, *(one.epsilon for one in part if math.isfinite(one.epsilon))])
    ticks = [tick for tick in (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if tick <= largest]
    axes.set_yticks(ticks, [str(tick) for tick in ticks], minor=False)
    axes.set_yticks([], minor=True)
    axes.set_ylim(-0.1, 1.3 * largest)
    axes.set_ylabel("epsilon")
    _name_methods(axes, part)


def _draw_accuracy(axes: Axes, part: list[Private], looks: Any) -> None:
    bands(axes, len(part))
    for place, one in enumerate(part):
        if one.accuracy.models:
            colour, marker = looks[one.title]
            axes.plot([place], [one.accuracy.value], marker=marker, color=colour, linestyle="none")
    share_axis(axes, "accuracy")
    _name_methods(axes, part)


def _name_methods(axes: Axes, part: list[Private]) -> None:
    axes.set_xticks(range(len(part)), [one.title.replace(", ", ",\n") for one in part], fontsize="small")
    axes.set_xlim(-0.5, len(part) - 0.5)


def _words(kind: str, part: list[Private]) -> str:
    return "; ".join(f"{one.title}: {_told(one)}" for one in part) if kind != ACCURACY else ""


VIEW: View[list[Private]] = View(
    "dp",
    "What does differentially private training keep out, and at what cost?",
    shape,
    figure,
    sheets,
    answer,
    ("epsilon", "accuracy"),
    brief=brief,
)
