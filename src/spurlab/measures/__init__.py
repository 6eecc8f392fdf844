"""What can be measured: of a trained network, of a pattern on a data set, of an architecture, or after deletion.

What is measured of a network is measured alike of what a prevention method makes of it.
"""

import re
from collections.abc import Mapping, Sequence

from spurlab.data import Dataset
from spurlab.errors import InputError, did_you_mean
from spurlab.measures import (
    duration,
    forgotten,
    groups,
    oracles,
    relearning,
    saliency,
    scores,
    sensitivity,
    training_set,
    untrained,
    weights,
)
from spurlab.measures.measure import Measure as Measure
from spurlab.measures.observed import Deleted as Deleted
from spurlab.measures.observed import Lesson as Lesson
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
    "empirical_norm": untrained.EMPIRICAL_NORM,
    "parameters": untrained.PARAMETERS,
    "forgotten_accuracy": forgotten.FORGOTTEN_ACCURACY,
    "membership_auc": forgotten.MEMBERSHIP_AUC,
    "oracle_distance": oracles.ORACLE_DISTANCE,
    "oracle_distance_marked": oracles.ORACLE_DISTANCE_MARKED,
    "relearn_steps": relearning.RELEARN_STEPS,
    "time_share": duration.TIME_SHARE,
}
# what is measured after a deletion
EFFECTS = ("spurious_score", "accuracy", *(name for name, measure in MEASURES.items() if measure.of == "deletion"))

_OF_SEVERAL = re.compile(r"(sensitivity|group_accuracy)_\d{2,}")  # a number of a measure that has several


def measure_named(name: str) -> Measure:
    """The measure of this name, or that one of whose numbers has it.

    Raises:
        ValueError: there is none, with the nearest name.

    >>> measure_named("group_accuracy_07").title
    'accuracy on each group'
    """
    base = match[1] if (match := _OF_SEVERAL.fullmatch(name)) else name
    if base not in MEASURES or (base == "sensitivity" and name not in ("sensitivity", *PERCENTS)):
        raise InputError(f"there is no measure {name!r}. {did_you_mean(name, list(MEASURES))}")
    return MEASURES[base]


def written_out(names: Sequence[str]) -> list[str]:
    """Names as studies keep them: ``sensitivity`` as all of its numbers, all numbers of old for groups as the measure.

    How many groups there are depends on the data; records of before named the first twenty.

    >>> len(written_out(["sensitivity", "accuracy"])), written_out(["accuracy", "group_accuracy"])
    (52, ['accuracy', 'group_accuracy'])
    """
    first_twenty = {f"group_accuracy_{group:02d}" for group in range(20)}
    if first_twenty <= set(names):
        names = list(dict.fromkeys("group_accuracy" if name in first_twenty else name for name in names))
    return [number for name in names for number in (PERCENTS if name == "sensitivity" else [name])]


def numbers_of(name: str, data: Dataset) -> list[str]:
    """The names of the numbers that a name stands for on a data set; none where it cannot be taken there."""
    measure = measure_named(name)
    if not measure.there(data):
        return []
    if measure.numbers is None:
        return [name]
    numbers = measure.numbers(data)
    return list(numbers) if name in MEASURES else [name] if name in numbers else []


def is_number_of(number: str, name: str) -> bool:
    """Whether a stored number is one of those that this name of a study stands for.

    >>> is_number_of("group_accuracy_12", "group_accuracy"), is_number_of("group_accuracy", "group_accuracy")
    (True, False)
    """
    if name not in MEASURES or MEASURES[name].numbers is None:
        return number == name
    match = _OF_SEVERAL.fullmatch(number)
    return match is not None and match[1] == name
