"""Softmax regression with weight decay: the shift of each logit, for any logits."""

import math

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from spurlab.errors import FailureError, InputError
from spurlab.theory.checks import check_finite, check_from
from spurlab.theory.logistic import shift_logistic

MOST_STEPS = 500


def shift_softmax(kappa: float, logits: Float[Tensor, "n k"], target: int) -> Float64[Tensor, " k"]:
    r"""How far a mark moves each logit of softmax regression with weight decay that has seen it in n examples.

    .. math:: v = \kappa \, \frac{1}{n} \sum_{i \in S} \big( e_c - \operatorname{softmax}(z_i + v) \big), \qquad
        \kappa = \frac{n s^2}{N \lambda}

    `shift_logistic` for k outputs, without the assumption in `kappa` that the other classes are alike.

    *Derivation.* The mark is a coordinate of its own with the weight :math:`w_j` at output j. Minimized is
    :math:`\frac{1}{N} \sum_i -\log p_{i, y_i} + \frac{\lambda}{2} \lVert W \rVert^2`. The derivative of
    :math:`-\log p_{i, c}` by logit j is :math:`p_{i, j} - [j = c]`, so that where the gradient is zero
    :math:`\lambda w = \frac{s}{N} \sum_S (e_c - p_i)`; with :math:`v = s w` this is the equation above. Its solution
    minimizes :math:`\frac{1}{2} \lVert v \rVert^2 - \frac{\kappa}{n} \sum_S \log p_{i, c}`. This is strictly convex,
    so there is one. It is found by Newton's method. Third derivatives along h are at most :math:`\max h - \min h` times
    the second ones (third and second central moments of h under softmax), so steps of
    :math:`\log (1 + r) / r`, r the spread of Newton's step, converge from everywhere.

    Args:
        kappa: 0 or more: `kappa` of one output, without `classes`.
        logits: :math:`z_i` of the marked training examples without the mark; as in `shift_logistic`, those at the
            minimum with marked examples make it exact.
        target: c, the class of the marked examples.

    Returns:
        v, one shift per output; their sum is 0. The log-odds of c against output j move by :math:`v_c - v_j`.

    Raises:
        ValueError: a kappa outside its range, logits that are none, or a target that is no class.

    >>> v = shift_softmax(250.0, torch.tensor([[1.0, -1.0]]), target=0)
    >>> t = shift_logistic(2 * 250.0, torch.tensor([2.0]))  # two outputs are one with twice the kappa
    >>> [round(each, 6) for each in (v[0].item(), v[1].item(), t / 2)]
    [1.541319, -1.541319, 1.541319]
    """
    check_from(0, kappa=kappa)
    check_finite(logits=logits)
    classes = logits.shape[1]
    if classes < 2 or not 0 <= target < classes:
        raise InputError(f"`target` is class {target}, but the logits are of {classes} classes, and it takes two.")
    z = logits.detach().double()
    others = torch.arange(classes) != target
    log_odds = z[:, target] - z[:, others].logsumexp(dim=1)
    start = shift_logistic(kappa * classes / (classes - 1), log_odds)
    v = torch.where(others, -start / classes, start * (classes - 1) / classes)
    for _ in range(MOST_STEPS):
        p = (z + v).softmax(dim=1)
        mean = p.mean(dim=0)
        mean[target] = -p[:, others].sum(dim=1).mean()  # not p - 1, which would cancel
        hessian = -kappa * p.T @ p / len(p)
        hessian.fill_diagonal_(0.0)
        hessian.diagonal().copy_(1 - hessian.sum(dim=1))
        step: Tensor = torch.linalg.solve(hessian, v + kappa * mean)
        spread = float(step.max() - step.min())
        v = v - step * (math.log1p(spread) / spread if spread > 0 else 1.0)
        if spread <= 1e-14 * (1 + float(v.max() - v.min())):
            return v
    raise FailureError(f"Newton's method has not converged after {MOST_STEPS} steps at a kappa of {kappa:g}.")
