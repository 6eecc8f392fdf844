"""What a network says of the examples that it was trained on, and of new ones that have the feature as often."""

from collections.abc import Callable
from functools import partial
from operator import attrgetter

from spurlab.measures.measure import Measure
from spurlab.measures.observed import Answers, Observed, required
from spurlab.metrics import accuracy
from spurlab.prevention.afr import GAMMA, true_probabilities, weights_of

Asked = Callable[[Observed], Answers | None]
TRAINED_ON: Asked = attrgetter("trained_on")
FRESH: Asked = attrgetter("fresh")
# of the probabilities of the true class, from which AFR makes its weights
QUANTILES = {"001": 0.001, "01": 0.01, "10": 0.1}


def _train_accuracy(observed: Observed) -> dict[str, float]:
    answers = required(observed.trained_on)
    return {"train_accuracy": accuracy(answers.probabilities, answers.examples.labels).item()}


def _quantile(name: str, asked: Asked, quantile: float, observed: Observed) -> dict[str, float]:
    """Of the probabilities of the true class: AFR's weights come from this."""
    answers = required(asked(observed))
    return {name: true_probabilities(answers.probabilities, answers.examples.labels).quantile(quantile).item()}


def _minority_weight(name: str, asked: Asked, observed: Observed) -> dict[str, float]:
    """The part of AFR's weights, with its usual gamma, that falls on examples without the feature."""
    answers = required(asked(observed))
    labels = answers.examples.labels
    weights = weights_of(true_probabilities(answers.probabilities, labels), labels, GAMMA)
    return {name: weights[~answers.planted.mask].sum().item()}


TRAIN_ACCURACY = Measure("accuracy on the training examples", _train_accuracy)
PROBABILITIES = {
    name: Measure(
        f"probability of the true class, {quantile:.1%} quantile of {where}", partial(_quantile, name, asked, quantile)
    )
    for prefix, where, asked in (
        ("true_probability", "training", TRAINED_ON),
        ("fresh_probability", "new examples", FRESH),
    )
    for short, quantile in QUANTILES.items()
    for name in (f"{prefix}_{short}",)
}
MINORITY_WEIGHT = Measure(
    "AFR's weight on training examples without the feature", partial(_minority_weight, "minority_weight", TRAINED_ON)
)
FRESH_MINORITY_WEIGHT = Measure(
    "AFR's weight on new examples without the feature", partial(_minority_weight, "fresh_minority_weight", FRESH)
)
