"""RMIA: how many examples of the population the ratio of an example beats."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from spurlab.errors import InputError
from spurlab.privacy.attacks.base import Pair, between, log_ratio, mean_inside, mean_of_all, mean_outside
from spurlab.privacy.margins import Attacked, Margins


@dataclass(frozen=True)
class Rmia:
    r"""The share of the population whose ratio lies below that of the example by a factor.

    .. math:: \Pr_z \Big[ \frac{p(x) / \bar p(x)}{p(z) / \bar p(z)} > \gamma \Big], \qquad
        \bar p = \frac{p_{in} + p_{out}}{2} \;\text{(online)}, \quad
        \bar p = \frac{(1 + a)\, p_{out} + 1 - a}{2} \;\text{(offline)}

    The population is that of the margins; where they have none, the examples themselves, as in the public code of
    others. Sorted once, so that it takes n log z steps and not n z. For one network the score rises with that of
    `Base`, and has as many steps as the population.

    Needs: one shadow without each example, and online one with it.

    Args:
        online: whether shadows that learnt from the example are used.
        a: how near :math:`p_{in}` is taken to be to :math:`p_{out}`, in [0, 1]: :math:`p_{in} = a\, p_{out} + 1 - a`;
            offline only. The paper tunes it: .3 for images.
        gamma: :math:`\gamma`, above 0. The paper has "at least", its code "above"; so has this.

    Raises:
        ValueError: a setting outside of its range.

    Source: Zarifzadeh, Liu and Shokri (2024), Low-cost high-power membership inference attacks, arXiv:2312.03262,
    equations 3 to 10.
    """

    online: bool = True
    a: float = 0.3
    gamma: float = 2.0

    def __post_init__(self) -> None:
        if not 0 <= self.a <= 1:
            raise InputError(f"`a` of RMIA must lie between 0 and 1, but it is {self.a}.")
        if not 0 < self.gamma < math.inf:
            raise InputError(f"`gamma` of RMIA must be above 0, and finite, but it is {self.gamma}.")

    def __call__(self, target: Attacked, shadows: Margins) -> Float64[Tensor, " n"]:
        shadows.need("RMIA", inside=int(self.online), outside=1)
        outside = mean_outside(shadows)
        ratio = log_ratio(target.phi, between(mean_inside(shadows), outside) if self.online else self._offline(outside))
        below = ratio if target.population is None else self._population(target.population, shadows)
        found = torch.searchsorted(below.sort().values, ratio - math.log(self.gamma))
        return found.double() / len(below)

    def _population(self, phi: Float64[Tensor, " z"], shadows: Margins) -> Float64[Tensor, " z"]:
        assert shadows.population is not None  # noqa: S101  # of the same margins
        mean = mean_of_all(shadows.population)
        return log_ratio(phi, mean if self.online else self._offline(mean))

    def _offline(self, outside: Pair) -> Pair:
        p, rest = outside
        return ((1 + self.a) * p + 1 - self.a) / 2, (1 + self.a) / 2 * rest
