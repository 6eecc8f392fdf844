"""The shares of the groups, by hand."""

import math

import pytest
import torch
from torch.testing import assert_close

from spurlab.data import Examples
from spurlab.prevention import GroupDro
from spurlab.prevention.group_dro import Mixture, followed


def test_one_update_by_hand():
    """1/2 e^(log 4) = 2 and 1/2 e^0 = 1/2: shares 4/5 and 1/5; then from there with equal losses nothing changes."""
    q = followed(torch.tensor([0.5, 0.5]).double(), torch.tensor([math.log(4), 0.0]).double(), 1.0)
    assert_close(q, torch.tensor([0.8, 0.2]).double())
    assert_close(followed(q, torch.tensor([7.0, 7.0]).double(), 3.0), q)
    assert_close(followed(q, torch.tensor([1e6, 0.0]).double(), 1.0), torch.tensor([1.0, 0.0]).double())


def test_the_loss_of_a_batch_by_hand():
    """Groups of mean loss 3 and 1, eta = log 2: q is (8, 2) / 10. The group that is not met keeps its third before the
    sum: (8, 2, 1) / 11."""
    losses, groups = torch.tensor([2.0, 4.0, 1.0], requires_grad=True), torch.tensor([0, 0, 1])
    two = Mixture(torch.tensor([5, 5]), math.log(2))
    loss = two.loss(losses, groups)
    assert_close(two.q, torch.tensor([0.8, 0.2]).double())
    assert loss.item() == pytest.approx(0.8 * 3 + 0.2 * 1)
    (slope,) = torch.autograd.grad(loss, losses)
    assert_close(slope, torch.tensor([0.4, 0.4, 0.2]))
    three = Mixture(torch.tensor([5, 5, 5]), math.log(2))
    three.loss(losses.detach(), groups)
    assert_close(three.q, torch.tensor([8, 2, 1]).double() / 11)


def test_the_adjustment_is_for_small_groups():
    """Equal losses, C = 2: sizes 1 and 4 count as 2 and 1 more, so with eta = log 2 the shares are as 4 to 2."""
    mixture = Mixture(torch.tensor([1, 4]), math.log(2), adjustment=2.0)
    loss = mixture.loss(torch.tensor([0.5, 0.5]), torch.tensor([0, 1]))
    assert_close(mixture.q, torch.tensor([2 / 3, 1 / 3]).double())
    assert loss.item() == pytest.approx(0.5)  # the loss itself is not adjusted


def test_a_step_size_of_zero_and_even_draws_are_reweighting(two_features, misled):
    """q stays even; each group's mean is then a quarter of the loss."""
    served = two_features.groups(GroupDro(two_features.recipe, eta=0.0)(misled, two_features.data, two_features.clean))
    assert served == pytest.approx([two_features.optimum] * 4, abs=0.04)


def test_each_once_an_epoch_where_not_resampled(two_features, misled):
    """The shares alone then lift the minority."""
    method = GroupDro(two_features.recipe, eta=0.05, resample=False)
    assert min(two_features.groups(method(misled, two_features.data, two_features.clean))) > two_features.misled + 0.25


def test_weight_decay_is_its_own_where_given(model, data, clean, recipe):
    free, held = (
        GroupDro(recipe, weight_decay=decay, best_epoch=False)(model, data, clean)[0].weight.norm()
        for decay in (None, 1.0)
    )
    assert held < free / 2


def test_groups_need_no_order(model, data, clean, recipe):
    """Group numbers with gaps are the same groups."""
    apart = Examples(data.inputs, data.labels, 10 * data.groups)
    one, other = (GroupDro(recipe)(model, examples, clean)(data.inputs) for examples in (data, apart))
    assert one.equal(other)
