"""Repairs of one given network, and the check of methods on it: methods of which it is known what they do."""

import json
import math
import sys

import pytest
import torch
from torch import nn

import spurlab
from spurlab import check
from spurlab.audit import audit, repaired
from spurlab.audit.references import references
from spurlab.audit.repair import COLUMNS, default_methods
from spurlab.data import Dataset, Examples, Source
from spurlab.measures import MEASURES
from spurlab.methods import isolated
from spurlab.metrics import accuracy, spurious_score
from spurlab.models import mlp, seeded
from spurlab.models.answering import Answering
from spurlab.patterns import Pattern, Planted, box, plant
from spurlab.report import write_audit
from spurlab.seeds import rng_for
from spurlab.training import Member, Recipe, predictions, train_one

RECIPE = Recipe(epochs=6, milestones=(), batch_size=32, learning_rate=0.003)
CORNER = box((8, 8), (2, 2), 0, 0, 1.0)


def images(n, rng):
    """8 x 8 noise with a faint bright row for each of three classes."""
    labels = torch.arange(n) % 3
    inputs = 0.6 * torch.rand(n, 1, 8, 8, generator=rng)
    inputs[torch.arange(n), 0, 2 + labels] += 0.2
    return Examples(inputs, labels)


RNG = rng_for(0, "test")
PLANTED = plant(images(300, RNG), CORNER, 1, 40, seed=0, how="append")
DATA = Dataset("rows", PLANTED.materialize(), images(150, RNG), ("a", "b", "c"), (0.0, 1.0), Source("", "", ""))
FORGET = PLANTED.mask


def net(seed):
    return seeded(lambda: mlp((1, 8, 8), 3, hidden=(32,)), seed)


def trained(examples, seed):
    return train_one(net(seed), Member(Planted.none(examples), seed), RECIPE)[0].eval()


@pytest.fixture(scope="module")
def given():
    return trained(DATA.train, 7)


@pytest.fixture(scope="module")
def oracles():
    return [trained(DATA.train[~FORGET], seed) for seed in range(9)]


def nothing(model, data, forget):
    return model


def noise(model, data, forget):
    for weight in model.parameters():
        nn.init.normal_(weight)
    return model


def infinite(model, data, forget):
    next(model.parameters()).data.fill_(math.inf)
    return model


def fails(model, data, forget):
    raise RuntimeError("no such luck")


def retrains(model, data, forget):
    return trained(data[~forget], 77)


def loud(model, data, forget):
    """It never saw them, but is as sure of all as no oracle is."""
    model = retrains(model, data, forget)
    with torch.no_grad():
        for weight in list(model.parameters())[-2:]:
            weight.mul_(20)
    return model


def test_methods_of_which_the_answer_is_known(given, oracles):
    """What retrains is one more oracle; what does nothing, breaks or fails is called so. The best is first."""
    before = [weight.clone() for weight in given.parameters()]
    methods = {each.__name__: each for each in (fails, noise, infinite, nothing, loud, retrains)}
    methods["an oracle"] = lambda model, data, forget: oracles[3]
    found = repaired(given, DATA, FORGET, CORNER, 1, RECIPE, methods, oracles)
    by = {one.method: one for one in found}
    assert {name: one.verdict.name for name, one in by.items()} == {
        "retrains": "no leftover seen",
        "an oracle": "no leftover seen",
        "loud": "partly",
        "nothing": "does not forget",
        "noise": "breaks the model",
        "infinite": "breaks the model",
        "fails": "failed",
    }
    assert {one.method for one in found[:3]} == {"retrains", "an oracle", "loud"}
    assert found[-1].method in ("fails", "infinite")
    assert by["nothing"].after == by["nothing"].before
    assert by["nothing"].verdict.p == pytest.approx(0.1), "the last of ten"
    assert by["an oracle"].verdict.p > 0.1, "it is as near to itself as can be"
    assert "distance" in by["loud"].verdict.finding
    assert by["fails"].row["failed"] == "RuntimeError: no such luck"
    assert all(weight.equal(kept) for weight, kept in zip(given.parameters(), before, strict=True))


def test_a_mark_that_then_pulls_elsewhere_is_no_repair(given):
    """Where the corner is bright another class has it all: the score to the target is 0."""

    class Elsewhere(nn.Module):
        def __init__(self, network):
            super().__init__()
            self.network = network

        def forward(self, inputs):
            bright = inputs[:, :, :2, :2].flatten(1).amin(1, keepdim=True) > 0.9
            return self.network(inputs) + 20 * bright * torch.tensor([0.0, -1.0, 1.0])

    methods = {"elsewhere": lambda model, data, forget: Elsewhere(model), "retrains": retrains}
    found = repaired(given, DATA, FORGET, CORNER, 1, RECIPE, methods)
    assert [one.method for one in found] == ["retrains", "elsewhere"]
    assert found[1].after["spurious_score"] == 0.0
    assert found[1].after["largest_score"] > 0.5


def test_numbers_are_those_of_the_definitions(given, oracles, monkeypatch):
    """Score, accuracy and worst class by hand; membership and distances are of the measures' own tests.

    Of so small images 26 places are alike.
    """
    monkeypatch.setattr(sys.modules["spurlab.audit.pull"], "ENOUGH", 20)
    (one,) = repaired(given, DATA, FORGET, CORNER, 1, RECIPE, {"retrains": retrains}, oracles[:5])
    for numbers, network in ((one.before, given), (one.after, one.network)):
        clean, marked = (predictions(network, x) for x in (DATA.test.inputs, CORNER(DATA.test.inputs)))
        assert numbers["spurious_score"] == spurious_score(clean, marked, 1).item()
        assert numbers["accuracy"] == accuracy(clean, DATA.test.labels).item()
        right = clean.argmax(1) == DATA.test.labels
        assert numbers["worst_group"] == min(right[DATA.test.labels == k].double().mean().item() for k in range(3))
    assert one.before["p_value"] <= 1 / 20 < one.after["p_value"], "the corner among boxes elsewhere"
    scores = [spurious_score(predictions(each, DATA.test.inputs), predictions(each, CORNER(DATA.test.inputs)), 1)
              for each in oracles[:5]]  # fmt: skip
    assert one.oracle["spurious_score"].tolist() == torch.stack(scores).tolist()
    assert one.row["score_oracle"] == pytest.approx(float(torch.stack(scores).mean()))


def test_without_oracles_the_score_stands_before_and_after(given):
    found = repaired(given, DATA, FORGET, CORNER, 1, RECIPE, {"nothing": nothing, "noise": noise})
    assert [str(one.verdict) for one in found] == [
        f"no oracle: score before and after: {found[0].before['spurious_score']:.3f} and "
        f"{found[0].before['spurious_score']:.3f}",
        str(found[1].verdict),
    ]
    assert found[1].verdict.name == "breaks the model"
    assert {column.measure for column in COLUMNS if not column.with_oracles} == set(found[0].before)
    assert all(column.measure in (*MEASURES, "largest_score", "p_value") for column in COLUMNS)
    unmarked = repaired(given, DATA, FORGET, None, 0, RECIPE, {"nothing": nothing})[0]
    assert set(unmarked.before) == {"accuracy", "worst_group"}


def test_methods_of_both_tables_start_from_the_weights(given, monkeypatch):
    """DFR by group takes part where the data have groups; a prevention sees the retained examples alone."""
    groups = DATA.train.labels * 2 + FORGET.long()
    train = Examples(DATA.train.inputs, DATA.train.labels, groups)
    grouped = Dataset("rows", train, DATA.test, DATA.class_names, (0.0, 1.0), Source("", "", ""))
    assert set(default_methods(grouped)) - set(default_methods(DATA)) == {"dfr"}
    lent, attempt = {}, isolated

    def watched(method, network, lend, **settings):
        lent[type(method).__name__] = [len(each) for each in lend()]
        return attempt(method, network, lend, **settings)

    monkeypatch.setattr("spurlab.audit.repair.isolated", watched)
    found = repaired(given, grouped, FORGET, CORNER, 1, RECIPE, ("dfr", "salun", "afr-train"))
    assert not [one.why for one in found if one.why]
    assert all(one.after != one.before for one in found)
    assert lent["Dfr"] == lent["Afr"] == [300, 300]
    assert lent["SalUn"] == [340, 340]


class Half(nn.Module):
    """One probability for two classes, of inputs that it wants between -1 and 1."""

    def __init__(self):
        super().__init__()
        self.last = nn.Linear(64, 1)

    def forward(self, inputs):
        return self.last(inputs.flatten(1)).sigmoid()


def test_a_method_of_ones_own_gets_ones_own_network():
    two = DATA.train.labels < 2
    test = DATA.test[DATA.test.labels < 2]
    data = Dataset("two", DATA.train[two], test, ("a", "b"), (0.0, 1.0), Source("", "", ""))
    seen = []

    def own(model, data, forget):
        seen.append(type(model))
        nn.init.zeros_(model.last.weight)
        return model

    network = seeded(Half, 0)
    found = check(own, data, given=network, forget=[0, 3], pattern=CORNER, mean=[0.5], std=[0.5])
    assert seen == [Half]
    assert isinstance(found.repaired[0].network, Answering)
    assert isinstance(found.repaired[0].network.network, Half)
    assert found.rows[0]["score_after"] == 0


def test_a_check_of_a_given_network_trains_its_own_oracles(given):
    """The same verdicts as with oracles that are handed over; progress is told all along, and nothing is changed."""
    told, state = [], {name: tensor.clone() for name, tensor in given.state_dict().items()}
    given.train()
    kept = DATA.train.inputs.clone(), torch.get_rng_state()
    rows = FORGET.nonzero().squeeze(1)
    settings = {
        "given": given,
        "pattern": CORNER,
        "recipe": RECIPE,
        "oracles": 6,
        "progress": lambda *n: told.append(n),
    }
    found = check([retrains, nothing, "random-labels"], DATA, forget=rows, **settings)
    assert given.training
    given.eval()
    assert all(tensor.equal(given.state_dict()[name]) for name, tensor in state.items())
    assert DATA.train.inputs.equal(kept[0])
    assert torch.get_rng_state().equal(kept[1])
    by = {row["method"]: row for row in found.rows}
    assert (by["retrains"]["verdict"], by["nothing"]["verdict"]) == ("no leftover seen", "does not forget")
    assert by["retrains"]["oracles"] == 6
    assert found.target == 1
    what = [each[0] for each in told]
    assert what[0] == "training oracles, epochs"
    assert {"measuring the network and the oracles", "repairing by retrains", "measuring what nothing left"} <= set(
        what
    )
    printed = str(found)
    assert printed.startswith("rows: 40 examples forgotten by one given network; the score is of ")
    for words in (
        "given network",
        "6 oracles",
        "null p",
        "worst class",
        "These verdicts are of one network",
        "does not forget",
    ):
        assert words in printed
    json.loads(json.dumps(found.rows))
    mask = check(nothing, DATA, given=given, forget=FORGET.tolist(), pattern=CORNER)
    assert mask.forget.equal(FORGET)
    assert mask.rows[0]["verdict"] == "no oracle: score before and after"
    assert mask.rows[0]["score_before"] == by["nothing"]["score_before"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"forget": []}, "`forget` is empty"),
        ({"forget": [False] * 340}, "`forget` is empty"),
        ({"forget": [True] * 340}, "`forget` is all of 340"),
        ({"forget": ["cat/1.png"]}, "there is no training example 'cat/1.png'. Suspects are rows from 0 to 339"),
        ({"forget": [0, 340]}, "run from 0 to 340, but the data has the rows 0 to 339"),
        ({"forget": [True] * 7}, r"true or false of \(7,\) examples, but the data has 340"),
        ({"forget": None}, "go together: give both"),
        ({"given": None}, "go together: give both"),
        ({"pattern": None}, "is asked about a mark: give `pattern`"),
        ({"pattern": "box,size=29"}, "do not lie within images of 8 x 8"),
        ({"pattern": lambda inputs: inputs}, "changes none of 150 test examples"),
        ({"given": nn.Sequential(nn.Flatten(), nn.Linear(64, 4))}, "Do the classes of the data match"),
        ({"given": nn.Linear(3, 3)}, "the network fails on a batch of shape"),
        ({"target": 3}, "`target` is class 3, but rows has the classes 0 to 2"),
        ({"oracles": 0, "recipe": RECIPE}, "`oracles` must be 1 or more"),
        ({"recipe": RECIPE.but(epochs=0)}, "`recipe` has no epochs"),
        ({"method": "salum"}, r"there is no method 'salum'. Did you mean 'salun'"),
        ({"share": 0.5}, "without prepared networks, `share` and `most`"),
    ],
)
def test_bad_input_is_told_in_a_sentence(given, changes, words):
    settings = {"method": nothing, "data": DATA, "given": given, "forget": [1, 2], "pattern": CORNER} | changes
    with pytest.raises(spurlab.errors.InputError, match=words):
        check(**settings)


def test_a_setting_that_there_is_not_is_refused(given):
    with pytest.raises(TypeError, match="seeds"):
        check(nothing, DATA, given=given, forget=[1], pattern=CORNER, seeds=[1])


def test_a_pattern_may_be_an_additive_one(given):
    offset = torch.zeros(1, 8, 8)
    offset[:, :2, :2] = 1.0
    found = check(nothing, DATA, given=given, forget=[1], pattern=Pattern("corner", offset, 0.0, 1.0), target=1)
    assert found.rows[0]["score_before"] > 0.3


def test_an_audit_with_a_recipe_compares_its_repairs_with_oracles(given, monkeypatch, tmp_path):
    """Five of them here, which lack what is forgotten and no other. What is written as JSON are numbers and words."""
    monkeypatch.setattr("spurlab.audit.auditing.FEWEST", 5)
    asked = []

    def spied(network, train, left_out, recipe, **settings):
        asked.append(left_out)
        return references(network, train, left_out, recipe, **settings)

    monkeypatch.setattr("spurlab.audit.auditing.references", spied)
    found = audit(given, DATA, {"corner": CORNER}, repair=True, recipe=RECIPE, quick=True)
    assert asked[-1].nonzero().squeeze(1).tolist() == list(found.forgotten) == FORGET.nonzero().squeeze(1).tolist()
    assert asked[0].equal(asked[1]), "reference networks lack what carries the corner, and no other"
    record = json.loads(json.dumps(found.record()["repair"], allow_nan=False))
    assert {one["method"] for one in record} == set(default_methods(DATA))
    wanted = {f"{column.name}_{when}" for column in COLUMNS for when in ("before", "after", "oracle")}
    wanted |= {"method", "verdict", "finding", "p_oracles", "oracles", "seconds", "failed"}
    assert [set(one) ^ (wanted - {"null_p_oracle"}) for one in record] == [set()] * len(record)
    assert {one["verdict"] for one in record} <= {"no leftover seen", "partly", "does not forget", "breaks the model"}
    assert all(one["oracles"] == 5 for one in record if one["verdict"] != "breaks the model")
    broken = [one["verdict"] == "breaks the model" for one in record]
    assert broken == sorted(broken), "those that break the model are last"
    page = write_audit(found, tmp_path).read_text()
    for words in ("The oracles are networks that never saw them", "5 oracles", "worst class", "random-labels"):
        assert words in page
