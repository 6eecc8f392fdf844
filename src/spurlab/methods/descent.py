"""What methods with losses of their own share: a recipe's optimizer along any loss, on batches as it makes them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple, TypeVar

import torch
from jaxtyping import Bool, Float, Float32, Int64
from torch import Tensor, nn

from spurlab.data import Examples
from spurlab.errors import InputError
from spurlab.lent import settings_kept
from spurlab.methods.method import HALF, device_of, dropping_out
from spurlab.models import ask, batch_norm_explained
from spurlab.seeds import rng_for, seed_for
from spurlab.training import Recipe, flush_denormals, layout_for
from spurlab.training.augmentation import augmenter
from spurlab.training.engines import PRECISIONS
from spurlab.training.losses import LOSSES

T = TypeVar("T")


class Batch(NamedTuple):
    """Some rows of some examples, augmented as the recipe says."""

    inputs: Float32[Tensor, "b *shape"]
    labels: Int64[Tensor, " b"]
    rows: Int64[Tensor, " b"]


class Descent:
    """A network that is being trained or fine-tuned: losses go in, steps of the recipe's optimizer come out.

    The optimizer starts anew; its rate stands still within an epoch, also in one cycle. Modules that have parameters of
    their own, all of them frozen, rest in evaluation mode: such a batch norm keeps its running numbers too. Modules
    without parameters are in training mode with the rest of the network: dropout, and batch norm with
    ``affine=False``, whose running numbers change also where all around it is frozen.

    Args:
        model: changed in place.
        recipe: optimizer and schedule, batch size, loss, augmentation, noise, clipping, precision.
        seed: fixes order, dropout, noise and augmentation.
        method: the name of the method, so that each draws its own.
        masks: by name of a parameter, True where it may move. Those without a mask move.
        purpose: the room of the method: methods of one name in two rooms draw apart.

    Raises:
        ValueError: no weight may change, or some are of half precision.
    """

    def __init__(
        self,
        model: nn.Module,
        recipe: Recipe,
        seed: int,
        method: str,
        masks: Mapping[str, Bool[Tensor, "..."]] | None = None,
        purpose: str = "deletion",
    ) -> None:
        self.model, self.recipe, self.seed = model, recipe, seed_for(seed, purpose, method)
        self._device, self._layout = device_of(model), layout_for(model)
        model.to(memory_format=self._layout)
        named = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
        self._parameters = list(named.values())
        if not named:
            raise InputError(
                f"all weights of this {type(model).__name__} are frozen, or it has none, so that nothing would be "
                f"trained by {method}. Call `requires_grad_()` on those that may change."
            )
        if any(weight.dtype in HALF for weight in self._parameters):
            raise InputError(
                f"this {type(model).__name__} has weights of half precision, in which small steps are lost. Give it as "
                "float32: `network.float()`."
            )
        self._masked = [(named[name], mask, named[name].detach().clone()) for name, mask in (masks or {}).items()]
        self._optimizer = recipe.optimizer_for(self._parameters)
        self._schedule = recipe.schedule_for(self._optimizer, 1)
        self._stepped = False

    @contextmanager
    def epoch(self, epoch: int) -> Iterator[None]:
        """Training mode for an epoch (counted from 0); then the schedule goes on and evaluation mode comes back."""
        self.model.train()
        for module in self.model.modules():
            weights = list(module.parameters(recurse=False))
            if weights and not any(weight.requires_grad for weight in weights):
                module.training = False
        explained = batch_norm_explained(", or forget more examples at once")
        with settings_kept(), flush_denormals(), explained, dropping_out(self.seed, "dropout", epoch):
            yield
        self.model.eval()
        if self._stepped:  # where nothing was to be done, PyTorch would warn
            self._schedule.step()

    def batches(self, examples: Examples, epoch: int, part: str = "retain") -> Iterator[Batch]:
        """The examples once, in an order of this epoch; none for no examples.

        Args:
            part: what the examples are, so that each part is drawn from its own generators.
        """
        order, noise = (rng_for(self.seed, what, part, epoch) for what in ("order", "noise"))
        augment = augmenter(self.recipe.augmentation, rng_for(self.seed, "augmentation", part, epoch))
        rows_in_order = torch.randperm(len(examples), generator=order)
        for rows in rows_in_order.split(self.recipe.batch_size) if len(examples) else ():
            inputs = examples.inputs[rows].to(self._device)
            if self.recipe.augmentation != "none":
                inputs = augment(inputs)
            if self.recipe.input_noise:
                drawn = torch.randn(inputs.shape, generator=noise)
                inputs = inputs + self.recipe.input_noise * drawn.to(self._device)
            yield Batch(inputs, examples.labels[rows].to(self._device), rows)

    def logits(self, batch: Batch, network: nn.Module | None = None) -> Float[Tensor, "b k"]:
        """What the network gives for a batch, or another network, e.g. its teacher."""
        precision = self.recipe.precision
        with torch.autocast(self._device.type, PRECISIONS[precision], precision != "float32"):
            inputs = batch.inputs.contiguous(memory_format=self._layout)
            return ask(self.model if network is None else network, inputs).float()

    def loss(self, batch: Batch, logits: Float[Tensor, "b k"] | None = None) -> Float[Tensor, ""]:
        """The recipe's loss, the mean over the batch; of logits that are known already, or the network's."""
        return LOSSES[self.recipe.loss](self.logits(batch) if logits is None else logits, batch.labels).mean()

    def step(self, loss: Float[Tensor, ""]) -> None:
        """One step downwards."""
        self._optimizer.zero_grad()
        loss.backward()
        for parameter, mask, _ in self._masked:  # before clipping: what does not move does not count
            if parameter.grad is not None:
                parameter.grad.mul_(mask)
        if self.recipe.clip_norm is not None:
            nn.utils.clip_grad_norm_(self._parameters, self.recipe.clip_norm)
        if self.recipe.clip_value is not None:
            nn.utils.clip_grad_value_(self._parameters, self.recipe.clip_value)
        self._optimizer.step()
        self._stepped = True
        if self.recipe.weight_decay:  # which would move the others
            with torch.no_grad():
                for parameter, mask, before in self._masked:
                    parameter.copy_(torch.where(mask, parameter, before))

    def epochs(
        self, batches: Callable[[int], Iterable[T]], loss: Callable[[T], Float[Tensor, ""]]
    ) -> Iterator[nn.Module]:
        """The network after each epoch of the recipe, in evaluation mode.

        Args:
            batches: of an epoch, each with whatever else of the epoch its loss needs.
            loss: of one of them.
        """
        for epoch in range(self.recipe.epochs):
            with self.epoch(epoch):
                for batch in batches(epoch):
                    self.step(loss(batch))
            yield self.model

    def train(self, batches: Callable[[int], Iterable[T]], loss: Callable[[T], Float[Tensor, ""]]) -> nn.Module:
        """The network after all `epochs`."""
        for _ in self.epochs(batches, loss):
            pass
        return self.model

    def train_on(self, examples: Examples) -> nn.Module:
        """All epochs of the recipe on these examples, along its own loss; the network."""
        return self.train(partial(self.batches, examples), self.loss)
