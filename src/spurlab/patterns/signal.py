"""Marks of signals: a block of features that belongs to the class."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, get_args

import torch
from jaxtyping import Bool, Float32, Float64, Int64
from torch import Tensor

from spurlab.data import Examples
from spurlab.errors import InputError
from spurlab.seeds import rng_for

Drawn = Literal["class", "signal", "feature"]
FARTHEST = 30  # standard deviations from the mean up to zero: beyond, what is left of the normal is no number


@dataclass(frozen=True)
class ClassBlocks:
    r"""A positive value on a block of features that belongs to the class.

    Label :math:`k` has the features :math:`sk, \ldots, sk + w - 1`; the value is normal, truncated to be non-negative:

    .. math:: x_j \leftarrow x_j + v, \qquad v \sim \mathcal{N}(\mu, \sigma^2) \mid v \ge 0

    Ten blocks of width 5 at every fourth feature fill a signal of 40. Neighbours overlap in one feature; the last has
    no neighbour, and ends with the signal. In a study a share of all training signals has them: `Common`.

    Args:
        value: drawn once for each ``class``, each ``signal`` or each ``feature`` of each signal. The report leaves
            open which.
        width: w, features of a block.
        stride: s, from the start of one block to the next.
        mean: :math:`\mu`, before the normal is truncated.
        sd: :math:`\sigma`, before the normal is truncated; 0 adds the mean.
        redrawn: the seed of places drawn at random, see `redraw`; None: those above.

    Raises:
        ValueError: a setting outside of its range; the sentence names it.

    Source: Quinn, report on spurious MNIST-1D, section 4.

    >>> data = Examples(torch.zeros(4, 6), torch.tensor([0, 1, 1, 0]))
    >>> mark = ClassBlocks(width=3, stride=3, sd=0.0)
    >>> mark.apply(data, torch.tensor([0, 1]), seed=0).tolist()
    [[2.0, 2.0, 2.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 2.0, 2.0, 2.0]]
    """

    value: Drawn = "class"
    width: int = 5
    stride: int = 4
    mean: float = 2.0
    sd: float = 1.0
    redrawn: int | None = None
    axes: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if self.value not in get_args(Drawn):
            raise InputError(f"`value` must be drawn for each {', '.join(get_args(Drawn))}, but it is {self.value!r}.")
        for name in ("width", "stride"):
            if getattr(self, name) < 1:
                raise InputError(f"the {name} of blocks must be 1 feature or more, but it is {getattr(self, name)}.")
        if not 0 <= self.sd < math.inf:
            raise InputError(f"the standard deviation of the value must be 0 or more, but it is {self.sd!r}.")
        if not -FARTHEST * self.sd <= self.mean < math.inf:
            raise InputError(
                f"the mean of the value must be -{FARTHEST} standard deviations or more, or hardly a number is left "
                f"above zero, but it is {self.mean!r} (standard deviation {self.sd!r})."
            )

    def apply(self, data: Examples, rows: Int64[Tensor, " count"], seed: int) -> Float32[Tensor, "count d"]:
        """Some of the signals, each with the block of its label.

        The value of a class depends on the seed and the class alone, that of a signal on the seed and its row in the
        data, so that neither moves with the choice of rows.

        Raises:
            ValueError: inputs that are no vectors, labels of one class only, or blocks that leave the signal.
        """
        self._check_signals(data.shape)
        if len(classes := data.labels.unique().tolist()) < 2:
            raise InputError(
                "a mark that belongs to the class needs examples of two classes or more, but the labels here are "
                f"{classes}."
            )
        labels, features = data.labels[rows], data.shape[0]
        starts, widths = (ends.to(labels.device)[labels] for ends in self._layout(max(classes) + 1, features))
        within = torch.arange(self.width, device=labels.device)
        places = (starts.unsqueeze(1) + within).clamp(max=features - 1)
        values = self._values(data.labels, seed)[rows.cpu()].to(data.inputs)
        marked = data.inputs[rows]
        return marked.scatter_add_(1, places, values * (within < widths.unsqueeze(1)))

    def redraw(self, seed: int) -> "ClassBlocks":
        """Blocks as long as these with the same values, each at a place drawn uniformly among all where it fits."""
        return replace(self, redrawn=seed)

    def make(self, name: str, shape: tuple[int, ...], seed: int, clip: tuple[float, float] | None) -> "ClassBlocks":
        """The value itself: it fits signals of any length and range, and draws when it is applied.

        Raises:
            ValueError: inputs that are no vectors.
        """
        self._check_signals(shape)
        return self

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
        starts, widths = self._layout(classes, features)
        after = torch.arange(features) - starts.unsqueeze(1)  # from the start of a block
        return (after >= 0) & (after < widths.unsqueeze(1))

    def _layout(self, classes: int, features: int) -> tuple[Int64[Tensor, " k"], Int64[Tensor, " k"]]:
        """Where each class's block starts, and how long it is: the last may end with the signal."""
        needed = self.stride * (classes - 1) + min(self.width, self.stride)  # what overlaps may be cut
        if needed > features:
            raise InputError(
                f"{classes} blocks of {self.width} features, one at every {self.stride}, need signals of {needed} "
                f"features, but these have {features}. Lower `stride` or `width`."
            )
        starts = self.stride * torch.arange(classes)
        widths = (features - starts).clamp(max=self.width)
        if self.redrawn is not None:
            for k in range(classes):
                rng = rng_for(self.redrawn, "redraw", k)
                starts[k] = torch.randint(features - int(widths[k]) + 1, (), generator=rng)
        return starts, widths

    @staticmethod
    def _check_signals(shape: tuple[int, ...]) -> None:
        if len(shape) != 1:
            raise InputError(
                f"blocks of features are for signals, one vector each, but one input here has the shape {shape}. "
                "Flatten the inputs, or plant a pattern in images."
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
