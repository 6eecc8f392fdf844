"""The first weights of a perceptron: which images its units look for, and what these say of the class."""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from jaxtyping import Float32, Float64
from torch import Tensor, nn

from spurlab.errors import InputError
from spurlab.methods.settings import one_of
from spurlab.models import unwrapped
from spurlab.privacy.extraction.extraction import Domain, checked_class

How = Literal["sum", "principal"]


@dataclass(frozen=True)
class FirstLayer:
    r"""The rows of the first weight matrix, weighted by what their units add to the class, and to no other.

    .. math:: a = \big(e_t - \tfrac{1}{k - 1} \textstyle\sum_{j \ne t} e_j\big)^\top W_L \cdots W_2, \qquad
        \text{sum: } a^\top W_1, \qquad \text{principal: } \arg\max_{\lVert v \rVert = 1} v^\top
        \big(W_1^\top |\mathrm{diag}(a)| W_1\big) v

    Paths from a unit to the logits are those of the network with all ReLUs open. `sum` is then the linear network that
    is left; `principal` the direction that the units share that matter to the class, with the sign with which it makes
    the class likelier. Only weights are read: no question is put to the network.

    Args:
        how: `sum` or `principal`.

    Source: Simonyan, Vedaldi and Zisserman (2014), arXiv:1312.6034, section 3 (of a linear network the weights are the
    image of a class); the weighting of hidden units by the products of weights on their paths is Garson's (1991), with
    signs as in Olden, Joy and Death (2004), Ecological Modelling 178, 389.
    """

    how: How = "sum"

    def __post_init__(self) -> None:
        one_of(How, "`how`", self.how)

    def __call__(self, network: nn.Module, domain: Domain, target: int) -> Float32[Tensor, "*shape"]:
        first, *later = weights_of(network, domain)
        classes = (later or [first])[-1].shape[0]
        checked_class(target, classes)
        ours = torch.full((classes,), -1.0 / (classes - 1), dtype=torch.float64)
        ours[target] = 1.0
        for weight in reversed(later):
            ours = ours @ weight
        image = ours @ first
        if self.how == "principal":
            shared = torch.linalg.svd(ours.abs().sqrt()[:, None] * first, full_matrices=False)[2][0]
            image = shared * (1.0 if float(image @ shared) >= 0 else -1.0)
        return image.float().view(domain.shape)


def weights_of(network: nn.Module, domain: Domain) -> list[Float64[Tensor, "after before"]]:
    """The weight matrices of a perceptron, from the inputs on, in float64.

    Raises:
        ValueError: as `linear_layers`; or a perceptron for other inputs, or with a single output.
    """
    weights = [layer.weight.detach().cpu().double() for layer in linear_layers(network)]
    if weights[0].shape[1] != math.prod(domain.shape):
        raise InputError(
            f"the first layer takes {weights[0].shape[1]} numbers, but an input of shape {domain.shape} has "
            f"{math.prod(domain.shape)}."
        )
    if weights[-1].shape[0] < 2:
        raise InputError("the network has one output, but an extraction compares a class with others: two or more.")
    return weights


def linear_layers(network: nn.Module) -> list[nn.Linear]:
    """The layers of a perceptron, from the inputs on; their weights may be on the meta device.

    Raises:
        ValueError: no perceptron (linear layers in turns with layers without weights, the inputs flattened before).
    """
    layers = [module for module in unwrapped(network).modules() if not list(module.children())]
    linear = [layer for layer in layers if isinstance(layer, nn.Linear)]
    others = [layer for layer in layers if not isinstance(layer, nn.Linear) and list(layer.parameters())]
    chained = all(one.weight.shape[0] == two.weight.shape[1] for one, two in pairwise(linear))
    if not linear or others or not chained:
        raise InputError(
            f"the first layer is read of perceptrons, linear layers one after the other, but this is a "
            f"{type(unwrapped(network)).__name__} of another kind. Take an extraction by gradients, e.g. `inversion`."
        )
    return linear
