"""Trees are grown all at once by scikit-learn, not trained by steps: what of a recipe counts then."""

from collections.abc import Callable

import torch
from jaxtyping import Float32
from torch import Tensor

from spurlab.data import Examples
from spurlab.errors import InputError
from spurlab.models import BoostedTrees
from spurlab.training.recipe import Recipe

WHY = "scikit-learn grows its trees; of the recipe only 0 epochs, no trees, would count"


def grown(
    model: BoostedTrees, examples: Examples, recipe: Recipe, seed: int, after_epoch: Callable[[], None]
) -> Float32[Tensor, " epochs"]:
    """Grow the trees of all examples; in place.

    Optimizer, rate, batch size, epochs above 0, schedule and precision are those of networks, and not looked at: a
    study has one recipe for networks and trees.

    Args:
        model: gets new trees.
        examples: all that they are grown from.
        recipe: see `check_growable`.
        seed: of the member.
        after_epoch: called as often as the recipe has epochs, when all are grown.

    Returns:
        The mean log loss in the end, for each epoch the same.

    Raises:
        ValueError: as `check_growable`, or examples of one class.
    """
    check_growable(recipe)
    if not recipe.epochs:
        return torch.zeros(0)
    loss = model.grow(examples.inputs, examples.labels, seed)
    for _ in range(recipe.epochs):
        after_epoch()
    return torch.full((recipe.epochs,), loss)


def check_growable(recipe: Recipe) -> None:
    """Raises ValueError: the recipe asks for what trees cannot be given."""
    asked = {
        f"the loss {recipe.loss!r}": recipe.loss != "ce",
        "weight decay": recipe.weight_decay > 0,
        "noise on the inputs": recipe.input_noise > 0,
        "augmentation": recipe.augmentation != "none",
        "clipping": recipe.clip_norm is not None or recipe.clip_value is not None,
        "'lbfgs'": recipe.optimizer == "lbfgs",
    }
    if unfit := [what for what, there in asked.items() if there]:
        raise InputError(
            f"boosted trees are grown by log loss alone, and the recipe asks for {' and '.join(unfit)}: leave that out."
        )
