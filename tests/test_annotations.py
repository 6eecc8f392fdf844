"""The suite runs with annotations checked, of functions and of dataclasses, with shapes or without."""

import jaxtyping
import pytest
import torch

from spurlab.data import Examples
from spurlab.metrics import spurious_score
from spurlab.seeds import seed_for
from spurlab.stats import Share


def test_shapes_must_agree():
    with pytest.raises(jaxtyping.TypeCheckError):
        spurious_score(torch.zeros(3, 2), torch.zeros(4, 2), target=0)
    with pytest.raises(jaxtyping.TypeCheckError):
        Examples(torch.zeros(3, 2), torch.zeros(4, dtype=torch.int64))


def test_what_has_no_shape_is_checked_too():
    with pytest.raises(jaxtyping.TypeCheckError):
        seed_for("0", "test")
    with pytest.raises(jaxtyping.TypeCheckError):
        Share("3", 5)
