"""The mean loss of a network around its present weights: its gradient, and its curvature times a vector."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64, Num
from torch import Tensor, nn

from spurlab.data import Examples
from spurlab.deletion.weights import flat, free_weights, shaped
from spurlab.errors import InputError
from spurlab.methods import device_of
from spurlab.models import answer_of, asked, evaluating, fitting, logits_of
from spurlab.notebook import short
from spurlab.training import Recipe
from spurlab.training.losses import LOSSES, Loss


@dataclass(frozen=True, eq=False)
class MeanLoss:
    r"""The mean loss of a network on n examples, seen from the network's present weights.

    .. math:: L(\theta) = \frac{1}{n} \sum_{i=1}^{n} \Big( \ell(f_\theta(x_i), y_i)
        + \frac{\lambda}{2} \lVert\theta\rVert^2 \Big)

    The penalty is that of PyTorch's optimizers, which add :math:`\lambda\theta` to the gradient of a mean. It stands
    beside a mean of any number of examples, so each example brings its own share of it, and takes it along when it is
    removed.

    The network is in evaluation mode: what is to be deleted from is one function, the one that predicts. With dropout
    or the batch norm of a batch it would be another function at each call, and no example would have a loss of its own.
    All is exact over the examples, a chunk at a time. The network is not changed, unless it changes itself when it is
    asked: products, of which there are thousands, do not guard against that.

    Args:
        model: its weights are the point :math:`\theta`.
        inputs, labels: n examples.
        loss: of logits and labels, for each example.
        weight_decay: :math:`\lambda`.
        chunk: how many examples at once; this bounds the memory and changes nothing else.

    Raises:
        ValueError: no examples, whose mean does not exist.

    >>> line = nn.Linear(1, 1, bias=False)
    >>> nn.init.constant_(line.weight, 3.0).requires_grad
    True
    >>> square = MeanLoss(line, torch.tensor([[1.0], [2.0]]), torch.tensor([0, 0]), LOSSES["mse"])
    >>> square.gradient(), square.hessian(torch.ones(1))  # the mean of (3 x - 1)^2
    (tensor([12.]), tensor([5.]))
    """

    model: nn.Module
    inputs: Num[Tensor, "n *shape"]
    labels: Int64[Tensor, " n"]
    loss: Loss
    weight_decay: float = 0.0
    chunk: int = 500

    __repr__ = short

    def __post_init__(self) -> None:
        if len(self.labels) == 0:
            raise InputError("there are no examples, so there is no mean of their losses. Give at least one.")

    @classmethod
    def of(cls, model: nn.Module, examples: Examples, recipe: Recipe) -> "MeanLoss":
        """What a recipe minimizes on these examples, but for what it draws (input noise, augmentation)."""
        return cls(model, examples.inputs, examples.labels, LOSSES[recipe.loss], recipe.weight_decay)

    def gradient(self) -> Float[Tensor, " p"]:
        """The gradient of the mean loss. Cost: one forward and one backward pass over the examples."""
        weights = free_weights(self.model)

        def gradients(logits: Tensor, labels: Tensor) -> Sequence[Tensor]:
            return torch.autograd.grad(self.loss(logits, labels).sum(), weights, materialize_grads=True)

        with asked(self.model):
            return self._mean(flat(weights), gradients)

    def hessian(self, v: Float[Tensor, " p"]) -> Float[Tensor, " p"]:
        r""":math:`\nabla^2 L(\theta) v`, by differentiating twice.

        Cost: about four forward and backward passes. The Hessian of a network has negative eigenvalues wherever it is
        not at a minimum; then no damping below them makes a solver's system positive.

        Source: Pearlmutter (1994), Fast exact multiplication by the Hessian.
        """
        weights = free_weights(self.model)
        direction = shaped(v, weights)

        def products(logits: Tensor, labels: Tensor) -> Sequence[Tensor]:
            loss = self.loss(logits, labels).sum()
            slopes = torch.autograd.grad(loss, weights, create_graph=True, materialize_grads=True)
            along = torch.stack([(slope * part).sum() for slope, part in zip(slopes, direction, strict=True)]).sum()
            return torch.autograd.grad(along, weights, materialize_grads=True)

        return self._mean(v, products)

    def gauss_newton(self, v: Float[Tensor, " p"]) -> Float[Tensor, " p"]:
        r"""The generalised Gauss-Newton matrix times v: the Hessian of the loss with the network made linear.

        .. math:: G = \frac{1}{n} \sum_{i=1}^{n} J_i^\top \big(\nabla_z^2 \ell(z_i, y_i)\big) J_i + \lambda I,
            \qquad z_i = f_\theta(x_i), \quad J_i = \frac{\partial z_i}{\partial \theta}

        Its eigenvalues are never negative, since the losses are convex in the logits. For a linear network it is the
        Hessian. Cost: about three forward and backward passes.

        Source: Schraudolph (2002), Fast curvature matrix-vector products for second-order gradient descent; Martens
        (2020), New insights and perspectives on the natural gradient method, arXiv:1412.1193.
        """
        weights = free_weights(self.model)
        direction = shaped(v, weights)

        def products(logits: Tensor, labels: Tensor) -> Sequence[Tensor]:
            # J v without forward mode: the slope of J^T u is linear in u, and its own slope along v is J v
            u = torch.zeros_like(logits, requires_grad=True)
            pulled = torch.autograd.grad(logits, weights, u, create_graph=True, materialize_grads=True)
            (moves,) = torch.autograd.grad(pulled, u, direction)
            point = logits.detach().requires_grad_()
            (slope,) = torch.autograd.grad(self.loss(point, labels).sum(), point, create_graph=True)
            (curved,) = torch.autograd.grad(slope, point, moves)
            return torch.autograd.grad(logits, weights, curved, materialize_grads=True)

        return self._mean(v, products)

    def _mean(self, v: Tensor, sums: Callable[[Tensor, Tensor], Sequence[Tensor]]) -> Tensor:
        """From the sums over a chunk, made of its logits and labels: the mean over all, with the penalty's part."""
        total, device = torch.zeros_like(v), device_of(self.model)
        with evaluating(self.model):
            for inputs, labels in zip(self.inputs.split(self.chunk), self.labels.split(self.chunk), strict=True):
                total += flat(sums(outputs(self.model, inputs), labels.to(device)))
        return total / len(self.labels) + self.weight_decay * v


def outputs(model: nn.Module, inputs: Tensor) -> Tensor:
    """What the network gives for copies of inputs, of whatever shape; whether these are logits was seen before."""
    with torch.set_grad_enabled(torch.is_grad_enabled()):  # a network may leave them otherwise
        return logits_of(answer_of(model, fitting(model, inputs)), inputs)
