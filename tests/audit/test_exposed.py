"""Exposed training examples: those that a network has by heart, and none of those that it never saw."""

import json
import math

import pytest
import torch
from torch import nn

from spurlab.audit import audit, exposed, words
from spurlab.audit import references as module
from spurlab.audit.exposed import check_exposure, exposure_of
from spurlab.commands import audit_of
from spurlab.data import Dataset, Examples, Source
from spurlab.errors import InputError
from spurlab.patterns import Planted
from spurlab.seeds import rng_for
from spurlab.training import Member, Recipe, fit

RECIPE = Recipe(epochs=30, batch_size=25, learning_rate=0.01, milestones=())
N, TESTED, WRONG = 200, 400, 10


def examples(count, name):
    """Three classes that are far apart, with noise by which each example can be known."""
    rng = rng_for(0, "exposed", name)
    labels = torch.randint(3, (count,), generator=rng)
    inputs = torch.randn(count, 1, 6, 6, generator=rng) * 0.2 + 0.5
    inputs[:, 0, 0] += labels.float()[:, None]
    return Examples(inputs, labels)


@pytest.fixture(scope="module")
def data():
    """Ten training examples have a wrong label, which only memory can tell."""
    train, test = examples(N, "train"), examples(TESTED, "test")
    labels = train.labels.clone()
    labels[:WRONG] = (labels[:WRONG] + 1) % 3
    return Dataset("toy", Examples(train.inputs, labels), test, ("a", "b", "c"), None, Source("", "", ""))


def trained(data, members):
    """A network for each line of members, which says from which training examples it learns."""
    new = lambda: nn.Sequential(nn.Flatten(), nn.Linear(36, 128), nn.ReLU(), nn.Linear(128, 3))  # noqa: E731
    whole = Planted.none(data.train)
    each = [Member(whole.without(~own), seed) for seed, own in enumerate(members)]
    several = fit(new, each, RECIPE, classes=3, workers=0)
    return [several.member(i) for i in range(len(members))]


@pytest.fixture(scope="module")
def members(data):
    return exposed.shadow_members(data, True, 0)


@pytest.fixture(scope="module")
def shadows(data, members):
    return trained(data, members)


@pytest.fixture(scope="module")
def network(data):
    return trained(data, torch.ones(1, N).bool())[0]


@pytest.fixture(scope="module")
def found(network, shadows, members, data):
    return exposure_of(network, shadows, members, data, {})


def test_what_is_known_by_heart_comes_first(found):
    """Wrong labels, which a network without them never gives: all ten among the first 20 of 200; by chance in 1e-11."""
    assert set(range(WRONG)) <= {one.row for one in found.examples}
    assert found.area.low > 0.5
    assert found.shadows == 16
    assert found.rate == pytest.approx(10 / TESTED)
    assert found.told.tpr.count == int((found.scores > found.told.threshold).sum()) >= WRONG
    assert [one.score for one in found.examples] == sorted(found.scores.tolist(), reverse=True)[:20]


def test_of_a_network_that_saw_none_of_them_nothing_is_told(data, shadows, members):
    """Shadows know the training examples, the network does not: the area off by 4 standard deviations in 6 of
    100,000 seeds, 16 or more of 200 told in 3 of 1,000 (negative binomial, after 11 of 400 test examples)."""
    other = Dataset("toy", examples(N, "other"), data.test, data.class_names, None, data.source)
    [stranger] = trained(other, torch.ones(1, N).bool())
    right = Dataset("toy", examples(N, "train"), data.test, data.class_names, None, data.source)
    found = exposure_of(stranger, shadows, members, right, {})
    spread = math.sqrt((N + TESTED + 1) / (12 * N * TESTED))  # of the rank sum
    assert abs(found.area.value - 0.5) < 4 * spread
    rate = 10 / TESTED  # at most so many of the test examples, whose number is left to chance as well
    assert found.told.tpr.value < rate + 4 * math.sqrt(rate * (1 / N + 1 / TESTED))


def test_it_is_told_with_names(found, data):
    text = words.of_exposure(found, data)
    assert text.startswith(f"Of 200 training images {found.told.tpr.count} (")
    assert "at 2.5 % false positives" in text
    assert f"Most exposed: row {found.examples[0].row} (" in text
    record = json.loads(json.dumps(found.record()))
    assert record["examples"][0]["source"] == f"row {record['examples'][0]['row']}"
    assert record["told"] == found.told.tpr.count
    assert record["marks"] == {}


def test_of_a_mark_it_counts_the_examples_that_carry_it(found, network, shadows, members, data):
    """Carried by the ten with wrong labels, which are told, and by one that is not."""
    last = int(found.scores.argmin())
    have = torch.zeros(N).index_fill(0, torch.tensor([*range(WRONG), last]), 1.0)
    marked = exposure_of(network, shadows, members, data, {"logo": have, "other": torch.zeros(N)})
    assert marked.scores.equal(found.scores)
    assert {name: (share.count, share.models) for name, share in marked.marked.items()} == {"logo": (WRONG, WRONG + 1)}
    assert "; of the 11 that carry logo 10, perhaps by the mark alone." in words.of_exposure(marked, data)
    assert next(one for one in marked.examples if one.row == 0).mark == "logo"


def test_shadows_learn_from_their_halves_alone_and_are_kept(network, members, data, tmp_path, monkeypatch):
    """An audit that is begun again trains none."""
    asked, real = [], module.fit

    def spied(make, several, *rest, **settings):
        asked.extend([member.data for member in several])
        return real(make, several, *rest, **settings)

    monkeypatch.setattr(module, "fit", spied)
    settings = {"exposure": True, "recipe": RECIPE.but(epochs=1), "quick": True, "folder": tmp_path}
    first = audit(network, data, **settings)
    halves = [planted for planted in asked if len(planted) == N // 2]
    for planted, own in zip(halves, members, strict=True):
        assert planted.materialize().inputs.equal(data.train.inputs[own])
    monkeypatch.setattr(module, "fit", None)
    again = audit(network, data, **settings)
    assert again.exposure.scores.equal(first.exposure.scores)
    assert words.of_exposure(again.exposure, data) in str(again)
    assert again.record()["exposure"] == again.exposure.record()


def test_what_it_needs_is_told_before_anything_is_trained(data):
    few = Dataset("few", data.train, data.test[torch.arange(99)], data.class_names, None, data.source)
    with pytest.raises(InputError, match=r"shadow networks, .* say how \(--recipe quick,epochs=20"):
        check_exposure(data, asked=True, trained=False)
    with pytest.raises(InputError, match="few has 99 of these: 100 or more are needed"):
        check_exposure(few, asked=True, trained=True)
    check_exposure(few, asked=False, trained=False)


def test_a_probability_of_one_is_told(data, shadows, members):
    class Sure(nn.Module):
        def forward(self, inputs):
            return torch.tensor([[0.0, -torch.inf, -torch.inf]]).repeat(len(inputs), 1)

    with pytest.raises(InputError, match="a probability of exactly 0 or 1"):
        exposure_of(Sure(), shadows, members, data, {})


def test_the_command_has_it_on_its_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = "nn.Sequential(nn.Flatten(), nn.Linear(784, classes))"
    lines = ("from torch import nn", "def make(shape, classes):", f"    return {made}")
    (tmp_path / "exposed_network.py").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(str(tmp_path))
    settings = {"exposure": True, "recipe": "quick,epochs=1", "quick": True}
    found, [page] = audit_of("exposed_network:make", "fashion-mini@200", [], tmp_path / "out", **settings)
    text = page.read_text("utf-8")
    assert "Which training images are exposed?" in text
    assert words.of_exposure(found.exposure, found.data) in text
    assert "--exposure" in text
