"""Datasets by name: where they are looked for, what comes back, and what is said when something is wrong."""

import pickle
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from spurlab.data import (
    DATASETS,
    DamagedDataError,
    DataError,
    DataFailureError,
    DataNotFoundError,
    DataRequestError,
    FilesEntry,
    available,
    dataset_named,
    described,
    fashion_mnist,
    fetch,
    load,
    locate,
    topics,
)


def assert_is_tiny(data, tiny):
    """Pixel by pixel: the byte divided by 255, in the order of the file."""
    for examples, (images, labels) in ((data.train, tiny.train), (data.test, tiny.test)):
        assert examples.labels.tolist() == [int(label) for label in labels]
        assert examples.inputs.shape == (len(images), 1, 3, 2)
        for i, row, col in np.ndindex(images.shape):
            assert examples.inputs[i, 0, row, col] == np.float32(images[i, row, col]) / np.float32(255)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_loads_what_was_written(given, tiny, suffix):
    folder = tiny.write(given / "MNIST/raw", suffix)
    data = load("mnist")
    assert_is_tiny(data, tiny)
    assert (data.name, data.input_range, data.class_names) == ("mnist", (0.0, 1.0), tuple("0123456789"))
    assert data.source.location == str(folder)
    assert data.source.sha256 == tiny.entry.layouts[0].sha256
    assert "CC BY-SA" in data.source.licence


def test_every_byte_becomes_the_exact_quotient(tmp_path, tiny):
    """All 256 values; IEEE division of float32, so equal to numpy's to the last bit."""
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    entry = replace(tiny.entry, shape=(1, 16, 16))
    examples = entry.examples([pixels], np.zeros(1, np.uint8), 1, tmp_path)
    assert_close(
        examples.inputs.flatten(), torch.from_numpy(np.arange(256, dtype=np.float32) / np.float32(255)), rtol=0, atol=0
    )


def places_for(given, cache, tiny):
    return {"given": given / "MNIST/raw", "cache": cache / "MNIST/raw", "system": tiny.entry.places[0]}


@pytest.mark.parametrize(
    ("there", "first"),
    [
        ("given cache system", "given"),
        ("cache system", "cache"),
        ("given system", "given"),
        ("system", "system"),
        ("", None),
    ],
)
def test_search_order(given, cache, tiny, there, first):
    places = places_for(given, cache, tiny)
    for place in there.split():
        tiny.write(places[place], ".gz")
    assert locate("mnist") == places.get(first)
    assert available()["mnist"] == places.get(first)
    if first:
        assert fetch("mnist", offline=True) == places[first]
        assert load("mnist", offline=True).source.location == str(places[first])


def test_an_incomplete_folder_is_passed_over(given, cache, tiny):
    places = places_for(given, cache, tiny)
    (tiny.write(places["given"]) / "t10k-labels-idx1-ubyte").unlink()
    tiny.write(places["system"])
    assert locate("mnist") == places["system"]


def test_missing_files_are_told_folder_by_folder(given, cache, tiny):
    places = places_for(given, cache, tiny)
    (tiny.write(places["given"], ".gz") / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataNotFoundError) as error:
        load("mnist", offline=True)
    message = str(error.value)
    told = [
        "MNIST was not found, and a download is forbidden",
        f"{places['given']} (t10k-labels-idx1-ubyte missing)",
        f"{places['cache']} (no such folder)",
        f"{places['system']} (no such folder)",
        "`spurlab data get mnist`",
        "set SPURLAB_DATA to the folder that holds MNIST/raw",
    ]
    at = [message.index(part) for part in told]
    assert at == sorted(at)


def test_plain_file_is_read_before_its_compressed_copy(given, tiny):
    folder = tiny.write(given / "MNIST/raw")
    tiny.write(folder, ".gz")
    (folder / "train-images-idx3-ubyte.gz").write_bytes(b"rubbish")
    assert_is_tiny(load("mnist"), tiny)
    (folder / "train-images-idx3-ubyte").write_bytes(b"rubbish")
    with pytest.raises(DamagedDataError, match="train-images-idx3-ubyte has the wrong magic number"):
        load("mnist")


def changed(content, at, value):
    return content[:at] + bytes([value]) + content[at + 1 :]


IMAGES, LABELS = "train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
BAD = {
    "cut short": (
        IMAGES,
        lambda c: c[:-1],
        "train-images-idx3-ubyte.* is cut short: it needs 42 more bytes, but only 41",
    ),
    "too long": (IMAGES, lambda c: c + b"!", "train-images-idx3-ubyte.* goes on after its end"),
    "magic": (IMAGES, lambda c: changed(c, 2, 9), "train-images-idx3-ubyte.* has the wrong magic number: 0x00000903"),
    "axes": (
        LABELS,
        lambda c: b"\0\0\x08\2\0\0\0\4\0\0\0\1" + c[8:],
        "t10k-labels-.* wrong magic number: 2 axes, where 1",
    ),
    "fewer labels": (LABELS, lambda c: changed(c[:-1], 7, 3), "holds 4 images, but 3 labels"),
    "label": (
        LABELS,
        lambda c: changed(c, 8 + 2, 10),
        r"label out of range: 10 \(example 2\); MNIST has the classes 0 to 9",
    ),
    "shape": (IMAGES, lambda c: changed(changed(c, 11, 2), 15, 3), r"images of shape \(2, 3\); MNIST has \(1, 3, 2\)"),
    "pixel": (
        IMAGES,
        lambda c: changed(c, 20, c[20] ^ 1),
        "train-images.* wrong checksum: sha256 [0-9a-f]{64} expected, ",
    ),
    "other label": (LABELS, lambda c: changed(c, 8, (c[8] + 1) % 10), "t10k-labels-.* wrong checksum: sha256"),
}


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("bad", BAD)
def test_damage_is_told_for_what_it_is(given, tiny, bad, suffix):
    """The checksum would find each of these too; it is the last to be asked, since it says least."""
    file, damage, words = BAD[bad]
    tiny.files[file] = damage(tiny.files[file])
    tiny.write(given / "MNIST/raw", suffix)
    with pytest.raises(DamagedDataError, match=words) as error:
        load("mnist")
    assert "Remove the damaged copy and type `spurlab data get mnist`, or set SPURLAB_DATA to" in str(error.value)


def test_damage_in_the_package_is_not_the_users_to_mend(tmp_path, monkeypatch):
    """Nobody may be told to delete a file of the package, or to fetch what no server has."""
    monkeypatch.setitem(DATASETS, "fashion-mini", replace(fashion_mnist.MINI, places=(tmp_path,)))
    with pytest.raises(DataFailureError, match=r"train-images.* missing\)\. Install spurlab again\.$"):
        load("fashion-mini")
    for name in fashion_mnist.MINI.layouts[0].files:
        (tmp_path / name).write_bytes(b"rubbish")
    with pytest.raises(DamagedDataError, match=r"wrong magic number.*01 to 04\. Install spurlab again\.$"):
        load("fashion-mini")


def test_another_number_of_examples_is_told(given, tiny):
    """Images and labels agree, yet it is not the official set."""
    tiny.files[LABELS] = changed(tiny.files[LABELS][:-1], 7, 3)
    tiny.files["t10k-images-idx3-ubyte"] = changed(tiny.files["t10k-images-idx3-ubyte"][:-6], 7, 3)
    tiny.write(given / "MNIST/raw")
    with pytest.raises(DamagedDataError, match="holds 3 images; MNIST has 4 there"):
        load("mnist")


def test_data_folder_that_does_not_exist_is_told(tmp_path, monkeypatch):
    for wrong in (tmp_path / "nowhere", tmp_path / "file"):
        (tmp_path / "file").touch()
        monkeypatch.setenv("SPURLAB_DATA", str(wrong))
        for ask in (load, locate, fetch):
            with pytest.raises(DataRequestError, match=f"SPURLAB_DATA is {wrong}, but there is no such folder"):
                ask("mnist")
    assert locate("fashion-mini") is not None  # it is in the package, wherever SPURLAB_DATA points


def test_folder_that_may_not_be_read_is_told(given, refuse):
    refuse("os.listdir")
    with pytest.raises(
        DataFailureError, match=f"{given} cannot be searched for data: Permission denied. Give yourself"
    ):
        locate("mnist")


REFUSED = {
    "zzz": f"no dataset 'zzz'. There are: {', '.join(DATASETS)}.",
    "fashion-mnst": "no dataset 'fashion-mnst'. Did you mean 'fashion-mnist'",
    "MNIST": "no dataset 'MNIST'. Did you mean 'mnist'",
    "cifar-10": "no dataset 'cifar-10'. Did you mean 'cifar10'",
    "mnist,3": "mnist has no options, but '.*' follows its name. Leave it out.",
    "fashion-mini,p=95": "fashion-mini has no options, but '.*' follows its name. Leave it out.",
    "mnist1d,p=95@2000": "mnist1d has no options, but '.*' follows its name. Leave it out.",
    "adult,sex:0,1": "adult has no options, but '.*' follows its name. Leave it out.",
    "mnist,": "mnist has no options, but '.*' follows its name. Leave it out.",
    "coloured-mnist,p=101": "option 'p' is a share in percent, 0 to 100, but it is '101'",
    "coloured-mnist,p=-1": "option 'p' is a share in percent",
    "coloured-mnist,p=nan": "option 'p' is a share in percent",
    "coloured-mnist,p=1e1": "option 'p' is a share in percent",
    "coloured-mnist,p=": "option 'p' is a share in percent, 0 to 100, but it is ''",
    "coloured-mnist,p": "option 'p' is a share in percent",
    "coloured-mnist,test=0.12345": "option 'test' is a share in percent",
    "coloured-mnist,tst=10": "has no option 'tst'. Did you mean 'test'",
    "coloured-mnist,q=10": "has no option 'q'. There are: p, test, noise",
    "coloured-mnist,": "has no option ''. There are: p, test, noise",
    "coloured-mnist,p=95,p=90": "has the option 'p' twice",
    "coloured-mnist,p=95@": "after the @ how many training examples are kept: coloured-mnist,p=95@10000",
    "colored-mnist,p=95": "no dataset 'colored-mnist'. Did you mean 'coloured-mnist'",
    "mnist:": "mnist has no class ''",
    "mnist:3": "a part of mnist needs two classes or more",
    "mnist:3,3": "class '3' of mnist is named twice",
    "mnist:3,10": "mnist has no class '10'. Its classes are 0, 1, 2",
    "fashion-mini:Sandl,Bag": r"fashion-mini has no class 'Sandl'. Did you mean 'Sandal'\?",
    "mnst:3,7": "no dataset 'mnst'. Did you mean 'mnist'",
    "zzz:3,7": "no dataset 'zzz'.*Data of your own are npz:FILE",
    "fashion-mini@": "after the @ how many",
    "fashion-mini@few": "after the @ how many",
    "fashion-mini@15": "15 training examples .* its 10 classes.* multiple of 10",
    "fashion-mini@0": "0 training examples of fashion-mini are none to learn from. Ask for 10, or a multiple",
    "fashion-min@20": "Did you mean 'fashion-mini'",
    "npz:": "'npz:' has no path. Data of your own are npz:FILE, folder:PATH",
    "folder,32": "'folder,32' has no path",
    "npz,32:a.npz": "has the option '32', but the options of npz are none",
    "folder,gray:a": r"has the option 'gray', but the options of folder are a size \(32, or 28x32",
    "folder,0:a": "has the option '0'",
    "folder,28x:a": "has the option '28x'",
    "folder,999999:a": "has the option '999999'",
    "folder,:a": "has the option ''",
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("ask", [load, locate, fetch, described, dataset_named])
def test_names_that_mean_nothing_are_refused(ask, name):
    with pytest.raises(DataRequestError, match=REFUSED[name]):
        ask(name)


def test_errors_tell_a_users_mistake_from_a_failure():
    """The command line leaves with 2 for a ValueError and with 1 for others; callers can catch them all as one."""
    for mistake in (DataRequestError, DataNotFoundError):
        assert issubclass(mistake, DataError)
        assert issubclass(mistake, ValueError)
    for failure in (DataFailureError, DamagedDataError):
        assert issubclass(failure, DataError)
        assert issubclass(failure, RuntimeError)
        assert not issubclass(failure, ValueError)


def test_damage_survives_the_way_between_processes():
    error = pickle.loads(pickle.dumps(DamagedDataError("It is cut short.", "Mend it.")))  # noqa: S301  # our own
    assert str(error) == "It is cut short. Mend it."
    assert str(DamagedDataError("It is cut short.")) == "It is cut short. Get the file again."


def test_the_datasets_of_the_paper_and_their_small_copy_are_there():
    assert {"fashion-mini", "fashion-mnist", "mnist", "cifar10"} <= set(DATASETS)
    assert all(len(DATASETS[name].class_names) == 10 for name in ("fashion-mini", "fashion-mnist", "mnist", "cifar10"))


@pytest.mark.parametrize("name", DATASETS)
def test_each_entry_is_complete(name):
    entry = DATASETS[name]
    assert entry.name == name
    assert len(entry.class_names) == len(set(entry.class_names)) >= 2
    assert entry.title
    assert entry.licence
    assert "https://" in entry.origin or "http://" in entry.origin or isinstance(entry, topics.Made)
    assert entry.group_names is None or len(entry.group_names) % len(entry.class_names) == 0
    if isinstance(entry, FilesEntry):
        digests = list(entry.layouts[0].sha256.values())
        assert len(set(digests)) == len(entry.layouts[0].files)
        assert all(len(digest) == 64 and set(digest) <= set("0123456789abcdef") for digest in digests)


@pytest.mark.parametrize("value", ["1", "true", "yes"])
def test_environment_forbids_the_download(monkeypatch, value):
    monkeypatch.setenv("SPURLAB_OFFLINE", value)
    for ask in (load, fetch):
        with pytest.raises(DataNotFoundError, match="CIFAR-10 was not found, and a download is forbidden"):
            ask("cifar10")


def test_import_is_light():
    """torchvision and mnist1d, which brings matplotlib, take longer to import than the small dataset to load."""
    heavy = {"torchvision", "mnist1d", "matplotlib", "sklearn"}
    code = f"import sys, spurlab.data as data; data.load('fashion-mini'); print({heavy} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
