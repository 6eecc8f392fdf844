"""Mixup: training on mixtures of examples and of their labels."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from spurlab.data import Examples
from spurlab.errors import InputError
from spurlab.methods import Batch, Make
from spurlab.prevention.method import preventing
from spurlab.prevention.steps import begin
from spurlab.seeds import seed_for
from spurlab.training import Recipe
from spurlab.training.losses import LOSSES


@dataclass(frozen=True)
class Mixup:
    r"""mixup: training anew on mixtures of two examples of a batch.

    .. math:: \tilde x = \lambda x_i + (1 - \lambda) x_j, \qquad
        \ell = \lambda \, \ell(f(\tilde x), y_i) + (1 - \lambda) \, \ell(f(\tilde x), y_j), \qquad
        \lambda \sim \mathrm{Beta}(\alpha, \alpha)

    One lambda for each batch, whose second examples are the batch in another order, as in the paper. It regularizes
    training; nothing in it knows of spurious features.

    Cost: one training. Needs: no groups and no clean data.

    Args:
        recipe: how the network was trained.
        seed: fixes the mixtures, the initial weights and the order of the examples.
        alpha: :math:`\alpha`; the paper's 1 for small images (0.1 to 0.4 for ImageNet). Small values hardly mix.
        make: as in `spurlab.deletion.Retrain`.

    Source: Zhang, Cisse, Dauphin and Lopez-Paz (2018), mixup: beyond empirical risk minimization, arXiv:1710.09412.
    """

    recipe: Recipe
    seed: int = 0
    alpha: float = 1.0
    make: Make | None = None

    def __post_init__(self) -> None:
        if not 0 < self.alpha < float("inf"):
            raise InputError(f"`alpha` of mixup must be above 0, and finite, but it is {self.alpha}.")

    def check(self, data: Examples) -> None:
        """Raises ValueError: numbers of words have no mixture."""
        if data.words is not None:
            raise InputError(
                "mixup mixes inputs that are numbers, such as pixels, and these are documents. Leave it out."
            )

    @preventing
    def __call__(self, model: nn.Module, data: Examples, clean: Examples) -> nn.Module:
        self.check(data)
        descent = begin(model, self.recipe, self.seed, "mixup", self.make)
        draws = np.random.default_rng(seed_for(self.seed, "prevention", "mixup", "mixtures"))
        loss_of = LOSSES[self.recipe.loss]

        def loss(batch: Batch) -> Float[Tensor, ""]:
            share = float(draws.beta(self.alpha, self.alpha))
            order = torch.from_numpy(draws.permutation(len(batch.labels))).to(batch.labels.device)
            logits = descent.logits(batch._replace(inputs=mixed(batch.inputs, batch.inputs[order], share)))
            return mixed(loss_of(logits, batch.labels), loss_of(logits, batch.labels[order]), share).mean()

        return descent.train(partial(descent.batches, data), loss)


def mixed(one: Tensor, other: Tensor, share: float) -> Tensor:
    """So much of the one, the rest of the other."""
    return share * one + (1 - share) * other
