"""Residuals: how much of an example the components of other classes do not explain. No network is asked."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from spurlab.audit.detect.components import COMPONENTS, class_components, standardised
from spurlab.data import Examples


def residual(network: nn.Module, train: Examples, test: Examples, seed: int = 0) -> Float[Tensor, " n"]:
    """The norm of what the first 150 principal components of other classes do not explain, standardised in the class.

    Args:
        network: not asked.
        train: n examples.
        test: not looked at.
        seed: nothing is drawn.
    """
    norms = torch.zeros(len(train))
    for one in class_components(train):
        basis = one.basis(COMPONENTS)
        for rows in one.batches():
            norms[rows] = one.residuals(rows, basis).norm(dim=1)
    return standardised(norms, train.labels)
