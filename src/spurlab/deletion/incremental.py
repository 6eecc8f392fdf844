"""Go on training without them."""

from dataclasses import dataclass

from jaxtyping import Bool
from torch import Tensor, nn

from spurlab.data import Examples
from spurlab.deletion.method import deleting
from spurlab.methods import device_of
from spurlab.methods.settings import one_or_more
from spurlab.patterns import Planted
from spurlab.seeds import seed_for
from spurlab.training import Member, Recipe, train_one


@dataclass(frozen=True)
class Incremental:
    r"""Incremental retraining: training goes on from the given weights, on the retained examples alone.

    .. math:: \theta_{t+1} = \theta_t - \eta_t \nabla \frac{1}{|B_t|} \sum_{i \in B_t} \ell(\theta_t, x_i, y_i),
        \qquad B_t \subseteq \text{retained}

    The paper says that it goes on for as many epochs as the network was trained for. What it does depends on the
    learning rate, which the paper does not give. Its public code is configured for 0.01, but with the weights it loads
    the state of the optimizer, and so the rate at which training ended: 1e-5 (1e-4 for SGD on CIFAR-10). It goes on for
    71 epochs at that rate, with the moments that Adam had. Here the optimizer starts anew.

    Cost: one training, for as many epochs as the recipe has or as are told. Needs: the retained examples.

    Args:
        recipe: how to go on.
        seed: fixes the order of the examples; another one than in training.
        rate: at which it goes on throughout; None: by the recipe's schedule, from its start.
        epochs: for how many it goes on, 1 or more; None: for as many as the recipe has.

    Raises:
        ValueError: epochs below 1.

    Source: Yang et al. (2022), arXiv:2202.05189, section 4, and its public code.
    """

    recipe: Recipe
    seed: int = 0
    rate: float | None = None
    epochs: int | None = None

    def __post_init__(self) -> None:
        if self.epochs is not None:
            one_or_more(epochs=self.epochs)

    @deleting
    def __call__(self, model: nn.Module, data: Examples, forget: Bool[Tensor, " n"]) -> nn.Module:
        member = Member(Planted.none(data[~forget]), seed_for(self.seed, "deletion", "incremental"))
        recipe = self.recipe if self.epochs is None else self.recipe.lasting(self.epochs)
        recipe = recipe if self.rate is None else recipe.constant(self.rate)
        return train_one(model, member, recipe, device=device_of(model))[0]
