"""What may be opened: regular files, up to a limit."""

import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spurlab.data import (
    DataFailureError,
    DataRequestError,
    cifar10,
    files,
    from_npz,
    image_folder,
    load,
    locate,
    mnist,
    read_idx,
)
from spurlab.data.files import check_bytes, given_path, most_bytes, open_regular, read_regular

ASK = """
import os, resource, sys
from pathlib import Path
from spurlab.data import DataRequestError, load, read_idx
resource.setrlimit(resource.RLIMIT_AS, (8 * 2**30, 8 * 2**30))
for kind in sys.argv[1:]:
    os.environ["SPURLAB_DATA"] = kind
    for name in (f"npz:{kind}/a.npz", f"folder:{kind}/images", "mnist", "adult", "cifar10", "cifar100", "idx"):
        try:
            print(kind, name, read_idx(Path(kind, "idx")) if name == "idx" else load(name))
        except DataRequestError as error:
            print(kind, name, "refused:", error)
"""


def pipe(path):
    os.mkfifo(path)


def endless(path):
    path.symlink_to("/dev/zero")


def listening(path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def sparse(path):
    with path.open("wb") as file:
        file.truncate(2**40)


KINDS = {
    pipe: "is a pipe",
    endless: "is a device",
    listening: "is a socket",
    sparse: "1,099,511,627,776 bytes are needed, more than the limit",
}
FIRST = {  # the file that is opened first, and what else must be there
    "MNIST/raw/train-images-idx3-ubyte": mnist.ENTRY.layouts[0].files[1:],
    "adult/adult.csv": [],
    "cifar-10-batches-bin/data_batch_1.bin": cifar10.FILES.files[1:],
    "cifar-100-python/train": ["test", "meta"],
}


def test_every_loader_refuses_what_is_no_plain_file(tmp_path, monkeypatch):
    """A pipe without a writer would wait for ever, zeros have no end, and a terabyte of nothing would fill the memory.

    All in a process of its own, which can be stopped.
    """
    monkeypatch.chdir(tmp_path)  # the name of a socket must be short
    for make in KINDS:
        for place in ("a.npz", "images/cat/1.png", "idx", *FIRST):
            path = Path(make.__name__, place)
            path.parent.mkdir(parents=True, exist_ok=True)
            make(path)
        for first, others in FIRST.items():
            for name in others:
                Path(make.__name__, first).with_name(name).write_bytes(b"")
        for name in ("cat/2.png", "dog/1.png", "dog/2.png"):
            path = Path(make.__name__, "images", name)
            path.parent.mkdir(exist_ok=True)
            Image.new("L", (3, 3)).save(path)
    found = subprocess.run(
        [sys.executable, "-c", ASK, *(make.__name__ for make in KINDS)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env=os.environ | {"SPURLAB_OFFLINE": "1", "XDG_CACHE_HOME": str(tmp_path)},
    )
    lines = found.stdout.splitlines()
    assert len(lines) == len(KINDS) * 7
    for line in lines:
        words = next(words for make, words in KINDS.items() if line.startswith(make.__name__))
        assert "refused:" in line
        assert words in line


def test_the_limit_is_two_gibibytes_and_can_be_raised(monkeypatch):
    monkeypatch.delenv("SPURLAB_MAX_BYTES", raising=False)
    assert most_bytes() == 2**31
    check_bytes(2**31, "it")
    with pytest.raises(DataRequestError, match=r"it: 2,147,483,649 bytes .* limit of 2,147,483,648.*SPURLAB_MAX_BYTES"):
        check_bytes(2**31 + 1, "it")
    monkeypatch.setenv("SPURLAB_MAX_BYTES", "3000000000")
    check_bytes(2**31 + 1, "it")


@pytest.mark.parametrize("given", ["0", "-1", "4G", "1e9", "²", "9" * 30])
def test_a_limit_that_is_no_number_is_told(monkeypatch, given):
    monkeypatch.setenv("SPURLAB_MAX_BYTES", given)
    with pytest.raises(DataRequestError, match="SPURLAB_MAX_BYTES must be a whole number of bytes"):
        most_bytes()


def test_a_file_of_more_bytes_than_it_says(tmp_path, monkeypatch):
    """As one that is being written, and those of /proc, whose size is 0."""
    (tmp_path / "log").write_bytes(b"12345")
    true = os.fstat

    def small(number):
        found = true(number)
        return os.stat_result((*found[:6], 3, *found[7:]))

    monkeypatch.setattr(files.os, "fstat", small)
    with pytest.raises(DataFailureError, match="log has more than the 3 bytes that it says"):
        read_regular(tmp_path / "log")


def test_what_is_opened_is_looked_at_again(tmp_path, monkeypatch):
    """A plain file that turns into a device between the first look and the opening."""
    (tmp_path / "file").write_bytes(b"1")
    true = os.open
    monkeypatch.setattr(files.os, "open", lambda path, flags: true("/dev/null", flags))
    with pytest.raises(DataRequestError, match="file is a device"):
        open_regular(tmp_path / "file")


@pytest.mark.parametrize("ask", [from_npz, image_folder, lambda path: load(f"npz:{path}"), locate, given_path])
def test_a_path_with_a_nul_is_told(tmp_path, ask):
    name = "folder:a\0b" if ask is locate else "a\0b"
    with pytest.raises(DataRequestError, match=r"'a\\x00b' is no path: it holds a NUL"):
        ask(name)


def test_a_home_that_is_not_there_and_a_name_that_is_too_long():
    with pytest.raises(DataRequestError, match="~nobody-here/a is no path that can be followed"):
        load("npz:~nobody-here/a")
    assert locate("npz:" + "x" * 5000) is None


def test_an_idx_file_is_held_against_the_limit(tmp_path, monkeypatch):
    """4 bytes, 8 for the sizes of the axes and 1,000 for the images."""
    path = tmp_path / "images"
    path.write_bytes(struct.pack(">HBBII", 0, 8, 2, 20, 50) + bytes(1000))
    assert read_idx(path).shape == (20, 50)
    monkeypatch.setenv("SPURLAB_MAX_BYTES", "1012")
    assert read_idx(path).shape == (20, 50)
    monkeypatch.setenv("SPURLAB_MAX_BYTES", "1011")
    with pytest.raises(DataRequestError, match="images: 1,012 bytes are needed, more than the limit of 1,011"):
        read_idx(path)


def test_arrays_are_held_against_the_limit(tmp_path, monkeypatch):
    """100 x 100 bytes become 40,000 bytes of float32, and as many for the test; labels are 8 bytes each."""
    x, y = np.zeros((100, 100), np.uint8), np.arange(100) % 2
    np.savez_compressed(tmp_path / "a.npz", train_inputs=x, train_labels=y, test_inputs=x, test_labels=y)
    monkeypatch.setenv("SPURLAB_MAX_BYTES", "81600")
    assert from_npz(tmp_path / "a.npz").shape == (100,)
    monkeypatch.setenv("SPURLAB_MAX_BYTES", "81599")
    with pytest.raises(
        DataRequestError, match=r"81,600 bytes are needed, more than the limit of 81,599. .*SPURLAB_MAX"
    ):
        from_npz(tmp_path / "a.npz")
