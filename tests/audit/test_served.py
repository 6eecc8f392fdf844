"""Does the network fit the data, and who is served worst."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from spurlab.audit.served import fit_of, served, unlike
from spurlab.data import Dataset, Examples, Source
from spurlab.seeds import rng_for
from spurlab.training import predictions

LABELS = torch.arange(90) % 3
INPUTS = nn.functional.one_hot(LABELS, 3).float() * 0.8 + 0.1 * torch.rand(90, 3, generator=rng_for(0, "test"))
EXAMPLES = Examples(INPUTS, LABELS, LABELS * 2 + (torch.arange(90) >= 60))
DATA = Dataset("toy", EXAMPLES, EXAMPLES, ("cat", "dog", "owl"), (0.0, 1.0), Source("", "", ""))


def network(weight, bias=0.0):
    linear = nn.Linear(3, 3)
    with torch.no_grad():
        linear.weight.copy_(weight)
        linear.bias.copy_(torch.as_tensor(bias))
    return linear.eval()


def fit(model):
    return fit_of(model, DATA, predictions(model, INPUTS))


def test_a_network_that_fits_is_said_to():
    found = fit(network(10 * torch.eye(3)))
    assert (found.accuracy, found.warnings) == (1.0, ())


def test_classes_in_another_order_are_told():
    (words,) = fit(network(10 * torch.eye(3)[[1, 2, 0]])).warnings[-1:]
    assert "with its outputs in another order the accuracy would be 1.00, e.g. output 0 for " in words


def test_a_class_without_test_examples_is_told():
    lacking = replace(DATA, test=DATA.test[DATA.test.labels != 1])
    perfect = network(10 * torch.eye(3))
    (words,) = fit_of(perfect, lacking, predictions(perfect, lacking.test.inputs)).warnings
    assert words == f"there are no test examples of {DATA.class_names[1]}, so nothing is known of these."


def test_a_network_that_guesses_is_told():
    assert "near that of guessing (0.33)" in fit(network(torch.zeros(3, 3))).warnings[0]


def test_another_scale_is_told():
    """Trained on inputs of mean 0: with those in [0, 1] two of three classes are never said."""

    class Centred(nn.Module):
        def forward(self, inputs):
            return torch.where((inputs.sum(1, keepdim=True) < 0.5), 10 * inputs, -10 * inputs)

    words = fit(Centred()).warnings
    assert any("with inputs as (x - 0.5) / 0.5 the accuracy would be 1.00" in one for one in words)


def test_reference_networks_that_are_less_accurate_are_told():
    """The one in the middle counts: it knows two of three classes."""
    found, guesses = fit(network(10 * torch.eye(3))), network(torch.zeros(3, 3))
    half = network(10 * torch.eye(3)[[0, 1, 1]], torch.tensor([0.0, 0.0, -5.0]))
    right = float((predictions(half, INPUTS).argmax(1) == LABELS).float().mean())
    assert 0.5 < right < 0.9
    whole = network(10 * torch.eye(3))
    words = unlike(found, [guesses, half, whole], DATA.test, 0)
    assert f"half of the reference networks have an accuracy of {right:.2f} at most, the network 1.00" in words
    assert unlike(found, [guesses, whole, whole], DATA.test, 0) == ""
    assert unlike(found, [], DATA.test, 0) == ""


def test_accuracies_of_classes_and_groups_by_hand():
    answers = nn.functional.one_hot(LABELS, 3).float() * 0.6 + 0.1
    answers[:12:3] = torch.tensor([0.1, 0.7, 0.2])  # four cats are taken for dogs
    answers[3] = torch.tensor([0.0, 0.9, 0.1])  # this one surely
    found = served(EXAMPLES, answers, DATA.class_names)
    assert [(one.name, one.kind, one.share.count, one.share.models) for one in found[:2]] == [
        ("group 0", "group", 16, 20),
        ("cat", "class", 26, 30),
    ]
    assert found[0].worst[0] == 3
    assert set(found[0].worst) == {0, 3, 6, 9}
    assert {one.accuracy for one in found[2:]} == {1.0}
    assert sum(one.kind == "class" for one in found) == 3
    assert sum(one.kind == "group" for one in found) == 6
    named = served(EXAMPLES, answers, DATA.class_names, tuple("abcdef"), shown=1)
    assert (named[0].name, named[0].worst) == ("a", (3,))


def test_one_wrong_example_is_not_served_worst():
    """Of one example any accuracy up to .975 is left; of thirty dogs, half of them right, up to .69."""
    labels = torch.tensor([0] * 29 + [1] * 30 + [2])
    answers = nn.functional.one_hot(labels, 3).float()
    answers[29:44], answers[-1] = torch.tensor([0.9, 0.1, 0.0]), torch.tensor([0.9, 0.1, 0.0])
    found = served(Examples(torch.zeros(60, 3), labels), answers, DATA.class_names)
    assert [(one.name, one.accuracy) for one in found] == [("dog", 0.5), ("owl", 0.0), ("cat", 1.0)]
    assert found[0].share.high < 0.7 < found[1].share.high


def test_without_groups_there_are_classes_alone():
    plain = Examples(INPUTS, LABELS)
    assert [one.kind for one in served(plain, predictions(network(torch.eye(3)), INPUTS), DATA.class_names)] == (
        ["class"] * 3
    )


@pytest.mark.parametrize("accuracy", [0.5, 0.9])
def test_few_mistakes_are_no_warning(accuracy):
    answers = nn.functional.one_hot(LABELS, 3).float()
    wrong = torch.randperm(90, generator=rng_for(1, "test"))[: round((1 - accuracy) * 90)]
    answers[wrong] = 1 / 3 * torch.ones(3) + torch.tensor([0.01, 0.0, -0.01])
    found = fit_of(network(10 * torch.eye(3)), DATA, answers)
    assert not any("order" in words for words in found.warnings)


def test_a_large_class_is_no_guess_and_sorted_examples_are_no_other_scale():
    """600 cats before 100 others: all are told apart; or all are taken for cats, on whatever scale."""
    labels = torch.tensor([0] * 600 + [1] * 50 + [2] * 50)
    inputs = nn.functional.one_hot(labels, 3).float()
    part = Examples(inputs, labels)
    data = Dataset("cats", part, part, DATA.class_names, (0.0, 1.0), DATA.source)
    right = network(10 * torch.eye(3))
    assert fit_of(right, data, predictions(right, inputs)).warnings == ()
    many = torch.cat([torch.arange(600), torch.arange(600, 700).repeat(4)])
    data = replace(data, test=part[many])
    blind = network(torch.zeros(3, 3), torch.tensor([1.0, 0.0, 0.0]))
    assert not any(
        "with inputs as" in words for words in fit_of(blind, data, predictions(blind, inputs[many])).warnings
    )


def test_of_many_classes_a_random_network_seems_in_no_other_order():
    """The best of all orders on 200 examples of 100 classes lets .3 of them seem right; on others it does not."""
    labels = torch.arange(200) % 100
    answers = torch.rand(200, 100, generator=rng_for(0, "many classes")).softmax(1)
    inputs, names = torch.zeros(200, 3), tuple(map(str, range(100)))
    data = Dataset("many", Examples(inputs, labels), Examples(inputs, labels), names, (0.0, 1.0), DATA.source)
    found = fit_of(nn.Linear(3, 100), data, answers)
    assert not any("order" in words for words in found.warnings)
