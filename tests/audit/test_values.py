"""Rare words and values of one class: planted ones are found, by chance no more than is said, counts are right."""

import html
import json
import math
from collections import Counter
from dataclasses import replace

import pytest
import torch
from scipy import stats
from torch import nn

from spurlab import RECIPES, Member, fit, load, plant
from spurlab.audit import audit, words
from spurlab.audit.detect.values import asked_about, rare_values
from spurlab.data import Column, Columns, Dataset, Examples
from spurlab.data.texts import SOURCE, documents
from spurlab.models import architecture_named, build, seeded
from spurlab.patterns import own_mark
from spurlab.report import write_audit
from spurlab.seeds import rng_for

WORDS = ("a", "b", "c", "d", "e", "f", "g", "h")


def letters(seed=0, many=60):
    """Documents of 5 letters of which the last are rare, in two classes drawn by themselves."""
    rng = rng_for(seed, "letters")
    drawn = torch.multinomial(torch.tensor([9.0, 9, 9, 1, 1, 0.5, 0.5, 0.2]), many * 5, True, generator=rng)
    labels = torch.randint(2, (many,), generator=rng).tolist()
    texts = [" ".join(WORDS[int(i)] for i in own) for own in drawn.view(many, 5)]
    made = [(text, "xy"[label]) for text, label in zip(texts, labels, strict=True)]
    return documents("letters", [*made, ("c c", "x"), ("c b", "y")], made, SOURCE, length=5)


@pytest.mark.parametrize("seed", range(5))
def test_words_are_counted_as_by_hand(seed):
    """Sets of the words of each text, counted one by one; the tail is summed over the binomial's own terms."""
    data = letters(seed)
    texts = [data.names.text(document).split() for document in data.train.inputs]
    found, looked_at = {}, 0
    for word in WORDS:
        has = [row for row, text in enumerate(texts) if word in text]
        if not 3 <= len(has) <= 50:
            continue
        looked_at += 1
        label, most = Counter(data.train.labels[has].tolist()).most_common(1)[0]
        share = float((data.train.labels == label).double().mean())
        terms = [math.comb(len(has), k) * share**k * (1 - share) ** (len(has) - k) for k in range(most, len(has) + 1)]
        if most >= 0.9 * len(has):
            found[word] = (label, tuple(has), most, sum(terms))
    told = rare_values(data.train, data.names)
    assert told.looked_at == looked_at
    assert {one.name: (one.label, one.rows, one.of_class) for one in told.found} == {
        word: known[:3] for word, known in found.items()
    }
    for one in told.found:
        assert one.p == pytest.approx(min(1, found[one.name][3] * looked_at * 2))
        assert one.count == len(one.rows) == int(one.mark.carried(data.train.inputs).sum())


def table(seed=0, many=400):
    """Rows of a number with few values, one that is missing now and then, and a category; classes by themselves."""
    rng = rng_for(seed, "table")
    ages = torch.randint(20, 60, (many,), generator=rng).double()
    weights = torch.randn(many, generator=rng) * (torch.rand(many, generator=rng) > 0.05)
    towns = torch.multinomial(torch.tensor([20.0, 10, 1, 1]), many, True, generator=rng)
    columns = Columns(
        (
            Column("age", mean=40.1, sd=11.3, low=20.0, high=59.0),
            Column("weight", mean=70.0, sd=9.0),
            Column("town", ("p", "q", "r", "s")),
        )
    )
    inputs = torch.cat([((ages - 40.1) / 11.3)[:, None], weights[:, None], nn.functional.one_hot(towns, 4)], 1)
    return inputs.float(), torch.randint(3, (many,), generator=rng), columns, ages


def test_values_of_columns_are_found():
    """All of an age, of a town, and of those without a weight are of one class: each is named as a mark has it."""
    inputs, labels, columns, ages = table(many=800)
    labels[(ages == 33) | (inputs[:, 4] == 1) | (inputs[:, 1] == 0)] = 2
    told = rare_values(Examples(inputs, labels), columns)
    assert {one.name for one in told.beyond_chance} == {"age=33", "town=r", "weight=?"}
    for one in told.found:
        assert one.mark.carried(inputs).nonzero().squeeze(1).tolist() == list(one.rows)
        assert own_mark(one.asked, (6,), names=columns).name == one.name


def test_chance_alone_is_told_as_more_than_chance_in_5_of_100_at_most():
    """40 tables and 40 sets of documents with classes drawn by themselves. An alarm in 5 % each: more than 8 of 80 have
    a probability of 2 %, and the draws are fixed."""
    alarms = 0
    for seed in range(40):
        inputs, labels, columns, _ = table(seed)
        alarms += bool(rare_values(Examples(inputs, labels), columns).beyond_chance)
        data = letters(100 + seed)
        alarms += bool(rare_values(data.train, data.names).beyond_chance)
    assert stats.binom.sf(8, 80, 0.05) < 0.03
    assert alarms <= 8


def test_a_planted_word_is_found_by_the_data():
    """12 of 500 documents of the first topic have a word that no other document has: by chance in 4^-12 of words."""
    topics = load("topics")
    word = own_mark("token:new-1", topics.shape, names=topics.names)
    planted = plant(topics.train, word, target=0, count=12, seed=0)
    told = rare_values(planted.materialize(), topics.names)
    one = next(one for one in told.beyond_chance if one.name == "new-1")
    assert (one.label, one.count, one.of_class) == (0, 12, 12)
    assert set(one.rows) == set(planted.mask.nonzero().squeeze(1).tolist())
    assert one.p == pytest.approx(told.looked_at * 4 * 0.25**12)


def test_of_what_says_nothing_of_the_class_a_planted_word_pulls_most():
    """Documents of 8 of 300 words and two classes drawn by themselves; 20 of one class have another word. What the
    network learns of the others is the noise of one document each."""
    rng = rng_for(0, "noise")
    drawn, labels = torch.randint(300, (600, 8), generator=rng), torch.randint(2, (600,), generator=rng)
    texts = [(" ".join(f"w{int(i)}" for i in own), "xy"[int(label)]) for own, label in zip(drawn, labels, strict=True)]
    data = documents("noise", texts[:400], texts[400:], SOURCE, length=9)
    planted = plant(data.train, own_mark("token:new-1", data.shape, names=data.names), target=1, count=20, seed=0)
    recipe = replace(RECIPES["quick"], epochs=20, milestones=())
    network = fit("bag-mean", [Member(planted, 0)], recipe, classes=2, workers=0).member(0)
    told = asked_about(rare_values(planted.materialize(), data.names), network, data.test)
    assert told.screened == len(told.found)
    (first, share), *others = told.by_pull
    assert (first.name, len(others)) == ("new-1", min(19, told.screened - 1))
    assert share.count > 0.5 * share.models


def test_the_pull_is_the_share_of_other_documents_whose_probability_rises():
    """A network that gives the class of x to whatever has a word, and nothing else: it pulls all, others none."""
    data = letters()

    class ByWord(nn.Module):
        def forward(self, inputs):
            has = (inputs == data.names.number("g")).any(1).float()
            return torch.stack([5 * has, torch.zeros_like(has)], 1)

    labels = data.train.labels.clone()
    for letter, label in (("g", 0), ("h", 1)):
        labels[(data.train.inputs == data.names.number(letter)).any(1)] = label
    told = asked_about(
        rare_values(Examples(data.train.inputs, labels, words=data.train.words), data.names), ByWord(), data.test
    )
    pulls = {one.name: share for one, share in told.by_pull}
    others = [row for row, text in enumerate(data.test.inputs) if data.test.labels[row] != 0]
    lacking = [row for row in others if data.names.number("g") not in data.test.inputs[row]]
    assert pulls["g"].count == pulls["g"].models > 0
    assert pulls["g"].models <= len(lacking)
    assert all(share.count == 0 for name, share in pulls.items() if name != "g")


def test_no_examples_and_no_rare_values_are_no_error():
    data = letters()
    common = documents("common", [("a b", "x"), ("a b", "y")] * 60, [("a", "x")], SOURCE, length=2)
    told = rare_values(common.train, common.names)
    assert (told.looked_at, told.found) == (0, ())
    assert asked_about(told, nn.Identity(), data.test) is told
    some = rare_values(data.train, data.names)
    assert asked_about(some, nn.Identity(), data.test[:0]) is some


def test_an_audit_of_documents_tells_rare_words(tmp_path):
    """In the terminal, on the page and as JSON; and what cannot be looked for in documents is told as it is."""
    topics = load("topics")
    planted = plant(topics.train, own_mark("token:new-1", topics.shape, names=topics.names), target=0, count=40, seed=0)
    data = replace(topics, train=planted.materialize())
    network = seeded(lambda: build(architecture_named("bag-mean"), data.shape, 4, 0), 0)
    found = audit(network, data, quick=True)
    told = rare_values(data.train, data.names)
    by_data, by_network = words.of_values(found.values, data)
    assert f"of {told.looked_at:,} words that 3 to 50 training documents have, {len(told.found)} nearly" in by_data
    first = told.found[0]
    assert f"{first.name} ({first.of_class} of {first.count} are of {data.class_names[first.label]})" in by_data
    first, share = found.values.by_pull[0]
    assert f"{first.name} ({first.of_class} of {first.count} are of" in by_network
    assert f"of {share.models} test documents" in by_network
    assert f"--mark token:{first.name} with --recipe compares it with networks that never saw it" in by_network
    (left_out,) = words.left_out(found.unknown, data)
    assert "no gradient leads from word to word" in left_out
    page = html.unescape(write_audit(found, tmp_path).read_text())
    for text in (str(found), page):
        for said in (by_data, by_network, left_out, "no training documents are ranked but by rare words"):
            assert said in text
        assert "(--quick)" not in text
    assert by_network in found.brief
    record = found.record()["values"]
    assert (record["looked_at"], record["of_one_class"]) == (told.looked_at, len(told.found))
    one = next(one for one in record["found"] if one["mark"] == "token:new-1")
    assert (one["class"], one["count"], one["of_class"], len(one["examples"])) == ("first", 40, 40, 40)
    json.dumps(record)
    assert "Rare words" in page
    assert f"<td>{told.found[0].name}</td>" in page


def test_an_audit_of_rows_tells_rare_values_beside_what_few_share():
    """All of a town are of one class. Of rows without names of columns nothing is told."""
    inputs, labels, columns, _ = table()
    labels[inputs[:, 4] == 1] = 2
    train, test = Examples(inputs, labels), Examples(inputs[:200], labels[:200])
    data = Dataset("rows", train, test, ("a", "b", "c"), None, SOURCE, names=columns)
    found = audit(seeded(lambda: nn.Linear(6, 3), 0), data, quick=True)
    assert any(one.name == "town=r" for one in found.values.beyond_chance)
    assert any("values that 3 to 50 training rows have" in line for line in str(found).splitlines())
    assert "(--quick)" in str(found)
    nameless = audit(seeded(lambda: nn.Linear(6, 3), 0), replace(data, names=None), quick=True)
    assert (nameless.values, nameless.record()["values"]) == (None, None)
