"""A Newton step on the last layer, the rest of the network held."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from spurlab.data import Examples
from spurlab.deletion.mean_loss import MeanLoss
from spurlab.deletion.method import deleting, sample_of
from spurlab.deletion.search import strongest
from spurlab.deletion.solvers import conjugate_gradient
from spurlab.deletion.weights import shaped
from spurlab.lent import copied_network
from spurlab.methods import refit, refittable
from spurlab.models import features
from spurlab.training import Recipe
from spurlab.training.losses import LOSSES, Loss

DENSE = 6_000  # a dense Hessian of so many weights takes 0.3 GB in float64; the MLP's last layer has 2,570


@dataclass(frozen=True)
class LastLayerNewton:
    r"""One Newton step of the last layer towards the minimum of the retained loss, with the features held.

    .. math:: W' = W + \frac{1}{n - m} (H_R + dI)^{-1} \sum_{i \in \text{forget}} \nabla_W \ell_i(W),
        \qquad H_R = \frac{1}{n - m} \sum_{i \in \text{retain}} \nabla_W^2 \ell_i(W)

    With m examples to be forgotten. At a minimum over all examples the retained gradient is minus the forgotten one, so
    this is Newton's step :math:`-H_R^{-1} \nabla L_R`, and lands on the minimum without the group where the loss is
    quadratic. The forgotten gradient is taken at other points too: the retained one would train on there. The loss is
    convex in the last layer, so the Hessian is never negative. What the features know of the group stays.

    The public code removes one example at a time, from binary logistic losses of one class against the rest; here all
    go in one step, of the recipe's loss.

    Cost: one forward pass over the examples to be forgotten and `sample` others; k(k + 1)/2 products of the features of
    the sample; for each damping that is tried one dense solution in k(d + 1) unknowns (above 6,000 unknowns conjugate
    gradient) and one look at up to 5,000 retained examples. Needs: the examples to be forgotten, a sample of the
    others. The last module of the network must be linear.

    Args:
        recipe: of training; its loss and weight decay count.
        seed: fixes the sample.
        dampings: :math:`d`, from gentle to strong; ours. The public code has a penalty in training instead. For
            networks trained without, the smallest is taken at which the loss on retained examples hardly rises, see
            `spurlab.deletion.search.strongest`.
        sample: how many retained examples stand for all of them in the Hessian; None: all of them.

    Raises:
        ValueError: the last module is no linear layer, or cannot be given other weights alone, see
            `spurlab.methods.refit`.
        FloatingPointError: the damped Hessian is not positive to rounding.

    Source: Guo, Goldstein, Hannun and van der Maaten (2020), Certified data removal from machine learning models,
    arXiv:1911.03030 (there with noise in training, which this leaves out).
    """

    recipe: Recipe
    seed: int = 0
    dampings: tuple[float, ...] = (1.0, 0.1, 0.01, 0.001)
    sample: int | None = 10_000

    @deleting
    def __call__(self, model: nn.Module, data: Examples, forget: Bool[Tensor, " n"]) -> nn.Module:
        layer = refittable(model)
        if not forget.any():
            return model
        retain, forgotten = data[~forget], data[forget]
        sample, odds = sample_of(retain, self.sample, self.seed, "newton"), len(forgotten) / len(retain)
        head = copied_network(layer).cpu().requires_grad_()
        dtype = next(head.parameters()).dtype
        old = [weight.detach() for weight in head.parameters()]
        loss, decay = LOSSES[self.recipe.loss], self.recipe.weight_decay
        gone = MeanLoss(head, features(model, forgotten.inputs).to(dtype), forgotten.labels, loss, decay)
        rest = MeanLoss(head, features(model, sample.inputs).to(dtype), sample.labels, loss, decay)
        summed = odds * gone.gradient()
        small = len(summed) <= DENSE
        hessian = last_layer_hessian(head, rest.inputs, sample.labels, loss).double() if small else torch.empty(0)

        def deleted(damping: float) -> nn.Module:
            if small:
                step = _solve(hessian, summed, damping + decay)
            else:
                step = conjugate_gradient(rest.gauss_newton, summed, damping=damping)
            weight, *bias = (old + piece for old, piece in zip(old, shaped(step, old), strict=True))
            return refit(copied_network(model), weight, bias[0] if bias else None, retain.inputs)

        return strongest(self.dampings, deleted, model, retain, self.seed)


def last_layer_hessian(
    head: nn.Module, inputs: Float[Tensor, "n d"], labels: Int64[Tensor, " n"], loss: Loss
) -> Float[Tensor, "p p"]:
    r"""The Hessian of the mean loss in the weights of a linear layer, dense, in the order of ``head.parameters()``.

    .. math:: \frac{1}{n} \sum_{i=1}^{n} \big(\nabla_z^2 \ell(z_i, y_i)\big) \otimes
        \tilde\phi_i \tilde\phi_i^\top, \qquad \tilde\phi = (\phi, 1)

    Cost: k(k + 1)/2 products of ``d + 1 n`` by ``n d + 1``.
    """
    bias = len(list(head.parameters())) > 1
    phi = torch.cat([inputs, torch.ones_like(inputs[:, :1])], 1) if bias else inputs
    logits = head(inputs).detach().requires_grad_()
    (slope,) = torch.autograd.grad(loss(logits, labels).sum(), logits, create_graph=True)
    k, width = logits.shape[1], phi.shape[1]
    blocks = phi.new_zeros(k, width, k, width)
    for a in range(k):
        (row,) = torch.autograd.grad(slope[:, a].sum(), logits, retain_graph=True)
        for b in range(a, k):
            blocks[a, :, b, :] = blocks[b, :, a, :] = phi.T @ (phi * row[:, b, None]) / len(labels)
    # the layer's own order: all weights, class by class, then the biases
    numbers = torch.arange(k * width).view(k, width)
    order = torch.cat([numbers[:, : inputs.shape[1]].reshape(-1), numbers[:, inputs.shape[1] :].reshape(-1)])
    return blocks.view(k * width, k * width)[order][:, order]


def _solve(hessian: Float[Tensor, "p p"], b: Float[Tensor, " p"], damping: float) -> Float[Tensor, " p"]:
    damped = hessian + damping * torch.eye(len(b), dtype=hessian.dtype)
    factor, failed = torch.linalg.cholesky_ex(damped)
    if int(failed):
        raise FloatingPointError(
            f"the Hessian of the last layer with damping {damping:g} is not positive to rounding. Raise the damping."
        )
    return torch.cholesky_solve(b.to(hessian)[:, None], factor).squeeze(1).to(b)
