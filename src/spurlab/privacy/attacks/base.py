"""BASE: the probability of the label over its mean over shadow networks."""

from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor
from torch.nn import functional as F

from spurlab.privacy.margins import Attacked, Margins

Pair = tuple[Float64[Tensor, "*n"], Float64[Tensor, "*n"]]


@dataclass(frozen=True)
class Base:
    r"""The log of the label's probability over its mean over shadows.

    .. math:: \log p(x_i) - \log \bar p(x_i), \qquad \bar p = \frac{1}{K} \sum_{k=1}^{K} p_k(x_i)

    Needs: one shadow without each example, and online one with it.

    Args:
        online: whether shadows that learnt from the example count in the mean, as much as those that did not. Else the
            mean is over those that did not.

    Source: Lassila et al. (2025), Practical Bayes-optimal membership inference attacks, arXiv:2505.24089 (minus the
    loss, less its log-sum-exp over shadows); its public code has a temperature, and offline a factor before the mean.
    """

    online: bool = True

    def __call__(self, target: Attacked, shadows: Margins) -> Float64[Tensor, " n"]:
        if self.online:
            shadows.need("BASE, online,", inside=1, outside=1)
            return log_ratio(target.phi, between(mean_inside(shadows), mean_outside(shadows)))
        shadows.need("BASE, offline,", outside=1)
        return log_ratio(target.phi, mean_outside(shadows))


def mean_inside(shadows: Margins) -> Pair:
    """The mean over shadows with the example of the label's probability p, and of 1 - p, which may be 1e-300."""
    return _means(shadows, shadows.members.double())


def mean_outside(shadows: Margins) -> Pair:
    """The same over shadows without it."""
    return _means(shadows, (~shadows.members).double())


def mean_of_all(phi: Float64[Tensor, "s z"]) -> Pair:
    """The same over all shadows, of margins."""
    return phi.sigmoid().mean(0), (-phi).sigmoid().mean(0)


def between(one: Pair, other: Pair) -> Pair:
    """Halfway."""
    return (one[0] + other[0]) / 2, (one[1] + other[1]) / 2


def log_ratio(phi: Float64[Tensor, " n"], mean: Pair) -> Float64[Tensor, " n"]:
    """The logarithm of p less that of its mean, exact also where both are next to 1."""
    p, rest = mean
    log_mean = torch.where(p < 0.5, p.clamp(min=torch.finfo(p.dtype).tiny).log(), torch.log1p(-rest))
    return F.logsigmoid(phi) - log_mean


def _means(shadows: Margins, weight: Float64[Tensor, "s n"]) -> Pair:
    (p, rest), count = shadows.probabilities, weight.sum(0)
    return (p * weight).sum(0) / count, (rest * weight).sum(0) / count
