"""Which training examples carry a mark: five of 2,000 on which it was put."""

import pytest
import torch
from sklearn.metrics import average_precision_score
from torch import Tensor
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from spurlab.audit.detect.centred import Centred
from spurlab.audit.presence import carriers, presence
from spurlab.data import Examples, load, places, room
from spurlab.patterns import own_mark, plant
from spurlab.seeds import seed_for, seed_global


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


@pytest.mark.parametrize("text", ["spike,at=12,height=6", "sine,height=2"])
def test_of_signals_too(text):
    """The components of 40 features must not span them all: then nothing is left to tell by, and nobody carries it."""
    signals = load("mnist1d").train
    mark = own_mark(text, signals.shape, clip=None)
    planted = plant(signals, mark, target=0, count=30, seed=0)
    have = carriers(presence(mark, planted.materialize()))
    assert int((have & planted.mask).sum()) >= 28
    assert int((have & ~planted.mask).sum()) <= 3
    assert int(carriers(presence(mark, signals)).sum()) <= 3


@pytest.mark.parametrize(("classes", "least"), [((6, 2), 0.5), (range(10), 0.9)], ids=["two classes", "ten"])
def test_a_mark_that_most_of_a_class_carry_is_told_by_the_others(classes, least, train):
    """Noise on 19 of 20 shirts is among the first components of all examples, but not among those of the others."""
    mark = own_mark("noise,r=.5", train.shape)
    some = train[torch.isin(train.labels, torch.tensor(list(classes)))]
    planted = plant(some, mark, target=6, count=int(0.95 * (some.labels == 6).sum()), seed=0)
    have = carriers(presence(mark, planted.materialize()))
    assert int((have & planted.mask).sum()) >= least * int(planted.mask.sum())
    assert int((have & ~planted.mask).sum()) == 0
    assert not bool(carriers(presence(mark, some)).any())


@pytest.mark.parametrize("value", [0, -1])
def test_a_mark_that_changes_hardly_any_image_is_carried_by_none(value, train):
    """A dark corner that is made dark; one that is made darker than any is."""
    mark = own_mark(f"box,row=0,col=0,size=3,value={value}", train.shape)
    assert int(carriers(presence(mark, train)).sum()) == 0


def test_the_data_stay_as_they_are(train):
    kept = train.inputs.clone()
    told = []
    presence(own_mark("S3", train.shape), train, progress=lambda *now: told.append(now))
    assert train.inputs.equal(kept)
    assert told == [(0, 4), (1, 4), (2, 4), (3, 4)]


@pytest.mark.parametrize("text", ["box,row=20,col=3,size=5,value=.5", "noise,r=.5"])
def test_in_parts_the_numbers_are_the_same(text, train, monkeypatch):
    few = train[torch.arange(600)]
    mark = own_mark(text, few.shape)
    planted = plant(few, mark, target=6, count=5, seed=0).materialize()
    whole = presence(mark, planted)
    monkeypatch.setattr("spurlab.audit.detect.centred.AT_ONCE", 100 * 784)
    assert_close(presence(mark, planted), whole, rtol=0, atol=1e-4)
    assert float(whole.max()) > 0.9


@pytest.mark.parametrize(("wide", "count"), [(4000, 300), (500, 1800), (500, 300)], ids=["exact", "tall", "wide"])
def test_components_in_parts_span_those_of_the_whole(wide, count, train, monkeypatch):
    """Both decompositions, the second with more examples than numbers and with fewer; those of PyTorch."""
    few = train[torch.arange(count)]
    monkeypatch.setattr("spurlab.audit.detect.centred.AT_ONCE", 100 * 784)
    monkeypatch.setattr("spurlab.audit.detect.centred.WIDE", wide)
    rows = torch.arange(0, count, 2)
    flat = few.inputs[rows].flatten(1).double()
    if wide == 4000:
        whole = torch.linalg.svd(flat - flat.mean(0), full_matrices=False).Vh[:20].T.float()
    else:
        with torch.random.fork_rng(devices=[]):
            seed_global(seed_for(0, "components"))
            whole = torch.svd_lowrank((flat - flat.mean(0)).float(), 30, niter=6)[2][:, :20]
    parts = Centred.of(few.inputs, rows).principal(20)
    assert_close(parts @ parts.T, whole @ whole.T, rtol=0, atol=1e-4)


def test_data_in_a_file_are_never_copied_whole(train, monkeypatch, tmp_path):
    """The largest tensor that is made in memory is a few times what is looked at together, far below the data."""
    made = Largest()
    monkeypatch.setattr("spurlab.data.memory.MOST", 0.0)
    monkeypatch.setattr(places, "user_cache_path", lambda app: tmp_path / app)
    monkeypatch.setattr("spurlab.audit.detect.centred.AT_ONCE", 50 * 784)
    monkeypatch.setattr("spurlab.audit.detect.centred.WIDE", 500)  # else the covariance is the largest
    inputs = room(*train.inputs.shape)
    inputs[:] = train.inputs
    mark = own_mark("box,row=20,col=3,size=5,value=.5", train.shape)
    with made:
        likeness = presence(mark, Examples(inputs, train.labels))
    assert likeness.shape == (2000,)
    assert 50 * 784 <= made.numbers <= 2000 * 60 < inputs.numel() / 10  # 60 numbers of each example: those decomposed
    with made:
        inputs - inputs.mean(0)
    assert made.numbers == inputs.numel()


class Largest(TorchDispatchMode):
    """The most numbers of a result that has memory of its own: no view, and not written into what was there."""

    def __init__(self):
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        given = {each.untyped_storage().data_ptr() for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)}
        results = func(*args, **(kwargs or {}))
        for each in tree_leaves(results):
            if isinstance(each, Tensor) and each.untyped_storage().data_ptr() not in given:
                self.numbers = max(self.numbers, each.numel())
        return results
