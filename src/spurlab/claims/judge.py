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
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float64
from torch import Tensor

from spurlab.claims import words
from spurlab.claims.evidence import Evidence, Seeds, Settings, paper_settings
from spurlab.claims.question import FEWEST, LEVEL, Number, Outcome, Question, too_few
from spurlab.stats import Estimate, holm, mean_above, mean_of, paired_difference, paired_test
from spurlab.training import RECIPES

# one test image in twenty; networks that differ in the seed alone differ by more than this at n = 3 to 10
SCORE_MARGIN = 0.05
FULL = 1 - SCORE_MARGIN  # above it there is no room for a rise that would matter
ACCURACY_MARGIN = 0.01  # twice the largest standard deviation over the networks of the paper's Figure 2: `paper.toml`
SHARES = (-1.0, 1.0)  # where differences of scores and accuracies lie


@dataclass(frozen=True)
class Part:
    """One part of a claim, answered.

    `of_paper`: False for what the paper does not claim (another dataset), for another recipe than the paper's or the
    quick one, and for what has been answered by rows nearer to the paper.
    """

    question: Question  # the numbers
    outcome: Outcome  # what came out
    # p-value that speaks for the statement, corrected for the family; NaN where nothing could be tested
    p: float = math.nan
    against: float = math.nan  # p-value that speaks against it, likewise
    family: int = 1  # how many directional parts p is corrected for

    @property
    def where(self) -> str:
        """Which part, with what is not the paper's."""
        return words.place(self.question)

    @property
    def finding(self) -> str:
        """The numbers in a sentence."""
        return words.finding(self.question, self.outcome, self.p, self.family)

    @property
    def models(self) -> int:
        """How many networks it is judged from."""
        return len(self.question.networks)

    @property
    def of_paper(self) -> bool:
        """Whether it counts for the claim."""
        return self.question.of_paper

    def record(self) -> dict[str, Any]:
        """The part in plain values, for JSON; NaN: there is no such number."""
        asked, names = self.question, ("where", "outcome", "finding", "models", "of_paper")
        return (
            {name: getattr(self, name) for name in names}
            | {"about": asked.about, **_interval(asked.estimate), "p": self.p, "p_against": self.against}
            | {name: getattr(asked, name) for name in ("margin", "threshold", "seeds")}
            | {"family": self.family, "networks": self.models}
            | {"published": dict(asked.published), "values": dict(asked.values)}
            | {"cells": {name: _interval(estimate) for name, estimate in asked.estimates.items()}}
        )


def _interval(estimate: Estimate) -> dict[str, Any]:
    return {"estimate": estimate.value, "interval": [estimate.low, estimate.high]}


def above(
    where: str,
    table: Seeds,
    higher: Float64[Tensor, " m"],
    lower: Float64[Tensor, " m"],
    margin: float = SCORE_MARGIN,
    about: str = "difference",
    bounds: tuple[float, float] | None = SHARES,
    values: Mapping[str, Number] | None = None,
    **beside: Any,
) -> Question:
    """Is `higher` above `lower`, seed by seed? The difference must lie within the bounds."""
    if len(table.seeds) < FEWEST:
        return too_few(where, table)
    difference = paired_difference(higher, lower, bounds)
    sides = {"higher": mean_of(higher.tolist()), "lower": mean_of(lower.tolist())}
    return Question.of(
        where,
        table,
        "difference",
        about=about,
        estimate=difference,
        margin=margin,
        values=sides | dict(values or {}),
        holds=paired_test(higher, lower),
        fails=below(difference, margin),
        **beside,
    )


def unchanged(
    where: str,
    table: Seeds,
    whole: Mapping[str, Float64[Tensor, " m"]],
    cells: Mapping[str, Float64[Tensor, " m"]],
    margin: float,
    *,
    one_sided: bool = False,
    **beside: Any,
) -> Question:
    """Do these differences stay within the margin (one-sided: above minus the margin)?

    Args:
        where: which part.
        table: what the differences come from.
        whole: the differences whose intervals must lie within.
        cells: single cells behind them; one that lies wholly outside contradicts.
        margin: the smallest difference that would matter.
        one_sided: only falls matter.
        beside: other numbers, and the note that says which sentence tells them.
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
    return Question.of(
        where,
        table,
        "change",
        about=widest if len(estimates) > 1 else "",
        estimate=estimates[widest],
        margin=margin,
        one_sided=one_sided,
        estimates=estimates | single,
        beyond=worst if corrected[worst] < LEVEL else "",
        holds=max(within),
        fails=corrected[worst],
        alike=True,
        **beside,
    )


def unchanged_mean(
    where: str,
    table: Seeds,
    changes: Mapping[str, Float64[Tensor, " m"]],
    seen: Collection[str],
    nothing: str,
    **beside: Any,
) -> Question:
    """Does the score stay where it was, in the mean over those changes that could be `seen`?

    The others stand beside; where all do, the numbers say nothing, for the reason `nothing`.
    """
    cells = {name: change for name, change in changes.items() if name in seen} or changes
    return unchanged(
        where,
        table,
        {"mean": torch.stack(list(cells.values())).mean(dim=0)},
        cells,
        SCORE_MARGIN,
        values={name: change.mean().item() for name, change in changes.items()},
        idle=tuple(name for name in changes if name not in seen),
        untestable="" if seen else nothing,
        **beside,
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
    if estimate.stderr < words.SAME and 0.5**estimate.models >= LEVEL:
        return 1.0
    if inside:
        return min(1.0, 2 * mean_above(estimate, limit))
    return min(1.0, 2 * mean_above(replace(estimate, value=-estimate.value), -limit))


def answers(
    rows: Evidence,
    part: Callable[[str, Evidence], Question | None],
    absent: Question,
    varied: Sequence[str] = (),
) -> list[Question]:
    """One part, answered from the rows of each recipe; see `best_of`.

    Args:
        rows: of all recipes.
        part: where it is and the rows of one recipe -> the question; None where these cannot tell.
        absent: stands for the part where no recipe counts, and says whether the paper claims this at all.
        varied: the settings in which the compared networks differ.
    """
    questions = ((settings, part(absent.where, same)) for settings, same in rows.recipes(varied))
    candidates = [(settings, question) for settings, question in questions if question]
    return best_of(candidates, of_paper=absent.of_paper, absent=absent)


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
        epochs = settings.get("epochs")
        away = float(abs((-1 if epochs is None else epochs) - RECIPES["paper"].epochs))
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


def _departures(settings: Settings, rivals: Sequence[Settings]) -> dict[str, Any]:
    """What is not the paper's in these settings, and what tells them from their rivals."""
    others = _others(settings)
    told = {name for name, value in settings.items() if any(rival[name] != value for rival in rivals)}
    return {name: value for name, value in settings.items() if name != "dataset" and (name in told or name in others)}


def settle(questions: Sequence[Question]) -> tuple[Part, ...]:
    """Every question answered and corrected for being several; parts that are not the paper's are a family apart."""
    answers: dict[int, Part] = {}
    for of_paper in (True, False):
        tested = [i for i, q in enumerate(questions) if q.of_paper == of_paper and q.tested]
        directional = [i for i in tested if not questions[i].alike]
        holds = dict(zip(directional, holm([questions[i].holds for i in directional]), strict=True))
        fails = dict(zip(tested, holm([questions[i].fails for i in tested]), strict=True))
        for i in tested:
            p = holds.get(i, questions[i].holds)
            family = len(directional) if i in holds else 1
            answers[i] = Part(questions[i], _outcome(questions[i], p, fails[i]), p, fails[i], family)
    return tuple(answers.get(i, Part(question, "undecided")) for i, question in enumerate(questions))


def _outcome(question: Question, p: float, against: float) -> Outcome:
    if not question.alike and p < LEVEL and question.fails < LEVEL:
        return "undecided"  # surely there, but too small to matter
    if against < LEVEL and not question.one_way:
        return "not reproduced"
    return "reproduced" if p < LEVEL else "undecided"
