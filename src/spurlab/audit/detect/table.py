"""The table of detectors: each scores all training examples, the highest first."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from spurlab.audit.detect.clustering import clustering
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
    """

    title: str
    score: Callable[[nn.Module, Examples, Examples, int], Tensor]


DETECTORS = {
    "transplant": Detector("transplant", transplant),
    "shared": Detector("shared components", shared),
    "residual": Detector("residual", residual),
    "pairs": Detector("whitened pairs", pairs),
    "spectral": Detector("spectral signatures", spectral),
    "clustering": Detector("activation clustering", clustering),
    "self-influence": Detector("self-influence", self_influence),
}
