"""Any folder of images, a sub-folder for each class: torchvision's ImageFolder layout."""

import errno
import hashlib
import io
import logging
import os
import re
import warnings
from collections.abc import Container, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from itertools import chain
from pathlib import Path
from threading import RLock
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from spurlab.data.arrays import LICENCE, assembled
from spurlab.data.errors import DamagedDataError, DataFailureError, DataRequestError
from spurlab.data.examples import Dataset, Examples, Source, checked_names
from spurlab.data.files import check_bytes, given_path, read_regular
from spurlab.errors import brief, one_line
from spurlab.seeds import rng_for

_log = logging.getLogger(__name__)

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")  # torchvision's
FORMATS = ("BMP", "JPEG", "PNG", "PPM", "TIFF", "WEBP")  # no EPS, for which Pillow would start another program
LEFT_BEHIND = frozenset({"__macosx", "@eadir", "__pycache__", "$recycle.bin"})  # by macOS, Synology, Python, Windows
BITS_PER_SAMPLE = 258  # a tag of TIFF
PIXEL = 24  # bytes that count for each: red, green and blue as float32, twice, for what is turned or resized
LARGE = 2**24  # pixels or bytes: such images are read one at a time, so that not all threads need much memory at once
THREADS = 8
_one_at_a_time = RLock()


def image_folder(
    path: str | Path,
    *,
    size: int | tuple[int, int] | None = None,
    grey: bool = False,
    test: float | str | Path = 0.2,
) -> Dataset:
    """A dataset from image files. By name: ``load("folder:PATH")``, ``load("folder,32,grey:PATH")``.

    The classes are the sub-folders, in alphabetical order: ``PATH/CLASS/...`` or ``PATH/train/CLASS/...`` and
    ``PATH/test/CLASS/...``. Images lie at any depth below. Passed over are files with other endings and, as files,
    folders and classes, what is hidden (its name starts with a dot) and what systems leave behind (``__MACOSX``,
    ``@eaDir``). Links are followed, but each file counts once, where it really lies: links into the same class and in
    a circle add nothing.

    Images are turned upright as their EXIF tag says. Of several frames or pages the first is taken.

    Args:
        path: the folder.
        size: height and width in pixels, or one number for both. Images of another size are resized to it (bilinear;
            the proportions are not kept). None: all images must have the same size.
        grey: convert to one channel; else to red, green and blue. Transparency is dropped, as torchvision does: what
            stands behind a transparent pixel is seen.
        test: where the folder has no ``train`` and ``test`` of its own, the folder of the test images (``CLASS/...``),
            or the share of each class to set aside, at least one image; always the same ones.

    Returns:
        Inputs are float32 ``n c h w`` in [0, 1] (bytes divided by 255), class after class, in the order of the paths.
        The source has a sha256 for each part: of what ``sha256sum`` prints for its files in that order.

    Raises:
        DataRequestError: there is no such folder, fewer than two classes, a class without images, images of different
            size (the first is named), more than 8 bits for a channel, a file in two classes or in both parts, what is
            no regular file, more bytes than may be taken (``$SPURLAB_MAX_BYTES``, of which each pixel of a file counts
            24), or a `size` or `test` that cannot be.
        DataFailureError: a file cannot be read; :class:`DamagedDataError` where it is no whole image.
    """
    root, wanted = given_path(path), _height_and_width(size)
    share, roots = None, (root, root)
    if "train" in (inside := _folders(root)) and _folders(root / "train"):
        roots = root / "train", root / "test"
        if "test" not in inside:
            raise DataRequestError(
                f"{root} has a folder train with classes in it, but no folder test. In Python: "
                f"image_folder({str(roots[0])!r}, test=...) with the folder of the test images."
            )
    elif isinstance(test, str | Path):
        roots = root, given_path(test)
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
    checked_names(classes, str(roots[0]))
    listings = [_images(folder, classes) for folder in roots[: 1 if share is not None else 2]]
    _each_once(listings)
    if empty := [name for name in classes if not listings[0][name]]:
        raise DataRequestError(
            f"{roots[0] / empty[0]} holds no image. Each sub-folder is a class; images end in {', '.join(SUFFIXES)}."
        )
    if share is not None:
        listings = _set_aside(root, listings[0], share)
    files = [[file.path for name in classes for file in listing[name]] for listing in listings]
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
    if twins := set(sums[:cut]) & set(sums[cut:]):
        rows = [row for row, each in enumerate(sums) if each in twins]
        _log.warning(
            "%d of %d test images are training images too, byte for byte, e.g. %s and %s",
            len([row for row in rows if row >= cut]),
            len(files[1]),
            [*files[0], *files[1]][rows[0]],
            next(file for file, each in zip(files[1], sums[cut:], strict=True) if each == sums[rows[0]]),
        )
    options = [*([f"{wanted[0]}x{wanted[1]}"] if wanted else []), *(["grey"] if grey else [])]
    source = Source(LICENCE, "a folder of images", str(root), sha256)
    return assembled(f"{','.join(['folder', *options])}:{path}", *parts, classes, source)


def pixels_of(
    image: Image.Image, grey: bool, what: str, size: tuple[int, int] | None = None
) -> UInt8[np.ndarray, "..."]:
    """The bytes of an image, upright and perhaps resized: ``h w`` where it is to be grey, else ``h w 3``.

    Raises:
        DataRequestError: it has more than 8 bits for a channel, which Pillow would cut off, or more pixels than may be.
        DamagedDataError: it is no whole image.
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
            mode = "L" if grey else "RGB"
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


def _height_and_width(size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    both = (size, size) if isinstance(size, int) else size
    if both is not None and min(both) < 1:
        raise DataRequestError(f"images need a height and a width of at least 1 pixel, but the size is {size}.")
    return both


def _folders(folder: Path) -> list[str]:
    """The folders in a folder, by name, that are data."""
    try:
        here = os.path.realpath(folder)
        return sorted(
            each.name
            for each in os.scandir(folder)
            if _is_data(each.name) and _leads_to_folder(each) and not _holds(os.path.realpath(each), here)
        )
    except (FileNotFoundError, NotADirectoryError):
        raise DataRequestError(
            f"there is no folder {folder}. Correct the path; it starts at the current folder."
        ) from None
    except OSError as error:
        raise _unreadable(folder, error) from error


def _is_data(name: str) -> bool:
    """Whether a file or folder of that name was put there by the user."""
    return not name.startswith(".") and name.casefold() not in LEFT_BEHIND


def _leads_to_folder(entry: "os.DirEntry[str]") -> bool:
    if not entry.is_symlink():
        return entry.is_dir()
    try:
        return entry.is_dir()
    except OSError as error:
        if error.errno == errno.ELOOP:  # a link to itself
            return False
        raise


def _holds(outer: str, inner: str) -> bool:
    """Whether one real folder is the other, or holds it."""
    return Path(outer) in (Path(inner), *Path(inner).parents)


class ImageFile(NamedTuple):
    """A file, and where it really lies."""

    path: Path
    real: str


def _images(root: Path, classes: Sequence[str]) -> dict[str, list[ImageFile]]:
    """The image files of each class, in torchvision's order, each once.

    The folders of all classes are walked without links first. A link then adds only what is not in them.
    """
    own: set[str] = set()  # the real folders of all classes
    found: dict[str, dict[str, Path]] = {}  # for each class, by the real file
    links: dict[str, list[Path]] = {}  # to folders
    for name in classes:
        found[name], links[name] = {}, []
        own |= _walk(root / name, set(), found[name], links[name])
    for name in classes:
        there = set(own)  # each class its own: what two classes link to is told of
        for link in links[name]:  # grows, as folders behind links have links
            if not _holds(os.path.realpath(link), os.path.realpath(link.parent)):
                there |= _walk(link, there, found[name], links[name])
    return {
        name: [ImageFile(path, real) for real, path in sorted(files.items(), key=lambda each: _order(each[1]))]
        for name, files in found.items()
    }


def _order(path: Path) -> tuple[str, str]:
    return str(path.parent), path.name


def _walk(folder: Path, there: Container[str], found: dict[str, Path], links: list[Path]) -> set[str]:
    """Note the files of a folder, and the links to folders, at any depth; links to folders are not followed.

    Args:
        folder: a class without test images need not have one.
        there: real folders that are passed over.
        found: the files, by where they really are; what is there stays.
        links: gets the links to folders.

    Returns:
        The real folders that were walked.
    """
    walked: set[str] = set()
    to_do = [folder]
    while to_do:
        here = to_do.pop()
        real = os.path.realpath(here)
        if real in there or real in walked:
            continue
        try:
            with os.scandir(here) as entries:
                inside = sorted((entry for entry in entries if _is_data(entry.name)), key=lambda entry: entry.name)
            for linked in (False, True):  # where a file really lies it is found first
                for entry in (each for each in inside if each.is_symlink() == linked):
                    if _leads_to_folder(entry):
                        (links if linked else to_do).append(here / entry.name)
                    elif entry.name.lower().endswith(SUFFIXES):
                        place = os.path.realpath(entry.path) if linked else os.path.join(real, entry.name)
                        found.setdefault(place, here / entry.name)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise _unreadable(here, error) from error
        walked.add(real)
    return walked


def _each_once(listings: Sequence[dict[str, list[ImageFile]]]) -> None:
    """Refuse a file that has two labels, or is in training and test set."""
    first: dict[str, tuple[Path, str, int]] = {}
    for part, listing in enumerate(listings):
        for name, files in listing.items():
            for path, real in files:
                other, label, where = first.setdefault(real, (path, name, part))
                if (label, where) != (name, part):
                    two = "training and test set" if where != part else f"the classes {brief(label)} and {brief(name)}"
                    raise DataRequestError(
                        f"{other} and {path} are one file, {real}, which so is in two places: {two}. Remove the link "
                        f"that is not meant."
                    )


def _set_aside(root: Path, listing: dict[str, list[ImageFile]], share: float) -> list[dict[str, list[ImageFile]]]:
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
    channels, sums = 1 if grey else 3, []
    with _limits_of_our_own():
        first = _pixels(files[0], size, grey) if size is None else None
        height, width = first[0].shape[:2] if first else size or (0, 0)
        check_bytes(4 * len(files) * channels * height * width, f"{len(files):,} images of {height} x {width} pixels")
        inputs = torch.empty(len(files), channels, height, width)
        with ThreadPoolExecutor(THREADS) as pool:  # unpacking lets go of the interpreter
            others = pool.map(lambda file: _pixels(file, size, grey), files[1:] if first else files)
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


def _checksum(files: Sequence[Path], sums: Sequence[str], root: Path) -> str:
    """Of what ``sha256sum`` prints for the files from inside the folder."""
    lines = (
        each.encode() + b"  " + os.fsencode(file.relative_to(root).as_posix()) + b"\n"
        for each, file in zip(sums, files, strict=True)
    )
    return hashlib.sha256(b"".join(lines)).hexdigest()


def _pixels(file: Path, size: tuple[int, int] | None, grey: bool) -> tuple[UInt8[np.ndarray, "..."], str]:
    """The image's bytes, and the sha256 of the file."""
    try:
        large = os.stat(file).st_size > LARGE
    except OSError as error:
        raise _unreadable(file, error) from error
    with _one_at_a_time if large else nullcontext():
        try:
            content = read_regular(file)
        except OSError as error:
            raise _unreadable(file, error) from error
        try:
            image = Image.open(io.BytesIO(content), formats=FORMATS)
        except Exception as error:  # Pillow raises whatever a broken file leads it to
            raise _broken(str(file), error) from error
        with image:
            pixels = pixels_of(image, grey, str(file), size)
        return pixels, hashlib.sha256(content).hexdigest()


def _unreadable(path: Path, error: OSError) -> DataFailureError:
    return DataFailureError(f"{path} cannot be read: {error.strerror or error}. Give yourself the right to read it.")
