"""What training minimizes, for each example."""

from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

LossName = Literal["ce", "mse", "kld"]
Loss = Callable[[Float[Tensor, "*m n k"], Int64[Tensor, "*m n"]], Float[Tensor, "*m n"]]

SMOOTHING = 1e-6  # the probability of each wrong class in the target of `kld`


def cross_entropy(logits: Float[Tensor, "*m n k"], labels: Int64[Tensor, "*m n"]) -> Float[Tensor, "*m n"]:
    r"""Minus the log-probability of the label.

    >>> cross_entropy(torch.zeros(1, 4), torch.tensor([2]))
    tensor([1.3863])
    """
    # classes before examples: the softmax over the few classes then runs along the many examples
    return F.cross_entropy(logits.movedim(-1, 1).contiguous(), labels, reduction="none")


def squared_error(logits: Float[Tensor, "*m n k"], labels: Int64[Tensor, "*m n"]) -> Float[Tensor, "*m n"]:
    """The mean over classes of the squared difference between logits and the one-hot label.

    Source: Hui and Belkin (2021), Evaluation of neural architectures trained with square loss vs cross-entropy in
    classification tasks, arXiv:2006.07322. (The public code of arXiv:2202.05189 names this loss, but compares logits
    with the labels themselves, which fails.)

    >>> squared_error(torch.tensor([[3.0, 1.0]]), torch.tensor([1]))
    tensor([4.5000])
    """
    return (logits - F.one_hot(labels, logits.shape[-1])).square().mean(-1)


def divergence(logits: Float[Tensor, "*m n k"], labels: Int64[Tensor, "*m n"]) -> Float[Tensor, "*m n"]:
    r"""The Kullback-Leibler divergence from a nearly one-hot target to the network's distribution.

    .. math:: \sum_j q_j \log \frac{q_j}{p_j}, \qquad q_j = 10^{-6} \text{ for wrong classes}

    Source: the public code of Yang et al. (2022), arXiv:2202.05189, which takes the mean over classes instead of the
    sum, and so a k-th of the divergence.

    >>> divergence(torch.zeros(1, 4), torch.tensor([2]))
    tensor([1.3862])
    """
    k = logits.shape[-1]
    target = torch.full_like(logits, SMOOTHING).scatter(-1, labels.unsqueeze(-1), 1 - SMOOTHING * (k - 1))
    return F.kl_div(logits.log_softmax(-1), target, reduction="none").sum(-1)


LOSSES: dict[LossName, Loss] = {"ce": cross_entropy, "mse": squared_error, "kld": divergence}
