"""What the methods that train anew with a loss or draws of their own share."""

from collections.abc import Callable, Iterable, Iterator

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor, nn

from spurlab.data import Examples
from spurlab.methods import Batch, Descent, Make, untrained
from spurlab.prevention.method import checked_clean, groups_of, own_seed
from spurlab.prevention.worst_group import best_by_worst_group
from spurlab.seeds import rng_for
from spurlab.training import Recipe, logits


def begin(model: nn.Module, recipe: Recipe, seed: int, method: str, make: Make | None) -> Descent:
    """The training of a new network of the same architecture.

    Raises:
        ValueError: as `spurlab.methods.untrained`.
    """
    new = untrained(model, own_seed(seed, method), make)
    return Descent(new, recipe, seed, method, purpose="prevention")


def train_on(
    descent: Descent,
    batches: Callable[[int], Iterable[Batch]],
    loss: Callable[[Batch], Float[Tensor, ""]],
    best_by: Examples | None,
    method: str,
) -> nn.Module:
    """As `Descent.train`; where there are clean examples to choose by, the network of the best epoch.

    That is the first of those whose worst group of these examples is served best.

    Raises:
        ValueError: no clean examples, or none with groups, or their labels do not fit the outputs.
    """
    if best_by is not None:
        checked_clean(descent.model, best_by, method)
        groups_of(best_by, "clean", method)
    if best_by is None or descent.recipe.epochs == 0:
        return descent.train(batches, loss)
    inputs = best_by.inputs
    states = (
        {name: weight.detach().clone() for name, weight in after.state_dict().items()}
        for after in descent.epochs(batches, loss)
    )
    best = best_by_worst_group(states, lambda _: logits(descent.model, inputs), best_by, method)
    descent.model.load_state_dict(best.candidate)
    return descent.model


def drawn_evenly(
    descent: Descent, data: Examples, of: Int64[Tensor, " n"], seed: int, method: str
) -> Callable[[int], Iterator[Batch]]:
    """For `train_on`: as many examples as there are, drawn with replacement so that each part is equally likely.

    Args:
        of: the part of each example, e.g. its group; those without examples are left out.
    """
    odds = even_odds(of)

    def drawn(epoch: int) -> Iterator[Batch]:
        rng = rng_for(seed, "prevention", method, "draws", epoch)
        rows = torch.multinomial(odds, len(data), replacement=True, generator=rng)
        for batch in descent.batches(data[rows], epoch):
            yield batch._replace(rows=rows[batch.rows])  # those of the data

    return drawn


def even_odds(of: Int64[Tensor, " n"]) -> Float64[Tensor, " n"]:
    r"""The odds of each example with which its part is met as often as any other non-empty part; their sum is 1.

    .. math:: p_i = \frac{1}{G \, n_{g_i}}

    Args:
        of: the part of each example: its class or its group.

    >>> even_odds(torch.tensor([0, 0, 0, 2])).mul(6).tolist()  # 1/6 each, and 1/2
    [1.0, 1.0, 1.0, 3.0]
    """
    _, part, sizes = of.unique(return_inverse=True, return_counts=True)
    odds: Tensor = 1 / (sizes[part].double() * len(sizes))
    return odds
