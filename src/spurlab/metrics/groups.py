"""Accuracy by group: in each, in the worst, and weighted as the training set has them.

Averages have two meanings. :func:`spurlab.metrics.accuracy` is the share of test examples: it depends on how many of
each group the test set happens to have. :func:`train_weighted_accuracy` is the accuracy to expect where groups are as
common as in training.

These are numbers of single models. Their mean over models, with its interval, is
:meth:`spurlab.stats.Estimate.across_models`.
"""

import math

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from spurlab.errors import InputError
from spurlab.metrics.accuracy import correct

MOST_GROUPS = 100_000  # that a share is given of each: numbers that identify something would take all memory


def group_accuracy(
    probabilities: Float[Tensor, "*models n k"], labels: Int64[Tensor, " n"], groups: Int64[Tensor, " n"], count: int
) -> Float64[Tensor, "*models g"]:
    r"""Accuracy among the examples of each group.

    .. math:: A_g = \frac{1}{n_g} \sum_{i:\, g_i = g} \mathbf{1}\big[\arg\max_c f_c(x_i) = y_i\big]

    Args:
        probabilities: class probabilities :math:`f(x_i)`, or logits, as in :func:`spurlab.metrics.accuracy`.
        labels: the classes :math:`y_i`, in the same order.
        groups: the groups :math:`g_i`, in the same order.
        count: how many groups there are, e.g. ``len(dataset.group_names)``; at most 100,000.

    Returns:
        For each model one share in [0, 1] for each group, NaN for a group without examples. All are NaN for a model
        with a NaN among its probabilities (it has diverged).

    Raises:
        ValueError: a label for which there is no probability, a group that is not among `count`, or no group at all,
            or too many.

    >>> probabilities = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])
    >>> group_accuracy(probabilities, torch.tensor([0, 1, 1]), torch.tensor([0, 2, 2]), count=4).tolist()
    [1.0, nan, 0.5, nan]
    """
    _check_groups(groups, count)
    if count > MOST_GROUPS:
        raise InputError(
            f"{count:,} groups are more than the {MOST_GROUPS:,} that can have a share each. Number the groups "
            f"without gaps: groups.unique(return_inverse=True)[1]."
        )
    right = correct(probabilities, labels)
    sums = right.new_zeros(*right.shape[:-1], count).index_add(-1, groups, right)
    return sums / groups.bincount(minlength=count)


def worst_group_accuracy(
    probabilities: Float[Tensor, "*models n k"], labels: Int64[Tensor, " n"], groups: Int64[Tensor, " n"], count: int
) -> Float64[Tensor, "*models"]:
    r"""The least accuracy of a group; groups without examples do not count.

    .. math:: A_{\min} = \min_{g:\, n_g > 0} A_g

    The minimum of shares that each have an error lies below the least true share on average, the more so the smaller
    the groups are: look at the sizes of the groups before comparing data sets.

    Args:
        probabilities, labels: as in :func:`group_accuracy`.
        groups, count: as there, but any numbers, such as those of hospitals: the groups that occur are looked at.

    Returns:
        One share in [0, 1] per model. NaN when there are no examples, and for a model that has diverged.

    Raises:
        ValueError: as :func:`group_accuracy`.

    Source: Sagawa et al. (2020), arXiv:1911.08731, section 2: the largest risk of a group, here as an accuracy.

    >>> probabilities = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])
    >>> worst_group_accuracy(probabilities, torch.tensor([0, 1, 1]), torch.tensor([0, 2, 2]), count=4).item()
    0.5
    """
    _check_groups(groups, count)
    present, numbers = groups.unique(return_inverse=True)
    shares = group_accuracy(probabilities, labels, numbers, max(1, len(present)))
    known = shares.isfinite()
    return shares.masked_fill(~known, math.inf).amin(dim=-1).masked_fill(~known.any(dim=-1), math.nan)


def train_weighted_accuracy(
    probabilities: Float[Tensor, "*models n k"],
    labels: Int64[Tensor, " n"],
    groups: Int64[Tensor, " n"],
    train_groups: Int64[Tensor, " n2"],
) -> Float64[Tensor, "*models"]:
    r"""Test accuracies of the groups, averaged with the shares that the groups have of the training set.

    .. math:: A_w = \sum_g \frac{n^{\text{train}}_g}{n^{\text{train}}} A_g

    Args:
        probabilities: of the test examples, as in :func:`group_accuracy`.
        labels, groups: of the test examples.
        train_groups: the group of each training example.

    Returns:
        One share in [0, 1] per model. A test group that training lacks weighs nothing. NaN where the test set lacks a
        group that training has: that group's accuracy is not known, and an average of the others would be that of
        another population. NaN too without training examples, and for a model that has diverged.

    Raises:
        ValueError: a label for which there is no probability, or a negative group.

    Source: Sagawa et al. (2020), arXiv:1911.08731, whose average accuracies on Waterbirds are weighted so because its
    test set has other shares than its training set.

    >>> probabilities = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])
    >>> labels, groups = torch.tensor([0, 1, 1]), torch.tensor([0, 1, 1])
    >>> train_weighted_accuracy(probabilities, labels, groups, train_groups=torch.tensor([0, 0, 0, 1])).item()
    0.875
    """
    for name, column in (("groups", groups), ("train_groups", train_groups)):
        if len(column) and (least := int(column.min())) < 0:
            raise InputError(f"`{name}` must count from 0, but the smallest is {least}.")
    present, numbers = torch.cat([groups, train_groups]).unique(return_inverse=True)
    count = max(1, len(present))
    shares = group_accuracy(probabilities, labels, numbers[: len(groups)], count)
    sizes = numbers[len(groups) :].bincount(minlength=count)
    return torch.where(sizes > 0, sizes * shares, 0.0).sum(dim=-1) / len(train_groups)


def _check_groups(groups: Int64[Tensor, " n"], count: int) -> None:
    if count < 1:
        raise InputError(f"`count` must be 1 or more, but it is {count}: without groups, `accuracy` is what is meant.")
    if groups.numel() and not 0 <= int(groups.min()) <= int(groups.max()) < count:
        raise InputError(
            f"the groups run from {int(groups.min())} to {int(groups.max())}, but `count` is {count}: "
            f"they must lie between 0 and {count - 1}."
        )
