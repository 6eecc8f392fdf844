"""How strongly a pattern pulls predictions, and how far it moves inputs."""

import math

import torch
from jaxtyping import Bool, Float, Float64, Num
from torch import Tensor

from spurlab.errors import InputError


def spurious_score(
    clean: Float[Tensor, "*models n k"], marked: Float[Tensor, "*models n k"], target: int, margin: float = 0.1
) -> Float64[Tensor, "*models"]:
    r"""Share of examples that the pattern pulls towards the target class.

    .. math:: S = \frac{1}{n} \sum_{i=1}^{n} \mathbf{1}\big[f_c(g(x_i, x_{sp})) - f_c(x_i) > \varepsilon\big]

    Args:
        clean: class probabilities :math:`f(x_i)`, one row per example.
        marked: class probabilities :math:`f(g(x_i, x_{sp}))` of the same examples, in the same order.
        target: the class :math:`c` that the pattern was planted in. Examples of this class count like all others.
        margin: :math:`\varepsilon`, the rise that must be exceeded; a share of probability, not of examples. A rise
            counts when it exceeds the margin by more than the resolution of the probabilities (the machine epsilon of
            their type, 1.2e-7 for float32): a rise of exactly 0.1 does not count, although no binary number is 0.1.

    Returns:
        One share in [0, 1] per model. 0: the pattern moves nobody. NaN when there are no examples, and for a model with
        a NaN among its probabilities (it has diverged).

    Raises:
        ValueError: a target that is no class, or numbers that are no probabilities.

    Source: Yang et al. (2022), arXiv:2202.05189, equation 1.

    >>> clean = torch.tensor([[0.9, 0.1], [0.6, 0.4]])
    >>> marked = torch.tensor([[0.9, 0.1], [0.2, 0.8]])
    >>> spurious_score(clean, marked, target=1).item()
    0.5
    """
    if not 0 <= target < clean.shape[-1]:
        raise InputError(
            f"`target` is class {target}, but the probabilities are of the classes 0 to {clean.shape[-1] - 1}."
        )
    resolution = _resolution(clean, marked)
    for column in (clean, marked):
        if bool(((column < 0) | (column > 1 + resolution)).any()):
            raise InputError(
                f"the score needs probabilities, but these numbers span [{column.min():g}, {column.max():g}]. "
                "Logits must go through a softmax first."
            )
    score = pulled(clean[..., target], marked[..., target], margin).double().mean(dim=-1)
    diverged = clean.isnan().any(dim=(-2, -1)) | marked.isnan().any(dim=(-2, -1))
    return score.masked_fill(diverged, math.nan)


def pulled(
    clean: Float[Tensor, "*shape"], marked: Float[Tensor, "*shape"], margin: float = 0.1
) -> Bool[Tensor, "*shape"]:
    """Which probabilities rise by more than the margin, and than they resolve; see `spurious_score`.

    >>> pulled(torch.tensor([0.2, 0.2]), torch.tensor([0.3, 0.4])).tolist()
    [False, True]
    """
    return marked.double() - clean.double() > margin + _resolution(clean, marked)


def _resolution(clean: Tensor, marked: Tensor) -> float:
    return max(torch.finfo(column.dtype).eps for column in (clean, marked))


def empirical_norm(clean: Num[Tensor, "n *shape"], marked: Num[Tensor, "n *shape"]) -> Float64[Tensor, " n"]:
    r"""How far the pattern moves each input; the paper's Table 1 is the mean over the test examples.

    .. math:: \lVert g(x_i, x_{sp}) - x_i \rVert_2

    Args:
        clean: the inputs :math:`x_i`.
        marked: the same inputs with the pattern, :math:`g(x_i, x_{sp})`, in the same order.

    Returns:
        One distance per example, 0 or more. Clipping makes it smaller than the norm of the pattern itself.

    Source: Yang et al. (2022), arXiv:2202.05189, section 3.3.1.

    >>> empirical_norm(torch.zeros(2, 1, 1, 2), torch.tensor([[[[3.0, 4.0]]], [[[0.0, 0.0]]]])).tolist()
    [5.0, 0.0]
    """
    distance: Tensor = torch.linalg.vector_norm((marked - clean).flatten(1), dim=1, dtype=torch.float64)
    return distance
