"""What the methods that refit the last layer share: cached features in, a network with another last layer out."""

import logging
from collections.abc import Iterator

import numpy as np
import scipy  # its rooms are imported when they are first used: `optimize` is slow
import torch
from jaxtyping import Float, Float64, Int64, Num
from torch import Tensor, nn
from torch.nn import functional as F

from spurlab.errors import InputError
from spurlab.methods import Linear, finite, refit, refittable

log = logging.getLogger(__name__)


def with_last_layer(model: nn.Module, linear: Linear, inputs: Num[Tensor, "n *shape"]) -> nn.Module:
    """The network, changed in place, with this last layer.

    Args:
        inputs: on which the layer was fitted.

    Raises:
        ValueError: its last layer has no bias to put this one in, or the features change with it.
        NotFiniteError: a weight that is not finite.
    """
    if not isinstance(refittable(model).bias, Tensor):
        raise InputError(
            f"the last layer of this {type(model).__name__} has no bias, but what is fitted has one. Give it a bias."
        )
    return finite(refit(model, linear.weight, linear.bias, inputs), "prevention")


class WeightedLoss:
    r"""The weighted cross-entropy of a last layer, drawn towards where it starts, with its gradient written out.

    .. math:: \sum_{i=1}^{n} \mu_i \, \ell_i(\theta) + \lambda \lVert \theta - \theta_1 \rVert^2

    It is convex, and with a penalty strictly so. All is in float64.

    Args:
        features: that come into the layer.
        labels: of the examples.
        weights: :math:`\mu_i`.
        start: :math:`\theta_1`, weights and bias.
        penalty: :math:`\lambda`.
    """

    def __init__(
        self,
        features: Float[Tensor, "n d"],
        labels: Int64[Tensor, " n"],
        weights: Float[Tensor, " n"],
        start: Linear,
        penalty: float,
    ) -> None:
        self._phi, self._weights, self._start, self._penalty = features.double(), weights.double(), start, penalty
        self._truth = F.one_hot(labels, len(start.bias)).double()
        self._none = start.weight.new_zeros(len(start.bias), features.shape[1] + 1)

    def __call__(self, shift: Float64[Tensor, "k d1"]) -> tuple[Float64[Tensor, ""], Float64[Tensor, "k d1"]]:
        """The value and the gradient at a shift of the weights, with that of the biases as its last column."""
        log_p = self.shifted(shift)(self._phi).log_softmax(1)
        value = self._penalty * shift.square().sum() - (self._weights * (self._truth * log_p).sum(1)).sum()
        slope = self._weights.unsqueeze(1) * (log_p.exp() - self._truth)
        gradient = torch.cat([slope.T @ self._phi, slope.sum(0).unsqueeze(1)], 1) + 2 * self._penalty * shift
        return value, gradient

    def shifted(self, shift: Float64[Tensor, "k d1"]) -> Linear:
        """The layer at this shift."""
        return Linear(self._start.weight + shift[:, :-1], self._start.bias + shift[:, -1])

    def optimum(self, *, tolerance: float = 1e-5, iterations: int = 2_000) -> Linear:
        r"""The layer of the minimum, by L-BFGS.

        Without a penalty the minimum of separable examples lies at infinity; the way there ends where the gradient is
        small.

        Args:
            tolerance: the largest derivative at which the search ends. The layer is then within ``sqrt(k (d + 1))``
                times it, over :math:`2 \lambda`, of the minimum; in fact much nearer.
            iterations: after so many it ends in any case, which is logged as a warning.
        """

        def objective(theta: np.ndarray) -> tuple[float, np.ndarray]:
            value, gradient = self(torch.from_numpy(theta).view_as(self._none))
            return value.item(), gradient.reshape(-1).numpy()

        optimum = scipy.optimize.minimize(
            objective,
            np.zeros(self._none.numel()),
            jac=True,
            method="L-BFGS-B",
            options={"gtol": tolerance, "ftol": 0.0, "maxiter": iterations, "maxfun": 2 * iterations, "maxcor": 20},
        )
        if (steepest := float(np.abs(optimum.jac).max())) > tolerance:
            log.warning("the last layer was not fitted to its end: the largest derivative is %.1e.", steepest)
        return self.shifted(torch.from_numpy(optimum.x).view_as(self._none))

    def descent(self, steps: int, rate: float) -> Iterator[Linear]:
        """The layer on its way to the optimum, by gradient descent on all examples: after 0, 1, ... steps."""
        shift = self._none
        yield self._start
        for _ in range(steps):
            shift = shift - rate * self(shift)[1]
            yield self.shifted(shift)
