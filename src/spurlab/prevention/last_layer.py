"""What the methods that refit the last layer share: cached features in, a network with another last layer out."""

import logging
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from scipy.optimize import minimize
from torch import Tensor, nn
from torch.nn import functional as F

from spurlab.methods import finite, refit, refittable

log = logging.getLogger(__name__)


class Linear(NamedTuple):
    """Weights of a last layer, in float64 on the CPU: ``features @ weight.T + bias`` are the logits."""

    weight: Float[Tensor, "k d"]
    bias: Float[Tensor, " k"]

    def __call__(self, features: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        """The logits."""
        return features @ self.weight.T + self.bias


def last_linear(model: nn.Module) -> Linear:
    """The last layer as it is; a layer without a bias has one of zeros.

    Raises:
        ValueError: the last module is no linear layer, or cannot be fitted again, see `spurlab.methods.refit`.
    """
    layer = refittable(model)
    weight = layer.weight.detach().cpu().double()
    bias = layer.bias.detach().cpu().double() if isinstance(layer.bias, Tensor) else weight.new_zeros(len(weight))
    return Linear(weight, bias)


def with_last_layer(model: nn.Module, linear: Linear, inputs: Float[Tensor, "n *shape"]) -> nn.Module:
    """The network, changed in place, with this last layer.

    Args:
        inputs: on which the layer was fitted.

    Raises:
        ValueError: its last layer has no bias to put this one in, or the features change with it.
        NotFiniteError: a weight that is not finite.
    """
    if not isinstance(refittable(model).bias, Tensor):
        raise ValueError(
            f"the last layer of this {type(model).__name__} has no bias, but what is fitted has one. Give it a bias."
        )
    return finite(refit(model, linear.weight, linear.bias, inputs), "prevention")


def weighted_optimum(
    features: Float[Tensor, "n d"],
    labels: Int64[Tensor, " n"],
    weights: Float[Tensor, " n"],
    start: Linear,
    penalty: float,
    *,
    tolerance: float = 1e-5,
    iterations: int = 2_000,
) -> Linear:
    r"""The last layer of the least weighted cross-entropy, drawn towards where it starts.

    .. math:: \min_\theta \sum_{i=1}^{n} \mu_i \, \ell_i(\theta) + \lambda \lVert \theta - \theta_1 \rVert^2

    By L-BFGS in float64, with the gradient written out: convex, and with a penalty strictly so. Without one the minimum
    of separable examples lies at infinity; the way there ends where the gradient is small.

    Args:
        features: that come into the layer.
        labels: of the examples.
        weights: :math:`\mu_i`.
        start: :math:`\theta_1`, weights and bias.
        penalty: :math:`\lambda`.
        tolerance: the largest derivative at which the search ends. The layer is then within ``sqrt(k (d + 1))`` times
            it, over :math:`2 \lambda`, of the minimum; in fact much nearer.
        iterations: after so many it ends in any case, which is logged as a warning.
    """
    k, d = start.weight.shape
    slope = Slope(features, labels, weights, start, penalty)

    def objective(theta: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = slope(torch.from_numpy(theta).view(k, d + 1))
        return value.item(), gradient.reshape(-1).numpy()

    optimum = minimize(
        objective,
        np.zeros(k * (d + 1)),
        jac=True,
        method="L-BFGS-B",
        options={"gtol": tolerance, "ftol": 0.0, "maxiter": iterations, "maxfun": 2 * iterations, "maxcor": 20},
    )
    if (steepest := float(np.abs(optimum.jac).max())) > tolerance:
        log.warning("the last layer was not fitted to its end: the largest derivative is %.1e.", steepest)
    return slope.shifted(torch.from_numpy(optimum.x).view(k, d + 1))


def steps_down(
    features: Float[Tensor, "n d"],
    labels: Int64[Tensor, " n"],
    weights: Float[Tensor, " n"],
    start: Linear,
    penalty: float,
    *,
    steps: int,
    rate: float,
) -> Iterator[Linear]:
    """The last layer on its way to `weighted_optimum`, by gradient descent on all examples: after 0, 1, ... steps."""
    slope = Slope(features, labels, weights, start, penalty)
    shift = start.weight.new_zeros(len(start.bias), features.shape[1] + 1)
    yield start
    for _ in range(steps):
        shift = shift - rate * slope(shift)[1]
        yield slope.shifted(shift)


class Slope:
    """The value and the gradient of the weighted cross-entropy, as a function of the shift from where the layer starts.

    Args: see `weighted_optimum`.
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

    def __call__(self, shift: Float64[Tensor, "k d1"]) -> tuple[Float64[Tensor, ""], Float64[Tensor, "k d1"]]:
        """At a shift of the weights, with that of the biases as its last column."""
        log_p = self.shifted(shift)(self._phi).log_softmax(1)
        value = self._penalty * shift.square().sum() - (self._weights * (self._truth * log_p).sum(1)).sum()
        slope = self._weights.unsqueeze(1) * (log_p.exp() - self._truth)
        gradient = torch.cat([slope.T @ self._phi, slope.sum(0).unsqueeze(1)], 1) + 2 * self._penalty * shift
        return value, gradient

    def shifted(self, shift: Float64[Tensor, "k d1"]) -> Linear:
        """The layer at this shift."""
        return Linear(self._start.weight + shift[:, :-1], self._start.bias + shift[:, -1])
