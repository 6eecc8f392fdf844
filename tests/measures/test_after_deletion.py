"""What a deletion did, of networks whose answers are known by hand, and relearning from where that must lead."""

import copy
import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from spurlab.data import Dataset, Examples, Source
from spurlab.measures import MEASURES, Answers, Deleted, MarkedTests, Observed, effects
from spurlab.measures.forgotten import losses
from spurlab.measures.relearning import relearn_steps
from spurlab.metrics import margins, oracle_distance
from spurlab.models import mlp, seeded
from spurlab.patterns import Pattern, plant
from spurlab.seeds import rng_for
from spurlab.training import Member, Recipe, predictions, train_one

TARGET = 0
# the inputs are: one-hot class (3), the pattern's place, a place that is 1 in examples of the training set alone
MARK = Pattern("mark", torch.tensor([[[0.0, 0.0, 0.0, 1.0, 0.0]]]), None, None)


def one_hot(n, member):
    labels = torch.arange(n) % 3
    inputs = torch.cat([torch.eye(3)[labels], torch.tensor([[0.0, member]]).expand(n, 2)], 1)
    return Examples(inputs.view(n, 1, 1, 5), labels)


@pytest.fixture(params=["replace", "append"])
def planted(request):
    return plant(one_hot(60, 1.0), MARK, TARGET, 6, 0, how=request.param)


@pytest.fixture
def test_set():
    return one_hot(30, 0.0)


def linear(of_class=4.0, of_mark=0.0, of_member=0.0):
    """Logits: so much for the class that is marked in the input, and so much for the target by the other two."""
    layer = nn.Linear(5, 3, bias=False)
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[:, :3] = of_class * torch.eye(3)
        layer.weight[TARGET, 3:] = torch.tensor([of_mark, of_member])
    return nn.Sequential(nn.Flatten(), layer).eval()


def observed(network, planted, test_set, oracles=(), before=None, forget=None, mark=MARK):
    """A network after a deletion; before it was nothing to come back to, unless it is said: relearning takes long."""
    data = Dataset("by hand", planted.base, test_set, ("a", "b", "c"), None, Source("", "", ""))

    def seen(network):
        answers = Answers(network, lambda: planted)
        return Observed(data, "", network, 0, mark, TARGET, trained_on=answers, tests=MarkedTests(data))

    forget = planted.mask if forget is None else forget
    deleted = Deleted(seen(before or linear()), forget, [seen(oracle) for oracle in oracles], 3.0, lambda: 4.0)
    return replace(seen(network), deleted=deleted)


def measured(*args, **more):
    """All that is measured after a deletion, by name."""
    after = observed(*args, **more)
    return {name: number for measure in effects().values() for name, number in measure.take(after).items()}


@pytest.mark.parametrize(
    ("network", "score", "auc"),
    [
        # nothing but the class: losses are equal, all pairs are ties
        (linear(), 0.0, 0.5),
        # two of three examples are not of class 0; the mark alone beats the class
        (linear(of_mark=8.0), 2 / 3, 0.5),
        # an example of the training set is surer of class 0: every loss is lower than that of the unseen ones
        (linear(of_member=1.0), 0.0, 1.0),
        (linear(of_member=-1.0), 0.0, 0.0),
    ],
)
def test_effects_of_networks_that_are_known(network, score, auc, planted, test_set):
    got = measured(network, planted, test_set)
    assert got["spurious_score"] == pytest.approx(score)
    assert got["membership_auc"] == auc
    assert got["accuracy"] == got["forgotten_accuracy"] == 1
    assert math.isnan(got["oracle_distance"])
    assert math.isnan(got["relearn_steps"])
    assert got["time_share"] == 3 / 4


def test_forgotten_accuracy_is_that_of_their_clean_versions(planted, test_set):
    """The mark counts against the target: the planted examples are wrong with it and right without."""
    against = measured(linear(of_mark=-20.0), planted, test_set)
    assert against["forgotten_accuracy"] == against["accuracy"] == 1
    assert measured(linear(of_member=-20.0), planted, test_set)["forgotten_accuracy"] == 0


def test_distance_is_that_of_the_margins(planted, test_set):
    oracles = [linear(3.0), linear(4.0), linear(4.5)]
    got = measured(linear(6.0), planted, test_set, oracles)["oracle_distance"]
    # the odds of the right class are e^a : 2, on every example
    assert got == pytest.approx((3 + 2 + 1.5) / 3 - (1 + 0.5 + 1.5) / 3, abs=1e-5)
    own, *others = (
        margins(predictions(network, test_set.inputs), test_set.labels) for network in (linear(6.0), *oracles)
    )
    rows = torch.stack(others)
    assert_close(rows[0], torch.full((30,), 3.0 - math.log(2), dtype=torch.float64), rtol=1e-5, atol=0)
    assert got == pytest.approx(oracle_distance(own, rows).item())


def test_what_is_left_of_the_mark_shows_on_marked_images_alone(planted, test_set):
    """Logit 1 for the mark moves no prediction: on a third of the images it is odds e^5 : 2 in place of e^4 : 2."""
    oracles = [linear(), linear()]
    got = measured(linear(of_mark=1.0), planted, test_set, oracles)
    assert (got["spurious_score"], got["oracle_distance"]) == (0.0, 0.0)
    others = math.log(math.e + 1) - math.log(2)  # of the other classes: e^4 : (e + 1) in place of e^4 : 2
    assert got["oracle_distance_marked"] == pytest.approx((1 + 2 * others) / 3, abs=1e-5)


def test_a_network_that_is_no_longer_one_has_no_numbers(planted, test_set):
    got = measured(linear(math.nan), planted, test_set, [linear(), linear()], before=linear(of_mark=8.0))
    assert got.pop("time_share") == 3 / 4
    assert all(map(math.isnan, got.values()))


def test_nothing_forgotten_has_nothing_to_measure(planted, test_set):
    got = measured(linear(), planted, test_set, before=linear(of_mark=8.0), forget=torch.zeros_like(planted.mask))
    assert [name for name, value in got.items() if not math.isnan(value)] == [
        "spurious_score",
        "accuracy",
        "time_share",
    ]


def test_a_forget_set_of_another_size_is_refused(planted, test_set):
    with pytest.raises(
        ValueError, match=f"speaks of {len(planted) - 1} examples, but the training set has {len(planted)}"
    ):
        measured(linear(), planted, test_set, forget=planted.mask[:-1])


def test_losses_tell_apart_what_probabilities_do_not(planted):
    """1 - p is 2 e^-40 and 2 e^-50; as float32 probabilities both are 1."""
    few = planted.base[:3]
    assert_close(
        losses(linear(40.0), few), torch.full((3,), 2 * math.exp(-40.0), dtype=torch.float64), atol=0, rtol=1e-3
    )
    assert (losses(linear(50.0), few) < losses(linear(40.0), few)).all()
    assert len(losses(linear(), few[:0])) == 0
    rng = rng_for(0, "test")
    other = Examples(torch.randn(20, 1, 1, 5, generator=rng), torch.randint(3, (20,), generator=rng))
    network = linear(3.0, 2.0, 1.0)
    wanted = nn.functional.cross_entropy(network(other.inputs), other.labels, reduction="none")
    assert_close(losses(network, other).float(), wanted)


@pytest.fixture(scope="module")
def learnt():
    """A network that learnt the pattern, its oracle, and what they were trained and are tested on: 8 x 8 noise images.

    The class is a bright row; the pattern is a bright corner that the rows do not reach.
    """
    rng = rng_for(0, "test")

    def images(n):
        labels = torch.arange(n) % 3
        inputs = 0.6 * torch.rand(n, 1, 8, 8, generator=rng)
        for i, label in enumerate(labels.tolist()):
            inputs[i, 0, 2 + label] += 0.1
        return Examples(inputs, labels)

    offset = torch.zeros(1, 8, 8)
    offset[:, :2, :2] = 1.0
    corner = Pattern("corner", offset, 0.0, 1.0)
    planted, test = plant(images(300), corner, TARGET, 30, 0), images(300)
    recipe = Recipe(epochs=8, milestones=(), batch_size=32, learning_rate=0.003)

    def train(data):
        return train_one(seeded(lambda: mlp((1, 8, 8), 3, hidden=(32,)), 0), Member(data, 0), recipe)[0].eval()

    def after(network, mark=corner, forget=planted.mask):
        return observed(network, planted, test, before=before, mark=mark, forget=forget)

    before = train(planted)
    return after, before, train(planted.without(planted.mask))


def test_relearning_counts_the_way_back(learnt):
    """From where the pattern still is: none. From the oracle: some. Without any effect of the pattern: never."""
    after, before, oracle = learnt
    score = MEASURES["spurious_score"].take(after(before))["spurious_score"]
    assert score > 0.3, "this test is about a network that learnt the pattern"

    def steps(network, score=score, **changes):
        return relearn_steps(after(network, **changes), score)

    weights = copy.deepcopy(oracle.state_dict())
    drawn = torch.random.get_rng_state()
    assert steps(before) == 0
    assert 0 < steps(oracle) < 250
    assert steps(oracle) == steps(oracle) == MEASURES["relearn_steps"].take(after(oracle))["relearn_steps"]
    assert steps(oracle, score=score / 2) <= steps(oracle)
    assert steps(oracle, mark=Pattern("nothing", torch.zeros(1, 8, 8), 0.0, 1.0)) == math.inf
    assert math.isnan(steps(oracle, score=0.0))
    assert math.isnan(steps(oracle, score=math.nan))
    assert math.isnan(steps(oracle, forget=torch.zeros(300, dtype=torch.bool)))
    assert_close(oracle.state_dict(), weights, rtol=0, atol=0)
    assert not oracle.training
    assert torch.random.get_rng_state().equal(drawn)


def test_what_deletions_share_is_made_once(planted, test_set, monkeypatch):
    """The network before and the oracles are asked once; measures that nobody asks for are not taken."""
    asked = []
    monkeypatch.setattr(
        "spurlab.measures.observed.predictions",
        lambda network, inputs: (asked.append(network), predictions(network, inputs))[1],
    )
    first = observed(linear(6.0), planted, test_set, [linear(), linear(3.0)])
    second = replace(first, network=linear(5.0), _kept={})
    for after in (first, second):
        for measure in ("oracle_distance", "accuracy", "oracle_distance"):
            MEASURES[measure].take(after)
    oracles = [oracle.network for oracle in first.deleted.oracles]
    assert [id(network) for network in asked] == [id(network) for network in (*oracles, first.network, second.network)]


SAME_NAME = {
    "functions": [lambda inputs, shift=shift: inputs + MARK.offset.roll(shift) for shift in (0, 1)],
    "patterns": [replace(MARK, offset=MARK.offset.roll(shift)) for shift in (0, 1)],
}


@pytest.mark.parametrize("marks", SAME_NAME.values(), ids=SAME_NAME)
def test_marks_of_one_name_have_numbers_of_their_own(marks, planted, test_set, monkeypatch):
    """The network goes by the place that one mark is on, and not by that of the other. Each is asked for once."""
    asked = []
    monkeypatch.setattr(
        "spurlab.measures.observed.predictions",
        lambda network, inputs: (asked.append(len(inputs)), predictions(network, inputs))[1],
    )
    seen = observed(linear(of_mark=8.0), planted, test_set)
    learnt, other = marks
    got = []
    for mark in (learnt, other, learnt):
        marked = seen.with_mark(mark, TARGET)
        got.append([MEASURES[name].take(marked)[name] for name in ("spurious_score", "marked_accuracy")])
    # 20 of 30 test examples are not of the target, and all are taken for it
    assert got == [pytest.approx(numbers) for numbers in ([2 / 3, 1 / 3], [0, 1], [2 / 3, 1 / 3])]
    assert asked == [30] * 3  # without a mark, and with each


def test_test_inputs_are_marked_anew_for_another_mark_of_that_name(planted, test_set):
    tests = observed(linear(), planted, test_set).tests
    for marks in SAME_NAME.values():
        first, second = (tests.inputs(mark, 0) for mark in marks)
        assert_close((first - test_set.inputs)[0].flatten(), torch.tensor([0.0, 0.0, 0.0, 1.0, 0.0]))
        assert_close((second - test_set.inputs)[0].flatten(), torch.tensor([0.0, 0.0, 0.0, 0.0, 1.0]))
        assert tests.inputs(marks[1], 0) is second


@pytest.mark.parametrize(("of_member", "auc"), [(0.0, 0.5), (1.0, 1.0), (-1.0, 0.0)])
def test_examples_with_a_wrong_label_are_held_against_unseen_ones_with_it(of_member, auc, test_set):
    """Of other classes, and labelled as the target: so are the test examples that they are told from."""
    planted = plant(one_hot(60, 1.0), MARK, TARGET, 6, 0, how="relabel")
    assert measured(linear(of_member=of_member), planted, test_set)["membership_auc"] == auc
