"""Linear systems and eigenvalues of a matrix that is known by its products ``v -> H v`` alone."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

Product = Callable[[Float[Tensor, " p"]], Float[Tensor, " p"]]


def conjugate_gradient(
    product: Product, b: Float[Tensor, " p"], *, damping: float = 0.0, tolerance: float = 1e-4, steps: int = 100
) -> Float[Tensor, " p"]:
    r"""Solves :math:`(H + dI)\,x = b` for a symmetric matrix that is positive with its damping.

    It stops where :math:`\lVert b - (H + dI) x \rVert` is `tolerance` times :math:`\lVert b \rVert`, after `steps`, or
    at a direction in which the curvature is not positive: what it has then is the best it found among positive ones.

    Args:
        product: ``v -> H v``; a step costs one, and a few vectors of length p are all the memory.
        damping: :math:`d`.
        tolerance: of the residual, relative.

    Raises:
        FloatingPointError: numbers that are not finite, or a curvature that is not positive along b itself.

    Source: Hestenes and Stiefel (1952); the stop at negative curvature: Steihaug (1983).

    >>> conjugate_gradient(lambda v: torch.tensor([1.0, 3.0]) * v, torch.tensor([2.0, 4.0]), damping=1.0)
    tensor([1.0000, 1.0000])
    """
    x, residual, direction = torch.zeros_like(b), b.clone(), b.clone()
    norm = residual.dot(residual)
    enough = tolerance**2 * norm
    for step in range(steps):
        if norm <= enough:
            break
        curved = product(direction) + damping * direction
        curvature = direction.dot(curved)
        if not curvature > 0:
            if step == 0 or not curvature.isfinite():
                raise FloatingPointError(
                    f"conjugate gradient found a curvature of {curvature.item():.3g} at step {step + 1}, where it must "
                    f"be positive and finite. The damping is {damping:g}: raise it, or take the Gauss-Newton matrix."
                )
            break
        length = norm / curvature
        x += length * direction
        residual -= length * curved
        before, norm = norm, residual.dot(residual)
        direction = residual + (norm / before) * direction
    return _finite(x, "conjugate gradient", damping)


def lissa(
    product: Product, b: Float[Tensor, " p"], *, damping: float, scale: float, depth: int, repetitions: int = 1
) -> Float[Tensor, " p"]:
    r"""Estimates :math:`(H + dI)^{-1} b` from products with matrices drawn at random around :math:`H`.

    .. math:: h_0 = b, \qquad h_t = b + h_{t-1} - \frac{(H_t + dI)\, h_{t-1}}{s}, \qquad
        x = \frac{1}{r} \sum_{j=1}^{r} \frac{h_T^{(j)}}{s}

    With independent draws of mean :math:`H` the expectation is that of the recursion with :math:`H` itself; it tends to
    the solution as T grows, if :math:`s` is above the largest eigenvalue of :math:`H + dI`. The recursion sums
    the Neumann series of :math:`(H + dI) / s`, so its end must be divided by :math:`s`; repetitions are averaged.

    Args:
        product: ``v -> H_t v``, with another draw at each call.
        damping: :math:`d`.
        scale: :math:`s`, above the largest eigenvalue of any :math:`H_t + dI`, or the recursion may diverge.
        depth: :math:`T`, the products of one repetition. Directions with an eigenvalue below :math:`s / T` have not
            arrived by then: stopping early damps them by about that much.
        repetitions: :math:`r`.

    Raises:
        FloatingPointError: the recursion diverged.

    Source: Agarwal, Bullins and Hazan (2017), Second-order stochastic optimization for machine learning in linear time;
    Koh and Liang (2017), Understanding black-box predictions via influence functions, section 3.

    >>> b = torch.tensor([2.0, 4.0])
    >>> lissa(lambda v: torch.tensor([1.0, 3.0]) * v, b, damping=1.0, scale=5.0, depth=100)
    tensor([1.0000, 1.0000])
    """
    total = torch.zeros_like(b)
    for _ in range(repetitions):
        h = b.clone()
        for _ in range(depth):
            h = b + h - (product(h) + damping * h) / scale
        total += h / scale
    return _finite(total / repetitions, f"LiSSA at scale {scale:g}", damping)


def largest_eigenvalue(product: Product, start: Float[Tensor, " p"], steps: int = 10) -> float:
    r"""A lower bound of the largest eigenvalue in absolute value, near it after a few steps of power iteration.

    >>> round(largest_eigenvalue(lambda v: torch.tensor([1.0, 3.0]) * v, torch.ones(2)), 2)
    3.0
    """
    v, size = start / start.norm(), 0.0
    for _ in range(steps):
        curved = product(v)
        size = curved.norm().item()
        if size == 0:
            break
        v = curved / size
    return size


def _finite(x: Tensor, solver: str, damping: float) -> Tensor:
    if not bool(x.isfinite().all()):
        raise FloatingPointError(
            f"{solver} did not converge: its result is not finite. The damping is {damping:g}: raise it (for LiSSA, or "
            "the scale)."
        )
    return x
