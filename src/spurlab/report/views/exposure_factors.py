"""What exposes marked examples more, and what less? One setting of the training after the other."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spurlab.deletion import DELETIONS
from spurlab.measures.exposure import AT
from spurlab.privacy import ATTACKS
from spurlab.report.groups import DIFFERENCE, SHARE, Group, Mean, by_seed, estimate, groups, in_words
from spurlab.report.sheet import Sheet, count_cell, mean_cell, slim, target_cell
from spurlab.report.style import look, mark_legend, panelled
from spurlab.report.titles import dataset_title, panel_title
from spurlab.report.view import About, NotDrawnError, View
from spurlab.studies import StudyResult

MEMBERS, OTHERS, ALL = "marked members", "marked non-members", "area, all examples"
LOOKS = {MEMBERS: look(0), OTHERS: look(0), ALL: look(1)}
NEEDED = "Nothing was attacked. Give `attack` and `halves`, and measure `left_out_rates` and `member_auc`."


@dataclass(frozen=True, eq=False)
class Factor:
    """Networks of one setting, and what one attack finds, at the largest n.

    Args:
        words: what is other than in the first setting of the data set.
        place: data set, pattern, target and attack, in words.
        dataset: its name.
        pattern: its name.
        target: its class.
        attack: what people call it.
        n: how many marked examples each network learnt from.
        members: of these, how many are called members by shadows that left the pattern out.
        others: likewise of the other marked examples.
        apart: members less others; over pairs of complements, which have the same examples the other way round.
        auc: the area under the ROC of all examples.
    """

    words: str
    place: str
    dataset: str
    pattern: str
    target: int
    attack: str
    n: int
    members: Mean
    others: Mean
    apart: Mean
    auc: Mean


def shape(result: StudyResult) -> list[Factor]:
    """By data set, pattern, target and attack, in the order of the settings."""
    rows = result.rows
    if "attack" not in rows or not (rows["measure"] == "left_out_tpr").any():
        return []
    rows = rows.assign(deletion=rows.get("deletion", None))
    every, first = [], dict[str, Group]()
    for group in groups(rows[rows["attack"].notna() & (rows["n"] > 0)]):
        base = first.setdefault(group.dataset, group)
        parts: Any = group.rows.groupby(["pattern", "target", "attack", "deletion"], sort=False, dropna=False)
        for (pattern, target, attack, deletion), part in parts:
            if (part["measure"] == "left_out_tpr").any():
                words = _changed(base.settings, group.settings)
                after = f", after {DELETIONS.title_of(deletion)}" if isinstance(deletion, str) else ""
                every.append(_factor(words + after, group.dataset, (pattern, int(target), attack), part))
    return [one for one in every if one.members.models]


def _changed(base: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    """What is other than in the first; of that the architecture."""
    other = {name: value for name, value in settings.items() if _text(value) != _text(base.get(name))}
    return ", ".join(in_words(other or {"architecture": settings.get("architecture")}))


def _text(value: Any) -> str:
    return str(value)  # NaN is no NaN


def _factor(words: str, dataset: str, of: tuple[str, int, str], rows: pd.DataFrame) -> Factor:
    pattern, target, attack = of
    n = int(rows.loc[rows["measure"] == "left_out_tpr", "n"].max())
    rows = rows[rows["n"] == n]
    members, others, areas = (
        by_seed(rows[rows["measure"] == name]) for name in ("left_out_tpr", "left_out_fpr", "member_auc")
    )
    apart = (members - others).groupby(members.index // 2).mean()
    title = ATTACKS.title_of(attack)
    return Factor(
        words,
        panel_title(dataset, f"{pattern}, target {target}, n = {n:,}, {title}"),
        *(dataset, pattern, target, title, n),
        *(estimate(members, SHARE, "left_out_tpr"), estimate(others, SHARE, "left_out_fpr")),
        *(estimate(apart, DIFFERENCE, "left_out_tpr"), estimate(areas, SHARE, "member_auc")),
    )


def sheets(factors: list[Factor]) -> list[Sheet]:
    lines = [
        (
            *(
                dataset_title(one.dataset),
                one.words,
                one.pattern,
                target_cell(one.dataset, one.target),
                one.attack,
                count_cell(one.n),
            ),
            *(mean_cell(one.members), mean_cell(one.others), mean_cell(one.apart), mean_cell(one.auc)),
        )
        for one in factors
    ]
    note = (
        f"called members at {AT:.0%} false positives, by shadows that left the pattern out; apart: members less "
        "non-members, over pairs of networks; means [95 % interval]"
    )
    headings = ("dataset", "networks", "pattern", "target", "attack", "n", MEMBERS, OTHERS, "apart", "AUC, all")
    return [slim("What exposes marked examples more, and what less?", headings, lines, note)]


def answer(factors: list[Factor]) -> list[str]:
    return [f"{one.place}: {one.words}: {_told(one)}." for one in factors] or [NEEDED]


def _told(one: Factor) -> str:
    return (
        f"{one.members.value:.2f} of marked members and {one.others.value:.2f} of marked non-members called members, "
        f"AUC of all {one.auc.value:.3f}"
    )


def figure(factors: list[Factor], about: About) -> Figure:
    """A panel for each data set, pattern, target and attack, with a line for each setting."""
    if not factors:
        raise NotDrawnError(NEEDED)
    panels = {one.place: [other for other in factors if other.place == one.place] for one in factors}
    tallest, several = max(map(len, panels.values())), len({(one.target, one.attack) for one in factors}) > 1
    titles = {
        place: place if several else f"{dataset_title(one.dataset)}, {one.pattern}, n = {one.n:,}"
        for place, [one, *_] in panels.items()
    }
    note = "" if several else f"{factors[0].attack}. "
    note += (
        f"At {AT:.0%} false positives, by shadows that learnt from an example's group or from no marked example; "
        "area under the ROC of all examples. "
    )
    return panelled(
        about,
        [(titles[place], panel) for place, panel in panels.items()],
        1.3 + 0.3 * tallest,
        _draw,
        mark_legend(LOOKS, hollow=[OTHERS]),
        lambda panel: "; ".join(f"{one.words} {_told(one)}" for one in panel),
        "Means over networks.",
        note,
    )


def _draw(axes: Axes, panel: list[Factor]) -> None:
    for place, one in enumerate(panel):
        if place % 2:
            axes.axhspan(place - 0.5, place + 0.5, color="#f3f3f3", linewidth=0, zorder=0)
        for step, (name, mean) in enumerate(((MEMBERS, one.members), (OTHERS, one.others), (ALL, one.auc))):
            colour, marker = LOOKS[name]
            face = "white" if name == OTHERS else colour
            y = place + 0.22 * (step - 1)
            axes.plot(mean.each, [y] * len(mean.each), ".", color=colour, markersize=3, alpha=0.3)
            if mean.models > 1:
                axes.plot([mean.low, mean.high], [y, y], color=colour, linewidth=1)
            axes.plot([mean.value], [y], marker=marker, color=colour, markerfacecolor=face, linestyle="none")
    axes.axvline(0.5, color="#888888", linestyle="--", linewidth=0.8)
    axes.set_yticks(range(len(panel)), [one.words for one in panel])
    axes.set_ylim(len(panel) - 0.5, -0.5)
    axes.set_xlim(-0.03, 1.03)
    axes.set_xlabel("called members; area")


VIEW: View[list[Factor]] = View(
    "exposure-factors",
    "What exposes marked examples more, and what less?",
    shape,
    figure,
    sheets,
    answer,
    ("left_out_tpr", "left_out_fpr", "member_auc"),
)
