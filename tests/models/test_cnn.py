"""The CNN: its layers written out, and its start."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from spurlab.models import build, cnn, parameter_count


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 16, 16), (3, 17, 30)])
def test_layers_and_shapes_are_those_of_trades(shape):
    """Convolutions of 3 x 3 without padding take 2 off, pools halve: 28 -> 26 -> 24 -> 12 -> 10 -> 8 -> 4."""
    channels, *sides = shape
    rows, columns = (math.floor((math.floor((side - 4) / 2) - 4) / 2) for side in sides)
    model = cnn(shape, 7)
    convolutions = [tuple(m.weight.shape) for m in model if isinstance(m, nn.Conv2d)]
    linear = [tuple(m.weight.shape) for m in model if isinstance(m, nn.Linear)]
    assert convolutions == [(32, channels, 3, 3), (32, 32, 3, 3), (64, 32, 3, 3), (64, 64, 3, 3)]
    assert linear == [(200, 64 * rows * columns), (200, 200), (7, 200)]
    weights = [*convolutions, *linear]
    assert parameter_count(model) == sum(math.prod(each) + each[0] for each in weights)
    kinds = (
        "Conv2d ReLU Conv2d ReLU MaxPool2d Conv2d ReLU Conv2d ReLU MaxPool2d Flatten Linear ReLU Dropout Linear ReLU"
    )
    assert [type(module).__name__ for module in model] == [*kinds.split(), "Linear"]
    assert model[13].p == 0.5


def test_the_cnn_is_its_formula(draw):
    """Step by step with PyTorch's functions; the last layer drawn, since it starts at zero."""
    model = build("cnn", (1, 28, 28), 10, seed=0).eval()
    nn.init.normal_(model[-1].weight)
    w = list(model.parameters())
    x = images = draw(3, 1, 28, 28)
    for i in (0, 4):
        x = F.relu(F.conv2d(F.relu(F.conv2d(x, w[i], w[i + 1])), w[i + 2], w[i + 3]))
        x = x.unfold(2, 2, 2).unfold(3, 2, 2).amax((-1, -2))
    x = x.reshape(3, 1024)
    x = F.relu(F.relu(x @ w[8].T + w[9]) @ w[10].T + w[11]) @ w[12].T + w[13]
    torch.testing.assert_close(model(images), x)


def test_a_new_network_gives_every_class_the_same_probability(network, draw):
    assert network("cnn")[-1].weight.abs().max() == network("cnn")[-1].bias.abs().max() == 0
    assert network("cnn")(draw(2, 1, 28, 28)).softmax(-1).equal(torch.full((2, 10), 0.1))


def test_convolutions_start_with_kaimings_normal(network):
    """Standard deviation sqrt(2 / fan in). That of N normal numbers is off by 1 / sqrt(2 N) of it (sd); outside of five
    of these lies one draw in 1.7 million, and the seed is fixed."""
    for layer in (module for module in network("cnn") if isinstance(module, nn.Conv2d)):
        n, std = layer.weight.numel(), math.sqrt(2 / layer.weight[0].numel())
        assert layer.weight.std().item() == pytest.approx(std, rel=5 / math.sqrt(2 * n))
        assert layer.bias.abs().max() == 0


def test_dropout_is_there_in_training_and_only_there(network, draw):
    model = build("cnn", (1, 28, 28), 10, seed=0)
    nn.init.normal_(model[-1].weight)
    images = draw(4, 1, 28, 28)
    assert not model.train()(images).equal(model(images))
    assert model.eval()(images).equal(model(images))
