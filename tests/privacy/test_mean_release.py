"""The one setting where the power of the best attack is known: the mean of Gaussian points is released."""

import pytest
import torch
from scipy.stats import norm

from spurlab.privacy import Margins, halves, scores_of, tpr_at
from spurlab.seeds import rng_for

D, HALF, NETWORKS, TARGETS = 200, 1000, 400, 24


@pytest.fixture(scope="module")
def found():
    """A network is the mean of its half of a fixed pool, its margin on an example their product."""
    pool = torch.randn(2 * HALF, D, generator=rng_for(0, "test", "mean release"), dtype=torch.float64)
    design = halves(2 * HALF, NETWORKS, 0)
    phi = design.members.double() @ pool / HALF @ pool.T
    margins = Margins(phi, design.members, design.pair)
    wanted = {}
    shift = (2 * pool.square().sum(1) / HALF).sqrt()  # c = 2: halves of a fixed pool
    for rate in (0.001, 0.01, 0.1):
        wanted[rate] = float(norm.cdf(norm.ppf(rate) + shift.numpy()).mean())
    return margins, scores_of(margins, ["z-score"], range(TARGETS)), wanted


def test_the_formula_is_the_published_one(found):
    assert [round(value, 4) for value in found[2].values()] == pytest.approx([0.0071, 0.0454, 0.258], abs=0.0005)


@pytest.mark.parametrize("rate", [0.001, 0.01, 0.1])
def test_the_power_is_the_formulas(found, rate):
    """Within four standard errors over networks: of as many independent ones once in 600 for three rates."""
    margins, scores, wanted = found
    at = tpr_at(scores["z-score"], margins.members[:TARGETS], rate)
    stderr = (at.tpr.high - at.tpr.low) / (2 * 2.07)  # Student's with 23 degrees of freedom
    assert stderr < 0.06 * wanted[rate] ** 0.8
    assert abs(at.tpr.value - wanted[rate]) < 4 * stderr
