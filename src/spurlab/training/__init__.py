"""Training: recipes, the lockstep engine and its slow twin, worker processes."""

from spurlab.training.batches import Batches, Member, order_of
from spurlab.training.engines import Trained, clip, flush_denormals, train_each, train_group, train_one
from spurlab.training.ensemble import Ensemble
from spurlab.training.fit import Progress, evenly, faster_engine, fit, grouped, usable_device
from spurlab.training.pool import WorkerError
from spurlab.training.predict import logits, predictions
from spurlab.training.recipe import CHOICES, PER_MEMBER, RECIPES, Recipe
from spurlab.training.sizes import bytes_to_train
from spurlab.training.stacked import StackedMLP, can_stack, layout_for, predicted_at_once
from spurlab.training.stacked_cnn import StackedCNN, can_stack_cnn

__all__ = [
    "CHOICES",
    "PER_MEMBER",
    "RECIPES",
    "Batches",
    "Ensemble",
    "Member",
    "Progress",
    "Recipe",
    "StackedCNN",
    "StackedMLP",
    "Trained",
    "WorkerError",
    "bytes_to_train",
    "can_stack",
    "can_stack_cnn",
    "clip",
    "evenly",
    "faster_engine",
    "fit",
    "flush_denormals",
    "grouped",
    "layout_for",
    "logits",
    "order_of",
    "predicted_at_once",
    "predictions",
    "train_each",
    "train_group",
    "train_one",
    "usable_device",
]
