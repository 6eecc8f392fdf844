"""One step of mixup, by hand."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from toys import assert_moved

from spurlab.methods import Descent, untrained
from spurlab.prevention import Mixup
from spurlab.prevention.method import own_seed
from spurlab.seeds import seed_for


def test_one_step_by_hand(model, data, clean, recipe):
    """All examples in one batch and plain SGD: one gradient step of the mixture of the losses at the mixed inputs. It
    is the cross-entropy to the mixed labels, which is how the paper writes it."""
    whole = recipe.but(optimizer="sgd", momentum=0.0, learning_rate=0.1, batch_size=len(data), epochs=1, milestones=())
    after = Mixup(whole, alpha=0.4)(model, data, clean)
    fresh = untrained(model, own_seed(0, "mixup"))
    (batch,) = Descent(copy.deepcopy(fresh), whole, 0, "mixup", purpose="prevention").batches(data, 0)
    draws = np.random.default_rng(seed_for(0, "prevention", "mixup", "mixtures"))
    share, order = draws.beta(0.4, 0.4), draws.permutation(len(data))
    inputs = share * batch.inputs + (1 - share) * batch.inputs[order]
    hot = F.one_hot(batch.labels, 3).float()
    target = (share * hot + (1 - share) * hot[order]).float()
    loss = -(target * fresh(inputs.float()).log_softmax(1)).sum(1).mean()
    slopes = torch.autograd.grad(loss, list(fresh.parameters()))
    assert_moved(after, fresh, [-0.1 * slope for slope in slopes])


def test_hardly_mixed_is_plain_training(two_features):
    """Beta(0.001, 0.001) is 0 or 1 but for one draw in a hundred: the minority is served as by plain training."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(2, 2))
    after = Mixup(two_features.recipe, alpha=0.001)(network, two_features.data, two_features.clean)
    assert two_features.groups(after)[1] == pytest.approx(two_features.misled, abs=0.08)
