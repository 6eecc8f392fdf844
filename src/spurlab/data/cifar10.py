"""CIFAR-10: small colour photographs, Krizhevsky (2009), https://www.cs.toronto.edu/~kriz/cifar.html."""

import gzip
import hashlib
import shutil
import tarfile
import tempfile
import warnings
import zlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from spurlab.data.download import download_file
from spurlab.data.errors import DamagedDataError
from spurlab.data.examples import Examples
from spurlab.data.files import OFFICIAL_BYTES, check_sha256, opened, read_to_end, told
from spurlab.data.official import FilesEntry, Layout, Read

PIXELS = 3 * 32 * 32  # the red, the green and the blue plane, each row by row
BATCH = 10_000  # records in each file
ARCHIVE, ARCHIVE_MD5 = "cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530"
HOSTS = ("https://www.cs.toronto.edu/~kriz/",)


@dataclass(frozen=True, kw_only=True)
class BinaryBatches(Layout):
    """The official binary version: training files and, last, a test file; each record has labels, then pixels."""

    records: Mapping[str, int]  # in each file, by name
    folder: str = "cifar-10-batches-bin"  # also in the archive
    labels: int = 1  # the number of label bytes at the start of a record
    label: int = 0  # which of them to take
    suffixes: tuple[str, ...] = ("", ".xz")

    def size(self, file: str) -> int:
        return self.records[file] * (self.labels + PIXELS)

    def read(self, folder: Path, entry: FilesEntry) -> Read:
        paths = self.paths(folder)
        with ThreadPoolExecutor(2) as pool:  # unpacking and hashing let go of the interpreter
            *train, test = pool.map(lambda path: self._read(path, entry), paths)
        sizes = zip((train, [test]), entry.sizes, strict=True)
        first, second = (self._examples(batches, entry, size, folder) for batches, size in sizes)
        return Read(first, second, self.sha256)

    def _read(self, path: Path, entry: FilesEntry) -> UInt8[np.ndarray, "records bytes"]:
        file = path.name.removesuffix(".xz")
        with opened(path) as stream:
            batch = read_to_end(stream, self.size(file), path).reshape(self.records[file], self.labels + PIXELS)
        entry.check_labels(batch[:, self.label], path)
        check_sha256(path, self.sha256[file], batch.data)
        return batch

    def _examples(
        self, batches: Sequence[UInt8[np.ndarray, "_ bytes"]], entry: FilesEntry, size: int, where: Path
    ) -> Examples:
        images = [batch[:, self.labels :].reshape(-1, 3, 32, 32) for batch in batches]
        return entry.examples(images, np.concatenate([batch[:, self.label] for batch in batches]), size, where)


@dataclass(frozen=True, kw_only=True)
class PickledBatches(Layout):
    """The official Python version, as torchvision leaves it.

    To unpickle is to run what the file says. So each file is read once, every one must have the checksum that
    torchvision itself pins for the official file, and torchvision gets to see these very bytes: copies in a folder of
    our own, which nobody can replace after they were checked.
    """

    reader: str = "CIFAR10"  # torchvision's class for these files
    files: tuple[str, ...] = (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch", "batches.meta")
    folder: str = "cifar-10-batches-py"
    labels: tuple[int, ...] | None = None  # what stands for each label that torchvision gives; None: itself
    suffixes: tuple[str, ...] = ("",)
    sha256: Mapping[str, str] = field(default_factory=dict)  # torchvision's md5 are compared instead

    def read(self, folder: Path, entry: FilesEntry) -> Read:
        from torchvision import datasets  # noqa: PLC0415  # slow to import, rarely needed

        reader = getattr(datasets, self.reader)
        official = dict([*reader.train_list, *reader.test_list, (reader.meta["filename"], reader.meta["md5"])])
        contents = {file: _checked(folder / file, md5) for file, md5 in official.items()}
        sha256 = {file: hashlib.sha256(content).hexdigest() for file, content in contents.items()}
        with tempfile.TemporaryDirectory(prefix="spurlab-") as ours, warnings.catch_warnings():
            # files pickled by Python 2 describe their numbers in a way that numpy has come to deprecate
            warnings.simplefilter("ignore", np.exceptions.VisibleDeprecationWarning)
            copies = Path(ours) / reader.base_folder
            _write(copies, contents)
            parts = [reader(ours, train=train) for train in (True, False)]
        meaning = np.arange(256) if self.labels is None else np.array(self.labels)
        train, test = (
            entry.examples([part.data.transpose(0, 3, 1, 2)], meaning[part.targets].astype(np.uint8), size, folder)
            for part, size in zip(parts, entry.sizes, strict=True)
        )
        return Read(train, test, sha256)


def _checked(path: Path, expected: str) -> bytes:
    """The bytes of a file that has the expected md5."""
    with opened(path) as stream:
        content = stream.read(OFFICIAL_BYTES)
    if (found := hashlib.md5(content, usedforsecurity=False).hexdigest()) != expected:
        raise DamagedDataError(
            f"{path} has the wrong checksum: md5 {expected} expected, {found} found. It is a pickle that can run any "
            f"code, so nothing of it was read."
        )
    return content


def _write(folder: Path, contents: Mapping[str, bytes]) -> None:
    what = f"the pickled files cannot be copied to {folder}, from where they are read"
    with told(what, "Make room there, or set TMPDIR to another folder."):
        folder.mkdir()
        for file, content in contents.items():
            (folder / file).write_bytes(content)


SHA256 = {
    "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
    "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
    "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
    "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
    "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
    "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
}
FILES = BinaryBatches(sha256=SHA256, records=dict.fromkeys(SHA256, BATCH))


def download(folder: Path) -> None:
    unpack(download_file("cifar10", ARCHIVE, HOSTS, ARCHIVE_MD5, folder), FILES, folder)


def unpack(archive: Path, files: BinaryBatches, folder: Path) -> None:
    """Take the batches out of the archive, under our own names for them: nothing else in it is written or believed.

    The archive is removed. Raises DamagedDataError: it is damaged, or a batch is missing in it or has another size.
    """
    wanted = {f"{files.folder}/{file}": file for file in files.files}
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                if member.name not in wanted or not member.isfile() or member.size != files.size(wanted[member.name]):
                    continue
                content = tar.extractfile(member)
                assert content is not None  # noqa: S101  # it is a file
                with (folder / wanted.pop(member.name)).open("wb") as out:
                    shutil.copyfileobj(content, out)
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise DamagedDataError(f"{archive.name} is damaged ({error}).") from error
    if wanted:
        raise DamagedDataError(f"{archive.name} has no whole file {', '.join(wanted)}. It is not the official archive.")
    archive.unlink()


ENTRY = FilesEntry(
    name="cifar10",
    title="CIFAR-10",
    licence="none; to be cited as Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
    origin="Alex Krizhevsky, Vinod Nair, Geoffrey Hinton: https://www.cs.toronto.edu/~kriz/cifar.html",
    class_names=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    shape=(3, 32, 32),
    sizes=(5 * BATCH, BATCH),
    layouts=(FILES, PickledBatches()),
    download=download,
)
