"""idx files: read exactly, or refused."""

import gzip
import hashlib
import lzma
import math
import struct
import tracemalloc
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spurlab.data import DamagedDataError, DataFailureError, read_idx
from spurlab.data.idx import idx_header

GOOD = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 10, 20, 30, 40, 50, 60])  # 2 images of 1 x 3


def by_hand(content):
    """Shape and bytes of an idx file of up to four axes, or None where it is not exactly one: one field at a time."""
    if len(content) < 4 or list(content[:3]) != [0, 0, 8] or content[3] not in (1, 2, 3, 4):
        return None
    rest, shape = content[4:], []
    for _ in range(content[3]):
        if len(rest) < 4:
            return None
        shape.append(rest[0] * 2**24 + rest[1] * 2**16 + rest[2] * 2**8 + rest[3])
        rest = rest[4:]
    product = 1
    for size in shape:
        product *= size
    return (tuple(shape), list(rest)) if len(rest) == product else None


@pytest.mark.parametrize(("suffix", "compress"), [("", bytes), (".gz", gzip.compress), (".xz", lzma.compress)])
def test_reads_a_file_written_by_hand(tmp_path, suffix, compress):
    path = tmp_path / f"images{suffix}"
    path.write_bytes(compress(GOOD))
    array = read_idx(path)
    assert array.dtype == np.uint8
    assert array.tolist() == [[[10, 20, 30]], [[40, 50, 60]]]


def test_an_empty_set_keeps_its_shape(tmp_path):
    (tmp_path / "none").write_bytes(struct.pack(">4B3I", 0, 0, 8, 3, 0, 28, 28))
    assert read_idx(tmp_path / "none").shape == (0, 28, 28)


def test_header_is_what_the_format_says():
    assert idx_header((2, 1, 3)) == GOOD[:16]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "cut short: 0 bytes .* magic number"),
        (GOOD[:3], "cut short: 3 bytes .* magic number"),
        (GOOD[:11], "cut short: it ends before the sizes of its 3 axes"),
        (GOOD[:16], "cut short: it needs 6 more bytes, but at most|cut short: it needs 6 more bytes, but only 0"),
        (GOOD[:-1], "cut short: it needs 6 more bytes, but only 5"),
        (GOOD + b"\0", "goes on after its end"),
        (b"\0\1" + GOOD[2:], "wrong magic number: 0x00010803"),
        (GOOD[:2] + b"\x0d" + GOOD[3:], "wrong magic number: 0x00000d03"),  # idx of floats
        (GOOD[:3] + b"\0" + GOOD[4:], "wrong magic number: 0x00000800"),  # no axis
        (GOOD[:3] + b"\5" + GOOD[4:], "wrong magic number: 0x00000805"),
        (b"\x89PNG\r\n\x1a\n", "wrong magic number: 0x89504e47"),
        (struct.pack(">4B3I", 0, 0, 8, 3, 2**32 - 1, 2**32 - 1, 2**32 - 1), "declares the shape .* more than"),
        (struct.pack(">4B3I", 0, 0, 8, 3, 0, 2**32 - 1, 2**32 - 1), "declares the shape .* more than"),
    ],
)
@pytest.mark.parametrize(("suffix", "compress"), [("", bytes), (".gz", gzip.compress), (".xz", lzma.compress)])
def test_bad_content_is_told_apart(tmp_path, content, words, suffix, compress):
    path = tmp_path / f"images{suffix}"
    path.write_bytes(compress(content))
    with pytest.raises(DamagedDataError, match=words) as error:
        read_idx(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(("suffix", "compress"), [(".gz", gzip.compress), (".xz", lzma.compress)])
def test_compressed_files_cut_short_damaged_or_of_another_kind(tmp_path, suffix, compress):
    path = tmp_path / f"images{suffix}"
    whole = compress(GOOD)
    for content, words in (
        (whole[:-4], "cut short: its compressed data"),
        (whole[:-9] + bytes([whole[-9] ^ 255]) + whole[-8:], f"damaged: it is not valid {suffix} data"),
        (GOOD, f"damaged: it is not valid {suffix} data"),
    ):
        path.write_bytes(content)
        with pytest.raises(DamagedDataError, match=words):
            read_idx(path)


def test_what_is_not_a_readable_file_is_refused(tmp_path, refuse):
    with pytest.raises(DataFailureError, match="nothing cannot be read: No such file"):
        read_idx(tmp_path / "nothing")
    with pytest.raises(DataFailureError, match="cannot be read: Is a directory"):
        read_idx(tmp_path)
    (tmp_path / "file").write_bytes(GOOD)
    with pytest.raises(DataFailureError, match="cannot be read: Not a directory"):
        read_idx(tmp_path / "file" / "images")
    refuse("os.open")
    with pytest.raises(
        DataFailureError, match=r"file cannot be read: Permission denied\. Check that it is a file that you may"
    ):
        read_idx(tmp_path / "file")


@contextmanager
def peak(most):
    """At most so many bytes are taken in the block, also where it raises."""
    tracemalloc.start()
    try:
        yield
    finally:
        taken = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert taken < most


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_declared_size_that_is_not_there_is_not_allocated(tmp_path, suffix):
    """600 MB are declared; the file of some kB cannot hold them, so they must not be asked from the system."""
    path = tmp_path / f"images{suffix}"
    content = struct.pack(">4B3I", 0, 0, 8, 3, 600_000, 100, 10) + bytes(1000)
    path.write_bytes(gzip.compress(content) if suffix else content)
    with pytest.raises(DamagedDataError, match="cut short: it needs 600,000,000 more bytes, but at most"), peak(1e6):
        read_idx(path)


@pytest.mark.parametrize(("suffix", "opener"), [(".gz", gzip.open), (".xz", lzma.open)])
def test_a_bomb_is_not_unpacked(tmp_path, suffix, opener):
    """Ten bytes are declared, 32 MB of zeros follow: reading stops at the eleventh. xz's own window has 8 MB."""
    path = tmp_path / f"labels{suffix}"
    with opener(path, "wb") as stream:
        stream.write(struct.pack(">4BI", 0, 0, 8, 1, 10) + bytes(2**25))
    with pytest.raises(DamagedDataError, match="goes on after its end"), peak(16e6):
        read_idx(path)


@st.composite
def damaged(draw, content):
    """The content with some bytes replaced, taken out or put in, then perhaps cut: sometimes none of all that."""
    content = bytearray(content)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(content)))
        content[at : at + draw(st.integers(0, 2))] = draw(st.binary(max_size=2))
    return bytes(content[: draw(st.none() | st.integers(0, len(content)))])


arrays = st.lists(st.integers(0, 4), min_size=1, max_size=4).flatmap(
    lambda shape: st.binary(min_size=math.prod(shape), max_size=math.prod(shape)).map(
        lambda content: np.frombuffer(content, np.uint8).reshape(shape)
    )
)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_bytes_are_read_exactly_or_refused(tmp_path_factory, as_idx, data):
    """The answer is that of the field-by-field reader above."""
    content = data.draw(st.binary(max_size=30) | arrays.map(as_idx) | arrays.flatmap(lambda a: damaged(as_idx(a))))
    path = tmp_path_factory.getbasetemp() / "any-idx"
    path.write_bytes(content)
    expected = by_hand(content)
    try:
        array = read_idx(path)
    except DamagedDataError:
        # an empty axis beside huge ones is the one thing that only we refuse
        assert expected is None or math.prod(max(n, 1) for n in expected[0]) > 2**30
    else:
        assert (array.shape, array.ravel().tolist()) == expected


@pytest.mark.parametrize(("suffix", "compress"), [(".gz", gzip.compress), (".xz", lzma.compress)])
@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_damaged_compressed_file_is_refused_or_harmless(tmp_path_factory, suffix, compress, data):
    """Compressed data carries its own checksum (32 bits and more): what is still read is what was written."""
    path = tmp_path_factory.getbasetemp() / f"any-idx{suffix}"
    path.write_bytes(data.draw(damaged(compress(GOOD))))
    try:
        array = read_idx(path)
    except DamagedDataError:
        return
    assert array.tolist() == [[[10, 20, 30]], [[40, 50, 60]]]


@pytest.mark.parametrize("suffix", [".gz", ".xz"])
def test_every_single_flipped_bit_and_every_cut(tmp_path, suffix):
    """All of them, not a sample: refused, or without effect (a flipped time stamp)."""
    compress = {".gz": gzip.compress, ".xz": lzma.compress}[suffix]
    whole = compress(GOOD)
    flipped = [
        whole[: i // 8] + bytes([whole[i // 8] ^ 1 << i % 8]) + whole[i // 8 + 1 :] for i in range(8 * len(whole))
    ]
    path = tmp_path / f"images{suffix}"
    read = 0
    for content in flipped + [whole[:n] for n in range(len(whole))]:
        path.write_bytes(content)
        try:
            array = read_idx(path)
        except DamagedDataError:
            continue
        read += 1
        assert hashlib.sha256(idx_header(array.shape) + array.tobytes()).digest() == hashlib.sha256(GOOD).digest()
    assert read < len(flipped) / 2
