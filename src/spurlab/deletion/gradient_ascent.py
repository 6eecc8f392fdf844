"""Up the loss of the forgotten examples."""

from dataclasses import dataclass
from functools import partial

from jaxtyping import Bool
from torch import Tensor, nn

from spurlab.data import Examples
from spurlab.deletion.method import deleting
from spurlab.deletion.search import strongest
from spurlab.deletion.steps import fine_tuning
from spurlab.lent import copied_network
from spurlab.methods import Descent
from spurlab.training import Recipe


@dataclass(frozen=True)
class GradientAscent:
    r"""Gradient ascent: training in reverse, on the forgotten examples alone.

    .. math:: \theta_{t+1} = \theta_t + \eta \nabla \frac{1}{|B_t|} \sum_{i \in B_t} \ell(\theta_t, x_i, y_i),
        \qquad B_t \subseteq \text{forgotten}

    Nothing holds the retained examples in place, so all depends on the rate. The public code of Jia et al. has 1e-4 by
    SGD where training has 0.1 (1e-3 in an older list of its runs). That says little of other networks and optimizers,
    so here it is the largest of `rates` that the retained examples can bear: whose mean loss on a sample of them has
    risen by at most `slack`, see `spurlab.deletion.search.strongest`.

    Cost: `epochs` over the forgotten examples and one look at up to 5,000 retained ones, for each rate that is tried.
    Needs: the forgotten examples; some of the retained ones for the search.

    Args:
        recipe: its optimizer, batch size, loss and so on; epochs and rate are this method's.
        seed: fixes the order of the examples, and the sample of the search.
        epochs: over the forgotten examples; 5 as in the public code of Jia et al.
        rates: to choose from, rising; ours. Adam moves every weight by about the rate at each step, so that from 1e-5
            to 1e-2 all is there between nothing and ruin. One rate: no choice.
        slack: see above, in nats.

    Source: Thudi et al. (2022), Unrolling SGD, arXiv:2109.13398; as a baseline in Graves et al. (2021),
    arXiv:2010.10981, and in Jia et al. (2023), arXiv:2304.04934.
    """

    recipe: Recipe
    seed: int = 0
    epochs: int = 5
    rates: tuple[float, ...] = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
    slack: float = 0.05

    @deleting
    def __call__(self, model: nn.Module, data: Examples, forget: Bool[Tensor, " n"]) -> nn.Module:
        if not forget.any():  # every rate would give the same
            return model

        def ascended(rate: float) -> nn.Module:
            recipe = fine_tuning(self.recipe, self.epochs, rate)
            descent = Descent(copied_network(model), recipe, self.seed, "gradient ascent")
            forgotten = partial(descent.batches, data[forget], part="forget")
            return descent.train(forgotten, lambda batch: -descent.loss(batch))

        return strongest(self.rates, ascended, model, data[~forget], self.seed, slack=self.slack)
