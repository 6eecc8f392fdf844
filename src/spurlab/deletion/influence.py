"""First-order group influence: one step for the whole group."""

from dataclasses import dataclass

from jaxtyping import Bool
from torch import Tensor, nn

from spurlab.data import Examples
from spurlab.deletion.curvature import moved
from spurlab.deletion.inverse import BY_CG, Curvature, Inverse, Problem
from spurlab.deletion.method import split
from spurlab.deletion.search import strongest
from spurlab.lent import lending
from spurlab.methods import finite
from spurlab.training import Recipe

# From gentle to strong. A network's damping is left open (0 in Koh and Liang's public code, unless told otherwise);
# these three are ours, around 0.01, a common value.
DAMPINGS = (0.1, 0.01, 0.001)


@dataclass(frozen=True)
class GroupInfluence:
    r"""First-order group influence: where the weights would settle without the group, to first order in its share.

    .. math:: \theta' = \theta + \frac{1}{n} (H + dI)^{-1} \sum_{i \in \text{forget}} \nabla \ell_i(\theta),
        \qquad H = \frac{1}{n} \sum_{i=1}^{n} \nabla^2 \ell_i(\theta)

    H is the curvature of all n training examples, those to be forgotten included. Each loss holds the recipe's weight
    decay, see `spurlab.deletion.curvature.MeanLoss`. The inverse is linear: the sum of the gradients needs one
    solution, not one for each example.

    The derivation wants a minimum. A network that was trained for some epochs is not at one, and its Hessian has
    negative eigenvalues. With the Gauss-Newton matrix the same formula has a meaning there too: it is where the weights
    go when the loss of the group is taken away, while the outputs on all other examples and, by the damping, the
    weights are held near where they are (Bae et al. 2022). It follows the group's own gradients alone, and is no
    further training on the rest. Examples that are fitted well have gradients near zero: then the step is near zero
    too, however much the network learnt from them.

    Cost: the gradient of the group and one inverse for each damping that is tried; no pass over all data. Needs: the
    examples to be forgotten, a sample of the others.

    Args:
        recipe: of training; its loss and weight decay count.
        seed: fixes the sample and the draws.
        dampings: :math:`d`, from gentle to strong. What a network needs is left open; these three are ours, around a
            common value. The smallest is taken at which the loss on retained examples hardly rises, see
            `spurlab.deletion.search.strongest`.
        inverse: how :math:`(H + dI)^{-1}` is applied, with its settings.
        curvature: ``gauss-newton``, or ``hessian``: with it conjugate gradient ends where the curvature is negative.

    Raises:
        FloatingPointError: the solver met a curvature that is not positive, or diverged.

    Source: Koh, Ang, Teo and Liang (2019), On the accuracy of influence functions for measuring group effects,
    arXiv:1905.13289; Koh and Liang (2017), arXiv:1703.04730; Bae et al. (2022), If influence functions are the answer,
    then what is the question?, arXiv:2209.05364.
    """

    recipe: Recipe
    seed: int = 0
    dampings: tuple[float, ...] = DAMPINGS
    inverse: Inverse = BY_CG
    curvature: Curvature = "gauss-newton"

    @lending
    def __call__(self, model: nn.Module, data: Examples, forget: Bool[Tensor, " n"]) -> nn.Module:
        parts = split(model, data, forget)
        if len(parts.forgotten) == 0:
            return finite(parts.model)
        problem = Problem(*parts, self.recipe, self.curvature, self.seed)
        summed = problem.share * problem.gradient()  # the sum over the group, by n

        def deleted(damping: float) -> nn.Module:
            return moved(parts.model, self.inverse(problem, summed, damping))

        return finite(strongest(self.dampings, deleted, parts.model, parts.retain, self.seed))
