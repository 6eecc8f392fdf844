"""Learning from failure: a network that is made to be biased shows another one what is hard."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from spurlab.data import Examples
from spurlab.errors import InputError
from spurlab.methods import Make
from spurlab.methods.settings import share_of
from spurlab.prevention.method import preventing
from spurlab.prevention.steps import begin
from spurlab.training import Recipe

TINY = 1e-8  # both losses can be 0


@dataclass(frozen=True)
class Lff:
    r"""LfF: two networks at once, a biased one and one that learns what the biased one fails at.

    .. math:: \mathrm{GCE}(p, y) = \frac{1 - p_y^q}{q}, \qquad W_i = \frac{L_B(i)}{L_B(i) + L_D(i)}, \qquad
        \min_{\theta_D} \frac{1}{n} \sum_i W_i \, \ell(f_D(x_i), y_i)

    The biased network B descends the generalized cross-entropy, whose gradient is that of the cross-entropy times
    :math:`p_y^q`: what it already predicts counts most, so it stays with the easy feature. The weights compare the
    cross-entropies of B and of the debiased network D, each as a running mean over the example's earlier turns, divided
    by the largest of its class.

    The public code's GCE is q times the paper's, which is the same for Adam; here it is the paper's.

    Cost: two trainings at once. Needs: no groups and no clean data.

    Args:
        recipe: how the network was trained; its optimizer, batch size, epochs and so on train both. The loss of this
            method is the cross-entropy.
        seed: fixes the initial weights of both and the order of the examples.
        q: :math:`q`, the more the more biased; the paper's 0.7.
        memory: of the running means; the public code's 0.7.
        make: as in `spurlab.deletion.Retrain`.

    Source: Nam, Cha, Ahn, Lee and Shin (2020), Learning from failure: training debiased classifier from biased
    classifier, arXiv:2007.02561, algorithm 1, and its public code (the running means).
    """

    recipe: Recipe
    seed: int = 0
    q: float = 0.7
    memory: float = 0.7
    make: Make | None = None

    def __post_init__(self) -> None:
        if not 0 < self.q <= 1:
            raise InputError(f"`q` of LfF must be above 0, and 1 at most, but it is {self.q}.")
        share_of("memory", self.memory, "past")

    @preventing
    def __call__(self, model: nn.Module, data: Examples, clean: Examples) -> nn.Module:
        biased, debiased = (begin(model, self.recipe, self.seed, f"lff {name}", self.make) for name in ("B", "D"))
        past_b, past_d = (RunningLosses(data.labels, self.memory) for _ in range(2))
        for epoch in range(self.recipe.epochs):
            with biased.epoch(epoch), debiased.epoch(epoch):
                for batch in debiased.batches(data, epoch):
                    logits_b, logits_d = biased.logits(batch), debiased.logits(batch)
                    losses_b, losses_d = (
                        F.cross_entropy(logits, batch.labels, reduction="none") for logits in (logits_b, logits_d)
                    )
                    relative_b = past_b.update(batch.rows, losses_b.detach().cpu())
                    relative_d = past_d.update(batch.rows, losses_d.detach().cpu())
                    weights = relative_difficulty(relative_b, relative_d).to(losses_d)
                    biased.step(generalized_cross_entropy(logits_b, batch.labels, self.q).mean())
                    debiased.step((weights * losses_d).mean())
        return debiased.model


class RunningLosses:
    """The running mean of each example's loss: of `memory` parts of the past. Its first loss counts in full."""

    def __init__(self, labels: Int64[Tensor, " n"], memory: float) -> None:
        self._labels, self._memory = labels, memory
        self._means = torch.zeros(len(labels))
        self._seen = torch.zeros(len(labels), dtype=torch.bool)
        self._classes = int(labels.max()) + 1

    def update(self, rows: Int64[Tensor, " b"], losses: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
        """Take in the losses of a batch; their running means, divided by the largest of the class so far."""
        kept = self._memory * self._means[rows] + (1 - self._memory) * losses
        self._means[rows] = torch.where(self._seen[rows], kept, losses)
        self._seen[rows] = True
        largest = self._means.new_zeros(self._classes).scatter_reduce(0, self._labels, self._means, "amax")
        return self._means[rows] / largest[self._labels[rows]].clamp(min=TINY)


def relative_difficulty(biased: Float[Tensor, " b"], debiased: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
    """The weights W, in [0, 1]: near 1 for what only the biased network fails at.

    >>> relative_difficulty(torch.tensor([3.0, 0.0]), torch.tensor([1.0, 1.0]))
    tensor([0.7500, 0.0000])
    """
    return biased / (biased + debiased + TINY)


def generalized_cross_entropy(
    logits: Float[Tensor, "b k"], labels: Int64[Tensor, " b"], q: float
) -> Float[Tensor, " b"]:
    """``(1 - p ** q) / q`` for the probability p of the label: the cross-entropy for q to 0, one minus p for q = 1.

    Source: Zhang and Sabuncu (2018), Generalized cross entropy loss for training deep neural networks with noisy
    labels, arXiv:1805.07836.

    >>> generalized_cross_entropy(torch.zeros(1, 4), torch.tensor([2]), 0.5)  # (1 - 1/2) / (1/2)
    tensor([1.])
    """
    log_p = -F.cross_entropy(logits, labels, reduction="none")
    return (1 - (q * log_p).exp()) / q
