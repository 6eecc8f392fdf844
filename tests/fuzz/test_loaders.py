"""Every loader on damaged and malicious files: data that check out, or a sentence, in little time and memory.

Each input is a small valid file that is spoilt at random, by its number alone: `SPURLAB_FUZZ` is the number of inputs
of all loaders together (10,000), and `spoilt(loader, number)` makes one again.
"""

import gzip
import hashlib
import io
import json
import lzma
import os
import random
import resource
import struct
import threading
import warnings
import zipfile
import zlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from spurlab.data import DataError, Examples, adult, cifar10, cifar100, from_npz, image_folder, mnist, read_idx
from spurlab.data.generated import _arrays, _sha256
from spurlab.data.idx import FILES as IDX
from spurlab.data.idx import IdxFiles
from spurlab.data.mnist1d import ENTRY as MNIST1D

COUNT = int(os.environ.get("SPURLAB_FUZZ", "10000"))
LONGEST = 600  # characters of a message
PATIENCE = 600  # seconds for one loader; far above what it takes, so that a hang is told and does not last
EDGES = (0, 1, 2, 127, 128, 255, 256, 32767, 32768, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1)


def spoil(content, rng):
    """Some of its bytes flipped, set, taken out, doubled, put in, cut off, or numbers in it replaced."""
    content = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 8))):
        at, size = rng.randrange(len(content) + 1), rng.choice((1, 1, 2, 4, 16, 200))
        match rng.randrange(8):
            case 0 if content:
                content[at % len(content)] ^= 1 << rng.randrange(8)
            case 1:
                content[at : at + 1] = bytes([rng.choice((0, 1, 10, 127, 128, 255))])
            case 2:
                width = rng.choice((2, 4, 8))
                number = rng.choice(EDGES) % 2 ** (8 * width)
                content[at : at + width] = number.to_bytes(width, rng.choice(("little", "big")))
            case 3:
                del content[at : at + size]
            case 4:
                content[at:at] = content[at : at + size] * rng.choice((1, 1, 3, 50))
            case 5:
                content[at:at] = rng.randbytes(size)
            case 6 if rng.random() < 0.3:
                del content[at:]
            case 7:
                digits = [i for i, byte in enumerate(content) if 48 <= byte < 58]
                if digits:
                    place = rng.choice(digits)
                    content[place : place + 1] = str(rng.choice((*EDGES, -1, 10**30, "1e5", "nan"))).encode()
    return bytes(content)


def idx(shape, rng):
    content = struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape)
    return content + rng.randbytes(int(np.prod(shape)))


def npy(array):
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


ARRAYS = {
    "train_inputs": np.arange(24, dtype=np.uint8).reshape(4, 2, 3),
    "train_labels": np.array([0, 1, 1, 0]),
    "test_inputs": np.arange(12, dtype=np.uint8).reshape(2, 2, 3),
    "test_labels": np.array([1, 0], np.uint8),
    "train_groups": np.array([0, 1, 2, 3]),
    "test_groups": np.array([3, 0]),
    "class_names": np.array(["cat", "dog"]),
}


def archive(members, rng):
    """A zip of named contents, whose checksums are right."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as file:
        for name, content in members:
            file.writestr(zipfile.ZipInfo(name), content, compress_type=file.compression)
    return out.getvalue()


def chunks(content):
    """The content of a PNG with the right checksum after each chunk, as far as they can be told apart."""
    out, at = content[:8], 8
    while at + 12 <= len(content):
        (size,) = struct.unpack(">I", content[at : at + 4])
        kind, inside = content[at + 4 : at + 8], content[at + 8 : at + 8 + size]
        out += struct.pack(">I", size) + kind + inside + struct.pack(">I", zlib.crc32(kind + inside))
        at += 12 + size
    return out


def pictures():
    """Small images of each kind, with a tag of their orientation where there can be one."""
    exif, found = Image.Exif(), []
    exif[0x0112] = 6
    colour = np.arange(60, dtype=np.uint8).reshape(5, 4, 3)
    for kind, more in (
        ("png", {"exif": exif}),
        ("jpeg", {"exif": exif}),
        ("webp", {"exif": exif, "lossless": True}),
        ("tiff", {"exif": exif}),
        ("tiff", {"compression": "tiff_lzw"}),
        ("bmp", {}),
        ("ppm", {}),
    ):
        out = io.BytesIO()
        Image.fromarray(colour).save(out, kind, **more)
        found.append((kind, out.getvalue()))
    for mode in ("L", "P", "LA", "RGBA", "I;16", "1"):
        out = io.BytesIO()
        Image.new(mode, (4, 5)).save(out, "png")
        found.append(("png", out.getvalue()))
    return found


PICTURES = pictures()
OFFICIAL = ", ".join(("39", "State-gov", "77516", "Bachelors", "13", "Never-married", "Adm-clerical", "Not-in-family"))
ROW = f"{OFFICIAL}, White, Male, 2174, 0, 40, United-States, <=50K"
OTHER = ROW.replace("39", "51").replace("Male", "Female").replace("<=", ">").replace("State-gov", "?")
FILLED = "Bachelors,13,Never-married,Adm-clerical,Not-in-family,White,Male,2174,0,40,United-States,0,<=50K"
TABLE = "\n".join((",".join(adult.DERIVED), f"train,39,Private,{FILLED}", f"test,51,Private,{FILLED}")) + "\n"


def sums(contents):
    return {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}


def put(folder, contents):
    for name, content in contents.items():
        (folder / name).write_bytes(content)


class Plain:
    """Idx files alone."""

    share = 0.12

    def spoilt(self, rng):
        shape = rng.choice(((6,), (2, 3, 2), (1, 1, 1, 1), (3, 0)))
        return spoil(idx(shape, rng), rng)

    def load(self, content, folder):
        (folder / "images").write_bytes(content)
        array = read_idx(folder / "images")
        assert content.endswith(array.tobytes())


class Packed(Plain):
    """The same in gzip or xz, spoilt outside or inside."""

    def spoilt(self, rng):
        suffix, pack = rng.choice(((".gz", gzip.compress), (".xz", lzma.compress)))
        inner = super().spoilt(rng) if rng.random() < 0.5 else idx((2, 3, 2), rng)
        return suffix, spoil(pack(inner), rng) if rng.random() < 0.7 else pack(inner)

    def load(self, content, folder):
        (folder / f"images{content[0]}").write_bytes(content[1])
        read_idx(folder / f"images{content[0]}")


class Files:
    """A dataset of the table: some files are spoilt, and half the time the checksums are those of what is there."""

    share = 0.07
    trusting = 0.5  # how often the checksum is that of the spoilt file, so that it hides nothing

    def spoilt(self, rng):
        contents = self.valid(rng)
        wrong = {name: spoil(each, rng) if rng.random() < 0.5 else each for name, each in contents.items()}
        return contents, wrong, rng.random() < self.trusting

    def load(self, content, folder):
        right, wrong, trusting = content
        put(folder, wrong)
        read = self.layout(sums(wrong if trusting else right)).read(folder, self.entry)
        self.entry.dataset(read.train, read.test, "nowhere", {}, read.names)
        assert trusting or wrong == right


class Mnist(Files):
    entry = replace(mnist.ENTRY, shape=(1, 3, 2), sizes=(2, 1))

    def valid(self, rng):
        shapes = (2, 3, 2), (2,), (1, 3, 2), (1,)
        contents = (idx(shape, rng) for shape in shapes)
        labelled = (each[:8] + bytes(byte % 10 for byte in each[8:]) if each[3] == 1 else each for each in contents)
        return dict(zip(IDX, labelled, strict=True))

    def layout(self, sha256):
        return IdxFiles(folder="MNIST/raw", sha256=sha256)


class Cifar10(Files):
    entry = replace(cifar10.ENTRY, sizes=(1, 1))

    def valid(self, rng):
        return {
            name: bytes([rng.randrange(10)]) + rng.randbytes(3072) for name in ("data_batch_1.bin", "test_batch.bin")
        }

    def layout(self, sha256):
        return replace(self.entry.layouts[0], sha256=sha256, records=dict.fromkeys(sha256, 1))


class Cifar100(Cifar10):
    entry = replace(cifar100.ENTRY, sizes=(1, 1))

    def valid(self, rng):
        return {name: bytes([0, rng.randrange(100)]) + rng.randbytes(3072) for name in ("train.bin", "test.bin")}


class Pickled(Files):
    """Torchvision's checksums cannot be fooled: whatever is spoilt is refused."""

    share = 0.01

    def valid(self, rng):
        return {name: rng.randbytes(20) for name in cifar10.PickledBatches().files}

    def load(self, content, folder):
        put(folder, content[1])
        cifar10.PickledBatches().read(folder, cifar10.ENTRY)


class Adult(Files):
    entry, layout = replace(adult.ENTRY, sizes=(2, 1)), staticmethod(lambda sums: adult.OfficialFiles(sha256=sums))

    def valid(self, rng):
        return {"adult.data": f"{ROW}\n{OTHER}\n".encode(), "adult.test": f"|1x3 validator\n{OTHER}.\n".encode()}


class AdultTable(Files):
    entry, layout = replace(adult.ENTRY, sizes=(1, 1)), staticmethod(lambda sums: adult.DerivedTable(sha256=sums))

    def valid(self, rng):
        return {"adult.csv": TABLE.encode()}


class Npz:
    """The archive is spoilt, or an array in it, under a right checksum; or members are added, doubled and left out."""

    share = 0.2

    def spoilt(self, rng):
        members = [(f"{key}.npy", npy(array)) for key, array in ARRAYS.items()]
        for _ in range(rng.randrange(3)):
            row = rng.randrange(len(members))
            name, content = members[row]
            match rng.randrange(6):
                case 0:
                    members[row] = (spoil(name.encode(), rng).decode("latin-1").replace("\0", "") or "x", content)
                case 1:
                    del members[row]
                case 2:
                    head = content.find(b"\n") + 1
                    members[row] = name, spoil(content[:head], rng) + content[head:]
                case _:
                    members[row] = name, spoil(content, rng)
        whole = archive(members, rng)
        return spoil(whole, rng) if rng.random() < 0.5 else whole

    def load(self, content, folder):
        (folder / "data.npz").write_bytes(content)
        data = from_npz(folder / "data.npz")
        assert len(data.train) <= 10**5


class Cache:
    """What is kept of a generated dataset: the data are as they were, or are made again."""

    share = 0.05
    parts = tuple(Examples(torch.arange(2.0 * n).view(n, 2), torch.arange(n), torch.arange(n)) for n in (4, 2))
    entry = replace(MNIST1D, sizes=(4, 2), shape=(2,), make=lambda: Cache.parts)

    def spoilt(self, rng):
        about = json.dumps({"made_of": self.entry.made_of, "sha256": _sha256(_arrays(self.parts))})
        columns = {"about": np.array(about), **_arrays(self.parts)}
        members = [(f"{key}.npy", npy(array)) for key, array in columns.items()]
        if rng.random() < 0.5:
            row = rng.randrange(len(members))
            members[row] = members[row][0], spoil(members[row][1], rng)
            return archive(members, rng)
        return spoil(archive(members, rng), rng)

    def load(self, content, folder):
        (folder / self.entry.file).write_bytes(content)
        for kept, made in zip(self.entry._read(folder), self.parts, strict=True):
            assert kept.inputs.equal(made.inputs)
            assert kept.labels.equal(made.labels)


class Folder:
    """One of four images is spoilt, that of a PNG also under right checksums."""

    share = 0.15

    def spoilt(self, rng):
        kind, content = rng.choice(PICTURES)
        wrong = spoil(content, rng)
        return kind, chunks(wrong) if kind == "png" and rng.random() < 0.7 else wrong, rng.random() < 0.5

    def load(self, content, folder):
        kind, image, sized = content
        if not (folder / "a").exists():
            for name in ("a/1.png", "a/2.png", "b/1.png"):
                (folder / name).parent.mkdir(exist_ok=True)
                Image.fromarray(np.arange(60, dtype=np.uint8).reshape(5, 4, 3)).save(folder / name)
        path = folder / f"b/2.{kind}"
        path.write_bytes(image)
        try:
            assert image_folder(folder, size=(5, 4) if sized else None).shape == (3, 5, 4)
        finally:
            path.unlink()


LOADERS = {
    each.__name__: each()
    for each in (Plain, Packed, Mnist, Cifar10, Cifar100, Pickled, Adult, AdultTable, Npz, Cache, Folder)
}


def spoilt(loader, number):
    """The input of that number."""
    return LOADERS[loader].spoilt(random.Random(f"{loader} {number}"))


def test_the_shares_of_the_loaders_are_shares():
    assert sum(loader.share for loader in LOADERS.values()) == pytest.approx(1)


@pytest.mark.slow
@pytest.mark.parametrize("loader", LOADERS)
def test_whatever_a_file_holds_it_is_read_or_refused_in_a_sentence(tmp_path, monkeypatch, loader):
    """Nothing else is raised, no warning given, and hardly more memory taken than the limit allows."""
    monkeypatch.setenv("SPURLAB_MAX_BYTES", str(2**24))
    failures, done = [], []

    def tried():
        for number in range(max(1, round(COUNT * LOADERS[loader].share))):
            try:
                LOADERS[loader].load(spoilt(loader, number), tmp_path)
            except DataError as error:
                if len(str(error)) > LONGEST:
                    failures.append((number, f"a message of {len(str(error))} characters: {str(error)[:200]}"))
            except Exception as error:
                failures.append((number, f"{type(error).__name__}: {error}"[:300]))
            done.append(number)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    thread = threading.Thread(target=tried, daemon=True)
    with warnings.catch_warnings(record=True) as warned:  # as errors they would be taken for what is wrong with a file
        warnings.simplefilter("always")
        thread.start()
        thread.join(PATIENCE)
    assert not thread.is_alive(), f"{loader} hangs at input {len(done)}"
    assert not failures, f"{len(failures)} of {len(done)} inputs, e.g. {failures[:5]}"
    assert not warned, warned[0]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**20, "kilobytes; on macOS, bytes"
