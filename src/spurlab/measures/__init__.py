"""What can be measured: of a trained network, of a pattern on a data set, of an architecture, or after deletion.

What is measured of a network is measured alike of what a prevention method makes of it.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from spurlab.data import Dataset
from spurlab.errors import InputError, did_you_mean
from spurlab.measures import (
    dp,
    duration,
    exposure,
    extraction,
    forgotten,
    groups,
    law,
    oracles,
    relearning,
    saliency,
    scores,
    sensitivity,
    training_set,
    untrained,
    weights,
)
from spurlab.measures.measure import ByData as ByData
from spurlab.measures.measure import Measure as Measure
from spurlab.measures.observed import Answers as Answers
from spurlab.measures.observed import Deleted as Deleted
from spurlab.measures.observed import Exposed as Exposed
from spurlab.measures.observed import LeftOut as LeftOut
from spurlab.measures.observed import MarkedTests as MarkedTests
from spurlab.measures.observed import Observed as Observed
from spurlab.measures.sensitivity import PERCENTS as PERCENTS
from spurlab.plugins import Extensible, is_recorded, names_of, of_type, origin_of

_fits = of_type(Measure)


def _wrong(name: Any, found: object) -> str:
    """What is wrong with a measure of a plug-in; its numbers are known by their names, so these begin with its own."""
    if (wrong := _fits(name, found)) or not isinstance(found, Measure):
        return wrong
    numbers = [found.numbers.pattern] if isinstance(found.numbers, ByData) else found.numbers
    if odd := [number for number in numbers if not number.startswith(f"{name}_")]:
        return f"must give numbers whose names begin with '{name}_', but one is {odd[0]!r}"
    return ""


# A new measure is one file and one line here. Raise `TRAINING_VERSION` where an old one gives other numbers.
MEASURES: Extensible[str, Measure] = Extensible(
    "measures",
    {
        "spurious_score": scores.SPURIOUS_SCORE,
        "accuracy": scores.ACCURACY,
        "marked_accuracy": scores.MARKED_ACCURACY,
        "pattern_importance": weights.PATTERN_IMPORTANCE,
        "sensitivity": sensitivity.SENSITIVITY,
        "worst_group": groups.WORST_GROUP,
        "group_accuracy": groups.GROUP_ACCURACY,
        "train_weighted_accuracy": groups.TRAIN_WEIGHTED_ACCURACY,
        "train_accuracy": training_set.TRAIN_ACCURACY,
        "true_probability_001": training_set.PROBABILITIES["true_probability_001"],
        "true_probability_01": training_set.PROBABILITIES["true_probability_01"],
        "true_probability_10": training_set.PROBABILITIES["true_probability_10"],
        "fresh_probability_001": training_set.PROBABILITIES["fresh_probability_001"],
        "fresh_probability_01": training_set.PROBABILITIES["fresh_probability_01"],
        "fresh_probability_10": training_set.PROBABILITIES["fresh_probability_10"],
        "minority_weight": training_set.MINORITY_WEIGHT,
        "fresh_minority_weight": training_set.FRESH_MINORITY_WEIGHT,
        "block_saliency": saliency.BLOCK_SALIENCY,
        "law": law.LAW,
        "empirical_norm": untrained.EMPIRICAL_NORM,
        "parameters": untrained.PARAMETERS,
        "forgotten_accuracy": forgotten.FORGOTTEN_ACCURACY,
        "membership_auc": forgotten.MEMBERSHIP_AUC,
        "oracle_distance": oracles.ORACLE_DISTANCE,
        "oracle_distance_marked": oracles.ORACLE_DISTANCE_MARKED,
        "relearn_steps": relearning.RELEARN_STEPS,
        "time_share": duration.TIME_SHARE,
        "pattern_answer": exposure.PATTERN_ANSWER,
        "member_auc": exposure.MEMBER_AUC,
        "member_tpr": exposure.MEMBER_TPR,
        "marked_auc": exposure.MARKED_AUC,
        "marked_rates": exposure.MARKED_RATES,
        "left_out_rates": exposure.LEFT_OUT_RATES,
        "group_scores": exposure.GROUP_SCORES,
        "attack_accuracies": exposure.ATTACK_ACCURACIES,
        "marked_attack_accuracies": exposure.MARKED_ATTACK_ACCURACIES,
        **extraction.EXTRACTED,
        "epsilon": dp.EPSILON,
        "canary_answer": dp.CANARY_ANSWER,
    },
    _wrong,
)


def effects() -> dict[str, Measure]:
    """What is measured after a deletion, by name, of our own measures; a study can have those of plug-ins too.

    >>> list(effects())[:2]
    ['spurious_score', 'accuracy']
    """
    return {name: measure for name, measure in MEASURES.own.items() if _after_deletion(name, measure)}


def is_effect(name: str) -> bool:
    """Whether a measure, or that one of whose numbers is called so, is also taken after a deletion.

    >>> is_effect("spurious_score"), is_effect("sensitivity")
    (True, False)
    """
    return _after_deletion(name, measure_named(name))


def _after_deletion(name: str, measure: Measure) -> bool:
    return name in ("spurious_score", "accuracy") or measure.needs == "deletion"


def measure_named(name: str) -> Measure:
    """The measure of this name, or that one of whose numbers has it.

    Raises:
        ValueError: there is none, with the nearest name.

    >>> measure_named("group_accuracy_07").title
    'accuracy on each group'
    """
    if measure := _known(name):
        return measure
    raise InputError(f"there is no measure {name!r}. {did_you_mean(name, list(MEASURES))}")


def _known(name: str) -> Measure | None:
    if own := MEASURES.own.get(name) if name not in MEASURES.registered else None:
        return own
    if own := next((measure for measure in MEASURES.own.values() if measure.has(name)), None):
        return own
    added = _added(name, MEASURES.registered)
    return MEASURES[added] if added and (name == added or MEASURES[added].has(name)) else None


def _added(number: str, names: Iterable[str]) -> str:
    """Of the measures of plug-ins, the one that a number is of; its name begins with the measure's. "": of none.

    >>> _added("loudness_left", ["loud", "loudness"]), _added("loudness", ["loud"])
    ('loudness', '')
    """
    return max((name for name in names if number == name or number.startswith(f"{name}_")), key=len, default="")


def package_of(number: str) -> str:
    """The package and version of a plug-in's measure, by its name or that of one of its numbers; "" of our own."""
    if not (names := names_of("measures")) or any(
        number == name or measure.has(number) for name, measure in MEASURES.own.items()
    ):
        return ""
    return origin_of("measures", added) if (added := _added(number, names)) else ""


def plugin_measures(numbers: Iterable[str]) -> dict[str, str]:
    """The measures of plug-ins that these numbers are of, each with its package and version."""
    named = [(number, package) for number in numbers if (package := package_of(number))]
    return {_added(number, names_of("measures")): package for number, package in named}


def is_of_plugin(number: str) -> bool:
    """Whether a study that is being read was recorded with a plug-in that measures this; no more is known of it."""
    added = _added(number, names_of("measures"))
    return bool(added) and is_recorded("measures", added)


def is_lumpy(name: str) -> bool:
    """Whether networks that differ by the seed alone may have very different numbers; of what is not known it is so.

    >>> is_lumpy("worst_group"), is_lumpy("accuracy"), is_lumpy("something of a user")
    (True, False, True)
    """
    measure = _known(name)
    return measure is None or measure.lumpy


def written_out(names: Sequence[str]) -> list[str]:
    """Names as studies keep them: for a measure its numbers, if they are known for all data; if not, its own alone.

    How many groups there are depends on the data; records of before named the first twenty.

    >>> len(written_out(["sensitivity", "accuracy"])), written_out(["accuracy", "group_accuracy"])
    (52, ['accuracy', 'group_accuracy'])
    """
    added = {name: MEASURES[name] for name in names if name in MEASURES.registered}
    for name, measure in (MEASURES.own | added).items():
        match measure.numbers:
            case tuple() as numbers if numbers:
                names = [number for old in names for number in (numbers if old == name else [old])]
            case ByData(formerly=formerly) if formerly and set(formerly) <= set(names):
                names = list(dict.fromkeys(name if old in formerly else old for old in names))
    return list(names)


def numbers_of(name: str, data: Dataset) -> list[str]:
    """The names of the numbers that a name stands for on a data set; none where it cannot be taken there.

    >>> from spurlab import load
    >>> numbers_of("spurious_score", load("fashion-mini"))
    ['spurious_score']
    """
    measure = measure_named(name)
    if not measure.suits_data(data):
        return []
    if not measure.numbers:
        return [name]
    numbers = measure.numbers.names(data) if isinstance(measure.numbers, ByData) else measure.numbers
    return list(numbers) if name in MEASURES else [name] if name in numbers else []


def is_number_of(number: str, name: str) -> bool:
    """Whether a stored number is one of those that this name of a study stands for.

    >>> is_number_of("group_accuracy_12", "group_accuracy"), is_number_of("group_accuracy", "group_accuracy")
    (True, False)
    """
    measure = MEASURES.get(name)
    return measure.has(number) if measure is not None and measure.numbers else number == name
