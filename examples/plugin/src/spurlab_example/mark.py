"""A mark: an `Entry` with what it is drawn from, and who gets it, some examples of one class (`Rare`)."""

from dataclasses import dataclass

import torch
from jaxtyping import Float32
from torch import Tensor

from spurlab.patterns import Rare
from spurlab.patterns.additive import Family
from spurlab.patterns.table import Entry


@dataclass(frozen=True)
class Frame(Family):
    """A bright frame along the edge of the image."""

    width: int  # in pixels

    def draw(self, shape: tuple[int, ...], seed: int) -> Float32[Tensor, "c h w"]:
        """What is added to an image: 1 on the frame, and 0 within. Nothing is left to chance."""
        return self._around(shape, 0)

    def redraw(self, shape: tuple[int, ...], seed: int) -> Float32[Tensor, "c h w"]:
        """A null mark for comparison: the same frame, shifted around the image."""
        return self._around(shape, 1 + seed % (shape[2] - 1))

    def _around(self, shape: tuple[int, ...], shift: int) -> Tensor:
        frame = torch.ones(shape)
        frame[:, self.width : -self.width, self.width : -self.width] = 0
        return frame.roll(shift, dims=2)


FRAME = Entry(Frame(width=1), Rare)
