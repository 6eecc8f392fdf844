"""The small convolutional network of the rare-spurious paper."""

from collections.abc import Sequence

from torch import nn

from spurlab.models.images import image_shape


def cnn(shape: Sequence[int], classes: int) -> nn.Sequential:
    """Four 3 x 3 convolutions without padding (32, 32, pool, 64, 64, pool), then 200-200-k; dropout after the first.

    Convolutions start with Kaiming's normal weights and zero biases, the last layer at zero: a new network gives every
    class the same probability. Inputs are taken as they are.

    Args:
        shape: ``c h w`` of one image, at least 16 x 16 pixels; the first linear layer is as wide as the shape asks for.
        classes: the number of classes, k.

    Returns:
        Inputs ``n c h w``, logits ``n k``.

    Raises:
        ValueError: no images, or too small ones.

    Source: the small CNN of TRADES, Zhang et al. (2019), arXiv:1901.08573, and its public code; used in
    Yang et al. (2022), arXiv:2202.05189, section 3.3.2 and Table 2.

    >>> sum(p.numel() for p in cnn((1, 28, 28), 10).parameters())
    312202
    """
    channels, height, width = image_shape(shape, "the CNN", smallest=16)
    rows, columns = (((side - 4) // 2 - 4) // 2 for side in (height, width))
    network = nn.Sequential(
        *(nn.Conv2d(channels, 32, 3), nn.ReLU(), nn.Conv2d(32, 32, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 3), nn.ReLU(), nn.Conv2d(64, 64, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(64 * rows * columns, 200), nn.ReLU(), nn.Dropout(0.5)),
        *(nn.Linear(200, 200), nn.ReLU(), nn.Linear(200, classes)),
    )
    for layer in network:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]  # it has one
    for parameter in network[-1].parameters():
        nn.init.zeros_(parameter)
    return network
