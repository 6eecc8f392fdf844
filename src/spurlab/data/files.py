"""Files read whole or not at all: plain, gzip or xz; regular files only, and no more bytes than may be taken.

What fails on the way is a :class:`DataFailureError`. What is no regular file, or too large, is a
:class:`DataRequestError`: whoever asked can ask otherwise, or raise the limit.
"""

import errno
import gzip
import hashlib
import io
import lzma
import os
import stat
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from spurlab.data.errors import DamagedDataError, DataFailureError, DataRequestError

LIMIT = "SPURLAB_MAX_BYTES"  # the variable that raises it
MOST_BYTES = 2**31  # where the variable is not set
DEFLATED = 1032  # bytes at most are packed into one by gzip and zip
OFFICIAL_BYTES = 2**28  # of uncompressed content; no file of the table has as many, so a bomb is refused, not unpacked


def most_bytes() -> int:
    """How many bytes a file may have, packed or not, and how many the inputs that are made of it, as float32.

    ``$SPURLAB_MAX_BYTES``, or 2 GiB. It guards against small files that unpack to more than the memory, and against
    files without an end.

    Raises DataRequestError: the variable is no whole number from 1 on.
    """
    if not (given := os.environ.get(LIMIT)):
        return MOST_BYTES
    if not (given.isascii() and given.isdigit() and len(given) < 19 and int(given)):
        raise DataRequestError(
            f"{LIMIT} must be a whole number of bytes from 1 on, e.g. 8000000000, but it is {given}."
        )
    return int(given)


def check_bytes(needed: int, what: str) -> None:
    """Raises DataRequestError: `what` needs more bytes than :func:`most_bytes`."""
    if needed > (most := most_bytes()):
        raise DataRequestError(
            f"{what}: {needed:,} bytes are needed, more than the limit of {most:,}. If that is meant, set {LIMIT} to "
            f"as many bytes as may be taken."
        )


def given_path(path: str | Path) -> Path:
    """The path that a user means, with his home in the place of ``~``.

    Raises DataRequestError: no path has such a form.
    """
    if "\0" in str(path):
        raise DataRequestError(f"{str(path)!r} is no path: it holds a NUL character. Correct it.")
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise DataRequestError(
            f"{path} is no path that can be followed: {str(error).rstrip('.')}. Correct it."
        ) from error


KINDS = {stat.S_IFIFO: "a pipe (FIFO)", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


def open_regular(path: Path) -> io.BufferedReader:
    """A regular file, opened for reading; not a pipe, which may never end, or a device.

    The caller closes it. Raises OSError: it is not there, cannot be opened, or is a folder; DataRequestError: it is
    something else than a file, or larger than :func:`most_bytes`.
    """
    _check_regular(path, os.stat(path))  # before it is opened: that alone makes some devices do something
    at_once = getattr(os, "O_NONBLOCK", 0)
    stream = open(path, "rb", opener=lambda name, flags: os.open(name, flags | at_once))  # noqa: SIM115
    try:
        _check_regular(path, os.fstat(stream.fileno()))  # it may have been replaced meanwhile
    except BaseException:
        stream.close()
        raise
    return stream


def _check_regular(path: Path, found: os.stat_result) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(found.st_mode):
        kind = KINDS.get(stat.S_IFMT(found.st_mode), "something else")
        raise DataRequestError(f"{path} is {kind}, and only regular files are read. Give a file with the content.")
    check_bytes(found.st_size, f"the file {path}")


def read_regular(path: Path) -> bytes:
    """The bytes of a file, whole. Errors as :func:`open_regular`, and DataFailureError: it has more than it says."""
    with open_regular(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        content = stream.read(size + 1) or b""
    if len(content) > size:
        raise DataFailureError(f"{path} has more than the {size:,} bytes that it says. Read it when it does not grow.")
    return content


@contextmanager
def told(what: str, advice: str) -> Iterator[None]:
    """An OSError in the block becomes a DataFailureError: what cannot be done, why, and what to do."""
    try:
        yield
    except OSError as error:
        raise DataFailureError(f"{what}: {error.strerror or error}. {advice}") from error


@contextmanager
def opened(path: Path) -> Iterator[io.BufferedIOBase]:
    """The uncompressed bytes of a file; the compression is told by the suffix, ``.gz`` or ``.xz``.

    Raises:
        DataRequestError: as :func:`open_regular`.
        DataFailureError: it cannot be opened; :class:`DamagedDataError`: what is read of it is damaged or cut short.
    """
    try:
        with open_regular(path) as file, _unpacked(file, path.suffix) as stream:
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


def _unpacked(file: io.BufferedReader, suffix: str) -> io.BufferedIOBase:
    match suffix:
        case ".gz":
            return gzip.GzipFile(fileobj=file, mode="rb")
        case ".xz":
            return lzma.LZMAFile(file, format=lzma.FORMAT_XZ)
        case _:
            return file


def read_to_end(stream: io.BufferedIOBase, size: int, path: Path) -> UInt8[np.ndarray, " size"]:
    """The rest of a stream, which must be exactly `size` bytes; nothing is allocated that the file cannot fill.

    The caller has held `size` against a limit. Raises DamagedDataError: there are fewer bytes, or more.
    """
    most = os.stat(path).st_size * {"": 1, ".gz": DEFLATED}.get(path.suffix, size)
    if size <= most:
        content = np.empty(size, np.uint8)
        found = stream.readinto(content.data)
    if size > most or found < size:
        present = f"at most {most:,}" if size > most else f"only {found:,}"
        raise DamagedDataError(f"{path} is cut short: it needs {size:,} more bytes, but {present} are there.")
    if stream.read(1):
        raise DamagedDataError(f"{path} goes on after its end: all it should hold was read, and bytes are left.")
    return content


def check_sha256(path: Path, expected: str, *parts: bytes | memoryview) -> None:
    """Compare the checksum of a file's uncompressed content, given in parts. Raises DamagedDataError: it is another."""
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

    Raises DataFailureError: the folder is there but cannot be read.
    """
    advice = "Give yourself the right to read it, or point SPURLAB_DATA to another folder."
    with told(f"{folder} cannot be searched for data", advice):
        try:
            return frozenset(os.listdir(folder))
        except (FileNotFoundError, NotADirectoryError):
            return None


def pick(folder: Path, name: str, suffixes: Sequence[str]) -> Path:
    """The file of that name with the first suffix that is there (the plain one before its compressed copy).

    Raises DamagedDataError: none is there.
    """
    present = listed(folder) or frozenset()
    for suffix in suffixes:
        if name + suffix in present:
            return folder / (name + suffix)
    raise DamagedDataError(f"{name} is missing in {folder}.")
