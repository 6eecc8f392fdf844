"""The two ways to train a group of members: in lockstep, and one at a time (the slow twin)."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor, nn
from torch.nn import functional as F

from spurlab.training.batches import Batches, Member, order_of
from spurlab.training.recipe import Recipe
from spurlab.training.stacked import StackedMLP, State, can_stack

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True, eq=False)
class Trained:
    """What training a group of m members gives.

    Args:
        state: weights by name, with a leading axis m.
        losses: mean training loss of each member in each epoch (NaN or infinite from where a member diverged).
    """

    state: State
    losses: Float32[Tensor, "m epochs"]

    @property
    def diverged(self) -> Bool[Tensor, " m"]:
        """True for members with a loss or a weight that is not finite."""
        finite = [tensor.isfinite().unsqueeze(1).flatten(1).all(1) for tensor in (self.losses, *self.state.values())]
        return ~torch.stack([column.cpu() for column in finite]).all(0)

    @classmethod
    def joined(cls, groups: Sequence["Trained"]) -> "Trained":
        """The members of several groups, one after the other."""
        state = {name: torch.cat([group.state[name] for group in groups]) for name in groups[0].state}
        return cls(state, torch.cat([group.losses for group in groups]))


@contextmanager
def flush_denormals() -> Iterator[None]:
    """Round numbers below 1e-38 to zero in this thread, as most deep-learning hardware does anyway.

    Where an input pixel is seldom lit, Adam's moments for its weights decay to denormals, on which a CPU works many
    times slower: without this, the last epochs of an MLP on Fashion-MNIST took four times as long as the first.
    """
    was_on = bool((torch.tensor(1e-40) * 1 == 0).item())
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(was_on)


def stack_states(models: Sequence[nn.Module]) -> State:
    """The models' weights and buffers by name, with a leading axis m."""
    states = [model.state_dict() for model in models]
    return {name: torch.stack([state[name] for state in states]) for name in states[0]}


@flush_denormals()
def train_group(
    make: Callable[[int], nn.Module],
    members: Sequence[Member],
    recipe: Recipe,
    *,
    device: torch.device | str = "cpu",
    after_epoch: Callable[[], None] = lambda: None,
    after_step: Callable[[Float[Tensor, " m"]], None] | None = None,
) -> Trained:
    """Train all members at once: one batched product for each layer, one fused optimizer step for all.

    Members share their base data and their number of examples. What a member learns does not depend on its
    companions, save for rounding; one that diverges leaves the others alone.

    Args:
        make: the member's network with its initial weights, by seed.
        after_epoch: called after each epoch.
        after_step: called with each member's loss at each step.

    Raises:
        ValueError: a network that cannot be stacked (see `can_stack`); `train_each` takes any.
    """
    models = [make(member.seed) for member in members]
    if not all(can_stack(model) for model in models):
        raise ValueError(
            f"{type(models[0]).__name__} cannot be trained in lockstep, which knows Flatten, then Linear and ReLU in "
            "turns. Train it with the engine 'plain'."
        )
    state = {name: tensor.to(device) for name, tensor in stack_states(models).items()}
    del models  # the stacked copy is trained
    network = StackedMLP(state, PRECISIONS[recipe.precision])
    parameters = list(network.parameters())
    optimizer, schedule = recipe.optimizer_for(parameters)
    batches = Batches(members, recipe.batch_size, device)
    history = torch.zeros(recipe.epochs, len(members))
    for epoch in range(recipe.epochs):
        total = torch.zeros(len(members), device=device)
        for inputs, labels in batches.epoch(epoch):
            logits = network(inputs)
            # classes before examples: the softmax over the few classes then runs along the many examples
            losses = F.cross_entropy(logits.transpose(1, 2).contiguous(), labels, reduction="none").mean(1)
            losses.sum().backward()
            clip(parameters, recipe)
            optimizer.step()
            total += losses.detach() * labels.shape[1]
            if after_step is not None:
                after_step(losses.detach())
        schedule.step()
        history[epoch] = (total / len(members[0].data)).cpu()
        after_epoch()
    return Trained(network.state(), history.T.contiguous())


def clip(parameters: Sequence[Tensor], recipe: Recipe) -> None:
    """Clip each member's gradient, by the norm over all its parameters and by value, as `recipe` says; in place.

    The factor is the one of ``torch.nn.utils.clip_grad_norm_``, which the slow twin uses.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if recipe.clip_norm is not None:
        squares = torch.stack([gradient.flatten(1).square().sum(1) for gradient in gradients]).sum(0)
        factor = (recipe.clip_norm / (squares.sqrt() + 1e-6)).clamp(max=1)
        for gradient in gradients:
            gradient.mul_(factor.view(-1, *[1] * (gradient.ndim - 1)))
    if recipe.clip_value is not None:
        for gradient in gradients:
            gradient.clamp_(-recipe.clip_value, recipe.clip_value)


@flush_denormals()
def train_each(
    make: Callable[[int], nn.Module],
    members: Sequence[Member],
    recipe: Recipe,
    *,
    device: torch.device | str = "cpu",
    after_epoch: Callable[[], None] = lambda: None,
    after_step: Callable[[Float[Tensor, " m"]], None] | None = None,
) -> Trained:
    """The slow twin of `train_group`: one member after the other in plain PyTorch, for any network.

    `after_epoch` is called after each epoch of each member; `after_step` with one loss.
    """
    trained = [_train_one(make(member.seed), member, recipe, device, after_epoch, after_step) for member in members]
    return Trained(stack_states([model for model, _ in trained]), torch.stack([losses for _, losses in trained]))


def _train_one(
    model: nn.Module,
    member: Member,
    recipe: Recipe,
    device: torch.device | str,
    after_epoch: Callable[[], None],
    after_step: Callable[[Float[Tensor, " m"]], None] | None,
) -> tuple[nn.Module, Float32[Tensor, " epochs"]]:
    model.to(device).train()
    parameters = list(model.parameters())
    optimizer, schedule = recipe.optimizer_for(parameters)
    plain = member.data.materialize()
    inputs, labels = plain.inputs.to(device), plain.labels.to(device)
    history = torch.zeros(recipe.epochs)
    autocast = torch.autocast(torch.device(device).type, PRECISIONS[recipe.precision], recipe.precision != "float32")
    for epoch in range(recipe.epochs):
        total = torch.zeros((), device=device)
        for rows in order_of(member, epoch).to(device).split(recipe.batch_size):
            optimizer.zero_grad()
            with autocast:
                logits = model(inputs[rows])
            loss = F.cross_entropy(logits.float(), labels[rows])
            loss.backward()
            if recipe.clip_norm is not None:
                nn.utils.clip_grad_norm_(parameters, recipe.clip_norm)
            if recipe.clip_value is not None:
                nn.utils.clip_grad_value_(parameters, recipe.clip_value)
            optimizer.step()
            total += loss.detach() * len(rows)
            if after_step is not None:
                after_step(loss.detach().unsqueeze(0))
        schedule.step()
        history[epoch] = total.cpu() / len(inputs)
        after_epoch()
    return model, history
