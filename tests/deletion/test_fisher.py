"""The Fisher information against its definition, the noise against its distribution."""

import math

import torch
from torch.testing import assert_close
from toys import same

from spurlab.deletion import FisherForgetting
from spurlab.deletion.fisher import FLOOR, fisher_diagonal
from spurlab.deletion.weights import flat, free_weights


def test_the_diagonal_is_by_definition(model, data):
    """Over examples and classes, one by one."""
    total = 0
    for x in data.inputs[:10]:
        log_p = model(x[None]).log_softmax(1)[0]
        for y in range(3):
            slopes = torch.autograd.grad(log_p[y], list(model.parameters()), retain_graph=True)
            total = total + log_p[y].exp().detach() * torch.cat([slope.flatten() for slope in slopes]) ** 2 / 10
    assert_close(fisher_diagonal(model, data.inputs[:10]), total)


def test_the_noise_has_the_spread_of_the_equation(model, data, forget):
    """51 weights in 20 seeds: the mean of 1,020 squared normal numbers is 1 with standard deviation sqrt(2 / 1020)."""
    spread = 0.01 * (fisher_diagonal(model, data.inputs[~forget]) + FLOOR) ** -0.25
    steps = [
        flat(free_weights(FisherForgetting(seed, strengths=(0.01,))(model, data, forget))) - flat(free_weights(model))
        for seed in range(20)
    ]
    ratio = torch.stack(steps) / spread
    assert abs(ratio.square().mean().item() - 1) < 4 * math.sqrt(2 / 1020)
    assert abs(ratio.mean().item()) < 4 / math.sqrt(1020)


def test_the_strongest_that_retained_data_bear_is_taken(model, data, forget):
    """Noise of strength 1000 ruins this network; none of that is seen where it is the last to be tried."""
    gentle = FisherForgetting(strengths=(1e-3,))(model, data, forget)
    searched = FisherForgetting(strengths=(1e-3, 1e3))(model, data, forget)
    assert same(searched, gentle)
