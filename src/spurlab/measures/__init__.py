"""What can be measured: of a trained network, of a pattern on a data set, of an architecture, or after deletion.

What is measured of a network is measured alike of what a prevention method makes of it.
"""

from collections.abc import Mapping, Sequence

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

# A new measure is one file and one line here. Raise `TRAINING_VERSION` where an old one gives other numbers.
MEASURES: Mapping[str, Measure] = {
    "spurious_score": scores.SPURIOUS_SCORE,
    "accuracy": scores.ACCURACY,
    "marked_accuracy": scores.MARKED_ACCURACY,
    "pattern_importance": weights.PATTERN_IMPORTANCE,
    "sensitivity": sensitivity.SENSITIVITY,
    "worst_group": groups.WORST_GROUP,
    "group_accuracy": groups.GROUP_ACCURACY,
    "train_weighted_accuracy": groups.TRAIN_WEIGHTED_ACCURACY,
    "train_accuracy": training_set.TRAIN_ACCURACY,
    **training_set.PROBABILITIES,
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
}


def effects() -> dict[str, Measure]:
    """What is measured after a deletion, by name.

    >>> list(effects())[:2]
    ['spurious_score', 'accuracy']
    """
    return {name: MEASURES[name] for name in ("spurious_score", "accuracy")} | {
        name: measure for name, measure in MEASURES.items() if measure.needs == "deletion"
    }


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
    return MEASURES.get(name) or next((measure for measure in MEASURES.values() if measure.has(name)), None)


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
    for name, measure in MEASURES.items():
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
