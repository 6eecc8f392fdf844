"""What a network's first weights say of a pattern's pixels."""

from jaxtyping import Float
from torch import Tensor, nn

from spurlab.errors import InputError
from spurlab.explain import pixel_importance
from spurlab.measures.measure import Measure
from spurlab.measures.observed import Observed, required
from spurlab.models import is_perceptron
from spurlab.patterns import Pattern


def _pattern_importance(observed: Observed) -> dict[str, float]:
    pattern = observed.mark
    if not isinstance(pattern, Pattern):
        raise InputError(f"the measure 'pattern_importance' needs an additive pattern, which {pattern!r} is not.")
    importance = pixel_importance(first_weight(required(observed.network), observed.architecture).detach())
    return {"pattern_importance": importance[pattern.offset.flatten() != 0].mean().item()}


def first_weight(network: nn.Module, architecture: str) -> Float[Tensor, "out d"]:
    """The weights of a perceptron's first layer, which has one column for each pixel.

    Raises:
        ValueError: the network begins with another kind of layer.
    """
    first = next((module for module in network.modules() if list(module.parameters(recurse=False))), network)
    if not isinstance(first, nn.Linear):
        raise InputError(
            "the measure 'pattern_importance' reads each pixel's weights off a first linear layer, but the first layer "
            f"of {architecture!r} is {type(first).__name__}. Take a perceptron, e.g. 'mlp'."
        )
    return first.weight


PATTERN_IMPORTANCE = Measure(
    "pixel importance of the pattern",
    _pattern_importance,
    by_pattern=True,
    always=is_perceptron,
    check_network=first_weight,
    mark=Pattern,
)
