"""What holds for every method of the table."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from spurlab.data import Examples
from spurlab.prevention import PREVENTIONS, Prevention, prevention_named

every_method = pytest.mark.parametrize("name", PREVENTIONS)
learning = pytest.mark.parametrize("name", [name for name in PREVENTIONS if name != "erm"])


def needing(need):
    return pytest.mark.parametrize("name", [name for name, entry in PREVENTIONS.items() if need in entry.needs])


def bits(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(one[name].equal(other[name]) for name in one)


@every_method
def test_model_and_data_are_left_untouched(name, model, data, clean, recipe):
    before = bits(model)
    columns = [column for part in (data, clean) for column in (part.inputs, part.labels, part.groups)]
    copies = [column.clone() for column in columns]
    modes = [module.training for module in model.modules()]
    drawn = torch.random.get_rng_state()
    method = prevention_named(name, recipe, 0)
    assert isinstance(method, Prevention)
    after = method(model, data, clean)
    assert same(bits(model), before)
    assert [module.training for module in model.modules()] == modes
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())
    assert all(column.equal(copied) for column, copied in zip(columns, copies, strict=True))
    assert torch.random.get_rng_state().equal(drawn), "PyTorch's global generator was used"
    assert not {id(p) for p in after.parameters()} & {id(p) for p in model.parameters()}


@every_method
def test_the_result_is_a_network_of_the_same_kind_that_knows_the_classes(name, model, data, clean, recipe):
    """The classes lie 3 apart, with a noise of 0.5 in each direction. (IRM's own penalty is for larger batches.)"""
    after = prevention_named({"irm": "irm penalty=1"}.get(name, name), recipe, 0)(model, data, clean)
    assert {key: (value.shape, value.dtype) for key, value in bits(after).items()} == {
        key: (value.shape, value.dtype) for key, value in bits(model).items()
    }
    assert all(parameter.requires_grad and parameter.is_leaf for parameter in after.parameters())
    assert not any(module.training for module in after.modules())
    assert (after(data.inputs).argmax(1) == data.labels).double().mean() > 0.9


@every_method
def test_the_same_call_gives_the_same_bits(name, model, data, clean, recipe):
    first, again = (bits(prevention_named(name, recipe, 3)(copy.deepcopy(model), data, clean)) for _ in range(2))
    assert same(first, again)


@pytest.mark.parametrize("name", [name for name in PREVENTIONS if name not in ("erm", "dfr-plain", "afr-train")])
def test_another_seed_draws_otherwise(name, model, data, clean, recipe):
    """The other three draw nothing."""
    one, other = (bits(prevention_named(name, recipe, seed)(model, data, clean)) for seed in (0, 1))
    assert not same(one, other)


@pytest.mark.parametrize("name", ["erm", "dfr-plain", "afr-train"])
def test_where_nothing_is_drawn_the_seed_does_not_matter(name, model, data, clean, recipe):
    one, other = (bits(prevention_named(name, recipe, seed)(model, data, clean)) for seed in (0, 1))
    assert same(one, other)


def test_erm_is_the_given_network(model, data, clean, recipe):
    assert same(bits(prevention_named("erm", recipe, 0)(model, data, clean)), bits(model))


@learning
def test_a_method_does_something(name, model, data, clean, recipe):
    after = prevention_named(name, recipe, 0)(model, data, clean)
    assert (after(data.inputs) - model(data.inputs)).abs().max() > 1e-3


@needing("groups")
def test_groups_of_the_training_examples_are_asked_for(name, model, data, clean, recipe):
    with pytest.raises(ValueError, match=r"needs the group of each training example.*group = label \* A \+ attribute"):
        prevention_named(name, recipe, 0)(model, replace(data, groups=None), clean)


@pytest.mark.parametrize(
    "name", [name for name, entry in PREVENTIONS.items() if {"groups", "clean groups"} & entry.needs]
)
def test_groups_may_be_identity_numbers(name, model, data, clean, recipe):
    """Large numbers in the same order say the same; counting up to them would take four terabytes.

    IRM alone reads something off the numbers, which such numbers do not say.
    """

    def identified(examples):
        return replace(examples, groups=410_000_017_000 + 500 * examples.groups)

    if name == "irm":
        with pytest.raises(ValueError, match="no A fits these groups and labels"):
            prevention_named(name, recipe, 0)(model, identified(data), identified(clean))
    else:
        method = prevention_named(name, recipe, 0)
        assert same(bits(method(model, identified(data), identified(clean))), bits(method(model, data, clean)))


@needing("clean groups")
def test_groups_of_the_clean_examples_are_asked_for(name, model, data, clean, recipe):
    with pytest.raises(ValueError, match="needs the group of each clean example"):
        prevention_named(name, recipe, 0)(model, data, replace(clean, groups=None))


@needing("clean")
def test_clean_examples_are_asked_for(name, model, data, clean, recipe):
    with pytest.raises(ValueError, match=r"needs clean examples.*there are 0 of them"):
        prevention_named(name, recipe, 0)(model, data, clean[:0])


@every_method
def test_what_is_not_needed_may_be_missing(name, model, data, clean, recipe):
    needs = PREVENTIONS[name].needs
    data = data if "groups" in needs else replace(data, groups=None)
    clean = clean if "clean groups" in needs else replace(clean, groups=None)
    clean = clean if "clean" in needs else clean[:0]
    assert prevention_named(name, recipe, 0)(model, data, clean)(data.inputs).isfinite().all()


@every_method
def test_one_class_alone_is_refused(name, model, data, clean, recipe):
    with pytest.raises(ValueError, match="all 40 training examples are of class 1: nothing can be told apart"):
        prevention_named(name, recipe, 0)(model, data[data.labels == 1], clean)


@every_method
def test_no_training_examples_are_refused(name, model, data, clean, recipe):
    with pytest.raises(ValueError, match="there are no training examples"):
        prevention_named(name, recipe, 0)(model, data[:0], clean)


@every_method
def test_outputs_must_fit_the_labels(name, data, clean, recipe):
    with pytest.raises(ValueError, match=r"outputs of shape \(1, 2\), but the labels run to 2"):
        prevention_named(name, recipe, 0)(nn.Linear(2, 2), data, clean)


@needing("clean")
def test_outputs_must_fit_the_clean_labels(name, model, data, clean, recipe):
    beyond = Examples(clean.inputs, clean.labels + 1, clean.groups)
    with pytest.raises(ValueError, match="but the labels run to 3"):
        prevention_named(name, recipe, 0)(model, data, beyond)


@needing("training")
def test_weights_that_are_not_finite_are_an_error(name, model, data, clean, recipe):
    hot = recipe.but(optimizer="sgd", learning_rate=1e30)
    with pytest.raises(FloatingPointError, match=r"after prevention the weights .* are not finite"):
        prevention_named(name, hot, 0)(model, data, clean)


@needing("groups")
def test_a_group_that_training_lacks_is_left_out(name, model, data, clean, recipe):
    """Group 3 is class 1 with attribute 1."""
    lacking = data[data.groups != 3]
    after = prevention_named({"irm": "irm penalty=1"}.get(name, name), recipe, 0)(model, lacking, clean)
    assert (after(data.inputs).argmax(1) == data.labels).double().mean() > 0.9
