"""SISA: deletion is exact, to the bit, and touches no other shard."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close
from toys import bits, same

from spurlab.deletion import Sisa
from spurlab.methods import untrained
from spurlab.models import mlp, seeded
from spurlab.patterns import Planted
from spurlab.seeds import seed_for
from spurlab.training import Member, train_group, train_one


def make(seed):
    return seeded(lambda: mlp((2,), 3, hidden=(8,)), seed)


def normed(seed):
    return seeded(lambda: nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 3)), seed)


@pytest.fixture
def sisa(recipe):
    return Sisa(recipe, seed=3, shards=4)


@pytest.fixture
def trained(sisa, data):
    return sisa.train(make, data)


def own_seed(shard):
    return seed_for(3, "deletion", "sisa", shard)


def test_shards_are_even_disjoint_and_all_of_the_data(trained):
    """90 = 23 + 23 + 22 + 22, in an order that was drawn."""
    rows = [trained.rows(shard) for shard in range(4)]
    assert [len(of_shard) for of_shard in rows] == [23, 23, 22, 22]
    assert torch.cat(rows).sort().values.equal(torch.arange(90))
    assert not trained.shard_of.equal(torch.arange(90) % 4)


def test_each_network_is_trained_on_its_shard_alone(trained, data, recipe):
    """To the bit those that the lockstep engine gives for copies of the shards, and to rounding those of its twin."""
    for shard, member in enumerate(trained.members):
        alone = Member(Planted.none(data[trained.rows(shard)]), own_seed(shard))
        state = train_group(make, [alone], recipe).state
        assert same(member, {name: tensor[0] for name, tensor in state.items()})
        twin, _ = train_one(make(own_seed(shard)), alone, recipe)
        assert_close(member.state_dict(), twin.state_dict(), atol=1e-4, rtol=1e-3)


def test_a_softmax_gives_the_mean_of_the_probabilities(trained, data):
    probabilities = torch.stack([member(data.inputs).softmax(1) for member in trained.members])
    assert_close(trained(data.inputs).softmax(1), probabilities.mean(0))


def test_deletion_is_training_without_them_and_leaves_other_shards_alone(sisa, trained, data, recipe):
    """Two of shard 1 and one of shard 3 go: these equal, to the bit, networks that have never seen them."""
    gone = torch.cat([trained.rows(1)[:2], trained.rows(3)[-1:]])
    forget = torch.zeros(90, dtype=torch.bool)
    forget[gone] = True
    before, inputs = bits(trained), data.inputs.clone()
    after = sisa(trained, data, forget)
    assert same(trained, before)
    assert data.inputs.equal(inputs)
    for shard in (0, 2):
        assert same(after.members[shard], trained.members[shard])
    for shard in (1, 3):
        assert after.rows(shard).tolist() == [row for row in trained.rows(shard).tolist() if row not in gone.tolist()]
        alone = Member(Planted.none(data[after.rows(shard)]), own_seed(shard))
        state = train_group(make, [alone], recipe).state
        assert same(after.members[shard], {name: tensor[0] for name, tensor in state.items()})
        assert not same(after.members[shard], trained.members[shard])
    assert not any(module.training for module in after.modules())


def test_one_request_after_the_other_is_both_at_once(sisa, trained, data):
    """What is gone stays gone, and is not looked at again."""
    first, second = torch.arange(90) < 3, (torch.arange(90) >= 3) & (torch.arange(90) < 5)
    step_by_step = sisa(sisa(trained, data, first), data, second)
    assert same(step_by_step, sisa(trained, data, first | second))
    assert same(sisa(step_by_step, data, first), step_by_step)


def test_nothing_to_forget_changes_nothing(sisa, trained, data):
    after = sisa(trained, data, torch.zeros(90, dtype=torch.bool))
    assert same(after, trained)
    assert after is not trained


def test_the_same_call_gives_the_same_bits_and_leaves_the_global_generator(sisa, data):
    drawn = torch.random.get_rng_state()
    one, again = (sisa.train(make, data) for _ in range(2))
    assert same(one, again)
    assert torch.random.get_rng_state().equal(drawn)


def test_networks_that_are_no_perceptrons_too(sisa, data):
    """One by one; and batch norm's batch of one is explained: 23 examples in batches of 22."""
    trained = sisa.train(normed, data)
    forget = torch.arange(90) == trained.rows(2)[0]
    after = sisa(trained, data, forget)
    assert [same(a, b) for a, b in zip(after.members, trained.members, strict=True)] == [1, 1, 0, 1]
    with pytest.raises(ValueError, match="batch norm cannot be trained on a batch of one example"):
        Sisa(sisa.recipe.but(batch_size=22), shards=4).train(normed, data)


def test_saved_weights_know_the_shards(sisa, trained, data):
    other = Sisa(sisa.recipe.but(epochs=0, milestones=()), seed=9, shards=4).train(make, data)
    other.load_state_dict(trained.state_dict())
    assert [other.rows(shard).tolist() for shard in range(4)] == [trained.rows(shard).tolist() for shard in range(4)]
    assert other(data.inputs).equal(trained(data.inputs))


def test_in_place_of_another_network_comes_what_sharding_from_the_start_would_have_left(sisa, model, data, forget):
    """`train` on all, then the call: equal to the bit, though shards without a forgotten example train once."""
    for few in (forget, torch.arange(90) == 5):
        long_way = sisa(sisa.train(lambda seed: untrained(model, seed), data), data, few)
        short = sisa(model, data, few)
        assert short.shard_of.equal(long_way.shard_of)
        assert_close(dict(short.named_parameters()), dict(long_way.named_parameters()), rtol=1e-5, atol=1e-6)


def test_other_data_or_other_shards_are_refused(sisa, trained, data, recipe):
    forget = torch.arange(90) < 3
    with pytest.raises(ValueError, match="trained on 90 examples, but these are 80"):
        sisa(trained, data[:80], forget[:80])
    with pytest.raises(ValueError, match="has 4 shards, but `shards` is 5"):
        Sisa(recipe)(trained, data, forget)
    with pytest.raises(ValueError, match="all examples of shard 2 are to be forgotten"):
        sisa(trained, data, trained.shard_of == 2)
    with pytest.raises(ValueError, match="all 90 training examples are to be forgotten"):
        sisa(trained, data, torch.ones(90, dtype=torch.bool))
    with pytest.raises(ValueError, match="cannot cut 90 examples into 91 shards"):
        Sisa(recipe, shards=91).train(make, data)


def test_weights_that_are_not_finite_are_an_error(sisa, data):
    hot = Sisa(sisa.recipe.but(optimizer="sgd", learning_rate=1e30), shards=2)
    with pytest.raises(FloatingPointError, match="are not finite"):
        hot.train(make, data)
