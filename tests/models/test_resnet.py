"""The ResNets: layers by closed form, shortcuts by slicing, and torchvision as the oracle for its own."""

import math

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from spurlab.models import Normalize, build, cifar_resnet, parameter_count, resnet, skeleton
from spurlab.models.resnet import Block, OptionA
from spurlab.seeds import rng_for

MEAN, STD = torch.tensor([0.4914, 0.4822, 0.4465]), torch.tensor([0.2023, 0.1994, 0.2010])


def with_drawn_state(model):
    """Every weight and every running mean and variance drawn, so that none can be mistaken for another."""
    rng = rng_for(0, "test", "state")
    state = {
        name: tensor if tensor.dtype == torch.int64 else 0.05 + 0.1 * torch.rand(tensor.shape, generator=rng)
        for name, tensor in model.state_dict().items()
    }
    model.load_state_dict(state | {k: v for k, v in model.state_dict().items() if k.startswith("normalize")})
    return model.eval()


@pytest.mark.parametrize("channels", [1, 3])
def test_normalisation_is_channel_by_channel(channels, draw):
    """Grey: the means of the three channels' numbers, (.4914 + .4822 + .4465) / 3 and (.2023 + .1994 + .2010) / 3."""
    images = draw(2, channels, 5, 4)
    found = Normalize(channels)(images)
    for c in range(channels):
        mean, std = (MEAN[c], STD[c]) if channels == 3 else (0.47336667, 0.20090000)
        torch.testing.assert_close(found[:, c], (images[:, c] - mean) / std)
    assert [tuple(buffer.shape) for buffer in Normalize(channels).buffers()] == [(channels, 1, 1)] * 2
    assert not list(Normalize(channels).parameters())


@pytest.mark.parametrize("depth", [8, 20, 32, 110])
def test_layers_are_those_of_he_et_al(depth):
    """6 n + 2 layers with weights: a convolution, 2 n in each of three stages, and a linear layer.

    Their Table: outputs of 32 x 32, 16 x 16 and 8 x 8 with 16, 32 and 64 channels.
    """
    n = (depth - 2) // 6
    model = cifar_resnet((3, 32, 32), 10, depth=depth)
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    assert len(convolutions) + 1 == depth
    widths = [16, *[16] * 2 * n, *[32] * 2 * n, *[64] * 2 * n]
    shapes = [(after, before, 3, 3) for before, after in zip([3, *widths], widths, strict=False)]
    assert [tuple(each.weight.shape) for each in convolutions] == shapes
    strides = [2 if after == 2 * before else 1 for after, before, _, _ in shapes]
    strides[0] = 1
    assert [each.stride for each in convolutions] == [(stride, stride) for stride in strides]
    assert all(each.bias is None and each.padding == (1, 1) for each in convolutions)
    norms = [module.num_features for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    assert norms == widths
    assert parameter_count(model) == sum(map(math.prod, shapes)) + 2 * sum(widths) + 640 + 10
    sides: list[int] = []
    for stage in (model.stage1, model.stage2, model.stage3):
        stage.register_forward_hook(lambda *call: sides.append(call[2].shape[-1]))
    model(torch.zeros(2, 3, 32, 32))
    assert sides == [32, 16, 8]


@pytest.mark.parametrize("size", [(8, 8), (7, 5), (1, 1)])
@pytest.mark.parametrize("new", [16, 3])
def test_option_a_is_slicing_and_zeros(size, new, draw):
    """Each number by itself: every second pixel, new // 2 channels of zeros before, the rest behind."""
    x = draw(2, 4, *size)
    found = OptionA(new)(x)
    rows, columns = range(0, size[0], 2), range(0, size[1], 2)
    assert found.shape == (2, 4 + new, len(rows), len(columns))
    for c in range(4 + new):
        old = c - new // 2
        for i, row in enumerate(rows):
            for j, column in enumerate(columns):
                wanted = x[:, old, row, column] if 0 <= old < 4 else torch.zeros(2)
                assert found[:, c, i, j].equal(wanted)
    assert not list(OptionA(new).parameters())


def test_a_block_whose_convolutions_are_zero_is_its_shortcut(draw):
    x = draw(2, 16, 6, 6)
    for block in (Block(16, 16).eval(), Block(16, 32).eval()):
        for convolution in (block.conv1, block.conv2):
            nn.init.zeros_(convolution.weight)
        assert block(x).equal(x if block.conv1.stride == (1, 1) else OptionA(16)(x))


@pytest.mark.parametrize(("before", "after"), [(8, 8), (8, 16)])
def test_a_block_is_its_formula(before, after, draw):
    block, x = with_drawn_state(Block(before, after)), draw(2, before, 6, 6)

    def norm(module, x):
        mean, variance, scale, shift = (
            tensor[:, None, None] for tensor in (module.running_mean, module.running_var, module.weight, module.bias)
        )
        return (x - mean) / (variance + 1e-5).sqrt() * scale + shift

    stride = after // before
    hidden = norm(block.norm1, F.conv2d(x, block.conv1.weight, stride=stride, padding=1)).clamp(min=0)
    inner = norm(block.norm2, F.conv2d(hidden, block.conv2.weight, padding=1))
    shortcut = torch.zeros_like(inner)
    shortcut[:, (after - before) // 2 : (after + before) // 2] = x[:, :, ::stride, ::stride]
    torch.testing.assert_close(block(x), (inner + shortcut).clamp(min=0), rtol=1e-4, atol=1e-4)


def test_the_network_is_its_stages_and_a_mean(network, draw):
    model, images = network("resnet20"), draw(3, 3, 32, 32)
    x = (images - MEAN.view(3, 1, 1)) / STD.view(3, 1, 1)
    x = F.relu(model.norm(F.conv2d(x, model.conv.weight, padding=1)))
    for stage in (model.stage1, model.stage2, model.stage3):
        for block in stage:
            x = block(x)
    torch.testing.assert_close(model(images), x.mean((2, 3)) @ model.linear.weight.T + model.linear.bias)


@pytest.mark.parametrize("name", ["resnet20", "resnet110"])
def test_weights_start_with_kaimings_normal(name, network):
    """Standard deviation sqrt(2 / fan in). That of N normal numbers is off by 1 / sqrt(2 N) of it (sd), their mean by
    1 / sqrt(N). Outside of five of these lies one draw in 1.7 million; here are 260, and the seed is fixed."""
    for layer in (m for m in network(name).modules() if isinstance(m, nn.Conv2d | nn.Linear)):
        n, std = layer.weight.numel(), math.sqrt(2 / layer.weight[0].numel())
        assert layer.weight.std().item() == pytest.approx(std, rel=5 / math.sqrt(2 * n))
        assert abs(layer.weight.mean().item()) < 5 * std / math.sqrt(n)


@pytest.mark.parametrize("depth", [18, 50])
def test_torchvisions_networks_are_torchvisions(depth, draw):
    """The same state in torchvision's own network, which is given normalised images."""
    ours = with_drawn_state(resnet((3, 40, 40), 10, depth=depth))
    theirs = getattr(torchvision.models, f"resnet{depth}")(weights=None, num_classes=10).eval()
    theirs.load_state_dict({k.removeprefix("net."): v for k, v in ours.state_dict().items() if k.startswith("net.")})
    images = draw(2, 3, 40, 40)
    normalised = torchvision.transforms.Normalize(MEAN, STD)(images)
    torch.testing.assert_close(ours(images), theirs(normalised), rtol=1e-5, atol=0)


@pytest.mark.parametrize("depth", [18, 50])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("cifar_stem", "kernel", "end"), [(False, 7, 1), (True, 3, 4)])
def test_stems(depth, channels, cifar_stem, kernel, end):
    """Only the first convolution and the pool differ; of 32 x 32 pixels a stem leaves 1 x 1 or 4 x 4 at the end."""
    model = resnet((channels, 32, 32), 10, depth=depth, cifar_stem=cifar_stem)
    theirs = getattr(torchvision.models, f"resnet{depth}")(weights=None, num_classes=10)
    assert model.net.conv1.weight.shape == (64, channels, kernel, kernel)
    whole = parameter_count(theirs) - 64 * 3 * 7 * 7
    assert parameter_count(model) == whole + 64 * channels * kernel * kernel
    sides = []
    model.net.layer4.register_forward_hook(lambda *call: sides.append(call[2].shape[-2:]))
    model.eval()(torch.zeros(1, channels, 32, 32))
    assert sides == [(end, end)]


@pytest.mark.parametrize("cifar_stem", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_stems_start_as_torchvisions_do(cifar_stem, channels):
    """Kaiming's normal with fan out, sqrt(2 / (64 k k)); five sd of the estimate, as above."""
    torch.manual_seed(0)
    weight = resnet((channels, 32, 32), 10, cifar_stem=cifar_stem).net.conv1.weight
    wanted = math.sqrt(2 / (64 * weight[0, 0].numel()))
    assert weight.std().item() == pytest.approx(wanted, rel=5 / math.sqrt(2 * weight.numel()))


def test_grey_images_give_what_three_equal_channels_give(draw):
    """A convolution adds channels up: one with the sum of the three kernels sees the same. Numbers are those of the
    grey normalisation on each channel."""
    grey = build("resnet18", (1, 32, 32), 10, seed=0).eval()
    colour = build("resnet18", (3, 32, 32), 10, seed=1).eval()
    grey.net.load_state_dict(colour.net.state_dict() | {"conv1.weight": colour.net.conv1.weight.sum(1, keepdim=True)})
    images = draw(2, 1, 32, 32)
    torch.testing.assert_close(
        grey(images), colour.net(grey.normalize(images).expand(-1, 3, -1, -1)), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("depth", [0, 2, 18, 21])
def test_other_depths_are_refused(depth):
    with pytest.raises(ValueError, match=rf"6 n \+ 2 layers, e.g. 20, 32 or 110, but `depth` is {depth}"):
        cifar_resnet((3, 32, 32), 10, depth=depth)
    if depth != 18:
        with pytest.raises(ValueError, match=f"`depth` must be 18 or 50, but it is {depth}"):
            resnet((3, 32, 32), 10, depth=depth)


def test_stems_of_the_table():
    assert skeleton("resnet18-cifar", (3, 32, 32), 10).net.conv1.stride == (1, 1)
    assert skeleton("resnet50-cifar", (3, 32, 32), 10).net.conv1.stride == (1, 1)
    assert skeleton("resnet18", (3, 32, 32), 10).net.conv1.stride == (2, 2)
    assert skeleton("resnet50", (3, 32, 32), 10).net.conv1.stride == (2, 2)
