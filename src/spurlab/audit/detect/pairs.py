"""Pairs: examples of one class that share what the class lacks lie near each other once that is whitened."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from spurlab.audit.detect.components import standardised
from spurlab.data import Examples

RIDGE = 1e-3  # added to each variance, as a share of the mean variance
NEIGHBOUR = 2  # which is looked at: a twin has a near first one


def pairs(network: nn.Module, train: Examples, test: Examples, seed: int = 0) -> Float[Tensor, " n"]:
    """How near, for its length, the second nearest example of the class is, in inputs whitened within the class.

    The cosine of the angle to it: noise has none, a shared mark has. No network is asked.

    Args:
        network: not asked.
        train: n examples.
        test: not looked at.
        seed: nothing is drawn.
    """
    scores = torch.zeros(len(train))
    for label in train.labels.unique():
        own = train.labels == label
        centred = train.inputs[own].flatten(1).double()
        centred = centred - centred.mean(0)
        values, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
        white = centred @ vectors / (values.clamp(min=0) + RIDGE * values.mean()).sqrt()
        unit = torch.nn.functional.normalize(white, dim=1).float()
        cosine = unit @ unit.T
        cosine.fill_diagonal_(-1)
        scores[own] = cosine.topk(min(NEIGHBOUR, len(cosine) - 1), dim=1).values[:, -1]
    return standardised(scores, train.labels)
