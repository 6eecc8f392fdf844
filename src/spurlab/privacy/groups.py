"""Was a group of examples, as a group, in the training set?"""

from typing import Literal

from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from spurlab.errors import InputError

How = Literal["sum", "mean"]


def group_scores(
    scores: Float[Tensor, "*networks n"], groups: Int64[Tensor, " n"], how: How = "sum"
) -> Float64[Tensor, "*networks g"]:
    r"""What an attack says of groups: its scores of their examples added up.

    .. math:: \Lambda(G) = \sum_{i \in G} \log \frac{p(\varphi_i \mid in)}{p(\varphi_i \mid out)}

    Of log-ratios, as LiRA's, this is the log-ratio of the group where its examples' margins are independent given
    membership. Shadows should have each group in or out as a whole (`spurlab.privacy.halves` with groups): with a
    sibling in the training set an example looks like a member.

    Args:
        scores: of examples, from any attack; log-ratios for the reading above.
        groups: the number of each example's group; -1: in none.
        how: `sum`, or `mean`, so that groups of different sizes can be compared.

    Returns:
        One score for each group, in the order of their numbers.

    Raises:
        ValueError: there is no group.

    >>> import torch
    >>> group_scores(torch.tensor([1.0, 2.0, 5.0]), torch.tensor([0, 0, -1])).tolist()
    [3.0]
    """
    cells, count = _cells(groups)
    total = scores.double() @ cells
    return total / count if how == "mean" else total


def group_members(members: Bool[Tensor, "*networks n"], groups: Int64[Tensor, " n"]) -> Bool[Tensor, "*networks g"]:
    """Which groups each network learnt from.

    Raises:
        ValueError: a group of which a part was in, and there is no yes or no; or no group.

    >>> import torch
    >>> group_members(torch.tensor([True, True, False]), torch.tensor([0, 0, 1])).tolist()
    [True, False]
    """
    cells, count = _cells(groups)
    inside = members.double() @ cells
    part = (inside > 0) & (inside < count)
    if bool(part.any()):
        group, found = int(part.nonzero()[0, -1]), int(inside[part][0])
        raise InputError(
            f"group {group} (in the order of their numbers) is in a training set with {found} of its "
            f"{int(count[group])} examples. Draw halves with `groups`, so that it is in or out as a whole."
        )
    return inside > 0


def _cells(groups: Int64[Tensor, " n"]) -> tuple[Float64[Tensor, "n g"], Float64[Tensor, " g"]]:
    numbers = groups[groups >= 0].unique()
    if not len(numbers):
        raise InputError("there is no group: each example's number is -1. Number the groups from 0.")
    cells = (groups[:, None] == numbers).double()
    return cells, cells.sum(0)
