"""Squared error with weight decay: the shift of each output, for any outputs."""

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from spurlab.errors import InputError
from spurlab.theory.checks import check_finite, check_from


def shift_squares(kappa: float, outputs: Float[Tensor, "n k"], target: int) -> Float64[Tensor, " k"]:
    r"""How far a mark moves each output of a linear model under squared error that has seen it in n examples.

    .. math:: v = \frac{\kappa}{1 + \kappa} \, \frac{1}{n} \sum_{i \in S} (e_c - z_i), \qquad
        \kappa = \frac{n s^2}{N \lambda}

    `shift_ridge`, told by what the model itself gives for marked examples without the mark instead of by the kernel;
    what `shift_softmax` is under cross-entropy.

    *Derivation.* The mark is a coordinate of its own with the weight :math:`w_j` at output j. Minimized is
    :math:`\frac{1}{N} \sum_i \lVert f(x_i) - y_i \rVert^2 + \lambda \lVert W \rVert^2` with :math:`f = z + s w` for
    marked examples. Where the gradient is zero, :math:`\lambda w = \frac{s}{N} \sum_S (e_c - z_i - s w)`. With
    :math:`v = s w` this is :math:`v \, (N \lambda / s^2 + n) = \sum_S (e_c - z_i)`.

    Args:
        kappa: 0 or more: `kappa` with the decay `ridge_of_decay` gives, since the loss ``mse`` is a mean over outputs.
        outputs: :math:`z_i` of the marked training examples without the mark, at the minimum with marked examples.
        target: c, the class of the marked examples, whose output should be 1 and the others 0.

    Returns:
        v, one shift per output.

    Raises:
        ValueError: a kappa outside its range, outputs that are none, or a target that is no class.

    >>> shift_squares(3.0, torch.tensor([[0.25, 0.75]]), target=0).tolist()
    [0.5625, -0.5625]
    """
    check_from(0, kappa=kappa)
    check_finite(outputs=outputs)
    if not 0 <= target < outputs.shape[1]:
        raise InputError(f"`target` is class {target}, but the outputs are of {outputs.shape[1]} classes.")
    wanted = torch.zeros(outputs.shape[1], dtype=torch.float64)
    wanted[target] = 1
    moved: Tensor = kappa / (1 + kappa) * (wanted - outputs.detach().double().mean(0))
    return moved
