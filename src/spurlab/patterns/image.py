"""Families of additive marks for images: a box, noise."""

from dataclasses import dataclass

import torch
from jaxtyping import Float32
from torch import Tensor

from spurlab.errors import InputError
from spurlab.patterns.additive import Family
from spurlab.seeds import rng_for


@dataclass(frozen=True)
class Box(Family):
    """A bright box, x_sp = 1 inside and 0 outside, alike in all channels; redrawn at any place of the image."""

    height: int  # in pixels
    width: int
    top: int = 0  # pixels above it
    left: int = 0  # pixels to the left of it

    def draw(self, shape: tuple[int, ...], seed: int) -> Float32[Tensor, "c h w"]:
        """The box at its place; nothing is left to chance, whatever the seed."""
        return self._at(shape, self.top, self.left)

    def redraw(self, shape: tuple[int, ...], seed: int) -> Float32[Tensor, "c h w"]:
        """The box at a place drawn uniformly among all where it fits, its own included."""
        rng = rng_for(seed, "redraw")
        top, left = (
            int(torch.randint(max(image - box, 0) + 1, (), generator=rng))
            for image, box in zip(shape[1:], (self.height, self.width), strict=True)
        )
        return self._at(shape, top, left)

    def _at(self, shape: tuple[int, ...], top: int, left: int) -> Float32[Tensor, "c h w"]:
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

    def draw(self, shape: tuple[int, ...], seed: int) -> Float32[Tensor, "c h w"]:
        """The noise of this data seed, in [0, scale)."""
        return self._noise(shape, rng_for(seed, "pattern"))

    def redraw(self, shape: tuple[int, ...], seed: int) -> Float32[Tensor, "c h w"]:
        """Noise with another u; never that of `draw`, of whatever seed."""
        return self._noise(shape, rng_for(seed, "redraw"))

    def _noise(self, shape: tuple[int, ...], rng: torch.Generator) -> Float32[Tensor, "c h w"]:
        channels, height, width = shape
        u = torch.rand(height, width, channels, generator=rng)
        return (self.scale * u).permute(2, 0, 1).contiguous()
