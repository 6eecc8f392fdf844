"""A network of a given one's architecture that has learnt nothing, or other data."""

import inspect
from collections.abc import Callable
from typing import Any, TypeGuard

import torch
from torch import nn

from spurlab.data import Examples
from spurlab.errors import InputError
from spurlab.lent import copied_network
from spurlab.methods.method import device_of
from spurlab.models import BoostedTrees, seeded, unwrapped
from spurlab.patterns import Planted
from spurlab.training import Member, Recipe, train_one

Make = Callable[[int], nn.Module]


def untrained(model: nn.Module, seed: int, make: Make | None = None) -> nn.Module:
    """A network of the same architecture that has learnt nothing, on the same device.

    What is frozen in the given network (``requires_grad`` off), e.g. a pretrained body, is no part of what it learnt.
    It is taken over and stays frozen, with the buffers of modules whose parameters are all frozen.

    Without `make`, each layer of a copy draws its weights anew by its ``reset_parameters()``: PyTorch's own initial
    weights. For the perceptrons of the zoo these are the architecture's, to the bit those of ``build(..., seed)``. A
    network's own function for this, ``_init_weights(module)`` as in transformers, is called after it. Other networks
    set theirs after PyTorch has: the CNN (Kaiming's normal, a last layer of zeros), the ResNets, Vgg16 and VggMLP. For
    these `make` gives the right ones.

    Args:
        model: the given network; it is left as it was.
        seed: fixes the new weights.
        make: a new network of the same architecture, by seed; None: a copy, every layer reset.

    Raises:
        ValueError: all is frozen; parameters of a module that has no ``reset_parameters()``; a `make` of another
            architecture, or whose network is trained already.

    >>> from spurlab.models import build
    >>> given = build("small-mlp", (1, 28, 28), 10, seed=0)
    >>> new = untrained(given, seed=1)
    >>> torch.equal(new[1].weight, build("small-mlp", (1, 28, 28), 10, seed=1)[1].weight)
    True
    """
    grows = isinstance(unwrapped(model), BoostedTrees)
    if not grows and not any(parameter.requires_grad for parameter in model.parameters()):
        raise InputError(
            f"all weights of this {type(model).__name__} are frozen, or it has none: a new one would not learn. Call "
            "`requires_grad_()` on those that may change."
        )
    if make is not None:
        new = copied_network(make(seed))  # which may be one and the same at each call
        shapes, wanted = (
            {name: tensor.shape for name, tensor in network.state_dict().items()} for network in (new, model)
        )
        if shapes != wanted:
            raise InputError(
                f"`make` gives a {type(new).__name__} whose weights differ in name or shape from those of the "
                f"given {type(model).__name__}: it must make the same architecture."
            )
        free = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
        if free and all(new.get_parameter(name).equal(weight) for name, weight in free):
            raise InputError(
                f"`make` gives a {type(new).__name__} with the weights of the given network, which has learnt already. "
                "It must make a new network at each call."
            )
    else:
        new = seeded(lambda: _reset(copied_network(model).cpu()), seed)
    return _with_frozen(new.to(device_of(model)), model)


def trained_anew(model: nn.Module, data: Examples, recipe: Recipe, seed: int, make: Make | None) -> nn.Module:
    """A new network of the same architecture, trained on these examples in the plain way.

    Args:
        model: the given network; it is left as it was.
        data: the training examples.
        recipe: how to train.
        seed: fixes the initial weights and the order of the examples.
        make: as `untrained` takes it.

    Returns:
        The new network, in evaluation mode, on the device of the given one.

    Raises:
        ValueError: as `untrained`.

    >>> examples = Examples(torch.eye(4), torch.tensor([0, 0, 1, 1]))
    >>> given = nn.Linear(4, 2)
    >>> oracle = trained_anew(given, examples[1:], Recipe(epochs=1, milestones=()), seed=0, make=None)
    >>> torch.equal(oracle.weight, given.weight), oracle.training
    (False, False)
    """
    new = untrained(model, seed, make)
    return train_one(new, Member(Planted.none(data), seed), recipe, device=device_of(model))[0].eval()


@torch.no_grad()
def _reset(model: nn.Module) -> nn.Module:
    modules = dict(model.named_modules())
    for name, module in modules.items():
        own = [weight for weight in module.parameters(recurse=False) if weight.requires_grad]
        parts = name.split(".")
        above = (modules[".".join(parts[:i])] for i in range(len(parts), -1, -1))
        # transformers' way: a network has one function that draws the weights of any module in it
        draws = next(
            (each._init_weights for each in above if _takes(getattr(each, "_init_weights", None), module)), None
        )
        if callable(reset := getattr(module, "reset_parameters", None)):
            reset()
        elif own:
            for weight in own:
                weight.fill_(torch.nan)  # whatever is not drawn anew is seen
            if _takes(all_of_them := getattr(module, "init_weights", None)):  # timm's way
                all_of_them()
        if draws is not None:
            draws(module)
        if any(bool(weight.isnan().any()) for weight in own):
            raise InputError(
                f"the module {name!r} ({type(module).__name__}) has parameters, but no `reset_parameters()` to draw "
                "them anew. Say by `make` how a new network is made."
            )
    return model


def _takes(function: Any, *arguments: object) -> TypeGuard[Callable[..., Any]]:
    """Whether it can be called with these: functions of one name have other arguments elsewhere."""
    try:
        inspect.signature(function).bind(*arguments)
    except (TypeError, ValueError):
        return False
    return True


def _with_frozen(new: nn.Module, model: nn.Module) -> nn.Module:
    """A new network, changed in place, with what is frozen in the given one."""
    modules = dict(new.named_modules())
    with torch.no_grad():
        for name, weight in model.named_parameters():
            new.get_parameter(name).requires_grad_(weight.requires_grad)
            if not weight.requires_grad:
                new.get_parameter(name).copy_(weight)
        for name, module in model.named_modules():
            weights = list(module.parameters(recurse=False))
            if weights and not any(weight.requires_grad for weight in weights):
                for key, buffer in module.named_buffers(recurse=False):
                    modules[name].get_buffer(key).copy_(buffer)
    return new
