"""The multi-layer perceptrons of the rare-spurious paper."""

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import nn


def mlp(shape: Sequence[int], classes: int, hidden: Sequence[int] = (256, 256, 256)) -> nn.Sequential:
    """Flatten, then linear layers with ReLU between them; inputs ``n *shape``, logits ``n k``.

    Args:
        shape: of one input, any.
        classes: the number of classes, k.
        hidden: the widths of the hidden layers, from the inputs on; none: logistic regression.

    Source: Yang et al. (2022), arXiv:2202.05189, Table 2. Its parameter counts, not its text ("two hidden layers"),
    decide: the MLP has three hidden layers of 256.

    >>> sum(p.numel() for p in mlp((1, 28, 28), 10).parameters())
    335114
    """
    widths = [math.prod(shape), *hidden, classes]
    layers: list[nn.Module] = [nn.Flatten()]
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1])
