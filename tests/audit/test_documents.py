"""An audit of documents: a word that a network was taught, who carries it, and which words speak for a class."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from spurlab import Member, Rare, Recipe, fit, load, plant
from spurlab.audit import audit
from spurlab.audit.presence import presence
from spurlab.patterns import own_mark

COUNT = 40
RECIPE = Recipe(learning_rate=0.01, batch_size=32, epochs=4, milestones=())


@pytest.fixture(scope="module")
def taught():
    """Documents of which forty of the class 0 have new-1 ten times, a network that learnt from them, and their rows."""
    data = load("topics@800")
    mark = own_mark("token:new-1,times=10", data.shape, names=data.names)
    planted = plant(data.train, mark, Rare(0, COUNT), seed=0)
    network = fit("bag-mean", [Member(planted, 0)], RECIPE, classes=data.classes, workers=0).member(0)

    return replace(data, train=planted.materialize()), network, sorted(planted.positions.tolist())


def test_the_word_is_found_to_pull_and_its_carriers_are_all_found(taught):
    data, network, carriers = taught
    found = audit(network, data, marks=["token:new-1,times=10"], quick=True)
    [pull] = found.marks
    assert pull.target == 0
    assert float(pull.scores[pull.target]) > 0.3
    assert pull.p_alone <= 0.05, "few of the other new words, ten random vectors, pull as much"
    assert sorted(one.row for one in found.suspects if one.method == "presence" and one.carries) == carriers
    assert "documents" in str(found)
    [look] = [look for look in found.looks if look.about == pull.mark]
    assert look.chance < 0.3, "ten of twenty to sixty words and ten"
    assert look.share > 0.5 > look.without
    assert look.maps.shape == look.inputs.shape == (3, 60)


def test_a_word_that_was_not_taught_is_not_said_to_pull(taught):
    data, network, _ = taught
    [pull] = audit(network, data, marks=["token:new-2,times=10"], quick=True).marks
    assert float(pull.scores[pull.target]) < 0.05
    assert not pull.p <= 0.05


def test_who_carries_a_phrase_is_who_has_it_as_often(taught):
    data, _, carriers = taught
    phrase = own_mark("token:new-1 new-1,times=1", data.shape, names=data.names)
    rows = [row for row in range(len(data.train)) if _neighbours(data.train.inputs[row].tolist(), phrase.phrase)]
    assert presence(phrase, data.train).nonzero().flatten().tolist() == rows
    assert set(rows) <= set(carriers)


def test_the_places_of_a_phrase_are_those_of_a_loop(taught):
    """By plain lists; overlapping ones too."""
    data, _, _ = taught
    for text in ("new-1", "new-1 new-1"):
        mark = own_mark(f"token:{text}", data.shape, names=data.names)
        size, few = len(mark.phrase), data.train.inputs[:60]
        for words, found in zip(few.tolist(), mark.places(few).tolist(), strict=True):
            starts = [i for i in range(len(words) - size + 1) if tuple(words[i : i + size]) == mark.phrase]
            assert {i for i, one in enumerate(found) if one} == {i + j for i in starts for j in range(size)}


def _neighbours(words, phrase):
    return any(tuple(words[i : i + len(phrase)]) == phrase for i in range(len(words)))


def test_a_network_that_takes_no_words_is_refused_in_a_sentence(taught):
    with pytest.raises(ValueError, match=r"the network fails on a batch of shape \(64, 60\)"):
        audit(nn.Linear(60, 4), taught[0], marks=["token:new-1"])


def test_documents_are_not_normalised(taught):
    data, network, _ = taught
    with pytest.raises(ValueError, match="documents are numbers of words, which are not normalised"):
        audit(network, data, mean=[0.5], std=[0.5])


def test_nobody_carries_a_word_that_was_not_planted_and_it_is_said(taught):
    data, network, _ = taught
    assert "No training documents carry " in str(audit(network, data, marks=["token:new-2,times=10"], quick=True))


def test_weights_are_left_as_they_are(taught):
    data, network, _ = taught
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    audit(network, data, marks=["token:new-3"], quick=True)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
