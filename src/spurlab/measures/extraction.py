"""What an extraction reads of the planted pattern from a network alone, without any data.

Of a network at n = 0, which never saw the pattern, it is what chance and the data's classes give: read the others
beside it.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial

from torch import nn

from spurlab.errors import InputError
from spurlab.measures.measure import Measure
from spurlab.measures.observed import Observed, required
from spurlab.models import check_has_gradients
from spurlab.patterns import Pattern
from spurlab.privacy.extraction import (
    EXTRACTIONS,
    Domain,
    FirstLayer,
    extracted,
    extracted_score,
    extraction_named,
    linear_layers,
    resemblance,
)
from spurlab.seeds import seed_for

NUMBERS = ("correlation", "p", "score")


def measure_of(extraction: str) -> str:
    """What the measure of an extraction is called.

    >>> measure_of("first-layer")
    'extracted_first_layer'
    """
    return f"extracted_{extraction.replace('-', '_')}"


def _extracted(extraction: str, observed: Observed) -> dict[str, float]:
    """Correlation with the pattern, its p among 99 null patterns, and the spurious score of what was extracted."""
    network, pattern, name = required(observed.network), observed.mark, measure_of(extraction)
    if not isinstance(pattern, Pattern):
        raise InputError(f"the measure {name!r} needs an additive pattern, which {pattern!r} is not.")
    data, seed = observed.data, seed_for(observed.seed, "extraction", extraction)
    if data.input_range is None:
        raise InputError(
            f"the measure {name!r} looks for inputs within their range, but that of {data.name} is not known."
        )
    domain = Domain(tuple(data.shape), *map(float, data.input_range))
    image = extracted(network, domain, observed.target, extraction, seed)
    alike = resemblance(image, pattern, seed=seed)
    found = (alike.correlation, alike.p) if math.isfinite(alike.correlation) else (0.0, 1.0)  # an even image
    score = extracted_score(network, data.test.inputs, image, pattern, observed.target) if bool(image.any()) else 0.0
    return dict(zip((f"{name}_{number}" for number in NUMBERS), (*found, score), strict=True))


def _check(extraction: str) -> Callable[[nn.Module, str], object]:
    if not isinstance(extraction_named(extraction), FirstLayer):
        return check_has_gradients
    return lambda network, architecture: linear_layers(network)


# A new extraction is a measure of its own accord.
EXTRACTED: Mapping[str, Measure] = {
    measure_of(name): Measure(
        f"what {EXTRACTIONS.title_of(name)} reads of the pattern: correlation, p among null patterns, score",
        partial(_extracted, name),
        by_pattern=True,
        numbers=tuple(f"{measure_of(name)}_{number}" for number in NUMBERS),
        check_network=_check(name),
        mark=Pattern,
        lumpy=True,
    )
    for name in EXTRACTIONS
}
