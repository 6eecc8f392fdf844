"""What a study answers, in sentences with its numbers."""

import math
from collections.abc import Callable

from spurlab.report.figures.accuracy import accuracies
from spurlab.report.figures.bars import bars
from spurlab.report.figures.importance import lines_of
from spurlab.report.figures.norm import correlation
from spurlab.report.figures.notes import dataset_title, panel_title, target_title
from spurlab.report.figures.regularization import SWEPT, level_label, sweeps
from spurlab.report.summary import Curve, curves, estimates, groups
from spurlab.studies import StudyResult


def answer(result: StudyResult) -> list[str]:
    """The answer, a sentence for each case; says so where nothing was measured."""
    if result.rows.empty or result.study.figure not in ANSWERS:
        return ["Nothing has been measured yet."]
    return ANSWERS[result.study.figure](result) or ["The rows do not answer this."]


def _scores(result: StudyResult) -> list[str]:
    sentences = []
    for group in groups(result.rows):
        found = curves(group.rows)
        for target in dict.fromkeys(curve.target for curve in found):
            where = panel_title(group.dataset, group.label, target_title(group.dataset, target))
            sentences.append(f"{where}: {_learnt([curve for curve in found if curve.target == target])}.")
    if sentences:
        sentences[-1] += " In brackets: the mean score at the largest n."
    return sentences


def _learnt(found: list[Curve]) -> str:
    """Patterns by the n from which on they are learnt, with the score that they come to."""
    decided = [curve for curve in found if curve.verdict.decided]
    words = [
        f"from n = {n:,} on: {_listed([_with_score(curve) for curve in decided if curve.verdict.n == n])}"
        for n in sorted({curve.verdict.n for curve in decided if curve.verdict.n is not None})
    ]
    words = [f"learnt {'; '.join(words)}"] if words else []
    if never := [_with_score(curve) for curve in decided if curve.verdict.n is None]:
        words.append(f"not shown to be learnt: {_listed(never)}")
    if unclear := [curve.pattern for curve in found if not curve.verdict.decided]:
        words.append(f"undecided: {_listed(unclear)}")
    return "; ".join(words)


def _with_score(curve: Curve) -> str:
    return f"{curve.pattern} ({curve.points[-1].score.value:.3f})"


def _gallery(result: StudyResult) -> list[str]:
    rows = result.rows[result.rows["measure"] == "empirical_norm"]
    norms = estimates(rows, ["dataset", "pattern"])
    sentences = []
    for dataset in dict.fromkeys(dataset for dataset, _ in norms):
        mine = {pattern: norm.value for (name, pattern), norm in norms.items() if name == dataset}
        low, high = min(mine, key=lambda name: mine[name]), max(mine, key=lambda name: mine[name])
        sentences.append(
            f"{dataset_title(dataset)}: mean empirical norms from {mine[low]:.2f} ({low}) to {mine[high]:.2f} ({high})."
        )
    return sentences


def _parameters(result: StudyResult) -> list[str]:
    values = result.rows.loc[result.rows["measure"] == "parameters", "value"].dropna()
    if values.empty:
        return []
    few, many = f"{int(values.min()):,}", f"{int(values.max()):,}"
    return [f"From {few} to {many} trainable parameters." if few != many else f"{few} trainable parameters."]


def _accuracy(result: StudyResult) -> list[str]:
    sentences = []
    for group in groups(result.rows[result.rows["measure"] == "accuracy"]):
        means = [mean.value for line in accuracies(group).values() for mean in line.values()]
        if means:
            where = panel_title(group.dataset, group.label)
            sentences.append(
                f"{where}: the mean accuracies of all patterns and n lie in {min(means):.3f} to {max(means):.3f}."
            )
    return sentences


def _norm(result: StudyResult) -> list[str]:
    sentences = []
    for group in groups(result.rows):
        found = correlation(group)
        if not math.isnan(found.r):
            where = panel_title(group.dataset, group.label)
            sentences.append(f"{where}: r = {found.r:.2f} over {len(found.patterns)} patterns (p = {found.p:.2g}).")
    return sentences


def _importance(result: StudyResult) -> list[str]:
    sentences = []
    for group in groups(result.rows):
        for line in lines_of(result, group, maps=False):
            first, last = min(line.inside), max(line.inside)
            sentences.append(
                f"{line.title}: mean importance {line.inside[first].value:.3f} at n = {first:,}, "
                f"{line.inside[last].value:.3f} at n = {last:,}."
            )
    return sentences


def _bars(result: StudyResult) -> list[str]:
    sentences = []
    for group in groups(result.rows[result.rows["measure"] == "spurious_score"]):
        means = [mean.value for line in bars(group).values() for n, mean in line.items() if n > 0]
        if means:
            where = panel_title(group.dataset, group.label)
            sentences.append(f"{where}: mean score {sum(means) / len(means):.2f} over patterns, targets and n > 0.")
    return sentences


def _regularization(result: StudyResult) -> list[str]:
    sentences = []
    for dataset, rows in result.rows.groupby("dataset", sort=False):
        for setting, sweep in sweeps(rows).items():
            ends = sweep.levels[0], sweep.levels[-1]
            words = []
            for measure, name in (("spurious_score", "score"), ("accuracy", "accuracy")):
                pairs = [
                    (line[ends[0]].value, line[ends[1]].value)
                    for (what, _, n), line in sweep.lines.items()
                    if what == measure and n > 0 and all(end in line for end in ends)
                ]
                if pairs:
                    first, last = (sum(each) / len(pairs) for each in zip(*pairs, strict=True))
                    words.append(f"{name} {first:.2f} to {last:.2f}")
            if words:
                levels = " to ".join(level_label(end) for end in ends)
                where = f"{dataset_title(str(dataset))}, {SWEPT[setting].removesuffix(' at')}, {levels}"
                sentences.append(f"{where}: mean {', '.join(words)}.")
    return sentences


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


ANSWERS: dict[str, Callable[[StudyResult], list[str]]] = {
    "gallery": _gallery,
    "parameters": _parameters,
    "scores": _scores,
    "accuracy": _accuracy,
    "norm": _norm,
    "importance": _importance,
    "bars": _bars,
    "regularization": _regularization,
}
