"""The two ways to train a group of members: in lockstep, and one at a time (the slow twin)."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float32, Int64
from torch import Tensor, nn

from spurlab.errors import InputError
from spurlab.lent import flushes_denormals, settings_kept
from spurlab.models import (
    BoostedTrees,
    answer_of,
    batch_norm_explained,
    fitting,
    logits_in,
    unsaved_difference,
    unwrapped,
)
from spurlab.notebook import short
from spurlab.seeds import seed_for, seed_global
from spurlab.training.batches import Batches, Member, augmenter_of, noise_of, order_of
from spurlab.training.growing import grown
from spurlab.training.losses import LOSSES
from spurlab.training.one_pass import one_pass_adam
from spurlab.training.recipe import PER_MEMBER, Recipe, recipe_of_each
from spurlab.training.solving import solve
from spurlab.training.stacked import Stacked, StackedMLP, State, can_stack, layout_for
from spurlab.training.stacked_cnn import StackedCNN, can_stack_cnn
from spurlab.training.vectorized import VectorizedNet

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True, eq=False)
class Trained:
    """What training a group of m members gives."""

    state: State  # weights by name, with a leading axis m
    losses: Float32[Tensor, "m epochs"]  # mean of each epoch; NaN or infinite from where a member diverged

    __repr__ = short

    @property
    def diverged(self) -> Bool[Tensor, " m"]:
        """True for members with a loss or a weight that is not finite."""
        finite = [tensor.isfinite().unsqueeze(1).flatten(1).all(1) for tensor in (self.losses, *self.state.values())]
        return ~torch.stack([column.cpu() for column in finite]).all(0)

    def __getitem__(self, rows: Int64[Tensor, " picked"]) -> "Trained":
        """The chosen members, copied."""
        return Trained({name: tensor[rows] for name, tensor in self.state.items()}, self.losses[rows])

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
    was_on = flushes_denormals()
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(was_on)


def stack_states(models: Sequence[nn.Module]) -> State:
    """The models' weights and buffers by name, with a leading axis m."""
    states = [model.state_dict() for model in models]
    # contiguous: weights of convolutions lie channels last after training
    return {name: torch.stack([state[name] for state in states]).contiguous() for name in states[0]}


@settings_kept()
@flush_denormals()
@batch_norm_explained()
def train_group(
    make: Callable[[int], nn.Module],
    members: Sequence[Member],
    recipe: Recipe | Sequence[Recipe],
    *,
    device: torch.device | str = "cpu",
    after_epoch: Callable[[], None] = lambda: None,
    after_step: Callable[[Float[Tensor, " m"]], None] | None = None,
) -> Trained:
    """Train all members at once: one batched product for each layer, one fused optimizer step for all.

    Members share their base data and their number of examples; one that diverges leaves the others alone. On one
    machine and with one number of threads, what a perceptron learns is the same to the bit in any company, or none
    (but see `spurlab.training.rounding`); of other networks it is the same to rounding.

    Args:
        make: the member's network with its initial weights, by seed.
        members: whom to train.
        recipe: one for all, or one for each member; they may differ in the settings of `PER_MEMBER`.
        device: where to train.
        after_epoch: called after each epoch.
        after_step: called with each member's loss at each step.

    Raises:
        ValueError: a network that `torch.func.vmap` cannot run (`train_each` takes any), or recipes that differ in
            more.

    >>> from spurlab import Planted
    >>> from spurlab.data import Examples
    >>> examples = Examples(torch.eye(4), torch.tensor([0, 0, 1, 1]))
    >>> members = [Member(Planted.none(examples), seed) for seed in range(3)]
    >>> trained = train_group(lambda seed: nn.Linear(4, 2), members, Recipe(epochs=5, milestones=()))
    >>> trained.losses.shape  # of each member in each epoch
    torch.Size([3, 5])
    """
    recipes = _recipes_of(members, recipe)
    models = [unwrapped(make(member.seed)) for member in members]
    perceptrons = all(can_stack(model) for model in models)
    if len(members) == 1 and perceptrons:
        # PyTorch multiplies a batch of one matrix with another kernel, which rounds otherwise. With a twin beside it,
        # the member gets the same bits as in any company.
        trained = train_group(
            make,
            [members[0]] * 2,
            recipes * 2,
            device=device,
            after_epoch=after_epoch,
            after_step=None if after_step is None else lambda losses: after_step(losses[:1]),
        )
        return trained[torch.tensor([0])]
    shared = recipes[0].shared
    stacked = {name: tensor.to(device) for name, tensor in stack_states(models).items()}
    network: StackedMLP | StackedCNN | VectorizedNet
    if perceptrons:
        network = StackedMLP(stacked, PRECISIONS[shared.precision])
    elif all(can_stack_cnn(model) for model in models):
        network = StackedCNN(models[0], stacked, PRECISIONS[shared.precision])
    else:
        if own := next(filter(None, (unsaved_difference(models[0], model) for model in models[1:])), ""):
            raise InputError(
                f"{type(models[0]).__name__} cannot be trained in lockstep (its {own!r}, which is not saved, differs "
                "from member to member). Train it with the engine 'plain'."
            )
        network = VectorizedNet(models[0], stacked, [member.seed for member in members], PRECISIONS[shared.precision])
    del models, stacked  # the network's own copy is trained
    parameters = list(network.parameters())
    batches = Batches(
        members,
        shared.batch_size,
        device,
        [recipe.input_noise for recipe in recipes],
        shared.augmentation,
        PRECISIONS[shared.precision] if isinstance(network, Stacked) else torch.float32,
    )
    optimizer = one_pass_adam(network, recipes) or shared.optimizer_for(network.trained)
    schedule = shared.schedule_for(optimizer, len(batches))
    loss_of = LOSSES[shared.loss]
    history = torch.zeros(shared.epochs, len(members))
    for epoch in range(shared.epochs):
        total = torch.zeros(len(members), device=device)
        network.begin(epoch)
        for inputs, labels in batches.epoch(epoch):
            network.clear()
            losses = loss_of(network(inputs), labels).mean(1)
            losses.sum().backward()
            clip(parameters, recipes)
            decay(parameters, recipes)
            optimizer.step()
            schedule.step()
            total += losses.detach() * labels.shape[1]
            if after_step is not None:
                after_step(losses.detach())
        history[epoch] = (total / len(members[0].data)).cpu()
        after_epoch()
    return Trained({name: tensor.clone() for name, tensor in network.state().items()}, history.T.contiguous())


def _recipes_of(members: Sequence[Member], recipe: Recipe | Sequence[Recipe]) -> list[Recipe]:
    recipes = recipe_of_each(recipe, len(members))
    if len({each.shared for each in recipes}) > 1:
        raise InputError(
            f"the recipes of one group may differ only in {', '.join(PER_MEMBER)}. Train the others in another group."
        )
    return recipes


def clip(parameters: Sequence[Tensor], recipe: Recipe | Sequence[Recipe]) -> None:
    """Clip each member's gradient, by the norm over all its parameters and by value, as its recipe says; in place.

    One member after the other, as ``torch.nn.utils.clip_grad_norm_`` does it, which the slow twin uses: a sum over
    several members at once would round by their number, and would be no faster.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    for i, own in enumerate(recipe_of_each(recipe, len(gradients[0]))):
        if own.clip_norm is not None:
            norms = torch.stack([torch.linalg.vector_norm(gradient[i]) for gradient in gradients])
            factor = (own.clip_norm / (torch.linalg.vector_norm(norms) + 1e-6)).clamp(max=1)
            for gradient in gradients:
                gradient[i].mul_(factor)
        if own.clip_value is not None:
            for gradient in gradients:
                gradient[i].clamp_(-own.clip_value, own.clip_value)


def decay(parameters: Sequence[Tensor], recipe: Recipe | Sequence[Recipe]) -> None:
    """Add each member's l2 penalty to its gradient, as PyTorch's optimizers do; in place."""
    weights = [(parameter.detach(), parameter.grad) for parameter in parameters if parameter.grad is not None]
    for i, own in enumerate(recipe_of_each(recipe, len(parameters[0]))):
        if own.weight_decay > 0:
            for weight, gradient in weights:
                gradient[i].add_(weight[i], alpha=own.weight_decay)


def train_each(
    make: Callable[[int], nn.Module],
    members: Sequence[Member],
    recipe: Recipe | Sequence[Recipe],
    *,
    device: torch.device | str = "cpu",
    after_epoch: Callable[[], None] = lambda: None,
    after_step: Callable[[Float[Tensor, " m"]], None] | None = None,
) -> Trained:
    """The slow twin of `train_group`: one member after the other in plain PyTorch, for any network.

    `after_epoch` is called after each epoch of each member; `after_step` with one loss. The other
    arguments are those of `train_group`.

    >>> from spurlab import Planted
    >>> from spurlab.data import Examples
    >>> examples = Examples(torch.eye(4), torch.tensor([0, 0, 1, 1]))
    >>> members = [Member(Planted.none(examples), seed) for seed in range(3)]
    >>> trained = train_each(lambda seed: nn.Linear(4, 2), members, Recipe(epochs=5, milestones=()))
    >>> trained.losses.shape  # of each member in each epoch
    torch.Size([3, 5])
    """
    trained = [
        train_one(make(member.seed), member, own, device=device, after_epoch=after_epoch, after_step=after_step)
        for member, own in zip(members, _recipes_of(members, recipe), strict=True)
    ]
    models, losses = zip(*trained, strict=True)
    return Trained(stack_states([unwrapped(model) for model in models]), torch.stack(losses))


@settings_kept()
@flush_denormals()
@batch_norm_explained()
def train_one(
    model: nn.Module,
    member: Member,
    recipe: Recipe,
    *,
    device: torch.device | str = "cpu",
    after_epoch: Callable[[], None] = lambda: None,
    after_step: Callable[[Float[Tensor, " m"]], None] | None = None,
) -> tuple[nn.Module, Float32[Tensor, " epochs"]]:
    """Train one network from the weights that it has, in place; also one that was trained before.

    Dropout draws from PyTorch's global generator, set from the member's seed at each epoch and given back afterwards.

    Args:
        model: inputs ``n *shape``, logits ``n k``.
        member: its training set and its seed, which fixes the order of the examples and what is drawn on the way.
        recipe: how to train.
        device: where to; the network stays there.
        after_epoch: called after each epoch.
        after_step: called with the loss at each step.

    Returns:
        The network, and the mean training loss of each epoch.

    >>> from spurlab import Planted, first_examples, load
    >>> from spurlab.models import build
    >>> data = first_examples(load("fashion-mini"), 100)
    >>> member = Member(Planted.none(data.train), seed=0)
    >>> recipe = Recipe(epochs=3, milestones=())
    >>> network, losses = train_one(build("small-mlp", data.shape, data.classes, seed=0), member, recipe)
    >>> losses.shape, bool(losses[-1] < losses[0])
    (torch.Size([3]), True)
    """
    network, layout = unwrapped(model), layout_for(model)
    model.to(device, memory_format=layout).train()  # type: ignore[call-overload]  # PyTorch's stubs know it by word only
    parameters = list(model.parameters())
    plain = member.data.materialize()
    if isinstance(network, BoostedTrees):
        return model, grown(network, plain, recipe, member.seed, after_epoch)
    if recipe.optimizer == "lbfgs":
        return model, solve(network, plain, recipe, device, after_epoch)
    inputs, labels = plain.inputs.to(device), plain.labels.to(device)
    optimizer = recipe.optimizer_for(parameters)
    schedule = recipe.schedule_for(optimizer, -(-len(inputs) // recipe.batch_size))
    kind = fitting(network, inputs[:0]).dtype
    history = torch.zeros(recipe.epochs)
    autocast = torch.autocast(torch.device(device).type, PRECISIONS[recipe.precision], recipe.precision != "float32")
    loss_of = LOSSES[recipe.loss]
    for epoch in range(recipe.epochs):
        total, noise = torch.zeros((), device=device), noise_of(member, epoch)
        augment = augmenter_of(member, epoch, recipe.augmentation)
        with _dropping_out(member.seed, epoch, device):
            for rows in order_of(member, epoch).to(device).split(recipe.batch_size):
                optimizer.zero_grad()
                batch = inputs[rows]
                if recipe.augmentation != "none":
                    batch = augment(batch)
                if recipe.input_noise:
                    batch = batch + recipe.input_noise * noise(batch.shape).to(device)
                with autocast:
                    logits = logits_in(answer_of(network, batch.to(kind).contiguous(memory_format=layout)), batch)
                loss = loss_of(logits.float(), labels[rows]).mean()
                loss.backward()
                if recipe.clip_norm is not None:
                    nn.utils.clip_grad_norm_(parameters, recipe.clip_norm)
                if recipe.clip_value is not None:
                    nn.utils.clip_grad_value_(parameters, recipe.clip_value)
                optimizer.step()
                schedule.step()
                total += loss.detach() * len(rows)
                if after_step is not None:
                    after_step(loss.detach().unsqueeze(0))
        history[epoch] = total.cpu() / len(inputs)
        after_epoch()
    return model, history


@contextmanager
def _dropping_out(seed: int, epoch: int, device: torch.device | str) -> Iterator[None]:
    """PyTorch's global generators belong to the member's dropout meanwhile.

    Those of the CPU and of `device` are given back as they were; those of other devices in use stay as seeded here.
    """
    kind = torch.device(device).type
    with torch.random.fork_rng([device] if kind != "cpu" else [], device_type=kind if kind != "cpu" else "cuda"):
        seed_global(seed_for(seed, "dropout", epoch))
        yield
