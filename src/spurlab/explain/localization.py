"""Where saliency falls: the mean map of a class, and the share of a map that falls on a region."""

import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from spurlab.errors import InputError


def class_maps(
    maps: Float[Tensor, "n *shape"], labels: Int64[Tensor, " n"], classes: int
) -> Float64[Tensor, "classes *shape"]:
    r"""What the network looks at in the examples of a class: the mean of their absolute maps.

    .. math:: \bar M_c = \frac{1}{n_c} \sum_{i : y_i = c} |M_i|

    Args:
        maps: one per example, signed or absolute, as `spurlab.explain.saliency` gives them.
        labels: the classes :math:`y_i`, in the same order.
        classes: how many classes there are.

    Returns:
        One map per class, in the unit of the maps and never below 0; NaN for a class without examples.

    Raises:
        ValueError: a label that is no class.

    >>> class_maps(torch.tensor([[1.0, -3.0], [-1.0, 1.0], [0.0, 2.0]]), torch.tensor([0, 0, 1]), classes=2).tolist()
    [[1.0, 2.0], [0.0, 2.0]]
    """
    _check_labels(labels, classes)
    sums = torch.zeros(classes, *maps.shape[1:], dtype=torch.float64, device=maps.device)
    sums.index_add_(0, labels.to(maps.device), maps.detach().double().abs())
    counts = labels.bincount(minlength=classes).to(maps.device)
    return sums / counts.reshape(-1, *[1] * (maps.ndim - 1))


def share_on(
    maps: Float[Tensor, "n *shape"], region: Bool[Tensor, "..."], labels: Int64[Tensor, " n"] | None = None
) -> Float64[Tensor, " n"]:
    r"""The share of the absolute saliency that falls on a region, such as the block that carries the spurious feature.

    .. math:: S_i = \frac{\sum_{j \in B_i} |M_{ij}|}{\sum_j |M_{ij}|}

    Args:
        maps: one per example, signed or absolute.
        region: :math:`B`, True on the region. Without labels: one for each map, ``n *shape``; with them: one for each
            class, ``k *shape``, and each map is asked about the region of its label.
        labels: the class of each map, or None.

    Returns:
        One share in [0, 1] per map. Chance, a map that looks everywhere alike, is the size of the region as a share of
        the input: 5 / 40 for a block of 5 among 40 features. NaN for a map of zeros, which looks nowhere, and for one
        with a NaN.

    Raises:
        ValueError: regions of another shape than the maps, or not one for each map or class.

    Source: Arras, Osman and Samek (2022), CLEVR-XAI, Information Fusion 81, arXiv:2003.07258 (relevance mass accuracy;
    there over positive relevance, here over absolute values, since a feature that speaks against a class is used too).

    >>> share_on(torch.tensor([[1.0, -2.0, 1.0]]), torch.tensor([[False, True, False]])).tolist()
    [0.5]
    """
    if region.shape[1:] != maps.shape[1:] or (labels is None and len(region) != len(maps)):
        one = ", ".join(map(str, maps.shape[1:]))
        wanted = f"({len(maps)}, {one}), one for each map" if labels is None else f"(k, {one}), one for each class"
        raise InputError(f"the regions must have the shape {wanted}, but it is {tuple(region.shape)}.")
    if labels is not None:
        _check_labels(labels, len(region))
        region = region[labels.to(region.device)]
    size = maps.detach().double().abs().flatten(1)
    inside = size.where(region.to(maps.device).flatten(1), 0.0)
    return inside.sum(1) / size.sum(1)


def _check_labels(labels: Int64[Tensor, " n"], classes: int) -> None:
    if labels.numel() and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        raise InputError(
            f"the labels run from {int(labels.min())} to {int(labels.max())}, but the classes from 0 to {classes - 1}."
        )
