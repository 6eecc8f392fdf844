"""Files read whole or not at all: plain, gzip or xz. Whatever fails on the way is a :class:`DataFailureError`."""

import gzip
import hashlib
import io
import lzma
import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from spurlab.data.errors import DamagedDataError, DataFailureError

MOST_BYTES = 2**30  # of uncompressed content; far above any file here, so that a bomb is refused and not unpacked


@contextmanager
def opened(path: Path) -> Iterator[io.BufferedIOBase]:
    """The uncompressed bytes of a file; the compression is told by the suffix, ``.gz`` or ``.xz``.

    Raises:
        DataFailureError: the file cannot be opened; :class:`DamagedDataError` where what is read in the ``with`` block
            is damaged or cut short.
    """
    try:
        with _open(path) as stream:
            yield stream
    except EOFError as error:
        raise DamagedDataError(f"{path} is cut short: its compressed data stops before its end mark.") from error
    except (gzip.BadGzipFile, zlib.error, lzma.LZMAError, MemoryError) as error:
        raise DamagedDataError(f"{path} is damaged: it is not valid {path.suffix} data ({error}).") from error
    except OSError as error:
        raise DataFailureError(
            f"{path} cannot be read: {error.strerror or error}. Check that it is a file that you may read, "
            f"or point SPURLAB_DATA to another folder."
        ) from error


def _open(path: Path) -> io.BufferedIOBase:
    match path.suffix:
        case ".gz":
            return gzip.open(path, "rb")
        case ".xz":
            return lzma.open(path, "rb", format=lzma.FORMAT_XZ)
        case _:
            return path.open("rb")


def read_to_end(stream: io.BufferedIOBase, size: int, path: Path) -> UInt8[np.ndarray, " size"]:
    """The rest of a stream, which must be exactly `size` bytes; nothing is allocated that the file cannot fill.

    Raises:
        DamagedDataError: there are fewer bytes, or more.
    """
    # deflate packs at most 1032 bytes into one
    most = min(os.stat(path).st_size * {"": 1, ".gz": 1032}.get(path.suffix, MOST_BYTES), MOST_BYTES)
    if size <= most:
        content = np.empty(size, np.uint8)
        found = stream.readinto(content.data)
    if size > most or found < size:
        there = f"at most {most:,}" if size > most else f"only {found:,}"
        raise DamagedDataError(f"{path} is cut short: it needs {size:,} more bytes, but {there} are there.")
    if stream.read(1):
        raise DamagedDataError(f"{path} goes on after its end: all it should hold was read, and bytes are left.")
    return content


def check_sha256(path: Path, expected: str, *parts: bytes | memoryview) -> None:
    """Compare the checksum of a file's uncompressed content, given in parts.

    Raises:
        DamagedDataError: it is another.
    """
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    if digest.hexdigest() != expected:
        raise DamagedDataError(
            f"{path} has the wrong checksum: sha256 {expected} expected, {digest.hexdigest()} found. "
            f"Its form is right but its content is not the official one."
        )


def listed(folder: Path) -> frozenset[str] | None:
    """The names in a folder, or None where there is no folder.

    Raises:
        DataFailureError: the folder is there but cannot be read.
    """
    try:
        return frozenset(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DataFailureError(
            f"{folder} cannot be searched for data: {error.strerror or error}. "
            f"Give yourself the right to read it, or point SPURLAB_DATA to another folder."
        ) from error


def pick(folder: Path, name: str, suffixes: Sequence[str]) -> Path:
    """The file of that name with the first suffix that is there (the plain one before its compressed copy).

    Raises:
        DamagedDataError: none is there.
    """
    there = listed(folder) or frozenset()
    for suffix in suffixes:
        if name + suffix in there:
            return folder / (name + suffix)
    raise DamagedDataError(f"{name} is missing in {folder}.")
