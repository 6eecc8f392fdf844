"""Seeds and generators: the same purpose gives the same numbers, whatever type its integers have."""

import hashlib

import numpy as np
import pytest
import torch

from spurlab.seeds import rng_for, seed_for, seed_global


@pytest.mark.parametrize("words", [(0,), (3, "plant", 7), (2**40, "order", -1), (-5, "it's", "\u00e4")])
def test_the_seed_is_seven_bytes_of_the_sha256_of_its_words(words):
    """The recipe of the first version, spelt out: results that were published rest on it."""
    digest = hashlib.sha256(str(words).encode()).hexdigest()
    assert seed_for(*words) == int(digest[:14], 16)


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint8, torch.tensor])
def test_integers_count_by_value_and_not_by_type(kind):
    """`seed` often comes from np.arange or a table; numpy 2 even writes 3 as np.int64(3)."""
    assert seed_for(kind(3), "order", kind(7)) == seed_for(3, "order", 7)
    first, again = (torch.rand(5, generator=rng_for(three, "order")) for three in (3, kind(3)))
    assert first.equal(again)


def test_a_bool_is_its_integer_and_numpys_text_is_text():
    assert seed_for(True, np.str_("init")) == seed_for(1, "init")


def test_text_and_integers_are_told_apart():
    assert len({seed_for(0, "1"), seed_for(0, 1), seed_for(0), seed_for(0, 1, 1), seed_for(0, "1", "1")}) == 5


@pytest.mark.parametrize("wrong", [0.5, "0", None])
def test_what_is_no_integer_is_no_seed(wrong):
    with pytest.raises(TypeError):
        seed_for(wrong)


def test_global_generators_are_seeded_as_by_manual_seed_but_a_cuda_that_has_not_begun_is_let_alone(monkeypatch):
    monkeypatch.setattr(torch.cuda, "manual_seed_all", lambda _: pytest.fail("CUDA has not begun"))
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: False)
    with torch.random.fork_rng([]):
        seed_global(2**50 + 1)
        found = torch.rand(3)
    assert found.equal(torch.rand(3, generator=torch.Generator().manual_seed(2**50 + 1)))
    seeded = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    with torch.random.fork_rng([]):
        seed_global(7)
    assert seeded == [7]
