"""Odds by hand, subsets by count."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close
from toys import same

from spurlab.data import Examples
from spurlab.methods import Descent
from spurlab.prevention import Reweighting, Subsampling
from spurlab.prevention import steps as prevention_steps
from spurlab.prevention.balancing import balanced_rows
from spurlab.prevention.steps import drawn_evenly, even_odds
from spurlab.seeds import rng_for


@pytest.fixture
def uneven():
    """Sixty of class 0 (50 and 10 by group), thirty of class 1 (group 3 alone), each with its row as its input."""
    groups = torch.tensor([0] * 50 + [1] * 10 + [3] * 30)
    return Examples(torch.arange(90.0).unsqueeze(1).repeat(1, 2), groups // 2, groups)


@pytest.fixture
def learnt(monkeypatch):
    """The rows of the batches that a method trains on, epoch by epoch, without training."""
    seen = []

    def watch(descent, drawn, loss):
        for epoch in range(descent.recipe.epochs):
            seen.append([batch.inputs[:, 0].long() for batch in drawn(epoch)])
        return descent.model

    monkeypatch.setattr(Descent, "train", watch)
    return seen


def test_the_odds_of_each_example(uneven):
    """Three groups that are there, and two classes: 1 / (3 n_g) and 1 / (2 n_y)."""
    odds = even_odds(uneven.groups)
    assert_close(odds, torch.tensor([1 / 150] * 50 + [1 / 30] * 10 + [1 / 90] * 30, dtype=torch.float64))
    assert_close(even_odds(uneven.labels), torch.tensor([1 / 120] * 60 + [1 / 60] * 30, dtype=torch.float64))


def test_draws_follow_the_odds(uneven, recipe):
    """90 draws in each of 200 epochs: each group is met 6,000 times, with a standard deviation of
    sqrt(18 000 * 2 / 9) = 63; four of them, for three groups, fail for one seed in 5,000."""
    descent = Descent(nn.Linear(2, 2), recipe, 0, "test")
    drawn = drawn_evenly(descent, uneven, uneven.groups, 0, "test")
    met = torch.zeros(4)
    for epoch in range(200):
        for batch in drawn(epoch):
            assert batch.inputs[:, 0].long().equal(batch.rows)  # rows of the data, not of the draws
            met += uneven.groups[batch.rows].bincount(minlength=4)
    assert met[2] == 0
    assert (met[[0, 1, 3]] - 6000).abs().max() < 4 * 63


@pytest.mark.parametrize(("by", "sizes"), [("group", [10, 10, 0, 10]), ("class", None)])
def test_a_subset_is_drawn_once_and_has_parts_of_one_size(uneven, recipe, learnt, by, sizes):
    Subsampling(recipe, by=by)(nn.Linear(2, 2), uneven, uneven[:0])
    epochs = [torch.cat(batches).sort().values for batches in learnt]
    assert len(epochs) == recipe.epochs
    assert all(epoch.equal(epochs[0]) for epoch in epochs)
    assert len(epochs[0].unique()) == len(epochs[0])
    if sizes:
        assert uneven.groups[epochs[0]].bincount(minlength=4).tolist() == sizes
    else:
        assert uneven.labels[epochs[0]].bincount().tolist() == [30, 30]


def test_as_many_steps_where_asked_for(uneven, recipe, learnt):
    """Batches of 16: 6 an epoch of all 90 examples, 2 of the subset of 30: three times the 12 epochs."""
    Subsampling(recipe, same_steps=True)(nn.Linear(2, 2), uneven, uneven[:0])
    assert len(learnt) == 36
    assert sum(len(batches) for batches in learnt) == 6 * 12


def test_where_every_class_has_one_group_groups_are_classes(data, clean, model, recipe):
    """The classes of the toy are equally large, and where no example lacks the mark each is one group."""
    marked = Examples(data.inputs, data.labels, 2 * data.labels)
    rows = balanced_rows(marked.groups, rng_for(0, "test"))
    assert data.labels[rows].bincount().tolist() == [40, 40, 40]
    assert even_odds(marked.groups).mul(120).tolist() == pytest.approx([1.0] * 120)
    assert Subsampling(recipe)(model, marked, clean)(data.inputs).isfinite().all()


@pytest.mark.parametrize("method", [Subsampling, Reweighting])
def test_the_best_epoch_is_kept_where_asked_for(method, model, data, clean, recipe):
    """Of twelve epochs, by hand: that of the trainings of 1 to 12 epochs that serves the worst clean group best."""
    with pytest.raises(ValueError, match="needs the group of each clean example"):
        method(recipe, best_epoch=True)(model, data, Examples(clean.inputs, clean.labels))
    slow = recipe.but(learning_rate=0.3, milestones=())  # jumps from epoch to epoch, and all are good
    ends = [method(slow.but(epochs=epochs))(model, data, clean) for epochs in range(1, 13)]
    worst = [
        min((end(clean.inputs).argmax(1) == clean.labels)[clean.groups == g].double().mean() for g in range(6))
        for end in ends
    ]
    first = worst.index(max(worst))
    assert first < 11, "of equals the first counts, but here it is the last epoch"
    best = ends[first]
    kept = method(slow, best_epoch=True)(model, data, clean)
    assert same(kept, best)


def test_the_room_draws_for_itself(model, data, recipe):
    """A method of one name in two rooms draws apart."""
    one, other = (
        next(Descent(model, recipe, 0, "x", purpose=room).batches(data, 0)).rows for room in ("deletion", "prevention")
    )
    assert not one.equal(other)
    assert prevention_steps.begin(model, recipe, 0, "x", None).seed != Descent(model, recipe, 0, "x").seed
