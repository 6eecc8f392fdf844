"""The mean of bounded numbers: an interval that assumes nothing else of them."""

from collections.abc import Callable
from functools import cache

import numpy as np
import scipy  # its rooms are imported when they are first used: `optimize` is slow
from numpy.polynomial.legendre import leggauss
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
CLOSEST = 1e-6  # to 0 and 1, up to which ends are looked for
NODES = 512  # at most: of more than 1,023 numbers the integral is a close approximation


def mean_between(numbers: Numbers, confidence: float) -> tuple[float, float]:
    r"""An interval for the mean of the distribution that m independent numbers in [0, 1] come from.

    A gambler who holds that the mean is above :math:`\mu` bets on each number at fair odds, and has in the end

    .. math:: K^+(\mu) = \int_0^1 \prod_{i=1}^m \Big( 1 + u \, \frac{v_i - \mu}{\mu} \Big) \, du

    times what he began with, where the stakes :math:`u` share his money evenly. If the mean is :math:`\mu` or less, he
    ever becomes :math:`2 / \alpha` times as rich with a chance of at most :math:`\alpha / 2` (Ville). In the interval
    are all means at which neither he nor his opponent, who bets that it is below, becomes as rich. It covers the true
    mean at least as often as it says, whatever the distribution, at every m, also where one looks after each number.

    Args:
        numbers: :math:`v`, each in [0, 1]; in any order.
        confidence: :math:`1 - \alpha`.

    Returns:
        Both ends, in [0, 1]; never of no width.

    Sources: Waudby-Smith and Ramdas (2024), Estimating means of bounded random variables by betting, J. R. Statist.
        Soc. B 86, 1-27 (the interval); Orabona and Jun (2024), IEEE Trans. Inf. Theory 70, 436-455 (even stakes).

    >>> low, high = mean_between(np.array([0.8, 0.9, 0.7, 0.9, 0.8]), 0.95)
    >>> round(low, 2), round(high, 2)
    (0.3, 0.94)
    """
    rich = np.log(2 / (1 - confidence))
    return _lower(numbers, rich), 1 - _lower(1 - numbers, rich)


def _lower(numbers: Numbers, rich: float) -> float:
    """The largest mean that the gambler's money excludes; it falls as the mean that he bets against rises."""
    excess = _money(numbers)
    if excess(CLOSEST) <= rich:
        return 0.0
    return float(scipy.optimize.brentq(lambda mean: excess(mean) - rich, CLOSEST, 1 - CLOSEST, xtol=1e-7))


def _money(numbers: Numbers) -> Callable[[float], float]:
    """The logarithm of K+: of a polynomial of degree m in the stake, Gauss's rule with m / 2 + 1 nodes is exact."""
    stakes, shares = _stakes(min(len(numbers) // 2 + 1, NODES))

    def of(mean: float) -> float:
        returns = 1 + stakes[:, None] * ((numbers - mean) / mean)
        logs = np.log(returns).sum(axis=1) + shares
        largest = logs.max()  # SciPy's logsumexp says the same, and takes ten times as long for so few
        return float(largest + np.log(np.exp(logs - largest).sum()))

    return of


@cache
def _stakes(nodes: int) -> tuple[Numbers, Numbers]:
    """Gauss's nodes in [0, 1], and the logarithms of their weights."""
    places, weights = leggauss(nodes)
    return (places + 1) / 2, np.log(weights / 2)
