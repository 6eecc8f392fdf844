"""What each member sees: the order of its examples, and whole batches for all members of a group."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float32, Int64, Num
from torch import Tensor

from spurlab.data import Examples
from spurlab.errors import InputError
from spurlab.notebook import card
from spurlab.patterns import Planted
from spurlab.seeds import rng_for
from spurlab.training.augmentation import AugmentationName, augmenter
from spurlab.training.recipe import Recipe

MOST_ROUNDED = 2**28  # bytes of inputs that each process may hold a second time, rounded


@dataclass(frozen=True, eq=False)
class Member:
    """One network to train: its training set and its seed, which alone fixes initial weights and order of examples.

    >>> from spurlab import Planted
    >>> from spurlab.data import Examples
    >>> examples = Examples(torch.rand(4, 2), torch.tensor([0, 1, 0, 1]))
    >>> members = [Member(Planted.none(examples), seed) for seed in range(3)]  # three networks of the same examples
    >>> [member.seed for member in members], len(members[0].data)
    ([0, 1, 2], 4)
    """

    data: Planted
    seed: int

    def _repr_html_(self) -> str:
        return card("Member", f"seed {self.seed}", {"training set": repr(self.data).strip("<>")})


def order_of(member: Member, epoch: int) -> Int64[Tensor, " n"]:
    """The order in which the member meets its n training examples in this epoch (counted from 0).

    >>> from spurlab import Planted
    >>> from spurlab.data import Examples
    >>> member = Member(Planted.none(Examples(torch.rand(4, 2), torch.tensor([0, 1, 0, 1]))), seed=0)
    >>> sorted(order_of(member, 0).tolist()), torch.equal(order_of(member, 3), order_of(member, 3))
    ([0, 1, 2, 3], True)
    """
    return torch.randperm(len(member.data), generator=rng_for(member.seed, "order", epoch))


def noise_of(member: Member, epoch: int) -> Callable[[tuple[int, ...]], Float32[Tensor, "..."]]:
    """Standard Gaussian noise for the member's batches of this epoch: call it with the shape of each batch in turn."""
    return partial(torch.randn, generator=rng_for(member.seed, "noise", epoch))


def augmenter_of(member: Member, epoch: int, name: AugmentationName) -> Callable[[Tensor], Tensor]:
    """What is done to the member's batches of this epoch, in turn; see `spurlab.training.augmentation`."""
    return augmenter(name, rng_for(member.seed, "augmentation", epoch))


def check_drawn_upon(base: Examples, *recipes: Recipe) -> None:
    """Raises ValueError: a recipe draws something upon the inputs, and these are words."""
    drawn = (one for one in recipes if one.input_noise or one.augmentation != "none")
    if base.words is not None and (recipe := next(drawn, None)) is not None:
        setting = "input_noise" if recipe.input_noise else "augmentation"
        raise InputError(
            f"the recipe has {setting} = {getattr(recipe, setting)!r}, which is for images and other numbers, but "
            "these are documents. Leave it out."
        )


class Batches:
    """Batches for all members of a group, gathered from the shared base, with the overlays laid over them.

    The members share `base` and the number of training examples; each may leave out other rows. Inputs come in one
    buffer that the next batch overwrites. Where products are of bfloat16, and nothing is drawn upon the inputs, these
    are rounded once for all epochs: half the memory is then read for each batch, and the numbers are the same.

    Args:
        members: of the group.
        batch_size: examples of each member in a batch; the last of an epoch may have fewer.
        device: where the batches are.
        input_noise: of each member, see `Recipe`; none if empty.
        augmentation: of all members.
        precision: of the products that take the inputs. They are float32 all the same where noise or augmentation
            comes first, or the rounded ones would take more than `MOST_ROUNDED` bytes.

    Raises:
        ValueError: members that differ in their base data or their number of training examples.
    """

    def __init__(
        self,
        members: Sequence[Member],
        batch_size: int,
        device: torch.device | str = "cpu",
        input_noise: Sequence[float] = (),
        augmentation: AugmentationName = "none",
        precision: torch.dtype = torch.float32,
    ) -> None:
        plants = [member.data for member in members]
        base, self._examples = plants[0].base, len(plants[0])
        if any(plant.base is not base or len(plant) != self._examples for plant in plants):
            raise InputError("members of one group must share their base data and their number of training examples.")
        self._members, self._batch_size, self._device = members, batch_size, torch.device(device)
        self._input_noise = list(input_noise) or [0.0] * len(members)
        self._augmentation = augmentation
        drawn_upon = any(self._input_noise) or augmentation != "none"
        fits = base.inputs.numel() * precision.itemsize <= MOST_ROUNDED
        floats = base.inputs.is_floating_point()
        if not floats and drawn_upon:
            raise InputError("noise and augmentation are for images and other numbers, and these inputs are words.")
        dtype = precision if fits and floats and not drawn_upon else base.inputs.dtype
        self._base_inputs, self._base_labels = base.inputs.to(device, dtype), base.labels.to(device)
        self._overlay_inputs = torch.cat([plant.inputs for plant in plants]).to(device, dtype)
        self._overlay_labels = torch.cat([plant.labels for plant in plants]).to(device)
        self._buffer = self._base_inputs.new_empty(
            (len(members) * min(batch_size, self._examples), *base.inputs.shape[1:])
        )

    def __len__(self) -> int:
        return math.ceil(self._examples / self._batch_size)

    def epoch(self, epoch: int) -> Iterator[tuple[Num[Tensor, "m b *shape"], Int64[Tensor, "m b"]]]:
        """The batches of one epoch: inputs and labels of all members, each in its own order."""
        orders = torch.stack([order_of(member, epoch) for member in self._members])
        hits = self._hits(orders)
        noises = [noise_of(member, epoch) if self._input_noise[i] else None for i, member in enumerate(self._members)]
        augmenters = (
            [augmenter_of(member, epoch, self._augmentation) for member in self._members]
            if self._augmentation != "none"
            else []
        )
        for member, order in zip(self._members, orders, strict=True):
            if len(member.data.left_out):
                order.copy_(member.data.base_rows(order.to(member.data.rows.device)))
        # appended examples have no row in the base: any row does, the overlay covers it
        orders = orders.clamp_(max=len(self._base_labels) - 1).to(self._device)
        for rows, hit in zip(orders.split(self._batch_size, dim=1), hits, strict=True):
            flat = rows.flatten()
            inputs = self._buffer[: len(flat)]
            torch.index_select(self._base_inputs, 0, flat, out=inputs)
            labels = self._base_labels[flat]
            if hit is not None:
                place, overlay = hit
                inputs[place], labels[place] = self._overlay_inputs[overlay], self._overlay_labels[overlay]
            inputs = inputs.view(*rows.shape, *inputs.shape[1:])
            for batch, augment in zip(inputs, augmenters, strict=False):
                batch.copy_(augment(batch))
            for batch, noise, sd in zip(inputs, noises, self._input_noise, strict=True):
                if noise is not None:
                    batch.add_(noise(batch.shape).to(self._device), alpha=sd)
            yield inputs, labels.view(rows.shape)

    def _hits(self, orders: Int64[Tensor, "m n"]) -> list[tuple[Tensor, Tensor] | None]:
        """For each batch: which of its ``m * b`` places belong to the overlays, and which overlay rows go there."""
        when, who = [], []
        for which, (member, order) in enumerate(zip(self._members, orders, strict=True)):
            turn = torch.empty_like(order)
            turn[order] = torch.arange(self._examples)
            when.append(turn[member.data.positions.cpu()])
            who.append(torch.full_like(when[-1], which))
        turns, members = torch.cat(when), torch.cat(who)
        batches, columns = turns // self._batch_size, turns % self._batch_size
        widths = torch.full_like(turns, self._batch_size)
        widths[batches == len(self) - 1] = self._examples - (len(self) - 1) * self._batch_size
        places = members * widths + columns
        hits: list[tuple[Tensor, Tensor] | None] = [None] * len(self)
        by_batch = batches.argsort(stable=True)
        counts = batches.bincount(minlength=len(self)).tolist()
        for batch, overlay in enumerate(by_batch.split(counts)):
            if len(overlay):
                hits[batch] = places[overlay].to(self._device), overlay.to(self._device)
        return hits
