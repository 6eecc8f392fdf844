"""Arrays in an .npz file: read exactly, or refused with the key's name."""

import hashlib
import io
import os
import struct
import warnings
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given as given_any
from hypothesis import settings
from hypothesis import strategies as st
from torch.testing import assert_close

from spurlab.data import DamagedDataError, DataError, DataFailureError, DataRequestError, from_npz, load, npz

RNG = np.random.default_rng(0)


def arrays(shape=(3, 5, 4), n=(6, 4), dtype=np.uint8, **more):
    inputs = [RNG.integers(0, 256, (size, *shape), np.uint8).astype(dtype) for size in n]
    labels = [np.arange(size) % 2 for size in n]
    keys = ("train_inputs", "train_labels", "test_inputs", "test_labels")
    return dict(zip(keys, (inputs[0], labels[0], inputs[1], labels[1]), strict=True)) | more


@pytest.fixture
def write(tmp_path):
    def save(found, name="data.npz"):
        np.savez(tmp_path / name, **found)
        return tmp_path / name

    return save


@pytest.mark.parametrize("compressed", [False, True])
def test_bytes_are_divided_by_255(tmp_path, compressed):
    found = arrays(train_groups=np.arange(6), test_groups=np.arange(4) // 2, class_names=np.array(["cat", "dog"]))
    (np.savez_compressed if compressed else np.savez)(tmp_path / "data.npz", **found)
    data = from_npz(tmp_path / "data.npz")
    for part in ("train", "test"):
        examples = getattr(data, part)
        assert_close(examples.inputs.numpy(), found[f"{part}_inputs"] / np.float32(255), rtol=0, atol=0)
        assert examples.labels.tolist() == found[f"{part}_labels"].tolist()
        assert examples.groups.tolist() == found[f"{part}_groups"].tolist()
    assert (data.class_names, data.input_range, data.shape) == (("cat", "dog"), (0.0, 1.0), (3, 5, 4))
    digest = hashlib.sha256((tmp_path / "data.npz").read_bytes()).hexdigest()
    assert (data.source.location, data.source.sha256) == (str(tmp_path / "data.npz"), {"data.npz": digest})


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4"])
def test_floats_stay_as_they_are(write, dtype):
    """Where they leave [0, 1] there is no range to clip to."""
    found = arrays()
    found |= {key: (found[key] / 128 - 1).astype(dtype) for key in ("train_inputs", "test_inputs")}
    data = from_npz(write(found))
    assert data.input_range is None
    assert_close(data.train.inputs.numpy(), found["train_inputs"].astype(np.float32), rtol=0, atol=0)
    inside = found | {key: abs(found[key]) for key in ("train_inputs", "test_inputs")}
    assert from_npz(write(inside)).input_range == (0.0, 1.0)


@pytest.mark.parametrize(
    ("given", "got"),
    [
        ((7,), (7,)),
        ((5, 4), (1, 5, 4)),
        ((3, 5, 4), (3, 5, 4)),
        ((5, 4, 3), (3, 5, 4)),
        ((1, 5, 4), (1, 5, 4)),
        ((5, 4, 1), (1, 5, 4)),
    ],
)
def test_axes_are_told_apart(write, given, got):
    """Element by element, wherever the channels stand."""
    found = arrays(given)
    data = from_npz(write(found))
    assert data.shape == got
    for place in np.ndindex(found["test_inputs"].shape):
        row, rest = place[0], place[1:]
        if len(given) == 2:
            rest = (0, *rest)
        elif given != got:
            rest = (rest[2], rest[0], rest[1])
        assert round(255 * data.test.inputs[(row, *rest)].item()) == found["test_inputs"][place]


def changed(**arrays):
    return lambda found: found.update(arrays)


BAD = {
    "missing": (
        lambda f: f.pop("test_labels"),
        "has no key 'test_labels'. It has train_inputs, train_labels, test_inp",
    ),
    "unknown": (changed(train_group=np.zeros(6)), "has the key 'train_group', which means nothing here"),
    "type": (changed(train_inputs=np.zeros((6, 2), int)), "'train_inputs' must hold bytes .* holds int64"),
    "complex": (changed(train_inputs=np.zeros((6, 2), complex)), "'train_inputs' must hold .*complex128"),
    "axes": (changed(train_inputs=np.zeros(6)), r"'train_inputs' has inputs of shape \(\)"),
    "more axes": (changed(test_inputs=np.zeros((4, 1, 1, 5, 4))), r"'test_inputs' .* \(1, 1, 5, 4\)"),
    "both": (changed(test_inputs=np.zeros((4, 3, 5, 3))), r"'test_inputs' .*\(3, 5, 3\).* both the first"),
    "neither": (changed(test_inputs=np.zeros((4, 5, 5, 2))), r"'test_inputs' .* neither the first nor"),
    "other shape": (changed(test_inputs=np.zeros((4, 1, 5, 4))), r"'test_inputs' have the shape \(1, 5, 4\)"),
    "nan": (changed(test_inputs=np.full((4, 3, 5, 4), np.nan)), "'test_inputs' must be finite"),
    "too large": (changed(test_inputs=np.full((4, 3, 5, 4), 1e300)), "'test_inputs' must be finite"),
    "rows": (changed(test_labels=np.zeros(3, int)), r"'test_labels' must have one .* 4 inputs.* \(3,\)"),
    "column": (changed(test_labels=np.zeros((4, 1), int)), r"'test_labels' must have one .* \(4, 1\)"),
    "float labels": (changed(test_labels=np.zeros(4)), "'test_labels' must hold whole numbers.* float64"),
    "text labels": (changed(test_labels=np.array(["a"] * 4)), "'test_labels' must hold whole numbers"),
    "negative": (changed(test_labels=np.array([0, 1, -2, 0])), "'test_labels' must count from 0, but -2"),
    "huge": (changed(test_labels=np.array([0, 2**64 - 1] * 2, np.uint64)), "must be below 1,048,576, but 184467"),
    "gap": (changed(train_labels=np.array([1, 2] * 3)), "'train_labels' must be 0, 1, .* but 0 is not among"),
    "far": (changed(train_labels=np.array([0, 10**9] * 3)), "'train_labels' must be below 1,048,576, but 1000000000"),
    "above": (changed(test_labels=np.array([0, 1, 2, 0])), "'test_labels' must be 0 to 1, .* example 2 has 2"),
    "one class": (changed(train_labels=np.zeros(6, int)), "needs two classes or more"),
    "names": (changed(class_names=np.array(["cat"])), "needs two classes or more"),
    "same names": (changed(class_names=np.array(["cat", "cat"])), "with different names"),
    "no names": (changed(class_names=np.arange(2)), "'class_names' must be a list of texts, but it is int64"),
    "groups": (changed(train_groups=np.arange(6)), "'test_groups' are missing"),
    "groups rows": (changed(train_groups=np.arange(5)), "'train_groups' must have one number"),
    "empty": (changed(test_inputs=np.zeros((0, 5, 4)), test_labels=np.zeros(0, int)), "'test_inputs' are empty"),
}


@pytest.mark.parametrize("bad", BAD)
def test_what_does_not_fit_is_refused_with_its_key(write, bad):
    spoil, words = BAD[bad]
    found = arrays()
    spoil(found)
    with pytest.raises(DataRequestError, match=words) as error:
        from_npz(write(found))
    assert "data.npz" in str(error.value)


def test_labels_of_named_classes_may_have_gaps(write):
    data = from_npz(write(arrays(class_names=np.array(["a", "b", "c"]))))
    assert (data.classes, data.train.labels.max()) == (3, 1)


class Bomb:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_nothing_is_unpickled(tmp_path, write):
    """The bomb is live: numpy itself, told to, sets it off."""
    path = write(arrays(train_inputs=np.array([Bomb(tmp_path / "crater")] * 6, object)))
    with pytest.raises(DamagedDataError, match=r"key 'train_inputs' cannot be read\. Write it again"):
        from_npz(path)
    assert not (tmp_path / "crater").exists()
    with np.load(path, allow_pickle=True) as unwise:
        unwise["train_inputs"]
    assert (tmp_path / "crater").exists()


def test_files_of_another_kind(tmp_path, write):
    with pytest.raises(DataRequestError, match=r"there is no file .*nowhere.npz. Correct the path"):
        from_npz(tmp_path / "nowhere.npz")
    with pytest.raises(DataFailureError, match="cannot be read: Is a directory"):
        from_npz(tmp_path)
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(DataRequestError, match=r"one.npy holds a single array"):
        from_npz(tmp_path / "one.npy")
    for content in (b"", b"no zip", b"PK\x03\x04 and no more"):
        (tmp_path / "bad.npz").write_bytes(content)
        with pytest.raises(DamagedDataError, match=r"bad.npz: it is no .npz file, or damaged"):
            from_npz(tmp_path / "bad.npz")
    with zipfile.ZipFile(write(arrays()), "a") as archive:
        archive.writestr("class_names.npy", b"no array")
    with pytest.raises(DamagedDataError, match="key 'class_names' is damaged: it is no array"):
        from_npz(tmp_path / "data.npz")


def test_a_declared_size_that_is_not_there(tmp_path, write):
    """Ten terabytes are declared, none are there."""
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": "|u1", "fortran_order": False, "shape": (10**13,)})
    found = arrays()
    del found["test_labels"]
    with zipfile.ZipFile(write(found), "a") as archive:
        archive.writestr("test_labels.npy", out.getvalue())
    with pytest.raises(DamagedDataError, match="key 'test_labels' cannot be read"):
        from_npz(tmp_path / "data.npz")


def member(header, content, start=b"\x93NUMPY\x01\0"):
    """A file of the .npy format, byte by byte."""
    return start + struct.pack("<H", len(header)) + header + content


def zipped(tmp_path, members, how=zipfile.ZIP_STORED):
    with zipfile.ZipFile(tmp_path / "data.npz", "w", how) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile's, that a name is there twice
        for name, content in members:
            archive.writestr(name, content)
    return tmp_path / "data.npz"


def packed(found):
    members = []
    for key, array in found.items():
        out = io.BytesIO()
        np.save(out, array)
        members.append((f"{key}.npy", out.getvalue()))
    return members


def described(descr, shape, fortran=False):
    return repr({"descr": descr, "fortran_order": fortran, "shape": shape}).encode()


ODD = {  # what stands under the key class_names
    "twice": (packed(arrays())[0][1], "has the key 'train_inputs' twice"),
    "objects": (member(described("|O", (2,)), b"(lp0\n."), "key 'class_names' cannot be read. Write it"),
    "records": (member(described([("a", "<i4")], (2,)), bytes(8)), "'class_names' cannot be read. Write"),
    "arrays of arrays": (member(described("(2,2)<i4", (2,)), bytes(32)), "cannot be read. Write it"),
    "raw memory": (member(described("|V4", (2,)), bytes(8)), "cannot be read. Write it"),
    "negative": (member(described("|u1", (-2, -3)), bytes(6)), r"its shape is \(-2, -3\)"),
    "too much": (member(described("|u1", (2,)), bytes(3)), "declares 2 bytes, where 3 can be"),
    "too little": (member(described("|u1", (4,)), bytes(3)), "declares 4 bytes, where 3 can be"),
    "letters of no size": (member(described("<U0", (10**12,)), b""), r"4,000,000,00\d,\d+ bytes"),
    "no letters": (member(described("<U1", (2,)), b"\xff" * 8), "'class_names' holds what is no text"),
    "one letter too far": (member(described("<U1", (2,)), b"\0\0\x11\0" * 2), "what is no text"),
    "half a letter": (
        member(described("<U1", (2,)), struct.pack("<II", 65, 0xD800)),
        r"named '\\ud800', which is no text",
    ),
    "other version": (member(b"", b"", b"\x93NUMPY\x09\0"), r"version \(9, 0\) of the format"),
    "huge header": (
        b"\x93NUMPY\x02\0" + struct.pack("<I", 2**31) + bytes(100),
        "its header has 2,147,483,648 bytes, more than 10,000",
    ),
    "deep header": (member(b"(" * 9000, b""), "key 'class_names' cannot be read"),
    "no array": (b"\x93NUMPX\x01\0" + bytes(100), "key 'class_names' is damaged: it is no array"),
    "long key": (b"", "has the key 'kkk.* ... .*kkk', which means nothing here"),
}


@pytest.mark.parametrize("odd", ODD)
def test_what_no_numpy_writes_is_refused(tmp_path, odd):
    content, words = ODD[odd]
    key = {"twice": "train_inputs", "long key": "k" * 60_000}.get(odd, "class_names")
    path = zipped(tmp_path, [*packed(arrays()), (f"{key}.npy", content)])
    with pytest.raises(DataError, match=words) as error:
        from_npz(path)
    assert len(str(error.value)) < 600


@pytest.mark.parametrize("how", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packed_in_another_way_it_is_refused(tmp_path, how):
    """A few hundred bytes of bzip2 can be hundreds of megabytes, and Python unpacks them in one go."""
    with pytest.raises(DamagedDataError, match="packed in another way than numpy does it"):
        from_npz(zipped(tmp_path, packed(arrays()), how))


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    """Zeros, packed to a thousandth, that would be three gigabytes as float32."""
    small, path = packed(arrays((2,))), tmp_path / "data.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in small[1:]:
            archive.writestr(name, content)
        with archive.open("train_inputs.npy", "w") as out:
            out.write(member(described("|u1", (6, 2**27)), b""))
            for _ in range(6 * 2**7):
                out.write(bytes(2**20))
    assert path.stat().st_size < 10**6
    monkeypatch.setattr("spurlab.data.npz.np.empty", None)
    with pytest.raises(DataRequestError, match=r"'train_inputs', with .*: 3,221,\d+,\d+ bytes are needed.*MAX_BYTES"):
        from_npz(path)


def test_a_directory_that_lies_is_refused(tmp_path):
    """The directory of the archive says more bytes than so few packed ones can be."""
    content = zipped(tmp_path, packed(arrays()), zipfile.ZIP_DEFLATED).read_bytes()
    start = content.index(b"PK\x01\x02")
    spoilt = content[: start + 24] + struct.pack("<I", 10**9) + content[start + 28 :]
    (tmp_path / "data.npz").write_bytes(spoilt)
    with pytest.raises(DamagedDataError, match="key 'train_inputs' cannot be read"):
        from_npz(tmp_path / "data.npz")


def test_the_order_of_axes_and_of_bytes_is_as_written(tmp_path):
    """Big-endian, column by column, of numpy for Python 2: every number where it belongs, and no warning."""
    found = arrays((3, 5, 4), dtype=np.float32)
    found |= {f"{part}_inputs": found[f"{part}_inputs"] / np.float32(256) for part in ("train", "test")}
    members = dict(packed(found))
    inputs, labels = found["train_inputs"], found["train_labels"]
    members["train_inputs.npy"] = member(described(">f4", inputs.shape, True), inputs.astype(">f4").tobytes("F"))
    old = b"{'descr': '<i8', 'fortran_order': False, 'shape': (6L,), }"
    members["train_labels.npy"] = member(old, labels.astype("<i8").tobytes())
    data = from_npz(zipped(tmp_path, members.items()))
    assert_close(data.train.inputs.numpy(), inputs, rtol=0, atol=0)
    assert data.train.labels.tolist() == labels.tolist()


def test_what_was_read_has_the_checksum(tmp_path, write, monkeypatch):
    """The file is replaced as soon as it was read: the sum is that of the bytes that the arrays come from."""
    path = write(arrays())
    first, other = path.read_bytes(), write(arrays(), "other.npz").read_bytes()
    true = npz.read_regular

    def once(file):
        content = true(file)
        path.write_bytes(other)
        return content

    monkeypatch.setattr(npz, "read_regular", once)
    assert from_npz(path).source.sha256 == {"data.npz": hashlib.sha256(first).hexdigest()}


SCALES = {  # what the parts hold, and what is said of it
    "bytes, floats to 255": (
        lambda x: x,
        lambda x: x.astype(np.float32),
        "'test_inputs' holds images whose values span",
    ),
    "floats to 255, bytes": (lambda x: x.astype(np.float64), lambda x: x, "'train_inputs' holds images whose values"),
    "floats to 255": (lambda x: x.astype(np.float32),) * 2 + ("'train_inputs' holds images whose values span",),
    "floats to 1, to 255": (lambda x: x / 255, lambda x: x * 1.0, "'test_inputs' holds images whose values span"),
    "floats to 255, to 1": (lambda x: x * 1.0, lambda x: x / 255, "'train_inputs' holds images whose values span"),
    "bytes, standardised": (lambda x: x, lambda x: x / 64 - 2, "these are two scales"),
    "standardised, bytes": (lambda x: x / 64 - 2, lambda x: x, "these are two scales"),
    "bytes, -1 to 1": (lambda x: x, lambda x: x / 128 - 1, "'train_inputs' holds bytes.*'test_inputs' holds floats"),
    "bytes, whole numbers": (lambda x: x, lambda x: x.astype(np.int64), "must hold bytes .* holds int64"),
    "bytes, 16 bits": (lambda x: x, lambda x: x.astype(np.uint16), "must hold bytes .* holds uint16"),
    "16 bits": (lambda x: x.astype(np.uint16) * 256,) * 2 + ("must hold bytes .* holds uint16",),
    "floats to 65535": (lambda x: x * 257.0,) * 2 + ("Divide the images of all parts by 65535",),
}


@pytest.mark.parametrize("scale", SCALES)
def test_scales_that_do_not_fit_are_refused(write, scale):
    """A mark of size 1 on images up to 255 is not seen; and a network of one scale does not know the other."""
    train, test, words = SCALES[scale]
    found = arrays((1, 12, 12))
    found["train_inputs"][0, 0, 0, :2] = found["test_inputs"][0, 0, 0, :2] = 0, 255
    found |= {"train_inputs": train(found["train_inputs"]), "test_inputs": test(found["test_inputs"])}
    with pytest.raises(DataRequestError, match=words):
        from_npz(write(found))


NATURAL = {
    "bytes": (lambda x: x,) * 2 + (None,),
    "floats to 1": (lambda x: x / 255,) * 2 + (None,),
    "bytes, floats to 1": (lambda x: x, lambda x: x / 255, None),
    "-1 to 1": (lambda x: x / 128 - 1,) * 2 + (None,),
    "standardised": (lambda x: x / 64 - 2,) * 2 + (None,),
    "less the mean": (lambda x: x - 120.0,) * 2 + ("standard deviation",),
    "floats to 1, -1 to 1": (lambda x: x / 255, lambda x: x / 128 - 1, "inputs are negative, but the others lie in"),
    "-1 to 1, floats to 1": (lambda x: x / 128 - 1, lambda x: x / 255, "training inputs are negative, but the others"),
}


@pytest.mark.parametrize("scale", NATURAL)
def test_scales_that_may_be_meant_are_read(write, scale, caplog):
    """Some with a word in the log."""
    train, test, words = NATURAL[scale]
    found = arrays((1, 12, 12))
    found |= {"train_inputs": train(found["train_inputs"]), "test_inputs": test(found["test_inputs"])}
    from_npz(write(found))
    assert len(caplog.messages) == (words is not None)
    assert words is None or words in caplog.text


def test_rows_of_a_table_on_two_scales(write, caplog):
    """Bytes beside floats are told apart by their type; floats beside floats, up to 255, by their mean."""
    found = arrays((30,))
    floats = {key: found[key].astype(np.float32) for key in ("train_inputs", "test_inputs")}
    with pytest.raises(DataRequestError, match="these are two scales"):
        from_npz(write(found | {"test_inputs": floats["test_inputs"]}))
    with pytest.raises(DataRequestError, match="these are two scales"):
        from_npz(write(found | {"train_inputs": floats["train_inputs"]}))
    with pytest.raises(DataRequestError, match="these are two scales"):
        from_npz(write(found | {"train_inputs": found["train_inputs"] / 255, "test_inputs": floats["test_inputs"]}))
    caplog.clear()
    from_npz(write(found | floats))
    assert "so a mark of size 1 hardly shows" in caplog.text
    caplog.clear()
    from_npz(write(found | {"train_inputs": floats["train_inputs"] / 50, "test_inputs": floats["test_inputs"]}))
    assert "times as large as those of the other" in caplog.text


@pytest.mark.parametrize("shape", [(0,), (0, 4), (3, 0, 4)])
def test_inputs_with_nothing_in_them_are_refused(write, shape):
    with pytest.raises(
        DataRequestError, match=r"key 'train_inputs' has inputs of shape .*, and so there is nothing in"
    ):
        from_npz(write(arrays(shape)))


def test_groups_may_be_identity_numbers(write):
    groups = {"train_groups": 410_000_017_000 + np.arange(6), "test_groups": 410_000_017_000 + np.arange(4)}
    assert from_npz(write(arrays(**groups))).train.groups.tolist() == groups["train_groups"].tolist()


@settings(max_examples=500, deadline=None)
@given_any(st.data())
def test_a_damaged_file_is_refused_or_harmless(tmp_path_factory, data):
    """A zip carries checksums of its content: what is still read is what was written."""
    out = io.BytesIO()
    rng = np.random.default_rng(1)
    inputs, labels = rng.integers(0, 256, (4, 2), np.uint8), np.array([0, 1, 1, 0])
    save = data.draw(st.sampled_from([np.savez, np.savez_compressed]))
    save(out, train_inputs=inputs, train_labels=labels, test_inputs=inputs, test_labels=labels)
    content = bytearray(out.getvalue())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content)))
        content[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    path = tmp_path_factory.getbasetemp() / "any.npz"
    path.write_bytes(bytes(content[: data.draw(st.none() | st.integers(0, len(content)))]))
    try:
        found = from_npz(path)
    except DataError:
        return
    assert_close(found.train.inputs, torch.from_numpy(inputs) / 255, rtol=0, atol=0)
    assert found.test.labels.tolist() == labels.tolist()


def test_by_name_it_is_the_same(tmp_path, write, monkeypatch):
    path = write(arrays())
    monkeypatch.chdir(tmp_path)
    data = load("npz:data.npz")
    assert data.name == "npz:data.npz" == from_npz("data.npz").name
    assert data.checksum == from_npz(path).checksum
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load("npz:~/data.npz").checksum == data.checksum
