"""Nothing is done: the row that the methods are compared with."""

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from spurlab.data import Examples
from spurlab.prevention.method import preventing


@dataclass(frozen=True)
class Erm:
    r"""Empirical risk minimization: a copy of the given network, which was trained in the plain way.

    .. math:: \hat\theta = \arg\min_\theta \frac{1}{n} \sum_{i=1}^{n} \ell(f_\theta(x_i), y_i)

    Cost: none. Needs: nothing but the network.

    Source: Vapnik (1992), Principles of risk minimization for learning theory.
    """

    anew: ClassVar[bool] = True  # nothing is trained: whatever the given network is, so also of trees

    @preventing
    def __call__(self, model: nn.Module, data: Examples, clean: Examples) -> nn.Module:
        return model
