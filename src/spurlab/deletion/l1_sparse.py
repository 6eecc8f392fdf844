"""Fine-tuning with a price on every weight."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor, nn
from torch.nn import functional as F

from spurlab.data import Examples
from spurlab.deletion.method import deleting
from spurlab.deletion.search import strongest
from spurlab.deletion.steps import fine_tuning
from spurlab.lent import copied_network
from spurlab.methods import Batch, Descent
from spurlab.training import Recipe


@dataclass(frozen=True)
class L1Sparse:
    r"""l1-sparse: fine-tuning on the retained examples with a penalty that thins the network out, and fades.

    .. math:: \min_\theta \frac{1}{N_r} \sum_{i \in \text{retained}} \ell(\theta, x_i, y_i)
        + \gamma_t \lVert \theta \rVert_1, \qquad \gamma_t = \gamma \Big(1 - \frac{t}{T}\Big)

    for epoch t of T, counted from 0.

    The penalty is a proximal step after each step of the recipe's optimizer: weights shrink by the rate times
    :math:`\gamma_t`, and stop at zero. To first order these are the paper's steps, which are SGD's. Adam would divide a
    penalty within the loss by the size of the gradients: where these are small, all weights would shrink by the rate,
    whatever :math:`\gamma`.

    How large gamma may be depends on the network (the public code's default is 0.2, others run it with 1e-4), so it is
    the largest of `penalties` that the retained examples can bear, see `spurlab.deletion.search.strongest`.

    Cost: `epochs` over the retained examples, for each penalty that is tried. Needs: the retained examples.

    Args:
        recipe: its optimizer, batch size, loss and so on; epochs and rate are this method's.
        seed: fixes the order of the examples, and the sample of the search.
        penalties: gamma, to choose from, rising. One: no choice.
        epochs: the public code's 10.
        rate: None: a tenth of the recipe's, as in the public code.
        slack: how far the mean loss of retained examples may rise, in nats.

    Source: Jia et al. (2023), Model sparsity can simplify machine unlearning, arXiv:2304.04934 (sparsity-aware
    unlearning), and its public code.
    """

    recipe: Recipe
    seed: int = 0
    penalties: tuple[float, ...] = (1e-3, 1e-2, 1e-1)
    epochs: int = 10
    rate: float | None = None
    slack: float = 0.05

    @deleting
    def __call__(self, model: nn.Module, data: Examples, forget: Bool[Tensor, " n"]) -> nn.Module:
        retain = data[~forget]
        recipe = fine_tuning(self.recipe, self.epochs, self.rate)

        def thinned(penalty: float) -> nn.Module:
            descent = Descent(copied_network(model), recipe, self.seed, "l1-sparse")

            def batches(epoch: int) -> Iterator[Batch]:
                fading = penalty * (1 - epoch / self.epochs)
                for batch in descent.batches(retain, epoch):
                    yield batch
                    shrink(descent.model, recipe.learning_rate * fading)  # after the step on this batch

            return descent.train(batches, descent.loss)

        return strongest(self.penalties, thinned, model, retain, self.seed, slack=self.slack)


@torch.no_grad()
def shrink(model: nn.Module, by: float) -> None:
    """Every weight that may change moves this far towards zero, and stays there if it would cross it.

    >>> layer = nn.Linear(3, 1, bias=False)
    >>> with torch.no_grad():
    ...     layer.weight.copy_(torch.tensor([[1.0, -0.5, 0.1]])).shape
    torch.Size([1, 3])
    >>> shrink(layer, 0.25)
    >>> layer.weight.tolist()
    [[0.75, -0.25, 0.0]]
    """
    for weight in model.parameters():
        if weight.requires_grad:
            weight.copy_(F.softshrink(weight, by))
