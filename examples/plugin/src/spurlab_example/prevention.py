"""A prevention method: as a deletion method, but it is given clean examples and no forget set."""

from dataclasses import dataclass

from torch import nn

from spurlab.data import Examples
from spurlab.errors import InputError
from spurlab.methods import Descent, Entry
from spurlab.prevention.method import preventing
from spurlab.training import Recipe


@dataclass(frozen=True)
class Noisy:
    """Train on for some epochs with Gaussian noise on the inputs, which thin marks drown in.

    Cost: some epochs of a training. Needs: no groups and no clean data.

    Args:
        recipe: how the network was trained; it is given.
        seed: of the order of examples and the noise; it is given.
        sd: the standard deviation of the noise.
        epochs: how many.
    """

    recipe: Recipe
    seed: int = 0
    sd: float = 0.2
    epochs: int = 2

    def __post_init__(self) -> None:
        if not 0 < self.sd < float("inf"):
            raise InputError(f"`sd` of noisy must be above 0, and finite, but it is {self.sd}.")

    @preventing
    def __call__(self, model: nn.Module, data: Examples, clean: Examples) -> nn.Module:
        recipe = self.recipe.but(epochs=self.epochs, milestones=(), input_noise=self.sd)
        return Descent(model, recipe, self.seed, "noisy", purpose="prevention").train_on(data)


NOISY = Entry.of("trained on under noise", Noisy, "training")
