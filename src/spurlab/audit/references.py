"""Reference networks: trained as the given one was, but without the examples that may teach a mark."""

from collections.abc import Callable

import torch
from jaxtyping import Bool
from torch import nn

from spurlab.data import Examples
from spurlab.errors import InputError
from spurlab.methods import Make, untrained
from spurlab.models.answering import Answering
from spurlab.patterns import Planted
from spurlab.seeds import seed_for
from spurlab.terminal import on_a_line
from spurlab.training import Ensemble, Member, Progress, Recipe, fit

COUNT = 39  # with which p can be 1 / 40


def references(
    network: Answering,
    train: Examples,
    left_out: Bool[torch.Tensor, " n"],
    recipe: Recipe,
    *,
    classes: int,
    make: Make | None = None,
    count: int = COUNT,
    seed: int = 0,
    progress: Callable[[Progress], None] = on_a_line,
) -> Ensemble:
    """Networks as the given one would be, had it never seen some of its training examples.

    Args:
        network: gives their architecture and way of answering; it is left as it was.
        train: its n training examples.
        left_out: True for the examples that they never see.
        recipe: how to train; as the given one was, else they are no references.
        classes: k.
        make: as `spurlab.methods.untrained` takes it; None: a copy, every layer reset.
        count: how many.
        seed: of their own seeds.
        progress: as of `spurlab.training.fit`.

    Raises:
        ValueError: nothing is left to train on; an architecture that cannot be drawn anew, or not be trained.
    """

    def new() -> nn.Module:
        return network.around(untrained(network.network, int(torch.randint(2**31, ())), make).train())

    seeds = [seed_for(seed, "reference", number) for number in range(count)]
    kept = Planted.none(train).without(left_out)
    members = [Member(kept, number) for number in seeds]
    try:
        trained = fit(new, members, recipe, classes=classes, workers=0, progress=progress)
    except InputError as error:
        raise InputError(f"no reference networks can be trained: {error}") from error
    if bool(trained.diverged.any()):
        raise InputError(
            f"{int(trained.diverged.sum())} of {count} reference networks diverged. Give the recipe by which the "
            "network was trained."
        )
    return trained
