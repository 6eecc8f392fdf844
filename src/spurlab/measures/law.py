"""What theory expects of a network that has learnt a rare mark, to lay beside what is measured (`spurlab.theory`)."""

import math

from jaxtyping import Float64
from torch import Tensor

from spurlab.measures.measure import Measure
from spurlab.measures.observed import Observed, required
from spurlab.metrics import spurious_score
from spurlab.theory import kappa, ridge_of_decay, shift_softmax, shift_squares
from spurlab.training import logits

NUMBERS = ("kappa", "predicted_score")


def _law(observed: Observed) -> dict[str, float]:
    r"""The one number :math:`\kappa = n s^2 / N \lambda`, and the spurious score that follows from it.

    s is the root of the mean square of what the mark adds to the planted inputs. The prediction adds the shift of
    theory to the network's own outputs for inputs without the mark: it is exact for a linear model at the minimum of
    its loss where the mark is orthogonal to all examples, and what such a model would do for any other network.
    Noise, clipping and augmentation are not in it. Without weight decay kappa is infinite, and both are NaN.
    """
    planted, recipe = required(observed.trained_on).planted, required(observed.recipe)
    network, base, count = required(observed.network), planted.base, len(planted.rows)
    if count == 0:
        return dict.fromkeys(NUMBERS, 0.0)
    if recipe.weight_decay == 0:
        return dict.fromkeys(NUMBERS, math.nan)
    clean = base.inputs[planted.rows]
    norm = (planted.inputs - clean).double().flatten(1).square().sum(1).mean().sqrt().item()
    squares, classes = recipe.loss == "mse", observed.data.classes
    decay = ridge_of_decay(recipe.weight_decay, classes) if squares else recipe.weight_decay
    number, own = kappa(count, norm, len(planted), decay), logits(network, clean).double()
    shift = shift_squares(number, own, observed.target) if squares else shift_softmax(number, own, observed.target)
    return {"kappa": number, "predicted_score": _score(observed, shift)}


def _score(observed: Observed, shift: Float64[Tensor, " k"]) -> float:
    before = observed.clean.double()  # kept: other measures take it too
    after = (before.log() + shift).softmax(1)  # logarithms of probabilities are logits but for one number for all
    return spurious_score(before, after, observed.target).item()


LAW = Measure("what theory expects", _law, by_pattern=True, numbers=NUMBERS)
