"""A common spurious feature: most training signals of a class carry a mark that belongs to the class."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from spurlab.data import Examples
from spurlab.errors import did_you_mean
from spurlab.patterns.planting import Planted
from spurlab.seeds import rng_for

Drawn = Literal["class", "signal", "feature"]
FARTHEST = 30  # standard deviations from the mean up to zero: beyond, what is left of the normal is no number


@dataclass(frozen=True)
class ClassBlocks:
    r"""A positive value on a block of features that belongs to the class, for a share of all training signals.

    Label :math:`k` has the features :math:`sk, \ldots, sk + w - 1`; the value is normal, truncated to be non-negative:

    .. math:: x_j \leftarrow x_j + v, \qquad v \sim \mathcal{N}(\mu, \sigma^2) \mid v \ge 0

    Ten blocks of width 5 at every fourth feature fill a signal of 40. Neighbours overlap in one feature; the last has
    no neighbour, and ends with the signal.

    Args:
        share: p, the share of the training signals that get the mark, in [0, 1]; classes are not asked for.
        value: drawn once for each ``class``, each ``signal`` or each ``feature`` of each signal. The report leaves
            open which.
        width: w, features of a block.
        stride: s, from the start of one block to the next.
        mean: :math:`\mu`, before the normal is truncated.
        sd: :math:`\sigma`, before the normal is truncated; 0 adds the mean.

    Raises:
        ValueError: a setting outside of its range; the sentence names it.

    Source: Quinn, report on spurious MNIST-1D, section 4.

    >>> data = Examples(torch.zeros(4, 6), torch.tensor([0, 1, 1, 0]))
    >>> marks = ClassBlocks(share=1.0, width=3, stride=3, sd=0.0)
    >>> marks.plant(data, seed=0).materialize().inputs[0].tolist()
    [2.0, 2.0, 2.0, 0.0, 0.0, 0.0]
    """

    share: float = 0.9
    value: Drawn = "class"
    width: int = 5
    stride: int = 4
    mean: float = 2.0
    sd: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError(f"the share of marked signals must be from 0 to 1, but it is {self.share!r}.")
        if self.value not in get_args(Drawn):
            raise ValueError(f"`value` must be drawn for each {', '.join(get_args(Drawn))}, but it is {self.value!r}.")
        for name in ("width", "stride"):
            if getattr(self, name) < 1:
                raise ValueError(f"the {name} of blocks must be 1 feature or more, but it is {getattr(self, name)}.")
        if not 0 <= self.sd < math.inf:
            raise ValueError(f"the standard deviation of the value must be 0 or more, but it is {self.sd!r}.")
        if not -FARTHEST * self.sd <= self.mean < math.inf:
            raise ValueError(
                f"the mean of the value must be -{FARTHEST} standard deviations or more, or hardly a number is left "
                f"above zero, but it is {self.mean!r} (standard deviation {self.sd!r})."
            )

    def plant(self, data: Examples, seed: int) -> Planted:
        """Mark a share of the signals, each on the block of its label; labels stay.

        Which signals, and in which order, depends on the seed and their number alone: the rows of a smaller share are
        the first rows of a larger one, and all three readings of `value` choose the same. The value of a class depends
        on the seed and the class alone, that of a signal on the seed and its row.

        Args:
            data: the clean training signals, ``n d``; not changed.
            seed: fixes the choice and the values.

        Raises:
            ValueError: inputs that are no vectors, labels of one class only, or blocks that leave the signal.
        """
        self._check(data)
        n = len(data)
        rows = torch.randperm(n, generator=rng_for(seed, "blocks"))[: round(self.share * n)].to(data.labels.device)
        places = self.stride * data.labels[rows].unsqueeze(1) + torch.arange(self.width, device=rows.device)
        values = self._values(data.labels, seed)[rows].to(data.inputs)
        inside = places < data.shape[0]  # the last block ends with the signal
        marked = data.inputs[rows]
        marked.scatter_add_(1, places.clamp(max=data.shape[0] - 1), values * inside)
        return Planted(data, rows, marked)

    def slice_of(self, label: int) -> slice:
        """The features of a label's block, to index the last axis with; a slice ends where the signal does."""
        return slice(self.stride * label, self.stride * label + self.width)

    def blocks(self, classes: int, features: int | None = None) -> Bool[Tensor, "k d"]:
        """True on each class's block.

        Args:
            classes: the number of classes, k.
            features: the length of a signal, d; None: `stride` for each class, which is 40 for ten.

        Raises:
            ValueError: blocks that leave the signal.

        >>> ClassBlocks(width=3, stride=2).blocks(2).int().tolist()
        [[1, 1, 1, 0], [0, 0, 1, 1]]
        """
        features = self.stride * classes if features is None else features
        self._check_fit(classes, features)
        after = torch.arange(features) - self.stride * torch.arange(classes).unsqueeze(1)  # from the start of a block
        return (after >= 0) & (after < self.width)

    def _check(self, data: Examples) -> None:
        if len(data.shape) != 1:
            raise ValueError(
                f"blocks of features are for signals, one vector each, but one input here has the shape {data.shape}. "
                "Flatten the inputs, or plant a pattern in images."
            )
        if len(found := data.labels.unique().tolist()) < 2:
            raise ValueError(
                "a mark that belongs to the class needs examples of two classes or more, but the labels here are "
                f"{found}."
            )
        self._check_fit(max(found) + 1, data.shape[0])

    def _check_fit(self, classes: int, features: int) -> None:
        needed = self.stride * (classes - 1) + min(self.width, self.stride)  # what overlaps may be cut
        if needed > features:
            raise ValueError(
                f"{classes} blocks of {self.width} features, one at every {self.stride}, need signals of {needed} "
                f"features, but these have {features}. Lower `stride` or `width`."
            )

    def _values(self, labels: Int64[Tensor, " n"], seed: int) -> Float64[Tensor, "n width"]:
        """What each signal gets where it is chosen; all are drawn, so that a value does not move with the share."""
        if self.value == "class":
            of_class = [self._draw(1, seed, "class", k) for k in range(int(labels.max()) + 1)]
            return torch.cat(of_class)[labels.cpu()].unsqueeze(1).expand(-1, self.width)
        if self.value == "signal":
            return self._draw(len(labels), seed, "signal").unsqueeze(1).expand(-1, self.width)
        return self._draw(len(labels) * self.width, seed, "feature").view(-1, self.width)

    def _draw(self, count: int, seed: int, *purpose: str | int) -> Float64[Tensor, " count"]:
        r"""Numbers of the truncated normal, by the inverse of its distribution function.

        They exceed v with chance :math:`\Phi((\mu - v) / \sigma) / \Phi(\mu / \sigma)`, a form that is exact far out.
        """
        uniform = 1 - torch.rand(count, generator=rng_for(seed, "block values", *purpose), dtype=torch.float64)
        if self.sd == 0:
            return torch.full_like(uniform, self.mean)
        # by its logarithm: PyTorch's `ndtr` itself is 1 + erf, which is rounding alone from eight deviations on
        above = torch.special.log_ndtr(torch.tensor(self.mean / self.sd, dtype=torch.float64)).exp()
        values: Tensor = self.mean - self.sd * torch.special.ndtri(uniform * above)
        return values.clamp(min=0)  # against rounding


# The readings of the report. A new one is one line here.
COMMON: Mapping[str, ClassBlocks] = {
    "blocks": ClassBlocks(value="class"),
    "blocks-signal": ClassBlocks(value="signal"),
    "blocks-feature": ClassBlocks(value="feature"),
}


def common_named(name: str) -> ClassBlocks:
    """A common spurious feature of the table.

    Raises:
        ValueError: an unknown name, with the nearest there is.

    >>> common_named("blocks-signal").value
    'signal'
    """
    if name in COMMON:
        return COMMON[name]
    raise ValueError(f"there is no common spurious feature {name!r}. {did_you_mean(name, COMMON)}")
