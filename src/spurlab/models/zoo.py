"""The table of architectures, and how a network is made from it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import torch
from torch import nn

from spurlab.models.mlp import mlp
from spurlab.seeds import seed_for


@dataclass(frozen=True)
class Architecture:
    """One entry of the zoo: what people call it, and the function ``make(shape, classes, **settings)``."""

    title: str
    make: Callable[..., nn.Module]
    settings: Mapping[str, Any] = field(default_factory=dict)
    reference: str = ""  # its name in the public code, as in `ce-tor-LargeMLP`


ARCHITECTURES: dict[str, Architecture] = {
    "small-mlp": Architecture("small MLP", mlp, {"hidden": (256,)}, "SmallMLP"),
    "mlp": Architecture("MLP", mlp, {"hidden": (256, 256, 256)}, "MLP"),
    "large-mlp": Architecture("large MLP", mlp, {"hidden": (512, 512, 512)}, "LargeMLP"),
}


def architecture_named(name: str) -> str:
    """The zoo's name for `name`, which may also be the public code's, ``[{aug}-]{loss}-tor-{arch}``.

    Raises:
        ValueError: an architecture, loss or augmentation that Spurlab does not have, with the nearest name it has.

    >>> architecture_named("ce-tor-LargeMLP")
    'large-mlp'
    """
    if name in ARCHITECTURES:
        return name
    prefix, found, reference = name.rpartition("-tor-")
    if found and prefix != "ce":
        raise ValueError(
            f"{name!r} asks for {prefix!r}, but Spurlab trains with the loss 'ce' and without augmentation so far. "
            f"Write 'ce-tor-{reference}'."
        )
    by_reference = {entry.reference: zoo_name for zoo_name, entry in ARCHITECTURES.items()} if found else {}
    if reference in by_reference:
        return by_reference[reference]
    known = list(by_reference) if found else list(ARCHITECTURES)
    near = get_close_matches(reference, known, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(known)}."
    raise ValueError(f"there is no architecture {reference!r}. {hint}")


def build(name: str, shape: Sequence[int], classes: int, seed: int) -> nn.Module:
    """A new network whose initial weights depend on `seed` alone (PyTorch's global generator is left as it was).

    Args:
        name: an entry of `ARCHITECTURES`.
        shape: the shape of one input, images ``c h w``.
        classes: the number of classes, k.
        seed: the member's seed.

    Raises:
        ValueError: an unknown name.
    """
    entry = ARCHITECTURES[architecture_named(name)]
    return seeded(lambda: entry.make(shape, classes, **entry.settings), seed)


def seeded(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    """``make()`` under the generator that belongs to the initial weights of `seed`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(seed, "init"))
        return make()


def parameter_count(model: nn.Module) -> int:
    """The number of trainable parameters, as in Table 2 of arXiv:2202.05189."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
