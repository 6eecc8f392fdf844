"""Activation clustering: the smaller of two clusters of the features of a class."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from spurlab.audit.detect.components import principal
from spurlab.data import Examples
from spurlab.models import features

COMPONENTS = 10  # to which the features are reduced


def clustering(network: nn.Module, train: Examples, test: Examples, seed: int = 0) -> Float[Tensor, " n"]:
    """How much nearer an example is to the centre of the smaller cluster of its class, by the size of that cluster.

    Args:
        network: whose last module is a linear layer, see `spurlab.models.features`.
        train: n examples.
        test: not looked at.
        seed: of the clusters' starts.

    Source: Chen et al. (2018), Detecting backdoor attacks on deep neural networks by activation clustering,
        arXiv:1811.03728, section 4 (principal components in place of independent ones).
    """
    from sklearn.cluster import KMeans  # noqa: PLC0415  # slow to import

    known, scores = features(network, train.inputs), torch.zeros(len(train))
    for label in train.labels.unique():
        own = train.labels == label
        reduced = (known[own] - known[own].mean(0)) @ principal(known[own], COMPONENTS)
        if len(reduced) < 2:
            continue
        found = KMeans(2, n_init=5, random_state=seed).fit(reduced.numpy())
        sizes = torch.bincount(torch.from_numpy(found.labels_).long(), minlength=2)
        small = int(sizes.argmin())
        far = torch.from_numpy(found.transform(reduced.numpy())).float()
        nearer = (far[:, 1 - small] - far[:, small]) / far.sum(1).clamp(min=1e-12)
        scores[own] = nearer * (1 - sizes[small] / len(reduced))
    return scores
