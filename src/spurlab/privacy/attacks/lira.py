"""The likelihood-ratio attack (LiRA), online and offline."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float64
from torch import Tensor

from spurlab.methods.settings import one_of
from spurlab.privacy.attacks.attack import spread
from spurlab.privacy.margins import Attacked, Margins, Moments

Variance = Literal["example", "fixed", "overall"]
Tail = Literal["upper", "density"]


@dataclass(frozen=True)
class Lira:
    r"""Online: the log of the ratio of two normal densities, of networks with and without the example.

    .. math:: \log N(\varphi; \mu_{in}, s_{in}) - \log N(\varphi; \mu_{out}, s_{out})

    Means and standard deviations are over shadows, those of each example apart. The public code takes medians for the
    means by default; the paper has means.

    Needs: two shadows with and two without each example; one of each where the variance is not its own.

    Args:
        variance: of each example its own, or one for all, see `spurlab.privacy.attacks.attack.spread`. One for all is
            better below about 64 networks.

    Source: Carlini et al. (2022), arXiv:2112.03570, algorithm 1 and section VI-B; `overall` as ``fix_variance`` of its
    public code.
    """

    variance: Variance = "example"

    def __post_init__(self) -> None:
        one_of(Variance, "the variance of LiRA", self.variance)

    def __call__(self, target: Attacked, shadows: Margins) -> Float64[Tensor, " n"]:
        least = 2 if self.variance == "example" else 1
        shadows.need("LiRA", inside=least, outside=least)
        return self._density(target, shadows.inside) - self._density(target, shadows.outside)

    def _density(self, target: Attacked, moments: Moments) -> Float64[Tensor, " n"]:
        return log_density(target.phi, moments.mean, spread(moments, self.variance))


@dataclass(frozen=True)
class OfflineLira:
    r"""Offline: how unlikely the margin is of a network without the example.

    .. math:: -\log \Pr[Z > \varphi], \; Z \sim N(\mu_{out}, s_{out}) \qquad \text{or} \qquad
        -\log N(\varphi; \mu_{out}, s_{out})

    The first, `upper`, is the paper's :math:`1 - \Pr[Z > \varphi]`, ranked alike and not rounded to 1. The second,
    `density`, is what its public code computes: margins far below the mean count for membership too.

    Needs: two shadows without each example; one where the variance is not its own.

    Args:
        variance: as of `Lira`.
        tail: see above.

    Source: Carlini et al. (2022), arXiv:2112.03570, section IV-C, equation 4.
    """

    variance: Variance = "example"
    tail: Tail = "upper"

    def __post_init__(self) -> None:
        one_of(Variance, "the variance of LiRA", self.variance)
        one_of(Tail, "the tail of offline LiRA", self.tail)

    def __call__(self, target: Attacked, shadows: Margins) -> Float64[Tensor, " n"]:
        shadows.need("offline LiRA", outside=2 if self.variance == "example" else 1)
        mean, s = shadows.outside.mean, spread(shadows.outside, self.variance)
        if self.tail == "density":
            return -log_density(target.phi, mean, s)
        above: Tensor = torch.special.log_ndtr((mean - target.phi) / s)
        return -above


def log_density(phi: Float64[Tensor, " n"], mean: Float64[Tensor, " n"], s: Float64[Tensor, "#n"]) -> Tensor:
    """The logarithm of the normal density."""
    return -((phi - mean) / s).square() / 2 - s.log() - math.log(2 * math.pi) / 2
