"""What holds for every method of the table."""

import copy

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from spurlab.deletion import DELETIONS, Sharded, deletion_named, forget_mask
from spurlab.deletion.method import split

every_method = pytest.mark.parametrize("name", DELETIONS)


def bits(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(one[name].equal(other[name]) for name in one)


@every_method
def test_model_and_data_are_left_untouched(name, model, data, forget, recipe):
    before, inputs, labels = bits(model), data.inputs.clone(), data.labels.clone()
    modes = [module.training for module in model.modules()]
    drawn = torch.random.get_rng_state()
    after = deletion_named(name, recipe, 0)(model, data, forget)
    assert same(bits(model), before)
    assert [module.training for module in model.modules()] == modes
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())
    assert data.inputs.equal(inputs)
    assert data.labels.equal(labels)
    assert torch.random.get_rng_state().equal(drawn), "PyTorch's global generator was used"
    assert not {id(p) for p in after.parameters()} & {id(p) for p in model.parameters()}


@every_method
def test_the_result_is_a_network_of_the_same_kind(name, model, data, forget, recipe):
    after = deletion_named(name, recipe, 0)(model, data, forget)
    for network in after.members if isinstance(after, Sharded) else [after]:
        assert {key: value.shape for key, value in bits(network).items()} == {
            k: v.shape for k, v in bits(model).items()
        }
    assert all(parameter.requires_grad and parameter.is_leaf for parameter in after.parameters())
    assert not any(module.training for module in after.modules())
    assert after(data.inputs).isfinite().all()


@pytest.mark.parametrize("name", [name for name in DELETIONS if name != "dampening"])  # its threshold selects none here
def test_what_is_forgotten_matters(name, model, data, forget, recipe):
    """A method that does nothing, or does not look at the forget set, would pass all else that is asked here."""
    after = deletion_named(name, recipe, 0)(model, data, forget)
    other = deletion_named(name, recipe, 0)(model, data, data.labels == 1)
    one, two, before = (network(data.inputs).detach() for network in (after, other, model))
    assert (one - before).abs().max() > 1e-4
    assert (one - two).abs().max() > 1e-4


@every_method
def test_the_same_call_gives_the_same_bits(name, model, data, forget, recipe):
    first, again = (bits(deletion_named(name, recipe, 3)(copy.deepcopy(model), data, forget)) for _ in range(2))
    assert same(first, again)


@every_method
def test_all_data_cannot_be_forgotten(name, model, data, forget, recipe):
    with pytest.raises(ValueError, match="all 90 training examples are to be forgotten"):
        deletion_named(name, recipe, 0)(model, data, torch.ones_like(forget))


@every_method
def test_a_forget_set_must_fit_the_data(name, model, data, forget, recipe):
    with pytest.raises(ValueError, match="true or false for each of the 90"):
        deletion_named(name, recipe, 0)(model, data, forget[:-1])


@every_method
def test_outputs_must_fit_the_labels(name, data, forget, recipe):
    with pytest.raises(ValueError, match=r"outputs of shape \(1, 2\), but the labels run to 2"):
        deletion_named(name, recipe, 0)(nn.Linear(2, 2), data, forget)


@every_method
def test_an_empty_forget_set_is_no_error(name, model, data, forget, recipe):
    """Nothing is to be forgotten: the network still knows the classes."""
    after = deletion_named(name, recipe, 0)(model, data, torch.zeros_like(forget))
    assert (after(data.inputs).argmax(1) == data.labels).double().mean() > 0.9


@pytest.mark.parametrize(
    "name",
    [
        *(
            "influence",
            "influence-lissa",
            "influence-reference",
            "influence-reference-25",
            "influence-reference-1000",
            "influence-second",
        ),
        *("newton", "dampening", "gradient-ascent"),
    ],
)
def test_without_fine_tuning_an_empty_forget_set_changes_nothing(name, model, data, forget, recipe):
    after = deletion_named(name, recipe, 0)(model, data, torch.zeros_like(forget))
    assert same(bits(after), bits(model))


def test_row_numbers_are_no_forget_set(model, data, forget):
    with pytest.raises(ValueError, match=r"true or false for each of the 90 .* `forget_mask`"):
        split(model, data, forget.nonzero().flatten())
    assert forget_mask(forget.nonzero().flatten(), len(data)).equal(forget)
    with pytest.raises(ValueError, match="the rows to forget run from 3 to 90, but the data has the rows 0 to 89"):
        forget_mask(torch.tensor([90, 3]), len(data))
    for wrong, found in ((torch.tensor([True]), "torch.bool"), (torch.tensor([1.0]), "torch.float32")):
        with pytest.raises(TypeError, match=f"must be a tensor of row numbers.*{found}"):
            forget_mask(wrong, 4)


def test_an_unknown_name_is_told_the_nearest(recipe):
    with pytest.raises(ValueError, match=r"there is no deletion method 'incremental-1e5'\. Did you mean"):
        deletion_named("incremental-1e5", recipe, 0)


def test_weights_that_are_not_finite_are_an_error(model, data, forget, recipe):
    hot = recipe.but(optimizer="sgd", learning_rate=1e30)
    with pytest.raises(FloatingPointError, match="are not finite"):
        deletion_named("incremental", hot, 0)(model, data, forget)


def test_every_example_counts_once_for_incremental_retraining(model, data, forget, recipe):
    """One step over all retained examples by SGD is one gradient step of their mean loss, by hand."""
    whole = recipe.but(optimizer="sgd", momentum=0.0, learning_rate=0.1, batch_size=len(data), epochs=1, milestones=())
    after = deletion_named("incremental", whole, 0)(model, data, forget)
    loss = nn.functional.cross_entropy(model(data.inputs[~forget]), data.labels[~forget])
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    for new, old, gradient in zip(after.parameters(), model.parameters(), gradients, strict=True):
        assert_close(new, old - 0.1 * gradient)
