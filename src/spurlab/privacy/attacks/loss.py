"""A threshold on the loss."""

from dataclasses import dataclass

from jaxtyping import Float64
from torch import Tensor
from torch.nn import functional as F

from spurlab.privacy.margins import Attacked, Margins


@dataclass(frozen=True)
class Loss:
    r"""Minus the loss of an example, :math:`\log p_{y_i}(x_i) = -\log(1 + e^{-\varphi(x_i)})`. Looks at no shadows.

    Source: Yeom et al. (2018), Privacy risk in machine learning, arXiv:1709.01604.
    """

    def __call__(self, target: Attacked, shadows: Margins) -> Float64[Tensor, " n"]:
        return F.logsigmoid(target.phi)
