"""Random crops and flips of whole batches, each image by its own draw."""

from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int64
from torch import Generator, Tensor
from torch.nn import functional as F

from spurlab.errors import InputError

AugmentationName = Literal["none", "crop", "flip", "crop-flip"]
PADDING = 4  # pixels of zeros on each side, of which the crop cuts off as many as it adds


def shifted(
    images: Float[Tensor, "b c h w"], corners: Int64[Tensor, "b 2"], mirrored: Bool[Tensor, " b"]
) -> Float[Tensor, "b c h w"]:
    """Each image padded with zeros and cut out again from its own corner (row, column), then mirrored left to right.

    Corners are from 0 to twice `PADDING`; `PADDING` leaves an image where it is.
    """
    b, _, h, w = images.shape
    padded = F.pad(images, (PADDING,) * 4).permute(0, 2, 3, 1)  # channels last: an index then picks whole pixels
    columns = torch.arange(w, device=images.device).expand(b, w)
    columns = torch.where(mirrored.unsqueeze(1), columns.flip(1), columns) + corners[:, 1:]
    rows = torch.arange(h, device=images.device) + corners[:, :1]
    which = torch.arange(b, device=images.device)
    return padded[which[:, None, None], rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).contiguous()


def augmenter(name: AugmentationName, generator: Generator) -> Callable[[Tensor], Tensor]:
    """A function that augments one batch of images after the other; patterns on them move along.

    Equal in distribution to torchvision's ``RandomCrop(size, padding=4)`` and ``RandomHorizontalFlip()``, which draw
    for one image at a time.

    Args:
        name: ``crop``: shifted by up to four pixels either way; ``flip``: mirrored with probability 1/2; or both.
        generator: of the draws, on the CPU.

    Returns:
        A function of images ``n c h w``; a ValueError where its inputs are none.

    Source: Yang et al. (2022), arXiv:2202.05189, section 3.1; ``aug01`` of its public code.
    """

    def augmented(images: Tensor) -> Tensor:
        if images.ndim != 4:
            raise InputError(
                f"the augmentation {name!r} is for images (c h w), but the inputs have the shape "
                f"{tuple(images.shape[1:])}. Choose 'none'."
            )
        corners = torch.full((len(images), 2), PADDING)
        mirrored = torch.zeros(len(images), dtype=torch.bool)
        if "crop" in name:
            corners = torch.randint(2 * PADDING + 1, corners.shape, generator=generator)
        if "flip" in name:
            mirrored = torch.rand(len(images), generator=generator) < 0.5
        return shifted(images, corners.to(images.device), mirrored.to(images.device))

    return augmented
