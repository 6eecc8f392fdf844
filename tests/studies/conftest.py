"""A small data set and a small study of it, for tests that train."""

import pytest
import torch

from spurlab.data import Dataset
from spurlab.studies import load_study

CHANGES = (
    "n=[0, 40]",
    "seed=[3, 5]",
    "recipe.epochs=2",
    "architecture=small-mlp",
    "target=1",
)


@pytest.fixture(scope="session")
def small(mini):
    """Every fifth training image, every fourth test image: small, and all classes are in it."""
    train, test = mini.train[torch.arange(0, 10_000, 5)], mini.test[torch.arange(0, 2_000, 4)]
    return Dataset(mini.name, train, test, mini.class_names, mini.input_range, mini.source)


@pytest.fixture
def study_of():
    """changes -> the quickstart on few small networks, changed further."""
    return lambda *changes: load_study("quickstart", changes=[*CHANGES, *changes])
