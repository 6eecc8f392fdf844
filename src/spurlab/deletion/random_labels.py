"""Wrong labels for the forgotten examples."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Int64
from torch import Generator, Tensor, nn

from spurlab.data import Examples
from spurlab.deletion.method import deleting
from spurlab.deletion.steps import fine_tuning
from spurlab.errors import InputError
from spurlab.methods import Descent
from spurlab.models import check_answers
from spurlab.seeds import rng_for
from spurlab.training import Recipe


@dataclass(frozen=True)
class RandomLabels:
    r"""Random relabelling: fine-tuning on all examples, the forgotten ones with wrong labels.

    .. math:: \min_\theta \sum_{i \in \text{retained}} \ell(\theta, x_i, y_i)
        + \sum_{i \in \text{forgotten}} \ell(\theta, x_i, y'_i), \qquad y'_i \sim \mathcal{U}(\{1..k\} \setminus y_i)

    The wrong labels are drawn once, before training, and all examples are shuffled together, as in the public code of
    Graves et al.

    Cost: `epochs` over all examples. Needs: all examples, and two classes or more.

    Args:
        recipe: its optimizer, batch size, loss and so on; epochs and rate are this method's.
        seed: fixes the wrong labels and the order of the examples.
        epochs: over all examples; 10 as in the public code of Graves et al., and in that of Fan et al. (2024),
            arXiv:2310.12508.
        rate: None: a tenth of the recipe's. Our choice: the public code of Graves et al. goes on at the rate of
            training, with the state of its optimizer.

    Source: Graves et al. (2021), Amnesiac machine learning, arXiv:2010.10981 ("unlearning"). As a baseline, without the
    retained examples, in Golatkar et al. (2020), arXiv:1911.04933.
    """

    recipe: Recipe
    seed: int = 0
    epochs: int = 10
    rate: float | None = None

    @deleting
    def __call__(self, model: nn.Module, data: Examples, forget: Bool[Tensor, " n"]) -> nn.Module:
        false = relabelled(data, forget, classes_of(model, data), rng_for(self.seed, "deletion", "random labels"))
        recipe = fine_tuning(self.recipe, self.epochs, self.rate)
        return Descent(model, recipe, self.seed, "random labels").train_on(false)


def relabelled(data: Examples, forget: Bool[Tensor, " n"], classes: int, rng: Generator) -> Examples:
    """The examples, those to be forgotten with wrong labels: each of the others with the same probability."""
    labels = data.labels.clone()
    labels[forget] = wrong(labels[forget], classes, rng)
    return replace(data, labels=labels)


def wrong(labels: Int64[Tensor, " n"], classes: int, rng: Generator) -> Int64[Tensor, " n"]:
    """Other labels than these.

    Raises:
        ValueError: there is one class only.

    >>> wrong(torch.tensor([0, 1, 0]), 2, torch.Generator())
    tensor([1, 0, 1])
    """
    if classes < 2:
        raise InputError("there is only one class: no label is wrong.")
    return (labels + torch.randint(1, classes, labels.shape, generator=rng).to(labels.device)) % classes


def classes_of(model: nn.Module, data: Examples) -> int:
    """How many logits the network gives."""
    return check_answers(model, data.inputs[:1]).shape[1]
