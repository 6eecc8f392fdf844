"""The probability of the true class when a share of the pixels is set to zero (section 3.3.2 of the paper)."""

from functools import partial

from spurlab.explain import input_sensitivity, sensitivity_examples
from spurlab.measures.measure import Measure, check_numbers
from spurlab.measures.observed import Observed, required
from spurlab.training import predictions

# how many of the pixels are zero, by the name of the number
PERCENTS = {f"sensitivity_{percent:03d}": percent for percent in range(0, 101, 2)}


def _sensitivity(observed: Observed) -> dict[str, float]:
    """Over 500 clean training examples, chosen by the network's seed, as are the pixels that go first.

    All shares of one image are asked by one ranking of its pixels; each share is a batch of its own.
    """
    train = observed.data.train
    few = sensitivity_examples(train, observed.seed, min(500, len(train)))
    predict, shares = partial(predictions, required(observed.network)), [percent / 100 for percent in PERCENTS.values()]
    curve = input_sensitivity(predict, few.inputs, few.labels, observed.seed, shares, rows=max(len(few), 1))
    return dict(zip(PERCENTS, curve.tolist(), strict=True))


SENSITIVITY = Measure(
    "probability of the true class as pixels go", _sensitivity, numbers=tuple(PERCENTS), check_data=check_numbers
)
