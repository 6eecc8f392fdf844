"""What can be measured: of a trained network, of a pattern on a data set, of an architecture, or after deletion.

What is measured of a network is measured alike of what a prevention method makes of it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Literal, TypeVar

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from spurlab.data import Dataset, Examples
from spurlab.explain import gradient, input_sensitivity, pixel_importance, sensitivity_examples, share_on
from spurlab.metrics import (
    accuracy,
    empirical_norm,
    spurious_score,
    train_weighted_accuracy,
    worst_group_accuracy,
)
from spurlab.models import is_perceptron, parameter_count, skeleton
from spurlab.patterns import ClassBlocks, Common, Pattern, Planted, plant
from spurlab.prevention.afr import GAMMA, true_probabilities, weights_of
from spurlab.seeds import rng_for
from spurlab.training import predictions

T = TypeVar("T")
# what `sensitivity` in a study stands for: a measure for each share of pixels that are set to zero
SENSITIVITY = {f"sensitivity_{percent:03d}": percent for percent in range(0, 101, 2)}
# what `group_accuracy` stands for: a measure for each of the first twenty groups of the test examples
GROUPS = {f"group_accuracy_{group:02d}": group for group in range(20)}
# of the probabilities of the true class, from which AFR makes its weights
QUANTILES = {"001": 0.001, "01": 0.01, "10": 0.1}


class Lesson:
    """Examples that have a feature as in training, and what a network says of them: made when first asked, then kept.

    Args:
        network: the trained network.
        make: gives the examples.
    """

    def __init__(self, network: nn.Module, make: Callable[[], Planted]) -> None:
        self._network, self._make = network, make

    @cached_property
    def planted(self) -> Planted:
        """The examples, and which of them have the feature."""
        return self._make()

    @cached_property
    def examples(self) -> Examples:
        """The same as plain examples."""
        return self.planted.materialize()

    @cached_property
    def said(self) -> Float[Tensor, "n k"]:
        """The network's class probabilities of them."""
        return predictions(self._network, self.examples.inputs)


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
        lesson: what the network was trained on, the same for all measures of it.
        feature: the common feature that is in it, with its share; or None.
        fresh: the test examples, with the feature on as many: what a held-out part of the training set would be.
    """

    data: Dataset
    pattern: Pattern | None
    target: int
    architecture: str
    network: nn.Module | None = None
    clean: Float[Tensor, "n k"] | None = None
    marked: Float[Tensor, "n k"] | None = None
    seed: int = 0
    lesson: Lesson | None = None
    feature: ClassBlocks | None = None
    fresh: Lesson | None = None


@dataclass(frozen=True)
class Measure:
    """One entry of the table.

    Args:
        title: for headings.
        of: what is measured; only a ``network`` must be trained, also for what is measured after ``deletion`` alone.
        by_pattern: whether it differs by pattern and target.
        value: the number. NaN for a network that diverged. None: see `spurlab.studies.treating`.
        always: taken of every network when it is trained, with its own pattern, whether asked for or not: it costs
            little then, and another study may want it.
        suits: whether it can be taken of an architecture.
        there: whether it can be taken on a data set; where not, the study has no row of it.
    """

    title: str
    of: Literal["network", "pattern", "architecture", "deletion"]
    by_pattern: bool
    value: Callable[[Seen], float] | None
    always: bool = False
    suits: Callable[[str], bool] = lambda architecture: True
    there: Callable[[Dataset], bool] = lambda data: True

    def taken(self, seen: Seen) -> float:
        """The number."""
        return _there(self.value)(seen)


def _spurious_score(seen: Seen) -> float:
    return spurious_score(_there(seen.clean), _there(seen.marked), seen.target).item()


def _accuracy(seen: Seen) -> float:
    return accuracy(_there(seen.clean), seen.data.test.labels).item()


def _marked_accuracy(seen: Seen) -> float:
    return accuracy(_there(seen.marked), seen.data.test.labels).item()


def _worst_group(seen: Seen) -> float:
    return worst_group_accuracy(_there(seen.clean), seen.data.test.labels, _groups(seen.data), _count(seen.data)).item()


def _group_accuracy(group: int, seen: Seen) -> float:
    rows = _groups(seen.data) == group  # of all groups there may be no list: their numbers can be any
    return accuracy(_there(seen.clean)[rows], seen.data.test.labels[rows]).item()


def _train_weighted_accuracy(seen: Seen) -> float:
    groups = _training_groups(seen.data)
    return train_weighted_accuracy(_there(seen.clean), seen.data.test.labels, _groups(seen.data), groups).item()


def _train_accuracy(seen: Seen) -> float:
    lesson = _there(seen.lesson)
    return accuracy(lesson.said, lesson.examples.labels).item()


def _trained_on(seen: Seen) -> Lesson:
    return _there(seen.lesson)


def _fresh(seen: Seen) -> Lesson:
    return _there(seen.fresh)


def _true_probability(of: Callable[[Seen], Lesson], quantile: float, seen: Seen) -> float:
    """What the network says of the true class: AFR's weights come from this."""
    return true_probabilities(of(seen).said, of(seen).examples.labels).quantile(quantile).item()


def _minority_weight(of: Callable[[Seen], Lesson], seen: Seen) -> float:
    """The part of AFR's weights, with its usual gamma, that falls on examples without the feature."""
    lesson = of(seen)
    weights = weights_of(true_probabilities(lesson.said, lesson.examples.labels), lesson.examples.labels, GAMMA)
    return weights[~lesson.planted.mask].sum().item()


def _block_saliency(seen: Seen) -> float:
    """Over 500 test signals that are given the feature, chosen by the network's seed; for the true class.

    The values of the feature are those of the training signals. A network that never saw one is shown that of the
    first reading (a value for each class).
    """
    feature = seen.feature or ClassBlocks()
    rows = torch.randperm(len(seen.data.test), generator=rng_for(seen.seed, "block saliency"))[:500]
    marked = plant(seen.data.test, feature, Common(1.0), seed=seen.seed).materialize()[rows]
    maps = gradient(_there(seen.network), marked.inputs, marked.labels)
    blocks = feature.blocks(seen.data.classes, seen.data.shape[0])
    return share_on(maps, blocks[marked.labels]).nanmean().item()


def _count(data: Dataset) -> int:
    return int(_groups(data).max()) + 1


def _groups(data: Dataset) -> Int64[Tensor, " n"]:
    """Of the test examples; where the data have no groups, the classes are."""
    return data.test.labels if data.test.groups is None else data.test.groups


def _training_groups(data: Dataset) -> Int64[Tensor, " n"]:
    return data.train.labels if data.test.groups is None or data.train.groups is None else data.train.groups


def _has_room_for_blocks(data: Dataset) -> bool:
    try:
        ClassBlocks().blocks(data.classes, data.shape[0])
    except ValueError:
        return False
    return len(data.shape) == 1


def _has(group: int) -> Callable[[Dataset], bool]:
    return lambda data: bool((_groups(data) == group).any())


def _has_every_training_group(data: Dataset) -> bool:
    return bool(torch.isin(_training_groups(data), _groups(data)).all())


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
    "worst_group": Measure("worst-group accuracy", "network", False, _worst_group),
    **{
        name: Measure(
            f"accuracy on group {group}", "network", False, partial(_group_accuracy, group), there=_has(group)
        )
        for name, group in GROUPS.items()
    },
    "train_weighted_accuracy": Measure(
        "accuracy weighted by training groups",
        "network",
        False,
        _train_weighted_accuracy,
        there=_has_every_training_group,
    ),
    "train_accuracy": Measure("accuracy on the training examples", "network", False, _train_accuracy),
    **{
        f"{name}_{short}": Measure(
            f"probability of the true class, {quantile:.1%} quantile of {where}",
            "network",
            False,
            partial(_true_probability, of, quantile),
        )
        for name, where, of in (
            ("true_probability", "training", _trained_on),
            ("fresh_probability", "new examples", _fresh),
        )
        for short, quantile in QUANTILES.items()
    },
    "minority_weight": Measure(
        "AFR's weight on training examples without the feature",
        "network",
        False,
        partial(_minority_weight, _trained_on),
    ),
    "fresh_minority_weight": Measure(
        "AFR's weight on new examples without the feature", "network", False, partial(_minority_weight, _fresh)
    ),
    "block_saliency": Measure(
        "share of saliency on the class's block", "network", False, _block_saliency, there=_has_room_for_blocks
    ),
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
