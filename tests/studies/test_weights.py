"""Files of weights: what is read is what was written for that network, or it is refused."""

import logging

import pytest
import torch
from safetensors.torch import load_file, save, save_file

from spurlab.studies import StoreError
from spurlab.studies.weights import read_weights, weights_file, write_weights


@pytest.fixture
def path(tmp_path):
    return weights_file(tmp_path, "a" * 20)


def some(seed=0):
    rng = torch.Generator().manual_seed(seed)
    return {"weight": torch.randn(3, 4, generator=rng), "steps": torch.tensor(5), "half": torch.ones(2).bfloat16()}


def same(tensors, others):
    """To the bit, names and types included."""
    one, other = (save({name: tensor.clone() for name, tensor in each.items()}) for each in (tensors, others))
    return one == other


@pytest.mark.parametrize("diverged", [False, True])
def test_what_is_written_comes_back(path, diverged):
    write_weights(path, some(), diverged=diverged)
    tensors, was_diverged = read_weights(path)
    assert same(tensors, some())
    assert was_diverged is diverged
    assert same(load_file(path), some())  # any other program reads them too


def test_the_same_weights_give_the_same_bytes(path):
    write_weights(path, some(), diverged=False)
    first = path.read_bytes()
    write_weights(path, dict(reversed(some().items())), diverged=False)
    assert path.read_bytes() == first


def test_tensors_that_share_memory_are_kept_under_each_name(path):
    """A head that is tied to an earlier layer: one tensor with two names, and a part of another."""
    weight = torch.randn(4, 4)
    write_weights(path, {"one": weight, "two": weight, "part": weight[:, 1]}, diverged=False)
    assert same(read_weights(path)[0], {"one": weight, "two": weight, "part": weight[:, 1].contiguous()})


@pytest.mark.parametrize("how", ["swapped", "zeroed", "flipped", "another", "not diverged", "cut", "gone"])
def test_other_weights_are_refused(path, how):
    """Those of another network are whole and fit; only that they are written for another key tells them apart."""
    write_weights(path, some(), diverged=True)
    other = path.with_name(f"{'b' * 20}.safetensors")
    write_weights(other, some(1), diverged=True)
    content = bytearray(path.read_bytes())
    match how:
        case "swapped":
            other.replace(path)
        case "zeroed":
            content[-30:] = bytes(30)
            path.write_bytes(content)
        case "flipped":
            content[-1] ^= 1
            path.write_bytes(content)
        case "another":
            save_file(some(), path)  # by another program, for whatever network
        case "not diverged":
            path.write_bytes(content.replace(b"true", b"null"))
        case "cut":
            path.write_bytes(content[:-1])
        case "gone":
            path.unlink()
    with pytest.raises(StoreError, match=r"aaaa\.safetensors.*spurlab run.* trains that network again") as caught:
        read_weights(path)
    assert len(str(caught.value)) < 500


def test_files_of_before_are_read_with_a_note(path, caplog):
    """They have no checksum: one note for a folder, not one for each file."""
    path.parent.mkdir()
    save_file(some(), path, {"diverged": "True"})
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            tensors, diverged = read_weights(path)
    assert same(tensors, some())
    assert diverged
    assert [record.getMessage() for record in caplog.records] == [
        f"weights in {path.parent} have no checksums: what was damaged on the disk would not be noticed."
    ]
