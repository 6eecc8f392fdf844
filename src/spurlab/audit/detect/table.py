"""The table of detectors: each scores all training examples, the highest first."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from spurlab.audit.detect.aum import aum
from spurlab.audit.detect.clustering import clustering
from spurlab.audit.detect.memorisation import memorisation
from spurlab.audit.detect.pairs import pairs
from spurlab.audit.detect.residual import residual
from spurlab.audit.detect.self_influence import self_influence
from spurlab.audit.detect.shared import shared
from spurlab.audit.detect.spectral import spectral
from spurlab.audit.detect.transplant import transplant
from spurlab.data import Examples


@dataclass(frozen=True)
class Detector:
    """A way to find the examples that teach a mark.

    Args:
        title: what it is called.
        score: from a network, training and test examples and a seed, a score for each training example.
        asks_network: whether the network is asked; else any does.
    """

    title: str
    score: Callable[[nn.Module, Examples, Examples, int], Tensor]
    asks_network: bool = True


DETECTORS = {
    "transplant": Detector("transplant", transplant),
    "shared": Detector("shared components", shared, asks_network=False),
    "residual": Detector("residual", residual, asks_network=False),
    "pairs": Detector("whitened pairs", pairs, asks_network=False),
    "spectral": Detector("spectral signatures", spectral),
    "clustering": Detector("activation clustering", clustering),
    "self-influence": Detector("self-influence", self_influence),
}


@dataclass(frozen=True)
class TrainingDetector:
    """A way to find them by networks that are trained for it. The audit, which trains none, does not call it.

    Args:
        title: what it is called.
        score: from training examples, an architecture and a recipe as `spurlab.fit` takes them, `classes` and `seed`, a
            score for each example.
    """

    title: str
    score: Callable[..., Tensor]


TRAINING_DETECTORS = {
    "aum": TrainingDetector("area under the margin", aum),
    "memorisation": TrainingDetector("memorisation", memorisation),
}
