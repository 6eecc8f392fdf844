"""Differential privacy: what was promised of a network, and what it answers to a planted example, the canary.

Canaries are audited over many networks, with the example (n = 1) and without it (n = 0): see
`spurlab.privacy.epsilon_at`. The promise is about one example more or less, so plant with ``how = "append"``.
"""

import math

import torch

from spurlab.measures.measure import Measure
from spurlab.measures.observed import Observed, required
from spurlab.patterns import Rare, plant
from spurlab.prevention import guarantee_of
from spurlab.privacy import margins_of
from spurlab.training import logits


def _epsilon(observed: Observed) -> dict[str, float]:
    """Infinite of networks that were trained without a promise."""
    promised = guarantee_of(required(observed.network))
    return {"epsilon": promised.epsilon if promised else math.inf}


def _canary_answer(observed: Observed) -> dict[str, float]:
    """By how much the mark raises the log-odds of its label, of the example that is planted first under this seed.

    At n = 0 the network has learnt the example without the mark, and of larger n it is one of them.
    """
    train, target = observed.data.train, observed.target
    planted = plant(train, observed.mark, Rare(target, 1), seed=observed.seed)
    row = planted.positions.cpu()
    pair = torch.cat([train[row].inputs, planted[row].inputs])
    with torch.no_grad():
        margins = margins_of(logits(required(observed.network), pair), train.labels[row].repeat(2))
    return {"canary_answer": float(margins[1] - margins[0])}


EPSILON = Measure("epsilon that was promised of each training example", _epsilon)
CANARY_ANSWER = Measure(
    "rise of the label's log-odds by the mark, of the planted example", _canary_answer, by_pattern=True, lumpy=True
)
