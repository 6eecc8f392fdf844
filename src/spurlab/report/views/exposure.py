"""Who is exposed: the example, its group, or the pattern? Attacks on networks that learnt from halves."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from spurlab.deletion import DELETIONS
from spurlab.measures.exposure import AT, TPRS
from spurlab.privacy import ATTACKS, Presence, presence
from spurlab.report.groups import SHARE, ByN, Group, Mean, estimates, groups, means_by_n
from spurlab.report.sheet import Number, Sheet, count_cell, mean_cell, place_cells, slim, target_cell
from spurlab.report.style import Looks, draw_counts, looks_of, panelled, share_axis
from spurlab.report.view import About, NotDrawnError, View
from spurlab.studies import StudyResult

MEMBERS, OTHERS = "marked members", "marked non-members"
ALL, MARKED, LEFT_OUT = "all examples, n = 0", f"marked examples, at {AT:.0%}", f"pattern left out, at {AT:.0%}"
GROUP, PATTERN = "the marked examples, as a group", "the pattern"
NEEDED = "Nothing was attacked. Give `attack` and `halves`, and measure `member_auc` and `marked_rates`."
COUNTS = "marked training examples, n"  # evenly spaced


@dataclass(frozen=True, eq=False)
class Attack:
    """What one attack finds of networks with one pattern and target, as means over networks by n.

    Args:
        name: what people call it.
        roc: of networks without marks, by rate of false positives the share of members found.
        auc: the area under the ROC of all examples.
        tpr: at 1 % false positives, the share of marked members found.
        fpr: likewise of marked non-members.
        left_out_tpr: as `tpr`, by shadows that left the whole pattern out.
        left_out_fpr: likewise.
        marked_auc: the area under the ROC of marked examples alone.
        group: by n, how well the group is told from networks without marks.
    """

    name: str
    roc: Mapping[float, Mean]
    auc: ByN
    tpr: ByN
    fpr: ByN
    left_out_tpr: ByN
    left_out_fpr: ByN
    marked_auc: ByN
    group: Mapping[int, Presence]


@dataclass(frozen=True, eq=False)
class Exposure:
    """The networks of one pattern and target, and what is found of them.

    Args:
        group: their settings.
        pattern: its name.
        target: its class.
        attacks: what each finds.
        pattern_found: by n, how well networks with the pattern are told from those without by their answer to it.
    """

    group: Group
    pattern: str
    target: int
    attacks: tuple[Attack, ...]
    pattern_found: Mapping[int, Presence]

    @property
    def place(self) -> str:
        """Where, in words."""
        return f"{self.group.title}, {self.pattern}, target {self.target}"


def shape(result: StudyResult) -> list[Exposure]:
    """By settings, pattern and target; each network was attacked with the others as shadows."""
    rows = result.rows
    if "attack" not in rows or rows["attack"].isna().all():
        return []
    return [
        Exposure(group, str(pattern), int(target), _attacks(part), _found(part, "pattern_answer", "pattern_answer"))
        for group in groups(rows)
        for (pattern, target), part in _parts(group.rows, ["pattern", "target"])
        if part["attack"].notna().any()
    ]


def _parts(rows: pd.DataFrame, by: list[str]) -> list[tuple[Any, pd.DataFrame]]:
    return list(rows.groupby(by, sort=False, dropna=False))


def _attacks(rows: pd.DataFrame) -> tuple[Attack, ...]:
    rows = rows if "deletion" in rows else rows.assign(deletion=None)
    return tuple(
        Attack(
            ATTACKS.title_of(str(name)) + (f", after {DELETIONS.title_of(after)}" if isinstance(after, str) else ""),
            _roc(part[part["n"] == 0]),
            auc=means_by_n(part, "member_auc"),
            tpr=means_by_n(part, "marked_tpr"),
            fpr=means_by_n(part, "marked_fpr"),
            left_out_tpr=means_by_n(part, "left_out_tpr"),
            left_out_fpr=means_by_n(part, "left_out_fpr"),
            marked_auc=means_by_n(part, "marked_auc"),
            group=_found(part, "group_planted", "group_control"),
        )
        for (name, after), part in _parts(rows.dropna(subset="attack"), ["attack", "deletion"])
    )


def _roc(rows: pd.DataFrame) -> dict[float, Mean]:
    means = estimates(rows[rows["measure"].isin(list(TPRS))], ["measure"], SHARE)
    return {TPRS[str(measure)]: mean for (measure,), mean in means.items()}


def _found(rows: pd.DataFrame, planted: str, control: str) -> dict[int, Presence]:
    """How well networks with marks are told from those without, by n.

    Each seed stands on one side only, and complements on the same: the first half of them has marks. What is said of a
    control stands beside each n (`group_control`), or in the rows of n = 0.
    """
    with_marks, without = (_by_seed(rows, measure) for measure in (planted, control))
    found = {}
    for n in sorted(with_marks.keys() - {0}):
        other = without.get(n if control != planted else 0)
        if other is None:
            continue
        pairs = sorted({seed // 2 for seed in {*with_marks[n], *other}})
        first = set(pairs[: len(pairs) // 2])
        sides = (
            torch.tensor([value for seed, value in sorted(values.items()) if (seed // 2 in first) == own]).double()
            for values, own in ((with_marks[n], True), (other, False))
        )
        one, two = sides
        if len(one) and len(two):
            found[n] = presence(one, two)
    return found


def _by_seed(rows: pd.DataFrame, measure: str) -> dict[int, dict[int, float]]:
    part = rows[rows["measure"] == measure].dropna(subset="value")
    return {
        int(n): dict(zip(own["seed"].astype(int), own["value"].astype(float), strict=True))
        for (n,), own in _parts(part, ["n"])
    }


def sheets(exposures: list[Exposure]) -> list[Sheet]:
    """By attack and n; and the pattern itself, which needs no attack."""
    examples = [
        (
            *(*place_cells(one.group), one.pattern, target_cell(one.group.dataset, one.target), attack.name),
            *(count_cell(n), mean_cell(mean), mean_cell(attack.tpr.get(n)), mean_cell(attack.fpr.get(n))),
            *(mean_cell(attack.left_out_tpr.get(n)), mean_cell(attack.left_out_fpr.get(n))),
            *(mean_cell(attack.marked_auc.get(n)), _presence_cell(attack.group.get(n))),
        )
        for one in exposures
        for attack in one.attacks
        for n, mean in attack.auc.items()
    ]
    patterns = [
        (
            *(*place_cells(one.group), one.pattern, target_cell(one.group.dataset, one.target)),
            *(count_cell(n), _presence_cell(found), count_cell(found.trials)),
        )
        for one in exposures
        for n, found in one.pattern_found.items()
    ]
    place = ("dataset", "networks", "pattern", "target")
    note = (
        f"means over attacked networks [95 % interval]; at {AT:.0%} false positives of all; pattern left out, and "
        "groups: of attacks that say something of an example without others; marked AUC: members "
        "over marked non-members; group AUC: networks with the group over networks without any mark [exact for "
        "independent networks; complements are not, so it is wider in truth]"
    )
    headings = (
        *(*place, "attack", "n", "AUC", f"{MEMBERS} found", f"{OTHERS} found"),
        *("members, pattern left out", "non-members, pattern left out", "marked AUC", "group AUC"),
    )
    pattern_note = (
        "networks with the pattern over networks without, by their answer to marked test examples [exact for "
        "independent networks; complements are not, so it is wider in truth]"
    )
    return [
        slim("Is this example a member, and was its group in the training set?", headings, examples, note),
        slim("Was the pattern in it?", (*place, "n", "AUC", "pairs of networks"), patterns, pattern_note),
    ]


def _presence_cell(found: Presence | None) -> Number | str:
    return "" if found is None else Number(f"{found.auc:.3f} [{found.low:.2f}, {found.high:.2f}]", found.auc)


def answer(exposures: list[Exposure]) -> list[str]:
    """Of each attack and n the three questions; of each pattern whether it is seen."""
    words = []
    for one in exposures:
        for attack in one.attacks:
            words += [
                f"{one.place}, n = {n}, {attack.name}: at {AT:.0%} false positives it finds {tpr.value:.2f} of marked "
                f"members and calls {attack.fpr[n].value:.2f} of marked non-members members."
                for n, tpr in attack.tpr.items()
                if n in attack.fpr
            ]
        words += [
            f"{one.place}, n = {n}: networks with the pattern are told from others with an AUC of {found}."
            for n, found in one.pattern_found.items()
        ]
    return words or [NEEDED]


def brief(exposures: list[Exposure]) -> str:
    """Of the attack that finds most marked members, how it calls these and marked non-members, for each n.

    By shadows that left the pattern out, where this was measured.
    """
    words = []
    for one in exposures:
        left_out = any(attack.left_out_tpr for attack in one.attacks)
        kind = LEFT_OUT if left_out else MARKED
        found = [(attack.name, *_rates(kind, attack)) for attack in one.attacks]
        found = [(name, tpr, fpr) for name, tpr, fpr in found if tpr]
        if not found:
            continue
        name, tpr, fpr = max(found, key=lambda rates: sum(mean.value for mean in rates[1].values()))
        shadows = " with shadows that left the pattern out" if left_out else ""
        words.append(f"{one.place}: {name}{shadows} calls of marked members and non-members {both_rates(tpr, fpr)}")
    return f"{'; '.join(words)} members, at {AT:.0%} false positives." if words else ""


class Panel(NamedTuple):
    """One panel: the ROC of all examples, the marked examples by either kind of shadows, or the three questions."""

    kind: str
    of: Exposure


def figure(exposures: list[Exposure], about: About) -> Figure:
    """For each pattern: the ROC of all examples on log axes, the marked examples at 1 %, and the three questions."""
    if not any(attack.auc for one in exposures for attack in one.attacks):
        raise NotDrawnError(NEEDED)
    looks = looks_of([attack.name for attack in one.attacks] for one in exposures)
    several = len(exposures) > 1
    panels = [
        (f"{one.place}: {kind}" if several else kind, Panel(kind, one))
        for one in exposures
        for kind in (ALL, MARKED, LEFT_OUT, "three questions")
        if kind not in (MARKED, LEFT_OUT) or any(_rates(kind, attack)[0] for attack in one.attacks)
    ]
    legend = [
        (Line2D([], [], color=colour, marker=marker, linewidth=1.5), name) for name, (colour, marker) in looks.items()
    ]
    legend += [
        (Line2D([], [], color="#444444", marker="o", linestyle="none", markerfacecolor=face), name)
        for face, name in (("#444444", MEMBERS), ("white", OTHERS))
    ]
    legend += [
        (Line2D([], [], color="#444444", marker="", linestyle=stroke), f"AUC: {name}")
        for name, stroke in QUESTIONS.items()
    ]
    note = (
        "Each network is attacked with all others but its complement as shadows. All examples: nothing is "
        "interpolated, and dashed is guessing. Marked examples: at 1 % false positives of all; marked non-members are "
        "those of the other half. Pattern left out: shadows learnt from an example's group, or from no marked example. "
        "Areas: marked members over marked non-members; a group over networks that saw no mark; the pattern by the "
        "answers to marked test images. "
    )
    return panelled(about, panels, 3.4, partial(_draw, looks), legend, _words, "Means over networks.", note)


QUESTIONS: dict[str, Any] = {"the example, among marked ones": "-", GROUP: "--", PATTERN: ":"}


def _rates(kind: str, attack: Attack) -> tuple[ByN, ByN]:
    return (attack.tpr, attack.fpr) if kind == MARKED else (attack.left_out_tpr, attack.left_out_fpr)


def both_rates(tpr: ByN, fpr: ByN) -> str:
    """Of marked members and of marked non-members, by n."""
    return ", ".join(f"{mean.value:.2f} and {fpr[n].value:.2f} at n = {n}" for n, mean in tpr.items() if n in fpr)


def _draw(looks: Looks, axes: Axes, panel: Panel) -> None:
    one = panel.of
    if panel.kind == ALL:
        _draw_roc(looks, axes, one)
    elif panel.kind in (MARKED, LEFT_OUT):
        rates = {attack.name: _rates(panel.kind, attack) for attack in one.attacks}
        lines = {f"{name}, members": tpr for name, (tpr, _) in rates.items()}
        others = {f"{name}, others": fpr for name, (_, fpr) in rates.items()}
        styles = {f"{name}, {which}": style for name, style in looks.items() for which in ("members", "others")}
        draw_counts(axes, lines | others, styles, hollow=list(others), step=0.06)
        axes.set_xlabel(COUNTS)
        share_axis(axes, "called members")
    else:
        _draw_questions(looks, axes, one)


def _draw_roc(looks: Looks, axes: Axes, one: Exposure) -> None:
    lowest = min((rate for attack in one.attacks for rate in attack.roc), default=AT)
    for attack in one.attacks:
        colour, marker = looks[attack.name]
        rates = sorted(attack.roc)
        axes.plot(rates, [attack.roc[rate].value for rate in rates], color=colour, marker=marker, markersize=4)
    axes.plot([lowest, 1], [lowest, 1], color="#888888", linestyle="--", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(lowest * 0.9, 1.05)
    axes.set_ylim(lowest * 0.7, 1.1)
    axes.set_xlabel("false positives, share of non-members")
    axes.set_ylabel("members found")


def _draw_questions(looks: Looks, axes: Axes, one: Exposure) -> None:
    counts = sorted({n for attack in one.attacks for n in (*attack.marked_auc, *attack.group)} | {*one.pattern_found})
    places = {n: float(place) for place, n in enumerate(counts)}
    example, group, pattern = QUESTIONS.values()
    for attack in one.attacks:
        colour, marker = looks[attack.name]
        for stroke, line in (
            (example, {n: mean.value for n, mean in attack.marked_auc.items()}),
            (group, {n: found.auc for n, found in attack.group.items()}),
        ):
            axes.plot([places[n] for n in line], list(line.values()), stroke, color=colour, marker=marker, markersize=4)
    line = {n: found.auc for n, found in one.pattern_found.items()}
    axes.plot([places[n] for n in line], list(line.values()), pattern, color="#444444", marker="x", markersize=4)
    axes.axhline(0.5, color="#888888", linestyle="--", linewidth=0.8)
    axes.set_xticks(list(places.values()), [f"{n:,}" for n in counts])
    axes.set_xlabel(COUNTS)
    share_axis(axes, "area under the ROC")


def _words(panel: Panel) -> str:
    one = panel.of
    if panel.kind == ALL:
        return "; ".join(
            f"{attack.name} {', '.join(f'{mean.value:.3f} at {rate:g}' for rate, mean in sorted(attack.roc.items()))}"
            for attack in one.attacks
        )
    if panel.kind in (MARKED, LEFT_OUT):
        return "; ".join(
            f"{attack.name} {both_rates(*_rates(panel.kind, attack))}"
            for attack in one.attacks
            if _rates(panel.kind, attack)[0]
        )
    return "; ".join(
        [
            *(
                f"{attack.name} example "
                + ", ".join(f"{mean.value:.2f} at n = {n}" for n, mean in attack.marked_auc.items())
                + ("; group " + ", ".join(f"{found.auc:.2f} at n = {n}" for n, found in attack.group.items()))
                for attack in one.attacks
            ),
            "pattern " + ", ".join(f"{found.auc:.2f} at n = {n}" for n, found in one.pattern_found.items()),
        ]
    )


VIEW: View[list[Exposure]] = View(
    "exposure",
    "Who is exposed: an example, its group, or the pattern?",
    shape,
    figure,
    sheets,
    answer,
    ("member_auc", "marked_tpr", "marked_fpr"),
    brief=brief,
    leads=True,
)
