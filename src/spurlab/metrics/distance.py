"""How far a network's outputs lie from those of networks that were trained in another way."""

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from spurlab.errors import InputError
from spurlab.metrics.accuracy import check_labels

BOUND = 10.0  # log-odds: a probability of 0.99995, where float32 still tells 1 - p to a part in a thousand


def margins(
    probabilities: Float[Tensor, "*models n k"], labels: Int64[Tensor, " n"], bound: float = BOUND
) -> Float64[Tensor, "*models n"]:
    r"""The log-odds of the right class.

    .. math:: \varphi(x_i) = \log f_{y_i}(x_i) - \log\big(1 - f_{y_i}(x_i)\big)

    Args:
        probabilities: class probabilities :math:`f(x_i)`.
        labels: the classes :math:`y_i`, in the same order.
        bound: the margins are cut to [-bound, bound]. How much surer than that a network is, is mostly rounding.

    Returns:
        One margin per model and example, in [-bound, bound]; 0: as probable as not. NaN where the probability is.

    Raises:
        ValueError: a label for which there is no probability, or numbers that are no probabilities.

    Source: Park et al. (2023), TRAK, arXiv:2303.14186 (this margin as a network's output).

    >>> margins(torch.tensor([[0.5, 0.5], [1.0, 0.0]]), torch.tensor([0, 0])).tolist()
    [0.0, 10.0]
    """
    check_labels(labels, probabilities.shape[-1])
    resolution = torch.finfo(probabilities.dtype).eps
    if bool(((probabilities < 0) | (probabilities > 1 + resolution)).any()):
        raise InputError("margins need probabilities, but some numbers lie outside [0, 1]. Take a softmax of logits.")
    where = labels.expand(*probabilities.shape[:-2], -1).unsqueeze(-1)
    right = probabilities.detach().gather(-1, where).squeeze(-1).double().clamp(max=1)
    return right.logit().clamp(-bound, bound)


def oracle_distance(
    margins: Float[Tensor, "*models n"], oracles: Float[Tensor, "oracles n"]
) -> Float64[Tensor, "*models"]:
    r"""How much farther a network's outputs lie from those of the oracles than one oracle's from another's.

    .. math:: D = \frac{1}{n} \sum_{i=1}^{n} \Big( \frac{1}{N} \sum_{o} |\varphi(x_i) - \varphi_o(x_i)|
        - \frac{1}{N (N - 1)} \sum_{o \ne o'} |\varphi_o(x_i) - \varphi_{o'}(x_i)| \Big)

    KLOM, after which this is made, compares histograms of margins over a hundred networks by their KL divergence. Of
    five oracles there is no histogram. This is the energy distance's kind of comparison instead: it needs no bins, and
    its expectation does not depend on how many oracles there are.

    Args:
        margins: of a network on n examples, see `margins`.
        oracles: of N networks that were trained without the forgotten examples, on the same examples. Leave out the
            one that shares the network's seed: it starts from the same weights, so it is nearer than the others.

    Returns:
        One distance per model, in log-odds. 0 in expectation for one more oracle; the farther off, the larger. Below 0
        for a network that lies between the oracles, as their average would: least is minus half their own distance.
        NaN when there are no examples, and with a NaN among the margins.

    Raises:
        ValueError: less than two oracles, which have no distance from each other.

    Sources: Georgiev et al. (2024), Attribute-to-Delete: Machine Unlearning via Datamodel Matching, arXiv:2410.23232
    (KLOM); Szekely and Rizzo (2013), Energy statistics, J. Statist. Plann. Inference 143 (mean absolute differences).

    >>> oracle_distance(torch.tensor([3.0]), torch.tensor([[0.0], [1.0]])).item()
    1.5
    """
    count = len(oracles)
    if count < 2:
        raise InputError(f"a distance to the oracles needs two of them or more, but there is {count}.")
    ours, theirs = margins.detach().double(), oracles.detach().double()
    away = torch.zeros_like(ours)
    for oracle in theirs:  # one by one: all pairs at once would take the memory of as many copies
        away += (ours - oracle).abs() / count
    # in ascending order the i-th (from 0) is the larger one of i pairs and the smaller one of N - 1 - i
    signs = 2.0 * torch.arange(count, dtype=torch.float64, device=theirs.device) - (count - 1)
    apart = 2 * (signs.unsqueeze(1) * theirs.sort(dim=0).values).sum(0) / (count * (count - 1))
    return (away - apart).mean(dim=-1)
