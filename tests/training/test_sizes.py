"""Products and memory of a network, against counts by hand."""

import pytest
import torch
from torch import nn

from spurlab.models import build, skeleton
from spurlab.training import StackedCNN, bytes_to_train
from spurlab.training.engines import stack_states
from spurlab.training.sizes import multiply_adds

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def conv(inplace=False):
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(inplace=inplace), nn.Flatten(), nn.Linear(75, 10))


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize(("inplace", "outputs"), [(False, 75 + 75 + 75 + 10), (True, 75 + 75 + 10)])
def test_bytes_of_a_small_convolution_by_hand(device, inplace, outputs):
    """On 7 x 7 pixels the convolution gives 3 x 5 x 5 = 75 numbers; ReLU as many anew, or writes over them.

    Parameters: 27 + 3 of the convolution, 750 + 10 of the last layer; numbers have four bytes.
    """
    network = conv(inplace).to(device)
    assert bytes_to_train(network, (1, 7, 7), 4) == 4 * (8 * 790 + 4 * (4 * 49 + 2 * outputs))


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_bytes_of_convolutions_of_signals_by_hand(device):
    """Of 9 features a kernel of 5 at every second gives 3 places with 2 channels, a kernel of 3 then one with 4.

    Windows: 3 places x 5 numbers, and one x 3 x 2. Each convolution and its ReLU put out 6 and 4 numbers, the layers
    around them the signal twice, the 4 numbers again, and 3 logits. Parameters: 10 + 2, 24 + 4, 12 + 3.
    """
    layers = (nn.Flatten(), nn.Unflatten(1, (1, 9)), nn.Conv1d(1, 2, 5, 2), nn.ReLU(), nn.Conv1d(2, 4, 3), nn.ReLU())
    network = nn.Sequential(*layers, nn.Flatten(), nn.Linear(4, 3)).to(device)
    outputs, windows = 9 + 9 + 2 * 6 + 2 * 4 + 4 + 3, 15 + 6
    assert bytes_to_train(network, (9,), 7) == 4 * (8 * 55 + 7 * (4 * 9 + 2 * (outputs + windows)))


@pytest.mark.parametrize("name", ["mnist1d-cnn-25", "mnist1d-cnn"])
def test_what_convolutions_of_signals_hold_is_what_is_counted(name):
    """After a step, a stack of two holds what was counted or a little less: autograd keeps the rest for a moment."""
    models = [build(name, (40,), 10, seed) for seed in range(2)]
    stack = StackedCNN(models[0], stack_states(models))
    stack(torch.randn(2, 100, 40)).sum().backward()
    held = sum(each.numel() for each in stack._scratch._held.values())
    weights = sum(parameter.numel() for parameter in stack.parameters())
    counted = 2 * bytes_to_train(models[0], (40,), 100) / 4
    assert 0.7 * counted < held + 8 * weights < counted


def test_activations_of_a_deep_network_outweigh_its_weights():
    """ResNet20 in its paper: layers of 16 x 32 x 32 numbers, and 0.27 million parameters."""
    network = skeleton("resnet20", (3, 32, 32), 10)
    weights = 32 * sum(p.numel() for p in network.parameters())
    assert bytes_to_train(network, (3, 32, 32), 128) > 10 * weights
    assert bytes_to_train(network, (3, 32, 32), 0) == weights


@pytest.mark.parametrize(
    ("layer", "shape", "wanted"),
    [
        (lambda: nn.Conv2d(1, 3, 3), (1, 7, 7), 75 * 9),
        (lambda: nn.Conv2d(4, 6, 3, padding=1, groups=2), (4, 5, 5), 6 * 25 * 2 * 9),
        (lambda: nn.Conv2d(2, 2, (1, 3), stride=2), (2, 4, 5), 2 * 2 * 2 * 6),
        (lambda: nn.Conv1d(2, 3, 5), (2, 9), 3 * 5 * 10),
        (lambda: nn.Linear(7, 3), (1, 7), 0),
    ],
)
def test_multiply_adds_by_hand(layer, shape, wanted):
    """For each number put out, one for each weight that it is made with."""
    for device in ("cpu", "meta"):
        assert multiply_adds(layer().to(device), shape, CONVOLUTIONS) == wanted


def test_counting_leaves_no_trace():
    """Nor the modes, nor what batch norm counts, nor the global generator, even if the network always draws."""

    class Draws(nn.Module):
        def forward(self, inputs):
            return inputs + torch.rand_like(inputs)

    network = nn.Sequential(Draws(), nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3).eval(), nn.BatchNorm2d(3), nn.Flatten())
    before, generator = {k: v.clone() for k, v in network.state_dict().items()}, torch.get_rng_state()
    bytes_to_train(network, (1, 7, 7), 4)
    assert multiply_adds(network, (1, 7, 7), CONVOLUTIONS) == 75 * 9
    assert all(value.equal(before[name]) for name, value in network.state_dict().items())
    assert [module.training for module in network] == [True, True, False, True, True]
    assert not any(module._forward_hooks for module in network.modules())
    assert torch.get_rng_state().equal(generator)
