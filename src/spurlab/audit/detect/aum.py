"""Area under the margin: how far the label lay ahead of the other classes while a network was trained."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from spurlab.data import Examples
from spurlab.models import architecture_named, build, made
from spurlab.patterns import Planted
from spurlab.training import Member, Recipe, logits, train_one


def margins(answers: Float[Tensor, "n k"], labels: Tensor) -> Float[Tensor, " n"]:
    """The logit of the label less the largest of the others.

    >>> margins(torch.tensor([[3.0, 1.0, 2.0], [3.0, 1.0, 2.0]]), torch.tensor([0, 1])).tolist()
    [1.0, -2.0]
    """
    own = answers.gather(1, labels[:, None])
    return (own - answers.scatter(1, labels[:, None], -torch.inf).amax(1, keepdim=True)).squeeze(1)


def aum(
    train: Examples, architecture: str | Callable[[], nn.Module], recipe: Recipe, *, classes: int, seed: int = 0
) -> Float[Tensor, " n"]:
    r"""Minus the mean margin of each example over the epochs: the highest are those that the network doubts longest.

    .. math:: -\frac{1}{T} \sum_{t=1}^{T} z^{(t)}_{y_i}(x_i) - \max_{c \ne y_i} z^{(t)}_c(x_i)

    Logits are those at the end of each epoch, in evaluation mode.

    Args:
        train: n examples.
        architecture: as `spurlab.fit` takes it.
        recipe: how to train, for one epoch or more.
        classes: k, two or more.
        seed: of the network.

    Source: Pleiss et al. (2020), Identifying mislabeled data using the area under the margin ranking,
        arXiv:2001.10528, equation 1 (there with the logits during the epoch).
    """
    if isinstance(architecture, str):
        network = build(architecture_named(architecture), train.shape, classes, seed)
    else:
        network = made(architecture, train.shape, seed)
    area = torch.zeros(len(train))

    def record() -> None:
        nonlocal area
        area = area + margins(logits(network, train.inputs), train.labels) / recipe.epochs

    train_one(network, Member(Planted.none(train), seed), recipe, after_epoch=record)
    return -area
