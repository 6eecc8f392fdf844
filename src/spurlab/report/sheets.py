"""Tables as values: what stands in the terminal and on the page is the same."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple

import pandas as pd

from spurlab.claims.norm import PUBLISHED
from spurlab.data import known
from spurlab.deletion.effect import RELEARN_MOST
from spurlab.models import architecture_title
from spurlab.report.deleted import deletions_of, mean_of
from spurlab.report.figures.accuracy import accuracies, changes
from spurlab.report.figures.importance import lines_of
from spurlab.report.figures.norm import norms_and_scores
from spurlab.report.figures.notes import class_name, dataset_title
from spurlab.report.figures.regularization import MEASURES, SWEPT, level_label, sweeps
from spurlab.report.figures.sensitivity import sensitivities
from spurlab.report.repaired import Repaired, repairs_of
from spurlab.report.summary import (
    DIFFERENCE,
    SHARE,
    Curve,
    Group,
    curves,
    estimate,
    estimates,
    groups,
    networks,
    per_network,
    varying,
)
from spurlab.stats import Estimate
from spurlab.studies import StudyResult, only_read
from spurlab.studies.axes import PLAIN
from spurlab.studies.measures import GROUPS

PAPER_NORMS = {  # Table 1 of arXiv:2202.05189
    "mnist": {"S1": 1.00, "S2": 3.00, "S3": 5.00, "R1": 3.88, "R2": 7.70, "R3": 15.19, "Co": 5.98},
    "fashion-mnist": {"S1": 1.00, "S2": 3.00, "S3": 4.98, "R1": 3.90, "R2": 7.40, "R3": 13.65, "Co": 4.44},
    "cifar10": {"S1": 0.84, "S2": 2.57, "S3": 4.34, "R1": 7.72, "R2": 14.54, "R3": 23.20, "Co": 8.00},
}
PAPER_PARAMETERS = {  # its Table 2
    "small-mlp": 203_530,
    "mlp": 335_114,
    "large-mlp": 932_362,
    "cnn": 312_202,
    "resnet20": 269_722,
    "resnet32": 464_154,
    "resnet110": 1_727_962,
    "vgg16": 134_301_514,
}
SHOWN_SHARES = (0, 20, 50, 80, 100)  # percent
_ZERO = re.compile(r"-(0\.0+)(?!\d)")


class Number(NamedTuple):
    """A number as it is shown, and what it is sorted by."""

    text: str
    value: float | int


Cell = str | Number


@dataclass(frozen=True)
class Sheet:
    """A table.

    Args:
        title: what it is.
        headings: one for each column.
        lines: a cell for each column; "" where there is nothing.
        note: what the numbers are.
        place: how many of the first columns say where, and are the same for several lines; where there is little room
            each of their values gets a table of its own.
    """

    title: str
    headings: tuple[str, ...]
    lines: tuple[tuple[Cell, ...], ...]
    note: str = ""
    place: int = 0

    @property
    def numeric(self) -> tuple[bool, ...]:
        """Which columns hold numbers."""
        return tuple(any(isinstance(line[i], Number) for line in self.lines) for i in range(len(self.headings)))


def study_sheets(result: StudyResult) -> list[Sheet]:
    """The tables that suit the study; those without lines are left out."""
    if result.rows.empty or result.study.main_figure not in SHEETS:
        return []
    with only_read(result.study):
        return [sheet for sheet in SHEETS[result.study.main_figure](result) if sheet.lines]


def curve_sheet(curve: Curve, title: str) -> Sheet:
    """Score at each n with its interval, paired difference to n = 0 and test accuracy."""
    headings = ("n", "spurious score", "difference to n = 0", "p", "test accuracy")
    seeds = curve.points[0].score.models
    many = f"mean [95 % interval] over {seeds} networks" if seeds != 1 else "one network: no interval"
    note = f"{many}; p: paired, one-sided, Holm-corrected over n"
    return Sheet(title, headings, tuple(_points(curve)), note)


def verdict_of(curve: Curve) -> str:
    """The verdict, with the seeds that had to be left out."""
    if curve.points[0].score.models == 0 and curve.diverged:
        return "undecided: no network is left, since one of every seed diverged"
    if curve.points[0].score.models == 0:
        return "undecided: the networks of no seed are complete"
    if not curve.verdict.adjusted:
        return "undecided: no n above 0 has been measured"
    without = [
        f"the {why} seeds {', '.join(str(seed) for seed in seeds)}"
        for why, seeds in (("diverged", curve.diverged), ("unfinished", curve.unfinished))
        if seeds
    ]
    return f"{curve.verdict}" + (f" (without {' and '.join(without)})" if without else "")


def _scores(result: StudyResult) -> list[Sheet]:
    found = [(group, curve) for group in groups(result.rows) for curve in curves(group.rows)]
    learnt: list[tuple[Cell, ...]] = []
    points: list[tuple[Cell, ...]] = []
    for group, curve in found:
        where = (*_where(group), curve.pattern, _target(group.dataset, curve.target))
        first, last = curve.points[0], curve.points[-1]
        at = Number(verdict_of(curve), curve.verdict.n if curve.verdict.n is not None else math.inf)
        learnt.append((*where, at, _mean(first.score), _mean(last.score), _count(last.n)))
        points += [(*where, *point) for point in _points(curve)]
    where_headings = ("dataset", "networks", "pattern", "target")
    return [
        _slim(
            "When is the pattern learnt?",
            (*where_headings, "verdict", "score at n = 0", "score at the largest n", "largest n"),
            learnt,
            "learnt at n: from this n on the score is above that of n = 0 (paired, one-sided, Holm-corrected, 5 %)",
        ),
        _slim(
            "All scores",
            (*where_headings, "n", "spurious score", "difference to n = 0", "p", "test accuracy"),
            points,
            "mean [95 % interval] over networks; p: paired, one-sided, Holm-corrected over n",
        ),
    ]


def _gallery(result: StudyResult) -> list[Sheet]:
    rows = result.rows[result.rows["measure"] == "empirical_norm"]
    lines = [
        (
            dataset_title(dataset),
            str(pattern),
            _mean(norm, ".2f"),
            _number(PAPER_NORMS.get(dataset, {}).get(pattern), ".2f"),
        )
        for (dataset, pattern), norm in estimates(rows, ["dataset", "pattern"]).items()
    ]
    headings = ("dataset", "pattern", "mean empirical norm", "paper")
    return [_slim("Mean empirical norm (Table 1)", headings, lines, "mean [95 % interval] over draws of the pattern")]


def _parameters(result: StudyResult) -> list[Sheet]:
    rows = result.rows[result.rows["measure"] == "parameters"]
    lines = [
        (
            architecture_title(name),
            dataset_title(dataset),
            _number(count.value, ",.0f"),
            _number(PAPER_PARAMETERS.get(name), ",.0f"),
        )
        for (name, dataset), count in estimates(rows, ["architecture", "dataset"]).items()
    ]
    headings = ("architecture", "dataset", "parameters", "paper")
    note = "paper: ten classes; MLPs and CNN on grey images of 28 x 28, the others on colour images of 32 x 32"
    return [_slim("Trainable parameters (Table 2)", headings, lines, note)]


def _accuracy(result: StudyResult) -> list[Sheet]:
    lines: list[tuple[Cell, ...]] = []
    for group in groups(result.rows[result.rows["measure"] == "accuracy"]):
        differences = changes(group)
        for pattern, line in accuracies(group).items():
            for n, mean in line.items():
                change = differences.get(pattern, {}).get(n)
                lines.append((*_where(group), pattern, _count(n), _mean(mean, ".4f"), _mean(change, ".4f")))
    headings = ("dataset", "networks", "pattern", "n", "test accuracy", "difference to n = 0")
    return [
        _slim("Accuracy on clean test images", headings, lines, "mean [95 % interval] over networks, targets averaged")
    ]


def _norm(result: StudyResult) -> list[Sheet]:
    summary: list[tuple[Cell, ...]] = []
    lines: list[tuple[Cell, ...]] = []
    for group in groups(result.rows):
        found = norms_and_scores(group)
        if found.patterns:
            published = _number(PUBLISHED.get(group.dataset), ".2f")
            r = found.correlation
            shown = "" if math.isnan(r.r) else Number(str(r), r.r)
            summary.append((*_where(group), shown, _p(r.p), published))
        for pattern, (norm, score) in found.patterns.items():
            lines.append((*_where(group), pattern, _mean(norm, ".2f"), _mean(score)))
    return [
        _slim(
            "Correlation of norm and score",
            ("dataset", "networks", "r", "p", "r in the paper"),
            summary,
            "Pearson's r over patterns [Fisher's 95 % interval], two-sided p",
        ),
        _slim(
            "Norm and score of each pattern",
            ("dataset", "networks", "pattern", "mean norm", "mean score"),
            lines,
            "mean [95 % interval] over networks; scores averaged over n > 0 and targets",
        ),
    ]


def _importance(result: StudyResult) -> list[Sheet]:
    lines: list[tuple[Cell, ...]] = []
    for group in groups(result.rows):
        for line in lines_of(result, group, maps=False):
            same = {"pattern": line.pattern, "target": line.target}
            for n, mean in line.inside.items():
                first, last = (per_network(group.rows, "pattern_importance", **same, n=k) for k in (0, n))
                change = _paired(last, first, None) if n else None
                where = (*_where(group), line.pattern, _target(group.dataset, line.target))
                lines.append((*where, _count(n), _mean(mean), _mean(change)))
    headings = ("dataset", "networks", "pattern", "target", "n", "mean importance", "difference to n = 0")
    return [_slim("Importance of the pattern's pixels", headings, lines, "mean [95 % interval] over networks")]


def _bars(result: StudyResult) -> list[Sheet]:
    lines: list[tuple[Cell, ...]] = []
    first: dict[str, Group] = {}
    for group in groups(result.rows[result.rows["measure"] == "spurious_score"]):
        base = first.setdefault(group.dataset, group)
        for (pattern, target, n), mean in estimates(group.rows, ["pattern", "target", "n"], SHARE).items():
            cell = {"pattern": pattern, "target": target, "n": n}
            change = None
            if group is not base:
                one, other = (per_network(each.rows, "spurious_score", **cell) for each in (group, base))
                change = _paired(one, other, DIFFERENCE)
            where = (dataset_title(group.dataset), str(pattern), _target(group.dataset, int(target)), _count(int(n)))
            lines.append((*where, group.label, _mean(mean), _mean(change)))
    base_label = next(iter(first.values())).label if first else ""
    headings = (
        "dataset",
        "pattern",
        "target",
        "n",
        "networks",
        "spurious score",
        f"difference to {base_label or 'the first'}",
    )
    return [
        _slim("Scores compared", headings, lines, "mean [95 % interval] over networks; differences are paired by seed")
    ]


def _regularization(result: StudyResult) -> list[Sheet]:
    sheets = []
    for dataset, rows in result.rows.groupby("dataset", sort=False):
        for setting, sweep in sweeps(rows).items():
            lines: list[tuple[Cell, ...]] = []
            cells = dict.fromkeys((pattern, n) for _, pattern, n in sweep.lines)
            for pattern, n in cells:
                for level in sweep.levels:
                    means = [sweep.lines.get((measure, pattern, n), {}).get(level) for measure in MEASURES]
                    shown = Number(level_label(level), level)
                    lines.append((pattern, _count(n), shown, *(_mean(mean) for mean in means)))
            headings = ("pattern", "n", SWEPT[setting], *MEASURES.values())
            title = f"{dataset_title(str(dataset))}: {SWEPT[setting].removesuffix(' at')}"
            sheets.append(_slim(title, headings, lines, "mean [95 % interval] over networks"))
    return sheets


def _sensitivity(result: StudyResult) -> list[Sheet]:
    lines: list[tuple[Cell, ...]] = []
    for dataset, found in sensitivities(result).items():
        for name, line in found.items():
            shown = [_mean(line.get(percent)) for percent in SHOWN_SHARES]
            lines.append((dataset_title(dataset), architecture_title(name), *shown))
    headings = ("dataset", "architecture", *(f"{percent} %" for percent in SHOWN_SHARES))
    note = "mean [95 % interval] over networks, with this share of the non-zero pixels set to zero"
    return [_slim("Probability of the true class", headings, lines, note)]


def _deletion(result: StudyResult) -> list[Sheet]:
    lines: list[tuple[Cell, ...]] = []
    behind: list[tuple[Cell, ...]] = []
    failed: list[tuple[Cell, ...]] = []
    for _, same in groupby(deletions_of(result.rows), key=lambda each: id(each.case)):
        methods = list(same)
        case = methods[0].case
        where = (dataset_title(case.group.dataset), case.group.label, _count(case.n), _share(case.known))
        first = methods[0]
        lines.append((*where, "before deletion", "", *_left(first.before, "")))
        for each in methods:
            closed = each.closed
            gap = Number(str(closed), closed.value) if math.isfinite(closed.value) else ""
            lines.append((*where, each.title, each.verdict.name, *_left(each.rows, gap)))
            behind.append((*where, each.title, each.verdict.name, each.verdict.finding))
            failed += [(*where, each.title, reason) for reason in each.failures]
        lines.append((*where, "never saw them", "", *_left(first.oracle, "")))
    place = ("dataset", "networks", "n", "known", "method")
    headings = (
        *(*place, "verdict", "spurious score", "share of the gap closed", "accuracy", "accuracy on the forgotten"),
        *("membership AUC", "distance to oracles", "marked", "relearn steps", "time / retraining"),
    )
    note = (
        "mean [95 % interval] over networks; share closed: Fieller's interval; distance: on clean test images, and on "
        "marked ones; relearn steps: median; time: of one network alone, as a share of training it again"
    )
    return [
        _slim("What deletion leaves", headings, lines, note, len(place) - 1),
        _slim("The test behind each verdict", (*place, "verdict", "finding"), behind, "", len(place) - 1),
        _slim("What failed", (*place, "reason"), failed, ""),
    ]


def _left(rows: pd.DataFrame, gap: Cell) -> tuple[Cell, ...]:
    """What was measured of some networks, and the share of the gap that was closed."""
    return (
        _mean(mean_of(rows, "spurious_score")),
        gap,
        _mean(mean_of(rows, "accuracy"), ".4f"),
        *(_mean(mean_of(rows, each), ".2f") for each in ("forgotten_accuracy", "membership_auc")),
        *(_mean(mean_of(rows, each), ".2f") for each in ("oracle_distance", "oracle_distance_marked")),
        _steps(rows),
        _mean(mean_of(rows, "time_share"), ".2f"),
    )


def _repairs(result: StudyResult) -> list[Sheet]:
    lines: list[tuple[Cell, ...]] = []
    failed: list[tuple[Cell, ...]] = []
    found = repairs_of(result.rows)
    for each in found:
        where, shares = _where_repaired(each)
        gains = [each.gain(name) if each.method != PLAIN else None for name in ("accuracy", "worst_group")]
        lines.append(
            (
                *(*where, *shares, each.title),
                *(_mean(each.mean(name)) for name in ("accuracy", "worst_group")),
                *(_mean(gain) for gain in gains),
                *(_mean(each.mean(name)) for name in ("train_weighted_accuracy", "train_accuracy", "block_saliency")),
                _number(each.seconds, ".2f"),
            )
        )
        failed += [(*where, *shares, each.title, reason) for reason in each.failures]
    headings = ("dataset", "networks", "feature", "have it", "clean", "method")
    numbers = ("accuracy", "worst group", "gain", "gain, worst group", "weighted by training groups", "in training")
    note = (
        "mean [95 % interval] over networks; gain: over the networks as they were trained, paired by seed; accuracy "
        "over test examples, and (weighted) the mean of group accuracies by the groups' shares in training"
    )
    return [
        _short("Accuracy by method", (*headings, *numbers, "saliency on the block", "seconds"), lines, note),
        *_by_group(found),
        _slim("What failed", (*headings, "reason"), failed, ""),
    ]


def _where_repaired(each: Repaired) -> tuple[tuple[Cell, ...], tuple[Cell, ...]]:
    """Dataset, networks and feature; the shares that have the feature and that are clean."""
    place = each.place
    shares = tuple("" if math.isnan(share) else _share(share) for share in (place.share, place.clean))
    return (dataset_title(place.group.dataset), place.group.label, place.feature), shares


def _by_group(found: list[Repaired]) -> list[Sheet]:
    """For each dataset, the accuracy on each group of its test examples."""
    sheets = []
    for dataset in dict.fromkeys(each.place.group.dataset for each in found):
        mine = [each for each in found if each.place.group.dataset == dataset]
        measured = [(i, name) for i, name in enumerate(GROUPS) if any(each.mean(name).models for each in mine)]
        names = getattr(known(dataset), "group_names", None) or ()
        lines = [
            (*where, *shares, each.title, *(_mean(each.mean(name)) for _, name in measured))
            for each in mine
            for where, shares in [_where_repaired(each)]
            if measured
        ]
        headings = ("dataset", "networks", "feature", "have it", "clean", "method")
        of = (names[i] if i < len(names) else f"group {i}" for i, _ in measured)
        sheets.append(_short("Accuracy by group", (*headings, *of), lines, "mean [95 % interval] over networks"))
    return [sheet for sheet in sheets if sheet.lines]


def _reweighting(result: StudyResult) -> list[Sheet]:
    """What AFR's weights are made of, in front of what comes of them."""
    measures = [
        *("minority_weight", "true_probability_001", "true_probability_01", "true_probability_10"),
        *("fresh_minority_weight", "fresh_probability_001", "fresh_probability_01", "fresh_probability_10"),
    ]
    lines = [
        (each.place.feature, _share(each.place.share), *(_mean(each.mean(name)) for name in measures))
        for each in repairs_of(result.rows)
        if each.method == PLAIN and each.place.share > 0
    ]
    headings = [f"{what}, {where}" for where in ("training", "new") for what in ("weight", "p .1 %", "p 1 %", "p 10 %")]
    note = (
        "mean [95 % interval] over networks as they were trained; weight: the part of AFR's weights (gamma = 4) that "
        "falls on examples without the feature; p: quantiles of the probability of the true class, of the training "
        "examples and of new ones, which are the test examples with the feature on as many"
    )
    return [_short("What reweighting sees", ("feature", "have it", *headings), lines, note), *_repairs(result)]


def settings_sheet(rows: pd.DataFrame) -> Sheet | None:
    """The combinations of settings that were run; None where at most one setting varies."""
    names = varying(rows)
    if len(names) < 2:
        return None
    lines = [
        (*(_setting(group.settings[name]) for name in names), _count(networks(group.rows))) for group in groups(rows)
    ]
    headings = (*(name.replace("_", " ") for name in names), "networks")
    return Sheet("Settings that were run", headings, tuple(lines), "networks without marks can stand in several lines")


SHEETS: dict[str, Callable[[StudyResult], list[Sheet]]] = {
    "gallery": _gallery,
    "parameters": _parameters,
    "scores": _scores,
    "accuracy": _accuracy,
    "norm": _norm,
    "importance": _importance,
    "bars": _bars,
    "regularization": _regularization,
    "sensitivity": _sensitivity,
    "deletion": _deletion,
    "deletion-curves": _deletion,
    "repairs": _repairs,
    "reweighting": _reweighting,
    **dict.fromkeys(("signals", "embeddings", "saliency"), _repairs),
}


def _points(curve: Curve) -> list[tuple[Cell, ...]]:
    return [
        (
            _count(point.n),
            _mean(point.score),
            _mean(point.difference),
            "" if point.p is None else _p(point.p),
            _mean(point.accuracy),
        )
        for point in curve.points
    ]


def _slim(title: str, headings: Sequence[str], lines: Sequence[Sequence[Cell]], note: str, place: int = 0) -> Sheet:
    """Without columns that are empty throughout."""
    kept = [i for i in range(len(headings)) if any(line[i] != "" for line in lines)]
    shorter = tuple(tuple(line[i] for i in kept) for line in lines)
    return Sheet(title, tuple(headings[i] for i in kept), shorter, note, sum(i < place for i in kept))


def _short(title: str, headings: Sequence[str], lines: Sequence[Sequence[Cell]], note: str) -> Sheet:
    """As `_slim`, and texts that are the same in all lines stand in the title once."""
    columns = list(zip(*lines, strict=True))
    alike = [
        i for i, column in enumerate(columns) if len(lines) > 1 and len(set(column)) == 1 and isinstance(column[0], str)
    ]
    words = [str(columns[i][0]) for i in alike if columns[i][0] != ""]
    kept = [i for i in range(len(headings)) if i not in alike]
    shorter = [[line[i] for i in kept] for line in lines]
    return _slim(": ".join([title, ", ".join(words)]) if words else title, [headings[i] for i in kept], shorter, note)


def _where(group: Group) -> tuple[Cell, Cell]:
    return dataset_title(group.dataset), group.label


def _target(dataset: str, target: int) -> Number:
    name = class_name(dataset, target)
    return Number(f"{target} ({name})" if name and name != str(target) else str(target), target)


def _setting(value: Any) -> Cell:
    if pd.isna(value):
        return Number("none", math.inf)
    return Number(f"{value:g}", value) if isinstance(value, int | float) else str(value)


def _count(n: int) -> Number:
    return Number(f"{n:,}", n)


def _steps(rows: pd.DataFrame) -> Cell:
    """The median, which also stands where the pattern never came back for some."""
    if "relearn_steps" not in rows or rows["relearn_steps"].isna().all():
        return ""
    median = float(rows["relearn_steps"].median())
    return Number(f"{median:.0f}" if math.isfinite(median) else f"> {RELEARN_MOST}", median)


def _share(share: float) -> Number:
    return Number(f"{100 * share:.3g}%", share)


def _number(value: float | int | None, spec: str) -> Cell:
    return "" if value is None or math.isnan(value) else Number(format(value, spec), float(value))


def _p(p: float) -> Cell:
    return Number("< 0.0001", p) if p < 0.0001 else _number(p, ".4f")


def _mean(mean: Estimate | None, spec: str = ".3f") -> Cell:
    return "" if mean is None or mean.models == 0 else Number(_ZERO.sub(r"\1", format(mean, spec)), mean.value)


def _paired(one: "pd.Series[float]", other: "pd.Series[float]", bounds: tuple[float, float] | None) -> Estimate:
    """The mean difference over the seeds that both have."""
    return estimate((one - other).dropna(), bounds)
