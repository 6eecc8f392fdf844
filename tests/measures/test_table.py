"""The table: every measure gives the numbers that it names, from what it may look at.

Those of a few are calculated by hand here, those after a deletion in `test_after_deletion`.
"""

from dataclasses import replace

import pytest
import torch
from torch import nn

from spurlab.data import Dataset, Examples, Source
from spurlab.explain import input_sensitivity, sensitivity_examples
from spurlab.measures import (
    MEASURES,
    PERCENTS,
    Answers,
    Deleted,
    Exposed,
    LeftOut,
    MarkedTests,
    Observed,
    effects,
    is_number_of,
    measure_named,
    numbers_of,
    observed,
    written_out,
)
from spurlab.models import build
from spurlab.patterns import Planted, make_pattern
from spurlab.privacy.attacks.sorted_logits import Accuracies
from spurlab.seeds import rng_for
from spurlab.training import RECIPES, predictions

HALF = Accuracies(0.5, 0.5)


@pytest.fixture(scope="module")
def data(mini):
    """400 training and 200 test images, in 25 groups of labels and the rest of a division."""
    train, test = mini.train[torch.arange(400)], mini.test[torch.arange(200)]

    def grouped(examples):
        return Examples(examples.inputs, examples.labels, torch.arange(len(examples)) % 25)

    return Dataset(mini.name, grouped(train), grouped(test), mini.class_names, mini.input_range, mini.source)


@pytest.fixture(scope="module")
def seen(data):
    network = build("small-mlp", data.shape, data.classes, seed=3)
    pattern = make_pattern("S3", data.shape, 3)
    answers = [Answers(network, lambda examples=part: Planted.none(examples)) for part in (data.train, data.test)]
    marks = {"recipe": RECIPES["quick"], "trained_on": answers[0], "fresh": answers[1], "tests": MarkedTests(data)}
    observed = Observed(data, "small-mlp", network, 3, pattern, 1, **marks)
    forget = torch.arange(len(data.train)) < 3
    scores = torch.randn(len(data.train), generator=rng_for(0, "test")).double()
    exposed = Exposed(
        scores,
        torch.arange(400) % 2 == 0,
        torch.arange(400) < 10,
        lambda: LeftOut(scores[:10], 2.0, 1.0),
        lambda: (HALF, HALF),
    )
    return replace(observed, deleted=Deleted(observed, forget, [observed, observed], 1.0, lambda: 2.0), exposed=exposed)


@pytest.mark.parametrize(
    "name", [name for name in MEASURES if name not in ("block_saliency", "marked_rates", "left_out_rates")]
)
def test_a_measure_gives_the_numbers_that_it_names(name, seen, data):
    numbers = MEASURES[name].take(seen)
    assert list(numbers) == numbers_of(name, data)
    assert all(type(value) is float for value in numbers.values())
    assert all(measure_named(number) is MEASURES[name] for number in numbers)
    assert all(is_number_of(number, name) for number in numbers)


def test_groups_do_not_stop_at_twenty(seen, data):
    numbers = MEASURES["group_accuracy"].take(seen)
    right = predictions(seen.network, data.test.inputs).argmax(1) == data.test.labels
    assert numbers == {f"group_accuracy_{group:02d}": right[group::25].float().mean().item() for group in range(25)}


def test_sensitivity_at_all_shares_is_to_the_bit_that_at_each_share_alone(seen, data):
    few = sensitivity_examples(data.train, 3, 400)

    def alone(percent):
        return input_sensitivity(
            lambda images: predictions(seen.network, images), few.inputs, few.labels, 3, shares=(percent / 100,)
        ).item()

    numbers = MEASURES["sensitivity"].take(seen)
    assert {name: numbers[name] for name in ("sensitivity_000", "sensitivity_042", "sensitivity_100")} == {
        "sensitivity_000": alone(0),
        "sensitivity_042": alone(42),
        "sensitivity_100": alone(100),
    }


def test_what_a_network_says_is_asked_once_for_all_marks(seen, data, monkeypatch):
    asked = []
    monkeypatch.setattr(
        observed, "predictions", lambda network, inputs: (asked.append(len(inputs)), predictions(network, inputs))[1]
    )
    fresh = replace(seen, _kept={})
    for pattern, target in ((seen.pattern, 1), (seen.pattern, 2), (make_pattern("R3", data.shape, 3), 1)):
        marked = fresh.with_mark(pattern, target)
        MEASURES["spurious_score"].take(marked)
        MEASURES["marked_accuracy"].take(marked)
    assert asked == [200] * 3  # clean, S3, R3


def test_names_of_before_mean_what_they_meant():
    """Records named the first twenty groups and all shares of sensitivity one by one."""
    before = [f"group_accuracy_{group:02d}" for group in range(20)]
    assert written_out(["accuracy", *before, "worst_group"]) == ["accuracy", "group_accuracy", "worst_group"]
    assert written_out(["sensitivity"]) == list(PERCENTS)
    assert written_out(["group_accuracy_03"]) == ["group_accuracy_03"]


@pytest.mark.parametrize("name", ["sensitivity_001", "acuracy", "group_accuracy_x", "sensitivity_0500"])
def test_an_unknown_name_is_told(name):
    with pytest.raises(ValueError, match=f"there is no measure '{name}'"):
        measure_named(name)


def test_a_measure_asks_for_what_it_needs_in_a_sentence(data):
    with pytest.raises(ValueError, match="asked for something that its cell does not have"):
        MEASURES["accuracy"].take(Observed(data, "small-mlp"))


def test_what_is_measured_after_a_deletion():
    assert list(effects())[:2] == ["spurious_score", "accuracy"]
    assert {measure.needs for measure in list(effects().values())[2:]} == {"deletion"}


def test_saliency_of_a_linear_network_is_its_weights(data):
    """Class 0 has the features 0 to 4, class 1 those from 4 to the last, 7: 5 of 8, and 4 of 3 * 4 + 4."""
    network = nn.Linear(8, 2, bias=False).eval()
    with torch.no_grad():
        network.weight.copy_(torch.tensor([[1.0] * 8, [3.0] * 4 + [-1.0] * 4]))
    signals = Examples(torch.rand(20, 8, generator=rng_for(0, "test")), torch.arange(20) % 4 // 3)
    by_hand = Dataset("signals", signals, signals, ("a", "b"), None, Source("", "", ""))
    numbers = MEASURES["block_saliency"].take(Observed(by_hand, "", network))
    assert list(numbers) == numbers_of("block_saliency", by_hand) == ["block_saliency"]
    assert numbers["block_saliency"] == pytest.approx((15 * 5 / 8 + 5 * 4 / 16) / 20)
    assert numbers_of("block_saliency", data) == []  # of images
