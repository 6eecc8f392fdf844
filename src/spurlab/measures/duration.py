"""How long a deletion took."""

import math

from spurlab.measures.measure import Measure
from spurlab.measures.observed import Observed, required


def _time_share(observed: Observed) -> dict[str, float]:
    """Of one network alone; see `spurlab.methods.clock` and `spurlab.methods.retraining_seconds`."""
    deleted = required(observed.deleted)
    retraining = deleted.retraining()
    return {"time_share": deleted.seconds / retraining if retraining else math.nan}


TIME_SHARE = Measure("time as a share of retraining", _time_share, needs="deletion", by_pattern=True)
