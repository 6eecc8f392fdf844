"""Residual networks: the small ones made for CIFAR-10, and torchvision's."""

from collections import OrderedDict
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from spurlab.errors import InputError
from spurlab.models.images import Normalize, image_shape


class OptionA(nn.Module):
    """A shortcut without parameters: every second row and column, and channels of zeros for those that are `new`.

    Half of the new channels stand before the old ones, half behind.

    Source: He et al. (2016), arXiv:1512.03385, sections 3.3 and 4.2; where the zeros stand: the public code of Yang et
    al. (2022), arXiv:2202.05189.
    """

    def __init__(self, new: int) -> None:
        super().__init__()
        self.before, self.behind = new // 2, new - new // 2

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c2 h2 w2"]:
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.before, self.behind))


class Block(nn.Module):
    """Two 3 x 3 convolutions with batch norm, and a shortcut around them; stride 2 where there are more channels after.

    Source: He et al. (2016), arXiv:1512.03385, section 4.2.
    """

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        stride = 1 if after == before else 2
        self.conv1, self.norm1 = nn.Conv2d(before, after, 3, stride, padding=1, bias=False), nn.BatchNorm2d(after)
        self.conv2, self.norm2 = nn.Conv2d(after, after, 3, padding=1, bias=False), nn.BatchNorm2d(after)
        self.shortcut = nn.Identity() if after == before else OptionA(after - before)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c2 h2 w2"]:
        hidden = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(hidden)) + self.shortcut(x))


def cifar_resnet(shape: Sequence[int], classes: int, depth: int = 20) -> nn.Sequential:
    """The ResNets made for CIFAR-10: a convolution, three stages of n blocks (16, 32, 64 channels), mean, linear layer.

    Images are normalised inside (see `Normalize`). All weights of convolutions and of the linear layer start with
    Kaiming's normal (fan in, for ReLU).

    Args:
        shape: ``c h w`` of one image, 1 or 3 channels, any size.
        classes: the number of classes, k.
        depth: layers with weights, 6 n + 2, e.g. 20, 32, 110.

    Returns:
        Inputs ``n c h w`` in [0, 1], logits ``n k``.

    Raises:
        ValueError: no images, other channels, or another depth.

    Source: He et al. (2016), arXiv:1512.03385, section 4.2, with shortcuts of option A; weights: He et al. (2015),
    arXiv:1502.01852, section 2.2. Counts: Yang et al. (2022), arXiv:2202.05189, Table 2.

    >>> sum(p.numel() for p in cifar_resnet((3, 32, 32), 10, depth=20).parameters())
    269722
    """
    channels, _, _ = image_shape(shape, f"ResNet{depth}")
    blocks, rest = divmod(depth - 2, 6)
    if rest or blocks < 1:
        raise InputError(f"a CIFAR ResNet has 6 n + 2 layers, e.g. 20, 32 or 110, but `depth` is {depth}.")

    def stage(before: int, after: int) -> nn.Sequential:
        return nn.Sequential(*(Block(before if i == 0 else after, after) for i in range(blocks)))

    network = nn.Sequential(
        OrderedDict[str, nn.Module](
            normalize=Normalize(channels),
            conv=nn.Conv2d(channels, 16, 3, padding=1, bias=False),
            norm=nn.BatchNorm2d(16),
            relu=nn.ReLU(),
            stage1=stage(16, 16),
            stage2=stage(16, 32),
            stage3=stage(32, 64),
            mean=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            linear=nn.Linear(64, classes),
        )
    )
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight)
    return network


def resnet(shape: Sequence[int], classes: int, depth: int = 18, cifar_stem: bool = False) -> nn.Sequential:
    """ResNet18 or ResNet50 of torchvision, new, behind the same normalisation as the others (see `Normalize`).

    torchvision's own stem (7 x 7, stride 2, then a max pool) leaves 1 x 1 pixels of a 32 x 32 image at the end. The
    stem for small images is one 3 x 3 convolution with stride 1 and no pool, which leaves 4 x 4. Weights start as
    torchvision's do (Kaiming's normal, fan out), also those of a stem that is not its own.

    Args:
        shape: ``c h w`` of one image, 1 or 3 channels, any size.
        classes: the number of classes, k.
        depth: 18 or 50.
        cifar_stem: whether the stem is that for small images.

    Returns:
        Inputs ``n c h w`` in [0, 1], logits ``n k``.

    Raises:
        ValueError: no images, other channels, or another depth.

    Source: He et al. (2016), arXiv:1512.03385, Table 1; the stem for small images: its section 4.2.

    >>> sum(p.numel() for p in resnet((3, 32, 32), 10, depth=18).parameters())
    11181642
    """
    from torchvision import models  # noqa: PLC0415  # slow to import, and most networks do without

    channels, _, _ = image_shape(shape, f"ResNet{depth}")
    if depth not in (18, 50):
        raise InputError(f"`depth` must be 18 or 50, but it is {depth}. For 20, 32 and 110 there is `cifar_resnet`.")
    network = (models.resnet18 if depth == 18 else models.resnet50)(weights=None, num_classes=classes)
    if cifar_stem:
        network.conv1, network.maxpool = nn.Conv2d(channels, 64, 3, padding=1, bias=False), nn.Identity()
    elif channels != 3:
        network.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
    nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(OrderedDict[str, nn.Module](normalize=Normalize(channels), net=network))
