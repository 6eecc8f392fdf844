"""What the convolutional networks share: which images they take, and how these are normalised."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from spurlab.errors import InputError

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)  # of CIFAR-10's red, green and blue


class Normalize(nn.Module):
    """Images in [0, 1] less the mean of CIFAR-10, divided by its standard deviation, channel by channel.

    It stands inside the network, so that patterns, ranges and noise keep to [0, 1] outside. Grey images get the means
    of the three channels' numbers, 0.4734 and 0.2009, whatever data they come from.

    Args:
        channels: 3 or 1.

    Raises:
        ValueError: other channels.

    Source: the public code of Yang et al. (2022), arXiv:2202.05189, for its ResNets and Vgg16.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        if channels not in (1, 3):
            raise InputError(
                f"this network normalises images of 1 or 3 channels, but these have {channels}. Its numbers are those "
                "of colour photographs: use a perceptron or the CNN, which do without."
            )
        for name, colours in (("mean", MEAN), ("std", STD)):
            numbers = colours if channels == 3 else [sum(colours) / 3]
            self.register_buffer(name, torch.tensor(numbers).view(channels, 1, 1))

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        return (images - self.mean) / self.std


def image_shape(shape: Sequence[int], network: str, smallest: int = 1) -> tuple[int, int, int]:
    """``c h w``, if `network` can take such images: neither height nor width below `smallest`."""
    found = " x ".join(map(str, shape))
    if len(shape) != 3 or min(shape) < 1:
        raise InputError(f"{network} takes images, c x h x w, but one input here is {found}. Use a perceptron ('mlp').")
    channels, height, width = shape
    if min(height, width) < smallest:
        raise InputError(
            f"{network} needs images of {smallest} x {smallest} pixels or more, but these are {found} (c x h x w). "
            "Use a perceptron ('mlp'), which takes any size."
        )
    return channels, height, width
