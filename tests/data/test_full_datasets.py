"""The full datasets against what is published about them, and against torchvision's own reader."""

import gzip
import lzma
import struct
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

pytestmark = pytest.mark.data

MNIST_TRAIN = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
MNIST_TEST = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
PUBLISHED = {  # name: shape, class counts of both parts, mean and standard deviation of the training pixels by channel
    "mnist": ((1, 28, 28), MNIST_TRAIN, MNIST_TEST, [0.1307], [0.3081]),
    "fashion-mnist": ((1, 28, 28), [6000] * 10, [1000] * 10, [0.2860], [0.3530]),
    "cifar10": ((3, 32, 32), [5000] * 10, [1000] * 10, [0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616]),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED)
def test_counts_and_moments_are_the_published_ones(full_dataset, name):
    """Published to four digits, so the tolerance is half of the last one."""
    shape, train, test, mean, std = PUBLISHED[name]
    data = full_dataset(name)
    assert data.shape == shape
    assert data.train.labels.bincount().tolist() == train
    assert data.test.labels.bincount().tolist() == test
    found_std, found_mean = torch.std_mean(data.train.inputs, dim=(0, 2, 3))
    assert found_mean.tolist() == pytest.approx(mean, abs=5.1e-5)
    assert found_std.tolist() == pytest.approx(std, abs=5.1e-5)


@pytest.mark.parametrize(("name", "reader"), [("mnist", "MNIST"), ("fashion-mnist", "FashionMNIST")])
def test_idx_files_are_read_as_torchvision_reads_them(tmp_path, full_dataset, name, reader):
    import torchvision.datasets

    data = full_dataset(name)
    raw = tmp_path / reader / "raw"
    raw.mkdir(parents=True)
    for file in Path(data.source.location).glob("*ubyte*"):
        content = file.read_bytes()
        (raw / file.name.removesuffix(".gz")).write_bytes(gzip.decompress(content) if file.suffix == ".gz" else content)
    for train, examples in ((True, data.train), (False, data.test)):
        theirs = getattr(torchvision.datasets, reader)(tmp_path, train=train)
        assert_close(examples.inputs[:, 0].mul(255).round().byte(), theirs.data, rtol=0, atol=0)
        assert_close(examples.labels, theirs.targets, rtol=0, atol=0)


def test_cifar10_records_are_where_the_format_says(full_dataset):
    """Some records of the first and the last file, taken apart byte by byte: label, red, green, blue plane."""
    data = full_dataset("cifar10")
    folder = Path(data.source.location)
    if not folder.name.endswith("-bin"):
        pytest.skip("only the pickled batches are here")
    for name, examples, first in (("data_batch_1", data.train, 0), ("test_batch", data.test, 0)):
        plain = folder / f"{name}.bin"
        with plain.open("rb") if plain.exists() else lzma.open(f"{plain}.xz") as stream:
            content = stream.read(3073 * 20)
        for row in range(20):
            label, *pixels = struct.unpack_from("3073B", content, 3073 * row)
            assert examples.labels[first + row] == label
            assert [round(255 * value) for value in examples.inputs[first + row].flatten().tolist()] == pixels
