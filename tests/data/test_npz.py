"""Arrays in an .npz file: read exactly, or refused with the key's name."""

import hashlib
import io
import os
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given as given_any
from hypothesis import settings
from hypothesis import strategies as st
from torch.testing import assert_close

from spurlab.data import DamagedDataError, DataError, DataFailureError, DataRequestError, from_npz, load

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


BAD = {
    "missing": (
        lambda f: f.pop("test_labels"),
        "has no key 'test_labels'. It has train_inputs, train_labels, test_inp",
    ),
    "unknown": (lambda f: f.update(train_group=np.zeros(6)), "has the key 'train_group', which means nothing here"),
    "type": (lambda f: f.update(train_inputs=np.zeros((6, 2), int)), "'train_inputs' must hold bytes .* holds int64"),
    "complex": (lambda f: f.update(train_inputs=np.zeros((6, 2), complex)), "'train_inputs' must hold .*complex128"),
    "axes": (lambda f: f.update(train_inputs=np.zeros(6)), r"'train_inputs' has inputs of shape \(\)"),
    "more axes": (lambda f: f.update(test_inputs=np.zeros((4, 1, 1, 5, 4))), r"'test_inputs' .* \(1, 1, 5, 4\)"),
    "both": (lambda f: f.update(test_inputs=np.zeros((4, 3, 5, 3))), r"'test_inputs' .*\(3, 5, 3\).* both the first"),
    "neither": (lambda f: f.update(test_inputs=np.zeros((4, 5, 5, 2))), r"'test_inputs' .* neither the first nor"),
    "other shape": (
        lambda f: f.update(test_inputs=np.zeros((4, 1, 5, 4))),
        r"'test_inputs' have the shape \(1, 5, 4\)",
    ),
    "nan": (lambda f: f.update(test_inputs=np.full((4, 3, 5, 4), np.nan)), "'test_inputs' must be finite"),
    "too large": (lambda f: f.update(test_inputs=np.full((4, 3, 5, 4), 1e300)), "'test_inputs' must be finite"),
    "rows": (lambda f: f.update(test_labels=np.zeros(3, int)), r"'test_labels' must have one .* 4 inputs.* \(3,\)"),
    "column": (lambda f: f.update(test_labels=np.zeros((4, 1), int)), r"'test_labels' must have one .* \(4, 1\)"),
    "float labels": (lambda f: f.update(test_labels=np.zeros(4)), "'test_labels' must hold whole numbers.* float64"),
    "text labels": (lambda f: f.update(test_labels=np.array(["a"] * 4)), "'test_labels' must hold whole numbers"),
    "negative": (lambda f: f.update(test_labels=np.array([0, 1, -2, 0])), "'test_labels' must count from 0, but -2"),
    "huge": (
        lambda f: f.update(test_labels=np.array([0, 2**64 - 1] * 2, np.uint64)),
        "must be below 1,048,576, but 184467",
    ),
    "gap": (
        lambda f: f.update(train_labels=np.array([1, 2] * 3)),
        "'train_labels' must be 0, 1, .* but 0 is not among",
    ),
    "far": (
        lambda f: f.update(train_labels=np.array([0, 10**9] * 3)),
        "'train_labels' must be below 1,048,576, but 1000000000",
    ),
    "above": (
        lambda f: f.update(test_labels=np.array([0, 1, 2, 0])),
        "'test_labels' must be 0 to 1, .* example 2 has 2",
    ),
    "one class": (lambda f: f.update(train_labels=np.zeros(6, int)), "needs two classes or more"),
    "names": (lambda f: f.update(class_names=np.array(["cat"])), "needs two classes or more"),
    "same names": (lambda f: f.update(class_names=np.array(["cat", "cat"])), "with different names"),
    "no names": (
        lambda f: f.update(class_names=np.arange(2)),
        "'class_names' must be a list of texts, but it is int64",
    ),
    "groups": (lambda f: f.update(train_groups=np.arange(6)), "'test_groups' are missing"),
    "groups rows": (lambda f: f.update(train_groups=np.arange(5)), "'train_groups' must have one number"),
    "empty": (
        lambda f: f.update(test_inputs=np.zeros((0, 5, 4)), test_labels=np.zeros(0, int)),
        "'test_inputs' are empty",
    ),
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
