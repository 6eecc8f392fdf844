"""Wrong labels for the forgotten examples, learnt by the weights that matter to them."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from spurlab.data import Examples
from spurlab.deletion.method import deleting
from spurlab.deletion.random_labels import classes_of, relabelled
from spurlab.deletion.steps import fine_tuning
from spurlab.errors import InputError
from spurlab.methods import Descent, device_of
from spurlab.models import ask, asked, evaluating
from spurlab.seeds import rng_for
from spurlab.training import Recipe
from spurlab.training.losses import LOSSES


@dataclass(frozen=True)
class SalUn:
    r"""SalUn: random relabelling of the weights that are salient for the forgotten examples; the others stay.

    .. math:: m = \mathbf{1}\big[\,|\nabla_\theta \ell_f(\theta_0)| > \gamma\,\big], \qquad
        \theta = m \odot (\theta_0 + \Delta\theta) + (1 - m) \odot \theta_0

    :math:`\ell_f` is the mean loss of the forgotten examples with their own labels, :math:`\theta_0` the given weights
    and :math:`\gamma` the median over all weights. :math:`\Delta\theta` is learnt as in `RandomLabels`. Nothing moves
    for an empty forget set.

    The public code differs in two ways. It takes exactly half of the weights, by rank. Where over half of the gradient
    is exactly zero, as it is for the pixels that no forgotten image lights, some of these weights move there; here
    none does. And it draws the wrong labels anew in each epoch, from all classes, so that a label may be the right one;
    except on CIFAR-100, an epoch goes over all forgotten examples first and then over the retained ones.

    Cost: one gradient of the forgotten examples, then `epochs` over all examples. Needs: all examples.

    Args:
        recipe: its optimizer, batch size, loss and so on; epochs and rate are this method's.
        seed: fixes the wrong labels and the order of the examples.
        share: of the weights that may move at most; the public code's 0.5.
        epochs: over all examples; 10 as in the public code.
        rate: None: a tenth of the recipe's, near the public code's 0.013 where training has 0.1.

    Source: Fan et al. (2024), SalUn: empowering machine unlearning via gradient-based weight saliency,
    arXiv:2310.12508.
    """

    recipe: Recipe
    seed: int = 0
    share: float = 0.5
    epochs: int = 10
    rate: float | None = None

    @deleting
    def __call__(self, model: nn.Module, data: Examples, forget: Bool[Tensor, " n"]) -> nn.Module:
        masks = salient(model, data[forget], self.recipe, self.share)
        false = relabelled(data, forget, classes_of(model, data), rng_for(self.seed, "deletion", "salun"))
        recipe = fine_tuning(self.recipe, self.epochs, self.rate)
        return Descent(model, recipe, self.seed, "salun", masks).train_on(false)


def salient(model: nn.Module, forgotten: Examples, recipe: Recipe, share: float) -> dict[str, Bool[Tensor, "..."]]:
    """By name, True for the weights whose gradient of the forgotten examples' loss is among the largest `share`.

    Weights without a gradient, and those that tie with the threshold, are not.

    Raises:
        ValueError: a share that is none.
    """
    if not 0 < share <= 1:
        raise InputError(f"`share` of the weights must lie in (0, 1], but it is {share}.")
    parameters = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    total = {name: torch.zeros_like(parameter) for name, parameter in parameters.items()}
    device = device_of(model)
    with asked(model), evaluating(model):
        for rows in torch.arange(len(forgotten)).split(recipe.batch_size):
            logits = ask(model, forgotten.inputs[rows]).float()
            loss = LOSSES[recipe.loss](logits, forgotten.labels[rows].to(device)).sum()
            gradients = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
            for into, gradient in zip(total.values(), gradients, strict=True):
                if gradient is not None:
                    into.add_(gradient)
    sizes = torch.cat([gradient.abs().flatten() for gradient in total.values()])
    others = math.floor((1 - share) * len(sizes))
    threshold = sizes.kthvalue(others).values if others else sizes.new_tensor(0.0)
    return {name: gradient.abs() > threshold for name, gradient in total.items()}
