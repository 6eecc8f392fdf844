"""Measures: pure functions of tensors, with no model, loader or device in them."""

from spurlab.metrics.accuracy import accuracy
from spurlab.metrics.spurious import empirical_norm, spurious_score

__all__ = ["accuracy", "empirical_norm", "spurious_score"]
