"""What an attack is."""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float64
from torch import Tensor

from spurlab.privacy.margins import Attacked, Margins, Moments

SMALLEST = 1e-12  # of a spread: margins that agree to the last bits


@runtime_checkable
class Attack(Protocol):
    """Says of each example how much a network answers as if it had learnt from it.

    An attack is its settings plus this one call, arithmetic on margins.
    """

    def __call__(self, target: Attacked, shadows: Margins) -> Float64[Tensor, " n"]:
        """A score for each example, the higher the more likely a member.

        Args:
            target: what is seen of the attacked network.
            shadows: margins of other networks on the same examples, of which it is known who learnt from what. Neither
                the attacked network nor its complement is among them.

        Raises:
            ValueError: fewer shadows with or without an example than the attack needs, or something is missing.
        """
        ...


def spread(moments: Moments, variance: str) -> Float64[Tensor, "#n"]:
    """The standard deviation of each example's margins over networks.

    Args:
        moments: of two networks or more for each example, for a variance of its own.
        variance: `example`: its own, as a maximum of likelihood; `fixed`: one for all examples, of the deviations of
            each from its own mean; `overall`: one for all, which the spread between examples is part of, as public code
            computes it.
    """
    if variance == "example":
        return (moments.squares / moments.count).sqrt().clamp(min=SMALLEST)
    total = moments.count.sum()
    if variance == "fixed":
        return (moments.squares.sum() / (total - len(moments.count)).clamp(min=1)).sqrt().clamp(min=SMALLEST)[None]
    mean = (moments.mean * moments.count).sum() / total
    between = ((moments.mean - mean).square() * moments.count).sum()
    return torch.sqrt((moments.squares.sum() + between) / total).clamp(min=SMALLEST)[None]
