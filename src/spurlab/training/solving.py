"""Training to the minimum instead of for some epochs: all examples at once, in double precision.

For networks whose loss has one minimum: a linear layer, that is linear and logistic regression with weight decay, of
which theory speaks (`spurlab.theory`). Others end where their gradient vanishes, wherever that is.
"""

import logging
from collections.abc import Callable

import torch
from jaxtyping import Float32
from torch import Tensor, nn

from spurlab.data import Examples
from spurlab.errors import InputError
from spurlab.models import logits_in
from spurlab.training import optimizers
from spurlab.training.losses import LOSSES
from spurlab.training.recipe import Recipe

log = logging.getLogger(__name__)

SOLVED = 1e-8  # l2 norm of the gradient over all weights, with weight decay
ITERATIONS = 100  # of L-BFGS in an epoch, each with a search along its line


def solve(
    model: nn.Module, examples: Examples, recipe: Recipe, device: torch.device | str, after_epoch: Callable[[], None]
) -> Float32[Tensor, " epochs"]:
    """Minimize the mean loss and half the weight decay times all squared weights by L-BFGS; in place.

    Args:
        model: inputs ``n *shape``, logits ``n k``; float32 again afterwards.
        examples: all that it is trained on.
        recipe: its loss, weight decay, and epochs at most, of 100 iterations each.
        device: where to.
        after_epoch: called after each epoch, also those that are not needed.

    Returns:
        The mean loss without the penalty after each epoch. A network that is not solved to a gradient of 1e-8 is named
        in the log with the gradient that it has. Without weight decay, classes that can be told apart have no minimum:
        weights then grow until the gradient is as small.

    Raises:
        ValueError: a network with dropout, whose loss is another at each look.

    Source: Nocedal and Wright, Numerical Optimization (2006), algorithm 7.5, as `torch.optim.LBFGS` has it.
    """
    if dropping := [name for name, part in model.named_modules() if isinstance(part, nn.Dropout) and part.p > 0]:
        raise InputError(
            f"a network with dropout ({dropping[0]!r}) has no one loss to minimize: take another optimizer."
        )
    model.to(device).double().train()
    inputs, labels = examples.inputs.to(device).double(), examples.labels.to(device)
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = optimizers.LBFGS(
        weights,
        max_iter=ITERATIONS,
        tolerance_grad=0,
        tolerance_change=0,
        history_size=50,
        line_search_fn="strong_wolfe",
    )
    loss, norm = torch.zeros(()), torch.inf

    def objective() -> Tensor:
        nonlocal loss
        optimizer.zero_grad()
        loss = LOSSES[recipe.loss](logits_in(model(inputs), inputs), labels).mean()
        whole = loss + 0.5 * recipe.weight_decay * torch.stack([weight.square().sum() for weight in weights]).sum()
        whole.backward()
        return whole

    losses = torch.full((recipe.epochs,), torch.nan)
    for epoch in range(recipe.epochs):
        if norm > SOLVED:
            optimizer.step(objective)
            objective()
            norm = float(nn.utils.get_total_norm([w.grad for w in weights if w.grad is not None]))
        losses[epoch] = loss.item()
        after_epoch()
    if norm > SOLVED and recipe.epochs:
        log.warning("not solved: the gradient has the norm %.1e after %d epochs of L-BFGS.", norm, recipe.epochs)
    model.float()
    return losses
