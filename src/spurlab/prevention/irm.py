"""Invariant risk minimization: one classifier that is the best in each environment."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from spurlab.data import Examples
from spurlab.errors import InputError
from spurlab.methods import Batch, Make
from spurlab.methods.settings import not_negative
from spurlab.prevention.method import attributes, preventing
from spurlab.prevention.steps import begin, drawn_evenly
from spurlab.training import Recipe
from spurlab.training.losses import LOSSES, LossName


@dataclass(frozen=True)
class Irm:
    r"""IRMv1: training anew with a price on whatever a scale of the logits could gain in one environment.

    .. math:: \min_\theta \frac{1}{E} \sum_{e} R_e(f_\theta) + \lambda
        \Big( \frac{\partial}{\partial w} R_e(w f_\theta) \Big|_{w=1} \Big)^2

    An environment is a value of the spurious attribute, read off group = label * A + attribute, see
    `spurlab.prevention.method.attributes`. The paper's environments are different: in each both values of the attribute
    occur, and the correlation varies. Within one of ours the attribute is constant, and what varies is how common the
    classes are; so do not expect of it what the paper shows.

    Environments are drawn evenly. For batches the square is the product of two halves' derivatives, as in the paper's
    appendix D, which has the right mean; an environment with fewer than two examples in a batch has no penalty there.
    The sum is divided by the penalty's weight where that is above 1, as in the public code, so that the steps stay of
    one size. In small batches the noise of the penalty then drowns the risk: lower `penalty`, or take larger batches.

    Cost: one training, with a second backward pass through the loss alone. Needs: the groups of the training examples.

    Args:
        recipe: how the network was trained.
        seed: fixes the draws and the initial weights.
        penalty: :math:`\lambda` after the first epochs; 1 in them. 100 is the default of Gulrajani and Lopez-Paz
            (2021), arXiv:2007.01434, who train on batches too; the paper's 10,000 is for steps on all data at once.
        anneal: the share of the epochs with a penalty of 1; the public code's fifth (100 of 501 steps).
        make: as in `spurlab.deletion.Retrain`.

    Raises:
        ValueError: only one environment.

    Source: Arjovsky, Bottou, Gulrajani and Lopez-Paz (2019), Invariant risk minimization, arXiv:1907.02893, section 3.1
    and appendix D.
    """

    recipe: Recipe
    seed: int = 0
    penalty: float = 100.0
    anneal: float = 0.2
    make: Make | None = None

    def __post_init__(self) -> None:
        not_negative(penalty=self.penalty)
        if not 0 <= self.anneal <= 1:
            raise InputError(f"`anneal` is a share of the epochs, 0 to 1, but it is {self.anneal}.")

    @preventing
    def __call__(self, model: nn.Module, data: Examples, clean: Examples) -> nn.Module:
        environments = attributes(data, "IRM")
        values = environments.unique().tolist()
        if len(values) == 1:
            raise InputError(
                f"IRM needs two environments or more, but the spurious attribute is {values[0]} for all {len(data)} "
                "training examples. Give data in which it varies."
            )
        descent = begin(model, self.recipe, self.seed, "irm", self.make)
        evenly = drawn_evenly(descent, data, environments, self.seed, "irm")
        gentle = math.ceil(self.anneal * self.recipe.epochs)

        def drawn(epoch: int) -> Iterator[tuple[Batch, float]]:
            penalty = self.penalty if epoch >= gentle else min(1.0, self.penalty)
            return ((batch, penalty) for batch in evenly(epoch))

        def loss(weighed: tuple[Batch, float]) -> Float[Tensor, ""]:
            batch, penalty = weighed
            logits = descent.logits(batch)
            risk = invariant_risk(logits, batch.labels, environments[batch.rows], penalty, self.recipe.loss)
            return risk / max(1.0, penalty)

        return descent.train(drawn, loss)


def invariant_risk(
    logits: Float[Tensor, "b k"],
    labels: Int64[Tensor, " b"],
    environments: Int64[Tensor, " b"],
    penalty: float,
    loss: LossName,
) -> Float[Tensor, ""]:
    """The mean over the environments of a batch of the risk and its penalty."""
    risks = []
    for environment in environments.unique().tolist():
        rows = (environments == environment).to(logits.device)
        inside = logits[rows], labels[rows]
        risks.append(LOSSES[loss](*inside).mean() + penalty * scale_penalty(*inside, loss))
    return torch.stack(risks).mean()


def scale_penalty(
    logits: Float[Tensor, "b k"], labels: Int64[Tensor, " b"], loss: LossName = "ce"
) -> Float[Tensor, ""]:
    """The squared derivative of the mean loss in a scale of the logits, at 1: as the product of that of two halves.

    The halves are every other example. 0 for fewer than two.

    >>> logits, labels = torch.tensor([[0.0, 2.0]] * 2), torch.tensor([0, 0])
    >>> round(scale_penalty(logits, labels).item(), 4)  # p_1 z_1 - z_0 = 2 / (1 + exp(-2)) = 1.7616, squared
    3.1032
    """
    if len(logits) < 2:
        return logits.new_zeros(())
    scale = logits.new_ones(()).requires_grad_()
    one, other = (
        torch.autograd.grad(LOSSES[loss](logits[half] * scale, labels[half]).mean(), scale, create_graph=True)[0]
        for half in (slice(0, None, 2), slice(1, None, 2))
    )
    return one * other
