"""What holds for every method of both tables: deletion's and prevention's."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn
from toys import Recurrent, bits, same, seeded, trained

from spurlab.data import Examples
from spurlab.deletion import DELETIONS, Deletion, Sharded, forget_mask
from spurlab.prevention import PREVENTIONS, Prevention

deletions = pytest.mark.methods(lambda table, name: table is DELETIONS)
preventions = pytest.mark.methods(lambda table, name: table is PREVENTIONS)
training = pytest.mark.methods(lambda table, name: table.trains(name))
NO_DRAWS = ("erm", "dfr-plain", "afr-train")
IRM = {"irm": "irm penalty=1"}  # its own penalty is for larger batches


def needing(*needs):
    return pytest.mark.methods(lambda table, name: table[name].needs & set(needs))


def right(network, data):
    return (network(data.inputs).argmax(1) == data.labels).double().mean()


def test_model_and_data_are_left_untouched(table, name, problem):
    model, before = problem.model, bits(problem.model)
    columns = [column for part in (problem.data, problem.clean) for column in vars(part).values() if column is not None]
    copies, forget = [column.clone() for column in columns], problem.forget.clone()
    modes = [module.training for module in model.modules()]
    drawn = torch.random.get_rng_state()
    assert isinstance(table.named(name, problem.recipe, 0), Deletion if table is DELETIONS else Prevention)
    after = problem.after(table, name)  # a call of its own: another test may have asked for the kept result
    assert same(model, before)
    assert [module.training for module in model.modules()] == modes
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())
    assert all(column.equal(copied) for column, copied in zip(columns, copies, strict=True))
    assert problem.forget.equal(forget)
    assert torch.random.get_rng_state().equal(drawn), "PyTorch's global generator was used"
    assert not {id(p) for p in after.parameters()} & {id(p) for p in model.parameters()}


def test_the_result_is_a_network_of_the_same_kind(table, name, problem):
    after, kind = problem.result(table, name), {k: (v.shape, v.dtype) for k, v in bits(problem.model).items()}
    for network in after.members if isinstance(after, Sharded) else [after]:
        assert {key: (value.shape, value.dtype) for key, value in bits(network).items()} == kind
    assert all(parameter.requires_grad and parameter.is_leaf for parameter in after.parameters())
    assert not any(module.training for module in after.modules())
    assert after(problem.data.inputs).isfinite().all()


@preventions
def test_a_network_that_nothing_was_taken_from_knows_the_classes(table, name, problem):
    """The classes lie 3 apart, with a noise of 0.5 in each direction."""
    after = problem.after(table, IRM[name]) if name in IRM else problem.result(table, name)
    assert right(after, problem.data) > 0.9


def test_the_same_call_gives_the_same_bits(table, name, problem):
    again = problem.after(table, name, model=copy.deepcopy(problem.model))
    assert same(problem.result(table, name), again)


@preventions
def test_another_seed_draws_otherwise_where_anything_is_drawn(table, name, problem):
    other = problem.after(table, name, seed=1)
    assert same(problem.result(table, name), other) == (name in NO_DRAWS)


@pytest.mark.methods(lambda table, name: name != "dampening")  # its threshold selects none here
def test_a_method_does_something(table, name, problem):
    """But for ERM, which is the given network."""
    after = problem.result(table, name)
    if name == "erm":
        assert same(after, problem.model)
    else:
        apart = (after(problem.data.inputs) - problem.model(problem.data.inputs)).abs().max()
        assert apart > (1e-4 if table is DELETIONS else 1e-3)


@pytest.mark.methods(lambda table, name: table is DELETIONS and name != "dampening")
def test_what_is_forgotten_matters(table, name, problem):
    """A method that does not look at the forget set would pass all else that is asked here."""
    one, other = (
        network(problem.data.inputs).detach()
        for network in (problem.result(table, name), problem.after(table, name, forget=problem.data.labels == 1))
    )
    assert (one - other).abs().max() > 1e-4


@deletions
def test_an_empty_forget_set_is_no_error(table, name, problem):
    """Nothing is to be forgotten: the network still knows the classes.

    What does not train changes nothing; nor does ascent without examples, or SalUn without a weight that is salient.
    """
    after = problem.after(table, name, forget=torch.zeros_like(problem.forget))
    assert right(after, problem.data) > 0.9
    if not table.trains(name) or name in ("gradient-ascent", "salun"):
        assert same(after, problem.model)


def test_outputs_must_fit_the_labels(table, name, problem):
    with pytest.raises(ValueError, match=r"outputs of shape \(1, 2\), but the labels run to 2"):
        problem.after(table, name, model=nn.Linear(2, 2))


@needing("clean")
def test_outputs_must_fit_the_clean_labels(table, name, problem):
    clean = problem.clean
    with pytest.raises(ValueError, match="but the labels run to 3"):
        problem.after(table, name, clean=Examples(clean.inputs, clean.labels + 1, clean.groups))


@deletions
def test_a_forget_set_must_fit_the_data_and_leave_something(table, name, problem):
    with pytest.raises(ValueError, match="all 120 training examples are to be forgotten"):
        problem.after(table, name, forget=torch.ones_like(problem.forget))
    with pytest.raises(ValueError, match="true or false for each of the 120"):
        problem.after(table, name, forget=problem.forget[:-1])


@preventions
def test_data_must_have_two_classes(table, name, problem):
    with pytest.raises(ValueError, match="all 40 training examples are of class 1: nothing can be told apart"):
        problem.after(table, name, data=problem.data[problem.data.labels == 1])
    with pytest.raises(ValueError, match="there are no training examples"):
        problem.after(table, name, data=problem.data[:0])


@needing("groups")
def test_groups_of_the_training_examples_are_asked_for(table, name, problem):
    with pytest.raises(ValueError, match=r"needs the group of each training example.*group = label \* A \+ attribute"):
        problem.after(table, name, data=replace(problem.data, groups=None))


@needing("clean groups")
def test_groups_of_the_clean_examples_are_asked_for(table, name, problem):
    with pytest.raises(ValueError, match="needs the group of each clean example"):
        problem.after(table, name, clean=replace(problem.clean, groups=None))


@needing("clean")
def test_clean_examples_are_asked_for(table, name, problem):
    with pytest.raises(ValueError, match=r"needs clean examples.*there are 0 of them"):
        problem.after(table, name, clean=problem.clean[:0])


def test_what_is_not_needed_may_be_missing(table, name, problem):
    """And is not looked at: the result is the same."""
    needs, data, clean = table.needs(name), problem.data, problem.clean
    data = data if "groups" in needs else replace(data, groups=None)
    clean = clean if "clean groups" in needs else replace(clean, groups=None)
    clean = clean if "clean" in needs else clean[:0]
    after = problem.after(table, name, data=data, clean=clean)
    assert same(after, problem.result(table, name))


@needing("groups", "clean groups")
def test_groups_may_be_identity_numbers(table, name, problem):
    """Large numbers in the same order say the same; counting up to them would take four terabytes.

    IRM alone reads something off the numbers, which such numbers do not say.
    """

    def identified(examples):
        return replace(examples, groups=410_000_017_000 + 500 * examples.groups)

    given = {"data": identified(problem.data), "clean": identified(problem.clean)}
    if name == "irm":
        with pytest.raises(ValueError, match="no A fits these groups and labels"):
            problem.after(table, name, **given)
    else:
        assert same(problem.after(table, name, **given), problem.result(table, name))


@needing("groups")
def test_a_group_that_training_lacks_is_left_out(table, name, problem):
    """Group 3 is class 1 with attribute 1."""
    lacking = problem.data[problem.data.groups != 3]
    assert right(problem.after(table, IRM.get(name, name), data=lacking), problem.data) > 0.9


@training
def test_steps_that_are_too_large_are_an_error(table, name, problem):
    """At the recipe's rate, or at the method's own."""
    rate = next((f" {key}=1e38" for key in ("rate", "rates") if key in table.settings_of(name)), "")
    hot = problem.recipe.but(optimizer="sgd", learning_rate=1e30)
    what = "deletion" if table is DELETIONS else "prevention"
    with pytest.raises(FloatingPointError, match=f"after {what} the weights .* are not finite: the steps were too"):
        problem.after(table, name + rate, recipe=hot)


@pytest.mark.methods(lambda table, name: not table.trains(name))
def test_what_trains_no_network_does_not_ask_how(table, name, problem):
    hot = problem.recipe.but(optimizer="sgd", learning_rate=1e30)
    assert same(problem.after(table, name, recipe=hot), problem.result(table, name))


def tied():
    """Two layers with one weight; the last has its own."""
    first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    second.weight = first.weight
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), nn.Linear(2, 3))


def lazy():
    """Layers that see their input before they have weights; batch norm and dropout."""
    network = nn.Sequential(nn.LazyLinear(6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.1), nn.Linear(6, 3))
    network(torch.zeros(2, 2))
    return network


@pytest.fixture(scope="module")
def others(problem):
    return {make: trained(seeded(make), problem.data, problem.recipe) for make in (Recurrent, tied, lazy)}


@pytest.mark.methods(lambda table, name: name not in ("dp-sgd", "influence-ekfac"))  # they say why not
@pytest.mark.parametrize("make", [Recurrent, tied, lazy])
def test_other_networks_are_taken_too(table, name, make, others, problem):
    """Of the last layers one alone, which shares nothing."""
    before, short = bits(others[make]), problem.recipe.but(epochs=1, milestones=())
    name = {"eu-k": "eu-k,k=1", "cf-k": "cf-k,k=1"}.get(name, name)
    after = problem.after(table, name, model=others[make], recipe=short)
    assert after(problem.data.inputs).isfinite().all()
    assert same(others[make], before)


@pytest.mark.skipif(not torch.accelerator.is_available(), reason="needs an accelerator")
def test_a_network_stays_on_its_device(table, name, problem):
    device = torch.accelerator.current_accelerator()
    after = problem.after(table, name, model=copy.deepcopy(problem.model).to(device))
    assert {parameter.device.type for parameter in after.parameters()} == {device.type}


def test_row_numbers_are_no_forget_set(problem):
    rows = problem.forget.nonzero().flatten()
    with pytest.raises(ValueError, match=r"true or false for each of the 120 .* `forget_mask`"):
        problem.after(DELETIONS, "retrain", forget=rows)
    assert forget_mask(rows, len(problem.data)).equal(problem.forget)
    with pytest.raises(ValueError, match="the rows to forget run from 3 to 90, but the data has the rows 0 to 89"):
        forget_mask(torch.tensor([90, 3]), 90)
    for wrong, words in ((torch.tensor([True]), "torch.bool"), (torch.tensor([1.0]), "torch.float32")):
        with pytest.raises(TypeError, match=f"must be a tensor of row numbers.*{words}"):
            forget_mask(wrong, 4)
