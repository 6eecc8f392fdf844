"""Balancing the training data: by class or by group, by leaving out or by drawing."""

import math
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from jaxtyping import Int64
from torch import Generator, Tensor, nn

from spurlab.data import Examples
from spurlab.methods import Make
from spurlab.methods.settings import one_of
from spurlab.prevention.method import groups_of, preventing
from spurlab.prevention.steps import begin, drawn_evenly, train_on
from spurlab.seeds import rng_for
from spurlab.training import Recipe

By = Literal["group", "class"]


@dataclass(frozen=True)
class _Balancing:
    """By group or by class; the docstrings of what extends it tell the settings."""

    recipe: Recipe
    seed: int = 0
    by: By = "group"

    def __post_init__(self) -> None:
        one_of(By, "`by`", self.by)


@dataclass(frozen=True)
class Subsampling(_Balancing):
    r"""SUBG and SUBY: training anew on a random subset in which all groups, or all classes, have one size.

    .. math:: \min_\theta \frac{1}{G m} \sum_{g} \sum_{i \in S_g} \ell(f_\theta(x_i), y_i), \qquad
        S_g \subset g, \; |S_g| = m = \min_g n_g

    The subset is drawn once, before training. Groups without examples are left out; where the spurious feature is on
    all examples, so that every class has one group, SUBG is SUBY.

    Cost: one training on the subset, of as many epochs as the recipe has, and so of fewer steps. Needs: the groups of
    the training examples for ``by="group"``; those of a clean set for `best_epoch`.

    Args:
        recipe: how the network was trained.
        seed: fixes the subset, the initial weights and the order of the examples.
        by: ``group`` (SUBG) or ``class`` (SUBY).
        same_steps: train for as many steps as on all examples, by more epochs; ours. The paper keeps the epochs.
        best_epoch: keep the epoch whose worst clean group is served best, as the paper does. Off here by default, so
            that nothing but the balance differs from plain training.
        make: as in `spurlab.deletion.Retrain`.

    Source: Idrissi, Arjovsky, Pezeshki and Lopez-Paz (2022), Simple data balancing achieves competitive worst-group
    accuracy, arXiv:2110.14503.
    """

    same_steps: bool = False
    best_epoch: bool = False
    make: Make | None = None

    @preventing
    def __call__(self, model: nn.Module, data: Examples, clean: Examples) -> nn.Module:
        method = f"sub-{self.by}"
        rows = balanced_rows(_parts(data, self.by, "SUBG"), rng_for(self.seed, "prevention", method, "subset"))
        recipe = same_length(self.recipe, len(data), len(rows)) if self.same_steps else self.recipe
        descent = begin(model, recipe, self.seed, method, self.make)
        batches, best_by = partial(descent.batches, data[rows]), clean if self.best_epoch else None
        return train_on(descent, batches, descent.loss, best_by, "SUBG")


def same_length(recipe: Recipe, examples: int, fewer: int) -> Recipe:
    """The recipe with more epochs, so that it has as many steps on fewer examples, up to part of an epoch.

    >>> same_length(Recipe(batch_size=100, epochs=50, milestones=()), 4000, 1000).epochs
    200
    """
    steps = [math.ceil(count / recipe.batch_size) for count in (examples, fewer)]
    return recipe.lasting(round(recipe.epochs * steps[0] / steps[1]))


@dataclass(frozen=True)
class Reweighting(_Balancing):
    r"""RWG and RWY: training anew on draws in which every group, or every class, is equally likely.

    .. math:: \min_\theta \frac{1}{G} \sum_{g} \frac{1}{n_g} \sum_{i \in g} \ell(f_\theta(x_i), y_i)

    As in the paper, it is the draws of an epoch that are weighted, with replacement: :math:`p_i = 1 / (G n_{g_i})`.
    Groups without examples are left out; where every class has one group, RWG is RWY.

    Cost: one training. Needs: the groups of the training examples for ``by="group"``; those of a clean set for
    `best_epoch`.

    Args:
        recipe: how the network was trained.
        seed: fixes the draws and the initial weights.
        by: ``group`` (RWG) or ``class`` (RWY).
        best_epoch: as in `Subsampling`.
        make: as in `spurlab.deletion.Retrain`.

    Source: as of `Subsampling`.
    """

    best_epoch: bool = False
    make: Make | None = None

    @preventing
    def __call__(self, model: nn.Module, data: Examples, clean: Examples) -> nn.Module:
        method = f"reweight-{self.by}"
        parts = _parts(data, self.by, "RWG")
        descent = begin(model, self.recipe, self.seed, method, self.make)
        drawn = drawn_evenly(descent, data, parts, self.seed, method)
        return train_on(descent, drawn, descent.loss, clean if self.best_epoch else None, "RWG")


def balanced_rows(groups: Int64[Tensor, " n"], rng: Generator) -> Int64[Tensor, " picked"]:
    """Rows of a random subset in which all non-empty groups are as large as the smallest of them.

    >>> rows = balanced_rows(torch.tensor([0, 0, 0, 2]), torch.Generator().manual_seed(0))
    >>> len(rows), rows[-1].item()
    (2, 3)
    """
    present, sizes = groups.unique(return_counts=True)
    least = int(sizes.min())
    return torch.cat([shuffled_rows(groups, group, rng)[:least] for group in present.tolist()])


def shuffled_rows(groups: Int64[Tensor, " n"], group: int, rng: Generator) -> Int64[Tensor, " rows"]:
    """The rows of one group, in a random order."""
    rows = (groups == group).nonzero().flatten()
    return rows[torch.randperm(len(rows), generator=rng)]


def _parts(data: Examples, by: By, method: str) -> Tensor:
    return data.labels if by == "class" else groups_of(data, "training", method)
