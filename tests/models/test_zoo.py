"""The zoo against arithmetic, the paper's Table 2 and PyTorch's own generator."""

from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.func import functional_call, vmap

from spurlab.models import (
    ARCHITECTURES,
    architecture_named,
    build,
    is_grown,
    is_perceptron,
    mlp,
    parameter_count,
    seeded,
    skeleton,
    trial_inputs,
)
from spurlab.report.views.parameters import PAPER as PAPER_PARAMETERS
from spurlab.training import can_stack

SHAPE = (1, 28, 28)
TABLE_2 = {
    "small-mlp": 203_530,
    "mlp": 335_114,
    "large-mlp": 932_362,
    "cnn": 312_202,
    "resnet20": 269_722,
    "resnet32": 464_154,
    "resnet110": 1_727_962,
    "vgg16": 134_301_514,
}
HIDDEN = {
    "small-mlp": [256],
    "mlp": [256, 256, 256],
    "large-mlp": [512, 512, 512],
    "logistic": [],
    "table-mlp": [64, 64],
}
# images are no signals: `test_signals` has these
FOR_SIGNALS = ("mnist1d-cnn", "mnist1d-cnn-25", "mnist1d-gru")


def same_weights(a, b):
    a, b = a.state_dict(), b.state_dict()
    return a.keys() == b.keys() and all(a[name].equal(b[name]) for name in a)


@pytest.mark.parametrize("name", TABLE_2)
def test_table_2_of_the_paper(name, network):
    assert parameter_count(network(name)) == TABLE_2[name]
    assert PAPER_PARAMETERS == TABLE_2


def test_a_skeleton_counts_the_same_without_memory(name, network, shape_of):
    bones = skeleton(name, shape_of(name), 10)
    assert parameter_count(bones) == parameter_count(network(name))
    assert all(tensor.is_meta for tensor in bones.state_dict().values())


@pytest.mark.parametrize("name", HIDDEN)
@pytest.mark.parametrize(("shape", "classes"), [(SHAPE, 10), ((3, 32, 32), 10), ((40,), 7)])
def test_parameters_are_counted_layer_by_layer(name, shape, classes):
    """A layer from a to b numbers has a * b weights and b biases."""
    pixels = 1
    for axis in shape:
        pixels *= axis
    widths = [pixels, *HIDDEN[name], classes]
    assert parameter_count(build(name, shape, classes, seed=0)) == sum(a * b + b for a, b in pairwise(widths))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "name",
    [name for name, entry in ARCHITECTURES.items() if not (name in FOR_SIGNALS or entry.words or is_grown(name))],
)
def test_every_architecture_takes_grey_and_colour_and_gives_one_logit_per_class(name, channels, draw):
    """Real numbers for the small ones; for all of them what PyTorch says of the shapes."""
    shape = (channels, 32, 40)
    bones = skeleton(name, shape, 7)
    assert bones(torch.zeros(2, *shape, device="meta")).shape == (2, 7)
    if parameter_count(bones) < 2_000_000:
        logits = build(name, shape, 7, seed=0)(draw(2, *shape))
        assert logits.shape == (2, 7)
        assert logits.isfinite().all()


def test_perceptrons_are_linear_layers_with_relu_from_the_inputs_on(name, network):
    """What the lockstep chain takes; a residual, dropout or an image network is none."""
    assert is_perceptron(name) == (name in HIDDEN) == can_stack(network(name))


def test_every_architecture_can_be_mapped_over_members(name, shape_of):
    """As the lockstep engine does it, in training mode; without numbers, so that Vgg16 costs nothing."""
    bones = skeleton(name, shape_of(name), 10)
    states = {key: tensor.new_empty(2, *tensor.shape) for key, tensor in bones.state_dict().items()}
    images = torch.stack([trial_inputs(bones, shape_of(name), 3)] * 2).to("meta")
    mapped = vmap(lambda state, x: functional_call(bones, state, (x,)), randomness="different")
    assert mapped(states, images).shape == (2, 3, 10)


@pytest.mark.parametrize("name", ["cnn", "resnet20", "resnet18-cifar", "mnist1d-mlp", "mnist1d-cnn-25", "mnist1d-gru"])
def test_mapped_members_give_the_numbers_of_each_alone(name, shape_of, draw):
    """The slow way is the members one after the other. In training mode batch norm uses the batch; no dropout there."""
    members = [build(name, shape_of(name), 10, seed) for seed in range(2)]
    for member in members:
        for module in member.modules():
            module.training = isinstance(module, nn.BatchNorm2d)
        nn.init.normal_(list(member.modules())[-1].weight)  # that of the CNN is zero
    states = {k: torch.stack([member.state_dict()[k] for member in members]) for k in members[0].state_dict()}
    images = draw(2, 3, *shape_of(name))
    mapped = vmap(lambda state, x: functional_call(members[0], state, (x,)))(states, images)
    alone = torch.stack([member(x) for member, x in zip(members, images, strict=True)])
    torch.testing.assert_close(mapped, alone, rtol=1e-4, atol=1e-4)


def test_frozen_parameters_do_not_count():
    model = mlp((2,), 3, hidden=())
    model[1].weight.requires_grad_(False)
    assert parameter_count(model) == 3


def test_an_mlp_is_its_formula():
    """Weights written down by hand, ReLU between the layers and none after the last."""
    model = mlp((1, 1, 2), 2, hidden=(2,))
    weights = {"1.weight": [[1, 0], [0, 1]], "1.bias": [0, -1], "3.weight": [[1, 2], [-1, 0]], "3.bias": [0, -1]}
    model.load_state_dict({name: torch.tensor(values).float() for name, values in weights.items()})
    inputs = torch.tensor([[2.0, 3.0], [-1.0, 0.5]]).view(2, 1, 1, 2)  # hidden: (2, 2) and (0, 0)
    assert model(inputs).tolist() == [[6, -3], [0, -1]]


def test_the_seed_alone_decides_the_weights_and_the_global_generator_is_left_as_it_was(name, network, shape_of):
    """Equal by chance for another seed: no, thousands of numbers are drawn."""
    before = torch.manual_seed(123).get_state()  # whatever the caller did with the global generator
    assert same_weights(network(name), build(name, shape_of(name), 10, seed=0))
    assert torch.get_rng_state().equal(before)
    assert not same_weights(network(name), build(name, shape_of(name), 10, seed=1))


def test_the_global_generator_is_left_as_it_was_when_the_function_fails():
    def fails():
        torch.rand(1)
        raise ZeroDivisionError

    before = torch.get_rng_state()
    with pytest.raises(ZeroDivisionError):
        seeded(fails, seed=0)
    assert torch.get_rng_state().equal(before)


def test_a_function_of_the_user_is_seeded_like_the_zoo():
    model = seeded(lambda: mlp((1, 4, 4), 3, hidden=(256,)), seed=5)
    assert same_weights(model, build("small-mlp", (1, 4, 4), 3, seed=5))


def test_the_seed_of_the_weights_is_not_the_seed_itself():
    """Or a user's own ``torch.manual_seed(seed)`` would draw the very numbers that the weights are made of."""
    torch.manual_seed(0)
    assert not same_weights(mlp((4,), 3, hidden=()), seeded(lambda: mlp((4,), 3, hidden=()), seed=0))


def test_every_architecture_answers_to_its_names(name):
    assert architecture_named(name) == name
    if reference := ARCHITECTURES[name].reference:  # a network that is not the paper's has none
        assert architecture_named(f"ce-tor-{reference}") == name


def test_names_of_the_public_code():
    names = ["ce-tor-MLP", "ce-tor-LargeMLP", "ce-tor-LargeMLPv2"]
    assert [architecture_named(name) for name in names] == ["small-mlp", "mlp", "large-mlp"]
    model = build("ce-tor-LargeMLP", SHAPE, 10, seed=3)
    assert same_weights(model, build("mlp", SHAPE, 10, seed=3))
    names = ["CNN002", "altResNet20Norm02", "altResNet32Norm02", "altResNet110Norm02", "Vgg16Norm02", "VggMLP"]
    found = [architecture_named(f"ce-tor-{name}") for name in names]
    assert found == ["cnn", "resnet20", "resnet32", "resnet110", "vgg16", "vgg-mlp"]
    assert [architecture_named(f"ce-tor-ResNet{depth}") for depth in (18, 50)] == ["resnet18", "resnet50"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("large-mpl", "no architecture 'large-mpl'. Did you mean 'large-mlp'?"),
        ("ce-tor-LargMLP", "no architecture 'LargMLP'. Did you mean 'LargeMLP'?"),
        ("zzz", "no architecture 'zzz'. There are: .*small-mlp, .*large-mlp"),
        ("ce-tor-zzz", "no architecture 'zzz'. There are: MLP, LargeMLP, LargeMLPv2, "),
        ("mse-tor-MLP", "'mse-tor-MLP' asks for 'mse'.*write 'ce-tor-MLP', and recipe.loss"),
        ("aug01-ce-tor-altResNet20Norm02", "asks for 'aug01-ce'.*write 'ce-tor-altResNet20Norm02'"),
        ("ce-tor-", "no architecture ''. There are: MLP, .*Vgg16Norm02"),
        ("ce-tor-Vgg16", "no architecture 'Vgg16'. Did you mean 'Vgg16Norm02'?"),  # theirs without normalisation
        ("vgg-16", "no architecture 'vgg-16'. Did you mean 'vgg16'?"),
        ("aug01-ce-tor-MLP", "asks for 'aug01-ce'.*write 'ce-tor-MLP'.*crop-flip"),
        ("LargeMLP", "no architecture 'LargeMLP'"),  # the public code's names have a loss in front
        ("", "no architecture ''. There are: .*small-mlp, .*large-mlp"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest_one(name, message):
    for asked in (lambda: architecture_named(name), lambda: build(name, SHAPE, 10, seed=0)):
        with pytest.raises(ValueError, match=message):
            asked()


def test_the_zoo_gives_fresh_modules():
    """Two networks of one call each: training one must not move the other."""
    first, second = (build("small-mlp", (2,), 2, seed=0) for _ in range(2))
    with torch.no_grad():
        for parameter in first.parameters():
            parameter.zero_()
    assert not same_weights(first, second)
    assert isinstance(first, nn.Module)


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("cnn", (1, 4, 4), r"the CNN needs images of 16 x 16 pixels or more, but these are 1 x 4 x 4"),
        ("cnn", (1, 40, 15), r"these are 1 x 40 x 15"),
        ("vgg16", (1, 28, 28), r"Vgg16 needs images of 32 x 32 pixels or more, but these are 1 x 28 x 28"),
        ("cnn", (40,), r"the CNN takes images, c x h x w, but one input here is 40"),
        ("resnet20", (28, 28), r"ResNet20 takes images, c x h x w, but one input here is 28 x 28"),
        ("resnet50", (3, 0, 32), r"ResNet50 takes images"),
        ("resnet110", (2, 32, 32), r"images of 1 or 3 channels, but these have 2"),
        ("vgg16", (4, 32, 32), r"images of 1 or 3 channels, but these have 4"),
        ("mnist1d-cnn", (1, 28, 28), r"the CNN of MNIST-1D takes signals of one channel.*here is 1 x 28 x 28"),
        ("mnist1d-cnn-25", (2, 40), r"takes signals of one channel \(d or 1 x d\), but one input here is 2 x 40"),
        ("mnist1d-cnn", (2,), r"needs signals of 3 features or more, but these have 2"),
        ("mnist1d-gru", (3, 32, 32), r"the GRU of MNIST-1D takes signals of one channel.*here is 3 x 32 x 32"),
        ("mnist1d-gru", (1, 0), r"needs signals of 1 features or more, but these have 0"),
    ],
)
def test_inputs_that_a_network_cannot_take_are_refused(name, shape, message):
    for make in (lambda: build(name, shape, 10, seed=0), lambda: skeleton(name, shape, 10)):
        with pytest.raises(ValueError, match=message):
            make()


@pytest.mark.parametrize(("name", "smallest"), [("mnist1d-cnn", 3), ("mnist1d-gru", 1)])
def test_the_shortest_signals_that_are_taken_do_go_through(name, smallest):
    for shape in ((smallest,), (1, smallest)):
        assert skeleton(name, shape, 10)(torch.zeros(2, *shape, device="meta")).shape == (2, 10)


@pytest.mark.parametrize(("name", "smallest"), [("cnn", 16), ("vgg16", 32), ("resnet20", 1), ("resnet50", 1)])
def test_the_smallest_images_that_are_taken_do_go_through(name, smallest):
    bones = skeleton(name, (1, smallest, smallest), 10).eval()
    assert bones(torch.zeros(2, 1, smallest, smallest, device="meta")).shape == (2, 10)
