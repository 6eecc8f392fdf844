"""SalUn: masks worked out on paper, and what they hold in place."""

import pytest
import torch
from toys import linear

from spurlab.data import Examples
from spurlab.deletion import SalUn
from spurlab.deletion.salun import salient


@pytest.fixture
def flat():
    """Logits 0 for every input: probabilities (1/2, 1/2)."""
    return linear([[0.0, 0.0], [0.0, 0.0]])


def example(*inputs):
    return Examples(torch.tensor([inputs]), torch.tensor([0]))


@pytest.mark.parametrize(
    ("inputs", "share", "mask"),
    [
        ((1.0, 3.0), 0.5, [[False, True], [False, True]]),  # gradients -1/2 -3/2 / 1/2 3/2
        ((1.0, 3.0), 1.0, [[True, True], [True, True]]),
        ((0.0, 3.0), 0.5, [[False, True], [False, True]]),
        ((0.0, 3.0), 0.75, [[False, True], [False, True]]),  # half of the gradient is zero: not salient at any share
        ((0.0, 3.0), 1.0, [[False, True], [False, True]]),
        ((0.0, 0.0), 0.5, [[False, False], [False, False]]),
    ],
)
def test_masks_by_hand(inputs, share, mask, flat, recipe):
    """The gradient is (p - y) x^T, with p - y = (-1/2, 1/2)."""
    assert salient(flat, example(*inputs), recipe, share)["weight"].tolist() == mask


def test_the_mean_over_the_forgotten_counts_in_batches_too(flat, recipe):
    """Two examples whose gradients cancel in the first column and add up in the second."""
    two = Examples(torch.tensor([[5.0, 1.0], [-5.0, 1.0]]), torch.tensor([0, 0]))
    for batch_size in (1, 2):
        mask = salient(flat, two, recipe.but(batch_size=batch_size), 0.5)["weight"]
        assert mask.tolist() == [[False, True], [False, True]]


def test_half_of_the_weights_of_all_layers_together_are_salient(model, data, forget, recipe, gradients):
    """51 weights: the 26 smallest stay, the median among them."""
    masks = salient(model, data[forget], recipe, 0.5)
    sizes = torch.cat([gradient.abs().flatten() for gradient in gradients(model, data[forget])])
    chosen = torch.cat([mask.flatten() for mask in masks.values()])
    assert chosen.sum() == (sizes > sizes.median()).sum()
    assert sizes[chosen].min() > sizes[~chosen].max()


def test_the_others_stay_to_the_bit_and_these_move(model, data, forget, recipe):
    masks = salient(model, data[forget], recipe, 0.5)
    after = SalUn(recipe.but(weight_decay=0.01))(model, data, forget)
    for name, mask in masks.items():
        assert after.get_parameter(name).ne(model.get_parameter(name)).equal(mask), name


def test_a_share_that_is_none_is_refused(model, data, forget, recipe):
    with pytest.raises(ValueError, match=r"`share` of the weights must lie in \(0, 1\], but it is 0"):
        SalUn(recipe, share=0.0)(model, data, forget)
