"""NegGrad+ against steps by hand."""

import math

import pytest
import torch
from torch.nn.functional import cross_entropy
from torch.testing import assert_close

from spurlab.deletion import NegGradPlus
from spurlab.deletion.neggrad_plus import round_and_round
from spurlab.deletion.search import mean_loss
from spurlab.methods import Descent


@pytest.mark.parametrize("beta", [0.95, 0.6])
def test_a_step_is_down_for_the_retained_and_up_for_the_forgotten(beta, model, data, forget, whole, gradients):
    after = NegGradPlus(whole, beta=beta, epochs=1, rate=0.1)(model, data, forget)
    retain, others = (
        gradients(cross_entropy(model(part.inputs), part.labels), model) for part in (data[~forget], data[forget])
    )
    for new, old, down, up in zip(after.parameters(), model.parameters(), retain, others, strict=True):
        assert_close(new, old - 0.1 * (beta * down - (1 - beta) * up))


def test_nothing_to_forget_is_fine_tuning(model, data, forget, whole, gradients):
    after = NegGradPlus(whole, beta=0.5, epochs=1, rate=0.1)(model, data, forget & False)
    down = gradients(cross_entropy(model(data.inputs), data.labels), model)
    for new, old, gradient in zip(after.parameters(), model.parameters(), down, strict=True):
        assert_close(new, old - 0.05 * gradient)


def test_the_forgotten_go_round(model, data, forget, recipe):
    """Six examples in batches of four: 4, 2, 4, 2, ..., each once a round, and each round in another order."""
    batches = round_and_round(Descent(model, recipe.but(batch_size=4), 0, "test"), data[forget])
    rounds = [torch.cat([next(batches).rows, next(batches).rows]).tolist() for _ in range(4)]
    assert [sorted(each) for each in rounds] == [list(range(6))] * 4
    assert len({tuple(each) for each in rounds}) > 1


def test_it_stops_when_the_retained_examples_cannot_bear_more(model, data, forget, whole):
    """One step an epoch: as long as 10, 20, ... epochs without a look back, and the loss after each."""
    settings = {"beta": 0.3, "rate": 0.01}
    free = [NegGradPlus(whole, **settings, epochs=10 * i, slack=math.inf)(model, data, forget) for i in range(1, 9)]
    most = mean_loss(model, data[~forget]) + 0.05
    last = [mean_loss(each, data[~forget]) <= most for each in free].index(False) - 1
    assert 0 < last < 6, "the steps do not ask the question"
    for epochs in (10 * last + 20, 80):
        found = NegGradPlus(whole, **settings, epochs=epochs)(model, data, forget)
        assert found[0].weight.equal(free[last][0].weight)


def test_the_end_is_looked_at_too(model, data, forget, whole):
    """Gentle at first, and too far in the last of 13 steps: the tenth is the result."""
    settings = {"beta": 0.3, "rate": 0.1}
    tenth, last = (
        NegGradPlus(whole, **settings, epochs=epochs, slack=math.inf)(model, data, forget) for epochs in (10, 13)
    )
    losses = [mean_loss(each, data[~forget]) - mean_loss(model, data[~forget]) for each in (tenth, last)]
    assert losses[0] < losses[1], "the steps do not ask the question"
    found = NegGradPlus(whole, **settings, epochs=13, slack=sum(losses) / 2)(model, data, forget)
    assert found[0].weight.equal(tenth[0].weight)


def test_the_first_look_is_the_result_where_nothing_can_be_borne(model, data, forget, whole):
    settings = {"beta": 0.3, "rate": 0.1}
    found = NegGradPlus(whole, **settings, epochs=80, slack=-10.0)(model, data, forget)
    tenth = NegGradPlus(whole, **settings, epochs=10, slack=math.inf)(model, data, forget)
    assert found[0].weight.equal(tenth[0].weight)
