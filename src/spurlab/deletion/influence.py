"""Group influence: one step for the whole group, to first order in its share or to second."""

from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor, nn

from spurlab.data import Examples
from spurlab.deletion.inverse import BY_CG, Inverse
from spurlab.deletion.method import deleting
from spurlab.deletion.problem import Curvature, Problem
from spurlab.deletion.search import strongest
from spurlab.deletion.weights import moved
from spurlab.training import Recipe


@dataclass(frozen=True)
class GroupInfluence:
    r"""First-order group influence: where the weights would settle without the group, to first order in its share.

    .. math:: \theta' = \theta + \frac{1}{n} (H + dI)^{-1} \sum_{i \in \text{forget}} \nabla \ell_i(\theta),
        \qquad H = \frac{1}{n} \sum_{i=1}^{n} \nabla^2 \ell_i(\theta)

    H is the curvature of all n training examples, those to be forgotten included. Each loss holds the recipe's weight
    decay, see `spurlab.deletion.mean_loss.MeanLoss`. The inverse is linear: the sum of the gradients needs one
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
        dampings: :math:`d`, from gentle to strong. What a network needs is left open (0 in Koh and Liang's public code,
            unless told otherwise); these three are ours, around 0.01, a common value. The smallest is taken at which
            the loss on retained examples hardly rises, see `spurlab.deletion.search.strongest`.
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
    dampings: tuple[float, ...] = (0.1, 0.01, 0.001)
    inverse: Inverse = BY_CG
    curvature: Curvature = "gauss-newton"

    @deleting
    def __call__(self, model: nn.Module, data: Examples, forget: Bool[Tensor, " n"]) -> nn.Module:
        if not forget.any():
            return model
        retain = data[~forget]
        problem = Problem(model, retain, data[forget], self.recipe, self.curvature, self.seed)

        def deleted(damping: float) -> nn.Module:
            return moved(model, self._step(problem, damping))

        return strongest(self.dampings, deleted, model, retain, self.seed)

    def _step(self, problem: Problem, damping: float) -> Float[Tensor, " p"]:
        return self.inverse(problem, problem.share * problem.gradient, damping)


@dataclass(frozen=True)
class SecondOrderInfluence(GroupInfluence):
    r"""Second-order group influence: first order, and how the members of the group change each other's influence.

    .. math:: \theta' = \theta - \theta^{(1)} + \frac{p}{1 - p} \Big( I - (H + dI)^{-1} (H_U + dI) \Big) \theta^{(1)},
        \qquad \theta^{(1)} = - \frac{1}{1 - p}\, \frac{1}{n} (H + dI)^{-1} \sum_{i \in U} \nabla \ell_i(\theta)

    U is the group to be forgotten, p its share, :math:`H_U` the curvature of its mean loss, H that of all n examples.
    These are the first two terms of the Taylor series of the optimum in the weight of the group, at weight -1, that is
    without it. The third derivative of the loss is left out, so the error is of third order in p for a quadratic loss.
    Without damping the formula is term by term the paper's, as the documentation of Influenciae quotes it; the damping
    is a pull to the present weights that stays when the group goes, and so enters as it does here.

    What is said of `GroupInfluence` about networks that are not at a minimum holds here too. Settings and needs are the
    same; the cost is twice as high.

    Raises:
        FloatingPointError: the solver met a curvature that is not positive, or diverged.

    Source: Basu, You and Feizi (2020), On second-order group influence functions for black-box predictions,
    arXiv:1911.00418, Theorem 1.
    """

    def _step(self, problem: Problem, damping: float) -> Float[Tensor, " p"]:
        odds, of_group = problem.share / (1 - problem.share), problem.product(problem.forgotten)
        first = -self.inverse(problem, odds * problem.gradient, damping)
        second = odds * (first - self.inverse(problem, of_group(first) + damping * first, damping))
        return second - first
