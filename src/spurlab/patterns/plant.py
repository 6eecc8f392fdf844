"""Planting: training examples plus a small overlay that says what stands where."""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from spurlab.data import Examples
from spurlab.patterns.pattern import Pattern
from spurlab.seeds import rng_for

How = Literal["replace", "append"]


@dataclass(frozen=True, eq=False)  # eq=False: a bundle of tensors has no single truth value
class Planted:
    """Training examples plus an overlay. The base is held, not copied: a hundred variants cost a hundred overlays.

    Args:
        base: the clean training examples.
        rows: the chosen rows of `base`, each once.
        inputs: the marked inputs of these rows, in the same order.
        how: ``replace``: they stand in place of the chosen rows. ``append``: they follow after the last row.

    Raises:
        ValueError: rows that `base` does not have or that come twice, inputs that do not fit to them, another `how`.

    >>> base = Examples(torch.zeros(3, 1, 1, 1), torch.tensor([0, 1, 1]))
    >>> planted = Planted(base, torch.tensor([2]), torch.ones(1, 1, 1, 1), "append")
    >>> len(planted), planted.positions.tolist(), planted.materialize().labels.tolist()
    (4, [3], [0, 1, 1, 1])
    """

    base: Examples
    rows: Int64[Tensor, " count"]
    inputs: Float32[Tensor, "count *shape"]
    how: How = "replace"

    def __post_init__(self) -> None:
        if self.how not in get_args(How):
            raise ValueError(f"`how` must be one of {', '.join(get_args(How))}, but it is {self.how!r}.")
        if self.rows.numel() and not 0 <= int(self.rows.min()) <= int(self.rows.max()) < len(self.base):
            span = f"{int(self.rows.min())} to {int(self.rows.max())}"
            raise ValueError(
                f"the rows to plant in run from {span}, but the data has the rows 0 to {len(self.base) - 1}."
            )
        if len(set(self.rows.tolist())) < len(self.rows):
            raise ValueError("a row can be planted in only once, but some rows come twice.")
        wanted = (len(self.rows), *self.base.shape)
        if tuple(self.inputs.shape) != wanted or self.inputs.dtype != torch.float32:
            raise ValueError(
                f"the planted inputs must be float32 of shape {wanted}, "
                f"but they are {self.inputs.dtype} of shape {tuple(self.inputs.shape)}."
            )

    @classmethod
    def none(cls, base: Examples, how: How = "replace") -> "Planted":
        """The control, n = 0: an empty overlay."""
        rows = torch.empty(0, dtype=torch.int64, device=base.labels.device)
        return cls(base, rows, base.inputs.new_empty((0, *base.shape)), how)

    def __len__(self) -> int:
        """The number of training examples, n or n + count."""
        return len(self.base) + (len(self.rows) if self.how == "append" else 0)

    @property
    def labels(self) -> Int64[Tensor, " count"]:
        """The labels of the planted examples, in the order of `rows`."""
        return self.base.labels[self.rows]

    @property
    def positions(self) -> Int64[Tensor, " count"]:
        """Where the planted examples stand in this training set, in the order of `rows`."""
        if self.how == "replace":
            return self.rows
        return torch.arange(len(self.base), len(self), device=self.rows.device)

    @property
    def mask(self) -> Bool[Tensor, " n"]:
        """True where an example of this training set is planted: the forget set of data deletion."""
        mask = torch.zeros(len(self), dtype=torch.bool, device=self.rows.device)
        mask[self.positions] = True
        return mask

    def materialize(self) -> Examples:
        """The planted training set as plain examples; a planted example keeps the label and group of its row."""
        base = self.base
        if self.how == "replace":
            inputs = base.inputs.clone()
            inputs[self.rows] = self.inputs
            return Examples(inputs, base.labels, base.groups)
        groups = None if base.groups is None else torch.cat([base.groups, base.groups[self.rows]])
        return Examples(torch.cat([base.inputs, self.inputs]), torch.cat([base.labels, self.labels]), groups)


def plant(data: Examples, pattern: Pattern, target: int, count: int, seed: int, *, how: How = "replace") -> Planted:
    """Put `pattern` on `count` randomly chosen examples of class `target`.

    The choice depends on the seed, the target and the labels alone, so all patterns meet the same examples. The rows
    of a smaller count are the first rows of a larger one: along a grid examples are added, never exchanged.

    Args:
        data: the clean training examples.
        pattern: what to put on them.
        target: the class whose examples are chosen.
        count: how many; the paper's n. 0 plants nothing.
        seed: fixes the choice.
        how: the paper says that the marked examples are added back to the training set (``append``: the clean ones
            stay); its code puts them in place of the clean ones (``replace``).

    Raises:
        ValueError: a negative count, a class without examples or with fewer than `count`, or inputs of another shape
            than the pattern's.

    Source: Yang et al. (2022), arXiv:2202.05189, section 3.1, and its public code.
    """
    candidates = (data.labels == target).nonzero().squeeze(1)
    sizes = data.labels.bincount().tolist()
    if count < 0:
        raise ValueError(f"cannot plant the pattern in {count} examples: `count` must be 0 (plant nothing) or more.")
    if len(candidates) == 0:
        raise ValueError(
            f"cannot plant the pattern in class {target}: the data has no example of it. "
            f"Pick another `target` (class sizes from class 0 on: {sizes})."
        )
    if count > len(candidates):
        raise ValueError(
            f"cannot plant the pattern in {count} examples of class {target}: the data has {len(candidates)} of them. "
            f"Lower `count`, or pick another `target` (class sizes from class 0 on: {sizes})."
        )
    order = torch.randperm(len(candidates), generator=rng_for(seed, "plant", target))
    rows = candidates[order[:count].to(candidates.device)]
    return Planted(data, rows, pattern(data.inputs[rows]), how)
