"""How much an extracted image says of the planted pattern, and what it does on test images."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from spurlab.errors import InputError
from spurlab.metrics import spurious_score
from spurlab.patterns import Pattern
from spurlab.seeds import seed_for
from spurlab.stats import null_rank
from spurlab.training import predictions


@dataclass(frozen=True)
class Resemblance:
    """How much an extracted image is like the planted pattern.

    Args:
        correlation: of image and pattern over all numbers of an input, each less its mean; in [-1, 1]. NaN where one of
            them is constant.
        cosine: the same without taking the means off. Any two brightening patterns on the whole image are alike in it.
        support: the cosine over the pattern's support, where it is not 0. Of a box it says how even the image is there,
            and on which side of 0.
        p: of the correlation, among those with null patterns; see `spurlab.stats.null_rank`.
        nulls: how many.
    """

    correlation: float
    cosine: float
    support: float
    p: float
    nulls: int


def resemblance(image: Float[Tensor, "*shape"], pattern: Pattern, nulls: int = 99, seed: int = 0) -> Resemblance:
    """Compare an extracted image with the pattern, and with others of its family that no network has seen.

    p is uniform where the image has nothing to do with the pattern and the pattern is one draw of its family. A box has
    few places, its own among them, so that its p has a floor of about one over their number; and its place in the
    table is a corner, no draw: plant a redrawn one where p is to be uniform.

    Args:
        image: extracted, of any scale.
        pattern: the planted one.
        nulls: how many null patterns are drawn.
        seed: of the null patterns.

    Raises:
        ValueError: an image of another shape, no null patterns, or a pattern without a family (see `Pattern.redraw`).
    """
    if tuple(image.shape) != pattern.shape:
        raise InputError(
            f"the image has the shape {tuple(image.shape)}, but pattern {pattern.name} {pattern.shape}: they cannot be "
            "compared."
        )
    if nulls < 1:
        raise InputError(f"an extracted image is compared with 1 null pattern or more, not {nulls}.")
    found, planted = image.detach().cpu().double().flatten(), pattern.offset.double().flatten()
    drawn = [pattern.redraw(seed_for(seed, "extraction", "null", number)) for number in range(nulls)]
    others = torch.tensor([correlation(found, null.offset.double().flatten()) for null in drawn])
    ours, inside = correlation(found, planted), planted != 0
    return Resemblance(
        ours,
        cosine(found, planted),
        cosine(found[inside], planted[inside]),
        null_rank(ours, others.double()),
        nulls,
    )


def cosine(one: Float[Tensor, " d"], other: Float[Tensor, " d"]) -> float:
    """Of two vectors, in [-1, 1]; NaN where one of them is zero.

    >>> cosine(torch.tensor([1.0, 0.0]), torch.tensor([3.0, 4.0]))
    0.6
    """
    norms = float(one.double().norm() * other.double().norm())
    return float(one.double() @ other.double()) / norms if norms else math.nan


def correlation(one: Float[Tensor, " d"], other: Float[Tensor, " d"]) -> float:
    """Pearson's, in [-1, 1]; NaN where one of them is constant.

    >>> round(correlation(torch.tensor([0.0, 1.0]), torch.tensor([5.0, 7.0])), 9)
    1.0
    """
    return cosine(one.double() - one.double().mean(), other.double() - other.double().mean())


def as_pattern(image: Float[Tensor, "*shape"], like: Pattern) -> Pattern:
    """An extracted image as a pattern with the l2 norm and the range of another.

    Raises:
        ValueError: an image of zeros, which has no direction, or of another shape.
    """
    if tuple(image.shape) != like.shape or not (norm := float(image.double().norm())):
        raise InputError(
            f"an extracted image must have the shape {like.shape} of pattern {like.name} and not be 0 throughout; this "
            f"one of shape {tuple(image.shape)} cannot be put on."
        )
    offset = image.detach().cpu().double() * (float(like.offset.double().norm()) / norm)
    return Pattern(f"extracted {like.name}", offset.float(), like.low, like.high)


def extracted_score(
    network: nn.Module,
    inputs: Float32[Tensor, "n *shape"],
    image: Float[Tensor, "*shape"],
    pattern: Pattern,
    target: int,
) -> float:
    """The spurious score of the extracted image put on test images, with the planted pattern's l2 norm and range.

    Every network has patterns that pull, so read it beside that of a network which never saw the pattern.

    Args:
        network: the attacked one.
        inputs: test images.
        image: what was extracted.
        pattern: the planted one.
        target: the class.

    Raises:
        ValueError: as `as_pattern` and `spurlab.metrics.spurious_score`.
    """
    marked = as_pattern(image, pattern)(inputs)
    return float(spurious_score(predictions(network, inputs), predictions(network, marked), target))
