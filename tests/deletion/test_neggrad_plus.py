"""NegGrad+ against steps by hand."""

import math

import torch

from spurlab.deletion import NegGradPlus
from spurlab.deletion.neggrad_plus import round_and_round
from spurlab.deletion.search import mean_loss
from spurlab.methods import Descent


def test_the_forgotten_go_round(model, data, forget, recipe):
    """Six examples in batches of four: 4, 2, 4, 2, ..., each once a round, and each round in another order."""
    batches = round_and_round(Descent(model, recipe.but(batch_size=4), 0, "test"), data[forget])
    rounds = [torch.cat([next(batches).rows, next(batches).rows]).tolist() for _ in range(4)]
    assert [sorted(rows) for rows in rounds] == [list(range(6))] * 4
    assert len({tuple(rows) for rows in rounds}) > 1


def test_it_stops_when_the_retained_examples_cannot_bear_more(model, data, forget, whole):
    """One step an epoch: as long as 10, 20, ... epochs without a look back, and the loss after each."""
    settings = {"beta": 0.3, "rate": 0.01}
    free = [NegGradPlus(whole, **settings, epochs=10 * i, slack=math.inf)(model, data, forget) for i in range(1, 9)]
    most = mean_loss(model, data[~forget]) + 0.05
    last = [mean_loss(network, data[~forget]) <= most for network in free].index(False) - 1
    assert 0 < last < 6, "the steps do not ask the question"
    for epochs in (10 * last + 20, 80):
        after = NegGradPlus(whole, **settings, epochs=epochs)(model, data, forget)
        assert after[0].weight.equal(free[last][0].weight)


def test_the_end_is_looked_at_too(model, data, forget, whole):
    """Gentle at first, and too far in the last of 13 steps: the tenth is the result."""
    settings = {"beta": 0.3, "rate": 0.1}
    tenth, last = (
        NegGradPlus(whole, **settings, epochs=epochs, slack=math.inf)(model, data, forget) for epochs in (10, 13)
    )
    losses = [mean_loss(network, data[~forget]) - mean_loss(model, data[~forget]) for network in (tenth, last)]
    assert losses[0] < losses[1], "the steps do not ask the question"
    after = NegGradPlus(whole, **settings, epochs=13, slack=sum(losses) / 2)(model, data, forget)
    assert after[0].weight.equal(tenth[0].weight)


def test_the_first_look_is_the_result_where_nothing_can_be_borne(model, data, forget, whole):
    settings = {"beta": 0.3, "rate": 0.1}
    after = NegGradPlus(whole, **settings, epochs=80, slack=-10.0)(model, data, forget)
    tenth = NegGradPlus(whole, **settings, epochs=10, slack=math.inf)(model, data, forget)
    assert after[0].weight.equal(tenth[0].weight)
