"""An audit in sentences: what was found, and what that does not show."""

import math
import shlex
from collections.abc import Sequence
from dataclasses import replace

from jaxtyping import Float
from torch import Tensor

from spurlab.audit.detect.shared import FEWEST as FEWEST_SHARE
from spurlab.audit.detect.shared import GAP, MOST
from spurlab.audit.detect.values import RareValues
from spurlab.audit.exposed import Exposure
from spurlab.audit.looks import Look
from spurlab.audit.pull import FEWEST, LEVEL, Pull
from spurlab.audit.repair import Repaired
from spurlab.audit.served import Fit, Served
from spurlab.audit.suspects import Suspect
from spurlab.audit.unknown import SHARED, Unknown, false_alarms
from spurlab.data import Dataset
from spurlab.stats import SCORE_MARGIN, Share

ALIKE = "like it: the same mark at any place, turned or mirrored, or drawn anew, that changes the {} as much"
LARGEST = 5  # numbers of a change that are named
FIRST = 3  # rare words or values that are named
WAYS = {
    "shared": "shared components",
    "transplant": "transplants",
    "presence": "presence",
    "influence": "influence on the answer to",
}
NEVER_SAW = "reference networks, which never saw it,"
OVER_EXAMPLES = (
    "The intervals are over test examples: another network, trained on the same data, may go by other marks."
)
NOT_SHOWN = (
    "Marks that nobody named: what fewer than 3 examples of a class share, or more than 50 or a quarter of it, is not "
    "looked for, nor what differs from one to the next, and a search by the network misses most marks. That none is "
    "found is no proof.",
    OVER_EXAMPLES,
    "That a network goes by a mark does not say that somebody planted it.",
)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.1 or share == 0 else f"{100 * share:.1f} %"


def unit(data: Dataset) -> str:
    """What the examples are called: ``images``, ``documents``, or ``rows`` of a table or of other numbers."""
    return "rows" if data.kind == "examples" else data.kind


def _training(count: int, data: Dataset) -> str:
    return f"{count or 'no'} training {unit(data) if count != 1 else unit(data)[:-1]}"


def of_mark(found: Pull, data: Dataset) -> str:
    """What is said of one mark."""
    examples = f"test {unit(data)}"
    if not bool(found.scores.any()):
        count, most = found.share.models, _percent(found.share.high)
        return f"The mark {found.mark} pulls none of {count} {examples} to any class (95 %: at most {most} to one)."
    target, share = found.target, found.share
    if not found.score:  # the class in which it is least unusual
        target = int(found.scores.argmax())
        share = Share(round(float(found.scores[target]) * share.models), share.models)
    pulls = (
        f"The mark {found.mark} pulls {_percent(float(found.scores[target]))} of the {examples} to "
        f"{data.class_names[target]} (95 %: {_percent(share.low)} to {_percent(share.high)})"
    )
    if math.isnan(found.p):
        few = f"only {found.draws} mark{'s' * (found.draws > 1)}" if found.draws else "no mark"
        several = " where so much is asked at once" * (found.needed > FEWEST)
        return (
            f"{pulls}; {few} like it that chang{'e' if found.draws > 1 else 'es'} them alike can be drawn, of which "
            f"{found.needed} are needed to tell whether that is more{several}. With --recipe, {found.needed} reference "
            "networks or more tell it."
        )
    several = f", alone {found.p_alone:.3f}" * (found.p_alone < found.p)
    p, strongest = f"(p = {found.p:.3f}{several})", _percent(found.strongest_null)
    as_strong, retrained = int((found.nulls >= found.score).sum()), found.against == "reference networks"
    if found.verdict == "goes by it" and found.strongest_null < found.score:
        overlap = found.draws - len(found.elsewhere)
        none = f"none of {len(found.elsewhere)} {found.against}{' elsewhere' * (overlap > 0)}"
        none = f"in none of {found.draws} {NEVER_SAW} it" if retrained else none
        beside = f"; p is among these and {overlap} that overlap it" * (overlap > 0)
        return f"{pulls}; {none} pulls more than {strongest} {p}{beside}."
    as_many = (
        f"it pulls as many in {as_strong} of {found.draws}"
        if retrained
        else (f"{as_strong} of {found.draws} pull as many")
    )
    if found.verdict == "goes by it":
        return f"{pulls}, more than nearly all {found.against}: {as_many} {p}."
    if found.p <= LEVEL:
        return (
            f"{pulls}, {found.verdict}: {as_many} {p}, but the difference to nearly all of them is no more than "
            f"{SCORE_MARGIN:g}."
        )
    of = f"(p = {found.p:.3f}{several}{',' * bool(several)} over all classes)"
    return f"{pulls}, which is {found.verdict}{f': {as_many}' * (target == found.target)} {of}."


def of_level(marks: Sequence[Pull], unknown: Sequence[Unknown]) -> list[str]:
    """For what a p-value holds, where several things are asked."""
    tested = sum(not math.isnan(p) for p in [*(one.p for one in marks), *(one.p for one in unknown)])
    if tested < 2:
        return []
    return [
        f"Each p holds for all {tested} questions together: of audits of networks that go by none of it, and answer "
        "like what they are compared with, at most 5 in 100 have a p of .05 or less."
    ]


def left_out(unknown: Sequence[Unknown], data: Dataset) -> list[str]:
    """Where marks that nobody named were not looked for."""
    if data.kind == "documents":
        named = "" if data.names is None else f" but by putting rare {values_name(data)} into test documents"
        return [f"By the network: no gradient leads from word to word, so it was not searched{named}."]
    by_data = any(one.method == SHARED for one in unknown)
    by_network = any(one.method != SHARED for one in unknown)
    told = [] if by_data else ["By the data: no class has enough examples to tell what few of them share."]
    return told if by_network else [*told, "By the network: marks that nobody named were not searched for (--quick)."]


def values_name(data: Dataset) -> str:
    """What rare ones are looked for: ``words`` of documents, else ``values``."""
    return "words" if data.kind == "documents" else "values"


def of_values(values: RareValues | None, data: Dataset) -> list[str]:
    """What is said of rare words or values that go with one class: by the data, and by the network."""
    if values is None:
        return []
    what, examples = values_name(data), unit(data)
    some = f"{values.looked_at:,} {what} that {FEWEST_SHARE} to {MOST} training {examples} have"
    beyond = len(values.beyond_chance)
    if not values.found:
        return [f"By the data: of {some}, none goes nearly always with one class."]
    more = ", ..." * (len(values.found) > FIRST)
    first = [
        f"{one.name} ({one.of_class} of {one.count} are of {data.class_names[one.label]})"
        for one in values.found[:FIRST]
    ]
    told = [
        f"By the data: of {some}, {len(values.found):,} nearly always go with one class, {beyond:,} of them more than "
        f"chance explains (p <= {LEVEL:g} for all together): {', '.join(first)}{more}. "
        "Most are what the class is about: look which are not."
    ]
    if not values.by_pull:
        return told
    one, share = values.by_pull[0]
    pulls = (
        f"{one.name} ({one.of_class} of {one.count} are of {data.class_names[one.label]}) pulls most, "
        f"{_percent(share.count / share.models)} of {share.models} test {examples} of other classes"
    )
    test = (
        f"it is the first of many; --mark {shlex.quote(one.asked)} with --recipe compares it with networks that never "
        "saw it"
    )
    return [*told, f"By the network: of {values.screened:,} of these {what}, {pulls}; {test}."]


def of_unknown(one: Unknown, data: Dataset, brief: bool = False) -> str:
    """What is said of one unknown mark, and how often such a thing is said where there is none.

    Args:
        one: the mark.
        data: in which it was looked for.
        brief: without names of examples and false alarms.
    """
    if one.method == SHARED and brief:
        many, name = f"{len(one.rows)} {unit(data)}", data.class_names[one.label]
        how = f"gap {one.gap:.1f}, from {GAP:g} on it is unusual"
        return f"Without a mark to look for, {many} of {name} share what the others lack ({how})."
    if one.method == SHARED:
        return f"By the data: {_of_shared(one, data)} {_alarms(one, data)}"
    if not math.isfinite(one.norm):
        return f"By the network ({one.method}): nothing was found that pulls most {unit(data)} to any class."
    norm, name = "l1" if len(one.mask) else "l2", data.class_names[one.label]
    pulls = f"an {norm} norm of {one.norm:.3g} pulls {_percent(one.success)} of the other test {unit(data)} to {name}"
    if math.isnan(one.p):
        told = "not calibrated: with --recipe, reference networks tell whether that is little."
        return f"By the network ({one.method}): {pulls}; {told}"
    told = f"{one.verdict} (p = {one.p:.3f})."
    return f"By the network ({one.method}): {pulls}, {told} {_alarms(one, data)}"


def _of_shared(one: Unknown, data: Dataset) -> str:
    name, many = data.class_names[one.label], len(one.rows)
    beyond = f"the weakest {one.gap:.1f} standard deviations beyond the strongest of the others"
    if one.verdict == "nothing unusual":
        return (
            f"no small group of {unit(data)} of a class clearly shares what its others lack; the widest gap is of "
            f"{many} of {name}, {beyond}, where {GAP:g} would be unusual."
        )
    rows = ", ".join(data.train.source(row) for row in one.rows[:5])
    rows += f" and {many - 5} more" if many > 5 else ""
    twins = len(one.twins)
    same = f" {twins} of them {'is' if twins == 1 else 'are'} near-identical to another." * bool(twins)
    p = "" if math.isnan(one.p) else f" (p = {one.p:.3f} among reference networks, which never saw it)"
    return (
        f"{many} {unit(data)} of {name} share what the others lack, {beyond}: {rows}.{same} With it "
        f"{_percent(one.success)} of the test {unit(data)} of other classes are classified as {name}{p}."
    )


def largest(change: Float[Tensor, " *shape"], data: Dataset) -> str:
    """The numbers of an input that are changed most, and by how much.

    Args:
        change: in the inputs' units; not of images.
        data: may have names of these numbers.
    """
    flat = change.flatten()
    most = flat.abs().argsort(descending=True)[:LARGEST].tolist()
    names = data.features or tuple(f"number {place}" for place in range(len(flat)))
    return ", ".join(f"{names[place]} {float(flat[place]):+.2g}" for place in most if float(flat[place]))


def _alarms(one: Unknown, data: Dataset) -> str:
    if len(data.shape) != 3:
        shared = "rare values of a column are shared by few, too" if one.method == SHARED else "not measured on rows"
        return f"False alarms: {shared}."
    if (known := false_alarms(one, data)) is None:
        return ""
    return "False alarms: {count} of {of} {on}.".format(**known)


def of_examples(suspects: Sequence[Suspect], data: Dataset) -> str:
    """What is said of the training examples."""
    carried = {one.mark: 0 for one in suspects if one.mark}
    present = [one for one in suspects if one.method == "presence"]
    for one in present:
        carried[one.mark] += bool(one.carries)
    told = {one.mark for one in present if one.score > 0 or one.looked_up}
    parts = [
        f"{_training(count, data)} carr{'y' if count != 1 else 'ies'} {mark}"
        if mark in told
        else f"which training {unit(data)} carry {mark} cannot be told from what they have anyway"
        for mark, count in carried.items()
    ]
    first = next((one for one in suspects if not one.mark), None)
    if first:
        way = WAYS.get(first.method, first.method)
        parts.append(f"without a mark to look for, {first.source} ({first.label}) is the first of the list by {way}")
    if not parts:
        return f"Without a mark to look for, no training {unit(data)} are ranked but by rare {values_name(data)}."
    words = "; ".join(parts)
    return f"{words[:1].upper()}{words[1:]}."


def of_served(served: Sequence[Served], fit: Fit, data: Dataset) -> str:
    """Who is served worst."""
    worst, of = served[0], len(served)
    if fit.share.count == fit.share.models:
        return f"No class is served worse than others: all {fit.share.models} test {unit(data)} are classified rightly."
    share = replace(worst.share, confidence=1 - (1 - worst.share.confidence) / of)  # it was picked among them
    return (
        f"The {worst.kind} {worst.name} is served worst: {share.count} of {share.models} test {unit(data)} are "
        f"classified rightly, {_percent(worst.accuracy)} (95 % for the worst of {of}: {_percent(share.low)} to "
        f"{_percent(share.high)}); over all it is {_percent(fit.accuracy)}."
    )


def of_exposure(found: Exposure, data: Dataset) -> str:
    """Which training examples are told from test examples, and how many of those that carry a mark."""
    tpr, area = found.told.tpr, found.area
    told = (
        f"Of {_training(tpr.of, data)} {tpr.count:,} ({_percent(tpr.value)}) are told from test {unit(data)} at "
        f"{_percent(found.rate)} false positives (area under the ROC {area.value:.3f}, 95 %: {area.low:.3f} to "
        f"{area.high:.3f})"
    )
    marked = [
        f"; of the {share.models} that carry {name} {share.count}, perhaps by the mark alone"
        for name, share in found.marked.items()
    ]
    first = ", ".join(f"{one.source} ({one.label})" for one in found.examples[:3])
    by = f"By {found.title}, {found.shadows} shadow networks that learnt halves: a better attack may tell more."
    return f"{told}{''.join(marked)}. Most exposed: {first}. {by}"


def of_look(look: Look, data: Dataset) -> str:
    """Where the network looks."""
    if look.why:
        return look.why
    if math.isnan(look.chance):
        return "Wrong examples of which the network is surest, and what speaks for the class that it predicts."
    return (
        f"Of the saliency {_percent(look.share)} falls on the {_percent(look.chance)} of the {unit(data)} that the "
        f"mark changes; {_percent(look.without)} without the mark."
    )


def of_repairs(found: Sequence[Repaired], forgotten: int, data: Dataset, mark: str = "") -> str:
    """The method that left least.

    Args:
        found: what each method made of the network, the best first.
        forgotten: how many examples were to be forgotten.
        data: of which these are.
        mark: which the scores are of, by its name; "": one without.
    """
    best = found[0]
    if best.network is None or best.verdict.name == "breaks the model":
        return "No method could repair it."
    if best.verdict.name == "nothing to forget":
        return (
            f"There may be nothing to repair: of {best.verdict.oracles} networks that never saw the "
            f"{_training(forgotten, data)}, one goes by the mark about as much. No weights are written."
        )
    methods = f"{len(found)} methods that forget {_training(forgotten, data)}"
    numbers = "; ".join(
        f"{what} {best.before[measure]:.{digits}f} before, {best.after[measure]:.{digits}f} after"
        for what, measure, digits in (
            (f"score of {mark}" if mark else "score", "spurious_score", 2),
            ("accuracy", "accuracy", 3),
            (f"worst {'class' if data.test.groups is None else 'group'}", "worst_group", 3),
        )
        if measure in best.before
    )
    if "spurious_score" not in best.before:
        numbers += "; what is left of a mark was not measured, since none was named"
    elif best.after["largest_score"] > best.after["spurious_score"] + SCORE_MARGIN:
        numbers += f", but {best.after['largest_score']:.2f} to another class"
    among = f"; beside {best.verdict.oracles} oracles: {best.verdict.name}" if best.verdict.oracles else ""
    return f"Of {methods} {best.method} does best: {numbers}{among}."


def clearest(marks: Sequence[Pull]) -> Pull | None:
    """The mark that the network goes by most clearly; of those that were not tested the strongest."""
    order = sorted(marks, key=lambda one: (one.verdict != "goes by it", math.isnan(one.p), one.p, -one.score))
    return order[0] if order else None
