"""Incremental retraining is training that goes on."""

import torch
from torch import nn
from torch.testing import assert_close

from spurlab.deletion import Incremental, deletion_named


def test_every_example_counts_once(model, data, forget, recipe):
    """One step over all retained examples by SGD is one gradient step of their mean loss, by hand."""
    whole = recipe.but(optimizer="sgd", momentum=0.0, learning_rate=0.1, batch_size=len(data), epochs=1, milestones=())
    after = deletion_named("incremental", whole, 0)(model, data, forget)
    loss = nn.functional.cross_entropy(model(data.inputs[~forget]), data.labels[~forget])
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    for new, old, gradient in zip(after.parameters(), model.parameters(), gradients, strict=True):
        assert_close(new, old - 0.1 * gradient)


def test_a_rate_of_its_own_is_one_rate_throughout(model, data, forget, recipe):
    """As by a recipe with that rate and no milestone."""
    other = recipe.but(learning_rate=0.02, milestones=())
    one, same = (method(model, data, forget) for method in (Incremental(recipe, rate=0.02), Incremental(other)))
    assert_close(one.state_dict(), same.state_dict(), rtol=0, atol=0)
