"""Any folder of images, a sub-folder for each class: torchvision's ImageFolder layout."""

import hashlib
import io
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from spurlab.data.arrays import LICENCE, assembled
from spurlab.data.errors import DamagedDataError, DataFailureError, DataRequestError
from spurlab.data.examples import Dataset, Examples, Source
from spurlab.seeds import rng_for

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")  # torchvision's
FORMATS = ("BMP", "JPEG", "PNG", "PPM", "TIFF", "WEBP")  # no EPS, for which Pillow would start another program


def image_folder(
    path: str | Path,
    *,
    size: int | tuple[int, int] | None = None,
    grey: bool = False,
    test: float | str | Path = 0.2,
) -> Dataset:
    """A dataset from image files. By name: ``load("folder:PATH")``, ``load("folder,32,grey:PATH")``.

    The classes are the sub-folders, in alphabetical order: ``PATH/CLASS/...`` or ``PATH/train/CLASS/...`` and
    ``PATH/test/CLASS/...``. Images lie at any depth below. Files with other endings and hidden classes are passed over.

    Args:
        path: the folder.
        size: height and width in pixels, or one number for both. Images of another size are resized to it (bilinear;
            the proportions are not kept). None: all images must have the same size.
        grey: convert to one channel; else to red, green and blue. Transparency is dropped.
        test: where the folder has no ``train`` and ``test`` of its own, the folder of the test images (``CLASS/...``),
            or the share of each class to set aside, at least one image; always the same ones.

    Returns:
        Inputs are float32 ``n c h w`` in [0, 1] (bytes divided by 255), class after class, in the order of the paths.
        The source has a sha256 for each part: of what ``sha256sum`` prints for its files in that order.

    Raises:
        DataRequestError: there is no such folder, fewer than two classes, a class without images, images of different
            size (the first is named), more than 8 bits for a channel, or a `size` or `test` that cannot be.
        DataFailureError: a file cannot be read; :class:`DamagedDataError` where it is no whole image.
    """
    root, wanted = Path(path).expanduser(), _height_and_width(size)
    share, roots = None, (root, root)
    if "train" in (inside := _folders(root)) and _folders(root / "train"):
        roots = root / "train", root / "test"
        if "test" not in inside:
            raise DataRequestError(
                f"{root} has a folder train with classes in it, but no folder test. In Python: "
                f"image_folder({str(roots[0])!r}, test=...) with the folder of the test images."
            )
    elif isinstance(test, str | Path):
        roots = root, Path(test).expanduser()
    elif 0 < test < 1:
        share = float(test)
    else:
        raise DataRequestError(f"the share of images to set aside as test images must be between 0 and 1, not {test}.")
    classes = _folders(roots[0])
    if len(classes) < 2:
        raise DataRequestError(
            f"{roots[0]} has {len(classes)} sub-folders; there must be one for each class, two or more."
        )
    if strange := sorted(set(_folders(roots[1])) - set(classes)):
        raise DataRequestError(f"{roots[1] / strange[0]} is a class that is not in {roots[0]}. Move it away.")
    listings = [{name: _images(folder / name) for name in classes} for folder in roots]
    if empty := [name for name in classes if not listings[0][name]]:
        raise DataRequestError(
            f"{roots[0] / empty[0]} holds no image. Each sub-folder is a class; images end in {', '.join(SUFFIXES)}."
        )
    if share is not None:
        listings = _set_aside(root, listings[0], share)
    files = [[file for name in classes for file in listing[name]] for listing in listings]
    if not files[1]:
        raise DataRequestError(f"{roots[1]} holds no image. Images end in {', '.join(SUFFIXES)}.")
    labels = [[label for label, name in enumerate(classes) for _ in listing[name]] for listing in listings]
    inputs, sums = _read([*files[0], *files[1]], wanted, grey)
    cut = len(files[0])
    parts = Examples(inputs[:cut], torch.tensor(labels[0])), Examples(inputs[cut:], torch.tensor(labels[1]))
    sha256 = {
        "train": _checksum(files[0], sums[:cut], roots[0]),
        "test": _checksum(files[1], sums[cut:], roots[1]),
    }
    options = [*([f"{wanted[0]}x{wanted[1]}"] if wanted else []), *(["grey"] if grey else [])]
    source = Source(LICENCE, "a folder of images", str(root), sha256)
    return assembled(f"{','.join(['folder', *options])}:{path}", *parts, classes, source)


def pixels_of(image: Image.Image, grey: bool, what: str) -> UInt8[np.ndarray, "..."]:
    """The bytes of an image: ``h w`` where it is to be grey, else ``h w 3``.

    Raises:
        DataRequestError: it has more than 8 bits for a channel, which Pillow would cut off.
    """
    if image.mode.startswith(("I", "F")):
        raise DataRequestError(
            f"{what} has more than 8 bits for each pixel (Pillow's mode {image.mode}). Convert it to 8 bits."
        )
    return np.asarray(image.convert("L" if grey else "RGB"))


def _height_and_width(size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    both = (size, size) if isinstance(size, int) else size
    if both is not None and min(both) < 1:
        raise DataRequestError(f"images need a height and a width of at least 1 pixel, but the size is {size}.")
    return both


def _folders(folder: Path) -> list[str]:
    try:
        return sorted(each.name for each in os.scandir(folder) if each.is_dir() and not each.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        raise DataRequestError(
            f"there is no folder {folder}. Correct the path; it starts at the current folder."
        ) from None
    except OSError as error:
        raise _unreadable(folder, error) from error


def _images(folder: Path) -> list[Path]:
    """All image files below, in torchvision's order."""

    def fail(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):  # a class without test images need not have a folder
            raise _unreadable(folder, error) from error

    return [
        Path(where) / name
        for where, _, names in sorted(os.walk(folder, onerror=fail, followlinks=True))
        for name in sorted(names)
        if name.lower().endswith(SUFFIXES)
    ]


def _set_aside(root: Path, listing: dict[str, list[Path]], share: float) -> list[dict[str, list[Path]]]:
    """The files of both parts, by class."""
    train, test = {}, {}
    for name, files in listing.items():
        if len(files) < 2:
            raise DataRequestError(
                f"{root / name} holds a single image, and one must be set aside for the test set. "
                f"Add images, or give the folder of the test images."
            )
        count = min(max(1, round(share * len(files))), len(files) - 1)
        aside = set(torch.randperm(len(files), generator=rng_for(0, "test images", name))[:count].tolist())
        train[name] = [file for row, file in enumerate(files) if row not in aside]
        test[name] = [file for row, file in enumerate(files) if row in aside]
    return [train, test]


def _read(
    files: Sequence[Path], size: tuple[int, int] | None, grey: bool
) -> tuple[Float32[Tensor, "n c h w"], list[str]]:
    """The inputs, and the sha256 of each file."""
    sums = []
    with ThreadPoolExecutor() as pool:  # unpacking lets go of the interpreter
        for row, (pixels, digest) in enumerate(pool.map(lambda file: _pixels(file, size, grey), files)):
            if row == 0:
                height, width = pixels.shape[:2]
                inputs = torch.empty(len(files), 1 if grey else 3, height, width)
            if pixels.shape[:2] != (height, width):
                raise DataRequestError(
                    f"{files[row]} has {pixels.shape[0]} x {pixels.shape[1]} pixels (height x width), but {files[0]} "
                    f"has {height} x {width}. Give the size to bring all images to: size=({height}, {width}) in "
                    f"Python, folder,{height}x{width}:PATH as a name."
                )
            values = torch.from_numpy(pixels.reshape(height, width, -1).copy())
            torch.div(values.permute(2, 0, 1), 255, out=inputs[row])
            sums.append(digest)
    return inputs, sums


def _checksum(files: Sequence[Path], sums: Sequence[str], root: Path) -> str:
    """Of what ``sha256sum`` prints for the files from inside the folder."""
    lines = (
        each.encode() + b"  " + os.fsencode(file.relative_to(root).as_posix()) + b"\n"
        for each, file in zip(sums, files, strict=True)
    )
    return hashlib.sha256(b"".join(lines)).hexdigest()


def _pixels(file: Path, size: tuple[int, int] | None, grey: bool) -> tuple[UInt8[np.ndarray, "..."], str]:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise _unreadable(file, error) from error
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            image.load()
            pixels = pixels_of(image, grey, str(file))
    except DataRequestError:
        raise
    except Exception as error:  # Pillow raises whatever a broken file leads it to
        reason = "it is none of " + ", ".join(FORMATS) if isinstance(error, UnidentifiedImageError) else error
        raise DamagedDataError(f"{file} is no whole image: {reason}.", "Mend it or take it away.") from error
    if size is not None and pixels.shape[:2] != size:
        resized = Image.fromarray(pixels).resize((size[1], size[0]), Image.Resampling.BILINEAR)
        pixels = np.asarray(resized)
    return pixels, hashlib.sha256(content).hexdigest()


def _unreadable(path: Path, error: OSError) -> DataFailureError:
    return DataFailureError(f"{path} cannot be read: {error.strerror or error}. Give yourself the right to read it.")
