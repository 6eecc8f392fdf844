"""Which training examples teach a mark that is given: by their influence on what the mark does to the answer."""

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn

from spurlab.data import Examples
from spurlab.errors import InputError
from spurlab.models import features
from spurlab.patterns import MarkLike, marked_all
from spurlab.seeds import rng_for

IMAGES = 500  # test examples of other classes that are marked, and examples that are looked at together
RIDGE = 0.3  # of the mean variance: less finds fewer of marks that change much, more fewer of weak ones


def has_features(network: nn.Module, inputs: Num[Tensor, "n *shape"]) -> bool:
    """Whether its last module is a linear layer that gives its logits, see `spurlab.models.features`."""
    try:
        features(network, inputs)
    except InputError:
        return False
    return True


def influence_on_mark(
    network: nn.Module, train: Examples, test: Examples, mark: MarkLike, target: int, seed: int = 0
) -> Float[Tensor, " n"]:
    r"""By how much learning an example's label more surely would raise the pull of the mark to the target.

    .. math:: I_i = \nabla_W z_{y_i}(x_i)^\top (F + \lambda)^{-1} \nabla_W \bar{z}_t
        = \mathbf{1}[y_i = t]\, \phi(x_i)^\top (\Sigma + \lambda)^{-1} \bar\phi, \quad
        \bar{z}_t = \frac{1}{|T|} \sum_{x \in T} z_t(g(x)) - z_t(x), \quad
        \bar\phi = \frac{1}{|T|} \sum_{x \in T} \phi(g(x)) - \phi(x)

    To first order, of the last layer's weights W, with :math:`\phi` what comes into it, :math:`\Sigma` the mean of
    :math:`\phi \phi^\top` over the training examples, F that for each class, and :math:`\lambda` .3 of its mean
    diagonal; T are up to 500 test examples of other classes. Of logits, since the loss of a marked example is nearly 0
    once it is learnt, and so is its gradient: products of gradients of losses (TracIn) find none.

    Args:
        network: whose last module is a linear layer, see `spurlab.models.features`.
        train: n examples that it was trained on.
        test: others.
        mark: any.
        target: the class t that it pulls to.
        seed: of the choice of test examples, and of what the mark draws.

    Returns:
        The highest first; 0 for examples of other classes. Whether the mark is in them is not looked at: compare
        `spurlab.audit.presence.presence`.

    Raises:
        ValueError: all test examples are of the target; or as `spurlab.models.features`.

    Source: Park et al. (2023), TRAK: attributing model behavior at scale, arXiv:2303.14186, equation 11 with one
        network, its last layer, and logits in place of log-odds.
    """
    others = (test.labels != target).nonzero().squeeze(1)
    if not len(others):
        raise InputError(
            "all test examples are of the class that the mark pulls to, but its influence is on the others."
        )
    few = test[others[torch.randperm(len(others), generator=rng_for(seed, "influence"))[:IMAGES].sort().values]]
    change = (features(network, marked_all(mark, few, seed)) - features(network, few.inputs)).mean(0)
    moment = torch.zeros(len(change), len(change), dtype=torch.float64)
    for rows in torch.arange(len(train)).split(IMAGES):
        seen = features(network, train.inputs[rows]).double()
        moment += seen.T @ seen / len(train)
    moment.diagonal().add_(RIDGE * float(moment.diagonal().mean()) + 1e-12)
    direction = torch.linalg.solve(moment, change.double()).float()
    influence = torch.zeros(len(train))
    for rows in (train.labels == target).nonzero().squeeze(1).split(IMAGES):
        influence[rows] = features(network, train.inputs[rows]) @ direction
    return influence
