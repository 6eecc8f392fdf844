"""A deletion method: an `Entry` of a frozen dataclass whose fields are its settings, and which is called."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from spurlab.data import Examples
from spurlab.deletion.method import deleting
from spurlab.errors import InputError
from spurlab.methods import Descent, Entry
from spurlab.training import Recipe


@dataclass(frozen=True)
class Shrink:
    r"""Shrink the weights, then train on the retained examples for some epochs.

    .. math:: \theta_0 = \lambda \theta, \qquad \theta_{t+1} = \theta_t - \eta \nabla L_{retained}(\theta_t)

    Cost: some epochs of a training. Needs: the retained examples.

    Args:
        recipe: how the network was trained; it is given, and no setting.
        seed: of the order of examples; it is given too.
        by: :math:`\lambda`, in (0, 1]. In studies and on the command line: ``shrink,by=0.3``.
        epochs: of training after it.

    Source: Ash and Adams (2020), On warm-starting neural network training, arXiv:1910.08475 (there with noise).
    """

    recipe: Recipe
    seed: int = 0
    by: float = 0.5
    epochs: int = 2

    def __post_init__(self) -> None:
        if not 0 < self.by <= 1:
            raise InputError(f"`by` of shrink must be above 0 and at most 1, but it is {self.by}.")

    @deleting  # the network is a copy; what else was given is checked before and after
    def __call__(self, model: nn.Module, data: Examples, forget: Bool[Tensor, " n"]) -> nn.Module:
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(self.by)
        recipe = self.recipe.but(epochs=self.epochs, milestones=())
        return Descent(model, recipe, self.seed, "shrink").train_on(data[~forget])


SHRINK = Entry.of("shrunk and trained on", Shrink, "training")
