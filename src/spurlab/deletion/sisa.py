"""A way of training that makes exact deletion cheap: one network for each shard of the data."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int64, Num
from torch import Tensor, nn

from spurlab.data import Examples
from spurlab.deletion.method import deleting
from spurlab.errors import InputError
from spurlab.methods import Make, device_of, finite, untrained
from spurlab.models import ask, unsaved_difference, unwrapped
from spurlab.patterns import Planted
from spurlab.seeds import rng_for, seed_for
from spurlab.training import Member, Recipe, Trained, faster_engine, grouped, train_each, train_group

NOWHERE = -1  # the shard of a forgotten example


class Sharded(nn.Module):
    """Networks that have learnt one shard of the data each; together they give the mean of their probabilities.

    Args:
        members: one network for each shard.
        shard_of: the shard of each training example, or `NOWHERE`. It is a buffer, and so saved with the weights.
        make: a new network, by seed.
    """

    shard_of: Tensor

    def __init__(self, members: Sequence[nn.Module], shard_of: Int64[Tensor, " n"], make: Make) -> None:
        super().__init__()
        self.members, self.make = nn.ModuleList(members), make
        self.register_buffer("shard_of", shard_of)

    def forward(self, inputs: Num[Tensor, "n *shape"]) -> Float[Tensor, "n k"]:
        """Log-probabilities, which are logits: a softmax leaves them as they are."""
        log_p = torch.stack([ask(member, inputs).log_softmax(1) for member in self.members])
        mean: Tensor = log_p.logsumexp(0) - torch.tensor(float(len(self.members))).log()
        return mean

    def rows(self, shard: int) -> Int64[Tensor, " rows"]:
        """The training examples that the network of this shard has learnt, in rising order."""
        return (self.shard_of == shard).nonzero().squeeze(1).cpu()


@dataclass(frozen=True)
class Sisa:
    r"""SISA (sharded, isolated, sliced, aggregated), with one slice: each network learns one shard of the data.

    .. math:: p(x) = \frac{1}{S} \sum_{s=1}^{S} p(x; \theta_s), \qquad \theta_s = \mathcal{A}(\text{shard}_s)

    The public code takes the majority of the networks' votes unless told otherwise; the mean of their probabilities, as
    here, is its other option. One slice is its default.

    Deletion trains the networks of those shards anew that held a forgotten example, from the weights on with which they
    began. That is exact: the others have never seen it, and these are the networks that training without it gives.

    It is a way of training, not a change to any network: first `train`, then the call. The shards train in lockstep.
    Called with a network that was trained in another way, it puts in its place what a service that had sharded all the
    data from the start would hold after the deletion: the same as `train` and then the call, in the time of one
    `train`, since networks that would be trained twice are trained once.

    Cost: one training for all shards together, by each on an S-th of the data; deletion of a few examples, those of as
    many shards. Needs: all retained examples of the shards concerned.

    Args:
        recipe: how each network is trained.
        seed: fixes the shards, the initial weights and the order of the examples; the same for deletion as in training.
        make: a new network, by seed, in place of one that was trained in another way; None: a copy of it, every layer
            reset, see `spurlab.methods.untrained`.
        shards: S; more make deletion cheaper, and leave fewer examples to each network. 5 as in the example of the
            public code's README.

    Source: Bourtoule et al. (2021), Machine unlearning, arXiv:1912.03817, section IV.

    >>> data = Examples(torch.randn(40, 2), torch.arange(40) % 2)
    >>> sisa = Sisa(Recipe(epochs=1, milestones=()), shards=4)
    >>> model = sisa.train(lambda seed: nn.Sequential(nn.Flatten(), nn.Linear(2, 2)), data)
    >>> model.shard_of.bincount().tolist()
    [10, 10, 10, 10]
    >>> sisa(model, data, torch.arange(40) == 7).shard_of.eq(NOWHERE).nonzero().tolist()
    [[7]]
    """

    recipe: Recipe
    seed: int = 0
    make: Make | None = None
    anew: ClassVar[bool] = True  # whatever the given network is, so also of trees
    shards: int = 5

    def train(self, make: Make, data: Examples, device: torch.device | str = "cpu") -> Sharded:
        """One network for each shard.

        Args:
            make: a network with its initial weights, by seed.
            data: the training examples.
            device: where to train.

        Raises:
            ValueError: fewer examples than shards, or no shard.
        """
        model = self._new(make, data, device)
        self._learn(model, data, range(self.shards))
        finite(model)
        return model

    @deleting
    def __call__(self, model: nn.Module, data: Examples, forget: Bool[Tensor, " n"]) -> nn.Module:
        if isinstance(model, Sharded):
            held = model
        else:  # a partial in place of the function would be copied with the network, and this network with it
            held = self._new(lambda seed: untrained(model, seed, self.make), data, device_of(model))
        if len(held.shard_of) != len(data):
            raise InputError(
                f"this network was trained on {len(held.shard_of)} examples, but these are {len(data)}: give the "
                "training examples, in the same order."
            )
        if len(held.members) != self.shards:
            raise InputError(f"this network has {len(held.members)} shards, but `shards` is {self.shards}.")
        gone = forget.to(held.shard_of.device)
        concerned = sorted(set(held.shard_of[gone].tolist()) - {NOWHERE}) if held is model else range(self.shards)
        held.shard_of[gone] = NOWHERE
        for shard in concerned:
            if len(held.rows(shard)) == 0:
                raise InputError(f"all examples of shard {shard} are to be forgotten: train anew with fewer shards.")
        self._learn(held, data, concerned)
        return held

    def _new(self, make: Make, data: Examples, device: torch.device | str) -> Sharded:
        """Shards that have learnt nothing yet."""
        if not 1 <= self.shards <= len(data):
            raise InputError(f"cannot cut {len(data)} examples into {self.shards} shards: take 1 to {len(data)}.")
        order = torch.randperm(len(data), generator=rng_for(self.seed, "deletion", "sisa", "shards"))
        shard_of = torch.empty_like(order)
        shard_of[order] = torch.arange(len(data)) % self.shards
        members = [make(self._seed(shard)).to(device) for shard in range(self.shards)]
        return Sharded(members, shard_of.to(device), make)

    def _seed(self, shard: int) -> int:
        return seed_for(self.seed, "deletion", "sisa", shard)

    def _learn(self, model: Sharded, data: Examples, shards: Sequence[int]) -> None:
        """Train the networks of these shards anew, in lockstep where that is faster."""
        base, device = Planted.none(data), device_of(model)
        learners = [Member(base.without(model.shard_of.cpu() != shard), self._seed(shard)) for shard in shards]
        if not learners:
            return
        first, last = (unwrapped(model.make(learner.seed)) for learner in (learners[0], learners[-1]))
        engine = "plain" if unsaved_difference(first, last) else faster_engine(first, data.shape, device)[0]
        train = train_group if engine == "lockstep" else train_each
        groups = grouped(learners, len(learners), 1)  # shards of one size
        trained = Trained.joined(
            [train(model.make, [learners[i] for i in group], self.recipe, device=device) for group in groups]
        )
        for place, i in enumerate(i for group in groups for i in group):
            state = {name: weights[place] for name, weights in trained.state.items()}
            unwrapped(model.members[shards[i]]).load_state_dict(state)
