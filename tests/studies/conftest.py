"""A small data set and a small study of it, for tests that train."""

import pytest

from spurlab.studies import load_study

CHANGES = (
    "n=[0, 40]",
    "seed=[3, 5]",
    "recipe.epochs=2",
    "architecture=small-mlp",
    "target=1",
)


@pytest.fixture
def study_of():
    """changes -> the quickstart on few small networks, changed further."""
    return lambda *changes: load_study("quickstart", changes=[*CHANGES, *changes])
