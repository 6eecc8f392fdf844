"""What can be measured: of a trained network, of a pattern on a data set, of an architecture, or after deletion."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeVar

from jaxtyping import Float
from torch import Tensor, nn

from spurlab.data import Dataset
from spurlab.explain import input_sensitivity, pixel_importance, sensitivity_examples
from spurlab.metrics import accuracy, empirical_norm, spurious_score
from spurlab.models import is_perceptron, parameter_count, skeleton
from spurlab.patterns import Pattern
from spurlab.training import predictions

T = TypeVar("T")
# what `sensitivity` in a study stands for: a measure for each share of pixels that are set to zero
SENSITIVITY = {f"sensitivity_{percent:03d}": percent for percent in range(0, 101, 2)}


@dataclass(frozen=True, eq=False)
class Seen:
    """What the measures of one cell may look at; predictions are there for measures of a network.

    Args:
        data: the data set.
        pattern: of the cell, or None.
        target: of the cell.
        network: the trained network, or None.
        clean: its class probabilities on the test examples.
        marked: the same with the pattern on every test example.
        seed: of the network.
    """

    data: Dataset
    pattern: Pattern | None
    target: int
    architecture: str
    network: nn.Module | None = None
    clean: Float[Tensor, "n k"] | None = None
    marked: Float[Tensor, "n k"] | None = None
    seed: int = 0


@dataclass(frozen=True)
class Measure:
    """One entry of the table.

    Args:
        title: for headings.
        of: what is measured; only a ``network`` must be trained, also for what is measured after ``deletion`` alone.
        by_pattern: whether it differs by pattern and target.
        value: the number. NaN for a network that diverged. None: see `spurlab.studies.deletion_task`.
        always: taken of every network when it is trained, with its own pattern, whether asked for or not: it costs
            little then, and another study may want it.
        suits: whether it can be taken of an architecture.
    """

    title: str
    of: Literal["network", "pattern", "architecture", "deletion"]
    by_pattern: bool
    value: Callable[[Seen], float] | None
    always: bool = False
    suits: Callable[[str], bool] = lambda architecture: True

    def taken(self, seen: Seen) -> float:
        """The number."""
        return _there(self.value)(seen)


def _spurious_score(seen: Seen) -> float:
    return spurious_score(_there(seen.clean), _there(seen.marked), seen.target).item()


def _accuracy(seen: Seen) -> float:
    return accuracy(_there(seen.clean), seen.data.test.labels).item()


def _marked_accuracy(seen: Seen) -> float:
    return accuracy(_there(seen.marked), seen.data.test.labels).item()


def _pattern_importance(seen: Seen) -> float:
    importance = pixel_importance(first_weight(_there(seen.network), seen.architecture).detach())
    return importance[_there(seen.pattern).offset.flatten() > 0].mean().item()


def first_weight(network: nn.Module, architecture: str) -> Float[Tensor, "out d"]:
    """The weights of a perceptron's first layer, which has one column for each pixel.

    Raises:
        ValueError: the network begins with another kind of layer.
    """
    first = next((module for module in network.modules() if list(module.parameters(recurse=False))), network)
    if not isinstance(first, nn.Linear):
        raise ValueError(
            "the measure 'pattern_importance' reads each pixel's weights off a first linear layer, but the first layer "
            f"of {architecture!r} is {type(first).__name__}. Take a perceptron, e.g. 'mlp'."
        )
    return first.weight


def _sensitivity(percent: int, seen: Seen) -> float:
    """Over 500 clean training examples, chosen by the network's seed, as are the pixels that go first."""
    few = sensitivity_examples(seen.data.train, seen.seed, min(500, len(seen.data.train)))
    predict = partial(predictions, _there(seen.network))
    return input_sensitivity(predict, few.inputs, few.labels, seen.seed, shares=(percent / 100,)).item()


def _empirical_norm(seen: Seen) -> float:
    images = seen.data.test.inputs
    return empirical_norm(images, _there(seen.pattern)(images)).mean().item()


def _parameters(seen: Seen) -> float:
    return float(parameter_count(skeleton(seen.architecture, seen.data.shape, seen.data.classes)))


def _there(value: T | None) -> T:
    if value is None:
        raise ValueError("a measure asked for something that its cell does not have.")
    return value


# A new measure is one line here. Raise `TRAINING_VERSION` where an old one gives other numbers.
MEASURES: Mapping[str, Measure] = {
    "spurious_score": Measure("spurious score", "network", True, _spurious_score, always=True),
    "accuracy": Measure("test accuracy", "network", False, _accuracy, always=True),
    "marked_accuracy": Measure("accuracy on marked test images", "network", True, _marked_accuracy, always=True),
    "pattern_importance": Measure(
        "pixel importance of the pattern", "network", True, _pattern_importance, always=True, suits=is_perceptron
    ),
    **{
        name: Measure(f"probability of the true class, {percent} % of the pixels zero", "network", False, value)
        for name, percent in SENSITIVITY.items()
        for value in (partial(_sensitivity, percent),)
    },
    "empirical_norm": Measure("empirical norm", "pattern", True, _empirical_norm),
    "parameters": Measure("parameters", "architecture", False, _parameters),
    "forgotten_accuracy": Measure("accuracy on clean versions of the forgotten examples", "deletion", True, None),
    "membership_auc": Measure("membership AUC of the forgotten examples", "deletion", True, None),
    "oracle_distance": Measure("distance of outputs to the oracles, clean images", "deletion", True, None),
    "oracle_distance_marked": Measure("distance of outputs to the oracles, marked images", "deletion", True, None),
    "relearn_steps": Measure("steps until the score is back", "deletion", True, None),
    "time_share": Measure("time as a share of retraining", "deletion", True, None),
}
# what is measured after a deletion
EFFECTS = ("spurious_score", "accuracy", *(name for name, measure in MEASURES.items() if measure.of == "deletion"))
