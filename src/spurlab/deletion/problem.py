"""What an influence method solves: a network and its training data in two, with the curvature of their mean loss."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from spurlab.data import Examples
from spurlab.deletion.mean_loss import MeanLoss
from spurlab.deletion.solvers import Product
from spurlab.notebook import short
from spurlab.training import Recipe

Curvature = Literal["gauss-newton", "hessian"]


@dataclass(frozen=True, eq=False)
class Problem:
    """A network and its training data in two, with one or more to be forgotten.

    The curvature is that of their mean loss by the recipe, at the network's weights. The seed fixes samples and draws.
    """

    model: nn.Module
    retain: Examples
    forgotten: Examples
    recipe: Recipe
    curvature: Curvature
    seed: int

    __repr__ = short

    @property
    def share(self) -> float:
        """Of the examples to be forgotten among all, p in the papers."""
        return len(self.forgotten) / (len(self.forgotten) + len(self.retain))

    def product(self, examples: Examples) -> Product:
        """The curvature of the mean loss of these examples, as a function of the vector."""
        mean_loss = MeanLoss.of(self.model, examples, self.recipe)
        return mean_loss.gauss_newton if self.curvature == "gauss-newton" else mean_loss.hessian

    @cached_property
    def gradient(self) -> Float[Tensor, " p"]:
        """Of the mean loss of the examples to be forgotten."""
        return MeanLoss.of(self.model, self.forgotten, self.recipe).gradient()


def joined(first: Examples, rest: Examples) -> Examples:
    """Both as one, in this order; without groups and sources, which no loss looks at."""
    inputs, labels = (torch.cat([getattr(part, of) for part in (first, rest)]) for of in ("inputs", "labels"))
    return Examples(inputs, labels, words=first.words)
