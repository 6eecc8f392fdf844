"""Group distributionally robust optimization: training on the worst mixture of groups."""

from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor, nn

from spurlab.data import Examples
from spurlab.methods import Batch, Make
from spurlab.methods.settings import not_negative
from spurlab.prevention.method import groups_of, preventing
from spurlab.prevention.steps import begin, drawn_evenly, train_on
from spurlab.training import Recipe
from spurlab.training.losses import LOSSES


@dataclass(frozen=True)
class GroupDro:
    r"""GroupDRO: the least loss of the worst group, by steps on a mixture of groups that follows the losses.

    .. math:: \min_\theta \max_g \Big\{ \frac{1}{n_g} \sum_{i \in g} \ell_i(\theta) + \frac{C}{\sqrt{n_g}} \Big\},
        \qquad
        q_g \leftarrow \frac{q_g \exp\{\eta (L_g + C / \sqrt{n_g})\}}{\sum_h q_h \exp\{\cdot\}}, \qquad
        \theta \text{ descends } \sum_g q_g L_g

    with :math:`L_g` the mean loss of the group in the batch. A group that a batch does not meet keeps its share of q up
    to the sum, as in algorithm 1, which updates one group at a time; the public code adds the adjustment to it too.
    Groups without examples are left out of q.

    The paper finds that the worst group gains only where the network cannot fit all training examples: with a large
    weight decay or few epochs, hence `weight_decay` and `best_epoch`.

    Cost: one training. Needs: the groups of the training examples; those of a clean set for `best_epoch`.

    Args:
        recipe: how the network was trained.
        seed: fixes the draws and the initial weights.
        eta: :math:`\eta`, the step size of q; the public code's 0.01.
        adjustment: :math:`C`, for groups so small that they are fitted better than they generalize; the paper tries 0
            to 5. 0 as in the public code's default.
        resample: draw the examples so that all groups are met equally often, as in algorithm 1 and the paper's
            experiments; else each once an epoch.
        weight_decay: the l2 penalty; None: the recipe's. The paper's strong one is 0.1 to 1.
        best_epoch: keep the epoch whose worst clean group is served best, as the public code does by its validation
            set.
        make: as in `spurlab.deletion.Retrain`.

    Source: Sagawa, Koh, Hashimoto and Liang (2020), Distributionally robust neural networks for group shifts,
    arXiv:1911.08731, algorithm 1 and section 3.3.
    """

    recipe: Recipe
    seed: int = 0
    eta: float = 0.01
    adjustment: float = 0.0
    resample: bool = True
    weight_decay: float | None = None
    best_epoch: bool = True
    make: Make | None = None

    def __post_init__(self) -> None:
        not_negative(eta=self.eta, adjustment=self.adjustment, weight_decay=self.weight_decay or 0.0)

    @preventing
    def __call__(self, model: nn.Module, data: Examples, clean: Examples) -> nn.Module:
        groups = groups_of(data, "training", "GroupDRO")
        decay = self.recipe.weight_decay if self.weight_decay is None else self.weight_decay
        recipe = self.recipe.but(weight_decay=decay)
        descent = begin(model, recipe, self.seed, "group-dro", self.make)
        mixture = Mixture(groups.bincount(), self.eta, self.adjustment)

        def loss(batch: Batch) -> Float[Tensor, ""]:
            losses = LOSSES[recipe.loss](descent.logits(batch), batch.labels)
            return mixture.loss(losses, groups[batch.rows])

        evenly, once = drawn_evenly(descent, data, groups, self.seed, "group-dro"), partial(descent.batches, data)
        best_by = clean if self.best_epoch else None
        return train_on(descent, evenly if self.resample else once, loss, best_by, "GroupDRO")


class Mixture:
    """The shares q of the groups, none of them empty, which follow their losses by steps of `eta`.

    With an adjustment C a group's loss counts as C / sqrt(size) more.
    """

    def __init__(self, sizes: Int64[Tensor, " g"], eta: float, adjustment: float = 0.0) -> None:
        self.q = torch.full((len(sizes),), 1 / len(sizes), dtype=torch.float64)
        self._eta, self._added = eta, adjustment / sizes.double().sqrt()

    def loss(self, losses: Float[Tensor, " b"], groups: Int64[Tensor, " b"]) -> Float[Tensor, ""]:
        """The mixture of the mean losses of a batch, after q has followed them."""
        met = groups.bincount(minlength=len(self.q))
        sums = losses.new_zeros(len(met)).index_add(0, groups.to(losses.device), losses)
        means = sums / met.clamp(min=1).to(losses.device)
        adjusted = torch.where(met > 0, means.detach().cpu().double() + self._added, 0.0)
        self.q = followed(self.q, adjusted, self._eta)
        return (self.q.to(means) * means).sum()


def followed(q: Float64[Tensor, " g"], losses: Float64[Tensor, " g"], eta: float) -> Float64[Tensor, " g"]:
    """One step of the exponentiated gradient: q times exp(eta * loss), with the sum 1 again.

    >>> followed(torch.tensor([0.5, 0.5]).double(), torch.tensor([1.0, 0.0]).double(), 0.6931471805599453)  # log 2
    tensor([0.6667, 0.3333], dtype=torch.float64)
    """
    return (q.log() + eta * losses).softmax(0)  # a large loss would overflow the exponential
