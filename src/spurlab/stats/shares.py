"""Shares of networks: k of m, with exact bounds and tests. What a network does is one yes or no."""

import math
from dataclasses import dataclass

import scipy  # its rooms are imported when they are first used: `stats` is slow
from jaxtyping import Bool, Float
from torch import Tensor

from spurlab.errors import InputError
from spurlab.stats.paired import differences, rounding


@dataclass(frozen=True)
class Share:
    r"""How many of m networks do something, with the exact interval of the share of all networks that do.

    The ends are the shares at which k or more, and k or fewer, would come out in :math:`(1 - \gamma) / 2` of studies
    (Clopper and Pearson). It covers the true share at least as often as it says, at every number of networks.

    Args:
        count: k.
        models: m; 0 leaves everything possible.
        confidence: :math:`\gamma`, how often such an interval covers the true share, at least.

    Raises:
        ValueError: k outside 0 to m, or a confidence outside (0, 1).

    Source: Clopper and Pearson (1934), Biometrika 26, 404-413.

    >>> print(Share(5, 5))
    5 of 5 networks [0.48, 1.00]
    """

    count: int
    models: int
    confidence: float = 0.95

    def __post_init__(self) -> None:
        if not 0 <= self.count <= self.models:
            raise InputError(f"{self.count} of {self.models} networks is no share of networks.")
        if not 0 < self.confidence < 1:
            raise InputError(f"`confidence` must lie between 0 and 1, but it is {self.confidence}. Usual is 0.95.")

    @classmethod
    def of_mask(cls, networks: Bool[Tensor, " m"]) -> "Share":
        """Of one yes or no per network.

        >>> import torch
        >>> Share.of_mask(torch.tensor([True, False, True])).of
        '2 of 3 networks'
        """
        return cls(int(networks.sum()), len(networks))

    @property
    def low(self) -> float:
        """Lower end of the interval, in [0, 1]."""
        return _at_least(self.count, self.models, (1 + self.confidence) / 2)

    @property
    def high(self) -> float:
        """Upper end of the interval, in [0, 1]."""
        return _at_most(self.count, self.models, (1 + self.confidence) / 2)

    @property
    def at_most(self) -> float:
        """The largest share of all networks that k of m are compatible with: an exact one-sided bound, in [0, 1].

        >>> round(Share(0, 5).at_most, 2), round(Share(0, 19).at_most, 3)
        (0.45, 0.146)
        """
        return _at_most(self.count, self.models, self.confidence)

    @property
    def at_least(self) -> float:
        """The smallest share of all networks that k of m are compatible with: an exact one-sided bound, in [0, 1]."""
        return _at_least(self.count, self.models, self.confidence)

    def more_than(self, share: float = 0.5) -> float:
        """One-sided exact p-value that more than a share of all networks do so; 1 of no networks.

        With one half this is the sign test. It is never below ``share ** m``.

        >>> Share(5, 5).more_than(), Share(4, 5).more_than()
        (0.03125, 0.1875)
        """
        return float(scipy.stats.binom.sf(self.count - 1, self.models, share))

    def fewer_than(self, share: float = 0.5) -> float:
        """One-sided exact p-value that fewer than a share of all networks do so; 1 of no networks."""
        return float(scipy.stats.binom.cdf(self.count, self.models, share))

    @property
    def of(self) -> str:
        """Without the interval.

        >>> Share(1, 1).of
        '1 of 1 network'
        """
        return f"{self.count} of {self.models} network{'s' * (self.models != 1)}"

    def __str__(self) -> str:
        return f"{self.of} [{self.low:.2f}, {self.high:.2f}]"


def above(per_model: Float[Tensor, " m"], baseline: Float[Tensor, " m0"], by: float = 0.0) -> Bool[Tensor, " m"]:
    """Which networks lie above their baselines by more than some amount.

    The last bits of numbers, in which shares of images differ without meaning, count for nothing.

    Args:
        per_model: one number per network.
        baseline: the number that it is compared with, of the same seed, in the same order.
        by: more than how much.

    Raises:
        ValueError: the two differ in length, or a number is not finite.

    >>> import torch
    >>> above(torch.tensor([0.3, 0.1]), torch.tensor([0.1, 0.1]), by=0.05).tolist()
    [True, False]
    """
    rises = differences(per_model, baseline)
    if not bool(rises.isfinite().all()):
        raise InputError("networks are counted by finite numbers, but some are NaN or infinite: leave these out.")
    return rises > by + rounding(per_model, baseline)


def risen(per_model: Float[Tensor, " m"], baseline: Float[Tensor, " m0"], by: float = 0.0) -> Share:
    """How many networks do, see `above`.

    >>> import torch
    >>> print(risen(torch.tensor([0.3, 0.5, 0.1]), torch.tensor([0.1, 0.2, 0.15]), by=0.05).of)
    2 of 3 networks
    """
    return Share.of_mask(above(per_model, baseline, by))


def networks_needed(level: float, share: float = 0.5) -> int:
    """How many networks must agree for `Share.more_than` to come to a level or below.

    >>> networks_needed(0.05), networks_needed(0.05 / 14)
    (5, 9)
    """
    return math.ceil(math.log(level) / math.log(share))


def _at_most(count: int, models: int, confidence: float) -> float:
    return 1.0 if count == models else float(scipy.stats.beta.ppf(confidence, count + 1, models - count))


def _at_least(count: int, models: int, confidence: float) -> float:
    return 0.0 if count == 0 else float(scipy.stats.beta.ppf(1 - confidence, count, models - count + 1))
