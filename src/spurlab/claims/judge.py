"""The rule behind every verdict, the same for all claims.

A claim has parts (a dataset, a target, ...). A part is judged from differences between networks of the same seed.

- *Directional* ("above"): reproduced when the paired one-sided test passes at 5 %, Holm-corrected over the parts that
  could be tested, unless the 95 % interval lies wholly below a margin, the smallest difference that would matter. Not
  reproduced when the test does not pass and the interval lies there. Else undecided: a rise that is surely there but
  too small to matter, or too few numbers (the absence of evidence is no evidence of absence).
- *Alike* ("hardly changes", "equal or above"): reproduced when the 95 % interval lies wholly within the margin. Not
  reproduced when it, or that of a single cell (a pattern, an n) behind the mean, lies wholly outside. Else undecided;
  so also where no difference could have been seen: nothing is learnt, or the score is full.
- Fewer than three seeds: undecided. Differences without any spread speak from five seeds on, as in the sign test.
- Only the paper's recipe and the package's quick one count for the paper, in any precision.

The whole is reproduced only if every part of the paper's is, so "alike" needs no correction for many parts there. It is
not reproduced as soon as one part is not, so there the intervals are corrected (Holm, over cells and over parts): a
part can be undecided although its plain 95 % interval, the one that is printed, lies beyond the margin.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from jaxtyping import Float64
from torch import Tensor

from spurlab.claims.evidence import Seeds, Settings, paper_settings
from spurlab.stats import Estimate, holm, mean_above, mean_of, paired_difference, paired_test
from spurlab.training import RECIPES

LEVEL = 0.05
SHOWN = 6  # parts beside the paper's that are named in a finding
FEWEST = 3  # seeds; two give an interval 13 standard errors wide on either side
# one test image in twenty; networks that differ in the seed alone differ by more than this at n = 3 to 10
SCORE_MARGIN = 0.05
FULL = 1 - SCORE_MARGIN  # above it there is no room for a rise that would matter
# over all networks of the paper's Figure 2 the standard deviation is .001 to .005 and the range .006 to .030
ACCURACY_MARGIN = 0.01
SHARES = (-1.0, 1.0)  # where differences of scores and accuracies lie
SAME = 1e-6  # a spread below this is rounding: one test image of 10,000 is 1e-4

Outcome = Literal["reproduced", "not reproduced", "undecided"]


@dataclass(frozen=True)
class Part:
    """One part of a claim: where, what came out, and from how many networks.

    `of_paper`: False for what the paper does not claim (another dataset), for another recipe than the paper's or the
    quick one, and for what has been answered by rows nearer to the paper.
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
        one_way: the rows do not reach far enough to speak against the statement.
        lacks: what of Figure 2 these rows do not have.
        departures: which settings are not the paper's.
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
    one_way: bool = False
    lacks: str = ""
    departures: str = ""

    @classmethod
    def of(cls, where: str, table: Seeds, *pieces: str, **answers: Any) -> "Question":
        """The question that these seeds answer; the pieces are the finding."""
        finding = _sentence(*pieces, table.left_out)
        return cls(where, finding, seeds=len(table.seeds), networks=table.networks, **answers)

    @property
    def place(self) -> str:
        """Where, with what is not the paper's."""
        return _sentence(self.where, self.departures, joint=" (", end=")")

    def untestable(self, why: str) -> "Question":
        """The same numbers, which say nothing about the statement."""
        if math.isnan(self.holds):
            return self
        return replace(self, holds=math.nan, fails=math.nan, finding=_sentence(self.finding, why))


def missing(where: str, what: str, run: str) -> Question:
    """A part for which there are no rows."""
    return Question(where, f"{what}: run {run}", wanted=run)


def too_few(where: str, table: Seeds) -> Question:
    """A part with fewer than three seeds."""
    found = f"{len(table.seeds)} complete seed{'s' * (len(table.seeds) != 1)}"
    return Question.of(where, table, f"{found}, at least {FEWEST} are needed: run more seeds", headline="too few seeds")


def above(
    where: str,
    table: Seeds,
    higher: Float64[Tensor, " m"],
    lower: Float64[Tensor, " m"],
    margin: float = SCORE_MARGIN,
    what: str = "difference",
    note: str = "",
    bounds: tuple[float, float] | None = SHARES,
) -> Question:
    """Is `higher` above `lower`, seed by seed? The difference must lie within the bounds."""
    if len(table.seeds) < FEWEST:
        return too_few(where, table)
    difference = paired_difference(higher, lower, bounds)
    return Question.of(
        where,
        table,
        f"{what} {difference:+.3f} over {len(table.seeds)} seeds ({_mean(higher)} against {_mean(lower)})",
        note,
        headline=f"{difference.value:+.3f}",
        holds=paired_test(higher, lower),
        fails=below(difference, margin),
        wanted=more_seeds(difference, margin),
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
    estimates, single = ({k: Estimate.across_models(v, SHARES) for k, v in d.items()} for d in (whole, cells))
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
    return Question.of(
        where,
        table,
        finding,
        beyond,
        note,
        headline=f"{estimates[widest].value:+.3f}",
        holds=max(within),
        fails=corrected[worst],
        alike=True,
        wanted=more_seeds(estimates[widest], margin),
    )


def room(scores: Sequence[Float64[Tensor, " m"]], controls: Sequence[Float64[Tensor, " m"]]) -> bool:
    """Could a difference that matters be seen between these scores?

    Not where none is above its own n = 0 by more than the margin, nor where all are (nearly) 1.
    """
    learnt = max((score - control).mean().item() for score, control in zip(scores, controls, strict=True))
    return learnt > SCORE_MARGIN and min(score.mean().item() for score in scores) < FULL


def below(estimate: Estimate, limit: float, *, inside: bool = False) -> float:
    """p-value that the mean is below the limit (`inside`: above); under 5 % where the 95 % interval is wholly there.

    Without spread the interval is a point whatever the number of seeds; too few for a sign test say nothing: 1.
    """
    if estimate.stderr < SAME and 0.5**estimate.models >= LEVEL:
        return 1.0
    if inside:
        return min(1.0, 2 * mean_above(estimate, limit))
    return min(1.0, 2 * mean_above(replace(estimate, value=-estimate.value), -limit))


def more_seeds(difference: Estimate, margin: float) -> str:
    """How many seeds would bring the interval down to the margin on either side."""
    if difference.stderr < SAME:
        return "equal differences count by sign: run more seeds"
    needed = math.ceil((2 * difference.stderr / margin) ** 2 * difference.models)
    return f"about {needed} seeds would narrow it to +-{margin:.2g}" if needed > difference.models else "run more seeds"


def best_of(
    candidates: Sequence[tuple[Settings, Question]], *, of_paper: bool, absent: Question | None = None
) -> list[Question]:
    """One part that several recipes answer: the nearest to the paper's counts, the others are parts of their own.

    The choice does not look at the outcome: recipes that count first, then three seeds or more, then the fewest
    settings that are not the paper's, then the epochs nearest to its 70, then the most seeds.

    Args:
        candidates: the settings and the question that their rows answer.
        of_paper: whether the paper claims this at all.
        absent: stands for the paper's part where no recipe counts.
    """

    def counts(settings: Settings) -> bool:
        recipes = [paper_settings(settings.get("dataset", ""), name) for name in ("paper", "quick")]
        return of_paper and any(
            all(settings[name] == recipe[name] for name in recipe if name in settings and name != "precision")
            for recipe in recipes
        )

    def nearness(candidate: tuple[Settings, Question]) -> tuple[bool, bool, int, float, int, str]:
        settings, question = candidate
        away = float(abs(settings.get("epochs", -1) - RECIPES["paper"].epochs))
        few = question.seeds < FEWEST
        return not counts(settings), few, len(_others(settings)), away, -question.seeds, repr(settings)

    ordered = sorted(candidates, key=nearness)
    rivals = [settings for settings, _ in ordered]
    questions = [
        replace(question, departures=_departures(settings, rivals), of_paper=place == 0 and counts(settings))
        for place, (settings, question) in enumerate(ordered)
    ]
    if of_paper and absent and not any(question.of_paper for question in questions):
        questions.insert(0, absent)
    return questions


def _others(settings: Settings) -> list[str]:
    """The settings that are not the paper's; the milestones follow the epochs."""
    paper = paper_settings(settings.get("dataset", ""))
    return [name for name in paper if name != "milestones" and name in settings and settings[name] != paper[name]]


def _departures(settings: Settings, rivals: Sequence[Settings]) -> str:
    """What is not the paper's in these settings, and what tells them from their rivals."""
    words, others = [], _others(settings)
    for name, value in settings.items():
        differs = any(rival[name] != value for rival in rivals)
        if name == "dataset" or not (differs or name in others):
            continue
        shown = value[:8] if name == "data" else f"{value:g}" if isinstance(value, float) else value
        shown = {"": "unknown", "-1": "unknown", "inf": "none"}.get(shown, shown)
        words.append(
            f"{shown} epoch{'' if shown == '1' else 's'}" if name == "epochs" else f"{name.replace('_', ' ')} {shown}"
        )
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
        answers.get(i, Part(q.place, "undecided", q.finding, len(q.networks), q.of_paper))
        for i, q in enumerate(questions)
    )


def _answer(question: Question, holds: float | None, fails: float, family: int) -> Part:
    finding = question.finding
    if holds is not None:
        finding = _sentence(finding, f"p = {holds:.2g}" + (f" (Holm over {family} parts)" if family > 1 else ""))
    passes = (question.holds if holds is None else holds) < LEVEL
    outcome: Outcome = "undecided"
    if holds is not None and passes and question.fails < LEVEL:
        finding = _sentence(finding, "surely there, but too small to matter")
    elif fails < LEVEL and not question.one_way:
        outcome = "not reproduced"
    elif passes:
        outcome = "reproduced"
    else:
        finding = _sentence(finding, question.wanted)
    return Part(question.place, outcome, finding, len(question.networks), question.of_paper)


def summary(parts: Sequence[Part], questions: Sequence[Question]) -> str:
    """One sentence for each outcome among the parts that count, with each part's number.

    What is not the paper's is said once where it is the same for all of them.
    """
    sentences = []
    counted = [(part, question) for part, question in zip(parts, questions, strict=True) if part.of_paper]
    departures = {question.departures for _, question in counted if question.networks}
    for outcome in ("reproduced", "not reproduced", "undecided"):
        those = [
            f"{question.place if len(departures) > 1 else question.where} {question.headline}".strip()
            for part, question in counted
            if part.outcome == outcome and question.networks
        ]
        if those:
            sentences.append(f"{outcome.capitalize()} in {len(those)} of {len(counted)} parts: {'; '.join(those)}.")
    if len(departures) == 1 and (shared := departures.pop()):
        sentences.append(f"These with {shared}, unlike the paper's.")
    absent = [question for _, question in counted if not question.networks]
    if absent:
        named = "all parts" if len(absent) == len(counted) else "; ".join(question.where for question in absent)
        runs = dict.fromkeys(question.wanted for question in absent if question.wanted)
        advice = f": run {', '.join(runs)}" if runs else ""
        sentences.append(f"Undecided without networks for {named}{advice}.")
    own = [(p, q) for p, q in zip(parts, questions, strict=True) if not p.of_paper and q.networks]
    if own:
        said = [f"{part.where}: {part.outcome} {question.headline}".strip() for part, question in own[:SHOWN]]
        more = f"; and {len(own) - SHOWN} more" if len(own) > SHOWN else ""
        sentences.append(f"Beside the paper's: {'; '.join(said)}{more}.")
    return " ".join(sentences)


def _mean(values: Float64[Tensor, " m"]) -> str:
    return f"{mean_of(values.tolist()):.3f}"


def _sentence(*pieces: str, joint: str = "; ", end: str = "") -> str:
    """The pieces that say something, joined."""
    said = [piece for piece in pieces if piece]
    return joint.join(said) + (end if len(said) > 1 else "")
