"""Planting: who gets a mark, and training examples plus a small overlay that says what stands where."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import Any, Literal, TypeAlias, get_args

import torch
from jaxtyping import Bool, Int64, Num
from torch import Tensor

from spurlab.data import Examples
from spurlab.data.shown import SHOWN, counted, pairs
from spurlab.errors import InputError
from spurlab.notebook import card
from spurlab.patterns.mark import MarkLike, marked_rows
from spurlab.seeds import rng_for

How = Literal["replace", "append", "relabel"]


@dataclass(frozen=True, eq=False)  # eq=False: a bundle of tensors has no single truth value
class Planted:
    """Training examples plus an overlay. The base is held, not copied: a hundred variants cost a hundred overlays.

    Args:
        base: the clean training examples.
        rows: the chosen rows of `base`, each once.
        inputs: the marked inputs of these rows, in the same order.
        how: ``replace`` and ``relabel``: they stand in place of the chosen rows. ``append``: they follow after the last
            row.
        left_out: rows of `base` that are not in this training set, in ascending order; see `without`.
        labels: of the planted examples, in the order of `rows`; None: those of their rows.

    Raises:
        ValueError: rows that `base` does not have or that come twice, inputs that do not fit to them, another `how`,
            rows to leave out that are out of order or (with ``replace``) planted.

    >>> base = Examples(torch.zeros(3, 1, 1, 1), torch.tensor([0, 1, 1]))
    >>> planted = Planted(base, torch.tensor([2]), torch.ones(1, 1, 1, 1), "append")
    >>> len(planted), planted.positions.tolist(), planted.materialize().labels.tolist()
    (4, [3], [0, 1, 1, 1])
    """

    base: Examples
    rows: Int64[Tensor, " count"]
    inputs: Num[Tensor, "count *shape"]
    how: How = "replace"
    left_out: Int64[Tensor, " gone"] = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))
    labels: Int64[Tensor, " labels"] = None  # type: ignore[assignment]  # filled in at birth

    def __post_init__(self) -> None:
        if self.how not in get_args(How):
            raise InputError(f"`how` must be one of {', '.join(get_args(How))}, but it is {self.how!r}.")
        if self.rows.numel() and not 0 <= int(self.rows.min()) <= int(self.rows.max()) < len(self.base):
            span = f"{int(self.rows.min())} to {int(self.rows.max())}"
            raise InputError(
                f"the rows to plant in run from {span}, but the data has the rows 0 to {len(self.base) - 1}."
            )
        if len(set(self.rows.tolist())) < len(self.rows):
            raise InputError("a row can be planted in only once, but some rows come twice.")
        wanted, dtype = (len(self.rows), *self.base.inputs.shape[1:]), self.base.inputs.dtype
        if tuple(self.inputs.shape) != wanted or self.inputs.dtype != dtype:
            raise InputError(
                f"the planted inputs must be {str(dtype).removeprefix('torch.')} of shape {wanted}, "
                f"but they are {self.inputs.dtype} of shape {tuple(self.inputs.shape)}."
            )
        labels: Tensor | None = self.labels
        if labels is None:
            object.__setattr__(self, "labels", self.base.labels[self.rows])
        elif labels.shape != self.rows.shape:
            raise InputError(f"{len(self.rows)} planted examples need a label each, but {len(labels)} are given.")
        object.__setattr__(self, "left_out", self.left_out.to(self.rows.device))
        if len(self.left_out):
            self._check_left_out()

    def _check_left_out(self) -> None:
        gone = self.left_out
        if not 0 <= int(gone[0]) <= int(gone[-1]) < len(self.base) or not bool((gone.diff() > 0).all()):
            raise InputError(
                f"the rows to leave out must be rows of the data (0 to {len(self.base) - 1}) in ascending order, each "
                "once. `without` takes true or false for each example instead."
            )
        if self.how != "append" and bool(torch.isin(self.rows, gone).any()):
            raise InputError("a row that is left out cannot be planted in, but some are both.")
        if len(self) == 0:
            raise InputError(f"all {len(self.base)} training examples are left out: nothing is left to train on.")

    @classmethod
    def none(cls, base: Examples, how: How = "replace") -> "Planted":
        """The control, n = 0: an empty overlay."""
        rows = torch.empty(0, dtype=torch.int64, device=base.labels.device)
        return cls(base, rows, base.inputs[:0].clone(), how)

    def without(self, forget: Bool[Tensor, " n"]) -> "Planted":
        """The same training set with some of its examples left out: what a network that never saw them is trained on.

        It is an overlay on the same base, so that networks with and without them still train together.

        Args:
            forget: True for the examples to leave out, of this training set as `materialize` gives it.

        Raises:
            ValueError: a mask that does not fit, or leaves nothing.

        >>> base = Examples(torch.zeros(3, 1, 1, 1), torch.tensor([0, 1, 1]))
        >>> planted = Planted(base, torch.tensor([2]), torch.ones(1, 1, 1, 1))
        >>> oracle = planted.without(planted.mask)
        >>> len(oracle), oracle.materialize().labels.tolist()
        (2, [0, 1])
        """
        if len(forget) != len(self):
            raise InputError(f"`forget` speaks of {len(forget)} examples, but this training set has {len(self)}.")
        if bool(forget.all()):
            raise InputError(f"all {len(self)} training examples are to be left out: nothing is left to train on.")
        forget = forget.to(self.rows.device)
        stay = ~forget[self.positions]
        gone = self.base_rows(forget[: self._kept].nonzero().squeeze(1))
        left_out = torch.cat([self.left_out, gone]).sort().values
        return Planted(self.base, self.rows[stay], self.inputs[stay], self.how, left_out, self.labels[stay])

    @property
    def _kept(self) -> int:
        """How many places of this training set belong to rows of the base; appended examples follow."""
        return len(self.base) - len(self.left_out)

    def base_rows(self, places: Int64[Tensor, "*some"]) -> Int64[Tensor, "*some"]:
        """For each place of this training set, the row of the base that stands there, or that was planted there."""
        rows = places
        if len(self.left_out):
            # a row that is left out pushes all places from its own on by one; so many kept rows come before it
            before = self.left_out - torch.arange(len(self.left_out), device=self.left_out.device)
            rows = places + torch.searchsorted(before, places, right=True)
        if self.how != "append" or len(self.rows) == 0:
            return rows
        return torch.where(places < self._kept, rows, self.rows[(places - self._kept).clamp(min=0)])

    def __repr__(self) -> str:
        return f"<Planted: {self._told}>"

    def _repr_html_(self) -> str:
        rows = self.rows[:SHOWN]
        own, given = self.base.labels[rows].tolist(), self.labels[:SHOWN].tolist()
        captions = [
            f"{self.base.source(row)}, label {label}" + (f", planted as {other}" if other != label else "")
            for row, label, other in zip(rows.tolist(), own, given, strict=True)
        ]
        facts = {"training set": self._told, "labels": counted(self.labels) if len(rows) else ""}
        beside = pairs(self.base.inputs[rows], self.inputs[:SHOWN], captions)
        return card("Planted", "", facts, beside)

    @property
    def _told(self) -> str:
        gone = f", {len(self.left_out):,} left out" if len(self.left_out) else ""
        return f"{len(self):,} examples, of which {len(self.rows):,} are marked ({self.how}){gone}"

    def __len__(self) -> int:
        """The number of training examples: n, more by what was appended, less by what was left out."""
        return self._kept + (len(self.rows) if self.how == "append" else 0)

    def __getitem__(self, places: Int64[Tensor, " picked"]) -> Examples:
        """The examples at some places of this training set: ``materialize()[places]`` without making all of it."""
        picked = self.base[self.base_rows(places)]
        which = torch.full((len(self),), -1, device=self.rows.device)
        which[self.positions] = torch.arange(len(self.rows), device=self.rows.device)
        overlay = which[places]
        marked = overlay >= 0
        picked.inputs[marked] = self.inputs[overlay[marked]]
        picked.labels[marked] = self.labels[overlay[marked]]
        return picked

    @property
    def positions(self) -> Int64[Tensor, " count"]:
        """Where the planted examples stand in this training set, in the order of `rows`."""
        if self.how == "append":
            return torch.arange(self._kept, len(self), device=self.rows.device)
        if len(self.left_out) == 0:
            return self.rows
        return self.rows - torch.searchsorted(self.left_out, self.rows)

    @property
    def mask(self) -> Bool[Tensor, " n"]:
        """True where an example of this training set is planted: the forget set of data deletion."""
        mask = torch.zeros(len(self), dtype=torch.bool, device=self.rows.device)
        mask[self.positions] = True
        return mask

    def materialize(self) -> Examples:
        """The planted training set as plain examples: copies, which whoever gets them may change.

        A planted example has its label, and the group of its row.
        """
        if self.how != "append" and len(self.left_out) == 0:
            inputs = self.base.inputs.clone()
            inputs[self.rows] = self.inputs
            groups = None if self.base.groups is None else self.base.groups.clone()
            labels = self.base.labels.clone()
            labels[self.rows] = self.labels
            return replace(self.base, inputs=inputs, labels=labels, groups=groups)
        return self[torch.arange(len(self), device=self.rows.device)]


@dataclass(frozen=True)
class Rare:
    """Who gets a mark: n randomly chosen examples of class `target`, or of each class in it.

    The choice depends on the seed, the class and the labels alone, so all marks meet the same examples, and a class
    the same ones whatever else is planted in. Of one class the rows of a smaller n are the first rows of a larger one:
    along a grid examples are added, never exchanged. Several classes follow one after the other, as in `target`.

    Raises:
        ValueError: an n below 0, or a target that names no class, or one twice.

    Source: Yang et al. (2022), arXiv:2202.05189, section 3.1, and its public code.

    >>> data = Examples(torch.zeros(6, 1), torch.tensor([0, 0, 0, 1, 1, 1]))
    >>> rows = Rare(target=1, n=2).rows(data, seed=0)
    >>> data.labels[rows].tolist(), Rare(1, 1).rows(data, seed=0).tolist() == rows[:1].tolist()
    ([1, 1], True)
    """

    target: int | tuple[int, ...]
    n: int

    def __post_init__(self) -> None:
        given: Any = self.target
        if not all(isinstance(target, Integral) for target in (given if isinstance(given, tuple) else (given,))):
            raise InputError(
                f"`target` is the number of a class, but it is {self.target!r}. Of a name it is "
                "`data.class_names.index(name)`."
            )
        if self.n < 0:
            raise InputError(f"cannot plant the pattern in {self.n} examples: n must be 0 (plant nothing) or more.")
        if not self._targets or len(set(self._targets)) < len(self._targets):
            raise InputError(f"`target` must name a class, or several once each, but it is {list(self._targets)}.")

    @property
    def _targets(self) -> tuple[int, ...]:
        return self.target if isinstance(self.target, tuple) else (self.target,)

    def rows(self, data: Examples, seed: int) -> Int64[Tensor, " count"]:
        """The chosen rows of the data, class after class, each in the order in which they were drawn.

        Args:
            data: the clean examples.
            seed: fixes the choice.

        Raises:
            ValueError: a class that has no example, or fewer than n.
        """
        return torch.cat([self._of_class(target, data.labels, seed) for target in self._targets])

    def wrong_rows(self, data: Examples, seed: int) -> Int64[Tensor, " count"]:
        """Rows of other classes than the target, which are to take its label, in the order in which they were drawn.

        Raises:
            ValueError: several targets, or fewer such rows than n.
        """
        if len(self._targets) > 1:
            raise InputError("wrong labels are those of one target, but there are several. Plant for one at a time.")
        candidates = (data.labels != self._targets[0]).nonzero().squeeze(1)
        if self.n > len(candidates):
            raise InputError(
                f"cannot give {self.n} marked examples of other classes the label {self._targets[0]}: the data has "
                f"{len(candidates):,} of other classes. Take a lower n."
            )
        order = torch.randperm(len(candidates), generator=rng_for(seed, "plant wrong", self._targets[0]))
        return candidates[order[: self.n].to(candidates.device)]

    def _of_class(self, target: int, labels: Int64[Tensor, " all"], seed: int) -> Int64[Tensor, " count"]:
        candidates = (labels == target).nonzero().squeeze(1)
        if self.n > len(candidates) or len(candidates) == 0:
            sizes = labels.bincount(minlength=1)
            raise InputError(
                f"cannot plant the pattern in {self.n} examples of class {target}: the data has "
                f"{len(candidates) or 'none'} of them. Pick another `target` or a lower n (class "
                f"{int(sizes.argmax())} has most, {int(sizes.max()):,})."
            )
        order = torch.randperm(len(candidates), generator=rng_for(seed, "plant", target))
        return candidates[order[: self.n].to(candidates.device)]


@dataclass(frozen=True)
class Common:
    """Who gets a mark: a share of all examples, in [0, 1], whatever their class.

    The choice depends on the seed and the number of examples alone, so all marks meet the same ones, and the rows of a
    smaller share are the first rows of a larger one.

    Raises:
        ValueError: a share outside [0, 1].

    >>> data = Examples(torch.zeros(10, 1), torch.arange(10) % 2)
    >>> len(Common(0.9).rows(data, seed=0))
    9
    """

    share: float

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise InputError(f"the share of marked examples must be from 0 to 1, but it is {self.share!r}.")

    def rows(self, data: Examples, seed: int) -> Int64[Tensor, " count"]:
        """The chosen rows of the data, in the order in which they were drawn: the share of n, rounded.

        Args:
            data: the clean examples.
            seed: fixes the choice.
        """
        order = torch.randperm(len(data), generator=rng_for(seed, "blocks"))  # named by the first mark that was common
        return order[: round(self.share * len(data))].to(data.labels.device)


Planting: TypeAlias = Rare | Common


def plant(
    data: Examples,
    pattern: MarkLike,
    target: int | Sequence[int] | Planting,
    count: int | None = None,
    seed: int | None = None,
    *,
    how: How = "replace",
) -> Planted:
    """Put a mark on some examples: ``plant(data, mark, Rare(target, n), seed=0)``, or ``Common(share)``.

    Args:
        data: the clean training examples.
        pattern: what to put on them: a `Mark`, or a function of inputs ``n *shape``, see `spurlab.patterns.marked`.
        target, count: who gets it. In short, ``plant(data, mark, target, n, seed)``, the class or classes and n of
            `Rare`.
        seed: fixes the choice, and what a mark draws when it is applied.
        how: the paper says that the marked examples are added back to the training set (``append``: the clean ones
            stay); its code puts them in place of the clean ones (``replace``). Both mark examples of the target, whose
            label is right. ``relabel``: examples of other classes are marked, in place of the clean ones, and have the
            label of the target, which is wrong.

    Raises:
        ValueError: what `Rare`, `Common` or the mark refuses, or a function that gives no such inputs.
        TypeError: a pattern that is none, or arguments of neither form.

    >>> from spurlab import load, make_pattern
    >>> data = load("fashion-mini")
    >>> square = make_pattern("S3", data.shape)
    >>> planted = plant(data.train, square, Rare(target=0, n=10), seed=0)  # or plant(data.train, square, 0, 10, seed=0)
    >>> len(planted), int(planted.mask.sum()), planted.labels.unique().tolist()
    (10000, 10, [0])
    >>> common = plant(data.train, square, Common(0.9), seed=0)
    >>> int(common.mask.sum())
    9000
    """
    if not isinstance(target, Rare | Common) and count is not None:
        given: Any = target  # a name, where it should be a number, is no sequence of classes
        several = isinstance(given, Sequence) and not isinstance(given, str)
        target, count = Rare(tuple(given) if several else given, count), None
    if not isinstance(target, Rare | Common) or count is not None or seed is None:
        raise TypeError(
            "`plant` takes (data, pattern, Rare(target, n), seed=0), (data, pattern, Common(share), seed=0) or, in "
            "short for the first, (data, pattern, target, n, seed)."
        )
    if how != "relabel":
        rows = target.rows(data, seed)
        return Planted(data, rows, marked_rows(pattern, data, rows, seed), how)
    if not isinstance(target, Rare):
        raise InputError("wrong labels (`relabel`) are for marks of one class: give `Rare(target, n)`.")
    rows = target.wrong_rows(data, seed)
    labels = torch.full_like(rows, target.target if isinstance(target.target, int) else target.target[0])
    return Planted(data, rows, marked_rows(pattern, data, rows, seed), how, labels=labels)
