"""Group influence as the public code of the paper computes it, errors included."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from spurlab.data import Examples
from spurlab.deletion.mean_loss import MeanLoss
from spurlab.deletion.method import deleting
from spurlab.deletion.weights import moved
from spurlab.seeds import rng_for
from spurlab.training.losses import cross_entropy

DEPTH, DEPTH_MANY, MANY = 2_000, 1_000, 100  # the public code's depths, unless told: for few, for MANY to forget


@dataclass(frozen=True)
class ReferenceInfluence:
    r"""Group influence with the arithmetic of the rare-spurious paper's public code. It is wrong: never delete by it.

    .. math:: \theta' = \theta + \frac{1}{1 - p}\, \frac{1}{n} \sum_{i \in \text{forget}} \frac{h_T^{(i)}}{r}, \qquad
        h_t^{(i)} = \nabla\ell_i + (1 - d)\, h_{t-1}^{(i)} - \frac{\nabla^2 \ell_{j_t} h_{t-1}^{(i)}}{s}

    It is here to show what its errors did:

    - The end of the recursion is not divided by its scale s. The step is s times that of a damping of s times d.
    - The r repetitions are lists of tensors, which ``+=`` puts one behind the other; then each is divided by r, and as
      many as the network has weights are used: the first repetition alone, at an r-th. (So the others are not computed
      here.) Together the step is wrong by s / r: 2.5 for s = 25 (MNIST), 10 for s = 100 (Fashion-MNIST, CIFAR-10).
    - The recursion draws one example at a time, and is run for each deleted example anew, though one for the sum of
      their gradients says the same.
    - It knows no weight decay, and no loss but cross-entropy.

    With a recursion for each example, the public code takes 10 times 100 times 1,000 products to delete 100. Here one
    sequence of draws serves the whole group by default. The recursion is linear in the gradient, so this is the sum
    that the public code would get if all its examples met the same draws: the same mean, with more noise.

    The model is in evaluation mode, as there. Cost: `depth` Hessian products of one example, times the size of the
    group with draws for each. Needs: the examples to be forgotten, single draws of all.

    Args:
        seed: fixes the draws.
        scale: s; the public code has 25 for MNIST, 100 for Fashion-MNIST and CIFAR-10, unless told otherwise. Its list
            of runs, params.py, also has 150 (Fashion-MNIST, and MNIST with 100 examples) and 1,000 (CIFAR-10). Which
            runs made the paper's figures was not found.
        damping: d; 0.01 as there.
        depth: T; None: as there on MNIST and Fashion-MNIST, 2,000, or 1,000 to forget 100 examples or more. On CIFAR-10
            it is 1,000 there for any number (``influence-reference-1000`` in the table). The list of runs also has 500
            and 200.
        repetitions: r; 10 as there.
        draws: ``shared`` by the group, or new ones for ``each`` of its examples as in the public code.

    Raises:
        FloatingPointError: the recursion diverged.

    Source: the public code of Yang et al. (2022), arXiv:2202.05189 (settings and arithmetic).
    """

    seed: int = 0
    scale: float = 100.0
    damping: float = 0.01
    depth: int | None = None
    repetitions: int = 10
    draws: Literal["shared", "each"] = "shared"

    @deleting
    def __call__(self, model: nn.Module, data: Examples, forget: Bool[Tensor, " n"]) -> nn.Module:
        if not forget.any():
            return model
        forgotten, size = data[forget], int(forget.sum())
        groups = [forgotten] if self.draws == "shared" else [forgotten[i : i + 1] for i in range(size)]
        rng, depth = rng_for(self.seed, "deletion", "reference"), self.depth or (DEPTH_MANY if size >= MANY else DEPTH)
        sums = [len(group) * MeanLoss(model, group.inputs, group.labels, cross_entropy).gradient() for group in groups]
        h = torch.stack([self._recursion(model, data, gradient, depth, rng) for gradient in sums]).sum(0)
        return moved(model, h / self.repetitions / (1 - size / len(data)) / len(data))

    def _recursion(self, model: nn.Module, data: Examples, v: Tensor, depth: int, rng: torch.Generator) -> Tensor:
        """One repetition."""
        h = v
        for row in torch.randint(len(data), (depth,), generator=rng).split(1):
            product = MeanLoss(model, data.inputs[row], data.labels[row], cross_entropy).hessian(h)
            h = v + (1 - self.damping) * h - product / self.scale
        return h
