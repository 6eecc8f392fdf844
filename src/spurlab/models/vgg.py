"""Vgg16, and the perceptron that its last three layers are."""

import math
from collections import OrderedDict
from collections.abc import Sequence

from torch import nn

from spurlab.models.images import Normalize, image_shape


def vgg16(shape: Sequence[int], classes: int) -> nn.Sequential:
    """Vgg16 of torchvision, new: 13 convolutions, no batch norm, 7 x 7 adaptive pooling, 4096-4096-k with dropout.

    It stands behind the same normalisation as the ResNets (see `Normalize`). Weights start as torchvision's do.

    Args:
        shape: ``c h w`` of one image, 1 or 3 channels, at least 32 x 32 pixels: five pools halve it.
        classes: the number of classes, k.

    Returns:
        Inputs ``n c h w`` in [0, 1], logits ``n k``.

    Raises:
        ValueError: no images, other channels, or too small ones.

    Source: Simonyan and Zisserman (2014), arXiv:1409.1556, Table 1, D. Count: Yang et al. (2022), arXiv:2202.05189,
    Table 2.

    >>> import torch
    >>> with torch.device("meta"):  # shapes without numbers: these are 134 million weights
    ...     network = vgg16((3, 32, 32), classes=10)
    >>> sum(isinstance(module, nn.Conv2d) for module in network.modules())
    13
    """
    from torchvision import models  # noqa: PLC0415  # slow to import, and most networks do without

    channels, _, _ = image_shape(shape, "Vgg16", smallest=32)
    network = models.vgg16(weights=None, num_classes=classes)
    if channels != 3:
        first = network.features[0] = nn.Conv2d(channels, 64, 3, padding=1)
        nn.init.kaiming_normal_(first.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(first.bias)  # type: ignore[arg-type]  # it has one
    return nn.Sequential(OrderedDict[str, nn.Module](normalize=Normalize(channels), net=network))


def vgg_mlp(shape: Sequence[int], classes: int) -> nn.Sequential:
    """The last three layers of Vgg16 on the pixels themselves: 4096-4096-k, ReLU and dropout after the first two.

    Weights start as in torchvision's Vgg16: normal with standard deviation 0.01, biases at zero. Inputs are
    taken as they are.

    Args:
        shape: of one input, any.
        classes: the number of classes, k.

    Returns:
        Inputs ``n *shape``, logits ``n k``.

    Source: VggMLP in the public code of Yang et al. (2022), arXiv:2202.05189.

    >>> import torch
    >>> with torch.device("meta"):  # shapes without numbers: these are 20 million weights
    ...     network = vgg_mlp((1, 28, 28), classes=10)
    >>> [layer.out_features for layer in network.modules() if isinstance(layer, nn.Linear)]
    [4096, 4096, 10]
    """
    network = nn.Sequential(
        *(nn.Flatten(), nn.Linear(math.prod(shape), 4096), nn.ReLU(), nn.Dropout(0.5)),
        *(nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4096, classes)),
    )
    for layer in network:
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)
    return network
