"""A new network that never saw them: the reference answer."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Bool
from torch import Tensor, nn

from spurlab.data import Examples
from spurlab.deletion.method import deleting
from spurlab.methods import Make, trained_anew
from spurlab.seeds import seed_for
from spurlab.training import Recipe


@dataclass(frozen=True)
class Retrain:
    r"""Exact deletion: a new network of the same architecture, trained on the retained examples alone.

    .. math:: \theta' = \mathcal{A}(\text{retained}), \qquad \theta'_0 \text{ drawn anew}

    What every other method is compared with: it has never seen the forgotten examples.

    Cost: one training, for as many epochs as the recipe has. Needs: the retained examples.

    Args:
        recipe: how the network was trained.
        seed: fixes the initial weights and the order of the examples.
        make: the architecture with its own initial weights, by seed, e.g. ``partial(build, "cnn", shape, classes)``.
            None: a copy of the given network, every layer reset, see `untrained`.

    Source: Bourtoule et al. (2021), Machine unlearning, arXiv:1912.03817, section III (the definition).
    """

    recipe: Recipe
    seed: int = 0
    make: Make | None = None
    anew: ClassVar[bool] = True  # whatever the given network is, so also of trees

    @deleting
    def __call__(self, model: nn.Module, data: Examples, forget: Bool[Tensor, " n"]) -> nn.Module:
        seed = seed_for(self.seed, "deletion", "retrain")
        return trained_anew(model, data[~forget], self.recipe, seed, self.make)
