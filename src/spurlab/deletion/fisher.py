"""Fisher forgetting: noise where the retained data would not notice it."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Num
from torch import Tensor, nn

from spurlab.data import Examples
from spurlab.deletion.method import deleting, sample_of
from spurlab.deletion.search import strongest
from spurlab.deletion.squared_gradients import squared_gradients
from spurlab.deletion.weights import flat, free_weights, moved
from spurlab.models import ask, asked, evaluating
from spurlab.seeds import rng_for
from spurlab.training.losses import cross_entropy

FLOOR = 1e-8  # of the Fisher information, as in the public code: a weight that no example feels gets no endless noise


@dataclass(frozen=True)
class FisherForgetting:
    r"""Fisher forgetting: each weight gets noise, the more the less the outputs on retained examples depend on it.

    .. math:: \theta' = \theta + \alpha\, F^{-1/4} \odot \varepsilon, \qquad \varepsilon \sim \mathcal{N}(0, I), \qquad
        F = \frac{1}{n - m} \sum_{i \in \text{retain}} \sum_{y=1}^{k} p_\theta(y \mid x_i)
        \left( \frac{\partial \log p_\theta(y \mid x_i)}{\partial \theta} \right)^2

    Products of vectors are by element: F is the diagonal of the Fisher information. :math:`\alpha^4` is the paper's
    :math:`\lambda\sigma_h^2`, which it leaves open. The mean is not moved, and the examples to be forgotten count only
    by not being in F: where they are few, this is noise in the directions that all examples leave free.

    The public code has noise of another size: :math:`10^{-3} F^{-1/2}`, with ceilings, the variance averaged over the
    inputs of each unit, and ten times the variance for biases, batch norm and the last layer.

    Cost: k times the squared gradients of `sample` examples, see `squared_gradients`; a forward pass for each strength
    that is tried. Needs: a sample of the retained examples; their labels are not used.

    Args:
        seed: fixes the sample and the noise.
        strengths: :math:`\alpha`, from gentle to strong; ours. The largest is taken at which the loss on retained
            examples hardly rises, see `spurlab.deletion.search.strongest`.
        sample: how many retained examples stand for all of them in F; None: all of them.

    Source: Golatkar, Achille and Soatto (2020), Eternal sunshine of the spotless net: selective forgetting in deep
    networks, arXiv:1911.04933.
    """

    seed: int = 0
    strengths: tuple[float, ...] = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)
    sample: int | None = 1_000

    @deleting
    def __call__(self, model: nn.Module, data: Examples, forget: Bool[Tensor, " n"]) -> nn.Module:
        if not forget.any():
            return model
        retain = data[~forget]
        information = fisher_diagonal(model, sample_of(retain, self.sample, self.seed, "fisher").inputs)
        weights = flat(free_weights(model))
        noise = torch.randn(len(weights), generator=rng_for(self.seed, "deletion", "fisher", "noise")).to(weights)
        most = (information + FLOOR) ** -0.25 * noise
        return strongest(self.strengths, lambda strength: moved(model, strength * most), model, retain, self.seed)


def fisher_diagonal(model: nn.Module, inputs: Num[Tensor, "n *shape"]) -> Float[Tensor, " p"]:
    r"""The diagonal of the Fisher information: labels are expected as the network itself expects them.

    Cost: k times `squared_gradients`.

    >>> coin = nn.Linear(1, 2, bias=False)
    >>> nn.init.zeros_(coin.weight).requires_grad
    True
    >>> fisher_diagonal(coin, torch.ones(1, 1))  # p (1 - p) for each of two classes of probability 1/2
    tensor([0.2500, 0.2500])
    """
    with asked(model), evaluating(model), torch.no_grad():
        shares = torch.cat([ask(model, some).softmax(1).cpu() for some in inputs.split(500)])
    total = torch.zeros_like(flat(free_weights(model)))
    for y in range(shares.shape[1]):
        labels = torch.full((len(inputs),), y)
        total += squared_gradients(model, inputs, labels, cross_entropy, shares[:, y])
    return total
