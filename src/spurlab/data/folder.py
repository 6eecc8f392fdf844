"""Any folder of images, a sub-folder for each class: torchvision's ImageFolder layout."""

import errno
import hashlib
import logging
import os
from collections.abc import Container, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from spurlab.data.arrays import LICENCE, assembled, checked_share, set_aside
from spurlab.data.errors import DataRequestError
from spurlab.data.examples import Dataset, Examples, Source, checked_names
from spurlab.data.files import given_path
from spurlab.data.pixels import height_and_width, read_images, readable
from spurlab.errors import brief

_log = logging.getLogger(__name__)

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")  # torchvision's
LEFT_BEHIND = frozenset({"__macosx", "@eadir", "__pycache__", "$recycle.bin"})  # by macOS, Synology, Python, Windows


def image_folder(
    path: str | Path, *, size: int | tuple[int, int] | None = None, grey: bool = False, test: float | str | Path = 0.2
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

    >>> import tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name, grey in (("cat", 51), ("dog", 204)):
    ...         (Path(folder) / name).mkdir()
    ...         for number in range(5):
    ...             Image.new("L", (40, 30), grey + number).save(Path(folder) / name / f"{number}.png")
    ...     data = image_folder(folder, size=16, grey=True)
    >>> data.class_names, data.shape, len(data.train), len(data.test)
    (('cat', 'dog'), (1, 16, 16), 8, 2)
    >>> data.train.source(0), round(data.train.inputs[0].max().item(), 2)
    ('cat/0.png', 0.2)
    """
    root, wanted = given_path(path), height_and_width(size)
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
    else:
        share = checked_share(test, "images")
    classes = _folders(roots[0])
    if len(classes) < 2:
        raise DataRequestError(
            f"{roots[0]} has {len(classes)} sub-folder{'s' * (len(classes) != 1)}; there must be one for each class, "
            "two or more."
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
    inputs, sums = read_images([*files[0], *files[1]], wanted, grey)
    cut = len(files[0])
    parts = (
        Examples(inputs[:cut], torch.tensor(labels[0]), sources=_names(files[0], root)),
        Examples(inputs[cut:], torch.tensor(labels[1]), sources=_names(files[1], root)),
    )
    sha256 = {"train": _checksum(files[0], sums[:cut], roots[0]), "test": _checksum(files[1], sums[cut:], roots[1])}
    if twins := set(sums[:cut]) & set(sums[cut:]):
        first = next(row for row, digest in enumerate(sums) if digest in twins)
        _log.warning(
            "%d of %d test images are training images too, byte for byte, e.g. %s and %s",
            sum(digest in twins for digest in sums[cut:]),
            len(files[1]),
            files[0][first],
            files[1][sums.index(sums[first], cut) - cut],
        )
    options = [*([f"{wanted[0]}x{wanted[1]}"] if wanted else []), *(["grey"] if grey else [])]
    source = Source(LICENCE, "a folder of images", str(root), sha256)
    return assembled(f"{','.join(['folder', *options])}:{path}", *parts, classes, source)


def _folders(folder: Path) -> list[str]:
    """The folders in a folder, by name, that are data."""
    with readable(folder):
        try:
            here = os.path.realpath(folder)
            return sorted(
                entry.name
                for entry in os.scandir(folder)
                if _is_data(entry.name) and _leads_to_folder(entry) and not _holds(os.path.realpath(entry), here)
            )
        except (FileNotFoundError, NotADirectoryError):
            raise DataRequestError(
                f"there is no folder {folder}. Correct the path; it starts at the current folder."
            ) from None


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
        known = set(own)  # each class its own: what two classes link to is told of
        for link in links[name]:  # grows, as folders behind links have links
            if not _holds(os.path.realpath(link), os.path.realpath(link.parent)):
                known |= _walk(link, known, found[name], links[name])
    return {
        name: sorted(
            (ImageFile(path, real) for real, path in files.items()),
            key=lambda file: (str(file.path.parent), file.path.name),
        )
        for name, files in found.items()
    }


def _walk(folder: Path, known: Container[str], found: dict[str, Path], links: list[Path]) -> set[str]:
    """Walk a folder, if there is one, at any depth; links to folders are not followed. The real folders that were seen.

    Known ones are passed over. Files go into `found`, by where they really are, links to folders into `links`.
    """
    walked: set[str] = set()
    to_do = [folder]
    while to_do:
        here = to_do.pop()
        real = os.path.realpath(here)
        if real in known or real in walked:
            continue
        with readable(here), suppress(FileNotFoundError):
            with os.scandir(here) as entries:
                inside = sorted((entry for entry in entries if _is_data(entry.name)), key=lambda entry: entry.name)
            for linked in (False, True):  # where a file really lies it is found first
                for entry in (each for each in inside if each.is_symlink() == linked):
                    if _leads_to_folder(entry):
                        (links if linked else to_do).append(here / entry.name)
                    elif entry.name.lower().endswith(SUFFIXES):
                        place = os.path.realpath(entry.path) if linked else os.path.join(real, entry.name)
                        found.setdefault(place, here / entry.name)
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


def _names(files: Sequence[Path], root: Path) -> NDArray[Any]:
    """Each file from inside the folder on, or its whole path."""
    return np.array([str(file.relative_to(root) if file.is_relative_to(root) else file) for file in files])


def _set_aside(root: Path, listing: dict[str, list[ImageFile]], share: float) -> list[dict[str, list[ImageFile]]]:
    """The files of both parts, by class."""
    train, test = {}, {}
    for name, files in listing.items():
        if len(files) < 2:
            raise DataRequestError(
                f"{root / name} holds a single image, and one must be set aside for the test set. "
                f"Add images, or give the folder of the test images."
            )
        aside = set_aside(len(files), share, "test images", name)
        train[name] = [file for row, file in enumerate(files) if row not in aside]
        test[name] = [file for row, file in enumerate(files) if row in aside]
    return [train, test]


def _checksum(files: Sequence[Path], sums: Sequence[str], root: Path) -> str:
    """Of what ``sha256sum`` prints for the files from inside the folder."""
    lines = (
        digest.encode() + b"  " + os.fsencode(file.relative_to(root).as_posix()) + b"\n"
        for digest, file in zip(sums, files, strict=True)
    )
    return hashlib.sha256(b"".join(lines)).hexdigest()
