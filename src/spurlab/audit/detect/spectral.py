"""Spectral signatures: how far an example lies along the direction in which the features of its class differ most."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from spurlab.audit.detect.components import principal, standardised
from spurlab.data import Examples
from spurlab.models import features


def spectral(network: nn.Module, train: Examples, test: Examples, seed: int = 0) -> Float[Tensor, " n"]:
    r""":math:`\langle \phi(x_i) - \bar\phi, v \rangle^2`, with v the first principal direction of the class.

    Args:
        network: whose last module is a linear layer, see `spurlab.models.features`.
        train: n examples.
        test: not looked at.
        seed: nothing is drawn.

    Source: Tran, Li and Madry (2018), Spectral signatures in backdoor attacks, NeurIPS, algorithm 1.
    """
    known, scores = features(network, train.inputs), torch.zeros(len(train))
    for label in train.labels.unique():
        own = train.labels == label
        centred = known[own] - known[own].mean(0)
        scores[own] = (centred @ principal(known[own], 1)).squeeze(1).square()
    return standardised(scores, train.labels)
