"""Second-order group influence: the examples of the group also change how stiff the loss is."""

from dataclasses import dataclass

from jaxtyping import Bool
from torch import Tensor, nn

from spurlab.data import Examples
from spurlab.deletion.curvature import moved
from spurlab.deletion.influence import DAMPINGS
from spurlab.deletion.inverse import BY_CG, Curvature, Inverse, Problem
from spurlab.deletion.method import split
from spurlab.deletion.search import strongest
from spurlab.lent import lending
from spurlab.methods import finite
from spurlab.training import Recipe


@dataclass(frozen=True)
class SecondOrderInfluence:
    r"""Second-order group influence: first order, and how the members of the group change each other's influence.

    .. math:: \theta' = \theta - \theta^{(1)} + \frac{p}{1 - p} \Big( I - (H + dI)^{-1} (H_U + dI) \Big) \theta^{(1)},
        \qquad \theta^{(1)} = - \frac{1}{1 - p}\, \frac{1}{n} (H + dI)^{-1} \sum_{i \in U} \nabla \ell_i(\theta)

    U is the group to be forgotten, p its share, :math:`H_U` the curvature of its mean loss, H that of all n examples.
    These are the first two terms of the Taylor series of the optimum in the weight of the group, at weight -1, that is
    without it. The third derivative of the loss is left out, so the error is of third order in p for a quadratic loss.
    Without damping the formula is term by term the paper's, as the documentation of Influenciae quotes it; the damping
    is a pull to the present weights that stays when the group goes, and so enters as it does here.

    What is said of `GroupInfluence` about networks that are not at a minimum holds here too.

    Cost: twice that of `GroupInfluence`. Needs: the examples to be forgotten, a sample of the others.

    Args:
        recipe: of training; its loss and weight decay count.
        seed: fixes the sample and the draws.
        dampings: :math:`d`, from gentle to strong, searched as by `GroupInfluence`.
        inverse: how :math:`(H + dI)^{-1}` is applied, with its settings.
        curvature: ``gauss-newton``, or ``hessian``.

    Raises:
        FloatingPointError: the solver met a curvature that is not positive, or diverged.

    Source: Basu, You and Feizi (2020), On second-order group influence functions for black-box predictions,
    arXiv:1911.00418, Theorem 1.
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
        odds = problem.share / (1 - problem.share)
        summed, of_group = odds * problem.gradient(), problem.product(problem.forgotten)

        def deleted(damping: float) -> nn.Module:
            first = -self.inverse(problem, summed, damping)
            second = odds * (first - self.inverse(problem, of_group(first) + damping * first, damping))
            return moved(parts.model, second - first)

        return finite(strongest(self.dampings, deleted, parts.model, parts.retain, self.seed))
