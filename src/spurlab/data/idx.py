"""The idx format of MNIST and Fashion-MNIST: a magic number, the size of each axis, then the bytes row by row.

Source: the description at the end of http://yann.lecun.com/exdb/mnist/.
"""

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from spurlab.data.download import download_file
from spurlab.data.errors import DamagedDataError
from spurlab.data.examples import Examples
from spurlab.data.files import LIMIT, OFFICIAL_BYTES, check_sha256, most_bytes, opened, read_to_end
from spurlab.data.official import FilesEntry, Layout, Read

UNSIGNED_BYTES = 0x08  # the type code; no other type is used by the datasets here
MOST_AXES = 4
FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def read_idx(path: Path) -> UInt8[np.ndarray, "..."]:
    """The array in an idx file of unsigned bytes, plain or (by its suffix) ``.gz`` or ``.xz``.

    Any string of bytes is either read exactly, to its last byte, or refused.

    Returns:
        uint8, of the shape that the file declares; ``n`` for labels, ``n h w`` for images.

    Raises:
        DataRequestError: it is no regular file, or larger than may be (``$SPURLAB_MAX_BYTES``).
        DataFailureError: the file cannot be opened; :class:`DamagedDataError` where it is cut short, goes on after its
            end, declares more bytes than may be, or is not an idx file of bytes.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "labels-idx1-ubyte"
    ...     _ = file.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 0, 9]))  # bytes, 1 axis, 3 of them
    ...     labels = read_idx(file)
    >>> labels.tolist()
    [7, 0, 9]
    """
    return _read_idx(path, most_bytes())


def _read_idx(path: Path, most: int) -> UInt8[np.ndarray, "..."]:
    with opened(path) as stream:
        magic = stream.read(4)
        if len(magic) < 4:
            raise DamagedDataError(f"{path} is cut short: {len(magic)} bytes are less than an idx file's magic number.")
        zeros, kind, axes = struct.unpack(">HBB", magic)
        if zeros != 0 or kind != UNSIGNED_BYTES or not 1 <= axes <= MOST_AXES:
            raise DamagedDataError(
                f"{path} has the wrong magic number: 0x{magic.hex()}. An idx file of unsigned bytes starts with "
                f"0x000008 and the number of axes, 01 to {MOST_AXES:02}."
            )
        sizes = stream.read(4 * axes)
        if len(sizes) < 4 * axes:
            raise DamagedDataError(f"{path} is cut short: it ends before the sizes of its {axes} axes.")
        shape = struct.unpack(f">{axes}I", sizes)
        if math.prod(max(size, 1) for size in shape) > most:
            raise DamagedDataError(
                f"{path} declares the shape {shape}, more than {most:,} bytes.",
                f"Get the file again or, if that is meant, set {LIMIT} to as many bytes as may be taken.",
            )
        return read_to_end(stream, math.prod(shape), path).reshape(shape)


def idx_header(shape: tuple[int, ...]) -> bytes:
    """The bytes that stand before the content of an idx file of unsigned bytes."""
    return struct.pack(f">HBB{len(shape)}I", 0, UNSIGNED_BYTES, len(shape), *shape)


@dataclass(frozen=True, kw_only=True)
class IdxFiles(Layout):
    """Four idx files with the official names: training images and labels, then test images and labels."""

    @classmethod
    def of(cls, folder: str, digests: Sequence[str]) -> "IdxFiles":
        """Those in `folder` whose sha256 are these, in the order of `FILES`."""
        return cls(folder=folder, sha256=dict(zip(FILES, digests, strict=True)))

    def read(self, folder: Path, entry: FilesEntry) -> Read:
        paths = self.paths(folder)
        train = self._read(paths[:2], entry, entry.sizes[0])
        test = self._read(paths[2:], entry, entry.sizes[1])
        return Read(train, test, self.sha256)

    def _read(self, paths: Sequence[Path], entry: FilesEntry, size: int) -> Examples:
        images, labels = (_read_idx(path, OFFICIAL_BYTES) for path in paths)
        for path, array, axes in zip(paths, (images, labels), (3, 1), strict=True):
            if array.ndim != axes:
                raise DamagedDataError(f"{path} has the wrong magic number: {array.ndim} axes, where {axes} belong.")
        examples = entry.examples([images], labels, size, paths[0])
        for path, array in zip(paths, (images, labels), strict=True):
            expected = self.sha256[path.name.removesuffix(".gz")]
            check_sha256(path, expected, idx_header(array.shape), array.data)
        return examples


def idx_dataset(name: str, reader: str, sha256: Sequence[str], **about: Any) -> FilesEntry:
    """A dataset of 60,000 and 10,000 grey images that torchvision can download, and Debian has as dataset-`name`.

    `reader` is torchvision's class for it, which has the addresses of its files, their md5 and its folder's name. The
    sha256 are those of the four files' uncompressed bytes, in the order of `FILES`.
    """

    def download(folder: Path) -> None:
        from torchvision import datasets  # noqa: PLC0415  # slow to import, rarely needed

        official = getattr(datasets, reader)
        for file, md5 in official.resources:
            download_file(name, file, official.mirrors, md5, folder)

    return FilesEntry(
        name=name,
        shape=(1, 28, 28),
        sizes=(60_000, 10_000),
        layouts=(IdxFiles.of(f"{reader}/raw", sha256),),
        places=(Path("/usr/share/datasets", name),),
        download=download,
        **about,
    )
