"""CIFAR-10 and CIFAR-100: binary batches, the archives they come in, and pickles, which are handled with tongs."""

import hashlib
import io
import os
import pickle
import tarfile
import warnings

import numpy as np
import pytest
import torch
from torch.testing import assert_close
from torchvision.datasets import CIFAR10, CIFAR100

from spurlab.data import DamagedDataError, DataFailureError, cifar10, cifar100, fetch, load, locate

RECORD, RECORD_100 = 3073, 3074
# The coarse label of each fine one, as another project lists it: continuum, datasets/cifar100.py
CONTINUUM = [
    *(4, 1, 14, 8, 0, 6, 7, 7, 18, 3, 3, 14, 9, 18, 7, 11, 3, 9, 7, 11, 6, 11, 5, 10, 7, 6, 13, 15, 3, 15, 0, 11, 1),
    *(10, 12, 14, 16, 9, 11, 5, 5, 19, 8, 8, 15, 13, 14, 17, 18, 10, 16, 4, 17, 4, 2, 0, 17, 4, 18, 17, 10, 3, 2, 12),
    *(12, 16, 12, 1, 9, 19, 2, 10, 0, 1, 16, 12, 9, 13, 15, 13, 16, 19, 2, 4, 6, 19, 5, 5, 8, 19, 18, 1, 2, 15, 6, 0),
    *(17, 8, 14, 13),
]


def assert_is_tiny(data, tiny):
    for examples, (images, labels) in ((data.train, tiny.train), (data.test, tiny.test)):
        assert examples.labels.tolist() == labels.tolist()
        assert_close(examples.inputs, torch.from_numpy(images.astype(np.float32) / np.float32(255)), rtol=0, atol=0)


@pytest.mark.parametrize("suffix", ["", ".xz"])
def test_binary_batches_in_order(given, tiny_cifar, suffix):
    """Fifteen records, taken apart byte by byte: a label, then the red, green and blue planes row by row."""
    tiny_cifar.write(given / "cifar-10-batches-bin", suffix)
    data = load("cifar10")
    assert_is_tiny(data, tiny_cifar)
    assert data.source.sha256 == tiny_cifar.entry.layouts[0].sha256
    content = b"".join(tiny_cifar.files[f"data_batch_{i}.bin"] for i in (1, 2, 3, 4, 5))
    for row in range(15):
        assert data.train.labels[row] == content[RECORD * row]
        for channel, y, x in ((0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0), (2, 31, 31)):
            byte = content[RECORD * row + 1 + 1024 * channel + 32 * y + x]
            assert round(255 * data.train.inputs[row, channel, y, x].item()) == byte


def test_class_names():
    names = "airplane automobile bird cat deer dog frog horse ship truck"  # batches.meta.txt, alphabetical
    assert cifar10.ENTRY.class_names == tuple(names.split())


BAD = {
    "cut short": (lambda c: c[:-1], "data_batch_2.bin.* is cut short: it needs 9,219 more bytes, but"),
    "record less": (lambda c: c[:-RECORD], "data_batch_2.bin.* is cut short: it needs 9,219 more bytes, but"),
    "too long": (lambda c: c + b"!", "data_batch_2.bin.* goes on after its end"),
    "label": (
        lambda c: c[:RECORD] + b"\x0a" + c[RECORD + 1 :],
        r"data_batch_2.bin.* label out of range: 10 \(example 1\)",
    ),
    "pixel": (lambda c: c[:-1] + bytes([c[-1] ^ 1]), "data_batch_2.bin.* wrong checksum: sha256"),
}


@pytest.mark.parametrize("suffix", ["", ".xz"])
@pytest.mark.parametrize("bad", BAD)
def test_damage_is_told_for_what_it_is(given, tiny_cifar, bad, suffix):
    damage, words = BAD[bad]
    tiny_cifar.files["data_batch_2.bin"] = damage(tiny_cifar.files["data_batch_2.bin"])
    tiny_cifar.write(given / "cifar-10-batches-bin", suffix)
    with pytest.raises(DamagedDataError, match=words):
        load("cifar10")


def test_truncated_xz_is_told(given, tiny_cifar):
    packed = tiny_cifar.write(given / "cifar-10-batches-bin", ".xz") / "test_batch.bin.xz"
    packed.write_bytes(packed.read_bytes()[:-20])
    with pytest.raises(DamagedDataError, match=r"test_batch\.bin\.xz is cut short"):
        load("cifar10")


def test_classes_and_superclasses():
    """100 classes in alphabetical order, five in each of the 20 superclasses."""
    assert cifar100.CLASSES[:5] == ("apple", "aquarium_fish", "baby", "bear", "beaver")
    assert len(set(cifar100.CLASSES)) == 100
    assert list(cifar100.COARSE_OF) == CONTINUUM
    assert torch.tensor(cifar100.COARSE_OF).bincount().tolist() == [5] * 20
    assert cifar100.COARSE.class_names[19] == "vehicles_2"


@pytest.mark.parametrize("suffix", ["", ".xz"])
def test_records_of_cifar100_byte_by_byte(given, tiny_cifar100, suffix):
    """A coarse label, a fine label, then the red, green and blue planes row by row."""
    tiny_cifar100.write(given / "cifar-100-binary", suffix)
    fine, coarse = load("cifar100"), load("cifar100-coarse")
    assert (fine.classes, coarse.classes, fine.shape) == (100, 20, (3, 32, 32))
    for part, file, n in (("train", "train.bin", 9), ("test", "test.bin", 4)):
        content = tiny_cifar100.files[file]
        examples = getattr(fine, part)
        assert len(examples) == n
        for row in range(n):
            assert getattr(coarse, part).labels[row] == content[RECORD_100 * row]
            assert examples.labels[row] == content[RECORD_100 * row + 1]
            for channel, y, x in ((0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0), (2, 31, 31)):
                byte = content[RECORD_100 * row + 2 + 1024 * channel + 32 * y + x]
                assert examples.inputs[row, channel, y, x] == np.float32(byte) / np.float32(255)
        assert_close(getattr(coarse, part).inputs, examples.inputs, rtol=0, atol=0)
    assert fine.source.sha256 == {name: hashlib.sha256(c).hexdigest() for name, c in tiny_cifar100.files.items()}
    assert fine.source.location == str(given / "cifar-100-binary")


@pytest.mark.parametrize("name", ["cifar100", "cifar100-coarse"])
@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda c: c[:-1], "train.bin is cut short: it needs 27,666 more bytes"),
        (lambda c: c + b"!", "train.bin goes on after its end"),
        (lambda c: bytes([100, 100]) + c[2:], r"train.bin has a label out of range: 100 \(example 0\)"),
        (lambda c: c[:-1] + bytes([c[-1] ^ 1]), "train.bin has the wrong checksum: sha256"),
    ],
)
def test_damage_of_cifar100_is_told_for_what_it_is(given, tiny_cifar100, name, damage, words):
    tiny_cifar100.files["train.bin"] = damage(tiny_cifar100.files["train.bin"])
    tiny_cifar100.write(given / "cifar-100-binary")
    with pytest.raises(DamagedDataError, match=f"{words}.*`spurlab data get {name}`"):
        load(name)


# Pickles.


class Complaint:
    """Unpickling it warns as numpy 2.4.0 does at the official batches, which were pickled by Python 2."""

    def __reduce__(self):
        return warnings.warn, ("align=0 is deprecated", np.exceptions.VisibleDeprecationWarning)


class Bomb:
    """Unpickling it makes a folder."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.fixture
def pickled(given, monkeypatch, tiny_cifar):
    """A folder of pickled batches with the content of the binary ones; torchvision pins their checksums."""
    folder = given / "cifar-10-batches-py"
    folder.mkdir()
    contents = {"batches.meta": {"label_names": list(cifar10.ENTRY.class_names)}}
    for name, content in tiny_cifar.files.items():
        records = np.frombuffer(content, np.uint8).reshape(-1, RECORD)
        contents[name.removesuffix(".bin")] = {
            "data": records[:, 1:].copy(),
            "labels": records[:, 0].tolist(),
            "batch_label": Complaint(),
        }
    md5 = {}
    for name, content in contents.items():
        (folder / name).write_bytes(pickle.dumps(content, protocol=2))
        md5[name] = hashlib.md5((folder / name).read_bytes(), usedforsecurity=False).hexdigest()
    monkeypatch.setattr(CIFAR10, "train_list", [[f"data_batch_{i}", md5[f"data_batch_{i}"]] for i in (1, 2, 3, 4, 5)])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", md5["test_batch"]]])
    monkeypatch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": md5["batches.meta"]})
    return folder


def test_pickled_batches_with_the_right_checksums_are_read(pickled, tiny_cifar):
    """The same examples as from the binary batches; numpy's complaint about Python 2 is not passed on."""
    with pytest.warns(np.exceptions.VisibleDeprecationWarning, match="align=0"):
        CIFAR10(pickled.parent)
    data = load("cifar10")
    assert_is_tiny(data, tiny_cifar)
    assert data.source.location == str(pickled)
    assert data.source.sha256 == {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in pickled.iterdir()}


@pytest.mark.parametrize("file", ["data_batch_1", "test_batch", "batches.meta"])
def test_nothing_is_unpickled_when_one_file_is_not_the_official_one(tmp_path, monkeypatch, pickled, file):
    (pickled / file).write_bytes(pickle.dumps(Bomb(tmp_path / "crater")))

    def refuse(*args, **kwargs):
        raise AssertionError("a pickle was opened")

    with monkeypatch.context() as patch:
        patch.setattr("pickle.load", refuse)
        patch.setattr("pickle.loads", refuse)
        with pytest.raises(
            DamagedDataError, match=f"{file} has the wrong checksum: md5 .* so nothing of it was read. Remove"
        ):
            load("cifar10")
    assert not (tmp_path / "crater").exists()
    pickle.loads((pickled / file).read_bytes())  # noqa: S301  # the bomb was live
    assert (tmp_path / "crater").exists()


def test_pickles_that_are_replaced_after_the_check_are_not_read(tmp_path, monkeypatch, pickled, tiny_cifar):
    """Between the comparison of checksums and the reading, somebody puts a bomb in the place of each file."""

    class Slow(CIFAR10):
        def _check_integrity(self):
            right = super()._check_integrity()
            for name in cifar10.PickledBatches().files:
                (pickled / name).write_bytes(pickle.dumps(Bomb(tmp_path / f"crater-{name}")))
            return right

    monkeypatch.setattr("torchvision.datasets.CIFAR10", Slow)
    assert_is_tiny(load("cifar10"), tiny_cifar)
    assert not list(tmp_path.rglob("crater*"))


def test_pickles_that_cannot_be_copied_are_told(tmp_path, monkeypatch, pickled):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(DataFailureError, match=r"cannot be copied to .*: No space left on device. Make room"):
        load("cifar10")


def test_pickles_that_run_code_do_not_run(given):
    """Every file is a bomb, and torchvision's own checksums stand."""
    (given / "cifar-10-batches-py").mkdir()
    for name in cifar10.PickledBatches().files:
        (given / "cifar-10-batches-py" / name).write_bytes(pickle.dumps(Bomb(given / f"crater-{name}")))
    with pytest.raises(
        DamagedDataError, match="data_batch_1 has the wrong checksum: md5 c99cafc152244af753f735de768cd75f expect"
    ):
        load("cifar10")
    assert not list(given.glob("crater*"))


def test_pickles_are_the_last_choice(pickled, cache, tiny_cifar):
    assert locate("cifar10") == pickled
    binary = tiny_cifar.write(cache / "cifar-10-batches-bin", ".xz")
    assert locate("cifar10") == binary


@pytest.mark.parametrize("name", ["cifar100", "cifar100-coarse"])
def test_torchvisions_pickles_are_not_opened_unless_they_are_the_official_ones(given, name):
    """Its own checksums stand."""
    (given / "cifar-100-python").mkdir()
    for file in ("train", "test", "meta"):
        (given / "cifar-100-python" / file).write_bytes(pickle.dumps(Bomb(given / "crater")))
    assert locate(name) == given / "cifar-100-python"
    with pytest.raises(DamagedDataError, match=f"train has the wrong checksum: md5 {CIFAR100.train_list[0][1]} expe"):
        load(name)
    assert not (given / "crater").exists()


def test_layouts_of_cifar100_are_torchvisions_and_the_official_ones():
    assert cifar100.PICKLED.folder == CIFAR100.base_folder
    assert set(cifar100.PICKLED.files) == {"train", "test", CIFAR100.meta["filename"]}
    assert cifar100.HOSTS[0] + cifar100.ARCHIVE == "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz"
    assert {name: cifar100.FILES.size(name) for name in cifar100.FILES.files} == {
        "train.bin": 50_000 * RECORD_100,
        "test.bin": 10_000 * RECORD_100,
    }


# The archive.


def archive_of(files):
    """A tar.gz of (name, content) pairs; content None makes a link out of the folder, of a batch's size."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in files:
            member = tarfile.TarInfo(name)
            if content is None:
                member.type, member.linkname, member.size = tarfile.SYMTYPE, "../../outside", 3 * RECORD
                tar.addfile(member)
            else:
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


def official(tiny_cifar):
    return [(f"cifar-10-batches-bin/{name}", content) for name, content in tiny_cifar.files.items()]


def packed_100(files):
    others = {"fine_label_names.txt": b"apple\n"}
    return archive_of([(f"cifar-100-binary/{name}", content) for name, content in (files | others).items()])


@pytest.fixture
def serve(server, monkeypatch):
    """Put an archive on the server, and its checksum in the table."""

    def put(module, content):
        server.files[f"/{module.ENTRY.name}/{module.ARCHIVE}"] = content
        monkeypatch.setattr(module, "ARCHIVE_MD5", hashlib.md5(content, usedforsecurity=False).hexdigest())

    return put


def test_archive_is_fetched_and_only_the_batches_are_taken(tmp_path, serve, cache, tiny_cifar):
    """Whatever else is in it, wherever it wants to go, is not written."""
    others = [("cifar-10-batches-bin/readme.html", b"<html>"), ("../outside", b"!"), ("/tmp/outside-spurlab", b"!")]  # noqa: S108
    serve(cifar10, archive_of(others + official(tiny_cifar)))
    before = {path for path in tmp_path.rglob("*") if cache not in path.parents}
    assert fetch("cifar10") == cache / "cifar-10-batches-bin"
    assert {path.relative_to(cache).as_posix() for path in cache.rglob("*")} == {
        "cifar-10-batches-bin",
        *(f"cifar-10-batches-bin/{name}" for name in tiny_cifar.files),
    }
    assert {path for path in tmp_path.rglob("*") if cache not in path.parents} - before <= {cache, *cache.parents}
    assert not os.path.exists("/tmp/outside-spurlab")  # noqa: S108
    assert_is_tiny(load("cifar10", offline=True), tiny_cifar)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda files: files[1:], "has no whole file cifar-10-batches-bin/data_batch_1.bin"),
        (
            lambda files: [(files[0][0], files[0][1][:-1]), *files[1:]],
            "no whole file cifar-10-batches-bin/data_batch_1.bin",
        ),
        (lambda files: [(files[0][0], None), *files[1:]], "no whole file cifar-10-batches-bin/data_batch_1.bin"),
        (lambda files: [(files[0][0], files[1][1]), *files[1:]], "data_batch_1.bin has the wrong checksum: sha256"),
    ],
)
def test_another_archive_is_refused_and_leaves_nothing(serve, cache, tiny_cifar, spoil, words):
    serve(cifar10, archive_of(spoil(official(tiny_cifar))))
    with pytest.raises(DamagedDataError, match=words):
        fetch("cifar10")
    assert not list(cache.iterdir())


@pytest.mark.parametrize("spoil", [lambda content: content[: len(content) // 2], lambda content: b"no archive" * 100])
def test_damaged_archive_is_refused_and_leaves_nothing(serve, cache, tiny_cifar, spoil):
    serve(cifar10, spoil(archive_of(official(tiny_cifar))))
    with pytest.raises(DamagedDataError, match=r"cifar-10-binary\.tar\.gz is damaged"):
        fetch("cifar10")
    assert not list(cache.iterdir())


def test_official_address():
    """As given at https://www.cs.toronto.edu/~kriz/cifar.html."""
    assert cifar10.HOSTS[0] + cifar10.ARCHIVE == "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
    assert cifar10.ARCHIVE_MD5 == "c32a1d4ab5d03f1284b67883e8d87530"


@pytest.mark.parametrize("name", ["cifar100", "cifar100-coarse"])
def test_the_archive_is_fetched_once_for_both(server, serve, cache, tiny_cifar100, name):
    serve(cifar100, packed_100(tiny_cifar100.files))
    assert fetch(name) == cache / "cifar-100-binary"
    assert {path.name for path in (cache / "cifar-100-binary").iterdir()} == {"train.bin", "test.bin"}
    assert load("cifar100", offline=True).train.labels.tolist() == tiny_cifar100.train[1].tolist()
    assert locate("cifar100-coarse") == locate("cifar100") == cache / "cifar-100-binary"
    assert server.asked == ["/cifar100/cifar-100-binary.tar.gz"] * len(server.asked)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda files: {"test.bin": files["test.bin"]}, "has no whole file cifar-100-binary/train.bin"),
        (lambda files: files | {"test.bin": files["test.bin"][:-1]}, "has no whole file cifar-100-binary/test.bin"),
        (lambda files: files | {"test.bin": files["test.bin"][:-1] + b"?"}, "test.bin has the wrong checksum: sha256"),
    ],
)
def test_another_archive_of_cifar100_is_refused_and_leaves_nothing(serve, cache, tiny_cifar100, spoil, words):
    serve(cifar100, packed_100(spoil(tiny_cifar100.files)))
    with pytest.raises(DamagedDataError, match=words):
        fetch("cifar100")
    assert not list(cache.iterdir())


def test_an_archive_with_another_md5_is_refused(server, serve, monkeypatch, cache, tiny_cifar100):
    serve(cifar100, packed_100(tiny_cifar100.files))
    monkeypatch.undo()
    monkeypatch.setenv("SPURLAB_MIRROR", server.url)
    with pytest.raises(DataFailureError, match="what came does not have the md5 03b5dce01913d631647c71ecec9e9cb8"):
        cifar100.download(cache.parent.parent.parent)
