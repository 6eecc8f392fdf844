"""A network: an `Architecture`, whose function is given the shape of one input and the number of classes."""

from torch import nn

from spurlab.errors import InputError
from spurlab.models import Architecture


def tiny_cnn(shape: tuple[int, ...], classes: int, channels: int) -> nn.Module:
    """One convolution and one linear layer. Initial weights are PyTorch's own, which Spurlab has seeded."""
    if len(shape) != 3:
        raise InputError(f"tiny-cnn is for images of shape c h w, but these inputs have the shape {tuple(shape)}.")
    return nn.Sequential(
        nn.Conv2d(shape[0], channels, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(4),
        nn.Flatten(),
        nn.Linear(16 * channels, classes),
    )


TINY_CNN = Architecture("tiny CNN", tiny_cnn, {"channels": 4})
