"""Downloads, from a server on this machine: all files or none, and a clear word when it fails."""

import gzip
import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error

import pytest
from torchvision.datasets import MNIST

from spurlab.data import DamagedDataError, DataFailureError, DataNotFoundError, download, fetch, load, locate


@pytest.fixture
def served(monkeypatch, server, tiny):
    """The server holds the tiny MNIST, and torchvision its checksums."""
    packed = {f"{name}.gz": gzip.compress(content) for name, content in tiny.files.items()}
    server.files = {f"/mnist/{name}": content for name, content in packed.items()}
    resources = [(name, hashlib.md5(content, usedforsecurity=False).hexdigest()) for name, content in packed.items()]
    monkeypatch.setattr(MNIST, "resources", resources)
    return server


LAST = "/mnist/t10k-labels-idx1-ubyte.gz"


def test_dataset_is_fetched_once_and_then_found(served, cache, tiny, capfd):
    assert locate("mnist") is None
    assert fetch("mnist") == cache / "MNIST/raw"
    assert {file.name for file in (cache / "MNIST/raw").iterdir()} == {f"{name}.gz" for name in tiny.files}
    assert [path.name for path in cache.iterdir()] == ["MNIST"]
    assert set(served.asked) == set(served.files)
    assert capfd.readouterr() == ("", "")  # no progress bar where there is no terminal
    served.stop()
    assert fetch("mnist") == cache / "MNIST/raw"
    assert load("mnist").train.labels.tolist() == tiny.train[1].tolist()


def test_load_fetches_by_itself(served, cache, tiny):
    data = load("mnist")
    assert data.source.location == str(cache / "MNIST/raw")
    assert data.test.labels.tolist() == tiny.test[1].tolist()


def test_offline_wins_over_a_mirror(served):
    with pytest.raises(DataNotFoundError, match="a download is forbidden"):
        load("mnist", offline=True)
    assert served.asked == []


def test_an_explicit_word_wins_over_the_environment(served, monkeypatch, cache):
    monkeypatch.setenv("SPURLAB_OFFLINE", "1")
    with pytest.raises(DataNotFoundError, match="a download is forbidden"):
        fetch("mnist")
    assert fetch("mnist", offline=False) == cache / "MNIST/raw"


def wrong_bytes(server):
    server.files[LAST] = gzip.compress(b"something else")


def not_there(server):
    del server.files[LAST]


def cut_half_way(server):
    server.cut.add(LAST)


def gone(server):
    server.stop()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (wrong_bytes, "t10k-labels-idx1-ubyte.gz: what came does not have the md5 [0-9a-f]{32}"),
        (not_there, "t10k-labels-idx1-ubyte.gz: HTTP Error 404"),
        (cut_half_way, "t10k-labels-idx1-ubyte.gz: what came does not have the md5|IncompleteRead"),
        (gone, "train-images-idx3-ubyte.gz: .*[Cc]onnection refused"),
    ],
)
def test_failed_download_leaves_nothing_and_can_be_repeated(served, cache, fault, words):
    """The last file fails, so three good ones had come; none of them may stay as if it were the dataset."""
    good = dict(served.files)
    fault(served)
    with pytest.raises(DataFailureError, match=words) as error:
        load("mnist")
    assert "MNIST was not found in" in str(error.value)
    assert "set SPURLAB_MIRROR to a mirror, or set SPURLAB_DATA" in str(error.value)
    assert list(cache.iterdir()) == []
    if fault is not gone:
        served.files, served.cut = good, set()
        assert len(load("mnist").train) == 7


def test_right_md5_does_not_excuse_other_content(served, cache, tiny, as_idx, monkeypatch):
    """A mirror and an md5 that agree on one changed pixel: our sha256 of the content does not."""
    images, _ = tiny.train
    images[3, 1, 1] ^= 1
    packed = gzip.compress(as_idx(images))
    served.files["/mnist/train-images-idx3-ubyte.gz"] = packed
    md5 = hashlib.md5(packed, usedforsecurity=False).hexdigest()
    monkeypatch.setattr(MNIST, "resources", [(MNIST.resources[0][0], md5), *MNIST.resources[1:]])
    words = (
        r"the download is no good: .*train-images-idx3-ubyte\.gz has the wrong checksum: sha256.*`spurlab data get mni"
    )
    with pytest.raises(DamagedDataError, match=words):
        fetch("mnist")
    assert list(cache.iterdir()) == []


def test_ctrl_c_leaves_nothing(served, cache, monkeypatch):
    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("torchvision.datasets.utils.download_url", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch("mnist")
    assert list(cache.iterdir()) == []


def test_killed_download_is_not_taken_for_the_dataset_and_swept_later(served, cache, tiny):
    """A process that is killed cannot clean up: its files stay, but apart, until a download a day later."""
    code = f"""
import os, signal
from pathlib import Path
from spurlab.data.download import place
def download(folder):
    (folder / "train-images-idx3-ubyte.gz").write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
cache = Path({str(cache)!r})
place(download, print, cache, cache / "MNIST/raw")
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    (left,) = cache.iterdir()
    assert [file.name for file in left.iterdir()] == ["train-images-idx3-ubyte.gz"]
    assert locate("mnist") is None
    assert len(load("mnist").train) == 7
    assert left.exists()  # it might belong to a process that is still at work
    for file in (cache / "MNIST/raw").iterdir():
        file.unlink()
    os.utime(left, (time.time() - 2 * 24 * 3600,) * 2)
    fetch("mnist")
    assert not left.exists()


def test_official_hosts_are_asked_one_after_the_other(monkeypatch, tiny, tmp_path):
    asked = []

    def no_network(url, root, filename, md5):
        asked.append((url, md5))
        raise urllib.error.URLError("no network")

    monkeypatch.setenv("SPURLAB_OFFLINE", "0")
    monkeypatch.setattr("torchvision.datasets.utils.download_url", no_network)
    with pytest.raises(
        DataFailureError, match=r"mnist could not be downloaded .*ossci-datasets.*no network.*; .*no network"
    ):
        load("mnist")
    file, md5 = MNIST.resources[0]
    assert asked == [(mirror + file, md5) for mirror in MNIST.mirrors]


def test_silent_server_is_given_up(monkeypatch, tiny):
    """It takes the connection and never answers; the timeout is set for the download alone."""
    monkeypatch.setattr(download, "TIMEOUT", 0.2)
    monkeypatch.setenv("no_proxy", "*")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("SPURLAB_MIRROR", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(DataFailureError, match="timed out"):
            fetch("mnist", offline=False)
    assert socket.getdefaulttimeout() is None


def test_mirror_that_is_no_address_is_told(monkeypatch, tiny):
    monkeypatch.setenv("SPURLAB_MIRROR", "nowhere")
    with pytest.raises(DataFailureError, match=r"nowhere/mnist/train-images-idx3-ubyte\.gz: unknown url type"):
        fetch("mnist", offline=False)


def test_cache_that_cannot_be_written_is_told(served, cache):
    """Where a folder should be there is a file: that stops root too."""
    cache.parent.parent.mkdir(parents=True)
    cache.parent.touch()
    with pytest.raises(DataFailureError, match=r"MNIST/raw cannot be written: .*Make room or give yourself the right"):
        fetch("mnist")
