"""What deletions that fine-tune share: their recipe, a teacher, and how far a student is from it."""

from jaxtyping import Float
from torch import Tensor, nn

from spurlab.lent import copied_network
from spurlab.training import Recipe


def fine_tuning(recipe: Recipe, epochs: int, rate: float | None) -> Recipe:
    """The recipe for some epochs at one rate throughout; None: a tenth of its own.

    A tenth is what the public code of Jia et al. (2023), arXiv:2304.04934, fine-tunes with: 0.01 by SGD, where training
    began at 0.1. As a fraction it can be kept where another optimizer trains. For methods of other sources it is our
    transfer; some of these go on at the rate of training, as their docstrings say.

    >>> fine_tuning(Recipe(learning_rate=0.01), 5, None).learning_rate
    0.001
    """
    rate = recipe.learning_rate / 10 if rate is None else rate
    return recipe.constant(rate, epochs)


def teacher_from(model: nn.Module) -> nn.Module:
    """A copy that stays as it is: frozen, in evaluation mode."""
    return copied_network(model).eval().requires_grad_(False)


def divergence(teacher: Float[Tensor, "b k"], student: Float[Tensor, "b k"]) -> Float[Tensor, " b"]:
    r"""The Kullback-Leibler divergence of each example's probabilities, from the teacher's to the student's logits.

    .. math:: \mathrm{KL}(p \,\|\, q) = \sum_j p_j \log \frac{p_j}{q_j}

    >>> import torch
    >>> divergence(torch.zeros(1, 2), torch.tensor([[0.0, 1.0]]))  # log((1 + e) / 2) - 1/2
    tensor([0.1201])
    """
    log_p = teacher - teacher.logsumexp(1, keepdim=True)
    p = log_p.exp()
    # written out, the gradient q - p is exactly zero where both agree: Adam would make steps of rounding errors
    return (p * log_p).sum(1) - (p * student).sum(1) + student.logsumexp(1)
