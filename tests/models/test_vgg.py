"""Vgg16 against torchvision's, and the perceptron against its formula."""

import math

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from spurlab.models import build, parameter_count, skeleton, vgg_mlp

NORMALIZE = torchvision.transforms.Normalize((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))


def test_vgg16_is_torchvisions(network, draw):
    """The same state in torchvision's own network, which is given normalised images; built without drawing."""
    ours = network("vgg16")
    with torch.device("meta"):
        theirs = torchvision.models.vgg16(weights=None, num_classes=10).eval()
    theirs.load_state_dict(ours.net.state_dict(), assign=True)
    images = draw(2, 3, 32, 32)
    torch.testing.assert_close(ours(images), theirs(NORMALIZE(images)))


def test_layers_are_those_of_configuration_d():
    """13 convolutions of 3 x 3 and 3 linear layers; 7 x 7 x 512 numbers come out of the pooling."""
    model = skeleton("vgg16", (3, 32, 32), 10)
    widths = [64, 64, 128, 128, 256, 256, 256, *[512] * 6]
    shapes = [(after, before, 3, 3) for before, after in zip([3, *widths], widths, strict=False)]
    shapes += [(4096, 512 * 7 * 7), (4096, 4096), (10, 4096)]
    found = [tuple(m.weight.shape) for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert found == shapes
    assert parameter_count(model) == sum(math.prod(each) + each[0] for each in shapes)
    assert [m.p for m in model.modules() if isinstance(m, nn.Dropout)] == [0.5, 0.5]
    assert not any(isinstance(m, nn.BatchNorm2d) for m in model.modules())


def test_grey_images_get_a_first_convolution_of_one_channel():
    model = skeleton("vgg16", (1, 32, 32), 10)
    assert model.net.features[0].weight.shape == (64, 1, 3, 3)
    assert parameter_count(model) == 134_301_514 - 64 * 2 * 9


def test_the_perceptron_is_its_formula(draw):
    model = build("vgg-mlp", (2, 3), 5, seed=0).eval()
    w, x = list(model.parameters()), draw(4, 2, 3)
    hidden = F.relu(F.relu(x.flatten(1) @ w[0].T + w[1]) @ w[2].T + w[3])
    torch.testing.assert_close(model(x), hidden @ w[4].T + w[5])
    kinds = "Flatten Linear ReLU Dropout Linear ReLU Dropout Linear"
    assert [type(module).__name__ for module in model] == kinds.split()
    assert [m.p for m in model if isinstance(m, nn.Dropout)] == [0.5, 0.5]


@pytest.mark.parametrize(("shape", "classes"), [((1, 28, 28), 10), ((40,), 3)])
def test_the_perceptrons_parameters_by_hand(shape, classes):
    d = math.prod(shape)
    wanted = (d + 1) * 4096 + 4097 * 4096 + 4097 * classes
    assert parameter_count(skeleton("vgg-mlp", shape, classes)) == wanted


def test_the_perceptron_starts_as_the_last_layers_of_vgg16():
    """Normal with standard deviation 0.01; that of N numbers is off by 1 / sqrt(2 N) of it (sd). Outside of five of
    these lies one draw in 1.7 million, and the seed is fixed. Biases are zero."""
    torch.manual_seed(0)
    for layer in (module for module in vgg_mlp((9,), 3) if isinstance(module, nn.Linear)):
        n = layer.weight.numel()
        assert layer.weight.std().item() == pytest.approx(0.01, rel=5 / math.sqrt(2 * n))
        assert layer.bias.abs().max() == 0
