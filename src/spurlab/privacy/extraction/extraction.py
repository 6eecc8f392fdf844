"""What an extraction is, and what it knows beside the network."""

import math
from dataclasses import dataclass
from typing import Literal, Protocol, get_args, runtime_checkable

import torch
from jaxtyping import Float, Float32, Float64
from torch import Tensor, nn

from spurlab.errors import InputError
from spurlab.models import ask
from spurlab.seeds import rng_for

HostName = Literal["zeros", "noise"]
NO_GRADIENTS = "the network gives no gradients of its inputs, which this extraction needs. Does it detach them?"


@dataclass(frozen=True)
class Domain:
    """What is known of a network's inputs without any data.

    Args:
        shape: of one input.
        low, high: the range of its numbers.

    Raises:
        ValueError: a shape that holds nothing, or a range that is empty or has no ends.
    """

    shape: tuple[int, ...]
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        if not self.shape or min(self.shape) < 1:
            raise InputError(f"an input of shape {self.shape} holds nothing: give that of one example.")
        if not -math.inf < self.low < self.high < math.inf:
            raise InputError(f"inputs are looked for in [{self.low}, {self.high}], but the range must have two ends.")

    def hosts(self, kind: HostName, count: int, seed: int) -> Float32[Tensor, "n *shape"]:
        """Inputs that a pattern is put on, in place of data.

        Args:
            kind: `zeros`: one input of zeros, or of the end of the range next to zero; `noise`: uniform in the range.
            count: of noise, how many.
            seed: of the noise.
        """
        if kind == "zeros":
            return torch.zeros(1, *self.shape).clamp(self.low, self.high)
        drawn = torch.rand(count, *self.shape, generator=rng_for(seed, "extraction", "hosts"))
        return self.low + (self.high - self.low) * drawn


@runtime_checkable
class Extraction(Protocol):
    """Reads from a network alone what a class was marked with: an image, and no training data.

    An extraction is its settings plus this one call.
    """

    def __call__(self, network: nn.Module, domain: Domain, target: int) -> Float32[Tensor, "*shape"]:
        """The pattern that the class answers to, on a scale of its own; what is added makes the class likelier.

        Args:
            network: gives logits; it is left as it was.
            domain: of its inputs.
            target: a class.

        Raises:
            ValueError: no such class, or a network of a kind that this extraction cannot read.
        """
        ...


def log_odds(network: nn.Module, inputs: Float[Tensor, "n *shape"], target: int) -> Float[Tensor, " n"]:
    r"""The target class's logit less those of the others, :math:`z_t - \log \sum_{j \ne t} e^{z_j}`, with gradients.

    Call it inside of `spurlab.models.asked`.

    Raises:
        ValueError: no such class, or no gradients of the inputs.
    """
    logits = ask(network, inputs).cpu()
    checked_class(target, logits.shape[1])
    if inputs.requires_grad and not logits.requires_grad:
        raise InputError(NO_GRADIENTS)
    others = torch.arange(logits.shape[1]) != target
    return logits[:, target] - logits[:, others].logsumexp(1)


def checked_class(target: int, classes: int) -> None:
    """Raises ValueError: there is no such class."""
    if not 0 <= target < classes:
        raise InputError(f"`target` is class {target}, but the network has the classes 0 to {classes - 1}.")


def checked_hosts(kind: str, count: int) -> None:
    """Raises ValueError: settings of hosts that are none."""
    if kind not in get_args(HostName):
        raise InputError(f"`hosts` must be one of {', '.join(get_args(HostName))}, but it is {kind!r}.")
    if count < 1:
        raise InputError(f"`count` of the hosts must be 1 or more, but it is {count}.")


def total_variation(image: Float[Tensor, "*shape"]) -> Float[Tensor, ""] | Float64[Tensor, ""]:
    r"""The sum of absolute differences between neighbours.

    .. math:: \mathrm{TV}(x) = \sum_{ij} |x_{i+1,j} - x_{ij}| + |x_{i,j+1} - x_{ij}|

    Of images ``c h w`` downwards and to the right, of all else along the last axis.

    Source: Rudin, Osher and Fatemi (1992), Nonlinear total variation based noise removal, Physica D 60, 259 (there
    isotropic); Mahendran and Vedaldi (2015), Understanding deep image representations by inverting them, CVPR,
    arXiv:1412.0035, section 3, beta = 1.

    >>> total_variation(torch.tensor([[[0.0, 1.0], [0.0, 3.0]]])).item()
    6.0
    """
    variation = image.diff(dim=-1).abs().sum()
    return variation + image.diff(dim=-2).abs().sum() if image.ndim == 3 else variation
