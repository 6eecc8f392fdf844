"""Inputs that do not fit into memory lie in a file without a name."""

import os

import numpy as np
import pytest
import torch
from PIL import Image
from torch.testing import assert_close

from spurlab.data import DataFailureError, from_torch, image_folder, room
from spurlab.data.memory import mean_of


@pytest.fixture
def no_memory(monkeypatch):
    """Whatever is asked for is more than there is."""
    monkeypatch.setattr("spurlab.data.memory.MOST", 0.0)


def mapped(tensor):
    """Whether the numbers lie in a file: its pages are in the list of those of this process."""
    start = tensor.untyped_storage().data_ptr()
    with open("/proc/self/maps") as maps:
        lines = [line.split(maxsplit=5) for line in maps]
    spans = [(*(int(end, 16) for end in line[0].split("-")), line[-1]) for line in lines]
    return any(low <= start < high and "(deleted)" in name for low, high, name in spans)


@pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="how to see it is known for Linux")
def test_a_tensor_in_a_file_is_as_any_other(cache, no_memory):
    numbers = room(3, 2, 5)
    assert mapped(numbers)
    numbers[:] = torch.arange(30.0).view(3, 2, 5)
    assert_close(numbers.sum((1, 2)), torch.tensor([45.0, 145.0, 245.0]))
    assert list(cache.iterdir()) == []  # nothing is left behind


def test_a_small_one_is_in_memory(cache):
    assert room(3, 2).shape == (3, 2)
    assert not cache.exists()


def test_a_disk_without_room_is_told(no_memory):
    """An exabyte: no disk has it."""
    with pytest.raises(DataFailureError, match=r"bytes for inputs do not fit into memory, nor into a file in .*data"):
        room(2**58)


@pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="how to see it is known for Linux")
def test_images_in_a_file_are_those_in_memory(tmp_path, monkeypatch):
    draw = np.random.default_rng(0)
    for place in range(12):
        path = tmp_path / "ab"[place % 2] / f"{place}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(draw.integers(0, 256, (5, 4, 3), np.uint8)).save(path)
    wanted = image_folder(tmp_path)
    items = [(image, int(label)) for image, label in zip(wanted.train.inputs, wanted.train.labels, strict=True)]
    monkeypatch.setattr("spurlab.data.memory.MOST", 0.0)
    found = image_folder(tmp_path)
    assert found.checksum == wanted.checksum
    assert mapped(found.train.inputs)
    assert mapped(found.test.inputs)
    assert mapped(from_torch(items, items).train.inputs)


def test_means_of_parts_are_those_of_the_whole(monkeypatch):
    monkeypatch.setattr("spurlab.data.memory.AT_ONCE", 7)
    inputs = torch.linspace(-1, 3, 50).view(10, 5)
    assert mean_of(inputs, torch.abs) == pytest.approx(float(inputs.abs().double().mean()))
    assert mean_of(inputs, lambda values: values < 0) == pytest.approx(float((inputs < 0).double().mean()))
