"""How much a perceptron can make of each pixel, read off its first layer."""

from jaxtyping import Float
from torch import Tensor


def pixel_importance(weight: Float[Tensor, "*m out d"]) -> Float[Tensor, "*m d"]:
    r"""The largest outgoing weight of each input.

    .. math:: I_j = \max_i W_{ij}

    Args:
        weight: of the first layer, as `nn.Linear` holds it: one row for each hidden unit, one column for each input.

    Returns:
        One number for each input; larger means that some unit listens to it more. It is the largest weight, not the
        largest absolute weight, as in the paper. An input that is 0 in all training examples keeps its initial weights.

    Source: Yang et al. (2022), arXiv:2202.05189, section 3.4 and Figure 5.

    >>> import torch
    >>> pixel_importance(torch.tensor([[0.5, -2.0, 0.0], [0.25, -1.0, 3.0]])).tolist()
    [0.5, -1.0, 3.0]
    """
    return weight.amax(dim=-2)
