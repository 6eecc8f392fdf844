"""Marks of images: additive patterns, g(x, x_sp) = clip(x + x_sp)."""

from dataclasses import dataclass, field, replace
from typing import ClassVar, Protocol, runtime_checkable

import torch
from jaxtyping import Float32, Int64, UInt8
from torch import Tensor

from spurlab.data import Examples
from spurlab.data.examples import unseen_marks
from spurlab.errors import InputError
from spurlab.seeds import rng_for


@runtime_checkable
class Family(Protocol):
    """What an additive pattern is drawn from: frozen settings and two ways to draw. Shapes are ``c h w``."""

    axes: ClassVar[int] = 3

    def draw(self, shape: tuple[int, int, int], seed: int) -> Float32[Tensor, "c h w"]:
        """The x_sp that is planted under this data seed."""

    def redraw(self, shape: tuple[int, int, int], seed: int) -> Float32[Tensor, "c h w"]:
        """Another x_sp of the family, for null patterns; its draws are independent of those of `draw`."""

    def make(self, name: str, shape: tuple[int, ...], seed: int, clip: tuple[float, float] | None) -> "Pattern":
        """The pattern of this family for inputs of a shape.

        Args:
            name: what to call it, e.g. ``S3``.
            shape: ``c h w`` of one input.
            seed: the data seed, with which it is drawn.
            clip: the range of the inputs; None where they have no bounds.

        Raises:
            ValueError: inputs that are no images, or too small ones.
        """
        if len(shape) != 3 or min(shape) < 1:
            raise InputError(
                f"pattern {name} is for images of shape c h w, but these inputs have the shape {tuple(shape)}."
            )
        channels, height, width = shape
        try:
            offset = self.draw((channels, height, width), seed)
        except ValueError as error:
            raise InputError(f"pattern {name} does not fit: {error}") from None
        low, high = clip if clip is not None else (None, None)
        return Pattern(name, offset, low, high, self, seed)


@dataclass(frozen=True)
class Box(Family):
    """A bright box, x_sp = 1 inside and 0 outside, alike in all channels; redrawn at any place of the image."""

    height: int  # in pixels
    width: int
    top: int = 0  # pixels above it
    left: int = 0  # pixels to the left of it

    def draw(self, shape: tuple[int, int, int], seed: int) -> Float32[Tensor, "c h w"]:
        """The box at its place; nothing is left to chance, whatever the seed."""
        return self._at(shape, self.top, self.left)

    def redraw(self, shape: tuple[int, int, int], seed: int) -> Float32[Tensor, "c h w"]:
        """The box at a place drawn uniformly among all where it fits, its own included."""
        rng = rng_for(seed, "redraw")
        top, left = (
            int(torch.randint(max(image - box, 0) + 1, (), generator=rng))
            for image, box in zip(shape[1:], (self.height, self.width), strict=True)
        )
        return self._at(shape, top, left)

    def _at(self, shape: tuple[int, int, int], top: int, left: int) -> Float32[Tensor, "c h w"]:
        bottom, right = top + self.height, left + self.width
        if shape[1] < bottom or shape[2] < right:
            raise InputError(
                f"it needs images of at least {bottom} x {right} (height x width), "
                f"but these are {shape[1]} x {shape[2]}."
            )
        offset = torch.zeros(shape)
        offset[:, top:bottom, left:right] = 1.0
        return offset


@dataclass(frozen=True)
class Noise(Family):
    """Fixed noise on the whole image: x_sp = scale * u, u uniform on [0, 1) for each pixel and channel.

    u depends on the seed and the shape alone, so patterns that differ in scale share it. It is drawn as ``h w c``, the
    layout of the paper's code.
    """

    scale: float

    def draw(self, shape: tuple[int, int, int], seed: int) -> Float32[Tensor, "c h w"]:
        """The noise of this data seed, in [0, scale)."""
        return self._noise(shape, rng_for(seed, "pattern"))

    def redraw(self, shape: tuple[int, int, int], seed: int) -> Float32[Tensor, "c h w"]:
        """Noise with another u; never that of `draw`, of whatever seed."""
        return self._noise(shape, rng_for(seed, "redraw"))

    def _noise(self, shape: tuple[int, int, int], rng: torch.Generator) -> Float32[Tensor, "c h w"]:
        channels, height, width = shape
        u = torch.rand(height, width, channels, generator=rng)
        return (self.scale * u).permute(2, 0, 1).contiguous()


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
        ValueError: an offset that is not finite float32 of shape ``c h w``, or an empty range.

    Source: Yang et al. (2022), arXiv:2202.05189, section 3.1.

    >>> mine = Pattern("mine", torch.tensor([[[0.0, 0.5]]]))
    >>> mine(torch.tensor([[[0.25, 0.25]]])).tolist(), mine(torch.tensor([[[0.75, 0.75]]])).tolist()
    ([[[0.25, 0.75]]], [[[0.75, 1.0]]])
    """

    name: str
    offset: Float32[Tensor, "c h w"] = field(repr=False)
    low: float | None = 0.0
    high: float | None = 1.0
    family: Family | None = None
    seed: int = 0
    redrawn: bool = False

    def __post_init__(self) -> None:
        if self.offset.dtype != torch.float32 or self.offset.ndim != 3 or not bool(self.offset.isfinite().all()):
            raise InputError(
                f"the offset of pattern {self.name} must be finite float32 of shape c h w, "
                f"but it is {self.offset.dtype} of shape {tuple(self.offset.shape)}."
            )
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise InputError(f"pattern {self.name} clips to [{self.low}, {self.high}], which holds nothing.")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the inputs that it marks."""
        channels, height, width = self.offset.shape
        return channels, height, width

    def __call__(self, inputs: Float32[Tensor, "*n c h w"] | UInt8[Tensor, "*n c h w"]) -> Float32[Tensor, "*n c h w"]:
        """Marked inputs, always new tensors. Inputs of uint8 are read as x / 255.

        Raises:
            TypeError: inputs that are neither float32 nor uint8.
            ValueError: inputs of another image shape.
        """
        if inputs.dtype not in (torch.float32, torch.uint8):
            raise TypeError(f"pattern {self.name} marks inputs of float32 or uint8, but these are {inputs.dtype}.")
        if tuple(inputs.shape[-3:]) != self.shape:
            raise InputError(
                f"pattern {self.name} was drawn for inputs of shape {self.shape} (c h w), but the shape of these ends "
                f"in {tuple(inputs.shape[-3:])}. Draw it for their shape."
            )
        clean = inputs.float() / 255 if inputs.dtype == torch.uint8 else inputs
        marked = clean + self.offset.to(clean.device)
        if self.low is None and self.high is None:
            return marked
        return marked.clamp_(self.low, self.high)

    def apply(self, data: Examples, rows: Int64[Tensor, " count"], seed: int) -> Float32[Tensor, "count c h w"]:
        """Marked inputs of some rows of the data; the seed plays no part, for the pattern was drawn before.

        Raises:
            ValueError: as a call, or images on a scale where the pattern does not show (floats from 0 to 255).
        """
        inputs = data.inputs[rows]
        if bool((self.offset.abs() <= 1).all()) and (fault := unseen_marks(inputs)):
            raise InputError(f"the data {fault}")
        return self(inputs)

    def redraw(self, seed: int) -> "Pattern":
        """Another pattern of the same family: noise with a new u, a box at a random place.

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
