"""Functions named as those by which libraries draw weights, but with other arguments, are not called."""

import pytest
import torch
from torch import nn

from spurlab.methods import untrained


class Own(nn.Linear):
    """Draws its weights by functions that take what nobody gives them."""

    def _init_weights(self):
        raise AssertionError

    def init_weights(self, mode):
        raise AssertionError


def test_functions_with_other_arguments_are_left_alone():
    network = Own(3, 2)
    fresh = untrained(network, 1)
    assert not torch.equal(fresh.weight, network.weight)
    assert fresh.weight.isfinite().all()


class Theirs(nn.Module):
    """As in transformers: one function of the network draws any module's weights."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(2))

    def _init_weights(self, module):
        if module is self:
            nn.init.constant_(self.scale, 3.0)

    def forward(self, inputs):
        return inputs * self.scale


def test_that_of_transformers_is_called_with_each_module():
    assert untrained(Theirs(), 0).scale.tolist() == [3.0, 3.0]


def test_what_nothing_draws_is_a_sentence():
    class Never(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.zeros(2))

    with pytest.raises(ValueError, match=r"has parameters, but no `reset_parameters\(\)`"):
        untrained(Never(), 0)
