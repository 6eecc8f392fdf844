"""What deletion and prevention share: the table and its names with settings, one isolated attempt, training anew."""

from spurlab.methods.anew import Make, trained_anew, untrained
from spurlab.methods.attempt import clock, isolated, retraining_seconds
from spurlab.methods.descent import Batch, Descent
from spurlab.methods.last_layer import Linear, last_linear, refit, refittable, shared
from spurlab.methods.method import HALF, NotFiniteError, copy_for, device_of, dropping_out, finite, outputs_fit
from spurlab.methods.table import Entry, Table

__all__ = [
    "HALF",
    "Batch",
    "Descent",
    "Entry",
    "Linear",
    "Make",
    "NotFiniteError",
    "Table",
    "clock",
    "copy_for",
    "device_of",
    "dropping_out",
    "finite",
    "isolated",
    "last_linear",
    "outputs_fit",
    "refit",
    "refittable",
    "retraining_seconds",
    "shared",
    "trained_anew",
    "untrained",
]
