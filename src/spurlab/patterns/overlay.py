"""A mark of one's own on images: a picture with opacity, or a box of one value, laid on them at a place."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from spurlab.data import Examples
from spurlab.data.pixels import read_picture
from spurlab.data.shown import strip, times
from spurlab.errors import InputError, did_you_mean
from spurlab.notebook import card, short
from spurlab.seeds import rng_for

How = Literal["blend", "add", "replace"]
PLACES = ("top-left", "top", "top-right", "left", "centre", "right", "bottom-left", "bottom", "bottom-right")


@dataclass(frozen=True, eq=False)  # eq=False: a bundle of tensors has no single truth value
class Overlay:
    r"""A picture that is laid on images at one place.

    .. math:: g(x) = (1 - a) x + a p \text{ (blend)}, \quad x + a p \text{ (add)}, \quad
        p \text{ where } a > 1/2 \text{ (replace)}

    Args:
        name: what it is called.
        picture: its colours p.
        opacity: a, in [0, 1]; 0 lets everything through.
        image: height and width of the images that it is for.
        top: pixels above it.
        left: pixels to the left of it.
        how: how it is laid on.
        low, high: the range that marked inputs are clipped to; None for no lower or upper end.

    Raises:
        ValueError: a picture that does not lie within the images, numbers that are not finite, another `how`.

    >>> grey = Overlay("box", torch.full((1, 2, 2), 0.5), torch.ones(2, 2), (4, 4), top=2, left=1, how="replace")
    >>> grey(torch.ones(1, 1, 4, 4))[0, 0, 2].tolist()
    [1.0, 0.5, 0.5, 1.0]
    """

    name: str
    picture: Float32[Tensor, "c h w"]
    opacity: Float32[Tensor, "h w"]
    image: tuple[int, int]
    top: int = 0
    left: int = 0
    how: How = "blend"
    low: float | None = 0.0
    high: float | None = 1.0

    __repr__ = short

    def _repr_html_(self) -> str:
        at = f"row {self.top}, column {self.left}"
        facts = {"for": f"images of {times(self.image)}", "at": at, "laid on": self.how}
        return card("Overlay", self.name, facts, strip("", (self.picture * self.opacity)[None], ["the picture"]))

    def __post_init__(self) -> None:
        if self.how not in get_args(How):
            raise InputError(f"a mark is laid on by {', '.join(get_args(How))}, not by {self.how!r}.")
        height, width = self.opacity.shape
        inside = 0 <= self.top <= self.image[0] - height and 0 <= self.left <= self.image[1] - width
        if not inside or not height or not width:
            raise InputError(
                f"the mark {self.name} has {height} x {width} pixels (height x width) from row {self.top} and column "
                f"{self.left} on, which do not lie within images of {self.image[0]} x {self.image[1]}. Give a smaller "
                "size, or another place."
            )
        if not bool(self.picture.isfinite().all() and (self.opacity >= 0).all() and (self.opacity <= 1).all()):
            raise InputError(f"the mark {self.name} needs colours that are finite, and opacities from 0 to 1.")

    def __call__(self, inputs: Float32[Tensor, "n c h w"]) -> Float32[Tensor, "n c h w"]:
        """Marked images, always new tensors.

        Raises:
            ValueError: images of another size, or with other channels than the picture (one channel goes with any).
        """
        channels = self.picture.shape[0]
        if tuple(inputs.shape[-2:]) != self.image or channels not in (1, inputs.shape[-3]):
            raise InputError(
                f"the mark {self.name} is for images of shape ({channels}, {self.image[0]}, {self.image[1]}) (c h w), "
                f"but the shape of these ends in {tuple(inputs.shape[-3:])}."
            )
        marked = inputs.clone()
        height, width = self.opacity.shape
        under = marked[..., self.top : self.top + height, self.left : self.left + width]
        picture, opacity = self.picture.to(inputs.device), self.opacity.to(inputs.device)
        if self.how == "add":
            laid = under + opacity * picture
        else:
            over = opacity if self.how == "blend" else (opacity > 0.5).float()
            laid = (1 - over) * under + over * picture
        under.copy_(laid if self.low is None and self.high is None else laid.clamp(self.low, self.high))
        return marked

    def apply(self, data: Examples, rows: Int64[Tensor, " count"], seed: int) -> Float32[Tensor, "count c h w"]:
        """Marked inputs of some rows of the data; nothing is drawn."""
        return self(data.inputs[rows])

    def redraw(self, seed: int) -> "Overlay":
        """The picture turned by quarters and mirrored, at a place drawn among all where it fits, its own included."""
        rng = rng_for(seed, "redraw")
        turns, mirrored = int(torch.randint(4, (), generator=rng)), bool(torch.randint(2, (), generator=rng))
        picture, opacity = (_turned(each, turns, mirrored) for each in (self.picture, self.opacity))
        height, width = opacity.shape
        if height > self.image[0] or width > self.image[1]:  # a wide one that does not stand upright
            picture, opacity = (_turned(each, 0, mirrored) for each in (self.picture, self.opacity))
            height, width = opacity.shape
        top = int(torch.randint(self.image[0] - height + 1, (), generator=rng))
        left = int(torch.randint(self.image[1] - width + 1, (), generator=rng))
        return replace(self, picture=picture, opacity=opacity, top=top, left=left)


def box(
    image: tuple[int, int],
    size: tuple[int, int],
    row: int,
    column: int,
    value: float,
    how: How = "replace",
    clip: tuple[float, float] | None = (0.0, 1.0),
) -> Overlay:
    """A box of one value in all channels.

    Args:
        image: height and width of the images, in pixels.
        size: of the box.
        row: pixels above it.
        column: pixels to the left of it.
        value: what stands there, on the scale of the inputs.
        how: as of `Overlay`.
        clip: the range of the inputs, or None.

    >>> corner = box((4, 4), (2, 2), row=0, column=2, value=1.0)
    >>> corner(torch.zeros(1, 1, 4, 4))[0, 0].tolist()
    [[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]
    """
    name = f"box of {size[0]} x {size[1]} at row {row}, column {column}"
    bounds = (None, None) if clip is None else (min(clip[0], value), max(clip[1], value))
    return Overlay(name, torch.full((1, *size), value), torch.ones(size), image, row, column, how, *bounds)


def picture(
    file: str | Path,
    shape: tuple[int, int, int],
    at: str | tuple[int, int] = "top-left",
    size: int | tuple[int, int] | None = None,
    how: How = "blend",
    clip: tuple[float, float] | None = (0.0, 1.0),
) -> Overlay:
    """A picture of a file. It is data: nothing in it is run.

    Args:
        file: a PNG, or another image that `spurlab.data.image_folder` reads. Its alpha channel is the opacity.
        shape: ``c h w`` of the images; on grey images it is grey.
        at: one of `PLACES`, or pixels above it and to the left of it.
        size: height and width in pixels, or one number for the longer side; None: as it is.
        how: as of `Overlay`.
        clip: the range of the inputs, its ends black and white, or None: black is 0 and white 1.

    Raises:
        DataError: the file cannot be read as an image.
        ValueError: it does not fit into the images, or there is no such place.

    >>> import tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "logo.png"
    ...     Image.new("RGBA", (2, 2), (255, 255, 255, 255)).save(file)
    ...     logo = picture(file, (1, 4, 4), at="bottom-left")
    >>> logo(torch.zeros(1, 1, 4, 4))[0, 0].tolist()
    [[0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0]]
    """
    return laid_on(Path(file).name, read_picture(Path(file), size, grey=shape[0] == 1), shape, at, how, clip)


def laid_on(
    name: str,
    picture: tuple[Float32[Tensor, "c h w"], Float32[Tensor, "h w"]],
    shape: tuple[int, int, int],
    at: str | tuple[int, int],
    how: How,
    clip: tuple[float, float] | None = (0.0, 1.0),
) -> Overlay:
    """A picture that was read: its colours and its opacity; the rest as of `picture`."""
    colours, opacity = picture
    low, high = clip or (None, None)
    if low is not None and high is not None:
        colours = (high - low) * colours + (0.0 if how == "add" else low)
    _, height, width = shape
    spare = height - opacity.shape[0], width - opacity.shape[1]
    top, left = at if not isinstance(at, str) else _place(at, spare)
    return Overlay(name, colours, opacity, (height, width), top, left, how, low, high)


def _place(at: str, spare: tuple[int, int]) -> tuple[int, int]:
    """Pixels above and to the left of a picture that leaves so many."""
    if at not in PLACES:
        raise InputError(f"there is no place {at!r}. {did_you_mean(at, PLACES)}")
    top = 0 if at.startswith("top") else spare[0] if at.startswith("bottom") else spare[0] // 2
    left = 0 if at.endswith("left") else spare[1] if at.endswith("right") else spare[1] // 2
    return top, left


def _turned(values: Tensor, turns: int, mirrored: bool) -> Tensor:
    """The last two axes, turned by so many quarters and mirrored."""
    turned = torch.rot90(values, turns, (-2, -1))
    return (turned.flip(-1) if mirrored else turned).contiguous()
