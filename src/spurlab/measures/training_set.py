"""What a network says of the examples that it was trained on, and of new ones that have the feature as often."""

from collections.abc import Callable
from functools import partial

from spurlab.measures.measure import Measure
from spurlab.measures.observed import Lesson, Observed, given
from spurlab.metrics import accuracy
from spurlab.prevention.afr import GAMMA, true_probabilities, weights_of

Of = Callable[[Observed], Lesson | None]
# of the probabilities of the true class, from which AFR makes its weights
QUANTILES = {"001": 0.001, "01": 0.01, "10": 0.1}


def _train_accuracy(observed: Observed) -> dict[str, float]:
    lesson = given(observed.trained_on)
    return {"train_accuracy": accuracy(lesson.said, lesson.examples.labels).item()}


def _quantile(
    name: str, of: Callable[[Observed], Lesson | None], quantile: float, observed: Observed
) -> dict[str, float]:
    """Of what the network says of the true class: AFR's weights come from this."""
    lesson = given(of(observed))
    return {name: true_probabilities(lesson.said, lesson.examples.labels).quantile(quantile).item()}


def _minority_weight(name: str, of: Of, observed: Observed) -> dict[str, float]:
    """The part of AFR's weights, with its usual gamma, that falls on examples without the feature."""
    lesson = given(of(observed))
    weights = weights_of(true_probabilities(lesson.said, lesson.examples.labels), lesson.examples.labels, GAMMA)
    return {name: weights[~lesson.planted.mask].sum().item()}


def _trained_on(observed: Observed) -> Lesson | None:
    return observed.trained_on


def _fresh(observed: Observed) -> Lesson | None:
    return observed.fresh


TRAIN_ACCURACY = Measure("accuracy on the training examples", _train_accuracy)
PROBABILITIES = {
    name: Measure(
        f"probability of the true class, {quantile:.1%} quantile of {where}", partial(_quantile, name, of, quantile)
    )
    for prefix, where, of in (
        ("true_probability", "training", _trained_on),
        ("fresh_probability", "new examples", _fresh),
    )
    for short, quantile in QUANTILES.items()
    for name in (f"{prefix}_{short}",)
}
MINORITY_WEIGHT = Measure(
    "AFR's weight on training examples without the feature", partial(_minority_weight, "minority_weight", _trained_on)
)
FRESH_MINORITY_WEIGHT = Measure(
    "AFR's weight on new examples without the feature", partial(_minority_weight, "fresh_minority_weight", _fresh)
)
