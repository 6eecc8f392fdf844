"""How a network is trained: one frozen value, and the named ones: the paper's, a quick one, and one for CIFAR-10."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any, Literal, get_args

import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, MultiStepLR

from spurlab.errors import InputError, did_you_mean
from spurlab.notebook import card, note
from spurlab.training import optimizers
from spurlab.training.augmentation import AugmentationName
from spurlab.training.losses import LossName

OptimizerName = Literal["adam", "sgd", "adagrad", "rmsprop", "lbfgs"]
Precision = Literal["float32", "bfloat16"]
ScheduleName = Literal["steps", "one-cycle"]
CHOICES: Mapping[str, Any] = {
    "optimizer": OptimizerName,
    "precision": Precision,
    "loss": LossName,
    "augmentation": AugmentationName,
    "schedule": ScheduleName,
}
RISING = 0.2  # of one cycle
MOST, LARGEST = 10**9, 1e38  # of whole numbers, and of others: about what float32 can hold
REAL = ("learning_rate", "momentum", "weight_decay", "decay", "clip_norm", "clip_value", "input_noise")
CLIPS = ("clip_norm", "clip_value")  # None: not clipped
# settings in which the members of one lockstep group may differ
PER_MEMBER = ("weight_decay", "input_noise", "clip_norm", "clip_value")


@dataclass(frozen=True)
class Recipe:
    """All settings of one training.

    Args:
        optimizer: ``adam``, ``sgd``, ``adagrad`` or ``rmsprop``, with PyTorch's defaults for what is not named here.
            Or ``lbfgs``, which solves for the minimum, see `spurlab.training.solving`: loss, weight decay and epochs
            are all that it looks at.
        learning_rate: at the start; of ``one-cycle`` the highest.
        momentum: of SGD; the others do not use it.
        weight_decay: the l2 penalty that PyTorch's optimizers add to the gradient.
        batch_size: the last batch of an epoch is smaller where it does not divide the examples.
        epochs: 0 leaves the initial weights.
        milestones: of ``steps``: after so many epochs the rate is multiplied by `decay`.
        decay: the factor at each milestone.
        clip_norm: the largest l2 norm of a member's whole gradient; None (as is infinity): any.
        clip_value: the largest absolute value of each number of the gradient, after `clip_norm`; None (as is infinity):
            any.
        input_noise: standard deviation of the Gaussian noise that is added to the training inputs, in units of the
            inputs, anew at each step; the sum is not clipped. In [0, inf).
        precision: of the matrix products; weights and optimizer stay float32.
        loss: ``ce`` (cross-entropy), ``mse`` or ``kld``, see `spurlab.training.losses`.
        augmentation: ``none``, ``crop``, ``flip`` or ``crop-flip`` of training images, see
            `spurlab.training.augmentation`; before the noise.
        schedule: of the rate: ``steps`` at the milestones; or ``one-cycle``, without milestones, see `one_cycle`.

    Raises:
        ValueError: a setting outside its range; the sentence names it.

    Source: Yang et al. (2022), arXiv:2202.05189, section 3.1 (``paper``), 3.3.3 (SGD, clipping);
    readme and notebook of its code (weight decay, input noise); Smith and Topin (2018), arXiv:1708.07120 (one-cycle).

    >>> recipe = Recipe(optimizer="sgd", learning_rate=0.1, epochs=20, milestones=(10, 15))
    >>> recipe.but(learning_rate=0.05).learning_rate, recipe.lasting(40).milestones
    (0.05, (20, 30))
    """

    optimizer: OptimizerName = "adam"
    learning_rate: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 0.0
    batch_size: int = 128
    epochs: int = 70
    milestones: tuple[int, ...] = (40, 50, 60)
    decay: float = 0.1
    clip_norm: float | None = None
    clip_value: float | None = None
    input_noise: float = 0.0
    precision: Precision = "float32"
    loss: LossName = "ce"
    augmentation: AugmentationName = "none"
    schedule: ScheduleName = "steps"

    def __post_init__(self) -> None:
        for name in CLIPS:
            if getattr(self, name) == math.inf:
                object.__setattr__(self, name, None)
        for name, value in vars(self).items():
            _check_numbers(name, value)
        for name in REAL:
            if isinstance(getattr(self, name), int):  # 1 and 1.0 are one setting, also where it is written out
                object.__setattr__(self, name, float(getattr(self, name)))
        for name, names in CHOICES.items():
            if getattr(self, name) not in (allowed := get_args(names)):
                raise InputError(f"`{name}` must be one of {', '.join(allowed)}, but it is {getattr(self, name)!r}.")
        milestones = list(self.milestones)
        ranges = {
            "learning_rate": (self.learning_rate > 0, "above 0"),
            "momentum": (0 <= self.momentum < 1, "0 or more, and below 1"),
            "weight_decay": (self.weight_decay >= 0, "0 or more"),
            "batch_size": (self.batch_size >= 1, "1 or more"),
            "epochs": (self.epochs >= 0, "0 or more"),
            "milestones": (
                milestones == sorted(set(milestones)) and all(each >= 1 for each in milestones),
                "rising epochs from 1 on",
            )
            if self.schedule == "steps"
            else (not milestones, "empty where the schedule is 'one-cycle'"),
            "decay": (0 < self.decay <= 1, "above 0, and 1 at most"),
            "input_noise": (self.input_noise >= 0, "0 or more"),
            "clip_norm": (self.clip_norm is None or self.clip_norm > 0, "above 0, or none"),
            "clip_value": (self.clip_value is None or self.clip_value > 0, "above 0, or none"),
        }
        drawn = self.augmentation != "none" or self.input_noise or self.clip_norm or self.clip_value
        if self.optimizer == "lbfgs" and (drawn or self.precision != "float32"):
            raise InputError(
                "`optimizer` 'lbfgs' takes all examples at once, as they are, and in double precision: leave out "
                "augmentation, noise, clipping and bfloat16."
            )
        for name, (is_right, range_) in ranges.items():
            if not is_right:
                raise InputError(f"`{name}` of a recipe must be {range_}, but it is {getattr(self, name)!r}.")

    def __repr__(self) -> str:
        told = ", ".join(f"{name}={value!r}" for name, value in self._changes.items())
        return f"Recipe({told})"

    def _repr_html_(self) -> str:
        name = next((f"as {name!r}" for name, recipe in RECIPES.items() if recipe == self), "")
        rest = [f"{each.name}={getattr(self, each.name)}" for each in fields(self) if each.name not in self._changes]
        return card("Recipe", name, self._changes, note(f"as by default: {', '.join(rest)}"))

    @property
    def _changes(self) -> dict[str, Any]:
        """The settings that are not the defaults."""
        return {
            each.name: getattr(self, each.name) for each in fields(self) if getattr(self, each.name) != each.default
        }

    @classmethod
    def from_json(cls, about: Mapping[str, Any]) -> "Recipe":
        """What `dataclasses.asdict` gave, after JSON.

        Raises:
            TypeError: settings that this version does not know.
            KeyError: no milestones.
        """
        return cls(**{**about, "milestones": tuple(about["milestones"])})

    def but(self, **changes: Any) -> "Recipe":
        """The same recipe with some settings changed, checked again.

        Raises:
            ValueError: a setting that recipes do not have, or a value out of its range.

        >>> RECIPES["quick"].but(epochs=3, milestones=(2,)).epochs
        3
        """
        settings = [setting.name for setting in fields(self)]
        if unknown := [name for name in changes if name not in settings]:
            raise InputError(f"a recipe has no setting {unknown[0]!r}. {did_you_mean(unknown[0], settings)}")
        return replace(self, **changes)

    def lasting(self, epochs: int) -> "Recipe":
        """The same recipe with other epochs, and the milestones at the same fractions of them.

        >>> RECIPES["paper"].lasting(7).milestones
        (4, 5, 6)
        """
        scaled = sorted({round(milestone * epochs / self.epochs) for milestone in self.milestones})
        return self.but(epochs=epochs, milestones=tuple(milestone for milestone in scaled if 0 < milestone < epochs))

    def constant(self, rate: float, epochs: int | None = None) -> "Recipe":
        """The same recipe at one rate throughout, for other epochs if told.

        >>> RECIPES["fast"].constant(0.001, 2).schedule
        'steps'
        """
        return self.but(
            learning_rate=rate, epochs=self.epochs if epochs is None else epochs, milestones=(), schedule="steps"
        )

    @property
    def shared(self) -> "Recipe":
        """The same recipe with the settings of `PER_MEMBER` at their defaults: members with equal ones train together.

        >>> RECIPES["quick"].but(weight_decay=0.1, clip_norm=1.0).shared == RECIPES["quick"]
        True
        """
        return self.but(**{each.name: each.default for each in fields(self) if each.name in PER_MEMBER})

    def optimizer_for(self, parameters: Sequence[Tensor]) -> torch.optim.Optimizer:
        """PyTorch's optimizer; of Adam and SGD the fused one."""
        optimizer: torch.optim.Optimizer
        rate, decay = self.learning_rate, self.weight_decay
        match self.optimizer:
            case "adam":
                optimizer = optimizers.Adam(parameters, lr=rate, weight_decay=decay, fused=True)
            case "sgd":
                optimizer = optimizers.SGD(parameters, lr=rate, momentum=self.momentum, weight_decay=decay, fused=True)
            case "adagrad":
                optimizer = optimizers.Adagrad(parameters, lr=rate, weight_decay=decay)
            case "rmsprop":
                optimizer = optimizers.RMSprop(parameters, lr=rate, weight_decay=decay)
            case "lbfgs":
                raise InputError("'lbfgs' makes no steps of batches. Take another optimizer here.")
        return optimizer

    def schedule_for(self, optimizer: torch.optim.Optimizer, batches: int) -> LRScheduler:
        """PyTorch's schedule, to step after each batch, of which an epoch has so many."""
        if self.schedule == "one-cycle":
            return LambdaLR(optimizer, partial(one_cycle, batches=self.epochs * batches))
        return MultiStepLR(optimizer, [milestone * batches for milestone in self.milestones], gamma=self.decay)


def one_cycle(done: int, batches: int) -> float:
    """The share of the highest rate after so many of all batches: it rises over the first fifth, then falls to zero.

    Both in straight lines, with a batch of its own for neither end, so that each batch is trained on.

    Source: Smith and Topin (2018), arXiv:1708.07120; in straight lines as fast.ai and later records on CIFAR-10 have
    it.

    >>> [round(one_cycle(done, 9), 3) for done in (0, 1, 5, 8, 9)]
    [0.5, 1.0, 0.5, 0.125, 0.0]
    """
    place = min(1.0, (done + 1) / (batches + 1))
    return min(place / RISING, (1 - place) / (1 - RISING))


def _check_numbers(name: str, value: Any) -> None:
    """Raises ValueError: a setting is no number, or too large for one."""
    if name in (*REAL, "batch_size", "epochs") and not (
        isinstance(value, int | float) or (name in CLIPS and value is None)
    ):
        raise InputError(f"`{name}` of a recipe must be a number, but it is {value!r}.")
    limit = LARGEST if name in REAL else MOST
    if any(
        isinstance(each, int | float) and each > limit for each in (value if isinstance(value, tuple) else (value,))
    ):
        raise InputError(f"`{name}` of a recipe must be {limit:g} at most, but it is {value!r}.")


def recipe_of_each(recipe: Recipe | Sequence[Recipe], members: int) -> list[Recipe]:
    """One recipe for each member; a single one is for all.

    Raises:
        ValueError: another number of recipes than of members.
        TypeError: something else than recipes.
    """
    recipes = [recipe] * members if isinstance(recipe, Recipe) else list(recipe)
    if isinstance(recipe, str) or not all(isinstance(setting, Recipe) for setting in recipes):
        named = f"RECIPES[{recipe!r}]" if isinstance(recipe, str) and recipe in RECIPES else "RECIPES['quick']"
        raise TypeError(f"`recipe` is a `Recipe`, or one for each member, but it is {recipe!r:.80}. Take {named}.")
    if len(recipes) != members:
        raise InputError(f"there are {len(recipes)} recipes for {members} members: give one, or one for each member.")
    return recipes


RECIPES: dict[str, Recipe] = {
    "paper": Recipe(),
    # enough on Fashion-MNIST; the milestones stand at the same fractions
    "quick": Recipe(epochs=10, milestones=(6, 8)),
    # convolutions on CIFAR-10: the paper's accuracy in a tenth of its epochs
    "fast": Recipe(epochs=8, milestones=(), schedule="one-cycle", weight_decay=1e-4, augmentation="crop-flip"),
}
