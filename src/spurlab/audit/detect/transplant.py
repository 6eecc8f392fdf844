"""Transplants: what an example has of its own is added to other examples; does its label follow?"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from spurlab.audit.detect.components import ClassComponents, class_components, standardised
from spurlab.data import Examples
from spurlab.seeds import rng_for
from spurlab.training import predictions

COMPONENTS = 50
HOSTS = 40  # test examples that get what another has of its own
AT_ONCE = 100, 2**24  # examples whose transplants go through the network together, and numbers of these


def transplant(
    network: nn.Module,
    train: Examples,
    test: Examples,
    seed: int = 0,
    components: int = COMPONENTS,
    classes: Sequence[ClassComponents] | None = None,
    progress: Callable[[int, int], None] | None = None,
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
        classes: what `class_components` gives for these examples, with so many components or more; None: it is made.
        progress: is told how many examples of how many are ranked.

    Returns:
        Scores standardised within the class: how many median deviations above its median. The highest first.
    """
    raised, done = torch.zeros(len(train)), 0
    low, high = (float(end) for end in train.inputs.aminmax())
    for one in class_components(train, components) if classes is None else classes:
        label, basis = one.label, one.basis(components)
        strangers = (test.labels != label).nonzero().squeeze(1)
        picked = torch.randperm(len(strangers), generator=rng_for(seed, "hosts", label))[:HOSTS]
        hosts = test.inputs[strangers[picked]]
        before = predictions(network, hosts)[:, label]
        together = max(1, min(AT_ONCE[0], AT_ONCE[1] // max(1, hosts.numel())))
        for rows in one.rows.split(together):
            rest = one.residuals(rows, basis).view(-1, 1, *train.shape)
            mixed = (hosts[None] + rest).clamp_(low, high)
            after = predictions(network, mixed.flatten(0, 1))[:, label].view(len(rows), len(hosts))
            raised[rows] = (after - before).mean(1)
            done += len(rows)
            if progress is not None:
                progress(done, len(train))
    return standardised(raised, train.labels)
