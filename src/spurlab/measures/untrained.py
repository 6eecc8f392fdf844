"""What is measured without a trained network: of a pattern on a data set, of an architecture."""

from spurlab.measures.measure import Measure, check_numbers
from spurlab.measures.observed import Observed
from spurlab.metrics import empirical_norm
from spurlab.models import parameter_count, skeleton
from spurlab.patterns import marked_all


def _empirical_norm(observed: Observed) -> dict[str, float]:
    test = observed.data.test
    return {"empirical_norm": empirical_norm(test.inputs, marked_all(observed.mark, test, observed.seed)).mean().item()}


def _parameters(observed: Observed) -> dict[str, float]:
    network = skeleton(observed.architecture, observed.data.shape, observed.data.classes)
    return {"parameters": float(parameter_count(network))}


EMPIRICAL_NORM = Measure("empirical norm", _empirical_norm, needs="pattern", by_pattern=True, check_data=check_numbers)
PARAMETERS = Measure("parameters", _parameters, needs="architecture")
