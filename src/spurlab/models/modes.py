"""Asking a network without leaving a trace in it."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode for a while: dropout rests, batch norm uses its running numbers. Then each module's own again."""
    before = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in before:  # one by one: children can differ from their parent, which `train` would undo
            module.training = training
