"""The pixels of image files, of any size and from anywhere: no more memory than may be taken, and nothing run."""

import hashlib
import io
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import chain
from pathlib import Path
from threading import RLock

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from spurlab.data.errors import DamagedDataError, DataRequestError
from spurlab.data.files import check_bytes, read_regular, told
from spurlab.errors import one_line

FORMATS = ("BMP", "JPEG", "PNG", "PPM", "TIFF", "WEBP")  # no EPS, for which Pillow would start another program
BITS_PER_SAMPLE = 258  # a tag of TIFF
PIXEL = 24  # bytes that count for each: red, green and blue as float32, twice, for what is turned or resized
LARGE = 2**24  # pixels or bytes: such images are read one at a time, so that not all threads need much memory at once
THREADS = 8
_one_at_a_time = RLock()


def readable(path: Path) -> AbstractContextManager[None]:
    """Around the reading of a file or folder of the user's; see :func:`spurlab.data.files.told`."""
    return told(f"{path} cannot be read", "Give yourself the right to read it.")


def read_images(
    files: Sequence[Path], size: tuple[int, int] | None, grey: bool
) -> tuple[Float32[Tensor, "n c h w"], list[str]]:
    """The inputs, and the sha256 of each file."""
    (channels, mode), sums = (1, "L") if grey else (3, "RGB"), []
    with _limits_of_our_own():
        first = _pixels(files[0], size, mode) if size is None else None
        height, width = first[0].shape[:2] if first else size or (0, 0)
        check_bytes(4 * len(files) * channels * height * width, f"{len(files):,} images of {height} x {width} pixels")
        inputs = torch.empty(len(files), channels, height, width)
        with ThreadPoolExecutor(THREADS) as pool:  # unpacking lets go of the interpreter
            others = pool.map(lambda file: _pixels(file, size, mode), files[1:] if first else files)
            for row, (pixels, digest) in enumerate(chain([first] if first else [], others)):
                if pixels.shape[:2] != (height, width):
                    raise DataRequestError(
                        f"{files[row]} has {pixels.shape[0]} x {pixels.shape[1]} pixels (height x width), but "
                        f"{files[0]} has {height} x {width}. Give the size to bring all images to: "
                        f"size=({height}, {width}) in Python, folder,{height}x{width}:PATH as a name."
                    )
                values = torch.from_numpy(pixels.reshape(height, width, -1).copy())
                torch.div(values.permute(2, 0, 1), 255, out=inputs[row])
                sums.append(digest)
    return inputs, sums


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
    file: Path | bytes, size: int | tuple[int, int] | None, grey: bool
) -> tuple[Float32[Tensor, "c h w"], Float32[Tensor, "h w"]]:
    """The colours of an image file and how opaque it is, both in [0, 1].

    Args:
        file: which one, or what is in it.
        size: height and width in pixels, or one number for the longer side; None: as it is.
        grey: convert to one channel.

    Raises:
        DataRequestError: there is no such file, or as `pixels_of`.
        DamagedDataError: it is no whole image.
    """
    mode = "LA" if grey else "RGBA"
    with _limits_of_our_own():
        if isinstance(file, bytes):
            pixels = _decoded(file, "the picture", None, mode)
        elif not file.exists():
            raise DataRequestError(f"there is no file {file}. Correct the path; it starts at the current folder.")
        else:
            pixels, _ = _pixels(file, None, mode)
        height, width = pixels.shape[:2]
        if isinstance(size, int):
            size = max(1, round(size * height / max(height, width))), max(1, round(size * width / max(height, width)))
        if size is not None and size != (height, width):
            image = Image.fromarray(pixels, mode)
            pixels = np.asarray(image.resize((size[1], size[0]), Image.Resampling.BILINEAR))
    values = torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 255
    return values[:-1].contiguous(), values[-1].contiguous()


def png_of(colours: Float32[Tensor, "3 h w"], opacity: Float32[Tensor, "h w"]) -> bytes:
    """The content of a PNG that `read_picture` reads as these colours and this opacity, multiples of 1 / 255."""
    pixels = torch.cat([colours, opacity[None]]).mul(255).round().byte().permute(1, 2, 0)
    file = io.BytesIO()
    Image.fromarray(pixels.contiguous().numpy(), "RGBA").save(file, "PNG")
    return file.getvalue()


def _pixels(file: Path, size: tuple[int, int] | None, mode: str) -> tuple[UInt8[np.ndarray, "..."], str]:
    """The image's bytes, and the sha256 of the file."""
    with readable(file):
        large = os.stat(file).st_size > LARGE
    with _one_at_a_time if large else nullcontext():
        with readable(file):
            content = read_regular(file)
        return _decoded(content, str(file), size, mode), hashlib.sha256(content).hexdigest()


def _decoded(content: bytes, what: str, size: tuple[int, int] | None, mode: str) -> UInt8[np.ndarray, "..."]:
    """The bytes of an image, from what is in its file."""
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
    except Exception as error:  # Pillow raises whatever a broken file leads it to
        raise _broken(what, error) from error
    with image:
        return pixels_of(image, mode, what, size)
