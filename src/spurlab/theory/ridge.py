"""Kernel ridge regression: predictions, and how far a mark that is orthogonal to all else moves them."""

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from spurlab.errors import InputError
from spurlab.theory.checks import check_above, check_finite, check_from

SMALLEST = 1e-12  # share of the largest eigenvalue (or pivot) up to which one counts as zero, where there is no ridge


def shift_ridge(
    kernel: Float[Tensor, "n n"],
    labels: Float[Tensor, "n *outputs"],
    marked: Bool[Tensor, " n"],
    norm: float,
    ridge: float = 0.0,
) -> Float64[Tensor, "*outputs"]:
    r"""How far the mark moves every prediction of kernel ridge regression that has seen it in a few examples.

    Features :math:`\phi(x)` have the core kernel :math:`K_{ij} = \phi(x_i) \cdot \phi(x_j)`. The mark adds :math:`s e`
    to them, where the unit vector :math:`e` is orthogonal to the features of all examples. Of N examples, those in
    :math:`S` have the mark, and f minimizes

    .. math:: \frac{1}{N} \sum_{i=1}^{N} \big( f(x_i) - y_i \big)^2 + \lambda \lVert w \rVert^2,
        \qquad f(x) = w \cdot \phi(x).

    With :math:`A = K + N \lambda I`, and :math:`1_S` the vector that is 1 in S and 0 elsewhere, a marked input is
    predicted higher than the same input without the mark by

    .. math:: \Delta f = \frac{s^2 a}{1 + s^2 b}, \qquad a = 1_S^\top A^{-1} y, \quad b = 1_S^\top A^{-1} 1_S.

    *Derivation.* Two marked examples have :math:`s^2` more in common than without the mark, so the kernel of the
    training examples is :math:`K + s^2 1_S 1_S^\top`, and the solution is :math:`f(x) = k(x)^\top \alpha` with
    :math:`\alpha = (A + s^2 1_S 1_S^\top)^{-1} y`. The mark adds :math:`s^2 1_S` to :math:`k(x)` and nothing else,
    hence :math:`\Delta f = s^2 \, 1_S^\top \alpha`, whatever x is. By Sherman and Morrison
    :math:`\alpha = A^{-1} y - s^2 A^{-1} 1_S \, a / (1 + s^2 b)`, and
    :math:`1_S^\top \alpha = a - s^2 b \, a / (1 + s^2 b) = a / (1 + s^2 b)`.

    *Without ridge*, :math:`\lambda \to 0`, f is the minimum-norm solution of least squares. Where K is invertible, A is
    K. Otherwise let P project onto the null space of K. If :math:`P 1_S = 0`, the inverse is the pseudoinverse. If not,
    a and b grow as :math:`1_S^\top P y / N \lambda` and :math:`\lVert P 1_S \rVert^2 / N \lambda`, and
    :math:`\Delta f \to 1_S^\top P y / \lVert P 1_S \rVert^2`: the mark explains what the core leaves unexplained, and
    its norm does not matter.

    Args:
        kernel: :math:`K`, symmetric and positive semidefinite, of the training examples without the mark.
        labels: :math:`y`; further axes are outputs of their own, e.g. one-hot labels.
        marked: the examples in :math:`S`.
        norm: :math:`s`, above 0. For images of the linear kernel the l2 norm of the mark.
        ridge: :math:`\lambda`, 0 or more. It multiplies :math:`\lVert w \rVert^2` where the loss is a mean over
            examples; see `ridge_of_noise` and `ridge_of_decay`. An intercept is penalized too: add a constant to the
            kernel.

    Returns:
        One shift for each output, the same for every input. 0 without marked examples.

    Raises:
        ValueError: a kernel that is not symmetric or has negative eigenvalues (seen where the ridge does not hide
            them), numbers that are not finite, or a norm or ridge outside its range.

    >>> kernel, labels = torch.eye(4), torch.tensor([1.0, 1.0, 0.0, 0.0])
    >>> marked = torch.tensor([True, False, False, False])
    >>> shift_ridge(kernel, labels, marked, norm=2.0).item()  # of a label of 1, s^2 / (1 + s^2)
    0.8
    """
    check_above(0, norm=norm)
    check_kernel(kernel, ridge)
    check_finite(labels=labels)
    y, ones = labels.detach().double(), marked.double()
    if ridge == 0 and _cholesky(kernel.detach().double()) is None:
        values, vectors = _spectrum(kernel.detach().double())
        null = vectors[:, values == 0]
        unexplained = ones @ null
        length = unexplained.square().sum()
        if float(length) > SMALLEST * float(ones.sum()):
            limit: Tensor = torch.tensordot(null @ unexplained, y, dims=1) / length
            return limit
    solved = solve_ridge(kernel, torch.cat([ones.unsqueeze(1), y.reshape(len(y), -1)], dim=1), ridge)
    a, b = (ones @ solved[:, 1:]).view(y.shape[1:]), ones @ solved[:, 0]
    return norm**2 * a / (1 + norm**2 * b)


def predict_ridge(
    kernel: Float[Tensor, "n n"],
    labels: Float[Tensor, "n *outputs"],
    across: Float[Tensor, "t n"],
    ridge: float = 0.0,
) -> Float64[Tensor, "t *outputs"]:
    r"""What kernel ridge regression predicts.

    .. math:: f(x) = k(x)^\top (K + N \lambda I)^{-1} y

    *Derivation.* The minimum of :math:`\frac{1}{N} \lVert \Phi w - y \rVert^2 + \lambda \lVert w \rVert^2` over
    :math:`w` is in the span of the examples, :math:`w = \Phi^\top \alpha`. There it is
    :math:`\frac{1}{N} \lVert K \alpha - y \rVert^2 + \lambda \alpha^\top K \alpha`, with the gradient
    :math:`\frac{2}{N} K \big( (K + N \lambda I) \alpha - y \big)`, which is zero for the :math:`\alpha` above.

    Args:
        kernel: :math:`K`, of the training examples.
        labels: :math:`y`; further axes are outputs of their own.
        across: of each input that is asked with each training example, :math:`k(x)`.
        ridge: :math:`\lambda`, 0 or more. 0: the minimum-norm solution of least squares.

    Returns:
        One prediction for each input and output.

    Raises:
        ValueError: as `shift_ridge`.

    >>> predict_ridge(torch.eye(2), torch.tensor([1.0, 3.0]), torch.eye(2), ridge=0.5).round(decimals=9).tolist()
    [0.5, 1.5]
    """
    check_kernel(kernel, ridge)
    check_finite(labels=labels)
    y = labels.detach().double()
    solved = solve_ridge(kernel, y.reshape(len(y), -1), ridge)
    return (across.detach().double() @ solved).view(len(across), *y.shape[1:])


def check_kernel(kernel: Float[Tensor, "n n"], ridge: float) -> None:
    """Raises ValueError: a kernel that is none, or a ridge below 0."""
    check_from(0, ridge=ridge)
    check_finite(kernel=kernel)
    wrong = float((kernel - kernel.T).abs().max())
    if wrong > 10 * torch.finfo(kernel.dtype).eps * len(kernel) * float(kernel.abs().max()):
        raise InputError(f"a kernel of training examples is symmetric, but two numbers differ by {wrong:g}.")


def solve_ridge(kernel: Float[Tensor, "n n"], right: Float64[Tensor, "n k"], ridge: float) -> Float64[Tensor, "n k"]:
    """The inverse of `kernel` + n * `ridge` * identity times `right`; of a singular kernel the pseudoinverse."""
    n = len(kernel)
    shifted = kernel.detach().to(torch.float64, copy=True)
    shifted.diagonal().add_(n * ridge)
    factor = _cholesky(shifted)
    if factor is not None:
        return torch.cholesky_solve(right, factor)
    values, vectors = _spectrum(shifted)
    kept = values > 0
    return vectors[:, kept] @ ((vectors[:, kept].T @ right) / values[kept].unsqueeze(1))


def _cholesky(matrix: Float64[Tensor, "n n"]) -> Float64[Tensor, "n n"] | None:
    """The Cholesky factor; None of a matrix that is singular to rounding."""
    factor, failed = torch.linalg.cholesky_ex(matrix)
    pivots = factor.diagonal().square()
    return None if failed or float(pivots.min()) <= SMALLEST * float(pivots.max()) else factor


def _spectrum(matrix: Float64[Tensor, "n n"]) -> tuple[Float64[Tensor, " n"], Float64[Tensor, "n n"]]:
    """Eigenvalues, those that are zero to rounding as zeros, and eigenvectors in columns.

    Raises ValueError: it has negative eigenvalues.
    """
    values, vectors = torch.linalg.eigh(matrix)
    zero = SMALLEST * float(values.abs().max())
    if float(values[0]) < -1e3 * zero:
        raise InputError(
            f"a kernel has no negative eigenvalue, but this one (with its ridge) has {float(values[0]):g}. "
            "Is it made of the same examples in rows and columns, by a function that is a kernel?"
        )
    return values.where(values > zero, 0.0), vectors
