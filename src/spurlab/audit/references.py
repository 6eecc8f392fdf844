"""Reference networks: trained as the given one was, but without the examples that may teach a mark."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from pathlib import Path

import torch
from jaxtyping import Bool
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from spurlab.data import Examples
from spurlab.errors import InputError
from spurlab.files import replacing
from spurlab.lent import copied_network
from spurlab.methods import Make, untrained
from spurlab.models import seeded
from spurlab.models.answering import Answering
from spurlab.models.asking import unwrapped
from spurlab.patterns import Planted
from spurlab.seeds import seed_for
from spurlab.training import Member, Progress, Recipe, fit, logits

COUNT = 39  # with which p can be 1 / 40
ANSWERS = 64  # training examples by whose answers an architecture is known, beside its layers
TOGETHER = 10  # that are trained in lockstep, and kept in one file


def references(
    network: Answering,
    train: Examples,
    left_out: Bool[Tensor, " n"] | Bool[Tensor, "m n"],
    recipe: Recipe,
    *,
    classes: int,
    make: Make | None = None,
    count: int = COUNT,
    seed: int = 0,
    folder: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[nn.Module]:
    """Networks as the given one would be, had it never seen some of its training examples.

    Args:
        network: gives their architecture and way of answering; it is left as it was.
        train: its n training examples.
        left_out: True for the examples that they never see; of each network its own, or one for all.
        recipe: how to train; as the given one was, else they are no references.
        classes: k.
        make: as `spurlab.methods.untrained` takes it; None: a copy, every layer reset.
        count: how many.
        seed: of their own seeds.
        folder: where their weights are kept, ten networks to a file, and found again; None: nowhere.
        progress: is told how many epochs of how many are done, of all networks together.

    Returns:
        In evaluation mode, asked as the given one is: they give logits.

    Raises:
        ValueError: nothing is left to train on; an architecture that cannot be drawn anew, or not be trained.
    """

    def new() -> nn.Module:
        return network.around(untrained(network.network, int(torch.randint(2**31, ())), make).train())

    seeds = [seed_for(seed, "reference", number) for number in range(count)]
    whole, networks, told = Planted.none(train), list[nn.Module](), progress or (lambda done, of: None)
    lacks = left_out.expand(count, len(train))
    same = whole.without(left_out) if left_out.ndim == 1 else None
    try:
        template = seeded(new, seeds[0])
        asked = _digest(network, template, train, left_out, recipe)
        for start in range(0, count, TOGETHER):
            group = seeds[start : start + TOGETHER]
            file = None if folder is None else folder / f"references-{asked}-{start}-{len(group)}.safetensors"
            if file is not None and file.is_file():
                states = _kept(file, unwrapped(template).state_dict(), len(group))
            else:
                members = [Member(same or whole.without(lacks[start + i]), own) for i, own in enumerate(group)]
                trained = fit(
                    *(new, members, recipe),
                    classes=classes,
                    workers=0,
                    progress=partial(_told, told, start * recipe.epochs, count * recipe.epochs),
                )
                if bool(trained.diverged.any()):
                    raise InputError(f"{int(trained.diverged.sum())} of {len(group)} diverged.")
                states = {name: tensor.cpu().contiguous() for name, tensor in trained.trained.state.items()}
                if file is not None:
                    file.parent.mkdir(parents=True, exist_ok=True)
                    with replacing(file) as draft:
                        save_file(states, draft)
            for i in range(len(group)):
                one = copied_network(template)
                unwrapped(one).load_state_dict({name: tensor[i] for name, tensor in states.items()})
                networks.append(one.eval())
    except InputError as error:
        raise InputError(f"no reference networks can be trained: {error}") from error
    return networks


def check_recipe(recipe: object) -> None:
    """Whether networks can be trained by it; None: none are.

    Raises ValueError: it is something else, or has no epochs.
    """
    if recipe is not None and not isinstance(recipe, Recipe):
        raise InputError(f"`recipe` must be a Recipe, e.g. RECIPES['quick'], but it is {recipe!r}.")
    if isinstance(recipe, Recipe) and recipe.epochs < 1:
        raise InputError("`recipe` has no epochs: networks by it would be untrained. Give those of your network.")


def _kept(file: Path, state: Mapping[str, Tensor], networks: int) -> dict[str, Tensor]:
    """The weights of some networks.

    Raises:
        ValueError: they are damaged, or of another network.
    """
    try:
        states = load_file(file)
    except SafetensorError as error:
        raise InputError(f"{file} is damaged ({error}). Delete it; they are trained again.") from error
    if {name: tensor.shape for name, tensor in states.items()} != {
        name: (networks, *tensor.shape) for name, tensor in state.items()
    }:
        raise InputError(f"{file} has weights of other networks. Delete it; they are trained again.")
    return states


def _told(told: Callable[[int, int], None], before: int, of: int, now: Progress) -> None:
    told(before + now.done, of)


def _digest(
    network: Answering, template: nn.Module, train: Examples, left_out: Bool[Tensor, "*m n"], recipe: Recipe
) -> str:
    """Of all that the weights depend on; the template is a network before training, known also by what it answers."""
    normal = [None if one is None else one.flatten().tolist() for one in (network.mean, network.std)]
    versions = [version("spurlab"), torch.__version__]
    about = [asdict(recipe), str(template), network.outputs, network.single, normal, versions]
    digest = hashlib.sha256(json.dumps(about).encode())
    answers = logits(template, train.inputs[:ANSWERS])
    for tensor in (train.inputs, train.labels, left_out, *template.state_dict().values(), answers):
        digest.update(str(tuple(tensor.shape)).encode())
        for part in tensor.detach().cpu().contiguous().view(-1).split(2**24):
            digest.update(part.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:12]
