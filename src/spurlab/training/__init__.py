"""Training: recipes, the lockstep engine and its slow twin, worker processes."""

from spurlab.training.batches import Batches, Member, order_of
from spurlab.training.engines import Trained, clip, flush_denormals, train_each, train_group
from spurlab.training.ensemble import Ensemble
from spurlab.training.fit import Progress, fit, grouped
from spurlab.training.recipe import RECIPES, Recipe
from spurlab.training.stacked import StackedMLP, can_stack
from spurlab.training.workers import WorkerError

__all__ = [
    "RECIPES",
    "Batches",
    "Ensemble",
    "Member",
    "Progress",
    "Recipe",
    "StackedMLP",
    "Trained",
    "WorkerError",
    "can_stack",
    "clip",
    "fit",
    "flush_denormals",
    "grouped",
    "order_of",
    "train_each",
    "train_group",
]
