"""The zoo's networks, each built once and shared: tests leave them as they are."""

import functools

import pytest
import torch

from spurlab.models import ARCHITECTURES, build, is_grown
from spurlab.seeds import rng_for

WORDS = 53  # as no image is wide


@pytest.fixture(scope="session")
def shape_of():
    """name -> inputs of the kind that the network is for: documents, signals, grey images (perceptrons and the CNN),
    colour.
    """

    def shape(name):
        if ARCHITECTURES[name].words:
            return (12, WORDS)
        if name.startswith("mnist1d") or name in ("logistic", "table-mlp"):
            return (40,)
        return (1, 28, 28) if name in ("small-mlp", "mlp", "large-mlp", "vgg-mlp", "cnn") else (3, 32, 32)

    return shape


@pytest.fixture(scope="session")
def network(shape_of):
    """name -> the network of seed 0 with ten classes, in evaluation mode."""
    return functools.cache(lambda name: build(name, shape_of(name), 10, seed=0).eval())


@pytest.fixture(scope="session")
def draw():
    """(shape) -> images in [0, 1]; documents without padding, which are numbers of words."""

    def drawn(*shape, purpose="images"):
        rng = rng_for(0, "test", purpose)
        return (
            torch.randint(1, WORDS, shape[:-1], generator=rng)
            if shape[-1] == WORDS
            else torch.rand(*shape, generator=rng)
        )

    return drawn


def pytest_generate_tests(metafunc):
    """`name` without values of its own runs over the whole zoo, but for trees: `test_boosted_trees` has these."""
    own = any("name" in mark.args[0] for mark in metafunc.definition.iter_markers("parametrize"))
    if "name" in metafunc.fixturenames and not own:
        metafunc.parametrize("name", [name for name in ARCHITECTURES if not is_grown(name)])
