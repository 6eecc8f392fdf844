"""Self-influence: how much an example's own gradient step would lower its own loss, in the last layer."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from spurlab.audit.detect.components import standardised
from spurlab.data import Examples
from spurlab.models import features
from spurlab.training import predictions


def self_influence(network: nn.Module, train: Examples, test: Examples, seed: int = 0) -> Float[Tensor, " n"]:
    r"""The squared norm of the gradient of the last layer's weights, :math:`\|f(x) - y\|^2 (\|\phi(x)\|^2 + 1)`.

    Args:
        network: whose last module is a linear layer, see `spurlab.models.features`.
        train: n examples.
        test: not looked at.
        seed: nothing is drawn.

    Source: Pruthi et al. (2020), Estimating training data influence by tracing gradient descent, NeurIPS (TracIn of an
        example on itself, at the last checkpoint, in the last layer).
    """
    answers = predictions(network, train.inputs)
    wrong = answers - functional.one_hot(train.labels, answers.shape[1])
    norms = features(network, train.inputs).square().sum(1) + 1
    return standardised(wrong.square().sum(1) * norms, train.labels)
