"""The shift under squared error against `shift_ridge`, and both against a layer that was solved for."""

import doctest
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from spurlab.seeds import rng_for
from spurlab.theory import kappa, predict_ridge, shift_ridge, shift_squares


@pytest.mark.parametrize("norm", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("count", [1, 5])
def test_it_is_that_of_the_kernel_told_by_the_models_own_outputs(count, norm):
    """What the ridge solution with the mark gives for marked examples, less the shift, are its outputs without it."""
    rng, ridge = rng_for(0, "test", "squares"), 0.05
    features = torch.randn(40, 6, generator=rng, dtype=torch.float64)
    labels = F.one_hot(torch.randint(3, (40,), generator=rng), 3).double()
    marked = torch.zeros(40, dtype=torch.bool)
    marked[(labels[:, 1] == 1).nonzero().flatten()[:count]] = True
    kernel = features @ features.T
    with_mark = kernel + norm**2 * marked.double().outer(marked.double())
    fitted = predict_ridge(with_mark, labels, with_mark[marked], ridge)
    wanted = shift_ridge(kernel, labels, marked, norm, ridge)
    found = shift_squares(kappa(count, norm, 40, ridge), fitted - wanted, target=1)
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-12)


def test_without_end_it_fills_what_is_missing_and_without_kappa_nothing():
    outputs = torch.tensor([[0.5, 0.25], [0.25, 0.25]])
    assert shift_squares(0.0, outputs, target=0).tolist() == [0.0, 0.0]
    assert shift_squares(1e12, outputs, target=0).tolist() == pytest.approx([0.625, -0.25])


@pytest.mark.parametrize(("kappa", "target", "words"), [(-1.0, 0, "`kappa`"), (1.0, 2, "`target` is class 2")])
def test_what_cannot_be_is_refused(kappa, target, words):
    with pytest.raises(ValueError, match=words):
        shift_squares(kappa, torch.zeros(1, 2), target)


def test_the_page_of_docs_says_what_comes_out():
    page = Path(__file__).parents[2] / "docs" / "theory.md"
    found = doctest.testfile(str(page), module_relative=False)
    assert found.attempted > 3
    assert found.failed == 0
