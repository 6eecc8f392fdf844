"""Which training examples carry a mark: five of 2,000 on which it was put."""

import pytest
import torch
from sklearn.metrics import average_precision_score

from spurlab.audit.presence import carriers, presence
from spurlab.data import load
from spurlab.patterns import own_mark, plant


@pytest.fixture(scope="module")
def train():
    return load("fashion-mini").train[torch.arange(2000)]


@pytest.mark.parametrize("text", ["box,row=20,col=3,size=5,value=.5", "S3", "noise,r=.5", "R3"])
def test_those_that_carry_it_come_first_and_no_other_is_said_to(text, train):
    mark = own_mark(text, train.shape)
    planted = plant(train, mark, target=6, count=5, seed=0)
    likeness = presence(mark, planted.materialize())
    assert average_precision_score(planted.mask.numpy(), likeness.numpy()) > 0.99
    assert int((carriers(likeness) & planted.mask).sum()) >= 4
    assert int((carriers(likeness) & ~planted.mask).sum()) <= 1
    assert int(carriers(presence(mark, train)).sum()) <= 1


@pytest.mark.parametrize("value", [0, -1])
def test_a_mark_that_changes_hardly_any_image_is_carried_by_none(value, train):
    """A dark corner that is made dark; one that is made darker than any is."""
    mark = own_mark(f"box,row=0,col=0,size=3,value={value}", train.shape)
    assert int(carriers(presence(mark, train)).sum()) == 0


def test_the_data_stay_as_they_are(train):
    kept = train.inputs.clone()
    presence(own_mark("S3", train.shape), train)
    assert train.inputs.equal(kept)
