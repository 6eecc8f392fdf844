"""Families of additive marks for signals: a spike, a sine, an offset."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float32
from torch import Tensor

from spurlab.errors import InputError
from spurlab.patterns.additive import Family
from spurlab.seeds import rng_for

LARGEST = 1e30  # height: beyond, sums of squares are no numbers in single precision


@dataclass(frozen=True)
class Spike(Family):
    r"""One feature is raised.

    .. math:: x_{sp,j} = h \ \mathbf{1}[j = a]

    Redrawn at any feature of the signal.

    Args:
        height: h, in the units of the signals; below 0 the feature is lowered.
        at: a, the feature, counted from 0; None: drawn under the data seed.

    Raises:
        ValueError: a height of 0 or that is no finite number, or a feature below 0.

    >>> Spike(2.0, at=1).draw((4,), seed=0).tolist()
    [0.0, 2.0, 0.0, 0.0]
    """

    height: float = 8.0
    at: int | None = None
    axes: ClassVar[int] = 1

    def __post_init__(self) -> None:
        _check_height(self.height, "a spike")
        if self.at is not None and self.at < 0:
            raise InputError(f"a spike needs a feature from 0 on, but it is to stand at {self.at}.")

    def draw(self, shape: tuple[int, ...], seed: int) -> Float32[Tensor, "*shape"]:
        """The spike at its feature, or at one drawn uniformly."""
        return self._anywhere(shape, rng_for(seed, "pattern")) if self.at is None else self._at(shape, self.at)

    def redraw(self, shape: tuple[int, ...], seed: int) -> Float32[Tensor, "*shape"]:
        """The spike at a feature drawn uniformly among all, its own included."""
        return self._anywhere(shape, rng_for(seed, "redraw"))

    def _anywhere(self, shape: tuple[int, ...], rng: torch.Generator) -> Float32[Tensor, "*shape"]:
        return self._at(shape, int(torch.randint(shape[0], (), generator=rng)))

    def _at(self, shape: tuple[int, ...], feature: int) -> Float32[Tensor, "*shape"]:
        if shape[0] <= feature:
            raise InputError(f"it needs signals of at least {feature + 1} features, but these have {shape[0]}.")
        offset = torch.zeros(shape)
        offset[feature] = self.height
        return offset


@dataclass(frozen=True)
class Sine(Family):
    r"""A sine over the whole signal.

    .. math:: x_{sp,j} = h \sin\Big(\frac{2 \pi j}{p} + \varphi\Big)

    Redrawn with a period and phase that are drawn, its own among them, and the same norm: with
    :math:`k = 1, \ldots, \lceil d / 2 \rceil - 1` whole
    periods in the d features, k and the phase uniform. The norm of such a sine is :math:`h \sqrt{d / 2}` whatever its
    phase; of one that does not end with the signal it differs a little, and redrawn ones have that of it.

    Args:
        height: h, its amplitude, in the units of the signals.
        period: p, in features, above 2.
        phase: :math:`\varphi`, in radians, at feature 0.

    Raises:
        ValueError: a height of 0, a period of 2 or less, or something that is no finite number.

    >>> Sine(0.5, period=4.0).draw((5,), seed=0).abs().round(decimals=6).tolist()
    [0.0, 0.5, 0.0, 0.5, 0.0]
    """

    height: float = 2.0
    period: float = 8.0
    phase: float = 0.0
    axes: ClassVar[int] = 1

    def __post_init__(self) -> None:
        _check_height(self.height, "a sine")
        if not 2 < self.period < math.inf:  # no more than one turn in two features can be told from a slower one
            raise InputError(f"a sine needs a period of more than 2 features, but it is {self.period!r}.")
        if not math.isfinite(self.phase):
            raise InputError(f"a sine needs a phase in radians, a finite number, but it is {self.phase!r}.")

    def draw(self, shape: tuple[int, ...], seed: int) -> Float32[Tensor, "*shape"]:
        """The sine; nothing is left to chance, whatever the seed."""
        return _sine(shape, self.height, self.period, self.phase)

    def redraw(self, shape: tuple[int, ...], seed: int) -> Float32[Tensor, "*shape"]:
        """A sine of the same norm, with a number of whole periods and a phase that are drawn."""
        features, rng = shape[0], rng_for(seed, "redraw")
        if features < 3:
            raise InputError(f"sines of other periods need signals of 3 features or more, but these have {features}.")
        periods = int(torch.randint(1, (features + 1) // 2, (), generator=rng))
        phase = 2 * math.pi * torch.rand((), generator=rng, dtype=torch.float64).item()
        height = self.draw(shape, seed).double().norm().item() / math.sqrt(features / 2)
        return _sine(shape, height, features / periods, phase)


@dataclass(frozen=True)
class Offset(Family):
    r"""All features are raised alike.

    .. math:: x_{sp,j} = h

    There is one such mark of a norm, and its negative. Its null marks have a step: raised up to a feature drawn
    uniformly and lowered as much from there on, or the other way round. Of 2d of them one is this mark itself.

    Args:
        height: h, in the units of the signals; below 0 all are lowered.

    Raises:
        ValueError: a height of 0 or that is no finite number.

    >>> Offset(0.5).draw((3,), seed=0).tolist(), Offset(0.5).redraw((3,), seed=0).abs().tolist()
    ([0.5, 0.5, 0.5], [0.5, 0.5, 0.5])
    """

    height: float = 1.0
    axes: ClassVar[int] = 1

    def __post_init__(self) -> None:
        _check_height(self.height, "an offset")

    def draw(self, shape: tuple[int, ...], seed: int) -> Float32[Tensor, "*shape"]:
        """The offset; nothing is left to chance, whatever the seed."""
        return torch.full(shape, float(self.height))

    def redraw(self, shape: tuple[int, ...], seed: int) -> Float32[Tensor, "*shape"]:
        """The offset with a step at a feature, or none: see above."""
        rng = rng_for(seed, "redraw")
        step, sign = (int(torch.randint(most, (), generator=rng)) for most in (shape[0], 2))
        offset = torch.full(shape, float(self.height) * (2 * sign - 1))
        offset[:step] *= -1
        return offset


def _sine(shape: tuple[int, ...], height: float, period: float, phase: float) -> Float32[Tensor, "*shape"]:
    turns = torch.arange(shape[0], dtype=torch.float64) / period
    return (height * torch.sin(2 * math.pi * turns + phase)).float()


def _check_height(height: float, what: str) -> None:
    if not abs(height) < LARGEST or height == 0:
        raise InputError(f"{what} needs a height that is a finite number other than 0, but it is {height!r}.")
