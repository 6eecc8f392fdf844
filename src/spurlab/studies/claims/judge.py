"""The rule behind every verdict, the same for all claims.

A claim has parts (a dataset, a target, ...). A part is judged from differences between networks of the same seed.

- *Directional* ("above"): reproduced when the paired one-sided test passes at 5 %, Holm-corrected over the parts that
  could be tested. Not reproduced when it does not pass and the 95 % interval lies wholly below a margin, the smallest
  difference that would matter. Else undecided: the absence of evidence is no evidence of absence.
- *Alike* ("hardly changes", "equal or above"): reproduced when the 95 % interval lies wholly within the margin. Not
  reproduced when it, or that of a single cell (a pattern, an n) behind the mean, lies wholly outside. Else undecided.
- Fewer than three seeds: undecided.

The whole is reproduced only if every part of the paper's is, so "alike" needs no correction for many parts there. It is
not reproduced as soon as one part is not, so there the intervals are corrected (Holm, over cells and over parts): a
part can be undecided although its plain 95 % interval, the one that is printed, lies beyond the margin.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from jaxtyping import Float64
from torch import Tensor

from spurlab.stats import Estimate, holm, mean_above, paired_difference, paired_test
from spurlab.studies.claims.evidence import PAPER, Seeds, Settings

LEVEL = 0.05
FEWEST = 3  # seeds; two give an interval 13 standard errors wide on either side
# one test image in twenty; networks that differ in the seed alone differ by more than this at n = 3 to 10
SCORE_MARGIN = 0.05
# over all networks of the paper's Figure 2 the standard deviation is .001 to .005 and the range .006 to .030
ACCURACY_MARGIN = 0.01


Outcome = Literal["reproduced", "not reproduced", "undecided"]


@dataclass(frozen=True)
class Part:
    """One part of a claim: where, what came out, and from how many networks.

    `of_paper`: False for what the paper does not claim (another dataset) or has been answered by rows nearer to it.
    """

    where: str
    outcome: Outcome
    finding: str
    models: int
    of_paper: bool = True


@dataclass(frozen=True)
class Question:
    """A part before the correction for being several.

    Args:
        where: which part.
        finding: the numbers.
        headline: the number in short.
        holds: p-value that speaks for the statement; NaN: could not be tested.
        fails: p-value that speaks against it, scaled so that the 95 % interval lies beyond the margin below 5 %.
        alike: the statement is that things are alike (see above).
        seeds: how many.
        networks: which.
        of_paper: see :class:`Part`.
        wanted: what would decide it, where it is undecided; the study to run, where there are no networks.
    """

    where: str
    finding: str
    headline: str = ""
    holds: float = math.nan
    fails: float = math.nan
    alike: bool = False
    seeds: int = 0
    networks: frozenset[str] = frozenset()
    of_paper: bool = True
    wanted: str = ""


def missing(where: str, what: str, run: str) -> Question:
    """A part for which there are no rows."""
    return Question(where, f"{what}: run {run}", wanted=run)


def too_few(where: str, table: Seeds) -> Question:
    """A part with fewer than three seeds."""
    found = f"{len(table.seeds)} complete seed{'s' * (len(table.seeds) != 1)}"
    finding = _sentence(f"{found}, at least {FEWEST} are needed: run more seeds", table.left_out)
    return Question(where, finding, headline="too few seeds", seeds=len(table.seeds), networks=table.networks)


def above(
    where: str,
    table: Seeds,
    higher: Float64[Tensor, " m"],
    lower: Float64[Tensor, " m"],
    margin: float = SCORE_MARGIN,
    what: str = "difference",
    note: str = "",
) -> Question:
    """Is `higher` above `lower`, seed by seed?"""
    if len(table.seeds) < FEWEST:
        return too_few(where, table)
    difference = paired_difference(higher, lower)
    return Question(
        where,
        _sentence(
            f"{what} {difference:+.3f} over {len(table.seeds)} seeds ({_mean(higher)} against {_mean(lower)})",
            note,
            table.left_out,
        ),
        f"{difference.value:+.3f}",
        holds=paired_test(higher, lower),
        fails=below(difference, margin),
        seeds=len(table.seeds),
        networks=table.networks,
        wanted=more_seeds(difference, margin)
        if difference.stderr
        else "equal differences count by sign: run more seeds",
    )


def unchanged(
    where: str,
    table: Seeds,
    whole: Mapping[str, Float64[Tensor, " m"]],
    cells: Mapping[str, Float64[Tensor, " m"]],
    margin: float,
    *,
    one_sided: bool = False,
    note: str = "",
) -> Question:
    """Do these differences stay within the margin (one-sided: above minus the margin)?

    Args:
        where: which part.
        table: what the differences come from.
        whole: the differences whose intervals must lie within.
        cells: single cells behind them; one that lies wholly outside contradicts.
        margin: the smallest difference that would matter.
        one_sided: only falls matter.
        note: added to the finding.
    """
    if len(table.seeds) < FEWEST:
        return too_few(where, table)
    estimates, single = ({k: Estimate.across_models(v) for k, v in d.items()} for d in (whole, cells))
    within = [max(below(e, -margin, inside=True), 0.0 if one_sided else below(e, margin)) for e in estimates.values()]
    outside = {
        key: min(below(e, -margin), 1.0 if one_sided else below(e, margin, inside=True))
        for key, e in {**estimates, **single}.items()
    }
    widest = max(estimates, key=lambda k: -estimates[k].low if one_sided else max(-estimates[k].low, estimates[k].high))
    corrected = dict(zip(outside, holm(list(outside.values())), strict=True))
    worst = min(corrected, key=lambda k: corrected[k])
    beyond = f"{worst}: {(estimates | single)[worst]:+.3f} is beyond it" if corrected[worst] < LEVEL else ""
    limits = f"-{margin:g}" if one_sided else f"+-{margin:g}"
    label = f"{widest}: " if len(estimates) > 1 else ""
    finding = f"{label}change {estimates[widest]:+.3f} over {len(table.seeds)} seeds, margin {limits}"
    return Question(
        where,
        _sentence(finding, beyond, note, table.left_out),
        f"{estimates[widest].value:+.3f}",
        holds=max(within),
        fails=min(corrected.values()),
        alike=True,
        seeds=len(table.seeds),
        networks=table.networks,
        wanted=more_seeds(estimates[widest], margin),
    )


def below(estimate: Estimate, limit: float, *, inside: bool = False) -> float:
    """p-value that the mean is below the limit (`inside`: above); under 5 % where the 95 % interval is wholly there."""
    if inside:
        return min(1.0, 2 * mean_above(estimate, limit))
    return min(1.0, 2 * mean_above(replace(estimate, value=-estimate.value), -limit))


def more_seeds(difference: Estimate, margin: float) -> str:
    """How many seeds would bring the interval down to the margin on either side."""
    needed = math.ceil((2 * difference.stderr / margin) ** 2 * difference.models)
    return f"about {needed} seeds would narrow it to +-{margin:.2g}" if needed > difference.models else "run more seeds"


def best_of(where: str, candidates: Sequence[tuple[Settings, Question]], *, of_paper: bool) -> list[Question]:
    """One part that several recipes answer: the nearest to the paper's counts, the others are parts of their own.

    The choice does not look at the outcome: three seeds or more first, then the fewest settings that are not the
    paper's, then the epochs nearest to its 70, then the most seeds. `where` names what is not the paper's.
    """

    def nearness(candidate: tuple[Settings, Question]) -> tuple[bool, int, float, int, str]:
        settings, question = candidate
        others = [name for name in PAPER if name != "epochs" and name in settings and settings[name] != PAPER[name]]
        away = float(abs(settings.get("epochs", -1) - PAPER["epochs"]))
        return question.seeds < FEWEST, len(others), away, -question.seeds, repr(settings)

    ordered = sorted(candidates, key=nearness)
    return [
        replace(
            question,
            where=_sentence(
                question.where or where, _departures(settings, [s for s, _ in ordered]), joint=" (", end=")"
            ),
            of_paper=of_paper and place == 0,
        )
        for place, (settings, question) in enumerate(ordered)
    ]


def _departures(settings: Settings, rivals: Sequence[Settings]) -> str:
    """What is not the paper's in these settings, and what tells them from their rivals."""
    words = []
    for name, value in settings.items():
        differs = any(rival[name] != value for rival in rivals)
        if name == "dataset" or not (differs or (name in PAPER and PAPER[name] != value)):
            continue
        shown = value[:8] if name == "data" else f"{value:g}" if isinstance(value, float) else value
        shown = {"": "unknown", "-1": "unknown", "inf": "none"}.get(shown, shown)
        words.append(f"{shown} epochs" if name == "epochs" else f"{name.replace('_', ' ')} {shown}")
    return ", ".join(words)


def settle(questions: Sequence[Question]) -> tuple[Part, ...]:
    """Every question answered and corrected for being several; parts that are not the paper's are a family apart."""
    answers: dict[int, Part] = {}
    for of_paper in (True, False):
        tested = [i for i, q in enumerate(questions) if q.of_paper == of_paper and not math.isnan(q.holds + q.fails)]
        directional = [i for i in tested if not questions[i].alike]
        holds = dict(zip(directional, holm([questions[i].holds for i in directional]), strict=True))
        fails = dict(zip(tested, holm([questions[i].fails for i in tested]), strict=True))
        answers |= {i: _answer(questions[i], holds.get(i), fails[i], len(directional)) for i in tested}
    return tuple(
        answers.get(i, Part(q.where, "undecided", q.finding, len(q.networks), q.of_paper))
        for i, q in enumerate(questions)
    )


def _answer(question: Question, holds: float | None, fails: float, family: int) -> Part:
    finding = question.finding
    if holds is not None:
        finding = _sentence(finding, f"p = {holds:.2g}" + (f" (Holm over {family} parts)" if family > 1 else ""))
    outcome: Outcome
    if holds is not None and holds < LEVEL:
        outcome = "reproduced"
    elif fails < LEVEL:
        outcome = "not reproduced"
    elif holds is None and question.holds < LEVEL:
        outcome = "reproduced"
    else:
        outcome, finding = "undecided", _sentence(finding, question.wanted)
    return Part(question.where, outcome, finding, len(question.networks), question.of_paper)


def summary(parts: Sequence[Part], questions: Sequence[Question]) -> str:
    """One sentence for each outcome among the parts that count, with each part's number."""
    sentences = []
    counted = sum(part.of_paper for part in parts)
    for outcome in ("reproduced", "not reproduced", "undecided"):
        those = [
            f"{part.where} {question.headline}".strip()
            for part, question in zip(parts, questions, strict=True)
            if part.of_paper and part.outcome == outcome and part.models
        ]
        if those:
            sentences.append(f"{outcome.capitalize()} in {len(those)} of {counted} parts: {'; '.join(those)}.")
    absent = [question for question in questions if question.of_paper and not question.networks]
    if absent:
        named = "all parts" if len(absent) == counted else "; ".join(question.where for question in absent)
        runs = dict.fromkeys(question.wanted for question in absent if question.wanted)
        sentences.append(f"Undecided without networks for {named}: run {', '.join(runs) or 'more seeds'}.")
    return " ".join(sentences)


def _mean(values: Float64[Tensor, " m"]) -> str:
    return f"{values.mean().item():.3f}"


def _sentence(*pieces: str, joint: str = "; ", end: str = "") -> str:
    """The pieces that say something, joined."""
    said = [piece for piece in pieces if piece]
    return joint.join(said) + (end if len(said) > 1 else "")
