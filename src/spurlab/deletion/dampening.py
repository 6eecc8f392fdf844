"""Selective synaptic dampening: weights that matter to the forgotten examples above all are made smaller."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from spurlab.data import Examples
from spurlab.deletion.method import deleting, sample_of
from spurlab.deletion.squared_gradients import squared_gradients
from spurlab.deletion.weights import flat, free_weights, moved
from spurlab.training import Recipe
from spurlab.training.losses import LOSSES


@dataclass(frozen=True)
class SelectiveDampening:
    r"""Selective synaptic dampening (SSD): no step of training, each weight is kept or made smaller.

    .. math:: \theta_j' = \begin{cases} \beta_j \theta_j & I_{f,j} > \alpha I_{D,j} \\ \theta_j & \text{otherwise}
        \end{cases}, \qquad \beta_j = \min\left( \lambda \frac{I_{D,j}}{I_{f,j}},\, 1 \right)

    The importance I of a weight is the mean over examples of the square of each one's own gradient: over the examples
    to be forgotten (:math:`I_f`), and over all (:math:`I_D`). The public code squares the gradient of the mean loss of
    a batch of 64 or 128 instead, in which the gradients of different examples cancel, so there the importance depends
    on the batch size. Its settings belong to such importances; for those of single examples, as here, they are not
    tuned.

    Cost: the squared gradients of the examples to be forgotten and of `sample` others, see `squared_gradients`. Needs:
    both.

    Args:
        recipe: of training; its loss counts.
        seed: fixes the sample.
        selection: :math:`\alpha`, how many times more important a weight must be to the forgotten examples. The default
            is the public code's for ResNet-18. It has 5 for a vision transformer that forgets a class, 50 for faces.
        dampening: :math:`\lambda`; the default is the public code's, which has 0.1 for faces.
        sample: how many retained examples stand for all of them in :math:`I_D`; those to be forgotten are there whole,
            with their true share. None: all of them.

    Source: Foster, Schoepf and Brintrup (2024), Fast machine unlearning without retraining through selective synaptic
    dampening, arXiv:2308.07707.
    """

    recipe: Recipe
    seed: int = 0
    selection: float = 10.0
    dampening: float = 1.0
    sample: int | None = 10_000

    @deleting
    def __call__(self, model: nn.Module, data: Examples, forget: Bool[Tensor, " n"]) -> nn.Module:
        if not forget.any():
            return model
        forgotten, retained = data[forget], sample_of(data[~forget], self.sample, self.seed, "dampening")
        of_forgotten, of_retained = (
            squared_gradients(model, part.inputs, part.labels, LOSSES[self.recipe.loss])
            for part in (forgotten, retained)
        )
        p = len(forgotten) / len(data)
        of_all = p * of_forgotten + (1 - p) * of_retained
        weights = flat(free_weights(model))
        kept = dampening(of_all, of_forgotten, self.selection, self.dampening)
        return moved(model, (kept - 1) * weights)


def dampening(
    of_all: Float[Tensor, " p"], of_forgotten: Float[Tensor, " p"], selection: float, dampening: float
) -> Float[Tensor, " p"]:
    r"""By what each weight is multiplied, from its importance to all and to the forgotten examples.

    >>> dampening(torch.tensor([1.0, 1.0]), torch.tensor([5.0, 20.0]), selection=10.0, dampening=1.0)
    tensor([1.0000, 0.0500])
    """
    chosen = of_forgotten > selection * of_all
    beta = (dampening * of_all / of_forgotten).clamp(max=1)
    return torch.where(chosen, beta, torch.ones_like(beta))
