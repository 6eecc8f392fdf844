"""Memorisation: how much more often networks are right about an example if it is among those that they learn from."""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor, nn

from spurlab.data import Examples
from spurlab.patterns import Planted
from spurlab.privacy.halves import halves
from spurlab.seeds import seed_for
from spurlab.terminal import on_a_line
from spurlab.training import Member, Progress, Recipe, fit

NETWORKS = 40


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
    learnt, whole = halves(len(train), networks, seed).members, Planted.none(train)
    members = [Member(whole.without(~own), seed_for(seed, "memorisation", i)) for i, own in enumerate(learnt)]
    trained = fit(architecture, members, recipe, classes=classes, workers=workers, progress=progress)
    right = trained.predict(train.inputs).argmax(-1) == train.labels
    return ((right & learnt).sum(0) - (right & ~learnt).sum(0)) / (networks / 2)
