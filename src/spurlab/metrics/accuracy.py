"""How often the most probable class is the right one."""

import math

from jaxtyping import Float, Float64, Int64
from torch import Tensor

from spurlab.errors import InputError


def accuracy(probabilities: Float[Tensor, "*models n k"], labels: Int64[Tensor, " n"]) -> Float64[Tensor, "*models"]:
    r"""Share of examples whose most probable class is their label; every example counts the same.

    .. math:: A = \frac{1}{n} \sum_{i=1}^{n} \mathbf{1}\big[\arg\max_c f_c(x_i) = y_i\big]

    Args:
        probabilities: class probabilities :math:`f(x_i)`, or logits: only their order matters. Of equals the first
            wins.
        labels: the classes :math:`y_i`, in the same order.

    Returns:
        One share in [0, 1] per model. NaN when there are no examples, and for a model with a NaN among its
        probabilities (it has diverged).

    Raises:
        ValueError: a label for which there is no probability.

    >>> import torch
    >>> accuracy(torch.tensor([[0.9, 0.1], [0.6, 0.4]]), torch.tensor([0, 1])).item()
    0.5
    """
    return correct(probabilities, labels).mean(dim=-1)


def correct(probabilities: Float[Tensor, "*models n k"], labels: Int64[Tensor, " n"]) -> Float64[Tensor, "*models n"]:
    """1 where the most probable class is the label, else 0; NaN everywhere for a model with a NaN."""
    check_labels(labels, probabilities.shape[-1])
    diverged = probabilities.isnan().any(dim=(-2, -1)).unsqueeze(-1)
    return (probabilities.argmax(dim=-1) == labels).double().masked_fill(diverged, math.nan)


def check_labels(labels: Int64[Tensor, " n"], classes: int) -> None:
    """Refuse labels for which there is no probability.

    Raises:
        ValueError: there is one.
    """
    if labels.numel() and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        raise InputError(
            f"the labels run from {int(labels.min())} to {int(labels.max())}, "
            f"but the probabilities are of the classes 0 to {classes - 1}."
        )
