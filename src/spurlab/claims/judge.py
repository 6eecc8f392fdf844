"""The rule behind every verdict, the same for all claims.

Shares of networks decide, and means describe. A claim has parts (a dataset, a target, ...), and a part is judged from
differences between networks of the same seed. What is counted is the seed: its network, or its mean over cells. Scores
are bounded, skewed and often a lottery, so that tests of their means do not keep their level at five networks; the
exact test of a share does, whatever the scores are like.

- *Directional* ("above"): counted are the seeds whose difference is above a margin, the smallest that would matter.
  Reproduced where more than half of all networks are shown to do so, at 5 %. Not reproduced where fewer than half are,
  unless more than half are shown to be above zero: a rise that is surely there, and not surely one that matters.
- *Alike* ("hardly changes", "equal or above"): counted are the seeds that stay within the margin (one-sided: do not
  fall by more than it). Reproduced where more than half of all networks are shown to. Not reproduced where more than
  half are shown to lie beyond it on the same side, in the mean or in a single cell (a pattern, an n) behind it. Where
  a cell is, and only by itself, not as one of so many, the part is undecided.
- Else undecided: the absence of evidence is no evidence of absence. So also where no difference could have been seen
  (nothing is learnt, or the score is full), and below five seeds: four of four come once in sixteen by chance.
- *Not tested*: there are no such networks.

Where seeds were added until something was decided (`Study.most`), one has looked several times. Each test of a share is
then that of a plan (`spurlab.stats.Looks`), which holds at whatever look one stops, and for whatever reason.

What is an alternative is corrected for, and nothing else. A claim is reproduced only if every part of it is, so nothing
is corrected there: were one of them not so, it would pass in 5 % of studies. The claim is not reproduced as soon as one
part is not, so there the parts' p-values are (Holm); where that leaves none, single parts are "not reproduced" and the
claim is undecided. Where one of several things within a part would do, see `any_of`.

Only the paper's recipe and the package's quick one count for the paper, in any precision; Quinn's report has its own. A
claim is "reproduced where tested" where other parts have no networks, and "not tested as published" where there are
networks, but of another recipe or other data: what these say stands beside.
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
from spurlab.claims.question import FEWEST, LEVEL, SAME, Number, Outcome, Question, too_few
from spurlab.stats import SCORE_MARGIN, Estimate, Share, holm, mean_of, paired_difference, risen
from spurlab.stats.looks import FIRST

FULL = 1 - SCORE_MARGIN  # above it there is no room for a rise that would matter
ACCURACY_MARGIN = 0.01  # twice the largest standard deviation over the networks of the paper's Figure 2: `paper.toml`
SHARES = (-1.0, 1.0)  # where differences of scores and accuracies lie

Values = Float64[Tensor, " m"]


@dataclass(frozen=True)
class Part:
    """One part of a claim, answered.

    `of_paper`: False for what the paper does not claim (another dataset), for another recipe than the paper's or the
    quick one, and for what has been answered by rows nearer to the paper.
    """

    question: Question  # the numbers
    outcome: Outcome  # what came out, of this part by itself
    # p-value that speaks against it, corrected for the parts that could; NaN where nothing could be tested
    together: float = math.nan
    family: int = 0  # how many parts that is corrected for

    @property
    def where(self) -> str:
        """Which part, with what is not the paper's."""
        return words.place(self.question)

    @property
    def finding(self) -> str:
        """The numbers in a sentence."""
        return words.finding(self.question, self.outcome)

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
        p, against = (asked.holds, asked.fails) if asked.tested else (math.nan, math.nan)
        return (
            {name: getattr(self, name) for name in names}
            | {"about": asked.about, "seeds_for": asked.share.count, "of": asked.share.models}
            | {**_interval(asked.estimate), "p": p, "p_against": against}
            | {"p_against_holm": self.together, "family": self.family}
            | {name: getattr(asked, name) for name in ("margin", "threshold", "seeds")}
            | {"seeds_at_most": asked.looks.most}
            | {"networks": self.models, "published": dict(asked.published), "values": dict(asked.values)}
            | {"cells": {name: _interval(estimate) for name, estimate in asked.estimates.items()}}
        )


def _interval(estimate: Estimate) -> dict[str, Any]:
    return {"estimate": estimate.value, "interval": [estimate.low, estimate.high]}


def above(
    where: str,
    table: Seeds,
    higher: Values,
    lower: Values,
    margin: float = SCORE_MARGIN,
    about: str = "difference",
    bounds: tuple[float, float] | None = SHARES,
    values: Mapping[str, Number] | None = None,
    *,
    normal: bool = False,
    **beside: Any,
) -> Question:
    """Is `higher` above `lower` by more than the margin, seed by seed?

    Args:
        where: which part.
        table: what both come from.
        higher: one number for each seed.
        lower: likewise.
        margin: the smallest difference that would matter.
        about: what the difference is called.
        bounds: where it must lie; of the interval that describes its mean.
        values: other numbers.
        normal: whether the differences are nearly normal; likewise.
        beside: what else the question has.
    """
    if len(table.seeds) < FEWEST:
        return too_few(where, table)
    sides = {"higher": mean_of(higher.tolist()), "lower": mean_of(lower.tolist())}
    question = Question.of(
        where,
        table,
        "difference",
        about=about,
        estimate=paired_difference(higher, lower, bounds, normal=normal),
        margin=margin,
        values=sides | dict(values or {}),
        **beside,
    )
    return directional(question, beyond(higher - lower, margin), beyond(higher - lower, 0.0))


def directional(question: Question, share: Share, any_at_all: Share) -> Question:
    """The question, decided by how many seeds do what it asks, and how many do so if only a little."""
    looks = question.looks
    holds = looks.more_than(share)
    small = holds > LEVEL >= looks.more_than(any_at_all)
    return replace(question, share=share, holds=holds, fails=looks.fewer_than(share), small=small)


def unchanged(
    where: str,
    table: Seeds,
    whole: Mapping[str, Values],
    cells: Mapping[str, Values],
    margin: float,
    *,
    one_sided: bool = False,
    normal: bool = False,
    **beside: Any,
) -> Question:
    """Do these differences stay within the margin (one-sided: above minus the margin)?

    Args:
        where: which part.
        table: what the differences come from.
        whole: the differences that must all lie within; the one that would be the largest, if any is, comes first.
        cells: single cells behind them; one that lies beyond contradicts.
        margin: the smallest difference that would matter.
        one_sided: only falls matter.
        normal: whether the differences are nearly normal, for the intervals that describe their means.
        beside: other numbers, and the note that says which sentence tells them.
    """
    if len(table.seeds) < FEWEST:
        return too_few(where, table)
    changes = whole if len(cells) == 1 == len(whole) else {**whole, **cells}  # a single cell is the mean itself
    estimates = {name: Estimate.across_models(change, SHARES, normal=normal) for name, change in changes.items()}
    nobody, more_than = Share(0, len(table.seeds)), table.looks.more_than
    falls = {name: beyond(-change, margin) for name, change in changes.items()}
    rises = {name: nobody if one_sided else beyond(change, margin) for name, change in changes.items()}
    within = {name: replace(nobody, count=nobody.models - falls[name].count - rises[name].count) for name in whole}
    # two sides are one test: where half of all networks are within, at most half are beyond on both sides together
    against = {name: min(more_than(falls[name]), more_than(rises[name])) for name in changes}
    fails, worst = any_of(against)
    clearest = min(against, key=lambda name: against[name])

    def away(name: str) -> tuple[int, float]:
        mean = estimates[name].value
        return within[name].count, mean if one_sided else -abs(mean)

    widest = min(whole, key=away)
    return Question.of(
        where,
        table,
        "change",
        about=widest if len(whole) > 1 else "",
        share=within[widest],
        estimate=estimates[widest],
        margin=margin,
        one_sided=one_sided,
        estimates=estimates,
        beyond=worst if fails <= LEVEL else "",
        alone=clearest if against[clearest] <= LEVEL < fails else "",
        holds=more_than(within[widest]),
        fails=fails,
        alike=True,
        **beside,
    )


def beyond(differences: Values, margin: float) -> Share:
    """How many seeds' differences are above the margin; the last bits count for nothing."""
    return risen(differences, torch.zeros_like(differences), by=margin + SAME)


def any_of(p_values: Mapping[str, float]) -> tuple[float, str]:
    """The p-value that at least one of several things is so, and which one that would be.

    Of many alternatives corrected alike none could pass at five networks, whose smallest p-value is 1/32. So the first,
    which is chosen before the numbers are seen, has 65 % of the level, and all others the rest (Holm): five of five
    networks are enough for it, and they take about ten. A weighted Bonferroni correction, as valid as the plain one.

    >>> any_of({"mean": 1 / 32, "S1": 1.0, "S2": 1.0})
    (0.04807692307692307, 'mean')
    """
    (first, p), *others = p_values.items()
    if not others:
        return p, first
    rest = zip([name for name, _ in others], holm([p for _, p in others]), strict=True)
    corrected = {first: min(1.0, p / FIRST)} | {name: min(1.0, p / (1 - FIRST)) for name, p in rest}
    likeliest = min(corrected, key=lambda name: corrected[name])
    return corrected[likeliest], likeliest


def unchanged_mean(
    where: str,
    table: Seeds,
    changes: Mapping[str, Values],
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


def room(scores: Sequence[Values], controls: Sequence[Values]) -> bool:
    """Could a difference that matters be seen between these scores?

    Not where none is above its own n = 0 by more than the margin, nor where all are (nearly) 1.
    """
    learnt = max((score - control).mean().item() for score, control in zip(scores, controls, strict=True))
    return learnt > SCORE_MARGIN and min(score.mean().item() for score in scores) < FULL


Protocol = Callable[[str], Sequence[Settings]]
"""By dataset, the recipes that count for a document, of which the first is its own; in any precision."""


def of_the_paper(dataset: str) -> Sequence[Settings]:
    """The paper's recipe, and the package's quick one."""
    return [paper_settings(dataset, name) for name in ("paper", "quick")]


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
    candidates: Sequence[tuple[Settings, Question]],
    *,
    of_paper: bool,
    absent: Question | None = None,
    protocol: Protocol = of_the_paper,
) -> list[Question]:
    """One part that several recipes answer: the nearest to the paper's counts, the others are parts of their own.

    The choice does not look at the outcome: recipes that count first, then five seeds or more, then the fewest
    settings that are not the paper's, then the epochs nearest to its own, then the most seeds.

    Args:
        candidates: the settings and the question that their rows answer.
        of_paper: whether the paper claims this at all.
        absent: stands for the paper's part where no recipe counts.
        protocol: which recipes do.
    """

    def recipes(settings: Settings) -> Sequence[Settings]:
        return protocol(settings.get("dataset", ""))

    def counts(settings: Settings) -> bool:
        return of_paper and any(
            all(settings[name] == recipe[name] for name in recipe if name in settings and name != "precision")
            for recipe in recipes(settings)
        )

    def others(settings: Settings) -> list[str]:
        """The settings that are not the paper's; the milestones follow the epochs."""
        own = recipes(settings)[0]
        return [name for name in own if name != "milestones" and name in settings and settings[name] != own[name]]

    def nearness(candidate: tuple[Settings, Question]) -> tuple[bool, bool, int, float, int, str]:
        settings, question = candidate
        epochs = settings.get("epochs")
        away = float(abs((-1 if epochs is None else epochs) - recipes(settings)[0]["epochs"]))
        few = question.seeds < FEWEST
        return not counts(settings), few, len(others(settings)), away, -question.seeds, repr(settings)

    def departures(settings: Settings) -> dict[str, Any]:
        """What is not the paper's in these settings, and what tells them from their rivals."""
        told = {name for name, value in settings.items() if any(rival[name] != value for rival in rivals)}
        told.update(others(settings))
        return {name: value for name, value in settings.items() if name != "dataset" and name in told}

    ordered = sorted(candidates, key=nearness)
    rivals = [settings for settings, _ in ordered]
    questions = [
        replace(question, departures=departures(settings), of_paper=place == 0 and counts(settings))
        for place, (settings, question) in enumerate(ordered)
    ]
    if of_paper and absent and not any(question.of_paper for question in questions):
        questions.insert(0, absent)
    return questions


def settle(questions: Sequence[Question]) -> tuple[Part, ...]:
    """Every question answered by itself, with what speaks against those of the paper corrected for their number."""
    able = [place for place, q in enumerate(questions) if q.of_paper and q.tested and not q.one_way]
    together = dict(zip(able, holm([questions[place].fails for place in able]), strict=True))
    return tuple(
        Part(question, _outcome(question), together.get(place, math.nan), len(able) if place in together else 0)
        for place, question in enumerate(questions)
    )


def _outcome(question: Question) -> Outcome:
    if not question.networks:
        return "not tested"
    if not question.tested:
        return "undecided"
    if question.fails <= LEVEL and not question.one_way and not question.small:
        return "not reproduced"
    return "reproduced" if question.holds <= LEVEL and not question.alone else "undecided"
