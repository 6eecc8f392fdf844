"""Residuals: how much of an example the components of other classes do not explain. No network is asked."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from spurlab.audit.detect.components import residuals, standardised
from spurlab.data import Examples

COMPONENTS = 150


def residual(network: nn.Module, train: Examples, test: Examples, seed: int = 0) -> Float[Tensor, " n"]:
    """The norm of what the first 150 principal components of other classes do not explain, standardised in the class.

    Args:
        network: not asked.
        train: n examples.
        test: not looked at.
        seed: nothing is drawn.
    """
    flat, norms = train.inputs.flatten(1), torch.zeros(len(train))
    for label in train.labels.unique():
        own = train.labels == label
        norms[own] = residuals(flat[own], flat[~own], COMPONENTS).norm(dim=1)
    return standardised(norms, train.labels)
