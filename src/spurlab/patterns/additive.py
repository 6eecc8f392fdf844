"""Additive marks, g(x, x_sp) = clip(x + x_sp): of images, families in `image`; of signals, in `waves`."""

from dataclasses import dataclass, field, replace
from typing import ClassVar, Protocol, runtime_checkable

import torch
from jaxtyping import Float32, Int64, UInt8
from torch import Tensor

from spurlab.data import Examples
from spurlab.data.examples import unseen_marks
from spurlab.data.shown import strip, times
from spurlab.errors import InputError
from spurlab.notebook import card

_KINDS = {3: "images of shape c h w", 1: "signals, one vector of shape d each"}  # by the number of axes


@runtime_checkable
class Family(Protocol):
    """What an additive pattern is drawn from: frozen settings and two ways to draw.

    Shapes have as many axes as `axes` says: 3 are images ``c h w``, 1 is signals ``d``.
    """

    axes: ClassVar[int] = 3

    def draw(self, shape: tuple[int, ...], seed: int) -> Float32[Tensor, "*shape"]:
        """The x_sp that is planted under this data seed."""

    def redraw(self, shape: tuple[int, ...], seed: int) -> Float32[Tensor, "*shape"]:
        """Another x_sp of the family, for null patterns; its draws are independent of those of `draw`."""

    def make(self, name: str, shape: tuple[int, ...], seed: int, clip: tuple[float, float] | None) -> "Pattern":
        """The pattern of this family for inputs of a shape.

        Args:
            name: what to call it, e.g. ``S3``.
            shape: of one input, ``c h w`` or ``d``.
            seed: the data seed, with which it is drawn.
            clip: the range of the inputs; None where they have no bounds.

        Raises:
            ValueError: inputs of another kind, or too small ones.
        """
        if len(shape) != self.axes or min(shape) < 1:
            raise InputError(
                f"pattern {name} is for {_KINDS[self.axes]}, but these inputs have the shape {tuple(shape)}."
            )
        try:
            offset = self.draw(tuple(shape), seed)
        except ValueError as error:
            raise InputError(f"pattern {name} does not fit: {error}") from None
        low, high = clip if clip is not None else (None, None)
        return Pattern(name, offset, low, high, self, seed)


@dataclass(frozen=True, eq=False)  # eq=False: a bundle with a tensor has no single truth value
class Pattern:
    r"""An additive pattern, and the map that puts it on inputs.

    .. math:: g(x, x_{sp}) = \mathrm{clip}_{[low, high]}(x + x_{sp})

    Args:
        name: as in the paper, e.g. ``S3``.
        offset: the pattern :math:`x_{sp}` itself.
        low, high: the range that marked inputs are clipped to; None for no lower or upper end.
        family: what `redraw` draws from; None for a pattern of your own that cannot be redrawn.
        seed: with which the offset was drawn.
        redrawn: True for a null pattern.

    Raises:
        ValueError: an offset that is not finite float32 of shape ``c h w`` (images) or ``d`` (signals), or an empty
            range.

    Source: Yang et al. (2022), arXiv:2202.05189, section 3.1.

    >>> mine = Pattern("mine", torch.tensor([[[0.0, 0.5]]]))
    >>> mine(torch.tensor([[[0.25, 0.25]]])).tolist(), mine(torch.tensor([[[0.75, 0.75]]])).tolist()
    ([[[0.25, 0.75]]], [[[0.75, 1.0]]])
    >>> Pattern("peak", torch.tensor([0.0, 2.0, 0.0]), low=None, high=None)(torch.ones(1, 3)).tolist()
    [[1.0, 3.0, 1.0]]
    """

    name: str
    offset: Float32[Tensor, "*shape"] = field(repr=False)
    low: float | None = 0.0
    high: float | None = 1.0
    family: Family | None = None
    seed: int = 0
    redrawn: bool = False

    def __post_init__(self) -> None:
        fits = self.offset.dtype == torch.float32 and self.offset.ndim in _KINDS
        if not fits or not bool(self.offset.isfinite().all()):
            raise InputError(
                f"the offset of pattern {self.name} must be finite float32 of shape c h w (images) or d (signals), "
                f"but it is {self.offset.dtype} of shape {tuple(self.offset.shape)}."
            )
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise InputError(f"pattern {self.name} clips to [{self.low}, {self.high}], which holds nothing.")

    def _repr_html_(self) -> str:
        facts = {"for": f"inputs of {times(self.shape)}", "drawn from": repr(self.family) if self.family else ""}
        return card("Pattern", self.name, facts, strip("", self.offset[None], ["what is added"]))

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one input that it marks: channels, height and width of an image, the features of a signal."""
        return tuple(self.offset.shape)

    def __call__(self, inputs: Float32[Tensor, "*n_shape"] | UInt8[Tensor, "*n_shape"]) -> Float32[Tensor, "*n_shape"]:
        """Marked inputs, always new tensors. Inputs of uint8 are read as x / 255.

        Raises:
            TypeError: inputs that are neither float32 nor uint8.
            ValueError: inputs of another shape; signals are ``d`` or ``n d``, for in more axes anything could end in d.
        """
        if inputs.dtype not in (torch.float32, torch.uint8):
            raise TypeError(f"pattern {self.name} marks inputs of float32 or uint8, but these are {inputs.dtype}.")
        axes, found = self.offset.ndim, tuple(inputs.shape)
        if found[-axes:] != self.shape or (axes == 1 and len(found) > 2):
            said = f"({'c h w' if axes == 3 else 'd'}), but the shape of these ends in {found[-3:]}"
            raise InputError(
                f"pattern {self.name} was drawn for inputs of shape {self.shape} {said}. Draw it for their shape."
            )
        clean = inputs.float() / 255 if inputs.dtype == torch.uint8 else inputs
        marked = clean + self.offset.to(clean.device)
        if self.low is None and self.high is None:
            return marked
        return marked.clamp_(self.low, self.high)

    def apply(self, data: Examples, rows: Int64[Tensor, " count"], seed: int) -> Float32[Tensor, "count *shape"]:
        """Marked inputs of some rows of the data; the seed plays no part, for the pattern was drawn before.

        Raises:
            ValueError: as a call, or images on a scale where the pattern does not show (floats from 0 to 255).
        """
        inputs = data.inputs[rows]
        if bool((self.offset.abs() <= 1).all()) and (fault := unseen_marks(inputs)):
            raise InputError(f"the data {fault}")
        return self(inputs)

    def redraw(self, seed: int) -> "Pattern":
        """Another pattern of the same family: noise with a new u, a box or a spike at a random place.

        These are the null patterns: a model that learnt this pattern has seen none of them. Seeds here and in
        :func:`make_pattern` are independent, so redraw(0) of the pattern of seed 0 is another pattern.

        Raises:
            ValueError: the pattern has no family.
        """
        if self.family is None:
            raise InputError(
                f"pattern {self.name} has no family to redraw from. Give it one: Pattern(..., family=Noise(0.5))."
            )
        return replace(self, offset=self.family.redraw(self.shape, seed), seed=seed, redrawn=True)
