"""What repairs must beat: a new network that is trained on the clean examples alone."""

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from spurlab.data import Examples
from spurlab.methods import Make, trained_anew
from spurlab.prevention.balancing import same_length
from spurlab.prevention.method import checked_clean, own_seed, preventing
from spurlab.training import Recipe


@dataclass(frozen=True)
class CleanOnly:
    r"""Training anew on the clean examples alone, with nothing of the given network but its architecture.

    .. math:: \min_\theta \frac{1}{m} \sum_{i=1}^{m} \ell(f_\theta(x_i), y_i)

    over the m clean examples. A method that is given these examples and serves worse than this has made less of them
    than if there had been no spurious training data at all.

    Cost: one training, of as many steps as on all training examples. Needs: clean examples.

    Args:
        recipe: how the network was trained.
        seed: fixes the initial weights and the order of the examples.
        make: as in `spurlab.deletion.Retrain`.

    Raises:
        ValueError: no clean examples.
    """

    recipe: Recipe
    seed: int = 0
    make: Make | None = None
    anew: ClassVar[bool] = True  # whatever the given network is, so also of trees

    @preventing
    def __call__(self, model: nn.Module, data: Examples, clean: Examples) -> nn.Module:
        clean = checked_clean(model, clean, "training on clean examples alone")
        recipe = same_length(self.recipe, len(data), len(clean))
        return trained_anew(model, clean, recipe, own_seed(self.seed, "clean-only"), self.make)
