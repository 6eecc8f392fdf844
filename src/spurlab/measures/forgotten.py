"""What a network says of the examples that it was to forget: two numbers in [0, 1].

``forgotten_accuracy`` is that on these examples without the pattern.
"""

import torch
from jaxtyping import Float64
from torch import Tensor, nn
from torch.nn import functional as F

from spurlab.data import Examples
from spurlab.measures.measure import Measure
from spurlab.measures.observed import Observed, required
from spurlab.metrics import accuracy, membership_auc
from spurlab.privacy import margins_of
from spurlab.training import logits, predictions


def _forgotten_accuracy(observed: Observed) -> dict[str, float]:
    examples = required(observed.deleted).unmarked
    clean = predictions(required(observed.network), examples.inputs) if len(examples) else observed.clean[:0]
    return {"forgotten_accuracy": accuracy(clean, examples.labels).item()}


def _membership_auc(observed: Observed) -> dict[str, float]:
    """Of a threshold on the loss: the forgotten examples as they were planted, and test examples of the target class.

    These have the same pattern on, so that membership is all they differ in; 1/2: not to be told apart. Where the
    forgotten ones are of other classes and have the target's label, the test examples are so too.
    """
    network, test, deleted = required(observed.network), observed.data.test, required(observed.deleted)
    relabelled = bool((deleted.unmarked.labels != deleted.forgotten.labels).any())
    chosen = (test.labels == observed.target) != relabelled
    labels = torch.full_like(test.labels[chosen], required(observed.target))
    unseen = Examples(observed.marked_inputs[chosen], labels, words=test.words)
    auc = membership_auc(losses(network, deleted.forgotten), losses(network, unseen))
    return {"membership_auc": auc.item()}


def losses(network: nn.Module, examples: Examples) -> Float64[Tensor, " n"]:
    """The cross-entropy of each example, in double precision: the softplus of minus its margin.

    An attack ranks losses. Those of examples that a network is sure of would all round to 0 where they come from
    probabilities, or from the logarithm of a sum that is 1 but for a trillionth.
    """
    if len(examples) == 0:
        return torch.zeros(0, dtype=torch.float64)
    return F.softplus(-margins_of(logits(network, examples.inputs), examples.labels.cpu()))


FORGOTTEN_ACCURACY = Measure(
    "accuracy on clean versions of the forgotten examples",
    _forgotten_accuracy,
    needs="deletion",
    by_pattern=True,
    lumpy=True,
    heading="forgotten",
)
MEMBERSHIP_AUC = Measure(
    "membership AUC of the forgotten examples",
    _membership_auc,
    needs="deletion",
    by_pattern=True,
    lumpy=True,
    heading="membership",
)
