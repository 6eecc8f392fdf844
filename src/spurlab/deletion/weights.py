r"""The weights of a network as one vector.

That is :math:`\theta` of length p, in the order of ``model.parameters()``; only those that training may change
(``requires_grad``) are in it.
"""

from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from spurlab.errors import InputError
from spurlab.lent import copied_network
from spurlab.methods import HALF


def free_weights(model: nn.Module) -> list[nn.Parameter]:
    """The weights that training may change, in the order of the vector.

    Raises:
        ValueError: there are none, or some of half precision: squares and curvatures would round to nothing.
    """
    free = [weight for weight in model.parameters() if weight.requires_grad]
    if not free:
        raise InputError(f"this {type(model).__name__} has no weight that may change: call `requires_grad_()` on some.")
    if any(weight.dtype in HALF for weight in free):
        raise InputError(
            f"this {type(model).__name__} has weights of half precision, in which squared gradients and curvatures "
            "round to nothing. Give it as float32: `network.float()`."
        )
    return free


def flat(tensors: Iterable[Tensor]) -> Float[Tensor, " p"]:
    """Tensors as one vector, which is new and has no gradient."""
    return torch.cat([tensor.detach().reshape(-1) for tensor in tensors])


def shaped(v: Float[Tensor, " p"], like: Sequence[Tensor]) -> list[Tensor]:
    """The vector in pieces of these shapes."""
    pieces = v.split([tensor.numel() for tensor in like])
    return [piece.view(tensor.shape) for piece, tensor in zip(pieces, like, strict=True)]


def moved(model: nn.Module, step: Float[Tensor, " p"]) -> nn.Module:
    r"""A copy of the network at :math:`\theta` + step.

    >>> moved(nn.Linear(1, 1).requires_grad_(), torch.zeros(2))
    Linear(in_features=1, out_features=1, bias=True)
    """
    model = copied_network(model)
    weights = free_weights(model)
    with torch.no_grad():
        for weight, piece in zip(weights, shaped(step, weights), strict=True):
            weight.add_(piece)
    return model
