"""Small datasets on disk, written here byte by byte, and a local server to download them from."""

import gzip
import hashlib
import lzma
import struct
import threading
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from spurlab.data import DATASETS, FilesEntry, cifar10, cifar100, mnist, places
from spurlab.data.idx import IdxFiles

COMPRESS = {"": bytes, ".gz": gzip.compress, ".xz": lzma.compress}
IDX = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


@dataclass
class Tiny:
    """A dataset of a few examples: its entry (in the table during the test) and the bytes of its files."""

    entry: FilesEntry
    files: dict[str, bytes]
    train: tuple[np.ndarray, np.ndarray]  # images and labels, uint8
    test: tuple[np.ndarray, np.ndarray]

    def write(self, folder: Path, suffix: str = "") -> Path:
        """The folder, with all files in it."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self.files.items():
            (folder / (name + suffix)).write_bytes(COMPRESS[suffix](content))
        return folder


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch, request):
    """A fresh cache for each test, and no data folder that the test did not set."""
    monkeypatch.setattr(places, "user_cache_path", lambda app: tmp_path / "cache" / app)
    if not request.node.get_closest_marker("data"):
        monkeypatch.delenv("SPURLAB_DATA", raising=False)
    return tmp_path / "cache" / "spurlab" / "data"


@pytest.fixture
def given(tmp_path, monkeypatch):
    """The folder that SPURLAB_DATA names."""
    folder = tmp_path / "given"
    folder.mkdir()
    monkeypatch.setenv("SPURLAB_DATA", str(folder))
    return folder


@pytest.fixture
def refuse(monkeypatch):
    """name -> the system refuses what this function does: played, because tests may run as root."""

    def refused(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    return lambda name: monkeypatch.setattr(name, refused)


@pytest.fixture(scope="session")
def as_idx():
    """array -> the bytes of its idx file, one number after the other."""

    def write(array):
        header = struct.pack(">BBBB", 0, 0, 8, array.ndim) + b"".join(struct.pack(">I", n) for n in array.shape)
        return header + b"".join(struct.pack("B", int(value)) for value in array.flat)

    return write


@pytest.fixture
def tiny(tmp_path, monkeypatch, as_idx):
    """MNIST with 7 training and 4 test images of 3 x 2 pixels."""
    rng = np.random.default_rng(0)
    parts = [(rng.integers(0, 256, (n, 3, 2), np.uint8), rng.integers(0, 10, n, np.uint8)) for n in (7, 4)]
    files = dict(zip(IDX, (as_idx(array) for part in parts for array in part), strict=True))
    layout = IdxFiles.of("MNIST/raw", [hashlib.sha256(content).hexdigest() for content in files.values()])
    entry = replace(
        mnist.ENTRY, shape=(1, 3, 2), sizes=(7, 4), layouts=(layout,), places=(tmp_path / "usr/share/datasets/mnist",)
    )
    monkeypatch.setitem(DATASETS, "mnist", entry)
    return Tiny(entry, files, *parts)


@pytest.fixture
def tiny_cifar(monkeypatch):
    """CIFAR-10 with three records in each of the six files."""
    rng = np.random.default_rng(1)
    batches = {}
    for name in cifar10.FILES.files:
        records = rng.integers(0, 256, (3, 3073), np.uint8)
        records[:, 0] %= 10
        batches[name] = records
    files = {name: b"".join(struct.pack("3073B", *record) for record in records) for name, records in batches.items()}
    sha256 = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    layout = cifar10.BinaryBatches(sha256=sha256, records=dict.fromkeys(sha256, 3))
    entry = replace(cifar10.ENTRY, sizes=(15, 3), layouts=(layout, cifar10.PickledBatches()))
    monkeypatch.setitem(DATASETS, "cifar10", entry)
    monkeypatch.setattr(cifar10, "FILES", layout)
    *train, test = ((records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0]) for records in batches.values())
    return Tiny(entry, files, tuple(np.concatenate(column) for column in zip(*train, strict=True)), test)


@pytest.fixture
def tiny_cifar100(monkeypatch):
    """CIFAR-100 with nine training and four test records; its labels are the fine ones."""
    rng = np.random.default_rng(2)
    records = {name: rng.integers(0, 256, (n, 3074), np.uint8) for name, n in (("train.bin", 9), ("test.bin", 4))}
    for part in records.values():
        part[:, 1] %= 100
        part[:, 0] = [cifar100.COARSE_OF[label] for label in part[:, 1]]
    files = {name: b"".join(struct.pack("3074B", *record) for record in part) for name, part in records.items()}
    sha256 = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    layout = replace(cifar100.FILES, sha256=sha256, records={"train.bin": 9, "test.bin": 4})
    entry = replace(cifar100.ENTRY, sizes=(9, 4), layouts=(layout, cifar100.PICKLED))
    coarse = replace(cifar100.COARSE, sizes=(9, 4), layouts=(replace(layout, label=0), *cifar100.COARSE.layouts[1:]))
    monkeypatch.setitem(DATASETS, "cifar100", entry)
    monkeypatch.setitem(DATASETS, "cifar100-coarse", coarse)
    monkeypatch.setattr(cifar100, "FILES", layout)
    train, test = ((part[:, 2:].reshape(-1, 3, 32, 32), part[:, 1]) for part in records.values())
    return Tiny(entry, files, train, test)


@pytest.fixture
def server(monkeypatch):
    """A mirror on this machine: `files` by path, `cut` the paths whose answer breaks off half-way, `asked` what was."""
    state = SimpleNamespace(files={}, cut=set(), asked=[])

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            state.asked.append(self.path)
            content = state.files.get(self.path)
            if content is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if self.path in state.cut else content)

        def log_message(self, *args):
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request, client_address):
            pass  # torchvision closes its first, redirect-seeking request without reading the answer

    http = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"http://127.0.0.1:{http.server_port}"
    monkeypatch.setenv("SPURLAB_MIRROR", state.url + "/")
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("SPURLAB_OFFLINE", raising=False)

    def stop():
        if thread.is_alive():
            http.shutdown()
            thread.join()
            http.server_close()

    state.stop = stop
    yield state
    stop()
