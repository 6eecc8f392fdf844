"""The arrays of an ``.npz`` file, of which nothing is run, and nothing believed before it was counted."""

import hashlib
import io
import math
import struct
import warnings
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from spurlab.data.errors import DamagedDataError, DataError, DataRequestError
from spurlab.data.files import DEFLATED, check_bytes, read_regular, told
from spurlab.errors import InputError, brief, one_line

KINDS = "biufcSUmM"  # of dtypes: everything but Python objects, records and raw memory
MOST_HEADER = 10_000  # bytes; numpy's own limit
VERSIONS = {  # of the .npy format: how the header's length is written, and who reads it
    (1, 0): ("<H", np.lib.format.read_array_header_1_0),
    (2, 0): ("<I", np.lib.format.read_array_header_2_0),
}
ADVICE = "Write it again with numpy.savez; arrays of Python objects are not read, since that can run any code."


def read_npz(file: Path, check: Callable[[Sequence[str] | None], None]) -> tuple[dict[str, np.ndarray], str]:
    """Every array in the file, by key, and the sha256 of the file: of the bytes that were read, once.

    `check` gets the keys before any array is read, and raises where they are not what is wanted; None: there are none,
    for the file is a single array (``.npy``).

    Raises:
        DataRequestError: there is no such file, it is no regular one, or it or its arrays need more bytes than may be
            taken.
        DataFailureError: it cannot be read; :class:`DamagedDataError` where it is damaged, has a key twice, or an array
            that is not plain numbers or text.
    """
    with told(f"{file} cannot be read", "Check that it is a file that you may read."):
        try:
            content = read_regular(file)
        except FileNotFoundError:
            raise DataRequestError(
                f"there is no file {file}. Correct the path; it starts at the current folder."
            ) from None
    if content.startswith(np.lib.format.MAGIC_PREFIX):
        check(None)
    what = "it is no .npz file, or damaged"
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
            if len(members) < len(archive.infolist()):
                names = [member.filename.removesuffix(".npy") for member in archive.infolist()]
                twice = next(name for name in names if names.count(name) > 1)
                raise DamagedDataError(f"{file} has the key {brief(twice)} twice, and only one can be meant.", ADVICE)
            check(list(members))
            headers, taken = {}, 0
            for key, member in members.items():  # all are counted before any is unpacked
                what = f"key {brief(key)} cannot be read"
                with _opened(archive, member) as stream:
                    headers[key] = _header(stream, member, f"{file}: key {brief(key)}")
                taken += math.prod(headers[key].shape) * max(headers[key].dtype.itemsize, 4)  # 4: as float32
                check_bytes(taken, f"{file}: key {brief(key)}, with all arrays before it")
            arrays = {}
            for key, member in members.items():
                what = f"key {brief(key)} cannot be read"
                with _opened(archive, member) as stream:
                    arrays[key] = _array(stream, headers[key])
    except DataError:
        raise
    except Exception as error:  # numpy and zipfile raise whatever a broken file leads them to
        raise DamagedDataError(f"{file}: {what} ({one_line(str(error))}).", ADVICE) from error
    return arrays, hashlib.sha256(content).hexdigest()


class _Header(NamedTuple):
    """What an array says of itself, and the number of bytes in which it does."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    length: int


def _opened(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> zipfile.ZipExtFile:
    return cast(zipfile.ZipExtFile, archive.open(member))


def _header(stream: zipfile.ZipExtFile, member: zipfile.ZipInfo, what: str) -> _Header:
    """Raises DamagedDataError where it is not one of plain numbers or text, or not of as many as are there."""
    unread = f"{what} cannot be read"
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DamagedDataError(f"{unread} (it is packed in another way than numpy does it).", ADVICE)
    start = stream.read(8)
    if not member.filename.endswith(".npy") or start[:6] != np.lib.format.MAGIC_PREFIX:
        raise DamagedDataError(f"{what} is damaged: it is no array.", ADVICE)
    if (version := tuple(start[6:])) not in VERSIONS:
        raise DamagedDataError(f"{unread} (it is of the version {version} of the format).", ADVICE)
    form, parse = VERSIONS[version]
    length = stream.read(struct.calcsize(form))
    if (size := struct.unpack(form, length)[0]) > MOST_HEADER:
        raise DamagedDataError(f"{unread} (its header has {size:,} bytes, more than {MOST_HEADER:,}).", ADVICE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy's, that the file is of Python 2; whatever the header says is checked
        shape, fortran, dtype = parse(io.BytesIO(length + stream.read(size)))
    if dtype.kind not in KINDS or dtype.subdtype is not None:
        raise DamagedDataError(unread + ".", ADVICE)
    if any(axis < 0 for axis in shape):
        raise DamagedDataError(f"{unread} (its shape is {brief(shape)}).", ADVICE)
    header = _Header(shape, dtype, fortran, len(start) + len(length) + size)
    declared, there = math.prod(shape) * dtype.itemsize, member.file_size - header.length
    most = max(0, min(there, member.compress_size * DEFLATED))
    if declared != there or declared > most:
        raise DamagedDataError(f"{unread} (it declares {declared:,} bytes, where {most:,} can be).", ADVICE)
    return header


def _array(stream: zipfile.ZipExtFile, header: _Header) -> np.ndarray:
    """Raises ValueError where it is cut short, and whatever zipfile does where the checksum is wrong."""
    stream.read(header.length)
    content = np.empty(math.prod(header.shape) * header.dtype.itemsize, np.uint8)
    if len(content) and stream.readinto(content.data) != len(content):
        raise InputError("it is cut short")
    stream.read(1)  # at the end the checksum is compared
    return np.ndarray(header.shape, header.dtype, content, order="F" if header.fortran else "C")
