"""CIFAR-100: its records, its two kinds of labels, the archive they come in. What it shares with CIFAR-10 is there."""

import hashlib
import io
import pickle
import tarfile

import numpy as np
import pytest
import torch
from torch.testing import assert_close
from torchvision.datasets import CIFAR100

from spurlab.data import DamagedDataError, DataFailureError, cifar100, fetch, load, locate

RECORD = 3074
# The coarse label of each fine one, as another project lists it: continuum, datasets/cifar100.py
CONTINUUM = [
    *(4, 1, 14, 8, 0, 6, 7, 7, 18, 3, 3, 14, 9, 18, 7, 11, 3, 9, 7, 11, 6, 11, 5, 10, 7, 6, 13, 15, 3, 15, 0, 11, 1),
    *(10, 12, 14, 16, 9, 11, 5, 5, 19, 8, 8, 15, 13, 14, 17, 18, 10, 16, 4, 17, 4, 2, 0, 17, 4, 18, 17, 10, 3, 2, 12),
    *(12, 16, 12, 1, 9, 19, 2, 10, 0, 1, 16, 12, 9, 13, 15, 13, 16, 19, 2, 4, 6, 19, 5, 5, 8, 19, 18, 1, 2, 15, 6, 0),
    *(17, 8, 14, 13),
]


def test_classes_and_superclasses():
    """100 classes in alphabetical order, five in each of the 20 superclasses."""
    assert cifar100.CLASSES[:5] == ("apple", "aquarium_fish", "baby", "bear", "beaver")
    assert len(set(cifar100.CLASSES)) == 100
    assert list(cifar100.COARSE_OF) == CONTINUUM
    assert torch.tensor(cifar100.COARSE_OF).bincount().tolist() == [5] * 20
    assert cifar100.COARSE.class_names[19] == "vehicles_2"


@pytest.mark.parametrize("suffix", ["", ".xz"])
def test_records_byte_by_byte(given, tiny_cifar100, suffix):
    """A coarse label, a fine label, then the red, green and blue planes row by row."""
    tiny_cifar100.write(given / "cifar-100-binary", suffix)
    fine, coarse = load("cifar100"), load("cifar100-coarse")
    assert (fine.classes, coarse.classes, fine.shape) == (100, 20, (3, 32, 32))
    for part, file, n in (("train", "train.bin", 9), ("test", "test.bin", 4)):
        content = tiny_cifar100.files[file]
        examples = getattr(fine, part)
        assert len(examples) == n
        for row in range(n):
            assert getattr(coarse, part).labels[row] == content[RECORD * row]
            assert examples.labels[row] == content[RECORD * row + 1]
            for channel, y, x in ((0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0), (2, 31, 31)):
                byte = content[RECORD * row + 2 + 1024 * channel + 32 * y + x]
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
def test_damage_is_told_for_what_it_is(given, tiny_cifar100, name, damage, words):
    tiny_cifar100.files["train.bin"] = damage(tiny_cifar100.files["train.bin"])
    tiny_cifar100.write(given / "cifar-100-binary")
    with pytest.raises(DamagedDataError, match=f"{words}.*`spurlab data get {name}`"):
        load(name)


def serve(server, monkeypatch, files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in (*files.items(), ("fine_label_names.txt", b"apple\n")):
            member = tarfile.TarInfo(f"cifar-100-binary/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    server.files["/cifar100/cifar-100-binary.tar.gz"] = out.getvalue()
    monkeypatch.setattr(cifar100, "ARCHIVE_MD5", hashlib.md5(out.getvalue(), usedforsecurity=False).hexdigest())


@pytest.mark.parametrize("name", ["cifar100", "cifar100-coarse"])
def test_the_archive_is_fetched_once_for_both(server, monkeypatch, cache, tiny_cifar100, name):
    serve(server, monkeypatch, tiny_cifar100.files)
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
def test_another_archive_is_refused_and_leaves_nothing(server, monkeypatch, cache, tiny_cifar100, spoil, words):
    serve(server, monkeypatch, spoil(tiny_cifar100.files))
    with pytest.raises(DamagedDataError, match=words):
        fetch("cifar100")
    assert not list(cache.iterdir())


def test_an_archive_with_another_md5_is_refused(server, monkeypatch, cache, tiny_cifar100):
    serve(server, monkeypatch, tiny_cifar100.files)
    monkeypatch.undo()
    monkeypatch.setenv("SPURLAB_MIRROR", server.url)
    with pytest.raises(DataFailureError, match="what came does not have the md5 03b5dce01913d631647c71ecec9e9cb8"):
        cifar100.download(cache.parent.parent.parent)


class Bomb:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return exec, (f"open({self.path!r}, 'w')",)


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


def test_layouts_are_torchvisions_and_the_official_ones():
    assert cifar100.PICKLED.folder == CIFAR100.base_folder
    assert set(cifar100.PICKLED.files) == {"train", "test", CIFAR100.meta["filename"]}
    assert cifar100.HOSTS[0] + cifar100.ARCHIVE == "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz"
    assert {name: cifar100.FILES.size(name) for name in cifar100.FILES.files} == {
        "train.bin": 50_000 * RECORD,
        "test.bin": 10_000 * RECORD,
    }
