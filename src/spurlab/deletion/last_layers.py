"""Only the last layers learn again."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from spurlab.data import Examples
from spurlab.deletion.method import deleting
from spurlab.deletion.steps import fine_tuning
from spurlab.errors import InputError
from spurlab.methods import Descent, Make, shared, untrained
from spurlab.seeds import seed_for
from spurlab.training import Recipe


@dataclass(frozen=True)
class ExactLastLayers:
    r"""EU-k: the last k layers are trained anew on the retained examples; the layers before them stay.

    .. math:: \theta' = (\theta_{1..L-k},\; \mathcal{A}(\text{retained} \mid \theta_{1..L-k})), \qquad
        \text{the last } k \text{ drawn anew}

    Exact for what the last k layers know, and blind to what the others have learnt from the forgotten examples. A layer
    is a module with parameters of its own, so batch norm counts as one. (The public code counts linear layers and
    convolutions only; batch norm between them is trained along, and not reset.) Batch norm without parameters
    (``affine=False``) is no layer: it is not reset, and its running numbers change wherever it stands.

    Cost: one training, for as many epochs as the recipe has, with a shorter backward pass. Needs: the retained
    examples.

    Args:
        recipe: how the network was trained; the last layers are trained again by the whole of it.
        seed: fixes the new weights and the order of the examples.
        k: more layers forget more, and cost more. 2 is our choice: the public code takes 1 to 10 layers of ResNet-20,
            and 10 or 50 of ResNet-110.
        make: as in `Retrain`.

    Source: Goel et al. (2022), Towards adversarial evaluation of machine unlearning, arXiv:2201.06640.
    """

    recipe: Recipe
    seed: int = 0
    k: int = 2
    make: Make | None = None

    @deleting
    def __call__(self, model: nn.Module, data: Examples, forget: Bool[Tensor, " n"]) -> nn.Module:
        last = last_layers(model, self.k)
        new = dict(untrained(model, seed_for(self.seed, "deletion", "eu-k"), self.make).named_modules())
        for name, module in last.items():
            for tensor, fresh in zip(_own(module), _own(new[name]), strict=True):
                with torch.no_grad():
                    tensor.copy_(fresh)
        return _trained(model, last, data[~forget], self.recipe, self.seed, "eu-k")


@dataclass(frozen=True)
class CatastrophicLastLayers:
    r"""CF-k: the last k layers go on learning from the retained examples alone; the layers before them stay.

    As `ExactLastLayers`, but from the given weights on: it counts on what networks forget by themselves when they learn
    something else ("catastrophic forgetting").

    Cost: `epochs` over the retained examples, with a shorter backward pass. Needs: the retained examples.

    Args:
        recipe: its optimizer, batch size, loss and so on; epochs and rate are this method's.
        seed: fixes the order of the examples.
        k: as in `ExactLastLayers`.
        epochs: 10 as in the public code of Kurmanji et al. (2023), arXiv:2302.09880; that of Goel et al. has 30, half a
            training.
        rate: None: a tenth of the recipe's. Our choice: both codes go on at the rate of training.

    Source: Goel et al. (2022), Towards adversarial evaluation of machine unlearning, arXiv:2201.06640.
    """

    recipe: Recipe
    seed: int = 0
    k: int = 2
    epochs: int = 10
    rate: float | None = None

    @deleting
    def __call__(self, model: nn.Module, data: Examples, forget: Bool[Tensor, " n"]) -> nn.Module:
        recipe = fine_tuning(self.recipe, self.epochs, self.rate)
        return _trained(model, last_layers(model, self.k), data[~forget], recipe, self.seed, "cf-k")


def last_layers(model: nn.Module, k: int) -> dict[str, nn.Module]:
    """The last k modules with parameters of their own, by name, in the order of ``named_modules()``.

    Raises:
        ValueError: the network has fewer, they share weights with earlier layers, or all of them are frozen.

    >>> list(last_layers(nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 3), nn.Linear(3, 2)), 2))
    ['2', '3']
    """
    layers = [(name, module) for name, module in model.named_modules() if list(module.parameters(recurse=False))]
    if not 1 <= k <= len(layers):
        raise InputError(
            f"`k` must be 1 to {len(layers)}, the number of layers with weights in this {type(model).__name__}, but it "
            f"is {k}."
        )
    last = dict(layers[-k:])
    if (other := shared(model, last.values())) is not None:
        raise InputError(
            f"the last {k} layers of this {type(model).__name__} share weights with {other!r}, which is to stay as it "
            "is. Choose another `k`, or give the layers weights of their own."
        )
    if not any(weight.requires_grad for module in last.values() for weight in module.parameters(recurse=False)):
        raise InputError(
            f"the last {k} layers of this {type(model).__name__} are frozen: they cannot learn again. Choose another "
            "`k`, or call `requires_grad_()` on them."
        )
    return last


def _trained(
    model: nn.Module, last: dict[str, nn.Module], retain: Examples, recipe: Recipe, seed: int, method: str
) -> nn.Module:
    """The network with these layers trained, and all others as they were."""
    learnt = [parameter for parameter in model.parameters() if parameter.requires_grad]
    among = {id(parameter) for module in last.values() for parameter in module.parameters(recurse=False)}
    for parameter in learnt:
        parameter.requires_grad_(id(parameter) in among)
    Descent(model, recipe, seed, method).train_on(retain)
    for parameter in learnt:
        parameter.requires_grad_(True)
    return model


def _own(module: nn.Module) -> list[Tensor]:
    """Its own weights and buffers."""
    return [*module.parameters(recurse=False), *module.buffers(recurse=False)]
