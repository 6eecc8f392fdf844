"""An audit in sentences: what was found, and what that does not show."""

import math

from spurlab.audit import Audit, Look, Pull, Unknown
from spurlab.audit.detect.shared import GAP
from spurlab.audit.pull import FEWEST, LEVEL
from spurlab.audit.unknown import SHARED
from spurlab.stats import SCORE_MARGIN

ALIKE = "like it: the same picture elsewhere, turned or mirrored, or drawn anew, that changes the images as much"
NEVER_SAW = "reference networks, which never saw it,"
NOT_SHOWN = (
    "Marks that nobody named: what fewer than 3 or more than 50 examples of a class share is not looked for, nor what "
    "differs from one to the next, and a search by the network misses most marks. That none is found is no proof.",
    "The intervals are over test examples: another network, trained on the same data, may go by other marks.",
    "That a network goes by a mark does not say that somebody planted it.",
)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.1 or share == 0 else f"{100 * share:.1f} %"


def of_mark(found: Pull, class_names: tuple[str, ...]) -> str:
    """What is said of one mark."""
    pulls = (
        f"The mark {found.mark} pulls {_percent(found.score)} of the test images to {class_names[found.target]} "
        f"(95 %: {_percent(found.share.low)} to {_percent(found.share.high)})"
    )
    if math.isnan(found.p):
        few = f"only {found.draws} marks" if found.draws else "no mark"
        return (
            f"{pulls}; {few} like it can be drawn, of which {FEWEST} are needed to tell whether that is more. With "
            "--recipe, reference networks tell it."
        )
    p, strongest = f"(p = {found.p:.3f})", _percent(found.strongest_null)
    as_strong, retrained = int((found.nulls >= found.score).sum()), found.against == "reference networks"
    if found.verdict == "goes by it" and found.strongest_null < found.score:
        if retrained:
            return f"{pulls}; in none of {found.draws} {NEVER_SAW} it pulls more than {strongest} {p}."
        return f"{pulls}; none of {found.draws} {found.against} pulls more than {strongest} {p}."
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
    of = f"(p = {found.p:.3f} of the largest score over all classes, each by its spread)"
    return f"{pulls}, which is {found.verdict}: {as_many} {of}."


def of_level(found: Audit) -> str:
    """For how much a p-value holds; "" of one question."""
    tested = sum(not math.isnan(one.p) for one in (*found.marks, *found.unknown))
    return (
        f"Each p is for all {tested} questions together: of 100 networks that go by none of it at most 5 would be said "
        "to go by any."
        if tested > 1
        else ""
    )


def of_unknown(one: Unknown, found: Audit) -> str:
    """What is said of one unknown mark, and how often such a thing is said where there is none."""
    if one.method == SHARED:
        return f"By the data: {_of_shared(one, found)} {_alarms(one, 'clean parts of MNIST and Fashion-MNIST')}"
    if not math.isfinite(one.norm):
        return f"By the network ({one.method}): nothing was found that pulls most images to any class."
    norm, name = "l1" if len(one.mask) else "l2", found.data.class_names[one.label]
    pulls = f"an {norm} norm of {one.norm:.3g} pulls {_percent(one.success)} of others to {name}"
    if math.isnan(one.p):
        told = "not calibrated: with --recipe, reference networks tell whether that is little."
        return f"By the network ({one.method}): {pulls}; {told}"
    told = f"{one.verdict} (p = {one.p:.3f})."
    return f"By the network ({one.method}): {pulls}, {told} {_alarms(one, 'clean perceptrons on Fashion-MNIST')}"


def _of_shared(one: Unknown, found: Audit) -> str:
    name, many = found.data.class_names[one.label], len(one.rows)
    beyond = f"the weakest {one.gap:.1f} standard deviations beyond the strongest of the others"
    if one.verdict == "nothing unusual":
        return (
            f"no few examples of a class clearly share what the others lack; the widest gap is that of {many} of "
            f"{name}, {beyond}, where {GAP:g} would be unusual."
        )
    rows = ", ".join(found.data.train.source(row) for row in one.rows[:5])
    rows += f" and {many - 5} more" if many > 5 else ""
    twins = len(one.twins)
    same = f" {twins} of them {'is' if twins == 1 else 'are'} near-identical to another." * bool(twins)
    p = "" if math.isnan(one.p) else f" (p = {one.p:.3f} among reference networks, which never saw it)"
    return (
        f"{many} examples of {name} share what the others lack, {beyond}: {rows}.{same} With it "
        f"{_percent(one.success)} of the test images of other classes are classified as {name}{p}."
    )


def _alarms(one: Unknown, where: str) -> str:
    alarms = one.alarms
    return f"False alarms: {alarms.count} of {alarms.models} {where} (95 %: at most {_percent(alarms.high)})."


def of_examples(found: Audit) -> str:
    """What is said of the training examples."""
    carried = {one.mark: 0 for one in found.suspects if one.mark}
    for one in found.suspects:
        if one.carries:
            carried[one.mark] += 1
    told = {one.mark for one in found.suspects if one.score > 0}
    parts = [
        f"{count or 'no'} training image{'s' * (count != 1)} carr{'y' if count != 1 else 'ies'} {mark}"
        if mark in told
        else f"which training images carry {mark} cannot be told from what they have anyway"
        for mark, count in carried.items()
    ]
    first = next((one for one in found.suspects if not one.mark), None)
    listed = (
        f"without a mark to look for, {first.source} ({first.label}) is the first of the list by {first.method}"
        if first
        else ""
    )
    words = "; ".join([*parts, *([listed] if listed else [])])
    return f"{words[:1].upper()}{words[1:]}."


def of_served(found: Audit) -> str:
    """Who is served worst."""
    worst = found.served[0]
    return (
        f"The {worst.kind} {worst.name} is served worst: {worst.share.count} of {worst.share.models} test examples are "
        f"classified rightly ({_percent(worst.accuracy)}, 95 %: {_percent(worst.share.low)} to "
        f"{_percent(worst.share.high)}); over all it is {_percent(found.fit.accuracy)}."
    )


def of_look(look: Look) -> str:
    """Where the network looks."""
    if look.why:
        return look.why
    if math.isnan(look.chance):
        return "Wrong examples of which the network is surest, and what speaks for the class that it predicts."
    return (
        f"Of the saliency {_percent(look.share)} falls on the {_percent(look.chance)} of the image that the mark "
        f"changes; {_percent(look.without)} without the mark."
    )


def of_repairs(found: Audit) -> str:
    """The method that left least."""
    if not found.repairs:
        return found.unrepaired or "No repair was tried (--repair)."
    best, many = found.repairs[0], len(found.forgotten)
    if best.network is None or best.verdict.name == "breaks the model":
        return "No method could repair it."
    methods = f"{len(found.repairs)} methods that forget {many} training image{'s' * (many != 1)}"
    numbers = "; ".join(
        f"{what} {best.before[measure]:.{digits}f} before, {best.after[measure]:.{digits}f} after"
        for what, measure, digits in (("score", "spurious_score", 2), ("accuracy", "accuracy", 3))
        if measure in best.before
    )
    among = f"; beside {best.verdict.oracles} oracles: {best.verdict.name}" if best.verdict.oracles else ""
    return f"Of {methods} {best.method} does best: {numbers}{among}."


def clearest(found: Audit) -> Pull | None:
    """The mark that the network goes by most clearly; of those that were not tested the strongest."""
    order = sorted(found.marks, key=lambda one: (one.verdict != "goes by it", math.isnan(one.p), one.p, -one.score))
    return order[0] if order else None


def brief(found: Audit) -> list[str]:
    """The answer in three sentences, of marks, examples, repair or who is served worst; one more on an unusual find."""
    mark = clearest(found)
    first = ["No mark was named, so none was tried." if mark is None else of_mark(mark, found.data.class_names)]
    first += [of_unknown(one, found) for one in found.unknown if one.unusual][:1]
    return [*first, of_examples(found), of_repairs(found) if found.repairs or found.unrepaired else of_served(found)]
