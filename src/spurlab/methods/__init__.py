"""What deletion and prevention share: the table and its names with settings, one isolated attempt, training anew."""

from spurlab.methods.anew import Make as Make
from spurlab.methods.anew import trained_anew as trained_anew
from spurlab.methods.anew import untrained as untrained
from spurlab.methods.attempt import Attempt as Attempt
from spurlab.methods.attempt import clock as clock
from spurlab.methods.attempt import isolated as isolated
from spurlab.methods.attempt import retraining_seconds as retraining_seconds
from spurlab.methods.descent import Batch as Batch
from spurlab.methods.descent import Descent as Descent
from spurlab.methods.last_layer import Linear as Linear
from spurlab.methods.last_layer import last_linear as last_linear
from spurlab.methods.last_layer import refit as refit
from spurlab.methods.last_layer import refittable as refittable
from spurlab.methods.last_layer import shared as shared
from spurlab.methods.method import HALF as HALF
from spurlab.methods.method import NotFiniteError as NotFiniteError
from spurlab.methods.method import copy_for as copy_for
from spurlab.methods.method import device_of as device_of
from spurlab.methods.method import dropping_out as dropping_out
from spurlab.methods.method import finite as finite
from spurlab.methods.method import outputs_fit as outputs_fit
from spurlab.methods.method import stored_as_not_finite as stored_as_not_finite
from spurlab.methods.table import Entry as Entry
from spurlab.methods.table import Table as Table
