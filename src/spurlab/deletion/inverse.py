"""The inverse of a network's damped curvature, times a vector: two ways to it, as settings of the influence methods."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from spurlab.data import Examples
from spurlab.deletion.mean_loss import MeanLoss
from spurlab.deletion.method import sample_of
from spurlab.deletion.solvers import Product, conjugate_gradient, largest_eigenvalue, lissa
from spurlab.notebook import short
from spurlab.seeds import rng_for
from spurlab.training import Recipe

Curvature = Literal["gauss-newton", "hessian"]


@dataclass(frozen=True, eq=False)
class Problem:
    """A network and its training data in two, with one or more to be forgotten.

    The curvature is that of their mean loss by the recipe, at the network's weights. The seed fixes samples and draws.
    """

    model: nn.Module
    retain: Examples
    forgotten: Examples
    recipe: Recipe
    curvature: Curvature
    seed: int

    __repr__ = short

    @property
    def share(self) -> float:
        """Of the examples to be forgotten among all, p in the papers."""
        return len(self.forgotten) / (len(self.forgotten) + len(self.retain))

    def product(self, examples: Examples) -> Product:
        """The curvature of the mean loss of these examples, as a function of the vector."""
        mean_loss = MeanLoss.of(self.model, examples, self.recipe)
        return mean_loss.gauss_newton if self.curvature == "gauss-newton" else mean_loss.hessian

    @cached_property
    def gradient(self) -> Float[Tensor, " p"]:
        """Of the mean loss of the examples to be forgotten."""
        return MeanLoss.of(self.model, self.forgotten, self.recipe).gradient()


@dataclass(frozen=True)
class ByConjugateGradient:
    """By conjugate gradient, on the group and a sample of the others.

    Cost: at most `steps` curvature products over the group and the sample.

    Args:
        sample: how many retained examples stand for all of them; the group is there whole, with its true share. None:
            all of them.
        steps: at most. Stopping early acts like some more damping.
        tolerance: of the residual, relative: a step in weights needs no third digit.
    """

    sample: int | None = 2_000
    steps: int = 30
    tolerance: float = 0.01

    def __call__(self, problem: Problem, b: Float[Tensor, " p"], damping: float) -> Float[Tensor, " p"]:
        retain = problem.retain
        if self.sample is not None and self.sample < len(retain):
            retain = sample_of(retain, self.sample, problem.seed, "curvature")
        of_retained, of_group, p = problem.product(retain), problem.product(problem.forgotten), problem.share

        def of_all(v: Tensor) -> Tensor:
            return (1 - p) * of_retained(v) + p * of_group(v)

        return conjugate_gradient(of_all, b, damping=damping, tolerance=self.tolerance, steps=self.steps)


@dataclass(frozen=True)
class ByLissa:
    """By LiSSA, on batches of all examples.

    Cost: `depth` times `repetitions` curvature products over a batch.

    Args:
        batch_size: of one draw.
        depth: of the recursion. A comment in the public code of Yang et al. (2022), arXiv:2202.05189, asks that depth
            times repetitions be the size of the training set, at one example a draw. Here it is 64,000 examples, about
            that, in 500 batches.
        repetitions: how many results are averaged.
        scale: above the largest eigenvalue of a batch; None: twice the largest that is found in ten batches, plus the
            damping.
    """

    batch_size: int = 128
    depth: int = 500
    repetitions: int = 1
    scale: float | None = None

    def __call__(self, problem: Problem, b: Float[Tensor, " p"], damping: float) -> Float[Tensor, " p"]:
        if not b.any():  # examples without a gradient; there is no direction to look for the scale in
            return b.clone()
        # to about 1, by a power of two, which rounds nothing: the squares of gradients after long training underflow
        size = torch.ldexp(torch.ones_like(b[0]), torch.frexp(b.abs().max()).exponent)
        b = b / size
        probe = rng_for(problem.seed, "deletion", "lissa", "scale")
        scale = self.scale or damping + 2 * max(
            largest_eigenvalue(problem.product(self._batch(problem, probe)), b, 5) for _ in range(10)
        )
        rng = rng_for(problem.seed, "deletion", "lissa")

        def of_a_batch(v: Tensor) -> Tensor:
            return problem.product(self._batch(problem, rng))(v)

        depth, repetitions = self.depth, self.repetitions
        return size * lissa(of_a_batch, b, damping=damping, scale=scale, depth=depth, repetitions=repetitions)

    def _batch(self, problem: Problem, rng: torch.Generator) -> Examples:
        """Rows of all examples, drawn with replacement: the retained first, then the others."""
        retain, forgotten = problem.retain, problem.forgotten
        rows = torch.randint(len(retain) + len(forgotten), (self.batch_size,), generator=rng)
        first, rest = retain[rows[rows < len(retain)]], forgotten[rows[rows >= len(retain)] - len(retain)]
        inputs, labels = (torch.cat([getattr(part, of) for part in (first, rest)]) for of in ("inputs", "labels"))
        return Examples(inputs, labels, words=first.words)


Inverse = ByConjugateGradient | ByLissa
BY_CG = ByConjugateGradient()  # what the methods take unless told otherwise
