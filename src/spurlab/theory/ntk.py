"""The neural tangent kernel of a two-layer ReLU network, and what regression with it makes of a mark."""

import math

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor
from torch.nn import functional as F

from spurlab.errors import InputError
from spurlab.theory.checks import check_finite
from spurlab.theory.ridge import predict_ridge

NEAR = (
    1e-6  # cosines that are as near to 1 or -1 are made again from the distance: an arccos would lose half the digits
)
PAIRS = 2**14  # so many at once


def ntk_relu(x: Float[Tensor, "n *shape"], z: Float[Tensor, "t *shape"]) -> Float64[Tensor, "n t"]:
    r"""The neural tangent kernel of a two-layer ReLU network of infinite width, both layers trained, without biases.

    The network is :math:`f(x) = \sqrt{2 / m} \, \sum_{j=1}^{m} a_j \max(0, w_j \cdot x)` with all :math:`a_j` and all
    entries of :math:`w_j` from N(0, 1) (the NTK parametrization, with He's factor 2). With :math:`\theta` the angle
    between x and z,

    .. math:: \Theta(x, z) = \lVert x \rVert \lVert z \rVert \big( \kappa_1 + \cos \theta \; \kappa_0 \big), \qquad
        \kappa_0 = \frac{\pi - \theta}{\pi}, \quad
        \kappa_1 = \frac{\sin \theta + (\pi - \theta) \cos \theta}{\pi}.

    *Derivation.* The kernel is the inner product of gradients, :math:`\nabla f(x) \cdot \nabla f(z)`. By :math:`a_j`
    the gradient is :math:`\sqrt{2 / m} \max(0, w_j \cdot x)`, by :math:`w_j` it is :math:`\sqrt{2 / m} \, a_j
    1[w_j \cdot x > 0] \, x`. The sums over j are means over m, and go to expectations over :math:`w \sim N(0, I)` (of
    :math:`a^2` it is 1):

    .. math:: \Theta(x, z) = 2 \, \mathbb{E} \max(0, w \cdot x) \max(0, w \cdot z)
        + 2 \, x \cdot z \; P(w \cdot x > 0, \, w \cdot z > 0).

    Both depend only on the projection of w on the plane of x and z, whose direction is uniform. Two half planes at an
    angle :math:`\theta` share :math:`(\pi - \theta) / 2 \pi` of all directions, which makes the second term
    :math:`x \cdot z \, \kappa_0`. In polar coordinates :math:`w = r (\cos \varphi, \sin \varphi)` with x at angle 0 and
    z at :math:`\theta`, the first is :math:`2 \lVert x \rVert \lVert z \rVert \, \mathbb{E} r^2 \, \frac{1}{2 \pi}
    \int_{\theta - \pi / 2}^{\pi / 2} \cos \varphi \cos (\varphi - \theta) \, d\varphi`. The integrand is
    :math:`\frac12 (\cos \theta + \cos (2 \varphi - \theta))`, its integral :math:`\frac12 ((\pi - \theta) \cos \theta
    + \sin \theta)`, and :math:`\mathbb{E} r^2 = 2`: the first term is
    :math:`\lVert x \rVert \lVert z \rVert \kappa_1`.

    Args:
        x, z: inputs, flattened. A constant b as one more number of each input makes biases of the hidden layer, which
            start from :math:`N(0, b^2)`.

    Returns:
        One number for each pair, in float64; :math:`2 \lVert x \rVert^2` of an input with itself, 0 with one of zeros.

    Raises:
        ValueError: no inputs, or some that are not finite.

    Sources: Cho and Saul (2009), Kernel methods for deep learning, NeurIPS 22 (arc-cosine kernels); Jacot, Gabriel and
    Hongler (2018), Neural tangent kernel, arXiv:1806.07572; Bietti and Mairal (2019), arXiv:1905.12173 (this form).

    >>> ntk_relu(torch.eye(2), torch.tensor([[3.0, 0.0], [0.0, 0.0]])).round(decimals=4).tolist()
    [[6.0, 0.0], [0.9549, 0.0]]
    """
    check_finite(x=x, z=z)
    (x, long), (z, wide) = (_directions(each) for each in (x, z))
    cosine = (x @ z.T).clamp(-1, 1)
    angle = cosine.arccos()
    for rows, columns in (pairs.unbind(1) for pairs in (cosine.abs() > 1 - NEAR).nonzero().split(PAIRS)):
        sign = cosine[rows, columns].sign()
        apart = 2 * ((x[rows] - sign.unsqueeze(1) * z[columns]).norm(dim=1) / 2).arcsin()
        angle[rows, columns] = torch.where(sign > 0, apart, math.pi - apart)
    first = (angle.sin() + (math.pi - angle) * angle.cos()) / math.pi
    kernel: Tensor = (first + angle.cos() * (1 - angle / math.pi)) * long.unsqueeze(1) * wide
    return kernel


def ntk_outputs(
    train: Float[Tensor, "n *shape"],
    labels: Int64[Tensor, " n"],
    inputs: Float[Tensor, "t *shape"],
    classes: int,
    ridge: float = 0.0,
) -> Float64[Tensor, "t k"]:
    r"""What regression of one-hot labels with `ntk_relu` predicts.

    .. math:: f(x) = \Theta(x, X) \, \big( \Theta(X, X) + N \lambda I \big)^{-1} Y

    Without ridge this is where gradient flow on the squared error takes the infinitely wide network, up to its outputs
    at the start (Jacot et al.); a ridge stands for stopping early, or for a penalty on the way from the start.

    Args:
        train: the training inputs, marked rows in their places.
        labels: their classes, 0 to `classes` - 1.
        inputs: what is asked.
        classes: k.
        ridge: :math:`\lambda`, 0 or more, of `predict_ridge`.

    Returns:
        One output for each input and class: not bounded, but 0 and 1 where they fit. Takes 8 bytes times n (n + t) and
        n^3 / 3 multiplications: seconds for 4,000 examples.

    Raises:
        ValueError: a label that is no class, inputs that are not finite, a ridge outside its range.

    >>> ntk_outputs(torch.eye(2), torch.tensor([0, 1]), torch.eye(2), classes=2).round(decimals=6).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    if len(labels) == 0 or int(labels.min()) < 0 or int(labels.max()) >= classes:
        raise InputError(f"the labels must be classes from 0 to {classes - 1}, and one or more.")
    truth = F.one_hot(labels, classes).double()
    return predict_ridge(ntk_relu(train, train), truth, ntk_relu(inputs, train), ridge)


def ntk_rise(
    train: Float[Tensor, "n *shape"],
    labels: Int64[Tensor, " n"],
    clean: Float[Tensor, "t *shape"],
    marked: Float[Tensor, "t *shape"],
    target: int,
    ridge: float = 0.0,
) -> Float64[Tensor, " t"]:
    r"""How far a mark moves the output of the target class, by `ntk_outputs`.

    .. math:: \Delta f(x_i) = f_c(g(x_i, x_{sp})) - f_c(x_i)

    Other than in `shift_ridge` the mark need not be orthogonal to the rest (nor additive), so the shift depends on the
    input. Outputs stand for probabilities here, so the share of shifts above 0.1 stands beside a spurious score.

    Args:
        train: the training inputs, marked rows in their places.
        labels: their classes.
        clean: test inputs.
        marked: the same with the mark, in the same order.
        target: c, the class of the marked training examples.
        ridge: :math:`\lambda`, 0 or more, of `predict_ridge`.

    Returns:
        One shift per test input.

    Raises:
        ValueError: as `ntk_outputs`.

    >>> train, labels = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]]), torch.tensor([0, 1])
    >>> clean, marked = torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([[1.0, 0.0, 1.0]])
    >>> ntk_rise(train, labels, clean, marked, target=1).round(decimals=4).tolist()
    [0.3784]
    """
    outputs = ntk_outputs(train, (labels == target).long(), torch.cat([clean, marked]), 2, ridge)[:, 1]
    return outputs[len(clean) :] - outputs[: len(clean)]


def _directions(inputs: Float[Tensor, "n *shape"]) -> tuple[Float64[Tensor, "n d"], Float64[Tensor, " n"]]:
    """Unit vectors (zeros stay zeros) and lengths."""
    flat = inputs.detach().double().reshape(len(inputs), -1)
    lengths = flat.norm(dim=1)
    return flat / lengths.clamp(min=torch.finfo(torch.float64).tiny).unsqueeze(1), lengths
