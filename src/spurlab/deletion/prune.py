"""Fewer weights first, then fine-tuning of what is left."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from spurlab.data import Examples
from spurlab.deletion.method import deleting
from spurlab.deletion.search import bearable_for
from spurlab.deletion.steps import fine_tuning
from spurlab.errors import InputError
from spurlab.lent import copied_network
from spurlab.methods import Descent
from spurlab.training import Recipe


@dataclass(frozen=True)
class PruneFinetune:
    r"""Prune first, then unlearn: the smallest weights go, the others are fine-tuned on the retained examples.

    .. math:: m = \mathbf{1}\big[\,|\theta_0| > \text{quantile}_{s}(|\theta_0|)\,\big], \qquad
        \min_\theta \frac{1}{N_r} \sum_{i \in \text{retained}} \ell(m \odot \theta, x_i, y_i), \qquad
        \theta \text{ from } \theta_0 \text{ on}

    One-shot magnitude pruning over all layers together. Only weights of linear layers and convolutions are pruned;
    biases and batch norm are few and stay. Pruned weights stay at zero. An empty forget set is pruned for all the same.

    The public code prunes convolutions only, by 95 %, and before it unlearns it trains the sparse network again on all
    data, from the weights of epoch 8. Here fine-tuning on the retained examples has to do both, and a small network may
    not survive 95 %. So the sparsity is the first of `sparsities` that leaves the retained examples' mean loss, on a
    sample of them, at most `slack` above what it was; the last if none does.

    Cost: `epochs` over the retained examples, for each sparsity that is tried. Needs: the retained examples.

    Args:
        recipe: its optimizer, batch size, loss and so on; epochs and rate are this method's.
        seed: fixes the order of the examples.
        sparsities: s, the share that is pruned, to choose from, falling. The first is the public code's, the
            others are ours. One: no choice.
        epochs: the public code's 10.
        rate: None: a tenth of the recipe's, as in the public code.
        slack: see above, in nats.

    Source: Jia et al. (2023), Model sparsity can simplify machine unlearning, arXiv:2304.04934.
    """

    recipe: Recipe
    seed: int = 0
    sparsities: tuple[float, ...] = (0.95, 0.8, 0.5)
    epochs: int = 10
    rate: float | None = None
    slack: float = 0.05

    @deleting
    def __call__(self, model: nn.Module, data: Examples, forget: Bool[Tensor, " n"]) -> nn.Module:
        retain = data[~forget]
        recipe = fine_tuning(self.recipe, self.epochs, self.rate)
        bearable = bearable_for(model, retain, self.seed, slack=self.slack)
        for sparsity in self.sparsities:
            pruned = copied_network(model)
            masks = largest(pruned, 1 - sparsity)
            with torch.no_grad():
                for name, mask in masks.items():
                    pruned.get_parameter(name).mul_(mask)
            Descent(pruned, recipe, self.seed, "prune", masks).train_on(retain)
            if bearable(pruned):
                break
        return pruned


def largest(model: nn.Module, share: float) -> dict[str, Bool[Tensor, "..."]]:
    """By name, True for this share of the weights of linear layers and convolutions: those of largest magnitude.

    Raises:
        ValueError: a share that is none, or no such weights.
    """
    if not 0 < share <= 1:
        raise InputError(f"the share of weights that is kept must lie in (0, 1], but it is {share}.")
    weights = {name: p.detach() for name, p in model.named_parameters() if p.requires_grad and p.ndim > 1}
    if not weights:
        raise InputError(f"this {type(model).__name__} has no weights of linear layers or convolutions to prune.")
    sizes = torch.cat([weight.abs().flatten() for weight in weights.values()])
    kept = torch.zeros_like(sizes, dtype=torch.bool)
    kept[sizes.topk(math.ceil(share * len(sizes) - 1e-9)).indices] = True  # 5 % of 100 is 5, also as 1 - 0.95
    parts = kept.split([weight.numel() for weight in weights.values()])
    return {name: part.view_as(weight) for (name, weight), part in zip(weights.items(), parts, strict=True)}
