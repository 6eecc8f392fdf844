"""A new network that never saw them: the reference answer."""

import copy
from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Bool
from torch import Tensor, nn

from spurlab.data import Examples
from spurlab.deletion.method import batch_norm_explained, device_of, finite, split
from spurlab.models import seeded
from spurlab.patterns import Planted
from spurlab.seeds import seed_for
from spurlab.training import Member, Recipe, train_one

Make = Callable[[int], nn.Module]


@dataclass(frozen=True)
class Retrain:
    r"""Exact deletion: a new network of the same architecture, trained on the retained examples alone.

    .. math:: \theta' = \mathcal{A}(\text{retained}), \qquad \theta'_0 \text{ drawn anew}

    What every other method is compared with: it has never seen the forgotten examples.

    Cost: one training, for as many epochs as the recipe has. Needs: the retained examples.

    Args:
        recipe: how the network was trained.
        seed: fixes the initial weights and the order of the examples.
        make: the architecture with its own initial weights, by seed, e.g. ``partial(build, "cnn", shape, classes)``.
            None: a copy of the given network, every layer reset, see `untrained`.

    Source: Bourtoule et al. (2021), Machine unlearning, arXiv:1912.03817, section III (the definition).
    """

    recipe: Recipe
    seed: int = 0
    make: Make | None = None

    def __call__(self, model: nn.Module, data: Examples, forget: Bool[Tensor, " n"]) -> nn.Module:
        model, retain, _ = split(model, data, forget)
        own = seed_for(self.seed, "deletion", "retrain")
        with batch_norm_explained():
            new, _ = train_one(
                untrained(model, own, self.make),
                Member(Planted.none(retain), own),
                self.recipe,
                device=device_of(model),
            )
        return finite(new)


def untrained(model: nn.Module, seed: int, make: Make | None = None) -> nn.Module:
    """A network of the same architecture that has learnt nothing, on the same device.

    Without `make`, each layer of a copy draws its weights anew by its ``reset_parameters()``: PyTorch's own initial
    weights. For the perceptrons of the zoo these are the architecture's, to the bit those of ``build(..., seed)``.
    Other networks set theirs after PyTorch has: the CNN (Kaiming's normal, a last layer of zeros), the ResNets, Vgg16
    and VggMLP. For these `make` gives the right ones.

    Raises:
        ValueError: parameters of a module that has no ``reset_parameters()``, or a `make` of other weights.
    """
    if make is not None:
        new = make(seed)
        shapes, wanted = ({name: t.shape for name, t in each.state_dict().items()} for each in (new, model))
        if shapes != wanted:
            raise ValueError(
                f"`make` gives a {type(new).__name__} whose weights differ in name or shape from those of the "
                f"given {type(model).__name__}: it must make the same architecture."
            )
        return new.to(device_of(model))
    for name, module in model.named_modules():
        if next(module.parameters(recurse=False), None) is not None and not hasattr(module, "reset_parameters"):
            raise ValueError(
                f"the module {name!r} ({type(module).__name__}) has parameters, but no `reset_parameters()` to draw "
                "them anew. Say by `make` how a new network is made."
            )
    return seeded(lambda: _reset(copy.deepcopy(model).cpu()), seed).to(device_of(model))


def _reset(model: nn.Module) -> nn.Module:
    for module in model.modules():
        if callable(reset := getattr(module, "reset_parameters", None)):
            reset()
    return model
