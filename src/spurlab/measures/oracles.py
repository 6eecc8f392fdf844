"""How far a network's outputs lie from those of networks that never saw the planted examples, in log-odds.

0: as near to the oracles as one of them. What a deletion has spoilt beside the pattern shows on clean test examples;
what it has left of the pattern shows on marked ones, also where it changes no prediction. NaN for less than two
oracles.
"""

import math
from collections.abc import Callable
from functools import partial
from operator import attrgetter

import torch
from torch import Tensor

from spurlab.measures.measure import Measure
from spurlab.measures.observed import Observed, required
from spurlab.metrics import margins, oracle_distance


def _distance(name: str, probabilities: Callable[[Observed], Tensor], observed: Observed) -> dict[str, float]:
    oracles, labels = required(observed.deleted).oracles, observed.data.test.labels
    if len(oracles) < 2:
        return {name: math.nan}
    theirs = torch.stack([margins(probabilities(oracle), labels) for oracle in oracles])
    return {name: oracle_distance(margins(probabilities(observed), labels), theirs).item()}


def _measure(name: str, examples: str, heading: str) -> Measure:
    title = f"distance of outputs to the oracles, {examples} examples"
    take = partial(_distance, name, attrgetter(examples))
    return Measure(title, take, needs="deletion", by_pattern=True, heading=heading)


ORACLE_DISTANCE = _measure("oracle_distance", "clean", "distance")
ORACLE_DISTANCE_MARKED = _measure("oracle_distance_marked", "marked", "marked")
