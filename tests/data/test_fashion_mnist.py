"""The small Fashion-MNIST inside the package is what the script makes of the full one."""

import gzip
import importlib.util
import zlib
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from spurlab.data import DATASETS, fashion_mnist, locate

SCRIPT = Path(__file__).parents[2] / "scripts/make_fashion_mini.py"


def test_mini_is_balanced(mini):
    assert mini.train.labels.bincount().tolist() == [1000] * 10
    assert mini.test.labels.bincount().tolist() == [200] * 10
    assert mini.shape == (1, 28, 28)
    assert (mini.train.inputs.min(), mini.train.inputs.max()) == (0.0, 1.0)


def test_mini_comes_with_its_licence():
    text = (locate("fashion-mini") / "LICENSE.txt").read_text("utf-8")
    assert "Copyright (c) 2017 Zalando SE" in text
    assert "Permission is hereby granted, free of charge" in text


def test_class_names_are_torchvisions():
    from torchvision.datasets import FashionMNIST

    assert list(DATASETS["fashion-mini"].class_names) == FashionMNIST.classes


@pytest.mark.data
def test_mini_is_the_first_of_each_class(mini, full_dataset):
    """Counted out one example after the other."""
    full = full_dataset("fashion-mnist")
    for part, whole, count in ((mini.train, full.train, 1000), (mini.test, full.test, 200)):
        taken, rows = [0] * 10, []
        for row, label in enumerate(whole.labels.tolist()):
            if taken[label] < count:
                taken[label] += 1
                rows.append(row)
        assert_close(part.labels, whole.labels[rows], rtol=0, atol=0)
        assert_close(part.inputs, whole.inputs[torch.tensor(rows)], rtol=0, atol=0)


@pytest.mark.data
def test_script_makes_the_embedded_files(tmp_path, full_dataset):
    spec = importlib.util.spec_from_file_location("make_fashion_mini", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    script.make(Path(full_dataset("fashion-mnist").source.location), tmp_path)
    made = sorted(tmp_path.iterdir())
    assert [file.name for file in made] == sorted(f"{name}.gz" for name in fashion_mnist.ENTRY.layouts[0].files)
    for file in made:
        embedded = (locate("fashion-mini") / file.name).read_bytes()
        assert gzip.decompress(file.read_bytes()) == gzip.decompress(embedded)
        if "ng" not in zlib.ZLIB_RUNTIME_VERSION:  # zlib-ng packs differently
            assert file.read_bytes() == embedded
