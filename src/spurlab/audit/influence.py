"""Which training examples teach a mark that is given: by their influence on what the mark does to the answer."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from spurlab.data import Examples
from spurlab.errors import InputError
from spurlab.models import features
from spurlab.patterns import MarkLike, marked_all
from spurlab.seeds import rng_for

IMAGES = 500  # test examples of other classes that are marked


def influence_on_mark(
    network: nn.Module, train: Examples, test: Examples, mark: MarkLike, target: int, seed: int = 0
) -> Float[Tensor, " n"]:
    r"""By how much a step that raises the logit of an example's label raises the pull of the mark to the target.

    .. math:: I_i = \langle \nabla_W z_{y_i}(x_i), \nabla_W \bar{z}_t \rangle = \mathbf{1}[y_i = t]
        \Bigl\langle \phi(x_i), \frac{1}{|T|} \sum_{x \in T} \phi(g(x)) - \phi(x) \Bigr\rangle, \quad
        \bar{z}_t = \frac{1}{|T|} \sum_{x \in T} z_t(g(x)) - z_t(x)

    To first order, of the last layer's weights W, with :math:`\phi` what comes into it; T are up to 500 test examples
    of other classes. It is TracIn at the last checkpoint with logits in place of losses: the loss of a marked example
    is nearly 0 once it is learnt, and so is its gradient.

    Args:
        network: whose last module is a linear layer, see `spurlab.models.features`.
        train: n examples that it was trained on.
        test: others.
        mark: any.
        target: the class t that it pulls to.
        seed: of the choice of test examples, and of what the mark draws.

    Returns:
        In squared units of the features, the highest first; 0 for examples of other classes. Whether the mark is in
        them is not looked at: compare `spurlab.audit.presence.presence`.

    Raises:
        ValueError: all test examples are of the target; or as `spurlab.models.features`.

    Source: Pruthi et al. (2020), Estimating training data influence by tracing gradient descent, NeurIPS, section 4.
    """
    others = (test.labels != target).nonzero().squeeze(1)
    if not len(others):
        raise InputError(
            "all test examples are of the class that the mark pulls to, but its influence is on the others."
        )
    few = test[others[torch.randperm(len(others), generator=rng_for(seed, "influence"))[:IMAGES].sort().values]]
    change = (features(network, marked_all(mark, few, seed)) - features(network, few.inputs)).mean(0)
    scores = torch.zeros(len(train))
    for rows in (train.labels == target).nonzero().squeeze(1).split(IMAGES):
        scores[rows] = features(network, train.inputs[rows]) @ change
    return scores
