"""What a study answers, in sentences with its numbers."""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from spurlab.models import architecture_title
from spurlab.report.deleted import deletions_of
from spurlab.report.figures.accuracy import base, changes
from spurlab.report.figures.importance import lines_of
from spurlab.report.figures.norm import norms_and_scores
from spurlab.report.figures.notes import dataset_title, panel_title, target_title
from spurlab.report.figures.regularization import SWEPT, level_label, sweeps
from spurlab.report.figures.sensitivity import sensitivities
from spurlab.report.repaired import AS_TRAINED, Place, Repaired, at_shares, repairs_of, varied
from spurlab.report.summary import SHARE, Curve, averaged, curves, estimate, estimates, groups
from spurlab.studies import StudyResult, only_read
from spurlab.studies.axes import PLAIN


def answer(result: StudyResult) -> list[str]:
    """The answer, a sentence for each case; says so where nothing was measured."""
    if result.rows.empty or result.study.main_figure not in ANSWERS:
        return ["Nothing has been measured yet."]
    with only_read(result.study):
        return ANSWERS[result.study.main_figure](result) or ["The rows do not answer this."]


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
        where, (n, mean) = panel_title(group.dataset, group.label), base(group)
        found = {f"{pattern}, n = {n:,}": e for pattern, line in changes(group).items() for n, e in line.items()}
        words = f"{where}: {mean:.3f} at n = {n:,}"
        if found:
            largest = max(found, key=lambda key: abs(found[key].value))
            words += f"; the largest mean change among {len(found)}: {found[largest]:+.3f} ({largest})"
        sentences.append(f"{words}.")
    return sentences


def _norm(result: StudyResult) -> list[str]:
    sentences = []
    for group in groups(result.rows):
        r = norms_and_scores(group).correlation
        if not math.isnan(r.r):
            where = panel_title(group.dataset, group.label)
            sentences.append(f"{where}: r = {r} over {r.points} patterns (p = {r.p:.2g}).")
    return sentences


def _importance(result: StudyResult) -> list[str]:
    sentences = []
    for group in groups(result.rows):
        for line in lines_of(result, group, maps=False):
            first, last = min(line.inside), max(line.inside)
            sentences.append(
                f"{line.title}: mean importance {line.inside[first]:.3f} at n = {first:,}, "
                f"{line.inside[last]:.3f} at n = {last:,}."
            )
    return sentences


def _bars(result: StudyResult) -> list[str]:
    sentences = []
    for group in groups(result.rows[result.rows["measure"] == "spurious_score"]):
        mean = estimate(averaged(group.rows[group.rows["n"] > 0], ["seed"]), SHARE)
        if mean.models:
            where = panel_title(group.dataset, group.label)
            sentences.append(f"{where}: mean score {mean:.2f} over patterns, targets and n > 0; {_seeds(mean.models)}.")
    return sentences


def _regularization(result: StudyResult) -> list[str]:
    sentences = []
    for dataset, rows in result.rows.groupby("dataset", sort=False):
        for setting, sweep in sweeps(rows).items():
            ends = sweep.levels[0], sweep.levels[-1]
            words = []
            for measure, name in (("spurious_score", "score"), ("accuracy", "accuracy")):
                first, last = (sweep.means.get((measure, end)) for end in ends)
                if first and last:
                    words.append(f"{name} {first:.2f} to {last:.2f}")
            if words:
                levels = " to ".join(level_label(end) for end in ends)
                where = f"{dataset_title(str(dataset))}, {SWEPT[setting].removesuffix(' at')}, {levels}"
                sentences.append(f"{where}: mean {', '.join(words)}.")
    return sentences


def _sensitivity(result: StudyResult) -> list[str]:
    return [
        f"{dataset_title(dataset)}, {architecture_title(name)}: {line[50]:.2f} with half of the pixels, "
        f"{line[0]:.2f} with all."
        for dataset, lines in sensitivities(result).items()
        for name, line in lines.items()
        if 0 in line and 50 in line
    ]


def _deletion(result: StudyResult) -> list[str]:
    """For each dataset, the methods by verdict, with the cases that they got it in."""
    found = deletions_of(result.rows)
    sentences = []
    for place in dict.fromkeys(panel_title(each.case.group.dataset, each.case.group.label) for each in found):
        mine = [each for each in found if panel_title(each.case.group.dataset, each.case.group.label) == place]
        cases = len({(each.case.pattern, each.case.target, each.case.n, each.case.known) for each in mine})
        words = []
        for name in dict.fromkeys(each.verdict.name for each in mine):
            counts = Counter(each.title for each in mine if each.verdict.name == name)
            words.append(f"{name}: " + ", ".join(f"{title} ({count} of {cases})" for title, count in counts.items()))
        sentences.append(f"{place}: {'; '.join(words)}.")
    return sentences


def _repairs(result: StudyResult) -> list[str]:
    """For each place the two accuracies as trained, and the method that gains most for the worst group.

    Along several shares, instead, for each method its accuracies at each.
    """
    found = repairs_of(result.rows)
    if (along := varied(found)) and result.study.main_figure == "repairs":
        return _along(found, along)
    sentences = []
    for place in dict.fromkeys(each.place for each in found):
        mine = {each.method: each for each in found if each.place == place}
        plain = mine.get(PLAIN)
        if plain is None:
            continue
        words = f"{_place(place)}: {plain.title} {plain.mean('accuracy'):.2f}, "
        words += f"worst group {plain.mean('worst_group'):.2f}"
        others = [each for method, each in mine.items() if method != PLAIN and each.gain("worst_group").models]
        if others:
            best = max(others, key=lambda each: each.gain("worst_group").value)
            words += f"; most for the worst group: {best.title}, gain {best.gain('worst_group'):.2f}"
        sentences.append(f"{words}.")
    return list(dict.fromkeys(sentences))


def _place(place: Place) -> str:
    """Where: without the feature it does not matter which one, nor what is clean."""
    parts = [place.group.label]
    if place.share != 0:
        parts += [place.feature, f"{place.share:.0%} have it" if place.share > 0 else ""]
        parts += [f"{place.clean:.0%} clean"] if not math.isnan(place.clean) else []
    return panel_title(place.group.dataset, *parts)


def _along(found: list[Repaired], along: str) -> list[str]:
    """A sentence for each method, with its two accuracies at each share."""
    lines: dict[tuple[str, str], list[Repaired]] = {}
    for each in found:
        place = each.place
        fixed = replace(
            place,
            share=math.nan if along == "share" else place.share,
            clean=math.nan if along == "clean" or each.method == PLAIN else place.clean,
        )
        title = AS_TRAINED if each.method == PLAIN and (along == "share" or place.share > 0) else each.title
        lines.setdefault((_place(fixed), title), []).append(each)
    sentences = []
    for (where, title), line in lines.items():
        words = []
        for measure, name in (("accuracy", "accuracy"), ("worst_group", "worst group")):
            if len(line) == 1:
                words.append(f"{name} {line[0].mean(measure):.2f}")
            else:
                words.append(f"{name} {at_shares({getattr(each.place, along): each.mean(measure) for each in line})}")
        what = {"share": "have it", "clean": "clean"}[along]
        sentences.append(f"{where}, {title}{f' (% {what})' if len(line) > 1 else ''}: {'; '.join(words)}.")
    return sentences


def _seeds(count: int) -> str:
    return f"{count} seed{'' if count == 1 else 's'}"


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
    "sensitivity": _sensitivity,
    "deletion": _deletion,
    "deletion-curves": _deletion,
    "repairs": _repairs,
    "reweighting": _repairs,
    **dict.fromkeys(("signals", "embeddings", "saliency"), _repairs),
}
