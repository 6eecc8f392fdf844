"""Memorisation: how much more often networks are right about an example if it is among those that they learn from."""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from spurlab.data import Examples
from spurlab.errors import InputError
from spurlab.patterns import Planted
from spurlab.seeds import rng_for, seed_for
from spurlab.terminal import on_a_line
from spurlab.training import Member, Progress, Recipe, fit

NETWORKS = 40


def halves(n: int, networks: int, seed: int) -> Bool[Tensor, "networks n"]:
    """Which examples each network learns from: a half drawn at random, then the other half, and so on.

    So each example is in half of the networks, and out of as many.
    """
    chosen = torch.zeros(networks, n, dtype=torch.bool)
    for pair in range(networks // 2):
        chosen[2 * pair, torch.randperm(n, generator=rng_for(seed, "halves", pair))[: n // 2]] = True
        chosen[2 * pair + 1] = ~chosen[2 * pair]
    return chosen


def memorisation(
    train: Examples,
    architecture: str | Callable[[], nn.Module],
    recipe: Recipe,
    *,
    classes: int,
    seed: int = 0,
    networks: int = NETWORKS,
    workers: int | None = None,
    progress: Callable[[Progress], None] = on_a_line,
) -> Float[Tensor, " n"]:
    r"""The share of networks that are right about an example and learnt from it, less that of those that did not.

    .. math:: \Pr_{h \sim A(S)}[h(x_i) = y_i] - \Pr_{h \sim A(S^{\setminus i})}[h(x_i) = y_i]

    S are halves of the examples; all networks are trained in lockstep where they can be. In [-1, 1].

    Args:
        train: n examples, two or more.
        architecture: as `spurlab.fit` takes it.
        recipe: how to train.
        classes: k.
        seed: of halves and networks.
        networks: how many, an even number.
        workers: processes that train, as of `spurlab.fit`.
        progress: as of `spurlab.fit`.

    Raises:
        ValueError: an odd number of networks, or none; fewer than two examples.

    Source: Feldman and Zhang (2020), What neural networks memorize and why, arXiv:2008.03703, equation 1, by the
        estimate of its algorithm 1 (there with 70 % of the examples at a time and 2,000 networks).
    """
    if networks < 2 or networks % 2:
        raise InputError(f"memorisation takes an even number of networks, two or more, but it is {networks}.")
    if len(train) < 2:
        raise InputError(f"memorisation takes two examples or more, but there are {len(train)}.")
    learnt, whole = halves(len(train), networks, seed), Planted.none(train)
    members = [Member(whole.without(~own), seed_for(seed, "memorisation", i)) for i, own in enumerate(learnt)]
    trained = fit(architecture, members, recipe, classes=classes, workers=workers, progress=progress)
    right = trained.predict(train.inputs).argmax(-1) == train.labels
    return ((right & learnt).sum(0) - (right & ~learnt).sum(0)) / (networks / 2)
