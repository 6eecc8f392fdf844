"""Every sentence about a part of a claim, made from its numbers: shares with what they are of, means without intervals.

An interval of a mean over five seeds that assumes nothing is nearly as wide as scores can differ; it is in the JSON.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from spurlab.claims.evidence import ONCE, LeftOut
from spurlab.claims.question import FEWEST, LEVEL, Number, OfClaim, Outcome, Question
from spurlab.stats import Estimate, Looks, Share
from spurlab.studies.recipes import milestones_in_words

SHOWN = 6  # parts beside the paper's that are named in a finding
MOST = 40  # seeds, beyond which no number is advised


def finding(question: Question, outcome: Outcome) -> str:
    """The numbers of a part, and what would decide it."""
    pieces = [FINDINGS[question.kind](question), NOTES[question.note](question)]
    pieces += [*sorted(map(_left_out, question.left_out)), _untestable(question)]
    if question.tested and outcome == "undecided":
        small = question.small and question.fails <= LEVEL
        pieces.append("surely there, but too small to matter" if small else _advice(question))
    if question.tested and (most := _most([question])):
        pieces.append(f"seeds are added up to {most}, and the level is spent over the looks")
    return _sentence(*pieces)


def headline(question: Question) -> str:
    """The number in short."""
    if question.kind in HEADLINES:
        return HEADLINES[question.kind](question)
    if not question.estimate.models:
        return ""
    return f"{question.estimate.value:+.3f} ({question.share.count} of {question.share.models})"


def place(question: Question) -> str:
    """Where, with what is not the paper's."""
    return _sentence(question.where, departures(question), joint=" (", end=")")


_NOTHING = {("weight_decay", "0"), ("input_noise", "0"), ("augmentation", "none")}


def departures(question: Question) -> str:
    """What is not the paper's in the settings, and what tells them from their rivals."""
    words = []
    for name, value in question.departures.items():
        shown = f"{value:g}" if isinstance(value, float) else str(value)[: 8 if name == "data" else None]
        spaced = name.replace("_", " ")
        if name == "milestones" and value is not None:
            words.append(milestones_in_words(shown))
        elif (name, shown) in _NOTHING or shown == "inf":  # at infinity nothing is clipped
            words.append(f"no {spaced}")
        elif name == "epochs" and value is not None:
            words.append(f"{shown} epoch{'' if shown == '1' else 's'}")
        else:
            words.append(f"{spaced} {'unknown' if value is None else shown}")
    return ", ".join(words)


def summary(answers: Sequence[tuple[Question, Outcome]], whole: OfClaim) -> str:
    """One sentence for each outcome among the parts that count, with each part's number.

    What is not the paper's is said once where it is the same for all of them.
    """
    sentences = []
    counted = [(question, outcome) for question, outcome in answers if question.of_paper]
    recipes = {departures(question) for question, outcome in counted if outcome != "not tested"}
    for outcome in ("reproduced", "not reproduced", "undecided"):
        named = [
            f"{place(question) if len(recipes) > 1 else question.where} {headline(question)}".strip()
            for question, answer in counted
            if answer == outcome
        ]
        alone = outcome == "not reproduced" != whole
        but = ", which is not shown for all of them together (Holm)" if alone else ""
        if named:
            sentences.append(
                f"{outcome.capitalize()} in {len(named)} of {len(counted)} parts{but}: {'; '.join(named)}."
            )
    if len(recipes) == 1 and (shared := recipes.pop()):
        sentences.append(f"These with {shared}, unlike the paper's.")
    absent = [question for question, outcome in counted if outcome == "not tested"]
    if absent:
        places = "any part" if len(absent) == len(counted) else "; ".join(question.where for question in absent)
        runs = dict.fromkeys(question.wanted for question in absent if question.wanted)
        advice = f": run {', '.join(runs)}" if runs else ""
        sentences.append(f"Not tested on {places}{advice}.")
    if most := _most([question for question, _ in answers if question.tested]):
        looks = ", ".join(map(str, Looks(most).numbers))
        sentences.append(f"Seeds are added up to {most}: the level is spent over the looks after {looks}.")
    beside = [(question, answer) for question, answer in answers if not question.of_paper and question.networks]
    if beside:
        recipes = {departures(question) for question, _ in beside}
        which, where = "Beside the paper's", place
        if whole == "not tested as published":
            which = "Not as published"
            if len(recipes) == 1 and (shared := recipes.pop()):
                which, where = f"{which}, but with {shared}", lambda question: question.where
        named = [f"{where(question)}: {answer} {headline(question)}".strip() for question, answer in beside[:SHOWN]]
        more = f"; and {len(beside) - SHOWN} more" if len(beside) > SHOWN else ""
        sentences.append(f"{which}: {'; '.join(named)}{more}.")
    return " ".join(sentences)


def _most(questions: Iterable[Question]) -> int:
    """Up to how many networks seeds were added to the shares that decide; 0 where all seeds were fixed."""
    return max((question.looks.most or 0 for question in questions if question.share.models), default=0)


def by_chance(parts: int) -> str:
    """What to expect of many parts that are each judged at 5 %; "" of none.

    >>> by_chance(34)
    'Of 34 parts that were tested, each by itself at 5 %, up to 1.7 are expected to be judged wrongly by chance.'
    """
    if not parts:
        return ""
    which = f"Of {parts} parts that were tested, each by itself" if parts > 1 else "Of the one part that was tested,"
    return f"{which} at {100 * LEVEL:g} %, up to {LEVEL * parts:.2g} are expected to be judged wrongly by chance."


def nearest(distances: Mapping[str, float]) -> str:
    """By reading of Quinn's report, how far its networks are from the published numbers; one reading is no choice."""
    ordered = sorted(distances, key=lambda words: distances[words])
    named = ", ".join(f"{words.removeprefix('value ')} {distances[words]:.3f}" for words in ordered)
    return f" Mean distance from the published numbers with the feature, by what a value is drawn for: {named}."


def _difference(question: Question) -> str:
    sides = " against ".join(f"{question.values[side]:.3f}" for side in ("higher", "lower"))
    by = question.by or f"{question.margin:g}"
    return f"{question.about} above {by} in {_seeds(question.share)}, mean {question.estimate.value:+.3f} ({sides})"


def _change(question: Question) -> str:
    label = f"{question.about}: " if question.about else ""
    within = f"{'not below -' if question.one_sided else 'within +-'}{question.margin:g} in {_seeds(question.share)}"
    beyond, told = "", {question.about, "mean"}
    if question.beyond:
        single = "" if question.beyond in told else f": {question.estimates[question.beyond].value:+.3f}"
        beyond = f"{question.beyond}{single} is beyond it"
    elif question.alone:
        cell = f"{question.alone}: {question.estimates[question.alone].value:+.3f}"
        beyond = f"{cell} is beyond it by itself, and not as one of {len(question.estimates)} (Holm)"
    return _sentence(f"{label}{within}, mean change {question.estimate.value:+.3f}", beyond)


def _seeds(share: Share) -> str:
    return f"{share.count} of {share.models} seeds"


def _correlation(question: Question) -> str:
    values, published = question.values, "".join(f", published {r:.2f}" for r in question.published.values())
    return _sentence(
        f"r = {_r(question.estimate)}, two-sided p = {values['two-sided p']:.2g} over {question.estimate.models} "
        f"patterns (three are one noise){published}",
        f"single seeds {values['least']:.2f} to {values['most']:.2f}",
        *(f"{name}: r = {_r(r)}" for name, r in question.estimates.items()),
        f"{question.seeds} seeds",
    )


def _r(correlation: Estimate) -> str:
    return f"{correlation.value:.2f}" if math.isnan(correlation.low) else f"{correlation:.2f}"


def _sizes(question: Question) -> str:
    lower, higher, room = (question.values[name] for name in ("lower", "higher", "with room"))
    return (
        f"{question.about}: below -{question.margin:g} in {_seeds(question.share)}, "
        f"mean {question.estimate.value:+.3f}; {len(question.estimates)} comparisons, "
        f"each by itself lower in {lower}, higher in {higher} of the {room} "
        "with room"
    )


def _levels(question: Question) -> str:
    alone = [
        f"n = {n} in {question.values[f'seeds at n = {n}']}"
        for n in question.n
        if f"seeds at n = {n}" in question.values
    ]
    return _sentence(
        f"{'mildest that lowers' if alone else 'strongest'}: {question.about}, by more than {question.margin:g} in "
        f"{_seeds(question.share)}, mean {question.estimate.value:.3f} from {question.values['without']:.3f}, "
        f"{len(question.estimates)} levels",
        f"alone at {_listed(alone)}" if alone else "",
        f"left out, fewer than {FEWEST} seeds: {_listed(question.idle)}" if question.idle else "",
    )


FINDINGS: Mapping[str, Callable[[Question], str]] = {
    "absent": lambda q: f"{q.about}: run {q.wanted}",
    "text": lambda q: q.about,
    "few seeds": lambda q: (
        f"{q.seeds} complete seed{'s' * (q.seeds != 1)}, at least {FEWEST} are needed: run more seeds"
    ),
    "difference": _difference,
    "change": _change,
    "learnt": lambda q: (
        f"{q.learnt}; difference at n = {q.n[-1]} above {q.margin:g} in {_seeds(q.share)}, mean {q.estimate.value:+.3f}"
    ),
    "correlation": _correlation,
    "no correlation": lambda q: "no correlation: all scores are alike",
    "rises": lambda q: _sentence(
        f"so in {_seeds(q.share)}",
        f"mean rise over n = 0: {_listed(f'{name} {rise.value:+.3f}' for name, rise in q.estimates.items())}",
        _named(q.values, "+.3f"),
    ),
    "sizes": _sizes,
    "levels": _levels,
    "diverged": lambda q: f"fewer than {FEWEST} networks converged at {_listed(q.idle)}",
    "no level": lambda q: f"no level is shown to lower the score by more than {q.margin:g}",
}
NOTES: Mapping[str, Callable[[Question], str]] = {
    "": lambda q: "",
    "pairs": lambda q: f"R above S in {q.values['pairs']} of 9 pairs; n = {_listed(q.n)}",
    "targets": lambda q: f"target {' and '.join(map(str, q.targets))}",
    "all pixels": lambda q: f"with all pixels {_named(q.values, '.3f')}",
    "means": lambda q: _sentence(_named(q.values, ".3f"), _idle(q, "not learnt or full in all of them")),
    "range": lambda q: (
        f"{q.values['networks']} networks: min, max, mean, sd {_four(q.values)}"
        + (f", published {_four(q.published)}" if q.published else "")
    ),
    "by n": lambda q: _sentence(_named(q.values, "+.3f", ": "), _idle(q, "nothing to delete")),
    "bars": lambda q: _sentence(
        _named(q.values, "+.3f", ": "), _idle(q, "not learnt or full on both sides"), NOTES["targets"](q)
    ),
    "published": lambda q: f"{q.values['here']:.3f} here, {q.published['published']:.2f} published",
    "lost": lambda q: "positive: lost by reweighting",
}
HEADLINES: Mapping[str, Callable[[Question], str]] = {
    "few seeds": lambda q: "too few seeds",
    "learnt": lambda q: str(q.learnt),
    "correlation": lambda q: f"r = {q.estimate.value:.2f}",
    "no correlation": lambda q: "no correlation",
    "rises": lambda q: (
        f"{_listed(f'{name} {rise.value:+.3f}' for name, rise in q.estimates.items())} "
        f"({q.share.count} of {q.share.models})"
    ),
    "levels": lambda q: f"{q.about}: {-q.estimate.value:+.3f} ({q.share.count} of {q.share.models})",
    "no level": lambda q: "no level lowers the score",
    "diverged": lambda q: "diverged",
}
ADVICE = {
    "correlation": "seven patterns leave a wide interval; more patterns, not more seeds, would narrow it",
}


def _advice(question: Question) -> str:
    if question.one_way:
        return f"run {'n' if question.kind == 'learnt' else 'levels'} up to {question.threshold:g}"
    return ADVICE.get(question.kind) or more_seeds(question.share, question.looks, only_more=question.alike)


def more_seeds(share: Share, looks: Looks = ONCE, *, only_more: bool = False) -> str:
    """How many seeds would decide it if as many of them went on to do so."""
    if share.models and not looks.more(share):
        part = share.count / share.models
        for models in looks.numbers or range(share.models + 1, MOST + 1):
            likely = Share(round(part * models), models)
            if models > share.models and (looks.more(likely) or (not only_more and looks.fewer(likely))):
                return f"about {models} seeds would decide it if they went on like this"
    return "run more seeds"


def _untestable(question: Question) -> str:
    if question.untestable == "nothing to lose":
        return f"nothing to lose: {question.values['at n = 0']:.3f} at n = 0"
    return _idle(question, question.untestable) if question.kind == "rises" else question.untestable


def _left_out(seeds: LeftOut) -> str:
    why = [
        f"seed{'s' * (len(numbers) > 1)} {_listed(numbers)} {what}"
        for what, numbers in seeds._asdict().items()
        if numbers
    ]
    return f"left out: {_listed(why)}"


def _idle(question: Question, why: str) -> str:
    return f"{why}: {_listed(question.idle)}" if question.idle else ""


def _four(numbers: Mapping[str, Number]) -> str:
    return " ".join(f"{numbers[name]:.3f}" for name in ("min", "max", "mean", "sd"))


def _named(values: Mapping[str, Number], form: str, joint: str = " ") -> str:
    return _listed(f"{name}{joint}{value:{form}}" for name, value in values.items() if name not in ("higher", "lower"))


def _listed(items: Iterable[Any]) -> str:
    return ", ".join(map(str, items))


def _sentence(*pieces: str, joint: str = "; ", end: str = "") -> str:
    """The pieces that say something, joined."""
    said = [piece for piece in pieces if piece]
    return joint.join(said) + (end if len(said) > 1 else "")
