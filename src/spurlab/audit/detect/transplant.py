"""Transplants: what an example has of its own is added to other examples; does its label follow?"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from spurlab.audit.detect.components import own_of_classes, standardised
from spurlab.data import Examples
from spurlab.seeds import rng_for
from spurlab.training import predictions

COMPONENTS = 50
HOSTS = 40  # test examples that get what another has of its own
AT_ONCE = 100, 2**24  # examples whose transplants go through the network together, and numbers of these


def transplant(
    network: nn.Module, train: Examples, test: Examples, seed: int = 0, components: int = COMPONENTS
) -> Float[Tensor, " n"]:
    r"""By how much what an example has of its own raises the probability of its label.

    .. math:: t_i = \frac{1}{|H|} \sum_{h \in H} f_{y_i}(\mathrm{clip}(x_h + r_i)) - f_{y_i}(x_h)

    :math:`r_i` is what the first principal components of the training examples of *other* classes do not explain of
    :math:`x_i`; H are 40 test examples of other classes. An ordinary residual is noise to the network; a mark that it
    has learnt is in the residual and pulls. Ours.

    Args:
        network: gives logits.
        train: n examples that it was trained on; vectors or images.
        test: others, as hosts.
        seed: of the choice of hosts.
        components: of which the residual is free.

    Returns:
        Scores standardised within the class: how many median deviations above its median. The highest first.
    """
    raised = torch.zeros(len(train))
    low, high = (float(end) for end in train.inputs.aminmax())
    for label, own, vectors in own_of_classes(train, components):
        rest = vectors.view(-1, *train.shape)
        strangers = (test.labels != label).nonzero().squeeze(1)
        picked = torch.randperm(len(strangers), generator=rng_for(seed, "hosts", label))[:HOSTS]
        hosts = test.inputs[strangers[picked]]
        before = predictions(network, hosts)[:, label]
        together = max(1, min(AT_ONCE[0], AT_ONCE[1] // max(1, hosts.numel())))
        for rows in torch.arange(len(own)).split(together):
            mixed = (hosts[None] + rest[rows][:, None]).clamp(low, high)
            after = predictions(network, mixed.flatten(0, 1))[:, label].view(len(rows), len(hosts))
            raised[own[rows]] = (after - before).mean(1)
    return standardised(raised, train.labels)
