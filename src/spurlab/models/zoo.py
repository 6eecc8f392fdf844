"""The table of architectures, and how a network is made from it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import nn

from spurlab.errors import InputError, did_you_mean
from spurlab.lent import settings_kept
from spurlab.models.boosted_trees import BoostedTrees
from spurlab.models.cnn import cnn
from spurlab.models.mlp import mlp
from spurlab.models.resnet import cifar_resnet, resnet
from spurlab.models.signals import ResidualMLP, SignalGRU, signal_cnn
from spurlab.models.text import TextCNN, TextTransformer, WordBag
from spurlab.models.trying import whole
from spurlab.models.user import check_user_name, foreign_network, is_user_name, user_network
from spurlab.models.vgg import vgg16, vgg_mlp
from spurlab.plugins import Extensible, is_foreign, is_recorded, of_type
from spurlab.seeds import seed_for, seed_global


@dataclass(frozen=True)
class Architecture:
    """One entry of the zoo.

    Args:
        title: what people call it.
        make: ``make(shape, classes, **settings)`` gives a network: inputs ``n *shape``, logits ``n k``. A shape that it
            cannot take is a ValueError.
        settings: those of this entry.
        reference: its name in the public code, as in ``ce-tor-LargeMLP``, if it has one.
        words: whether its inputs are documents.
    """

    title: str
    make: Callable[..., nn.Module]
    settings: Mapping[str, Any] = field(default_factory=dict)
    reference: str = ""
    words: bool = False


ARCHITECTURES: Extensible[str, Architecture] = Extensible(
    "models",
    {
        "small-mlp": Architecture("small MLP", mlp, {"hidden": (256,)}, "MLP"),
        "mlp": Architecture("MLP", mlp, {"hidden": (256, 256, 256)}, "LargeMLP"),
        "large-mlp": Architecture("large MLP", mlp, {"hidden": (512, 512, 512)}, "LargeMLPv2"),
        "vgg-mlp": Architecture("VggMLP", vgg_mlp, {}, "VggMLP"),
        "cnn": Architecture("CNN", cnn, {}, "CNN002"),
        "resnet20": Architecture("ResNet20", cifar_resnet, {"depth": 20}, "altResNet20Norm02"),
        "resnet32": Architecture("ResNet32", cifar_resnet, {"depth": 32}, "altResNet32Norm02"),
        "resnet110": Architecture("ResNet110", cifar_resnet, {"depth": 110}, "altResNet110Norm02"),
        "resnet18": Architecture("ResNet18", resnet, {"depth": 18}, "ResNet18"),
        "resnet18-cifar": Architecture("ResNet18, CIFAR stem", resnet, {"depth": 18, "cifar_stem": True}),
        "resnet50": Architecture("ResNet50", resnet, {"depth": 50}, "ResNet50"),
        "resnet50-cifar": Architecture("ResNet50, CIFAR stem", resnet, {"depth": 50, "cifar_stem": True}),
        "vgg16": Architecture("Vgg16", vgg16, {}, "Vgg16Norm02"),
        "logistic": Architecture("logistic regression", mlp, {"hidden": ()}),
        "table-mlp": Architecture("MLP for tables", mlp, {"hidden": (64, 64)}),
        "boosted-trees": Architecture("boosted trees", BoostedTrees),
        "boosted-trees-fine": Architecture("boosted trees, leaves of one row", BoostedTrees, {"rows_of_leaf": 1}),
        "mnist1d-mlp": Architecture("MLP of MNIST-1D", ResidualMLP, {"hidden": 100}),
        "mnist1d-cnn": Architecture("CNN of MNIST-1D, 256 channels", signal_cnn, {"channels": 256}),
        "mnist1d-cnn-25": Architecture("CNN of MNIST-1D, 25 channels", signal_cnn, {"channels": 25}),
        "mnist1d-gru": Architecture("GRU of MNIST-1D", SignalGRU, {"hidden": 6}),
        "bag-mean": Architecture("bag of words, mean", WordBag, {"pooling": "mean"}, words=True),
        "bag-sum": Architecture("bag of words, sum", WordBag, {"pooling": "sum"}, words=True),
        "bag-max": Architecture("bag of words, maximum", WordBag, {"pooling": "max"}, words=True),
        "text-cnn": Architecture("text CNN", TextCNN, words=True),
        "text-transformer": Architecture("text transformer", TextTransformer, words=True),
    },
    of_type(Architecture),
)


def architecture_named(name: str) -> str:
    """The zoo's name for `name`, which may also be the public code's, ``[{aug}-]{loss}-tor-{arch}``.

    A name of the form ``package.module:callable`` means a function of the user's. It is given back as it is, and
    nothing is imported: only `build` and `skeleton` run the user's code.

    Raises:
        ValueError: an architecture, loss or augmentation that Spurlab does not have, with the nearest name it has.

    >>> architecture_named("ce-tor-LargeMLP")
    'mlp'
    """
    if is_recorded("models", name):
        return name
    if name in ARCHITECTURES:
        ARCHITECTURES[name]  # which refuses what is registered wrongly
        return name
    if is_user_name(name):
        check_user_name(name)
        return name
    prefix, found, reference = name.rpartition("-tor-")
    if found and prefix != "ce":
        raise InputError(
            f"{name!r} asks for {prefix!r} beside a network. Loss and augmentation are settings of the recipe here: "
            f"write 'ce-tor-{reference}', and recipe.loss or recipe.augmentation = 'crop-flip' (aug01)."
        )
    by_reference = {entry.reference: zoo_name for zoo_name, entry in ARCHITECTURES.own.items() if entry.reference}
    if found and reference in by_reference:
        return by_reference[reference]
    known = list(by_reference) if found else list(ARCHITECTURES)
    raise InputError(f"there is no architecture {reference!r}. {did_you_mean(reference, known)}")


def is_perceptron(name: str) -> bool:
    """Whether a network of the zoo is a perceptron: linear layers with ReLU between them, from the inputs on."""
    return name in ARCHITECTURES and ARCHITECTURES[name].make is mlp


def check_takes_words(name: str) -> None:
    """Whether a network of the zoo can be asked about documents; others have no entry and are tried.

    Raises:
        ValueError: it multiplies its inputs, which are numbers of words there.
    """
    if name in ARCHITECTURES and not ARCHITECTURES[name].words:
        suited = ", ".join(other for other, entry in ARCHITECTURES.own.items() if entry.words)
        raise InputError(
            f"{name} multiplies its inputs, but these are documents, whose inputs are numbers of words. Take one of "
            f"{suited}, or a network of your own that begins with nn.Embedding."
        )


def is_grown(name: str) -> bool:
    """Whether a network of the zoo is of trees, which are grown all at once, and not trained by gradients."""
    return name in ARCHITECTURES and ARCHITECTURES[name].make is BoostedTrees


def architecture_title(name: str) -> str:
    """What people call it; the name itself where it is not in the zoo.

    >>> architecture_title("small-mlp"), architecture_title("my.networks:wide")
    ('small MLP', 'my.networks:wide')
    """
    return ARCHITECTURES[name].title if name in ARCHITECTURES else name


def build(name: str, shape: Sequence[int], classes: int, seed: int) -> nn.Module:
    """A new network, inputs ``n *shape``, logits ``n k`` for k classes, whose initial weights depend on `seed` alone.

    PyTorch's global generator is left as it was.

    Args:
        name: an entry of `ARCHITECTURES`, or ``package.module:callable``: code of the user's, which is run.
        shape: of one input: images ``c h w``, signals and rows of tables ``d``, documents ``length, words``.
        classes: the number of classes, k.
        seed: the member's seed.

    Returns:
        Inputs ``n *shape``, logits ``n k``.

    Raises:
        ValueError: an unknown name, inputs that the network cannot take, or a user's function that gives no network
            with one logit for each class.

    >>> network = build("mlp", shape=(1, 28, 28), classes=10, seed=0)
    >>> network(torch.rand(5, 1, 28, 28)).shape
    torch.Size([5, 10])
    >>> torch.equal(network[1].weight, build("mlp", (1, 28, 28), 10, seed=0)[1].weight)
    True
    """
    name = architecture_named(name)
    if is_user_name(name):
        return seeded(lambda: user_network(name, shape, classes), seed)
    entry = ARCHITECTURES[name]
    if name not in ARCHITECTURES.own:
        make = partial(entry.make, **entry.settings)
        return seeded(lambda: foreign_network(name, entry.title, make, shape, classes), seed)
    return seeded(lambda: entry.make(shape, classes, **entry.settings), seed)


def skeleton(name: str, shape: Sequence[int], classes: int) -> nn.Module:
    """The network without numbers, to count and to look at: on the meta device, where weights take no memory.

    A user's network, or one of a plug-in, is built whole: its code need not run there.

    Args:
        name: as in `build`.
        shape: of one input: images ``c h w``, signals and rows of tables ``d``, documents ``length, words``.
        classes: the number of classes, k.

    Raises:
        ValueError: as in `build`.

    >>> parameter_count(skeleton("vgg16", (3, 32, 32), 10))
    134301514
    """
    if is_foreign("models", name):
        return build(name, shape, classes, seed=0)
    with torch.device("meta"):
        return build(name, shape, classes, seed=0)


def seeded(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    """``make()`` under the generator that belongs to the initial weights of `seed`; settings are left as they were."""
    with settings_kept():
        seed_global(seed_for(seed, "init"))
        return make()


def made(function: Callable[[], nn.Module], shape: Sequence[int], seed: int) -> nn.Module:
    """What a user's function makes under the member's seed; lazy layers' weights are drawn too.

    Args:
        function: of no arguments; makes a network.
        shape: of one input.
        seed: the member's.

    Raises:
        ValueError: no network, or one whose lazy layers cannot be drawn.
    """
    if isinstance(function, nn.Module):
        raise InputError(
            f"a function that makes networks is needed, but this is a network, {type(function).__name__}. Give its "
            "class, or a function that returns a new one in each call."
        )

    def make() -> nn.Module:
        network: object = function()
        if not isinstance(network, nn.Module):
            raise InputError(f"the function must make an nn.Module, but it made {type(network).__name__}.")
        return whole(network, shape)

    return seeded(make, seed)


def parameter_count(model: nn.Module) -> int:
    """The number of trainable parameters, as in Table 2 of arXiv:2202.05189.

    >>> parameter_count(build("mlp", (1, 28, 28), 10, seed=0))
    335114
    """
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
