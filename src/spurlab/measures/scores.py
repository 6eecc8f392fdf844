"""Accuracies and the spurious score, on clean and marked test examples: all in [0, 1]."""

from spurlab.measures.measure import Measure
from spurlab.measures.observed import Observed
from spurlab.metrics import accuracy, spurious_score


def _spurious_score(observed: Observed) -> dict[str, float]:
    return {"spurious_score": spurious_score(observed.clean, observed.marked, observed.target).item()}


def _accuracy(observed: Observed) -> dict[str, float]:
    return {"accuracy": accuracy(observed.clean, observed.data.test.labels).item()}


def _marked_accuracy(observed: Observed) -> dict[str, float]:
    return {"marked_accuracy": accuracy(observed.marked, observed.data.test.labels).item()}


def _always(architecture: str) -> bool:
    return True


SPURIOUS_SCORE = Measure(
    "spurious score", _spurious_score, by_pattern=True, always=_always, lumpy=True, heading="score"
)
ACCURACY = Measure("test accuracy", _accuracy, always=_always)
MARKED_ACCURACY = Measure(
    "accuracy on marked test examples", _marked_accuracy, by_pattern=True, always=_always, lumpy=True
)
