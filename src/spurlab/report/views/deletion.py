"""What does deletion leave? The verdict on each method in each case, with the score that is left."""

import math
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from spurlab.deletion.verdict import needed_to_forget
from spurlab.measures.relearning import RELEARN_MOST
from spurlab.report import sheet
from spurlab.report.groups import Mean, mean_of, told
from spurlab.report.style import COLOURS, blank, describe, draw_networks, printable
from spurlab.report.titles import in_a_row, panel_title, target_title
from spurlab.report.treated import Case, Deleted, deletions_of
from spurlab.report.verdicts import VERDICTS, counted, shown
from spurlab.report.view import About, NotDrawnError, View
from spurlab.studies import StudyResult

BEFORE, ORACLE = "before deletion", "never saw them"
GREY = "#7F7F7F"
COST = 0.01  # a smaller loss of accuracy is not shown
PASSED = ("forgets", "no leftover seen")
_MOST = 15  # cases beside each other
_LINE = 120  # letters across all columns


def shape(result: StudyResult) -> list[Deleted]:
    return deletions_of(result.rows, result.study.most)


def sheets(methods: list[Deleted]) -> list[sheet.Sheet]:
    """What each method leaves, the test behind its verdict, and what failed."""
    lines: list[tuple[sheet.Cell, ...]] = []
    behind: list[tuple[sheet.Cell, ...]] = []
    failed: list[tuple[sheet.Cell, ...]] = []
    for _, same in groupby(methods, key=lambda deleted: id(deleted.case)):
        first, *others = same
        case = first.case
        where = (*sheet.place_cells(case.group), sheet.count_cell(case.n), sheet.share_cell(case.known))
        lines.append((*where, BEFORE, "", sheet.count_cell(len(first.before)), *_left(first.before, "")))
        for deleted in (first, *others):
            closed, title, verdict = deleted.judged.closed, deleted.title, deleted.verdict
            gap = sheet.Number(str(closed), closed.value) if math.isfinite(closed.value) else ""
            networks = sheet.count_cell(deleted.networks)
            lines.append((*where, title, verdict.name, networks, *_left(deleted.rows, gap)))
            behind.append((*where, title, verdict.name, verdict.finding))
            failed += [(*where, title, reason) for reason in deleted.failures]
        lines.append((*where, ORACLE, "", sheet.count_cell(len(first.oracle)), *_left(first.oracle, "")))
    place = ("dataset", "networks", "n", "known", "method")
    headings = (
        *(*place, "verdict", "tried on", "spurious score", "share of the gap closed", "accuracy"),
        *("accuracy on the forgotten", "membership AUC", "distance to oracles", "marked", "relearn steps"),
        "time / retraining",
    )
    note = (
        f"{sheet.OVER_NETWORKS}; share closed: Fieller's interval; distance: on clean test examples, and on "
        "marked ones; relearn steps: median; time: of one network alone, as a share of training it again"
    )
    return [
        sheet.slim("What deletion leaves", headings, lines, note, len(place) - 1),
        sheet.slim("The test behind each verdict", (*place, "verdict", "finding"), behind, "", len(place) - 1),
        sheet.slim("What failed", (*place, "reason"), failed, ""),
    ]


def _left(rows: pd.DataFrame, gap: sheet.Cell) -> tuple[sheet.Cell, ...]:
    """What was measured of some networks, and the share of the gap that was closed."""
    distances = (mean_of(rows, measure, None) for measure in ("oracle_distance", "oracle_distance_marked"))
    others = mean_of(rows, "forgotten_accuracy"), mean_of(rows, "membership_auc"), *distances
    return (
        *(sheet.mean_cell(mean_of(rows, "spurious_score")), gap, sheet.mean_cell(mean_of(rows, "accuracy"))),
        *(sheet.mean_cell(mean, ".2f") for mean in others),
        *(_steps(rows), sheet.mean_cell(mean_of(rows, "time_share", None), ".2f")),
    )


def _steps(rows: pd.DataFrame) -> sheet.Cell:
    """The median, which also stands where the pattern never came back for some."""
    if "relearn_steps" not in rows or rows["relearn_steps"].isna().all():
        return ""
    median = float(rows["relearn_steps"].median())
    return sheet.Number(f"{median:.0f}" if math.isfinite(median) else f"> {RELEARN_MOST}", median)


def answer(methods: list[Deleted]) -> list[str]:
    """For each dataset and kind of network, which methods forget in most of its cases."""
    places: dict[str, list[Deleted]] = {}
    for deleted in methods:
        places.setdefault(deleted.case.group.title, []).append(deleted)
    return [f"{place}: {_best(alike)}." for place, alike in places.items()]


def brief(methods: list[Deleted]) -> str:
    words = _best(methods) if methods else ""
    return f"{words[:1].upper()}{words[1:]}.{_enough(methods)}" if words else ""


def _enough(methods: list[Deleted]) -> str:
    """How many networks it takes to say that a method forgets, where there are fewer, and where there are as many."""
    least = needed_to_forget(methods[0].most)
    enough = [deleted for deleted in methods if deleted.verdict.networks >= least]
    if len(enough) == len(methods):
        return ""
    have, of = ((len({each.case for each in some}), len({each.title for each in some})) for some in (enough, methods))
    shares = [
        f"{words} {part} of {every} {what}"
        for words, what, part, every in zip(("in", "for"), ("cases", "methods"), have, of, strict=True)
        if every > 1 and enough
    ]
    where = f"as many {', '.join(shares)}" if enough else "fewer"
    return f" To say that a method forgets takes {least} networks or more; there are {where}."


def _best(methods: list[Deleted]) -> str:
    """Which methods forget most often and which, beside them, leave nothing that was seen; how many do neither."""
    cases = Counter(deleted.title for deleted in methods)
    forget, unseen = (Counter(deleted.title for deleted in methods if deleted.verdict.name == name) for name in PASSED)
    many = len({deleted.case for deleted in methods})
    if not forget and not unseen:
        what = f"none of {len(cases)} methods is" if len(cases) > 1 else f"{next(iter(cases))} is not"
        return f"{what} shown to forget in any of {many} cases" if many > 1 else f"{what} shown to forget"
    words = []
    if forget:
        words.append(_most_often(forget, cases, ("forgets", "forget")))
        unseen = Counter({title: count for title, count in unseen.items() if title not in forget})
    if unseen:
        named = not forget or len(unseen) == 1
        few = _most_often(unseen, cases, ("leaves nothing that was seen", "leave nothing that was seen"))
        words.append(few if named else f"{len(unseen)} others at times leave nothing that was seen")
        words[-1] += ", by too few networks to say more"
    if (never := len(cases) - len(forget.keys() | unseen.keys())) and many > 1:
        words.append(f"{never} never do{'es' * (never == 1)}")
    return f"of {len(cases)} methods {'; '.join(words)}" if len(cases) > 1 else "; ".join(words)


def _most_often(counts: Counter[str], cases: Mapping[str, int], verbs: tuple[str, str]) -> str:
    """The methods with the largest count, and in how many of their cases that is."""
    most = max(counts.values())
    first = [title for title in counts if counts[title] == most]
    quoted = in_a_row([f"\N{LEFT DOUBLE QUOTATION MARK}{title}\N{RIGHT DOUBLE QUOTATION MARK}" for title in first])
    tried = max(cases[title] for title in first)
    words = f"{quoted} {verbs[len(first) > 1]}"
    return f"{words} most often, in {most} of {tried} cases" if tried > 1 else words


def tally(methods: list[Deleted]) -> dict[str, int]:
    """How often each verdict came out, the best first."""
    return counted((deleted.verdict.name for deleted in methods), VERDICTS)


def figure(methods: list[Deleted], about: About) -> Figure:
    """A line for each method, a column for each case; the cell has the verdict's letter and colour, and the score left.

    Methods that forget in most cases stand above. Below the score: the test accuracy lost, if it is above .01.
    """
    if not methods:
        raise NotDrawnError("Nothing has been deleted yet.")
    titles = by_success(methods)
    every = list(dict.fromkeys(deleted.case for deleted in methods))
    blocks = [every[i : i + _MOST] for i in range(0, len(every), _MOST)]
    note = (
        "In each cell: the verdict and the mean spurious score that is left; below it, where more than "
        f"{_bare(COST)} of test accuracy is lost, how much. Above: the same before the deletion, and of networks that "
        "never saw the marks. "
    )
    tall = 0.215 * (len(titles) + 2) + 0.87
    headings = [_narrow(panel_of(case, methods, with_n=False, with_known=False), _LINE // _MOST) for case in every]
    tall += 0.12 * max(0, max(len(heading.splitlines()) for heading in headings) - 5) * _crowded(every, methods)
    legend = [(Patch(facecolor=shown(name).colour, edgecolor=GREY), name) for name in tally(methods)]
    legend = [(handle, f"{shown(name).letter}  {name}") for handle, name in legend]
    drawn, body = blank(about.title, tall * len(blocks), note + about.networks, legend)
    for cases, axes in zip(blocks, body.subplots(len(blocks), 1, squeeze=False)[:, 0], strict=True):
        _matrix(axes, titles, cases, methods)
    words: dict[str, list[str]] = {}
    for deleted in methods:
        place = f"{panel_of(deleted.case, methods, with_n=True)}, {_networks(deleted.case, methods)} networks"
        words.setdefault(place, []).append(f"{deleted.title} {told(deleted.score)}, {deleted.verdict.name}")
    sentences = ". ".join(f"{place}: {'; '.join(each)}" for place, each in words.items())
    return describe(drawn, f"Score left by each method. {sentences}.")


def by_success(methods: Sequence[Deleted]) -> list[str]:
    """The methods, those with the best verdicts in most cases first; of equals the one that leaves the lower score."""
    found: dict[str, list[Deleted]] = {}
    for deleted in methods:
        found.setdefault(deleted.title, []).append(deleted)

    def rank(title: str) -> tuple[float, ...]:
        names = [str(deleted.verdict.name) for deleted in found[title]]
        left = [deleted.score.value for deleted in found[title] if deleted.score.models]
        shares = (-names.count(name) / len(names) for name in ("forgets", "no leftover seen", "partly"))
        return *shares, sum(left) / len(left) if left else math.inf

    return sorted(found, key=rank)


def _matrix(axes: Axes, titles: Sequence[str], cases: Sequence[Case], methods: Sequence[Deleted]) -> None:
    columns = {case: x for x, case in enumerate(cases)}
    lines = {title: y for y, title in enumerate((BEFORE, ORACLE, *titles))}
    first = {deleted.case: deleted for deleted in reversed(methods)}  # of each case
    for deleted in methods:
        if (x := columns.get(deleted.case)) is None:
            continue
        y, look = lines[deleted.title], shown(deleted.verdict.name)
        axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=look.colour, edgecolor="#FFFFFF", linewidth=1.2))
        lost = deleted.accuracy_lost.value
        costs = lost > COST and bool(deleted.score.models)
        ink, at = look.ink, y - 0.16 if costs else y
        axes.text(x - 0.42, at, look.letter, fontsize=7, weight="bold", va="center", color=ink)
        axes.text(x + 0.42, at, _score(deleted.score), fontsize=7, ha="right", va="center", color=ink)
        if costs:
            words = f"accuracy \N{MINUS SIGN}{_bare(lost)}" if len(cases) < 8 else f"\N{MINUS SIGN}{_bare(lost)}"
            axes.text(x + 0.42, y + 0.26, words, fontsize=5, ha="right", va="center", color=ink)
        if deleted is first[deleted.case]:
            for title, mean in ((BEFORE, deleted.score_before), (ORACLE, deleted.score_of_oracles)):
                axes.text(x + 0.42, lines[title], _score(mean), fontsize=7, ha="right", va="center")
    axes.axhline(1.5, color=GREY, linewidth=0.8)
    axes.set_xlim(-0.5, len(cases) - 0.5)
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.set_yticks(range(len(lines)), [printable(title) for title in lines], fontsize=8.5)
    axes.xaxis.tick_top()
    shares = len({case.known for case in cases}) > 1
    labels = [
        f"{case.n:,}\n{f'{case.known:.0%}' * (case.known < 1)}{chr(10) * shares}{_networks(case, methods)}"
        for case in cases
    ]
    axes.set_xticks(range(len(cases)), labels, fontsize=8)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    headings = "n" + "\nknown" * shares + "\nnetworks"
    axes.annotate(headings, (0, 1), (-6, 3.5), "axes fraction", "offset points", ha="right", va="bottom", fontsize=8)
    above = 37 if shares else 26
    for title, same in groupby(cases, key=lambda case: panel_of(case, methods, with_n=False, with_known=False)):
        places = [columns[case] for case in same]
        left = min(places) - 0.5
        room = len(places) * (_LINE // len(cases)) if _crowded(cases, methods) else len(title)
        name = title if len(places) > 2 else _narrow(title, room)
        size = 7 if _crowded(cases, methods) else 8.5
        axes.annotate(name, (left, 1), (2, above), ("data", "axes fraction"), "offset points", fontsize=size)
        axes.axvline(left, color="#FFFFFF", linewidth=4)


def _crowded(cases: Sequence[Case], methods: Sequence[Deleted]) -> bool:
    """Whether several marks are told apart by their names in headings above a column each."""
    return len({deleted.case.pattern for deleted in methods}) > 1 and len(cases) > 1


def _narrow(title: str, room: int) -> str:
    """A heading in lines of so many letters.

    >>> _narrow("Adult (5,000 rows), MLP, column:native-country=Scotland", 14).splitlines()
    ['Adult', '(5,000 rows)', 'MLP', 'column:native-', 'country=Scotla', 'nd']
    """
    lines = title.replace(", ", "\n").replace(" (", "\n(").splitlines()
    return "\n".join(part for line in lines for part in textwrap.wrap(line, room))


def _score(mean: Mean) -> str:
    return _bare(mean.value) if mean.models else ""


def _bare(share: float) -> str:
    """To three digits, without the zero before the point."""
    return f"{share:.3f}".replace("0.", ".", 1)


def case_figure(methods: list[Deleted], about: About, width: float = 4.2) -> Figure:
    """The case with most networks, of several the largest n: a line for each method, a dot for each network's score."""
    if not methods:
        raise NotDrawnError("Nothing has been deleted yet.")
    cases: dict[Case, list[Deleted]] = {}
    for deleted in methods:
        cases.setdefault(deleted.case, []).append(deleted)
    case, here = max(
        cases.items(),
        key=lambda item: (max(each.networks for each in item[1]), item[0].known, item[0].n, len(item[1])),
    )
    by_title = {deleted.title: deleted for deleted in here}
    first = here[0]
    lines = [("", BEFORE, first.score_before), ("", ORACLE, first.score_of_oracles)]
    lines += [(by_title[title].verdict.name, title, by_title[title].score) for title in by_success(here)]
    title = panel_of(case, methods, with_n=True)
    names = {label: label.partition(" (")[0] for _, label, _ in lines}  # the rest in the figure, where there is room
    names = {label: name if list(names.values()).count(name) == 1 else label for label, name in names.items()}
    drawn, body = blank(title, 0.152 * len(lines) + 0.5, width=width)
    axes = body.add_subplot()
    for y, (name, _, mean) in enumerate(lines):
        colour = shown(name).colour if name else "#FFFFFF"
        if name:
            axes.add_patch(Rectangle((-0.115, y - 0.42), 0.07, 0.84, facecolor=colour, clip_on=False, linewidth=0))
            axes.text(-0.08, y, shown(name).letter, fontsize=7.5, weight="bold", ha="center", va="center",
                      color=shown(name).ink)  # fmt: skip
        if y % 2:
            axes.axhspan(y - 0.5, y + 0.5, color="#F4F4F4", linewidth=0, zorder=0)
        ink = COLOURS[0] if name else GREY
        draw_networks(axes, mean.each, [float(y)] * mean.models, ink, size=6.5)
        axes.plot([mean.value], [y], "|", color=ink, markersize=8, markeredgewidth=1.8)
    axes.set_yticks(range(len(lines)), [printable(names[label]) for _, label, _ in lines], fontsize=8.5)
    axes.tick_params(axis="y", length=0, pad=17)
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.set_xlim(-0.03, 1.03)
    axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"], fontsize=8.5)
    axes.set_xlabel("spurious score left, a dot for each network", fontsize=8.5, loc="right")
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", alpha=0.3, linewidth=0.7)
    words = "; ".join(f"{title} {told(mean)}" for _, title, mean in lines)
    return describe(drawn, f"{title}: mean score left. {words}.")


def _networks(case: Case, methods: Sequence[Deleted]) -> str:
    """On how many networks the methods were tried in a case: "5", or "5 to 20" where they differ."""
    tried = {deleted.networks for deleted in methods if deleted.case == case}
    return " to ".join(dict.fromkeys(str(end) for end in (min(tried), max(tried))))


def panel_of(case: Case, among: Sequence[Deleted], *, with_n: bool, with_known: bool = True) -> str:
    """What tells a case from the others."""
    targets, patterns = ({getattr(other.case, name) for other in among} for name in ("target", "pattern"))
    return panel_title(
        case.group.dataset,
        case.group.label,
        case.pattern if len(patterns) > 1 else "",
        target_title(case.group.dataset, case.target) if len(targets) > 1 else "",
        f"n = {case.n:,}" if with_n else "",
        f"{case.known:.0%} known" if case.known < 1 and with_known else "",
    )


MEASURES = ("spurious_score", "accuracy")
VIEW: View[list[Deleted]] = View(
    "deletion",
    "What does deletion leave, and at what cost?",
    shape,
    figure,
    sheets,
    answer,
    MEASURES,
    brief=brief,
    glance=case_figure,
    tally=tally,
    leads=True,
)
