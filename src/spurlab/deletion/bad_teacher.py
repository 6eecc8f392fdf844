"""Two teachers: the given network for the retained examples, an untrained one for the forgotten."""

import math
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from spurlab.data import Examples
from spurlab.deletion.method import deleting
from spurlab.deletion.steps import divergence, fine_tuning, teacher_from
from spurlab.errors import InputError
from spurlab.methods import Batch, Descent, Make, untrained
from spurlab.seeds import rng_for, seed_for
from spurlab.training import Recipe


@dataclass(frozen=True)
class BadTeacher:
    r"""Bad teaching: the network learns to say what an untrained one says of the forgotten examples.

    .. math:: \min_\theta \; \sum_i (1 - u_i) \, \mathrm{KL}\big(T_s(x_i) \,\|\, S_\theta(x_i)\big)
        + u_i \, \mathrm{KL}\big(T_d(x_i) \,\|\, S_\theta(x_i)\big)

    with :math:`u_i = 1` for forgotten examples, the competent teacher :math:`T_s`, which is the given network, and the
    incompetent one :math:`T_d`, which has its architecture and new weights. Labels play no part.

    The settings are those of one experiment of the public code, which forgets a sub-class of CIFAR-100. Its loss is the
    mean over the k classes too: the same for Adam, but by SGD the steps here are k times as long.

    Cost: `epochs` over the forgotten and a share of the retained examples, with three times the forward passes. Needs:
    the forgotten and some retained examples.

    Args:
        recipe: its optimizer, batch size and so on; epochs, rate and loss are this method's.
        seed: fixes the incompetent teacher, the retained examples that are taken, and the order.
        retained: the share of the retained examples that is taken; the public code's 30 %.
        epochs: the public code's one.
        rate: the public code's, for Adam.
        temperature: that the logits are divided by; the public code's 1.
        make: as in `Retrain`.

    Source: Chundawat et al. (2023), Can bad teaching induce forgetting? Unlearning in deep networks using an
    incompetent teacher, arXiv:2205.08096.
    """

    recipe: Recipe
    seed: int = 0
    retained: float = 0.3
    epochs: int = 1
    rate: float = 1e-4
    temperature: float = 1.0
    make: Make | None = None

    @deleting
    def __call__(self, model: nn.Module, data: Examples, forget: Bool[Tensor, " n"]) -> nn.Module:
        if not 0 < self.retained <= 1:
            raise InputError(f"`retained` is a share of the examples, in (0, 1], but it is {self.retained}.")
        competent = teacher_from(model)
        incompetent = teacher_from(untrained(model, seed_for(self.seed, "deletion", "bad teacher"), self.make))
        rows = self._taken(forget)
        taken, bad = data[rows], forget[rows]
        descent = Descent(model, fine_tuning(self.recipe, self.epochs, self.rate), self.seed, "bad teacher")

        def loss(batch: Batch) -> Float[Tensor, ""]:
            good, poor = (descent.logits(batch, teacher) for teacher in (competent, incompetent))
            teacher = torch.where(bad[batch.rows].unsqueeze(1).to(good.device), poor, good)
            return divergence(teacher / self.temperature, descent.logits(batch) / self.temperature).mean()

        return descent.train(partial(descent.batches, taken), loss)

    def _taken(self, forget: Bool[Tensor, " n"]) -> Tensor:
        retain = (~forget).nonzero().squeeze(1)
        order = torch.randperm(len(retain), generator=rng_for(self.seed, "deletion", "bad teacher", "retained"))
        taken = retain[order[: math.ceil(self.retained * len(retain))]]
        return torch.cat([forget.nonzero().squeeze(1), taken])
