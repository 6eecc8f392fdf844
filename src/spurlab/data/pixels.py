"""The pixels of image files, of any size and from anywhere: no more memory than may be taken, and nothing run."""

import hashlib
import io
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from threading import RLock
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from spurlab.data.errors import DamagedDataError, DataRequestError
from spurlab.data.files import check_bytes, read_regular, told
from spurlab.data.memory import room
from spurlab.errors import one_line

FORMATS = ("BMP", "JPEG", "PNG", "PPM", "TIFF", "WEBP")  # no EPS, for which Pillow would start another program
BITS_PER_SAMPLE = 258  # a tag of TIFF
PIXEL = 24  # bytes that count for each: red, green and blue as float32, twice, for what is turned or resized
LARGE = 2**24  # pixels or bytes: such images are read one at a time, so that not all threads need much memory at once
THREADS = 8
WAITING = 256  # images at most that are decoded and not yet taken
_one_at_a_time = RLock()


def readable(path: Path) -> AbstractContextManager[None]:
    """Around the reading of a file or folder of the user's; see :func:`spurlab.data.files.told`."""
    return told(f"{path} cannot be read", "Give yourself the right to read it.")


class Encoded(NamedTuple):
    """An image file that does not lie on its own: what to call it, and its bytes."""

    name: str
    content: bytes

    def __str__(self) -> str:
        return self.name


def height_and_width(size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    """The size that is meant. Raises DataRequestError: it is none."""
    both = (size, size) if isinstance(size, int) else size
    if both is not None and min(both) < 1:
        raise DataRequestError(f"images need a height and a width of at least 1 pixel, but the size is {size}.")
    return both


def read_images(
    files: Sequence[Path | Encoded], size: tuple[int, int] | None, grey: bool, kind: str = "folder"
) -> tuple[Float32[Tensor, "n c h w"], list[str]]:
    """The inputs, and the sha256 of each file; `kind` is that of own data (`KINDS`), for what is said."""
    (channels, mode), sums = (1, "L") if grey else (3, "RGB"), []
    with _limits_of_our_own():
        height, width = _pixels(files[0], size, mode)[0].shape[:2] if size is None else size
        check_bytes(4 * len(files) * channels * height * width, f"{len(files):,} images of {height} x {width} pixels")
        inputs = room(len(files), channels, height, width)
        for row, (pixels, digest) in enumerate(_decoded(files, size, mode)):
            if pixels.shape[:2] != (height, width):
                raise DataRequestError(
                    f"{files[row]} has {pixels.shape[0]} x {pixels.shape[1]} pixels (height x width), but "
                    f"{files[0]} has {height} x {width}. Give the size to bring all images to: "
                    f"size=({height}, {width}) in Python, {kind},{height}x{width}:PATH as a name."
                )
            values = torch.from_numpy(pixels.reshape(height, width, -1).copy())
            torch.div(values.permute(2, 0, 1), 255, out=inputs[row])
            sums.append(digest)
    return inputs, sums


def _decoded(
    files: Sequence[Path | Encoded], size: tuple[int, int] | None, mode: str
) -> Iterator[tuple[UInt8[np.ndarray, "..."], str]]:
    """The images in their order; no more than some wait to be taken."""
    with ThreadPoolExecutor(THREADS) as pool:  # unpacking lets go of the interpreter
        for start in range(0, len(files), WAITING):
            yield from pool.map(lambda file: _pixels(file, size, mode), files[start : start + WAITING])


@contextmanager
def _limits_of_our_own() -> Iterator[None]:
    """Pillow's own limit of pixels, which is fixed, and its warnings are off: whatever it reads is looked at by us."""
    before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"PIL\.")
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def pixels_of(
    image: Image.Image, mode: str, what: str, size: tuple[int, int] | None = None
) -> UInt8[np.ndarray, "..."]:
    """The bytes of an image in a mode of Pillow's, upright and perhaps resized: ``h w`` for ``L``, else ``h w c``.

    Raises DataRequestError: it has more than 8 bits for a channel, which Pillow would cut off, or more pixels than may
    be; DamagedDataError: it is no whole image.
    """
    check_bytes(image.width * image.height * PIXEL, f"{what}, an image of {image.height} x {image.width} pixels")
    if form := _deep(image):
        raise DataRequestError(
            f"{what} has more than 8 bits for each channel (Pillow calls that {form}). Convert it to 8 bits."
        )
    with _one_at_a_time if image.width * image.height > LARGE else nullcontext():
        try:
            image.load()
            if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
                image = ImageOps.exif_transpose(image)
            if image.mode == "P" and "transparency" in image.info:
                image = image.convert("RGBA")  # straight to RGB Pillow warns
            if image.mode != mode:
                image = image.convert(mode)
            if size is not None and (image.height, image.width) != size:
                image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
            return np.asarray(image)
        except Exception as error:  # Pillow raises whatever a broken file leads it to
            raise _broken(what, error) from error


def _deep(image: Image.Image) -> str:
    """Pillow's word for the form, where a channel has more than 8 bits; else nothing.

    Most modes have 8 bits whatever the file has. What it has is known until the image is decoded.
    """
    if image.mode.startswith(("I", "F")):
        return image.mode
    bits = getattr(image, "tag_v2", {}).get(BITS_PER_SAMPLE, 8)
    if max(bits if isinstance(bits, tuple) else (bits,)) > 8:
        return f"{image.mode} of {bits} bits"
    for codec, _, _, said in getattr(image, "tile", []):
        arguments = said if isinstance(said, tuple) else (said,)
        form = arguments[0] if arguments and isinstance(arguments[0], str) else ""
        # the 16 bits of BMP's forms, BGR;16, are those of a pixel
        if re.search(r";(12|16|32)", form) and not form.startswith("BGR"):
            return form
        largest = arguments[-1] if arguments else None  # of PPM, where it is no bitmap
        if codec.startswith("ppm") and isinstance(largest, int) and largest > 255:
            return f"{form} up to {largest}"
    return ""


def _broken(what: str, error: Exception) -> DamagedDataError:
    kinds = isinstance(error, UnidentifiedImageError)
    reason = "it is none of " + ", ".join(FORMATS) if kinds else one_line(str(error) or type(error).__name__)
    return DamagedDataError(f"{what} is no whole image: {reason}.", "Mend it or take it away.")


def read_picture(
    file: Path | Encoded, size: int | tuple[int, int] | None, grey: bool
) -> tuple[Float32[Tensor, "c h w"], Float32[Tensor, "h w"]]:
    """The colours of an image file and how opaque it is, both in [0, 1].

    Args:
        file: which one.
        size: height and width in pixels, or one number for the longer side; None: as it is.
        grey: convert to one channel, after it is resized.

    Raises:
        DataRequestError: there is no such file, or as `pixels_of`.
        DamagedDataError: it is no whole image.
    """
    with _limits_of_our_own():
        if isinstance(file, Path) and not file.exists():
            raise DataRequestError(f"there is no file {file}. Correct the path; it starts at the current folder.")
        pixels, _ = _pixels(file, None, "RGBA")
        height, width = pixels.shape[:2]
        if isinstance(size, int):
            size = max(1, round(size * height / max(height, width))), max(1, round(size * width / max(height, width)))
        if size is not None and size != (height, width):
            image = Image.fromarray(pixels, "RGBA")
            pixels = np.asarray(image.resize((size[1], size[0]), Image.Resampling.BILINEAR))
        if grey:
            pixels = np.asarray(Image.fromarray(pixels, "RGBA").convert("LA"))
    values = torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 255
    return values[:-1].contiguous(), values[-1].contiguous()


def png_of(colours: Float32[Tensor, "3 h w"], opacity: Float32[Tensor, "h w"]) -> bytes:
    """The content of a PNG that `read_picture` reads as these colours and this opacity, multiples of 1 / 255."""
    pixels = torch.cat([colours, opacity[None]]).mul(255).round().byte().permute(1, 2, 0)
    file = io.BytesIO()
    Image.fromarray(pixels.contiguous().numpy(), "RGBA").save(file, "PNG")
    return file.getvalue()


def _pixels(file: Path | Encoded, size: tuple[int, int] | None, mode: str) -> tuple[UInt8[np.ndarray, "..."], str]:
    """The image's bytes, and the sha256 of the file."""
    with _alone_if_large(file):
        content = file.content if isinstance(file, Encoded) else _content(file)
        try:
            image = Image.open(io.BytesIO(content), formats=FORMATS)
        except Exception as error:  # Pillow raises whatever a broken file leads it to
            raise _broken(str(file), error) from error
        with image:
            pixels = pixels_of(image, mode, str(file), size)
        return pixels, hashlib.sha256(content).hexdigest()


def _alone_if_large(file: Path | Encoded) -> AbstractContextManager[Any]:
    if isinstance(file, Encoded):
        return _one_at_a_time if len(file.content) > LARGE else nullcontext()
    with readable(file):
        return _one_at_a_time if os.stat(file).st_size > LARGE else nullcontext()


def _content(file: Path) -> bytes:
    with readable(file):
        return read_regular(file)
