"""Training to the minimum instead of for some epochs: linear models, all examples at once, in double precision.

Their loss has one minimum, of which theory speaks (`spurlab.theory`): ridge regression with the loss ``mse``, logistic
regression with ``ce``, both with weight decay on all weights.
"""

import logging
from collections.abc import Callable

import torch
from jaxtyping import Float32, Float64, Int64
from torch import Tensor, nn
from torch.nn import functional as F

from spurlab.data import Examples
from spurlab.errors import InputError
from spurlab.training import optimizers
from spurlab.training.losses import LOSSES
from spurlab.training.recipe import Recipe
from spurlab.training.stacked import can_stack

log = logging.getLogger(__name__)

SOLVED = 1e-8  # l2 norm of the gradient over all weights, with weight decay
ITERATIONS = 100  # of L-BFGS in an epoch at most, each with a search along its line


def solve(
    model: nn.Module, examples: Examples, recipe: Recipe, device: torch.device | str, after_epoch: Callable[[], None]
) -> Float32[Tensor, " epochs"]:
    r"""Minimize the mean loss and half the weight decay times all squared weights, those of the bias too; in place.

    Squared error is a system of linear equations, :math:`(\frac{2}{N k} X^\top X + \lambda) W = \frac{2}{N k} X^\top Y`
    with a column of ones in X. What else there is goes to L-BFGS, which may take thousands of iterations.

    Args:
        model: `nn.Flatten` and one linear layer with a bias.
        examples: all that it is trained on.
        recipe: its loss, weight decay, and epochs at most, of 100 iterations each.
        device: where to.
        after_epoch: called after each epoch, also those that are not needed.

    Returns:
        The mean loss without the penalty after each epoch. A network that is not solved to a gradient of 1e-8 is named
        in the log with the gradient that it has. Without weight decay, classes that can be told apart have no minimum:
        weights then grow until the gradient is as small.

    Raises:
        ValueError: another network.

    Source: Nocedal and Wright, Numerical Optimization (2006), algorithm 7.5, as `torch.optim.LBFGS` has it.
    """
    check_solvable(model)
    layer = next(part for part in model.to(device).modules() if isinstance(part, nn.Linear))
    flat, labels = examples.inputs.to(device).flatten(1).double(), examples.labels.to(device)
    inputs = torch.cat([flat, flat.new_ones(len(flat), 1)], 1)
    del flat
    start = torch.cat([layer.weight, layer.bias.unsqueeze(1)], 1).detach().double()
    weights = least_squares(inputs, labels, recipe.weight_decay, start) if recipe.loss == "mse" else start
    losses = _descended(weights, inputs, labels, recipe, after_epoch)
    with torch.no_grad():
        layer.weight.copy_(weights[:, :-1])
        layer.bias.copy_(weights[:, -1])
    return losses


def check_solvable(model: nn.Module) -> None:
    """Raises ValueError: it is not one linear layer behind `nn.Flatten`."""
    if not can_stack(model) or len(list(model.modules())) != 3:
        raise InputError(
            f"'lbfgs' solves for the weights of one linear layer, but this {type(model).__name__} is something else: "
            "train `logistic`, or take another optimizer."
        )


def least_squares(
    inputs: Float64[Tensor, "n d"], labels: Int64[Tensor, " n"], decay: float, start: Float64[Tensor, "k d"]
) -> Float64[Tensor, "k d"]:
    """The weights of least `squared_error` plus half the decay times their squares; without it those next to start."""
    scale = 2 / (len(inputs) * len(start))
    wanted = F.one_hot(labels, len(start)).double()
    moments = scale * inputs.T @ inputs + decay * torch.eye(inputs.shape[1], dtype=torch.float64, device=inputs.device)
    pulled = scale * inputs.T @ (wanted - inputs @ start.T) - decay * start.T
    moved: Tensor = torch.linalg.solve(moments, pulled) if decay > 0 else torch.linalg.pinv(moments) @ pulled
    return start + moved.T


def _descended(
    weights: Float64[Tensor, "k d"],
    inputs: Float64[Tensor, "n d"],
    labels: Int64[Tensor, " n"],
    recipe: Recipe,
    after_epoch: Callable[[], None],
) -> Float32[Tensor, " epochs"]:
    """Go on from these weights, which change, until the gradient is small; the losses."""
    weights.requires_grad_()
    optimizer = optimizers.LBFGS(
        [weights], max_iter=ITERATIONS, tolerance_grad=0, tolerance_change=0, history_size=50,
        line_search_fn="strong_wolfe",
    )  # fmt: skip
    loss = weights.new_zeros(())

    def objective() -> Tensor:
        nonlocal loss
        optimizer.zero_grad()
        loss = LOSSES[recipe.loss](inputs @ weights.T, labels).mean()
        whole = loss + 0.5 * recipe.weight_decay * weights.square().sum()
        whole.backward()
        return whole

    def steepness() -> float:
        objective()
        assert weights.grad is not None  # noqa: S101  # backward has just run
        return float(weights.grad.norm())

    losses, norm = torch.full((recipe.epochs,), torch.nan), steepness()
    for epoch in range(recipe.epochs):
        if not norm <= SOLVED:
            optimizer.step(objective)
            norm = steepness()
        losses[epoch] = loss.item()
        after_epoch()
    if not norm <= SOLVED and recipe.epochs:
        log.warning("not solved: the gradient has the norm %.1e after %d epochs of L-BFGS.", norm, recipe.epochs)
    weights.requires_grad_(False)
    return losses
