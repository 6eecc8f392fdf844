"""An attack: an `Entry` of a frozen dataclass that says of each example how likely the network learnt from it."""

from dataclasses import dataclass

from jaxtyping import Float64
from torch import Tensor

from spurlab.methods import Entry
from spurlab.privacy import Attacked, Margins


@dataclass(frozen=True)
class Rank:
    """The share of networks that did not learn from the example and have a smaller margin on it.

    Needs: one shadow network without each example.
    """

    def __call__(self, target: Attacked, shadows: Margins) -> Float64[Tensor, " n"]:
        shadows.need("the rank", outside=1)  # refuses too few shadows in a sentence
        without = ~shadows.members
        lower = (shadows.phi < target.phi) & without
        return lower.double().sum(0) / without.double().sum(0)


RANK = Entry.of("rank among networks without it", Rank)
