"""The zoo against arithmetic, the paper's Table 2 and PyTorch's own generator."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from spurlab.models import ARCHITECTURES, architecture_named, build, mlp, parameter_count, seeded

SHAPE = (1, 28, 28)
TABLE_2 = {"small-mlp": 203_530, "mlp": 335_114, "large-mlp": 932_362}
HIDDEN = {"small-mlp": [256], "mlp": [256, 256, 256], "large-mlp": [512, 512, 512]}


def same_weights(a, b):
    a, b = a.state_dict(), b.state_dict()
    return a.keys() == b.keys() and all(a[name].equal(b[name]) for name in a)


@pytest.mark.parametrize("name", TABLE_2)
def test_table_2_of_the_paper(name):
    assert parameter_count(build(name, SHAPE, 10, seed=0)) == TABLE_2[name]


@pytest.mark.parametrize("name", HIDDEN)
@pytest.mark.parametrize(("shape", "classes"), [(SHAPE, 10), ((3, 32, 32), 10), ((40,), 7)])
def test_parameters_are_counted_layer_by_layer(name, shape, classes):
    """A layer from a to b numbers has a * b weights and b biases."""
    pixels = 1
    for axis in shape:
        pixels *= axis
    widths = [pixels, *HIDDEN[name], classes]
    assert parameter_count(build(name, shape, classes, seed=0)) == sum(a * b + b for a, b in pairwise(widths))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_gives_one_logit_per_class(name):
    assert build(name, SHAPE, 7, seed=0)(torch.zeros(2, *SHAPE)).shape == (2, 7)


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


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_seed_decides_the_weights(name):
    """Equal by chance for another seed: no, thousands of uniform numbers are drawn."""
    model = build(name, SHAPE, 10, seed=7)
    torch.manual_seed(123)  # whatever the caller did with the global generator
    assert same_weights(model, build(name, SHAPE, 10, seed=7))
    assert not same_weights(model, build(name, SHAPE, 10, seed=8))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_global_generator_is_left_as_it_was(name):
    before = torch.get_rng_state()
    build(name, SHAPE, 10, seed=0)
    assert torch.get_rng_state().equal(before)


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


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_architecture_answers_to_its_names(name):
    assert architecture_named(name) == name
    if reference := ARCHITECTURES[name].reference:  # a network that is not the paper's has none
        assert architecture_named(f"ce-tor-{reference}") == name


def test_names_of_the_public_code():
    names = ["ce-tor-SmallMLP", "ce-tor-MLP", "ce-tor-LargeMLP"]
    assert [architecture_named(name) for name in names] == ["small-mlp", "mlp", "large-mlp"]
    model = build("ce-tor-LargeMLP", SHAPE, 10, seed=3)
    assert same_weights(model, build("large-mlp", SHAPE, 10, seed=3))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("large-mpl", "no architecture 'large-mpl'. Did you mean 'large-mlp'?"),
        ("ce-tor-LargMLP", "no architecture 'LargMLP'. Did you mean 'LargeMLP'?"),
        ("zzz", "no architecture 'zzz'. There are: .*small-mlp, .*large-mlp"),
        ("ce-tor-zzz", "no architecture 'zzz'. There are: .*SmallMLP, .*LargeMLP"),
        ("mse-tor-MLP", "'mse-tor-MLP' asks for 'mse'.*Write 'ce-tor-MLP'"),
        ("aug01-ce-tor-MLP", "asks for 'aug01-ce'.*without augmentation.*Write 'ce-tor-MLP'"),
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
